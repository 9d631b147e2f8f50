"""Valid and invalid calls of max_pool2d, its gradient and its gather."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..spec import BadSample, Sample
from .geometry import geometry
from .reference import max_pool2d

Shape = tuple[int, int, int, int]

# name, x, kernel_size, bench, parameters
_CASES: list[tuple[str, Shape, Any, bool, dict[str, Any]]] = [
    ("plain", (2, 3, 6, 8), 2, False, {}),
    ("remainder", (2, 3, 7, 9), 2, False, {}),
    ("pair", (1, 2, 7, 9), (3, 2), False, {}),
    ("overlap", (2, 2, 7, 7), 3, False, {"stride": 1}),
    ("overlap_padding", (2, 2, 8, 7), 3, False, {"stride": 2, "padding": 1}),
    ("gaps", (1, 2, 9, 9), 2, False, {"stride": 3}),
    ("dilation", (1, 2, 9, 10), 3, False, {"stride": (2, 1), "dilation": (2, 3), "padding": 1}),
    ("padding_only", (2, 2, 1, 2), 2, False, {"stride": 1, "padding": 1, "dilation": 2}),
    ("ceil", (2, 2, 7, 8), 3, False, {"stride": 2, "ceil_mode": True}),
    ("ceil_padding", (1, 2, 6, 5), 2, False, {"stride": 2, "padding": 1, "ceil_mode": True}),
    ("ceil_last_window_dropped", (1, 1, 4, 4), 1, False, {"stride": 3, "ceil_mode": True}),
    ("one_window", (2, 2, 3, 4), (3, 4), False, {}),
    ("one_of_all", (1, 1, 1, 1), 1, False, {}),
    ("empty_batch", (0, 3, 6, 6), 2, False, {}),
    ("ties", (2, 2, 6, 6), 3, False, {"stride": 1, "padding": 1}),
    ("nan", (2, 2, 6, 6), 3, False, {"stride": 2, "padding": 1}),
    ("minus_inf", (2, 2, 6, 6), 3, False, {"stride": 2, "padding": 1}),
    ("mnist_pool1", (128, 32, 26, 26), 2, True, {}),
    ("mnist_pool2", (128, 64, 11, 11), 2, True, {}),
    ("batch1000", (1000, 3, 9, 9), 3, True, {"stride": 2, "padding": 1}),
    ("resnet_stem", (4, 16, 56, 56), 3, True, {"stride": 2, "padding": 1}),
]


def _input(name: str, shape: Shape, rng: np.random.Generator, dtype: Any) -> Any:
    if name == "ties":
        return rng.integers(0, 2, shape).astype(dtype)
    x = rng.standard_normal(shape).astype(dtype)
    if name == "nan":
        x[rng.random(shape) < 0.3] = np.nan
    if name == "minus_inf":
        x[rng.random(shape) < 0.8] = -np.inf
    return x


def samples(which: str) -> list[Sample]:
    """The cases as calls of "forward", "grad" or "gather"."""
    return [Sample(name, _maker(which, name, x, kernel, params), bench) for name, x, kernel, bench, params in _CASES]


def _maker(which: str, name: str, shape: Shape, kernel: Any, params: dict[str, Any]) -> Any:
    def make(rng: np.random.Generator, dtype: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        x = _input(name, shape, rng, dtype)
        if which == "forward":
            return (x, kernel), params
        indices = max_pool2d(x, kernel, **params)[1]
        if which == "gather":
            return (x, indices), {}
        gy = rng.standard_normal(geometry(shape, kernel, **params).y_shape).astype(dtype)
        return (gy, indices, shape, kernel), params

    return make


def _bad(name: str, error: type[Exception], match: str, make: Any, **params: Any) -> BadSample:
    return BadSample(name, lambda rng: (make(), params), error, match)


def _ones(*shape: int, dtype: Any = "float32") -> Any:
    return np.ones(shape, dtype)


BAD_FORWARD = [
    _bad("rank", ValueError, "x has shape", lambda: (_ones(3, 4, 4), 2)),
    _bad("integer", TypeError, "x has dtype int64", lambda: (_ones(1, 1, 4, 4, dtype="int64"), 2)),
    _bad("negative_kernel", ValueError, "kernel_size is -2", lambda: (_ones(1, 1, 4, 4), -2)),
    _bad("triple", ValueError, "kernel_size is .* expected an int or a pair", lambda: (_ones(1, 1, 4, 4), (2, 2, 2))),
    _bad("zero_stride", ValueError, "stride is 0", lambda: (_ones(1, 1, 4, 4), 2), stride=0),
    _bad("padding", ValueError, "at most half of the window", lambda: (_ones(1, 1, 4, 4), 2), padding=2),
    _bad("too_small", ValueError, "more than the padded input", lambda: (_ones(1, 1, 1, 4), 2)),
]
BAD_GRAD = [
    _bad(
        "gy",
        ValueError,
        "gy has shape",
        lambda: (_ones(1, 1, 3, 3), np.zeros((1, 1, 3, 3), np.int32), (1, 1, 4, 4), 2),
    ),
    _bad(
        "indices_dtype",
        TypeError,
        "indices has dtype int64",
        lambda: (_ones(1, 1, 2, 2), np.zeros((1, 1, 2, 2), np.int64), (1, 1, 4, 4), 2),
    ),
]
BAD_GATHER = [
    _bad(
        "planes",
        ValueError,
        "indices has shape",
        lambda: (_ones(1, 2, 4, 4), np.zeros((1, 1, 2, 2), np.int32)),
    ),
]
