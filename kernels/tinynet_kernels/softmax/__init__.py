"""Softmax over rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import check_float, check_ndim, check_shape
from ..spec import Array, BadSample, Cost, KernelSpec, Outputs, Sample


def _check(x: Array) -> Outputs:
    dtype = check_float(x=x)
    check_ndim(2, "(N, C)", x=x)
    return [(tuple(x.shape), dtype)]


def _check_grad(gy: Array, y: Array) -> Outputs:
    check_float(gy=gy, y=y)
    check_ndim(2, "(N, C)", y=y)
    check_shape("gy", gy, y.shape)
    return [(tuple(y.shape), y.dtype)]


SHAPES: list[tuple[str, tuple[int, int], bool]] = [
    ("plain", (3, 5), False),
    ("one", (1, 1), False),
    ("no_rows", (0, 3), False),
    ("no_columns", (3, 0), False),
    ("attention", (8192, 64), True),
    ("odd", (333, 77), True),
]


def _sample(name: str, shape: tuple[int, int], bench: bool) -> Sample:
    def make(rng: np.random.Generator, dtype: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        x = 3 * rng.standard_normal(shape).astype(dtype)
        if bench:
            x[::3, 1:4], x[1::3] = -np.inf, x[1::3] + 1000
        return (x,), {}

    return Sample(name, make, bench)


def _grad_sample(name: str, shape: tuple[int, int], bench: bool) -> Sample:
    def make(rng: np.random.Generator, dtype: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        y = rng.uniform(0, 1, shape)
        return (rng.standard_normal(shape).astype(dtype), (y / y.sum(axis=1, keepdims=True)).astype(dtype)), {}

    return Sample(name, make, bench)


_SPEC = KernelSpec(
    name="softmax",
    check=_check,
    reference="tinynet_kernels.softmax.reference:softmax",
    cpu={"default": "tinynet_kernels.softmax.cpu:softmax"},
    cuda={"composed": "tinynet_kernels.softmax.composed:softmax"},
    samples=[_sample(*case) for case in SHAPES],
    bad_samples=[
        BadSample("rank", lambda rng: ((np.ones(3),), {}), ValueError, "expected 2 dimensions"),
        BadSample("integer", lambda rng: ((np.ones((3, 3), "int64"),), {}), TypeError, "x has dtype int64"),
    ],
    cost=lambda x: Cost(flops=15 * x.size, bytes=2 * x.nbytes),
)
_GRAD = KernelSpec(
    name="softmax_grad",
    check=_check_grad,
    reference="tinynet_kernels.softmax.reference:softmax_grad",
    cpu={"default": "tinynet_kernels.softmax.cpu:softmax_grad"},
    cuda={"composed": "tinynet_kernels.softmax.composed:softmax_grad"},
    samples=[_grad_sample(*case) for case in SHAPES],
    bad_samples=[
        BadSample("gy", lambda rng: ((np.ones((2, 2)), np.ones((2, 3))), {}), ValueError, r"gy has shape \(2, 2\)")
    ],
    cost=lambda gy, y: Cost(flops=4 * y.size, bytes=3 * y.nbytes),
)


def softmax(x: Array, *, out: Any = None) -> Array:
    """exp(x) / sum(exp(x)) for each row of x (N, C), float32 or float64, without overflow.

    A row with NaN or plus infinity, or of nothing but minus infinity, gives NaN. Raises TypeError for other dtypes, ValueError
    for other than 2 dimensions.
    """
    return _SPEC(x, out=out)


def softmax_grad(gy: Array, y: Array, *, out: Any = None) -> Array:
    """y * (gy - sum(gy * y)) for each row: the gradient of x, given that of y = softmax(x). Errors as `softmax`."""
    return _GRAD(gy, y, out=out)
