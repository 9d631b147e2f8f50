"""Matrix product, batched, with an optional bias and ReLU."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import check_activation, check_float, check_shape
from ..spec import Array, Cost, KernelSpec, Outputs
from . import samples


def _check(
    a: Array,
    b: Array,
    bias: Array | None = None,
    *,
    transpose_a: bool = False,
    transpose_b: bool = False,
    activation: str | None = None,
) -> Outputs:
    dtype = check_float(a=a, b=b, bias=bias)
    for name, array in (("a", a), ("b", b)):
        if array.ndim < 2:
            raise ValueError(f"{name} has shape {tuple(array.shape)}, expected at least 2 dimensions")
    m, k = (a.shape[-1], a.shape[-2]) if transpose_a else (a.shape[-2], a.shape[-1])
    k_b, n = (b.shape[-1], b.shape[-2]) if transpose_b else (b.shape[-2], b.shape[-1])
    if k != k_b:
        raise ValueError(f"a gives rows of {k} elements, b columns of {k_b}: shapes {tuple(a.shape)}, {tuple(b.shape)}")
    try:
        batch = np.broadcast_shapes(tuple(a.shape[:-2]), tuple(b.shape[:-2]))
    except ValueError:
        raise ValueError(f"leading dimensions of a {tuple(a.shape)} and b {tuple(b.shape)} do not broadcast") from None
    if bias is not None:
        check_shape("bias", bias, (n,))
    check_activation(activation)
    return [((*batch, m, n), dtype)]


def _cost(a: Array, b: Array, bias: Array | None = None, **params: Any) -> Cost:
    ((shape, dtype),) = _check(a, b, bias, **params)
    size = int(np.prod(shape))
    k = a.shape[-2] if params.get("transpose_a") else a.shape[-1]
    return Cost(flops=2 * size * k, bytes=(a.size + b.size + size) * np.dtype(dtype).itemsize)


_SPEC = KernelSpec(
    name="matmul",
    check=_check,
    reference="tinynet_kernels.matmul.reference:matmul",
    cpu={"blas": "tinynet_kernels.matmul.cpu:matmul"},
    cuda={
        "tiled": "tinynet_kernels.matmul.cuda:matmul",
        "naive": "tinynet_kernels.matmul.cuda:matmul_naive",
    },
    samples=samples.SAMPLES,
    bad_samples=samples.BAD_SAMPLES,
    cost=_cost,
)


def matmul(
    a: Array,
    b: Array,
    bias: Array | None = None,
    *,
    transpose_a: bool = False,
    transpose_b: bool = False,
    activation: str | None = None,
    out: Array | None = None,
    variant: str | None = None,
) -> Array:
    """`activation(a @ b + bias)` for matrices or stacks of matrices.

    a           (..., M, K), or (..., K, M) with `transpose_a`; float32 or float64.
    b           (..., K, N), or (..., N, K) with `transpose_b`; the dtype of a. Leading dimensions broadcast.
    bias        (N,), added to every row.
    activation  None or "relu".
    out         (..., M, N), written and returned when given.
    variant     CUDA: "tiled" (default) or "naive".

    A product over K = 0 is 0. Raises TypeError for dtypes and devices, ValueError for shapes that do not fit.
    """
    return _SPEC(
        a,
        b,
        bias,
        transpose_a=transpose_a,
        transpose_b=transpose_b,
        activation=activation,
        out=out,
        variant=variant,
    )
