"""Matrix products, through `tinynet_kernels.matmul`, and what is built of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import tinynet_kernels as kernels

from .. import dtypes
from ..autograd import Op, is_grad_enabled
from ..grad_mode import _mode
from ..precision import of_products
from ..tensor import Tensor
from ._common import same_device, unbroadcast, wrap
from .elementwise import cast, relu_mask
from .reduction import sum
from .shape import permute, reshape


class MatMul(Op):
    """Matrices or stacks of matrices, either of them transposed: closed under differentiation."""

    saves = (0, 1)

    @staticmethod
    def forward(ctx: Any, a: Any, b: Any, transpose_a: bool, transpose_b: bool, precision: str) -> Any:
        ctx.transposed, ctx.precision = (transpose_a, transpose_b), precision
        return kernels.matmul(a, b, transpose_a=transpose_a, transpose_b=transpose_b, precision=precision)

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        (ta, tb), p = ctx.transposed, ctx.precision
        ga = gb = None
        if ctx.needs(0):
            b = ctx.input(1)
            ga = MatMul.apply(b, gy, tb, True, p) if ta else MatMul.apply(gy, b, False, not tb, p)
            ga = unbroadcast(ga, ctx.input_shape(0))
        if ctx.needs(1):
            a = ctx.input(0)
            gb = MatMul.apply(gy, a, True, ta, p) if tb else MatMul.apply(a, gy, not ta, False, p)
            gb = unbroadcast(gb, ctx.input_shape(1))
        return ga, gb, None, None, None


class Linear(Op):
    """activation(x @ w.T + bias) for x (N, in), w (out, in)."""

    saves = (0, 1)
    saves_output = True

    @staticmethod
    def forward(ctx: Any, x: Any, w: Any, bias: Any, activation: str | None, precision: str) -> Any:
        ctx.activation, ctx.precision = activation, precision
        return kernels.matmul(x, w, bias, transpose_b=True, activation=activation, precision=precision)

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        host = type(gy._array) is np.ndarray and gy.dtype != dtypes.float16 and ctx.precision == "highest"
        if host and ctx.needs(1) and ctx.needs(2) and not is_grad_enabled():
            return Linear._together(ctx, gy)
        gy, gb = bias_grad(ctx, gy)
        gx = _product(gy, ctx.input(1), False, ctx.precision, None) if ctx.needs(0) else None
        gw = _product(gy, ctx.input(0), True, ctx.precision, ctx.room(1)) if ctx.needs(1) else None
        return gx, gw, gb, None, None

    @staticmethod
    def _together(ctx: Any, gy: Tensor) -> Any:
        """All gradients by one call."""
        wanted = ctx.needs(0)
        out = (ctx.room(1), ctx.room(2), None)[: 2 + wanted]
        y = ctx.output() if ctx.activation == "relu" else gy  # else not read, and may have been modified
        arrays = gy._array, ctx.input(0)._array, ctx.input(1)._array, y._array
        gw, gb, *rest = kernels.linear_grad(*arrays, activation=ctx.activation, input_grad=wanted, out=out)
        return Tensor._make(rest[0]) if rest else None, Tensor._make(gw), Tensor._make(gb), None, None


def _product(a: Tensor, b: Tensor, transpose_a: bool, precision: str, out: Any) -> Tensor:
    if is_grad_enabled():
        return MatMul.apply(a, b, transpose_a, False, precision)
    return Tensor._make(kernels.matmul(a._array, b._array, transpose_a=transpose_a, precision=precision, out=out))


def bias_grad(ctx: Any, gy: Tensor, swap: bool = False) -> tuple[Tensor, Tensor | None]:
    """For an operation that adds its input 2 to the channels and then applies `ctx.activation`: what flows to before both,
    and the gradient of the bias (None if it is not needed).

    With `swap`, where that costs no launch, `ctx.weight` becomes input 1 in memory that runs along its second axis first.
    """
    wanted, relu = ctx.needs(2), ctx.activation == "relu"
    if is_grad_enabled():
        gy = relu_mask(gy, ctx.output()) if relu else gy
        return gy, channel_sum(gy) if wanted else None
    if relu and swap:
        arrays = gy._array, ctx.output()._array, ctx.input(1)._array
        masked, sums, weight = kernels.relu_grad(*arrays, out=(None, ctx.room(2), None))
        ctx.weight = Tensor._make(weight.swapaxes(0, 1))
        return Tensor._make(masked), Tensor._make(sums) if wanted else None
    if relu:
        masked, sums = kernels.relu_grad(gy._array, ctx.output()._array, out=(None, ctx.room(2)))
        return Tensor._make(masked), Tensor._make(sums) if wanted else None
    return gy, Tensor._make(kernels.channel_sum(gy._array, out=ctx.room(2))) if wanted else None


class ChannelSum(Op):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return kernels.channel_sum(x)

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        shape = ctx.input_shape(0)
        return reshape(gy, (1, -1, *(1 for _ in shape[2:]))).expand(shape)


def channel_sum(x: Tensor) -> Tensor:
    """The sum of x (N, C, ...) over everything but the channels: (C,)."""
    return ChannelSum.apply(x)


def matmul(input: Any, other: Any) -> Tensor:
    """The matrix product, with PyTorch's rules: vectors are rows or columns, leading dimensions broadcast."""
    if not isinstance(input, Tensor) or not isinstance(other, Tensor):
        raise TypeError(f"matmul() needs two tensors, got {type(input).__name__} and {type(other).__name__}")
    same_device("matmul", input, other)
    if input.ndim == 0 or other.ndim == 0:
        raise ValueError(f"matmul() needs at least 1 dimension each, the shapes are {input.shape} and {other.shape}")
    if input.dtype != other.dtype and _mode.autocast is None:
        raise TypeError(f"matmul() needs one dtype, got {input.dtype} and {other.dtype}")
    a = reshape(input, 1, -1) if input.ndim == 1 else input
    b = reshape(other, -1, 1) if other.ndim == 1 else other
    if a.shape[-1] != b.shape[-2]:
        raise ValueError(f"shapes {input.shape} and {other.shape} do not multiply: {a.shape[-1]} is not {b.shape[-2]}")
    if input.dtype.kind != "f":
        return Tensor._make(input._array @ other._array)
    rows = a.shape[:-1]
    if a.ndim > 2 and b.ndim == 2:  # one product over all rows
        a = reshape(a, int(np.prod(rows)), a.shape[-1])
    y = MatMul.apply(a, b, False, False, of_products(a._array))
    if len(rows) > 1 and b.ndim == 2:
        y = reshape(y, *rows, b.shape[-1])
    if input.ndim == 1:
        y = y.squeeze(-2)
    return y.squeeze(-1) if other.ndim == 1 else y


