"""Sum over everything but the channels: the gradient of a bias."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import check_float
from ..spec import Array, BadSample, Cost, KernelSpec, Outputs, Sample


def _check(x: Array) -> Outputs:
    dtype = check_float(x=x)
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


def channel_sum(x: Array, *, out: Any = None) -> Array:
    """The sum of x (N, C, ...), float32 or float64, over all axes but the second, in a fixed order: an array (C,).

    Raises TypeError for other dtypes, ValueError for fewer than 2 dimensions.
    """
    return _SPEC(x, out=out)
