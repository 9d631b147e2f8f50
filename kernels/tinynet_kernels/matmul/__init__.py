"""Matrix product, batched, with an optional bias and ReLU."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import check_activation, check_any_float, check_shape
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
    dtype = check_any_float(a=a, b=b, bias=bias)
    shape_a, shape_b = tuple(a.shape), tuple(b.shape)
    for name, shape in (("a", shape_a), ("b", shape_b)):
        if len(shape) < 2:
            raise ValueError(f"{name} has shape {shape}, expected at least 2 dimensions")
    k, m = shape_a[-2:] if transpose_a else shape_a[:-3:-1]
    n, k_b = shape_b[-2:] if transpose_b else shape_b[:-3:-1]
    if k != k_b:
        raise ValueError(f"a gives rows of {k} elements, b columns of {k_b}: shapes {shape_a}, {shape_b}")
    batch = shape_a[:-2]
    if batch != shape_b[:-2]:
        try:
            batch = np.broadcast_shapes(batch, shape_b[:-2])
        except ValueError:
            raise ValueError(f"leading dimensions of a {shape_a} and b {shape_b} do not broadcast") from None
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
    tensor_cores="tinynet_kernels.matmul.tensor_cores:matmul",
    dtypes=("float16", "float32", "float64"),
    tolerance={"float16": (1e-3, 2e-3), "float32": (1e-4, 1e-5), "float64": (1e-10, 1e-12)},
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
    precision: str = "highest",
    out: Array | None = None,
    variant: str | None = None,
) -> Array:
    """`activation(a @ b + bias)` for matrices or stacks of matrices.

    a           (..., M, K), or (..., K, M) with `transpose_a`; float16, float32 or float64.
    b           (..., K, N), or (..., N, K) with `transpose_b`; the dtype of a. Leading dimensions broadcast.
    bias        (N,), added to every row.
    activation  None or "relu".
    precision   of float32 factors: "highest" keeps them, "high" rounds them to TF32, "medium" to bfloat16.
    out         (..., M, N), written and returned when given.
    variant     CUDA: "tiled" (default) or "naive"; float16 and lower precisions run on tensor cores where there are any.

    float16 and rounded factors are multiplied exactly and summed in float32. Against the product of the same numbers in
    float64, with u = 2**-24 and S = |a| @ |b| + |bias|, the error is at most (K + 8) u S, plus |y| 2**-11 (or 2**-25 below
    2**-14) where y is rounded to float16, plus 2**-10 S for "high" and 2**-7 S for "medium", whose factors are rounded.

    A product over K = 0 is 0. Raises TypeError for dtypes and devices, ValueError for shapes that do not fit.
    """
    return _SPEC(
        a,
        b,
        bias,
        transpose_a=transpose_a,
        transpose_b=transpose_b,
        activation=activation,
        precision=precision,
        out=out,
        variant=variant,
    )