def _in_kernel_dtype(function: Callable[..., Tensor], *tensors: Any) -> Tensor:
    """Most kernels compute in float32 and float64 only; half precision is converted for them, and back."""
    first = tensors[0]
    if first.dtype != dtypes.float16:
        return function(*tensors)
    single = [cast(t, dtypes.float32) if isinstance(t, Tensor) else t for t in tensors]
    return cast(function(*single), dtypes.float16)


def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """The product of two matrices."""
    if input.ndim != 2 or mat2.ndim != 2:
        raise ValueError(f"mm() needs two matrices, the shapes are {input.shape} and {mat2.shape}")
    return matmul(input, mat2)


def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """The products of two stacks of matrices, (B, M, K) and (B, K, N)."""
    if input.ndim != 3 or mat2.ndim != 3 or input.shape[0] != mat2.shape[0]:
        raise ValueError(f"bmm() needs (B, M, K) and (B, K, N), the shapes are {input.shape} and {mat2.shape}")
    return matmul(input, mat2)


def mv(input: Tensor, vec: Tensor) -> Tensor:
    """The product of a matrix and a vector."""
    if input.ndim != 2 or vec.ndim != 1:
        raise ValueError(f"mv() needs a matrix and a vector, the shapes are {input.shape} and {vec.shape}")
    return matmul(input, vec)


