"""matmul on the CPU: every way that operands can lie, tiles and strips that do not divide the shapes, any cut into pieces."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinynet_kernels as kernels
from tinynet_kernels.matmul import cpu

SHAPES = [  # rows, inner, columns
    (1, 1, 1),
    (5, 0, 7),
    (6, 3, 64),
    (7, 70, 100),
    (32, 129, 257),
    (33, 64, 130),
    (70, 17, 16),
    (130, 65, 1),
    (9, 150, 1024),  # rows of one matrix begin in different pages at the same place
    (520, 40, 96),
]
LIES = {
    "rows": lambda x: x,
    "columns": lambda x: np.asfortranarray(x),
    "every second": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
    "part of longer rows": lambda x: np.concatenate([x, x], axis=1)[:, : x.shape[1]],
}


def _operands(shape: tuple[int, int, int], dtype: Any) -> list[Any]:
    rows, inner, columns = shape
    rng = np.random.default_rng(rows)
    return [rng.standard_normal(s).astype(dtype) for s in ((rows, inner), (inner, columns), columns)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("lie_b", LIES)
@pytest.mark.parametrize("lie_a", LIES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_layouts(shape: tuple[int, int, int], lie_a: str, lie_b: str, dtype: str) -> None:
    a, b, bias = _operands(shape, dtype)
    wanted = a.astype(np.float64) @ b.astype(np.float64) + bias
    u = float(np.finfo(dtype).eps) / 2
    bound = (shape[1] + 8) * u * (abs(a).astype(np.float64) @ abs(b).astype(np.float64) + abs(bias)) + 1e-30
    y = kernels.matmul(LIES[lie_a](a), LIES[lie_b](b), bias)
    assert (abs(y - wanted) <= bound).all()
    y = kernels.matmul(LIES[lie_a](a.T), LIES[lie_b](b.T), bias, transpose_a=True, transpose_b=True, activation="relu")
    assert (abs(y - np.maximum(wanted, 0)) <= bound).all()


@pytest.mark.parametrize("transposed", [(False, False), (False, True), (True, False), (True, True)])
@pytest.mark.parametrize("shape", [(32, 129, 257), (133, 65, 200), (520, 40, 100)], ids=str)
def test_bits_do_not_depend_on_the_pieces(
    shape: tuple[int, int, int], transposed: tuple[bool, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b, bias = _operands(shape, "float32")
    a, b = (np.ascontiguousarray(x.T) if turn else x for x, turn in zip((a, b), transposed))
    found = []
    for pieces in (1, 2, 3, 16, 1000):
        monkeypatch.setattr(cpu, "THREADS", pieces)
        found.append(kernels.matmul(a, b, bias, transpose_a=transposed[0], transpose_b=transposed[1]))
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])


@pytest.mark.parametrize("rows", [30, 150])
def test_bits_do_not_depend_on_where_memory_begins(rows: int) -> None:
    a, b, _ = _operands((rows, 40, 96), "float32")
    found = []
    for place in range(5):
        memory = np.empty(b.size + 4, b.dtype)[place:][: b.size].reshape(b.shape)  # a cache line holds 16 numbers
        memory[...] = b
        found.append(kernels.matmul(a, memory))
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])


@pytest.mark.parametrize("rows", [3, 300])
def test_nan_stays_where_it_belongs(rows: int) -> None:
    a, b, bias = _operands((rows, 20, 90), "float32")
    a[1, 3], b[4, 80] = np.nan, np.nan
    y = kernels.matmul(a, np.ascontiguousarray(b.T), bias, transpose_b=True, activation="relu")
    wanted = np.zeros(y.shape, bool)
    wanted[1], wanted[:, 80] = True, True
    np.testing.assert_array_equal(np.isnan(y), wanted)


def test_bits_of_a_dense_layer_do_not_depend_on_the_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    from tinynet_kernels.linear_grad import cpu as linear_grad

    rng = np.random.default_rng(1)
    gy, x, w, y = (rng.standard_normal(s).astype("float32") for s in ((133, 70), (133, 208), (70, 208), (133, 70)))
    found = []
    for pieces in (1, 2, 3, 16, 1000):
        monkeypatch.setattr(linear_grad, "THREADS", pieces)
        found.append(kernels.linear_grad(gy, x, w, y, activation="relu"))
    for other in found[1:]:
        for one, first in zip(other, found[0]):
            np.testing.assert_array_equal(one, first)
