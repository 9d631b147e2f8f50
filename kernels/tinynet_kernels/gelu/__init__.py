"""Gaussian error linear units."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import check_float, check_shape
from ..spec import Array, BadSample, Cost, KernelSpec, Outputs, Sample


def _check(x: Array, *, approximate: str = "none") -> Outputs:
    dtype = check_float(x=x)
    if approximate not in ("none", "tanh"):
        raise ValueError(f"approximate is {approximate!r}, expected 'none' or 'tanh'")
    return [(tuple(x.shape), dtype)]


def _check_grad(gy: Array, x: Array, *, approximate: str = "none") -> Outputs:
    check_float(gy=gy, x=x)
    check_shape("gy", gy, x.shape)
    return _check(x, approximate=approximate)


SHAPES: list[tuple[str, tuple[int, ...], str, bool]] = [
    ("plain", (3, 5), "none", False),
    ("tanh", (2, 3, 7), "tanh", False),
    ("scalar", (), "none", False),
    ("empty", (0, 4), "none", False),
    ("transformer", (2048, 512), "none", True),
    ("transformer_tanh", (2048, 512), "tanh", True),
]


def _samples(count: int) -> list[Sample]:
    def sample(name: str, shape: tuple[int, ...], approximate: str, bench: bool) -> Sample:
        def make(rng: np.random.Generator, dtype: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
            return tuple(np.asarray(3 * rng.standard_normal(shape), dtype) for _ in range(count)), {
                "approximate": approximate
            }

        return Sample(name, make, bench)

    return [sample(*case) for case in SHAPES]


_SPEC = KernelSpec(
    name="gelu",
    check=_check,
    reference="tinynet_kernels.gelu.reference:gelu",
    cpu={"default": "tinynet_kernels.gelu.cpu:gelu"},
    cuda={"composed": "tinynet_kernels.gelu.composed:gelu"},
    samples=_samples(1),
    bad_samples=[
        BadSample("name", lambda rng: ((np.ones(3),), {"approximate": "erf"}), ValueError, "approximate is 'erf'"),
        BadSample("integer", lambda rng: ((np.ones(3, "int64"),), {}), TypeError, "x has dtype int64"),
    ],
    cost=lambda x, **params: Cost(flops=20 * x.size, bytes=2 * x.nbytes),
)
_GRAD = KernelSpec(
    name="gelu_grad",
    check=_check_grad,
    reference="tinynet_kernels.gelu.reference:gelu_grad",
    cpu={"default": "tinynet_kernels.gelu.cpu:gelu_grad"},
    cuda={"composed": "tinynet_kernels.gelu.composed:gelu_grad"},
    samples=_samples(2),
    bad_samples=[BadSample("shape", lambda rng: ((np.ones(3), np.ones(4)), {}), ValueError, r"gy has shape \(3,\)")],
    cost=lambda gy, x, **params: Cost(flops=40 * x.size, bytes=3 * x.nbytes),
)


def gelu(x: Array, *, approximate: str = "none", out: Any = None) -> Array:
    """x times the normal distribution's probability of less than x (Hendrycks and Gimpel 2016); float32 or float64.

    approximate  "none", or "tanh": x / (1 + exp(-2 u)) with u = sqrt(2 / pi) * (x + 0.044715 * x**3).

    Raises TypeError for other dtypes, ValueError for another approximation.
    """
    return _SPEC(x, approximate=approximate, out=out)


def gelu_grad(gy: Array, x: Array, *, approximate: str = "none", out: Any = None) -> Array:
    """gy times the derivative of `gelu` at x. Errors as there, and ValueError for a gy of another shape."""
    return _GRAD(gy, x, approximate=approximate, out=out)
