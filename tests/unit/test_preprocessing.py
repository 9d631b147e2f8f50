"""Cleaning tables: values computed by hand, by the standard library and, where it is installed, by scikit-learn; and nothing
learnt from the test part."""

from __future__ import annotations

import math
import statistics
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinynet
from tinynet.checkpoint import load_state, save_state
from tinynet.preprocessing import OutlierClipper, Pipeline, SimpleImputer, StandardScaler, drop_missing

NAN = np.nan
TRAIN = np.array([[1.0, NAN, 5.0], [3.0, 2.0, 5.0], [NAN, 2.0, 5.0], [8.0, 5.0, 5.0]])
TEST = np.array([[NAN, NAN, NAN], [100.0, -100.0, 6.0]])


@pytest.mark.parametrize(
    "strategy, values",
    [
        ("mean", [4.0, 3.0, 5.0]),
        ("median", [3.0, 2.0, 5.0]),
        ("most_frequent", [1.0, 2.0, 5.0]),
        ("constant", [-1.0] * 3),
    ],
)
def test_imputer(strategy: str, values: list[float]) -> None:
    step = SimpleImputer(strategy, fill_value=-1.0).fit(TRAIN)
    assert step.statistics_.tolist() == values
    assert step.transform(TEST).tolist() == [values, TEST[1].tolist()]
    assert np.isnan(TEST[0]).all()


def test_imputer_of_an_unknown_column() -> None:
    assert SimpleImputer().fit_transform([[NAN, 1.0], [NAN, 3.0]]).tolist() == [[0.0, 1.0], [0.0, 3.0]]


def test_scaler() -> None:
    step = StandardScaler().fit(TRAIN)
    np.testing.assert_allclose(step.mean_, [4.0, 3.0, 5.0])
    np.testing.assert_allclose(step.scale_, [np.sqrt(26 / 3), np.sqrt(2.0), 1.0])
    result = step.transform(TEST)
    np.testing.assert_allclose(result[1], [96 / np.sqrt(26 / 3), -103 / np.sqrt(2), 1.0])
    assert np.isnan(result[0]).all()
    np.testing.assert_allclose(step.inverse_transform(result), TEST)
    assert StandardScaler().fit_transform(np.full((7, 1), 0.1)).tolist() == [[0.0]] * 7


def test_clipper() -> None:
    column = np.array([[1.0], [2.0], [3.0], [4.0], [5.0], [NAN]])
    step = OutlierClipper().fit(column)
    assert (step.low_[0], step.high_[0]) == (2 - 3.0, 4 + 3.0)
    assert step.transform([[-9.0], [-1.0], [6.5], [99.0]])[:, 0].tolist() == [-1.0, -1.0, 6.5, 7.0]
    assert np.isnan(step.transform([[NAN]])).all()
    shares = OutlierClipper(quantiles=(0.0, 0.5)).fit(column)
    assert (shares.low_[0], shares.high_[0]) == (1.0, 3.0)
    assert OutlierClipper().fit([[NAN]]).transform([[1e9]])[0, 0] == 1e9


def test_drop_missing() -> None:
    X, y, names = drop_missing(TRAIN, [0, 1, 2, 3], tinynet.tensor([5, 6, 7, 8]))
    assert (X.tolist(), y.tolist(), names.tolist()) == ([[3.0, 2.0, 5.0], [8.0, 5.0, 5.0]], [1, 3], [6, 8])
    with pytest.raises(ValueError, match=r"others\[0\] has 3 rows, expected 4 as X"):
        drop_missing(TRAIN, [0, 1, 2])


def make() -> Pipeline:
    return Pipeline([OutlierClipper(0.5), SimpleImputer("median"), StandardScaler()])


