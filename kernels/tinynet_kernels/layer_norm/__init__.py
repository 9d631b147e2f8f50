"""Layer normalisation."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import check_float, check_ndim, check_shape
from ..spec import Array, BadSample, Cost, KernelSpec, Outputs, Sample


def _check(
    x: Array, weight: Array | None = None, bias: Array | None = None, *, eps: float = 1e-5, centre: bool = True
) -> Outputs:
    dtype = check_float(x=x, weight=weight, bias=bias)
    check_ndim(2, "(N, D)", x=x)
    rows, size = x.shape
    for name, array in (("weight", weight), ("bias", bias)):
        if array is not None:
            check_shape(name, array, (size,))
    return [((rows, size), dtype), ((rows,), dtype), ((rows,), dtype)]


def _check_grad(
    gy: Array, x: Array, mean: Array, scale: Array, weight: Array | None = None, *, centre: bool = True
) -> Outputs:
    dtype = check_float(gy=gy, x=x, mean=mean, scale=scale, weight=weight)
    check_ndim(2, "(N, D)", x=x)
    rows, size = x.shape
    check_shape("gy", gy, (rows, size))
    check_shape("mean", mean, (rows,))
    check_shape("scale", scale, (rows,))
    if weight is not None:
        check_shape("weight", weight, (size,))
    return [((rows, size), dtype), ((size,), dtype), ((size,), dtype)]


SHAPES: list[tuple[str, int, int, bool, bool, bool]] = [  # rows, numbers, weight and bias, centre
    ("plain", 3, 5, True, True, False),
    ("no_weight", 4, 7, False, True, False),
    ("not_centred", 5, 6, True, False, False),
    ("one", 1, 1, True, True, False),
    ("no_rows", 0, 3, True, True, False),
    ("transformer", 2048, 128, True, True, True),
    ("groups", 70, 5000, False, True, True),
    ("odd", 333, 77, True, False, True),
]


def _sample(name: str, rows: int, size: int, affine: bool, centre: bool, bench: bool, grad: bool) -> Sample:
    def make(rng: np.random.Generator, dtype: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        def normal(*shape: int) -> Any:
            return rng.standard_normal(shape).astype(dtype)

        x, weight, bias = normal(rows, size) + 1, normal(size), normal(size)
        if not grad:
            return (x, *((weight, bias) if affine else ())), {"eps": 1e-5, "centre": centre}
        mean = x.mean(axis=1) if centre else np.zeros(rows, dtype)
        scale = rng.uniform(0.5, 2, rows).astype(dtype)
        return (normal(rows, size), x, mean, scale, *((weight,) if affine else ())), {"centre": centre}

    return Sample(name, make, bench)


_SPEC = KernelSpec(
    name="layer_norm",
    check=_check,
    reference="tinynet_kernels.layer_norm.reference:layer_norm",
    cpu={"default": "tinynet_kernels.layer_norm.cpu:layer_norm"},
    cuda={"composed": "tinynet_kernels.layer_norm.composed:layer_norm"},
    samples=[_sample(*case, False) for case in SHAPES],
    bad_samples=[
        BadSample("rank", lambda rng: ((np.ones(3),), {}), ValueError, "expected 2 dimensions"),
        BadSample("weight", lambda rng: ((np.ones((2, 3)), np.ones(2)), {}), ValueError, r"weight has shape \(2,\)"),
        BadSample("integer", lambda rng: ((np.ones((3, 3), "int64"),), {}), TypeError, "x has dtype int64"),
    ],
    cost=lambda x, *affine, **params: Cost(flops=8 * x.size, bytes=2 * (x.size + x.shape[0]) * x.dtype.itemsize),
)
_GRAD = KernelSpec(
    name="layer_norm_grad",
    check=_check_grad,
    reference="tinynet_kernels.layer_norm.reference:layer_norm_grad",
    cpu={"default": "tinynet_kernels.layer_norm.cpu:layer_norm_grad"},
    cuda={"composed": "tinynet_kernels.layer_norm.composed:layer_norm_grad"},
    samples=[_sample(*case, True) for case in SHAPES if case[1]],
    bad_samples=[
        BadSample(
            "gy",
            lambda rng: ((np.ones((2, 2)), np.ones((2, 3)), np.ones(2), np.ones(2)), {}),
            ValueError,
            r"gy has shape \(2, 2\)",
        ),
        BadSample(
            "scale",
            lambda rng: ((np.ones((2, 3)), np.ones((2, 3)), np.ones(2), np.ones(3)), {}),
            ValueError,
            r"scale has shape \(3,\)",
        ),
    ],
    cost=lambda gy, x, *rest, **params: Cost(flops=16 * x.size, bytes=3 * x.nbytes),
)


def layer_norm(
    x: Array,
    weight: Array | None = None,
    bias: Array | None = None,
    *,
    eps: float = 1e-5,
    centre: bool = True,
    out: Any = None,
) -> tuple[Array, Array, Array]:
    """(y, mean, scale): each row of x (N, D), float32 or float64, less its mean and times scale = 1 / sqrt(mean square + eps)
    (Ba et al. 2016), then times weight and plus bias, (D,), where given. Unless `centre`, the mean counts as 0.

    Raises TypeError for dtypes and devices, ValueError for shapes that do not fit.
    """
    results: tuple[Array, Array, Array] = _SPEC(x, weight, bias, eps=eps, centre=centre, out=out)
    return results


def layer_norm_grad(
    gy: Array,
    x: Array,
    mean: Array,
    scale: Array,
    weight: Array | None = None,
    *,
    centre: bool = True,
    out: Any = None,
) -> tuple[Array, Array, Array]:
    """The gradients of x, of the weight and of the bias, given that of y, gy (N, D), and the mean and scale of `layer_norm`.

    The others are its arguments; errors as there. The sums over rows are taken in a fixed order.
    """
    results: tuple[Array, Array, Array] = _GRAD(gy, x, mean, scale, weight, centre=centre, out=out)
    return results
