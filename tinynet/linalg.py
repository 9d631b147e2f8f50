"""Linear algebra of matrices (..., n, n) under the names of `torch.linalg`: NumPy's LAPACK, or CuPy's cuSOLVER on CUDA."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from . import ops
from .autograd import Op
from .device import xp
from .ops import cross, diagonal, matmul, matrix_power, vander
from .tensor import Tensor

__all__ = [
    "cholesky",
    "cross",
    "det",
    "diagonal",
    "inv",
    "matmul",
    "matrix_power",
    "norm",
    "slogdet",
    "solve",
    "vander",
    "vector_norm",
]


class SignLog(NamedTuple):
    """What slogdet returns."""

    sign: Tensor
    logabsdet: Tensor


class Inverse(Op):
    saves_output = True

    @staticmethod
    def forward(ctx: Any, a: Any) -> Any:
        return _lapack("inv", a)

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        turned = ctx.output().mT
        return -(turned @ gy @ turned)


class Solve(Op):
    saves = (0,)
    saves_output = True

    @staticmethod
    def forward(ctx: Any, a: Any, b: Any) -> Any:
        return _lapack("solve", a, b)

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        gb = Solve.apply(ctx.input(0).mT, gy)
        ga = -(gb @ ctx.output().mT) if ctx.needs(0) else None
        return (
            None if ga is None else ops.unbroadcast(ga, ctx.input_shape(0)),
            ops.unbroadcast(gb, ctx.input_shape(1)) if ctx.needs(1) else None,
        )


class LogDet(Op):
    """The sign of a determinant, which has no gradient, and the logarithm of its size."""

    saves = (0,)

    @staticmethod
    def forward(ctx: Any, a: Any) -> Any:
        sign, size = xp(a).linalg.slogdet(a)
        return xp(a).asarray(sign), xp(a).asarray(size)

    @staticmethod
    def backward(ctx: Any, gsign: Tensor, gsize: Tensor) -> Any:
        return gsize[..., None, None] * Inverse.apply(ctx.input(0)).mT


class Cholesky(Op):
    saves_output = True

    @staticmethod
    def forward(ctx: Any, a: Any) -> Any:
        return _lapack("cholesky", a)

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        """Murray 2016, symmetric in the elements of a."""
        factor = ctx.output()
        inner = ops.tril(factor.mT @ gy)
        inner = (inner + ops.tril(inner, -1).mT) / 2
        right = Solve.apply(factor.mT, Solve.apply(factor.mT, inner).mT)
        return (right + right.mT) / 2


def _lapack(name: str, *arrays: Any) -> Any:
    try:
        return getattr(xp(arrays[0]).linalg, name)(*arrays)
    except np.linalg.LinAlgError as error:
        raise RuntimeError(f"{name}: {error}") from None


def _square(name: str, a: Tensor) -> Tensor:
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise ValueError(f"{name}: A has shape {a.shape}, expected (..., n, n)")
    if not a.is_floating_point():
        raise TypeError(f"{name}: A has dtype {a.dtype}, expected a floating-point one")
    return a


def inv(A: Tensor) -> Tensor:
    """The inverse matrices (..., n, n). RuntimeError for a singular one on the CPU."""
    return Inverse.apply(_square("inv", A))


def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """X of A X = B, or of X A = B if not left; B is (n,) or (..., n), a vector for each matrix, or (..., n, k).

    RuntimeError for a singular matrix on the CPU.
    """
    matrix = _square("solve", A)
    vector = B.ndim == 1 or (B.ndim == A.ndim - 1 and B.shape == A.shape[:-1])
    side = -1 if left else -2
    right = B.unsqueeze(side) if vector else B
    if right.shape[-2 if left else -1] != A.shape[-1]:
        raise ValueError(f"solve: B has shape {B.shape}, which does not fit A of shape {A.shape}")
    found: Tensor = Solve.apply(matrix, right) if left else Solve.apply(matrix.mT, right.mT).mT
    return found.squeeze(side) if vector else found


def slogdet(A: Tensor) -> SignLog:
    """The sign of the determinant and the logarithm of its absolute value (-inf for 0): (...)."""
    sign, size = LogDet.apply(_square("slogdet", A))
    return SignLog(sign.detach(), size)


def det(A: Tensor) -> Tensor:
    """The determinants (...) of matrices. The gradient needs a matrix that is not singular."""
    sign, size = slogdet(A)
    return sign * ops.exp(size)


def logdet(A: Tensor) -> Tensor:
    """The logarithms of the determinants (...): -inf for 0, NaN for a negative one."""
    sign, size = slogdet(A)
    return ops.where(sign < 0, math.nan, size)


def cholesky(A: Tensor, *, upper: bool = False) -> Tensor:
    """The lower triangular L of A = L L^T, or L^T if upper. RuntimeError, on the CPU, unless A is positive definite."""
    factor = Cholesky.apply(_square("cholesky", A))
    return factor.mT if upper else factor


def vector_norm(x: Tensor, ord: float = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The p-norm, p being `ord`, of all elements or along dimensions."""
    return ops.norm(x, ord, dim, keepdim, dtype)


def norm(
    A: Tensor, ord: float | str | None = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """The 2-norm of all elements; with `ord` the norm of a vector, or of a matrix if there are two dimensions.

    Of the norms of matrices there are "fro", and 1, -1, inf and -inf: the extreme sums of columns or rows.
    """
    dims = (dim,) if isinstance(dim, int) else tuple(range(-A.ndim, 0)) if dim is None else tuple(dim)
    if ord is None or len(dims) == 1 or (dim is None and A.ndim == 1):
        return vector_norm(A, 2 if ord is None else ord, dim, keepdim, dtype=dtype)  # type: ignore[arg-type]
    if len(dims) != 2:
        raise ValueError(f"dim is {dim!r} for an input of shape {A.shape}, expected one or two dimensions with ord")
    if ord == "fro":
        return vector_norm(A, 2, dims, keepdim, dtype=dtype)
    if ord not in (1, -1, np.inf, -np.inf):
        raise ValueError(f"ord is {ord!r}, expected 'fro', 1, -1, inf or -inf for a matrix")
    rows, columns = (d % A.ndim for d in dims)
    along, other = (rows, columns) if abs(ord) == 1 else (columns, rows)
    sums = vector_norm(A, 1, along, True, dtype=dtype)
    extreme = ops.amax(sums, other, True) if ord > 0 else ops.amin(sums, other, True)
    return extreme if keepdim else extreme.squeeze((rows, columns))
