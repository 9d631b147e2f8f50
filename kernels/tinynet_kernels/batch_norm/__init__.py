"""Mean and variance of each channel: the statistics of batch normalisation."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import check_float
from ..channel_sum import SHAPES
from ..spec import Array, BadSample, Cost, KernelSpec, Outputs, Sample


def _check(x: Array) -> Outputs:
    dtype = check_float(x=x)
    if x.ndim < 2:
        raise ValueError(f"x has shape {tuple(x.shape)}, expected at least 2 dimensions (N, C, ...)")
    if x.size == 0:
        raise ValueError(f"x has shape {tuple(x.shape)}: no values to take the mean of")
    return [((x.shape[1],), dtype), ((x.shape[1],), dtype)]


def _sample(name: str, shape: tuple[int, ...], bench: bool, mean: float = 1.0) -> Sample:
    return Sample(name, lambda rng, dtype: (((rng.standard_normal(shape) + mean).astype(dtype),), {}), bench)


_SPEC = KernelSpec(
    name="batch_norm_stats",
    check=_check,
    reference="tinynet_kernels.batch_norm.reference:batch_norm_stats",
    cpu={"default": "tinynet_kernels.batch_norm.cpu:batch_norm_stats"},
    cuda={"default": "tinynet_kernels.batch_norm.cuda:batch_norm_stats"},
    samples=[
        *(_sample(*case) for case in SHAPES),
        _sample("far_from_zero", (16, 3, 8, 8), False, mean=100.0),  # E[x^2] - E[x]^2 would lose four digits here
    ],
    bad_samples=[
        BadSample("empty", lambda rng: ((np.ones((0, 3), "float32"),), {}), ValueError, "no values"),
        BadSample("vector", lambda rng: ((np.ones(3, "float32"),), {}), ValueError, "at least 2 dimensions"),
        BadSample("integer", lambda rng: ((np.ones((3, 3), "int64"),), {}), TypeError, "x has dtype int64"),
    ],
    cost=lambda x: Cost(flops=4 * x.size, bytes=(x.size + 2 * x.shape[1]) * x.dtype.itemsize),
)


def batch_norm_stats(x: Array, *, out: Any = None) -> tuple[Array, Array]:
    """Mean and biased variance of x (N, C, ...), float32 or float64, over all axes but the second: two arrays (C,).

    The variance is the mean square of the deviations from the mean, not a difference of squares. `out` is a pair of
    arrays to write. Raises TypeError for other dtypes, ValueError for fewer than 2 dimensions or no values.
    """
    mean, variance = _SPEC(x, out=out)
    return mean, variance
