"""Further products of vectors and matrices, made of `matmul`."""

from __future__ import annotations

from ..device import xp
from ..tensor import Tensor
from ._common import wrap
from .elementwise import mul
from .linalg import _scaled, bmm, dot, matmul, mv, outer, tensordot
from .reduction import norm, sum
from .shape import expand, narrow, reshape, unsqueeze

vdot = dot
ger = outer


def inner(input: Tensor, other: Tensor) -> Tensor:
    """Products summed over the last dimension of both."""
    return mul(input, other) if input.ndim == 0 or other.ndim == 0 else tensordot(input, other, ([-1], [-1]))


def kron(input: Tensor, other: Tensor) -> Tensor:
    """Kronecker's product."""
    ndim = max(input.ndim, other.ndim)
    a, b = ((1,) * (ndim - t.ndim) + t.shape for t in (input, other))
    left = reshape(input, [n for pair in zip(a, (1,) * ndim) for n in pair])
    right = reshape(other, [n for pair in zip((1,) * ndim, b) for n in pair])
    return reshape(left * right, [m * n for m, n in zip(a, b)])


def cross(input: Tensor, other: Tensor, dim: int = -1) -> Tensor:
    """The vector product along a dimension of size 3."""
    a, b = input, other
    if a.shape[dim] != 3 or b.shape[dim] != 3:
        raise ValueError(f"input {a.shape} and other {b.shape} need size 3 in dimension {dim}")
    return a.roll(-1, dim) * b.roll(-2, dim) - a.roll(-2, dim) * b.roll(-1, dim)


def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * input + alpha * (mat @ vec)"""
    return _scaled(input, beta) + _scaled(mv(mat, vec), alpha)


def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * input + alpha * outer(vec1, vec2)"""
    return _scaled(input, beta) + _scaled(outer(vec1, vec2), alpha)


def addbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * input + alpha * the sum of the products of two stacks of matrices."""
    return _scaled(input, beta) + _scaled(sum(bmm(batch1, batch2), 0), alpha)


def chain_matmul(*matrices: Tensor) -> Tensor:
    """The product of several matrices, from left to right."""
    result = matrices[0]
    for matrix in matrices[1:]:
        result = matmul(result, matrix)
    return result


def matrix_power(input: Tensor, n: int) -> Tensor:
    """The n-th power of square matrices, by repeated squaring. ValueError for negative n."""
    if n < 0 or input.ndim < 2 or input.shape[-1] != input.shape[-2]:
        raise ValueError(f"n is {n} and the shape {input.shape}, expected n >= 0 and square matrices")
    result = expand(Tensor._make(xp(input._array).eye(input.shape[-1], dtype=input.dtype)), input.shape)
    base = input
    while n:
        result = matmul(result, base) if n & 1 else result
        n >>= 1
        base = matmul(base, base) if n else base
    return result


def cdist(x1: Tensor, x2: Tensor, p: float = 2.0) -> Tensor:
    """The p-norms of all differences of a row of x1 (..., P, M) and a row of x2 (..., R, M): (..., P, R)."""
    return norm(unsqueeze(x1, -2) - unsqueeze(x2, -3), p, -1)


def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float = 1.0, dim: int = -1) -> Tensor:
    """The integral along `dim` by the trapezoidal rule, over places x or steps dx."""
    axis = wrap(dim, y.ndim)
    n = max(y.shape[axis] - 1, 0)
    heights = (narrow(y, axis, 0, n) + narrow(y, axis, y.shape[axis] - n, n)) * 0.5
    if x is None:
        return sum(heights * dx, axis)
    widths = x.diff(dim=-1 if x.ndim == 1 else axis)
    if x.ndim == 1:
        widths = reshape(widths, [-1 if i == axis else 1 for i in range(y.ndim)])
    return sum(heights * widths, axis)


trapz = trapezoid