def test_the_test_part_teaches_nothing() -> None:
    rng = np.random.default_rng(0)
    table = rng.normal(size=(50, 4)) * [1, 10, 100, 0] + [0, 5, -5, 3]
    table[rng.random(table.shape) < 0.1] = NAN
    pipeline = make()
    fitted = pipeline.fit_transform(table)
    np.testing.assert_allclose(fitted[:, :3].mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(fitted[:, :3].std(axis=0), 1)
    alone = pipeline.transform(table[:1])
    np.testing.assert_array_equal(alone, fitted[:1])
    np.testing.assert_array_equal(pipeline.transform(np.vstack([table[:1], table[:1] + 1e6]))[:1], alone)


def test_state_in_a_checkpoint(tmp_path: Path) -> None:
    pipeline = make().fit(TRAIN)
    save_state(pipeline.state_dict(), tmp_path / "state")
    again = make()
    again.load_state_dict(load_state(tmp_path / "state"))
    np.testing.assert_array_equal(again.transform(TEST), pipeline.transform(TEST))
    with pytest.raises(ValueError, match="state_dict has 3 steps, expected 1"):
        Pipeline([StandardScaler()]).load_state_dict(pipeline.state_dict())
    with pytest.raises(KeyError, match="mean_"):
        StandardScaler().load_state_dict(SimpleImputer().fit(TRAIN).state_dict())


def random_table() -> Any:
    rng = np.random.default_rng(1)
    table = rng.integers(0, 9, (40, 5)).astype(float)
    table[rng.random(table.shape) < 0.2] = NAN
    return table


def test_as_the_standard_library_computes() -> None:
    """Python's `statistics`, in exact arithmetic, over the values that are known."""
    table = random_table()
    columns = [[Fraction(x) for x in column if x == x] for column in table[:30].T.tolist()]
    of_columns = {
        "mean": [statistics.fmean(c) for c in columns],
        "median": [float(statistics.median(c)) for c in columns],
        "most_frequent": [float(min(statistics.multimode(c))) for c in columns],
    }
    for strategy, values in of_columns.items():
        result = SimpleImputer(strategy).fit(table[:30]).transform(table)
        expected = [[v if x != x else x for x, v in zip(row, values)] for row in table.tolist()]
        np.testing.assert_allclose(result, expected, rtol=1e-15)
    deviations = [math.sqrt(statistics.pvariance(c)) for c in columns]
    scaled = [[(x - m) / d for x, m, d in zip(row, of_columns["mean"], deviations)] for row in table.tolist()]
    np.testing.assert_allclose(StandardScaler().fit(table[:30]).transform(table), scaled, rtol=1e-13, atol=1e-14)
    quartiles = [statistics.quantiles(c, n=4, method="inclusive") for c in columns]
    clipper = OutlierClipper(0.25).fit(table[:30])
    np.testing.assert_allclose(clipper.low_, [float(q - (u - q) / 4) for q, _, u in quartiles], rtol=1e-15)
    np.testing.assert_allclose(clipper.high_, [float(u + (u - q) / 4) for q, _, u in quartiles], rtol=1e-15)
    tenths = [statistics.quantiles(c, n=10, method="inclusive") for c in columns]
    shares = OutlierClipper(quantiles=(0.1, 0.9)).fit(table[:30])
    np.testing.assert_allclose(shares.low_, [float(t[0]) for t in tenths], rtol=1e-14)
    np.testing.assert_allclose(shares.high_, [float(t[-1]) for t in tenths], rtol=1e-14)
    kept, rows = drop_missing(table, range(40))
    assert rows.tolist() == [i for i, row in enumerate(table.tolist()) if all(x == x for x in row)]
    assert 0 < len(kept) < 40


@pytest.mark.parametrize("strategy", ["mean", "median", "most_frequent"])
def test_as_scikit_learns(strategy: str) -> None:
    impute, preprocessing = (pytest.importorskip(f"sklearn.{name}") for name in ("impute", "preprocessing"))
    table = random_table()
    theirs = impute.SimpleImputer(strategy=strategy).fit(table[:30])
    np.testing.assert_allclose(SimpleImputer(strategy).fit(table[:30]).transform(table), theirs.transform(table))
    scaler = preprocessing.StandardScaler().fit(table[:30])
    np.testing.assert_allclose(StandardScaler().fit(table[:30]).transform(table), scaler.transform(table))


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda: SimpleImputer("mode"), ValueError, "strategy is 'mode', expected 'mean'"),
        (lambda: OutlierClipper(-1.0), ValueError, "factor is -1.0, expected at least 0"),
        (lambda: OutlierClipper(quantiles=(0.9, 0.1)), ValueError, "quantiles is .0.9, 0.1."),
        (lambda: StandardScaler().transform(TEST), RuntimeError, "StandardScaler has not been fitted"),
        (
            lambda: StandardScaler().fit(TRAIN[:, :2]).transform(TEST),
            ValueError,
            "X has 3 columns, expected 2 as in fit",
        ),
        (
            lambda: StandardScaler().fit(np.zeros(3)),
            ValueError,
            r"X has shape \(3,\) and dtype float64, expected numbers",
        ),
        (lambda: StandardScaler().fit(np.zeros((0, 3))), ValueError, "X has no rows"),
        (lambda: StandardScaler().fit([["a"]]), ValueError, "expected numbers"),
    ],
)
def test_bad_arguments(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()
