"""float16, and float32 with factors rounded to TF32 and bfloat16: errors within the bounds that the docstrings state."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import tinynet_kernels as kernels
from tinynet.device import device as Device
from tinynet.device import move, simulated
from tinynet_kernels.conv2d import reference
from tinynet_kernels.precision import rounded

UNIT = 2.0**-24
CASES = [("float16", "highest"), ("float32", "high"), ("float32", "medium")]


def to(device: str, array: Any) -> Any:
    return None if array is None else move(array, Device(device))


def host(array: Any) -> Any:
    return move(array, Device("cpu"))


def bound(exact: Any, sizes: Any, count: int, dtype: str, precision: str) -> Any:
    """The error that the docstrings allow a sum of `count` products whose absolute values add up to `sizes`."""
    of_factors = {"highest": 0.0, "high": 2.0**-10, "medium": 2.0**-7}[precision]
    of_result = np.maximum(abs(exact) * 2.0**-11, 2.0**-25) if dtype == "float16" else 0.0
    return ((count + 8) * UNIT + of_factors) * sizes + of_result


@pytest.mark.parametrize("dtype, precision", CASES)
@pytest.mark.parametrize("transpose_a, transpose_b", [*itertools.product((False, True), repeat=2)])
@pytest.mark.parametrize("m, n, k", [(70, 66, 72), (17, 19, 33), (130, 9, 300), (1, 1, 1)])
def test_matmul(
    device: str, m: int, n: int, k: int, transpose_a: bool, transpose_b: bool, dtype: str, precision: str
) -> None:
    rng = np.random.default_rng(m + k)
    a = rng.standard_normal((k, m) if transpose_a else (m, k)).astype(dtype)
    b = rng.standard_normal((n, k) if transpose_b else (k, n)).astype(dtype)
    bias = rng.standard_normal(n).astype(dtype)
    y = kernels.matmul(
        *(to(device, x) for x in (a, b, bias)), transpose_a=transpose_a, transpose_b=transpose_b, precision=precision
    )
    assert y.dtype == np.dtype(dtype)
    a, b = ((x.T if turned else x).astype(np.float64) for x, turned in ((a, transpose_a), (b, transpose_b)))
    exact, sizes = a @ b + bias, abs(a) @ abs(b) + abs(bias)
    error = abs(host(y) - exact)
    assert (error <= bound(exact, sizes, k, dtype, precision)).all()
    if precision != "highest" and k > 8:
        assert error.max() > 4 * k * UNIT * np.abs(exact).max(), "the factors were not rounded"


@pytest.mark.parametrize("dtype, precision", CASES)
@pytest.mark.parametrize("transpose_a, transpose_b", [*itertools.product((False, True), repeat=2)])
def test_infinity_meets_no_padding(
    device: str, transpose_a: bool, transpose_b: bool, dtype: str, precision: str
) -> None:
    """Where K does not fill the last slice, zeros stand in; times infinity they would be NaN."""
    for k in (33, 40):
        for place in (0, 1, 32, k - 1):
            a, b = np.ones((2, k), dtype), np.ones((k, 3), dtype)
            a[0, place], b[place, 1] = np.inf, np.inf
            args = (np.ascontiguousarray(a.T) if transpose_a else a), (np.ascontiguousarray(b.T) if transpose_b else b)
            y = kernels.matmul(
                *(to(device, x) for x in args), transpose_a=transpose_a, transpose_b=transpose_b, precision=precision
            )
            np.testing.assert_array_equal(host(y), np.array([[np.inf] * 3, [k, np.inf, k]], dtype))


TAILS = ((2, 11, 5, 6), (19, 11, 3, 3)) if simulated() else ((2, 37, 11, 9), (67, 37, 3, 3))  # beyond whole tiles
CONVOLUTIONS: list[tuple[Any, Any, dict[str, Any]]] = [
    ((2, 3, 6, 7), (4, 3, 3, 3), {}),
    ((2, 3, 9, 10), (4, 3, 3, 2), {"stride": (3, 2), "padding": (1, 0)}),
    ((2, 4, 9, 8), (6, 2, 3, 2), {"stride": (2, 1), "padding": (2, 1), "dilation": (1, 2), "groups": 2}),
    (*TAILS, {"padding": 1}),
    ((9, 3, 12, 11), (5, 3, 3, 3), {}),
]


@pytest.mark.parametrize("dtype, precision", CASES)
@pytest.mark.parametrize("x_shape, w_shape, params", CONVOLUTIONS)
def test_conv2d(device: str, x_shape: Any, w_shape: Any, params: dict[str, Any], dtype: str, precision: str) -> None:
    rng = np.random.default_rng(x_shape[1])
    x, w, bias = (rng.standard_normal(shape).astype(dtype) for shape in (x_shape, w_shape, w_shape[:1]))
    y_shape = reference.conv2d(x, w, **params).shape
    gy = rng.standard_normal(y_shape).astype(dtype)
    calls: list[tuple[Any, Any, Any, int]] = [
        (kernels.conv2d, reference.conv2d, (x, w, bias), w[0].size),
        (kernels.conv2d_input_grad, reference.conv2d_input_grad, (gy, w, x_shape), w.size // w_shape[1]),
        (kernels.conv2d_weight_grad, reference.conv2d_weight_grad, (x, gy, w_shape), gy[:, 0].size),
    ]
    for function, definition, args, count in calls:
        moved = [to(device, a) if isinstance(a, np.ndarray) else a for a in args]
        runs = [host(function(*moved, precision=precision, **params)) for _ in range(2)]
        assert runs[0].tobytes() == runs[1].tobytes(), "two runs differ"
        exact, sizes = (
            definition(*(f(a.astype(np.float64)) if isinstance(a, np.ndarray) else a for a in args), **params)
            for f in (np.asarray, np.abs)
        )
        assert (abs(runs[0] - exact) <= bound(exact, sizes, count, dtype, precision)).all(), function.__name__


def test_precision_of_float64_is_ignored() -> None:
    a, b = np.random.default_rng(0).standard_normal((2, 5, 5))
    np.testing.assert_array_equal(kernels.matmul(a, b, precision="medium"), kernels.matmul(a, b))


@pytest.mark.parametrize("precision, bits", [("high", 10), ("medium", 7)])
def test_rounded(precision: str, bits: int) -> None:
    x = np.random.default_rng(0).standard_normal(10000).astype(np.float32) * np.float32(1e3)
    r = rounded(x, precision)
    mantissa, _ = np.frexp(r.astype(np.float64))
    np.testing.assert_array_equal(np.ldexp(mantissa, bits + 1) % 1, 0)  # nothing is left beyond the bits
    step = np.ldexp(1.0, np.frexp(x.astype(np.float64))[1] - bits - 1)
    assert (abs(r - x.astype(np.float64)) <= step / 2).all()
    tie = np.float32(1 + 2.0 ** -(bits + 1))
    up = np.float32(1 + 2.0**-bits)
    assert rounded(np.array([tie]), precision)[0] == (up if precision == "high" else 1.0)
    special = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0], np.float32)
    special = np.append(special, np.array([0x7FFFFFFF, 0xFFFFFFFF], np.uint32).view(np.float32))  # NaN, all bits set
    np.testing.assert_array_equal(rounded(special, precision), special)