def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * input + alpha * (mat1 @ mat2)"""
    return _scaled(input, beta) + _scaled(mm(mat1, mat2), alpha)


def baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * input + alpha * (batch1 @ batch2) for stacks of matrices."""
    return _scaled(input, beta) + _scaled(bmm(batch1, batch2), alpha)


def _scaled(input: Tensor, factor: float) -> Tensor:
    return input if factor == 1 else input * factor


def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """Products summed over the last `dims` dimensions of a and the first of b, or over two lists of dimensions."""
    if isinstance(dims, int):
        over_a, over_b = list(range(a.ndim - dims, a.ndim)), list(range(dims))
    else:
        over_a, over_b = ([wrap(d, t.ndim) for d in listed] for listed, t in zip(dims, (a, b)))
    kept_a = [d for d in range(a.ndim) if d not in over_a]
    kept_b = [d for d in range(b.ndim) if d not in over_b]
    shape = [a.shape[d] for d in kept_a] + [b.shape[d] for d in kept_b]
    if [a.shape[d] for d in over_a] != [b.shape[d] for d in over_b]:
        raise ValueError(f"shapes {a.shape} and {b.shape} do not agree in dimensions {over_a} and {over_b}")
    count = math.prod(a.shape[d] for d in over_a)
    left = reshape(permute(a, kept_a + over_a), math.prod(a.shape[d] for d in kept_a), count)
    right = reshape(permute(b, over_b + kept_b), count, math.prod(b.shape[d] for d in kept_b))
    return reshape(mm(left, right), shape)


def dot(input: Tensor, other: Tensor) -> Tensor:
    """The sum of the products of two vectors."""
    if input.ndim != 1 or input.shape != other.shape:
        raise ValueError(f"dot() needs two vectors of one length, the shapes are {input.shape} and {other.shape}")
    return sum(input * other)


def outer(input: Tensor, other: Tensor) -> Tensor:
    """All products of an element of one vector with an element of another."""
    if input.ndim != 1 or other.ndim != 1:
        raise ValueError(f"outer() needs two vectors, the shapes are {input.shape} and {other.shape}")
    return reshape(input, -1, 1) * other


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None, *, activation: str | None = None) -> Tensor:
    """activation(input @ weight.T + bias) for input (..., in), weight (out, in), bias (out,); activation None or "relu".

    One kernel, forward and for each gradient. Raises ValueError for shapes that do not fit, TypeError for dtypes.
    """
    same_device("linear", input, weight, bias)
    shape, size = input._array.shape, weight._array.shape
    if len(size) != 2 or not shape or shape[-1] != size[1]:
        raise ValueError(
            f"input has shape {input.shape}, expected (..., {weight.shape[-1]}) for a weight of shape {weight.shape}"
        )
    if input._array.dtype != weight._array.dtype and _mode.autocast is None:
        raise TypeError(
            f"input has dtype {input.dtype} and weight {weight.dtype}, expected one dtype (integers with float32 give "
            "float64, where PyTorch has float32: see API.md)"
        )
    flat = input if len(shape) == 2 else reshape(input, math.prod(shape[:-1]), shape[-1])
    y = Linear.apply(flat, weight, bias, activation, of_products(flat._array))
    return y if len(shape) == 2 else reshape(y, *shape[:-1], size[0])


