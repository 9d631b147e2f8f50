"""Valid and invalid calls of conv2d_max_pool2d and its gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..spec import BadSample, Sample
from .reference import conv2d_max_pool2d

Shape = tuple[int, int, int, int]

# name, x, w, bias, pool_size, bench, parameters
_CASES: list[tuple[str, Shape, Shape, bool, Any, bool, dict[str, Any]]] = [
    ("plain", (2, 3, 8, 9), (4, 3, 3, 3), True, 2, False, {"activation": "relu"}),
    ("no_bias", (3, 1, 7, 7), (5, 1, 2, 3), False, 2, False, {}),
    ("many_images", (40, 2, 6, 7), (3, 2, 3, 3), True, 2, False, {"activation": "relu", "padding": 1}),
    ("overlap", (33, 2, 7, 7), (18, 2, 3, 3), True, 3, False, {"pool_stride": 2, "pool_padding": 1}),
    ("ceil", (33, 2, 8, 7), (4, 2, 2, 2), True, (2, 3), False, {"ceil_mode": True, "stride": (1, 2), "padding": 1}),
    ("dilation", (34, 1, 9, 9), (3, 1, 3, 3), False, 2, False, {"dilation": 2, "pool_dilation": 2, "pool_stride": 1}),
    ("vectors", (2, 16, 5, 6), (16, 16, 3, 3), True, 2, False, {"activation": "relu"}),
    ("few_channels", (2, 3, 7, 6), (32, 3, 3, 3), True, 2, False, {"activation": "relu", "padding": (1, 0)}),
    ("groups", (2, 4, 6, 6), (6, 2, 3, 3), True, 2, False, {"groups": 2}),
    ("empty_batch", (0, 3, 6, 6), (4, 3, 3, 3), True, 2, False, {}),
    ("mnist_1", (128, 1, 28, 28), (32, 1, 3, 3), True, 2, True, {"activation": "relu"}),
    ("mnist_2", (128, 32, 13, 13), (64, 32, 3, 3), True, 2, True, {"activation": "relu"}),
]


def _maker(x: Shape, w: Shape, bias: bool, pool_size: Any, params: dict[str, Any]) -> Any:
    def make(rng: np.random.Generator, dtype: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        def steps(shape: tuple[int, ...]) -> Any:
            """Small whole numbers, whose sums are exact: any order of summation finds the same maximum."""
            return rng.integers(-3, 4, shape).astype(dtype)

        return (steps(x), steps(w), steps(w[:1]) if bias else None, pool_size), params

    return make


SAMPLES = [Sample(name, _maker(x, w, bias, size, params), bench) for name, x, w, bias, size, bench, params in _CASES]


def _bad(name: str, error: type[Exception], match: str, x: Shape, pool_size: Any, **params: Any) -> BadSample:
    def make(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (np.ones(x, "f4"), np.ones((4, 3, 3, 3), "f4"), None, pool_size), params

    return BadSample(name, make, error, match)


BAD_SAMPLES = [
    _bad("channels", ValueError, "x has 2 channels, expected 3", (1, 2, 6, 6), 2),
    _bad("window", ValueError, "the window covers 5", (1, 3, 6, 6), 5),
    _bad("pool_padding", ValueError, "at most half of the window", (1, 3, 6, 6), 2, pool_padding=2),
    _bad("activation", ValueError, "activation is 'tanh'", (1, 3, 6, 6), 2, activation="tanh"),
]


# the same of few images, and the large ones; then what the fast form on the CPU takes, or only just does not
_GRAD_CASES: list[tuple[str, Shape, Shape, bool, Any, bool, dict[str, Any]]] = [
    *(case for case in _CASES if case[1][0] < 10 or case[5]),
    ("whole_vectors", (9, 2, 6, 5), (16, 2, 3, 3), True, 2, False, {"activation": "relu", "padding": 1}),
    ("weights_only", (9, 1, 6, 7), (16, 1, 3, 3), True, 2, False, {"activation": "relu", "input_grad": False}),
    ("few_channels_weights", (8, 3, 7, 6), (16, 3, 3, 3), True, 2, False, {"padding": (1, 0), "input_grad": False}),
    ("gaps", (11, 1, 8, 8), (16, 1, 2, 3), True, 2, False, {"pool_stride": 3, "stride": (1, 2)}),
    ("beyond_the_end", (8, 1, 6, 5), (16, 1, 3, 2), True, 2, False, {"ceil_mode": True, "activation": "relu"}),
    ("overlap", (8, 1, 6, 6), (16, 1, 3, 3), True, 2, False, {"pool_stride": 1, "pool_padding": 1}),
    ("dilation", (8, 1, 6, 6), (16, 1, 3, 3), True, 2, False, {"dilation": 2, "pool_dilation": 2, "padding": 2}),
    ("many_images", (67, 3, 9, 8), (16, 3, 3, 3), True, 2, True, {"activation": "relu", "padding": 1}),
    ("vectors_only", (9, 16, 7, 8), (16, 16, 3, 3), True, 2, True, {"activation": "relu", "padding": (0, 1)}),
    ("vectors_weights", (8, 32, 5, 6), (16, 32, 3, 3), False, 2, True, {"input_grad": False}),
    ("large_images", (9, 17, 27, 26), (80, 17, 3, 3), True, 2, True, {"activation": "relu"}),
]


def _grad_maker(x: Shape, w: Shape, bias: bool, pool_size: Any, params: dict[str, Any]) -> Any:
    forward = {name: value for name, value in params.items() if name != "input_grad"}

    def make(rng: np.random.Generator, dtype: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        (images, weights, shift, _), _ = _maker(x, w, bias, pool_size, params)(rng, dtype)
        y, indices = conv2d_max_pool2d(images, weights, shift, pool_size, **forward)
        gy = rng.standard_normal(y.shape).astype(dtype)
        return (gy, images, weights, y, indices.astype(np.int32), pool_size), params

    return make


GRAD_SAMPLES = [
    Sample(name, _grad_maker(x, w, bias, size, params), bench) for name, x, w, bias, size, bench, params in _GRAD_CASES
]


def _bad_grad(name: str, error: type[Exception], match: str, position: int, value: Any) -> BadSample:
    def make(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
        args, params = GRAD_SAMPLES[0].make(rng, np.float32)
        return (*args[:position], value, *args[position + 1 :]), params

    return BadSample(name, make, error, match)


BAD_GRAD_SAMPLES = [
    _bad_grad("gy", ValueError, "gy has shape", 0, np.ones((2, 4, 3, 4), "f4")),
    _bad_grad("y", ValueError, "y has shape", 3, np.ones((1, 1, 1, 1), "f4")),
    _bad_grad("indices", ValueError, "indices has shape", 4, np.ones((1, 1, 1, 1), "i4")),
    _bad_grad("places", TypeError, "indices has dtype", 4, np.ones((2, 4, 3, 3), "f4")),
    _bad_grad("dtype", TypeError, "w has dtype float64", 2, np.ones((4, 3, 3, 3))),
]
