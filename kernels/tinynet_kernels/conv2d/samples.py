"""Valid and invalid calls of conv2d and its gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..spec import BadSample, Sample
from .geometry import geometry

Shape = tuple[int, int, int, int]

# name, x, w, bench, parameters
_CASES: list[tuple[str, Shape, Shape, bool, dict[str, Any]]] = [
    ("plain", (2, 3, 6, 7), (4, 3, 3, 3), False, {}),
    ("one_channel", (3, 1, 8, 8), (5, 1, 3, 3), False, {}),
    ("padding", (2, 3, 5, 5), (4, 3, 3, 3), False, {"padding": 1}),
    ("wide_padding", (1, 2, 3, 4), (3, 2, 2, 3), False, {"padding": (3, 4)}),
    ("stride", (2, 3, 9, 8), (4, 3, 3, 3), False, {"stride": 2}),
    ("stride_pair", (2, 3, 9, 10), (4, 3, 3, 2), False, {"stride": (3, 2), "padding": (1, 0)}),
    ("dilation", (2, 3, 9, 9), (4, 3, 3, 3), False, {"dilation": (2, 3), "padding": 2}),
    (
        "everything",
        (2, 4, 9, 8),
        (6, 2, 3, 2),
        False,
        {"stride": (2, 1), "padding": (2, 1), "dilation": (1, 2), "groups": 2},
    ),
    ("groups", (2, 6, 5, 5), (9, 2, 3, 3), False, {"groups": 3}),
    ("depthwise", (2, 4, 6, 6), (4, 1, 3, 3), False, {"groups": 4, "padding": 1}),
    ("pointwise", (2, 5, 4, 4), (7, 5, 1, 1), False, {}),
    ("kernel_is_image", (2, 3, 4, 5), (6, 3, 4, 5), False, {}),
    ("stride_over_kernel", (1, 2, 9, 9), (3, 2, 1, 1), False, {"stride": 4}),
    ("one_of_all", (1, 1, 1, 1), (1, 1, 1, 1), False, {}),
    ("empty_batch", (0, 3, 5, 5), (4, 3, 3, 3), False, {}),
    ("no_input_channels", (2, 0, 5, 5), (4, 0, 3, 3), False, {}),
    ("no_output_channels", (2, 3, 5, 5), (0, 3, 3, 3), False, {}),
    ("whole_vectors", (2, 16, 5, 6), (16, 16, 3, 3), False, {"padding": 1}),
    ("mnist_conv1", (32, 1, 28, 28), (32, 1, 3, 3), True, {}),
    ("mnist_conv2", (32, 32, 13, 13), (64, 32, 3, 3), True, {}),
    ("mnist_conv3", (32, 64, 5, 5), (64, 64, 3, 3), True, {}),
    ("batch1000", (1000, 3, 6, 6), (5, 3, 3, 3), True, {"padding": 1}),
    ("resnet", (4, 16, 32, 32), (32, 16, 3, 3), True, {"stride": 2, "padding": 1}),
    ("resnet_8", (5, 64, 8, 8), (64, 64, 3, 3), True, {"padding": 1}),
    ("blocks", (3, 32, 9, 14), (144, 32, 3, 3), True, {"padding": (2, 0)}),
    ("off_tile", (3, 37, 11, 13), (67, 37, 3, 3), True, {"padding": 1}),
    ("kernel5", (4, 6, 14, 14), (16, 6, 5, 5), True, {}),
    ("kernel6", (2, 2, 8, 7), (3, 2, 6, 6), False, {}),
    ("kernel7", (2, 3, 12, 11), (4, 3, 7, 7), False, {"stride": 2, "padding": 3}),
    ("kernel7_dilated", (1, 4, 9, 10), (6, 2, 7, 7), False, {"padding": (5, 6), "dilation": 2, "groups": 2}),
    ("kernel31", (1, 3, 3, 20), (3, 3, 1, 31), False, {"padding": (1, 15)}),
    ("depthwise7", (2, 4, 6, 7), (4, 1, 7, 7), False, {"groups": 4, "padding": 3}),
    ("stem", (2, 3, 32, 32), (64, 3, 7, 7), True, {"stride": 2, "padding": 3}),
]


def samples(direction: str) -> list[Sample]:
    """The cases as calls of "forward", "input_grad" or "weight_grad"; forward ones take bias and ReLU in turn."""
    result = []
    for index, (name, x, w, bench, params) in enumerate(_CASES):
        result.append(Sample(name, _maker(direction, x, w, params, index), bench))
    return result


def _maker(direction: str, x: Shape, w: Shape, params: dict[str, Any], index: int) -> Any:
    y = geometry(x, w, **params).y_shape

    def make(rng: np.random.Generator, dtype: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        def normal(shape: tuple[int, ...]) -> Any:
            return rng.standard_normal(shape).astype(dtype)

        if direction == "input_grad":
            return (normal(y), normal(w), x), params
        if direction == "weight_grad":
            return (normal(x), normal(y), w), params
        bias = (normal((w[0],)),) if index % 2 else ()
        return (normal(x), normal(w), *bias), params | ({"activation": "relu"} if index % 3 == 1 else {})

    return make


def _bad(name: str, error: type[Exception], match: str, *args: Any, dtype: Any = "float32", **params: Any) -> BadSample:
    """Tuples become arrays of ones of that shape; lists are passed on as shapes."""

    def make(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return tuple(np.ones(a, dtype) if isinstance(a, tuple) else tuple(a) for a in args), params

    return BadSample(name, make, error, match)


BAD_FORWARD = [
    _bad("rank", ValueError, "x has shape .* expected 4 dimensions", (3, 6, 6), (4, 3, 3, 3)),
    _bad("channels", ValueError, "x has 2 channels, expected 3", (1, 2, 6, 6), (4, 3, 3, 3)),
    _bad("groups", ValueError, "groups is 2, which does not divide", (1, 3, 6, 6), (4, 3, 3, 3), groups=2),
    _bad("no_groups", ValueError, "groups is 0", (1, 3, 6, 6), (4, 3, 3, 3), groups=0),
    _bad("too_small", ValueError, "more than the padded input", (1, 3, 2, 6), (4, 3, 3, 3)),
    _bad("empty_kernel", ValueError, "at least 1 x 1", (1, 3, 6, 6), (4, 3, 0, 3)),
    _bad("negative_padding", ValueError, "padding is -1", (1, 3, 6, 6), (4, 3, 3, 3), padding=-1),
    _bad("zero_stride", ValueError, "stride is 0", (1, 3, 6, 6), (4, 3, 3, 3), stride=0),
    _bad("zero_dilation", ValueError, "dilation is", (1, 3, 6, 6), (4, 3, 3, 3), dilation=(0, 1)),
    _bad("float_stride", TypeError, "stride is 1.5", (1, 3, 6, 6), (4, 3, 3, 3), stride=1.5),
    _bad("bias", ValueError, "bias has shape", (1, 3, 6, 6), (4, 3, 3, 3), (3,)),
    _bad("integer", TypeError, "x has dtype int32", (1, 3, 6, 6), (4, 3, 3, 3), dtype="int32"),
]
BAD_INPUT_GRAD = [
    _bad("gy", ValueError, "gy has shape .* expected .1, 4, 4, 4.", (1, 4, 5, 5), (4, 3, 3, 3), [1, 3, 6, 6]),
    _bad("channels", ValueError, "x has 2 channels", (1, 4, 4, 4), (4, 3, 3, 3), [1, 2, 6, 6]),
    _bad("shape", ValueError, "expected 4 dimensions", (1, 4, 4, 4), (4, 3, 3, 3), [3, 6, 6]),
]
BAD_WEIGHT_GRAD = [
    _bad("gy", ValueError, "gy has shape .* expected .1, 4, 4, 4.", (1, 3, 6, 6), (1, 4, 5, 5), [4, 3, 3, 3]),
    _bad("channels", ValueError, "x has 3 channels, expected 2", (1, 3, 6, 6), (1, 4, 4, 4), [4, 2, 3, 3]),
    _bad("integer", TypeError, "x has dtype int64", (1, 3, 6, 6), (1, 4, 4, 4), [4, 3, 3, 3], dtype="int64"),
]
