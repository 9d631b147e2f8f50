"""Metrics against sums written out in NumPy, and against scikit-learn's definitions by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinynet
from tinynet import metrics

RNG = np.random.default_rng(0)
SCORES = RNG.standard_normal((50, 4)).astype(np.float32)
LABELS = np.concatenate([RNG.integers(0, 3, 49), [3]])
PREDICTED = SCORES.argmax(1)


def over_batches(metric: metrics.Metric, outputs: Any, targets: Any, device: str) -> Any:
    for part in (slice(0, 1), slice(1, 30), slice(30, 50)):
        metric.update(tinynet.tensor(outputs[part], device=device), tinynet.tensor(targets[part], device=device))
    return metric.compute()


@pytest.mark.parametrize("k", [1, 2, 4])
def test_accuracy(k: int, device: str) -> None:
    best = np.argsort(-SCORES, axis=1)[:, :k]
    expected = np.mean([label in row for label, row in zip(LABELS, best)])
    assert over_batches(metrics.Accuracy(k), SCORES, LABELS, device) == pytest.approx(expected)


def test_ties_go_to_the_first_class(device: str) -> None:
    flat = np.zeros((50, 4), np.float32)
    assert over_batches(metrics.Accuracy(), flat, LABELS, device) == np.mean(LABELS == 0)
    assert over_batches(metrics.Accuracy(2), flat, LABELS, device) == np.mean(LABELS < 2)


def test_confusion_matrix(device: str) -> None:
    expected = np.zeros((4, 4), np.int64)
    for label, predicted in zip(LABELS, PREDICTED):
        expected[label, predicted] += 1
    np.testing.assert_array_equal(over_batches(metrics.ConfusionMatrix(), SCORES, LABELS, device), expected)


def test_precision_recall_f1(device: str) -> None:
    hits = np.array([np.sum((c == LABELS) & (c == PREDICTED)) for c in range(4)], float)
    precision = hits / np.array([max(np.sum(c == PREDICTED), 1) for c in range(4)])
    support = np.array([np.sum(c == LABELS) for c in range(4)])
    recall = hits / np.maximum(support, 1)
    f1 = np.array([2 * p * r / (p + r) if p + r else 0.0 for p, r in zip(precision, recall)])
    for kind, values in ((metrics.Precision, precision), (metrics.Recall, recall), (metrics.F1, f1)):
        np.testing.assert_allclose(over_batches(kind(None), SCORES, LABELS, device), values)
        assert over_batches(kind(), SCORES, LABELS, device) == pytest.approx(values.mean())
        # each image is predicted as one class, so that all three are the accuracy
        assert over_batches(kind("micro"), SCORES, LABELS, device) == pytest.approx(hits.sum() / 50)
        assert over_batches(kind("weighted"), SCORES, LABELS, device) == pytest.approx(values @ support / 50)


def test_labels_of_small_dtypes_and_out_of_range(device: str) -> None:
    """30 classes: 29 * 30 is beyond uint8 and int8."""
    scores = np.eye(30, dtype=np.float32)[RNG.permutation(30)]
    labels = np.arange(30, dtype=np.uint8)
    metric = metrics.ConfusionMatrix()
    metric.update(tinynet.tensor(scores, device=device), tinynet.tensor(labels, device=device))
    expected = np.zeros((30, 30))
    expected[labels, scores.argmax(1)] = 1
    np.testing.assert_array_equal(metric.compute(), expected)
    with pytest.raises(ValueError, match="targets have labels up to 31, expected 0 to 29"):
        metric.update(tinynet.tensor(scores[:1], device=device), tinynet.tensor([31], device=device))
    np.testing.assert_array_equal(metric.compute(), expected)


@pytest.mark.parametrize("shift", [0.0, 1e6])
def test_regression(shift: float, device: str) -> None:
    targets = RNG.standard_normal(50) + shift
    outputs = targets + 0.3 * RNG.standard_normal(50)
    error = outputs - targets
    assert over_batches(metrics.MSE(), outputs, targets, device) == pytest.approx(np.mean(error**2))
    assert over_batches(metrics.MAE(), outputs, targets, device) == pytest.approx(np.mean(np.abs(error)))
    expected = 1 - np.sum(error**2) / np.sum((targets - targets.mean()) ** 2)
    assert over_batches(metrics.R2(), outputs, targets, device) == pytest.approx(expected)


def test_mean_weighs_by_size() -> None:
    mean = metrics.Mean()
    mean.add(tinynet.tensor(1.0), 3)
    mean.add(tinynet.tensor(5.0), 1)
    assert mean.compute() == 2.0


def test_a_state_goes_on_where_it_was(device: str) -> None:
    first, second = metrics.F1(None), metrics.F1(None)
    half = [tinynet.tensor(a[:25], device=device) for a in (SCORES, LABELS)]
    rest = [tinynet.tensor(a[25:], device=device) for a in (SCORES, LABELS)]
    first.update(*half)
    second.load_state_dict(first.state_dict(), device)
    second.update(*rest)
    first.reset()
    np.testing.assert_allclose(second.compute(), over_batches(metrics.F1(None), SCORES, LABELS, device))
    assert len(first.compute()) == 0


@pytest.mark.parametrize(
    "metric, outputs, targets",
    [
        (metrics.Accuracy(), (3, 2), (4,)),
        (metrics.ConfusionMatrix(), (3,), (3,)),
        (metrics.MSE(), (3, 1), (3,)),
    ],
)
def test_shapes_that_do_not_fit(metric: metrics.Metric, outputs: Any, targets: Any) -> None:
    with pytest.raises(ValueError, match="outputs have shape"):
        metric.update(tinynet.zeros(outputs), tinynet.zeros(targets).long())
    assert metric.totals == {}


def test_bad_options() -> None:
    with pytest.raises(ValueError, match="top_k is 0"):
        metrics.Accuracy(0)
    with pytest.raises(ValueError, match="average is 'mean'"):
        metrics.F1("mean")
