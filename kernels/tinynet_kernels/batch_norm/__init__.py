"""Batch normalisation: statistics of each channel, normalisation with scale, shift, a sum and ReLU, and its gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..arguments import check_activation, check_float, check_shape
from ..channel_sum import SHAPES
from ..spec import Array, BadSample, Cost, KernelSpec, Outputs, Sample


def _check_image(x: Array, **vectors: Array | None) -> Any:
    """The common dtype of x (N, C, ...) and vectors (C,), some of which may be None."""
    dtype = check_float(x=x, **vectors)
    if x.ndim < 2:
        raise ValueError(f"x has shape {tuple(x.shape)}, expected at least 2 dimensions (N, C, ...)")
    for name, vector in vectors.items():
        if vector is not None:
            check_shape(name, vector, (x.shape[1],))
    return dtype


def _check_stats(
    x: Array, running_mean: Array | None = None, running_variance: Array | None = None, *, momentum: float = 0.1
) -> Outputs:
    dtype = _check_image(x, running_mean=running_mean, running_variance=running_variance)
    if (running_mean is None) != (running_variance is None):
        raise ValueError("running_mean and running_variance are given together, or neither is")
    least = 1 if running_mean is None else 2
    if x.size < least * x.shape[1] or x.size == 0:
        raise ValueError(f"x has shape {tuple(x.shape)}: no values to take the mean of, or too few for a variance")
    return [((x.shape[1],), dtype)] * (2 if running_mean is None else 4)


def _check(
    x: Array,
    mean: Array,
    variance: Array,
    weight: Array | None = None,
    bias: Array | None = None,
    residual: Array | None = None,
    *,
    eps: float,
    activation: str | None = None,
) -> Outputs:
    check_activation(activation)
    dtype = _check_image(x, mean=mean, variance=variance, weight=weight, bias=bias)
    if residual is not None:
        check_float(x=x, residual=residual)
        check_shape("residual", residual, tuple(x.shape))
    return [(tuple(x.shape), dtype)]


def _check_grad(
    gy: Array,
    x: Array,
    mean: Array,
    variance: Array,
    weight: Array | None = None,
    bias: Array | None = None,
    y: Array | None = None,
    *,
    eps: float,
    activation: str | None = None,
) -> Outputs:
    check_float(gy=gy, x=x, y=y)
    check_shape("gy", gy, tuple(x.shape))
    ((shape, dtype),) = _check(x, mean, variance, weight, bias, eps=eps, activation=activation)
    outputs = [(shape, dtype), (shape[1:2], dtype), (shape[1:2], dtype)]
    if y is None:
        return outputs
    check_shape("y", y, shape)
    if activation is None:
        raise ValueError("y is given without an activation: the gradient does not depend on it")
    return [*outputs, (shape, dtype)]


def _stats_sample(name: str, shape: tuple[int, ...], bench: bool, mean: float = 1.0, running: bool = False) -> Sample:
    def make(rng: np.random.Generator, dtype: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        arrays = [rng.standard_normal(shape) + mean]
        arrays += [rng.standard_normal(shape[1]), rng.random(shape[1])] if running else []
        return tuple(a.astype(dtype) for a in arrays), {"momentum": 0.3} if running else {}

    return Sample(name, make, bench)


def _sample(
    name: str,
    shape: tuple[int, ...],
    bench: bool,
    gradient: bool,
    vectors_given: int = 4,
    activation: str | None = None,
    residual: bool = False,
) -> Sample:
    """With the statistics of x in the case of the gradient, and as many of scale and shift as make up so many vectors; with
    `residual`, the array that is added, or in the case of the gradient the output.
    """

    def make(rng: np.random.Generator, dtype: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        x, axes = rng.standard_normal(shape) + 0.5, (0, *range(2, len(shape)))
        own = gradient and x.size > 0
        statistics = (x.mean(axis=axes), x.var(axis=axes)) if own else rng.random((2, shape[1]))
        vectors = [*statistics, rng.random(shape[1]) - 0.3, rng.standard_normal(shape[1])][:vectors_given]
        arrays = [*([rng.standard_normal(shape)] if gradient else []), x, *vectors]
        if residual:
            arrays.append(np.maximum(rng.standard_normal(shape), 0) if gradient else rng.standard_normal(shape))
        return tuple(a.astype(dtype) for a in arrays), {"eps": 1e-3, "activation": activation}

    return Sample(name, make, bench)


def _samples(gradient: bool) -> list[Sample]:
    return [
        *(_sample(*case, gradient, 4, "relu" if i % 2 else None) for i, case in enumerate(SHAPES)),
        _sample("not_affine", (5, 3, 7), False, gradient, 2, "relu"),
        _sample("scaled", (6, 2, 6, 6), False, gradient, 3),
        _sample("many_rows", (1500, 3), False, gradient, 4, "relu"),
        _sample("odd_rows", (1001, 7), False, gradient, 2, "relu"),
        _sample("wide_rows", (600, 130), False, gradient, 3),
        _sample("residual", (5, 3, 7), False, gradient, 4, "relu", residual=True),
        _sample("residual_rows", (1500, 3), False, gradient, 4, "relu", residual=True),
        *([] if gradient else [_sample("sum", (600, 130), False, gradient, 4, residual=True)]),
        _sample("empty", (2, 3, 0), False, gradient),
        _sample("no_images", (0, 3, 4), False, gradient, activation="relu"),
    ]


def _bad(gradient: bool) -> list[BadSample]:
    def make(x: Any, mean: Any, activation: str | None = None, further: Any = None) -> Callable[[Any], Any]:
        arrays = x, mean, *(np.ones(3, "float32"),) * 3, further
        return lambda rng: ((x, *arrays) if gradient else arrays, {"eps": 1e-5, "activation": activation})

    x, mean = np.ones((2, 3), "float32"), np.ones(3, "float32")
    return [
        BadSample("integer", make(x.astype("int64"), mean), TypeError, "x has dtype int64|gy has dtype int64"),
        BadSample("mixed", make(x, mean.astype("float64")), TypeError, "mean has dtype float64"),
        BadSample("length", make(x, np.ones(2, "float32")), ValueError, "mean has shape .2,., expected .3,."),
        BadSample("activation", make(x, mean, "tanh"), ValueError, "activation is 'tanh'"),
        BadSample(
            "further", make(x, mean, "relu", x[:1]), ValueError, "(residual|y) has shape .1, 3., expected .2, 3."
        ),
        *([BadSample("linear", make(x, mean, None, x), ValueError, "without an activation")] if gradient else []),
    ]


def _implementations(name: str) -> dict[str, Any]:
    module = "tinynet_kernels.batch_norm"
    return {
        "name": name,
        "reference": f"{module}.reference:{name}",
        "cpu": {"default": f"{module}.cpu:{name}"},
        "cuda": {"default": f"{module}.cuda:{name}"},
    }


_STATS = KernelSpec(
    **_implementations("batch_norm_stats"),
    check=_check_stats,
    samples=[
        *(_stats_sample(*case) for case in SHAPES),
        _stats_sample("far_from_zero", (16, 3, 8, 8), False, mean=100.0),  # E[x^2] - E[x]^2 would lose four digits here
        _stats_sample("many_rows", (1500, 3), False, mean=100.0),
        _stats_sample("odd_rows", (1001, 7), False, running=True),
        _stats_sample("running", (9, 5, 7, 9), False, running=True),
        _stats_sample("running_parts", (40, 3, 8, 8), False, running=True),
    ],
    bad_samples=[
        BadSample("empty", lambda rng: ((np.ones((0, 3), "float32"),), {}), ValueError, "no values"),
        BadSample("vector", lambda rng: ((np.ones(3, "float32"),), {}), ValueError, "at least 2 dimensions"),
        BadSample("integer", lambda rng: ((np.ones((3, 3), "int64"),), {}), TypeError, "x has dtype int64"),
        BadSample("single", lambda rng: ((np.ones((1, 3)), np.ones(3), np.ones(3)), {}), ValueError, "too few"),
        BadSample("half", lambda rng: ((np.ones((2, 3)), np.ones(3)), {}), ValueError, "are given together"),
    ],
    cost=lambda x, *running, **params: Cost(
        flops=4 * x.size, bytes=(x.size + 2 * x.shape[1] * (1 + len(running))) * x.dtype.itemsize
    ),
)
_NORM = KernelSpec(
    **_implementations("batch_norm"),
    channels_last=True,
    check=_check,
    samples=_samples(False),
    bad_samples=_bad(False),
    cost=lambda x, *arrays, **params: Cost(
        flops=5 * x.size, bytes=(2 * x.size + sum(a.size for a in arrays if a is not None)) * x.dtype.itemsize
    ),
)
_GRAD = KernelSpec(
    **_implementations("batch_norm_grad"),
    channels_last=True,
    check=_check_grad,
    samples=_samples(True),
    bad_samples=_bad(True),
    cost=lambda gy, x, *arrays, **params: Cost(  # both are read twice: every result needs sums over its channel
        flops=14 * x.size,
        bytes=(5 * x.size + 2 * x.shape[1] + sum(a.size for a in arrays if a is not None)) * x.dtype.itemsize
        + (x.nbytes if len(arrays) > 4 else 0),  # where y is given, what passes the ReLU is written
    ),
)


def batch_norm_stats(
    x: Array,
    running_mean: Array | None = None,
    running_variance: Array | None = None,
    *,
    momentum: float = 0.1,
    out: Any = None,
) -> tuple[Array, ...]:
    """Mean and biased variance of x (N, C, ...), float32 or float64, over all axes but the second: two arrays (C,).

    Given running ones (C,), two more: these, moved by `momentum` towards the mean and the unbiased variance. The variance
    is made of deviations, not of a difference of large squares. `out` are arrays to write, which may be the running ones
    themselves. Raises TypeError for other dtypes, ValueError for fewer than 2 dimensions, shapes that do not fit or no
    values (with running statistics: fewer than two in a channel).
    """
    results: tuple[Array, ...]
    if running_mean is None and running_variance is None:
        results = _STATS(x, out=out)
    else:
        results = _STATS(x, running_mean, running_variance, momentum=momentum, out=out)
    return results


def batch_norm(
    x: Array,
    mean: Array,
    variance: Array,
    weight: Array | None = None,
    bias: Array | None = None,
    residual: Array | None = None,
    *,
    eps: float = 1e-5,
    activation: str | None = None,
    out: Array | None = None,
) -> Array:
    """`activation((x - mean) / sqrt(variance + eps) * weight + bias + residual)` for x and residual (N, C, ...) and vectors
    (C,) of one dtype, float32 or float64; `activation` is None or "relu".

    Raises TypeError for dtypes and devices, ValueError for shapes.
    """
    arrays = (x, mean, variance, weight, bias) if residual is None else (x, mean, variance, weight, bias, residual)
    return _NORM(*arrays, eps=eps, activation=activation, out=out)


def batch_norm_grad(
    gy: Array,
    x: Array,
    mean: Array,
    variance: Array,
    weight: Array | None = None,
    bias: Array | None = None,
    y: Array | None = None,
    *,
    eps: float = 1e-5,
    activation: str | None = None,
    out: Any = None,
) -> tuple[Array, ...]:
    """The gradients of x, weight and bias, given gy of the output of `batch_norm`, where mean and variance are those of x.

    gx like x, gw and gb (C,), the sums in a fixed order. Where a residual was added before the ReLU, give the output y: a
    fourth result is then the gradient of the residual, gy where y > 0 and 0 elsewhere. Raises as `batch_norm`, and ValueError
    for y without an activation: the gradient of the residual is gy then.
    """
    arrays = (gy, x, mean, variance, weight, bias) if y is None else (gy, x, mean, variance, weight, bias, y)
    results: tuple[Array, ...] = _GRAD(*arrays, eps=eps, activation=activation, out=out)
    return results