def einsum(equation: str, *operands: Any) -> Tensor:
    """Einstein summation, such as "bij,bjk->bik": a product of two operands at a time, as batched matrix products."""
    given = list(operands[0]) if len(operands) == 1 and isinstance(operands[0], (list, tuple)) else list(operands)
    left, arrow, result = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(given):
        raise ValueError(f"equation {equation!r} names {len(terms)} operands, got {len(given)}")
    if "." in equation:
        terms, result = _name_ellipsis(terms, given, result, arrow)
    for term, tensor in zip(terms, given):
        if len(term) != tensor.ndim:
            raise ValueError(f"equation {equation!r}: term {term!r} does not fit shape {tensor.shape}")
    if not arrow:
        letters = "".join(terms)
        result += "".join(sorted(c for c in set(letters) if letters.count(c) == 1 and c not in result))
    if len(set(result)) < len(result) or not set(result) <= set("".join(terms)):
        raise ValueError(f"equation {equation!r}: the result must name indices of the operands, each at most once")
    pending = [_traces(term, tensor) for term, tensor in zip(terms, given)]
    while len(pending) > 1:
        (ta, a), (tb, b), *rest = pending
        needed = set(result).union(*(t for t, _ in rest))
        pending = [_contract(ta, a, tb, b, needed), *rest]
    term, y = pending[0]
    gone = [i for i, c in enumerate(term) if c not in result]
    y = sum(y, gone) if gone else y
    term = "".join(c for c in term if c in result)
    return permute(y, [term.index(c) for c in result]) if term != result else y


def _name_ellipsis(terms: list[str], given: list[Tensor], result: str, arrow: str) -> tuple[list[str], str]:
    letters = [chr(c) for c in range(ord("A"), ord("Z") + 1) if chr(c) not in "".join(terms) + result]
    width = max(t.ndim - len(term) + 3 for term, t in zip(terms, given) if "..." in term)
    names = "".join(letters[:width])
    named = [term.replace("...", names[width - (t.ndim - len(term) + 3) :]) for term, t in zip(terms, given)]
    return named, result.replace("...", names) if arrow else names


def _traces(term: str, tensor: Tensor) -> tuple[str, Tensor]:
    """A letter twice in one term stands for a diagonal."""
    for letter in term:
        while term.count(letter) > 1:
            first, second = term.index(letter), term.rindex(letter)
            tensor = tensor.diagonal(0, first, second)
            term = term[:first] + term[first + 1 : second] + term[second + 1 :] + letter
    return term, tensor


def _contract(ta: str, a: Tensor, tb: str, b: Tensor, needed: set[str]) -> tuple[str, Tensor]:
    """Two operands as one batched matrix product: letters in both and needed are the batch, in both only are summed."""
    for term, other, which in ((ta, tb, "a"), (tb, ta, "b")):
        lone = [i for i, c in enumerate(term) if c not in other and c not in needed]
        if lone:
            kept = "".join(c for c in term if c in other or c in needed)
            if which == "a":
                a, ta = sum(a, lone), kept
            else:
                b, tb = sum(b, lone), kept
    batch = [c for c in ta if c in tb and c in needed]
    inner = [c for c in ta if c in tb and c not in needed]
    rows, columns = [c for c in ta if c not in tb], [c for c in tb if c not in ta]
    size = {**dict(zip(tb, b.shape)), **dict(zip(ta, a.shape))}
    for c in ta:
        if c in tb and a.shape[ta.index(c)] != b.shape[tb.index(c)]:
            raise ValueError(f"index {c!r} has size {a.shape[ta.index(c)]} and {b.shape[tb.index(c)]}")

    def volume(letters: list[str]) -> int:
        return int(np.prod([size[c] for c in letters], dtype=np.int64))

    a = reshape(permute(a, [ta.index(c) for c in batch + rows + inner]), volume(batch), volume(rows), volume(inner))
    b = reshape(
        permute(b, [tb.index(c) for c in batch + inner + columns]), volume(batch), volume(inner), volume(columns)
    )
    letters = batch + rows + columns
    return "".join(letters), reshape(matmul(a, b), [size[c] for c in letters])
