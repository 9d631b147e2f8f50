"""Sum over everything but the channels: the gradient of a bias, alone or with that of the ReLU behind it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import check_any_float, check_shape
from ..spec import Array, BadSample, Cost, KernelSpec, Outputs, Sample


def _check(x: Array) -> Outputs:
    dtype = check_any_float(x=x)
    if x.ndim < 2:
        raise ValueError(f"x has shape {tuple(x.shape)}, expected at least 2 dimensions (N, C, ...)")
    return [((x.shape[1],), dtype)]


def _sample(name: str, shape: tuple[int, ...], bench: bool = False) -> Sample:
    return Sample(name, lambda rng, dtype: ((rng.standard_normal(shape).astype(dtype),), {}), bench)


SHAPES: list[tuple[str, tuple[int, ...], bool]] = [
    ("images", (3, 4, 5, 6), False),
    ("rows", (7, 5), False),
    ("one_channel", (4, 1, 9), False),
    ("one_of_all", (1, 1), False),
    ("volume", (2, 3, 2, 3, 4), False),
    ("off_tile", (9, 5, 7, 9), False),
    ("several_parts", (40, 3, 8, 8), False),
    ("mnist_conv1", (128, 32, 26, 26), True),
    ("batch1000", (1000, 64), True),
]

_SPEC = KernelSpec(
    name="channel_sum",
    check=_check,
    reference="tinynet_kernels.channel_sum.reference:channel_sum",
    cpu={"default": "tinynet_kernels.channel_sum.cpu:channel_sum"},
    cuda={"default": "tinynet_kernels.channel_sum.cuda:channel_sum"},
    samples=[_sample(*case) for case in [*SHAPES, ("empty", (0, 3, 4), False), ("no_channels", (2, 0, 4), False)]],
    bad_samples=[
        BadSample("vector", lambda rng: ((np.ones(3, "float32"),), {}), ValueError, "at least 2 dimensions"),
        BadSample("integer", lambda rng: ((np.ones((3, 3), "int64"),), {}), TypeError, "x has dtype int64"),
    ],
    cost=lambda x: Cost(flops=x.size, bytes=(x.size + x.shape[1]) * x.dtype.itemsize),
)


def _check_relu(gy: Array, y: Array, weight: Array | None = None) -> Outputs:
    dtype = check_any_float(gy=gy, y=y, weight=weight)
    check_shape("y", y, tuple(gy.shape))
    outputs = [(tuple(gy.shape), dtype), *_check(gy)]
    if weight is None:
        return outputs
    if weight.ndim < 2:
        raise ValueError(f"weight has shape {tuple(weight.shape)}, expected at least 2 dimensions (O, C, ...)")
    return [*outputs, ((weight.shape[1], weight.shape[0], *weight.shape[2:]), dtype)]


def _cost_relu(gy: Array, y: Array, weight: Array | None = None) -> Cost:
    numbers = 3 * gy.size + gy.shape[1] + (0 if weight is None else 2 * weight.size)
    return Cost(flops=2 * gy.size, bytes=numbers * gy.dtype.itemsize)


def _relu_sample(
    name: str, shape: tuple[int, ...], bench: bool = False, weight: tuple[int, ...] | None = None
) -> Sample:
    def make(rng: np.random.Generator, dtype: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        y = np.maximum(rng.standard_normal(shape), 0)
        arrays = [rng.standard_normal(shape), y] + ([] if weight is None else [rng.standard_normal(weight)])
        return tuple(a.astype(dtype) for a in arrays), {}

    return Sample(name, make, bench)


_RELU = KernelSpec(
    name="relu_grad",
    check=_check_relu,
    reference="tinynet_kernels.channel_sum.reference:relu_grad",
    cpu={"default": "tinynet_kernels.channel_sum.cpu:relu_grad"},
    cuda={"default": "tinynet_kernels.channel_sum.cuda:relu_grad"},
    samples=[
        *(_relu_sample(*case) for case in [*SHAPES, ("empty", (0, 3, 4), False), ("no_channels", (2, 0, 4), False)]),
        _relu_sample("weight", (3, 4, 5), weight=(4, 6, 3, 3)),
        _relu_sample("weight_and_parts", (40, 3, 8, 8), weight=(3, 1, 1)),
    ],
    bad_samples=[
        BadSample("shape", lambda rng: ((np.ones((2, 3)), np.ones((2, 4))), {}), ValueError, "y has shape"),
        BadSample("vector", lambda rng: ((np.ones(3), np.ones(3)), {}), ValueError, "at least 2 dimensions"),
        BadSample("integer", lambda rng: ((np.ones((3, 3), "i8"),) * 2, {}), TypeError, "gy has dtype int64"),
    ],
    channels_last=True,
    cost=_cost_relu,
)


def relu_grad(gy: Array, y: Array, weight: Array | None = None, *, out: Any = None) -> tuple[Array, ...]:
    """The gradient of a layer that ends in a bias and ReLU, given gy (N, C, ...) of its output y, before the ReLU and for the
    bias: gy where y > 0 and 0 elsewhere, and the sum of that over all axes but the second, in a fixed order: (C,).

    Given the layer's weight (O, C, ...) too, a third result is that with its first two axes swapped, in contiguous memory, as
    the gradient with respect to the layer's input wants it: one launch less. float16, float32 or float64. `out` are arrays to
    write. Raises TypeError and ValueError as `channel_sum`.
    """
    results: tuple[Array, ...] = _RELU(gy, y, out=out) if weight is None else _RELU(gy, y, weight, out=out)
    return results


def channel_sum(x: Array, *, out: Any = None) -> Array:
    """The sum of x (N, C, ...), float16, float32 or float64, over all axes but the second, in a fixed order: an array (C,).

    Raises TypeError for other dtypes, ValueError for fewer than 2 dimensions.
    """
    return _SPEC(x, out=out)
