"""The sum of two arrays: of a residual connection, of the gradients that meet where a tensor was used twice."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import check_float, check_shape
from ..spec import Array, BadSample, Cost, KernelSpec, Outputs, Sample


def _check(a: Array, b: Array) -> Outputs:
    dtype = check_float(a=a, b=b)
    check_shape("b", b, a.shape)
    return [(tuple(a.shape), dtype)]


def _sample(name: str, shape: tuple[int, ...], bench: bool = False) -> Sample:
    def make(rng: np.random.Generator, dtype: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return tuple(np.asarray(rng.standard_normal(shape), dtype) for _ in range(2)), {}

    return Sample(name, make, bench)


_SPEC = KernelSpec(
    name="add",
    check=_check,
    reference="tinynet_kernels.add.reference:add",
    cpu={"default": "tinynet_kernels.add.cpu:add"},
    cuda={"composed": "tinynet_kernels.add.composed:add"},
    samples=[
        _sample("plain", (3, 5)),
        _sample("scalar", ()),
        _sample("empty", (0, 4)),
        _sample("images", (32, 16, 28, 28), True),
        _sample("odd", (333, 777), True),
    ],
    bad_samples=[
        BadSample("shape", lambda rng: ((np.ones(3), np.ones(4)), {}), ValueError, r"b has shape \(4,\)"),
        BadSample("integer", lambda rng: ((np.ones(3, "int64"),) * 2, {}), TypeError, "a has dtype int64"),
    ],
    cost=lambda a, b: Cost(flops=a.size, bytes=3 * a.nbytes),
)


def add(a: Array, b: Array, *, out: Any = None) -> Array:
    """a + b of one shape and dtype, float32 or float64; else ValueError or TypeError."""
    return _SPEC(a, b, out=out)
