"""Every operation: forward against NumPy in float64, first and second gradients against finite differences, and all of
it against PyTorch where that is installed. A case is one line; it calls tinynet and PyTorch with the same code."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinynet
from tests.cases import (
    Case,
    apart,
    check_forward,
    check_gradients,
    check_torch,
    index,
    mask,
    named,
    normal,
    positive,
    unit,
)


def softmax(x: Any, axis: int) -> Any:
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def scattered(x: Any, i: Any, s: Any, add: bool) -> Any:
    y = x.copy()
    for r, c in np.ndindex(i.shape):
        y[i[r, c], c] = s[r, c] + (y[i[r, c], c] if add else 0)
    return y


def put(x: Any, value: Any, *places: Any) -> Any:
    y = x.copy()
    y[places] = value
    return y


def erf(x: Any) -> Any:
    import math

    return np.vectorize(math.erf)(x)


N, P, U, A = normal(3, 4), positive(3, 4), unit(3, 4), apart(3, 4)
ROW = normal(4)

CASES = [
    # elementwise, one operand
    Case("neg", lambda t, x: -x, lambda x: -x, (N,)),
    Case("abs", lambda t, x: t.abs(x), np.abs, (A,)),
    Case("exp", lambda t, x: t.exp(x), np.exp, (N,)),
    Case("expm1", lambda t, x: t.expm1(x), np.expm1, (N,)),
    Case("log", lambda t, x: t.log(x), np.log, (P,)),
    Case("log1p", lambda t, x: t.log1p(x), np.log1p, (U,)),
    Case("log2", lambda t, x: t.log2(x), np.log2, (P,)),
    Case("log10", lambda t, x: t.log10(x), np.log10, (P,)),
    Case("sqrt", lambda t, x: t.sqrt(x), np.sqrt, (P,)),
    Case("rsqrt", lambda t, x: t.rsqrt(x), lambda x: x**-0.5, (P,)),
    Case("square", lambda t, x: t.square(x), np.square, (N,)),
    Case("reciprocal", lambda t, x: t.reciprocal(x), lambda x: 1 / x, (P,)),
    Case("sin", lambda t, x: t.sin(x), np.sin, (N,)),
    Case("cos", lambda t, x: t.cos(x), np.cos, (N,)),
    Case("tan", lambda t, x: t.tan(x), np.tan, (U,)),
    Case("asin", lambda t, x: t.asin(x), np.arcsin, (U,)),
    Case("acos", lambda t, x: t.acos(x), np.arccos, (U,)),
    Case("atan", lambda t, x: t.atan(x), np.arctan, (N,)),
    Case("sinh", lambda t, x: t.sinh(x), np.sinh, (N,)),
    Case("cosh", lambda t, x: t.cosh(x), np.cosh, (N,)),
    Case("tanh", lambda t, x: t.tanh(x), np.tanh, (N,)),
    Case("sigmoid", lambda t, x: t.sigmoid(x), lambda x: 1 / (1 + np.exp(-x)), (N,)),
    Case("relu", lambda t, x: t.relu(x), lambda x: np.maximum(x, 0), (A,)),
    Case("erf", lambda t, x: t.erf(x), erf, (N,)),
    Case("sign", lambda t, x: t.sign(x), np.sign, (A,)),
    Case("floor", lambda t, x: t.floor(x), np.floor, (A,)),
    Case("ceil", lambda t, x: t.ceil(x), np.ceil, (A,)),
    Case("round", lambda t, x: t.round(x), np.round, (A,)),
    Case("trunc", lambda t, x: t.trunc(x), np.trunc, (A,)),
    Case("round_decimals", lambda t, x: t.round(x, decimals=1), lambda x: np.round(x, 1), (N,), False),
    Case("clamp", lambda t, x: t.clamp(x, -1.0, 1.5), lambda x: np.clip(x, -1.0, 1.5), (A,)),
    Case("clamp_min", lambda t, x: x.clamp(min=0.1), lambda x: np.maximum(x, 0.1), (A,)),
    Case("clamp_max", lambda t, x: x.clamp(max=0.1), lambda x: np.minimum(x, 0.1), (A,)),
    Case("clone", lambda t, x: x.clone(), lambda x: x, (N,)),
    Case("to_float64", lambda t, x: x.to(t.float64) * 2, lambda x: x * 2, (N,)),
    Case("nan_to_num", lambda t, x: t.nan_to_num(x), np.nan_to_num, (N,)),
    # elementwise, two operands
    Case("add", lambda t, x, y: x + y, lambda x, y: x + y, (N, ROW)),
    Case("add_alpha", lambda t, x, y: t.add(x, y, alpha=3), lambda x, y: x + 3 * y, (N, N)),
    Case("add_number", lambda t, x: 2 + x + 1.5, lambda x: x + 3.5, (N,)),
    Case("sub", lambda t, x, y: x - y, lambda x, y: x - y, (N, normal(3, 1))),
    Case("sub_number", lambda t, x: 2 - x, lambda x: 2 - x, (N,)),
    Case("mul", lambda t, x, y: x * y, lambda x, y: x * y, (normal(2, 1, 4), normal(3, 1))),
    Case("mul_number", lambda t, x: 3 * x * 0.5, lambda x: 1.5 * x, (N,)),
    Case("mul_self", lambda t, x: x * x, lambda x: x * x, (N,)),
    Case("div", lambda t, x, y: x / y, lambda x, y: x / y, (N, positive(4))),
    Case("div_number", lambda t, x: (x / 4) + 1 / x, lambda x: x / 4 + 1 / x, (P,)),
    Case("div_floor", lambda t, x: t.div(x, 0.7, rounding_mode="floor"), lambda x: np.floor(x / 0.7), (N,), False),
    Case("div_trunc", lambda t, x: t.div(x, 0.7, rounding_mode="trunc"), lambda x: np.trunc(x / 0.7), (N,), False),
    Case("pow_number", lambda t, x: x**3, lambda x: x**3, (N,)),
    Case("pow_2", lambda t, x: x**2, lambda x: x**2, (N,)),
    Case("pow_0", lambda t, x: x**0, lambda x: x**0, (N,)),
    Case("pow_fraction", lambda t, x: x**-1.5, lambda x: x**-1.5, (P,)),
    Case("pow_tensor", lambda t, x, y: x**y, lambda x, y: x**y, (P, ROW)),
    Case("pow_base", lambda t, x: 2.5**x, lambda x: 2.5**x, (N,)),
    Case("maximum", lambda t, x, y: t.maximum(x, y), np.maximum, (A, normal(4))),
    Case("minimum", lambda t, x, y: t.minimum(x, y), np.minimum, (A, normal(4))),
    Case("where", lambda t, c, x, y: t.where(c, x, y), np.where, (mask(3, 4), N, ROW)),
    Case("where_number", lambda t, c, x: t.where(c, x, 0.5), lambda c, x: np.where(c, x, 0.5), (mask(3, 4), N)),
    Case("masked_fill", lambda t, c, x: x.masked_fill(c, 2.0), lambda c, x: np.where(c, 2.0, x), (mask(4), N)),
    Case("remainder", lambda t, x, y: x % y, np.remainder, (A, positive(4))),
    Case("remainder_number", lambda t, x: 2.2 % x, lambda x: 2.2 % x, (P,), torch=False),
    Case("fmod", lambda t, x, y: t.fmod(x, y), np.fmod, (A, positive(4))),
    Case("floor_divide", lambda t, x, y: x // y, np.floor_divide, (A, positive(4)), False),
    Case("atan2", lambda t, x, y: t.atan2(x, y), np.arctan2, (A, N)),
    Case("logaddexp", lambda t, x, y: t.logaddexp(x, y), np.logaddexp, (N, ROW)),
    Case("lerp", lambda t, x, y: t.lerp(x, y, 0.3), lambda x, y: x + 0.3 * (y - x), (N, N)),
    Case("addcmul", lambda t, x, y, z: t.addcmul(x, y, z, value=2), lambda x, y, z: x + 2 * y * z, (N, N, N)),
    Case("addcdiv", lambda t, x, y, z: t.addcdiv(x, y, z, value=2), lambda x, y, z: x + 2 * y / z, (N, N, P)),
    # reductions
    Case("sum", lambda t, x: x.sum(), np.sum, (N,)),
    Case("sum_dim", lambda t, x: x.sum(1), lambda x: x.sum(1), (N,)),
    Case(
        "sum_dims",
        lambda t, x: x.sum((0, -1), keepdim=True),
        lambda x: x.sum((0, 2), keepdims=True),
        (normal(2, 3, 4),),
    ),
    Case("mean", lambda t, x: x.mean(), np.mean, (N,)),
    Case("mean_dim", lambda t, x: x.mean(0, True), lambda x: x.mean(0, keepdims=True), (N,)),
    Case("var", lambda t, x: x.var(1), lambda x: x.var(1, ddof=1), (N,)),
    Case("var_biased", lambda t, x: x.var(0, unbiased=False), lambda x: x.var(0), (N,)),
    Case("std", lambda t, x: x.std(), lambda x: x.std(ddof=1), (N,)),
    Case(
        "std_correction",
        lambda t, x: t.std(x, dim=1, correction=0, keepdim=True),
        lambda x: x.std(1, keepdims=True),
        (N,),
    ),
    Case("var_mean", lambda t, x: t.var_mean(x, 1), lambda x: (x.var(1, ddof=1), x.mean(1)), (N,)),
    Case("std_mean", lambda t, x: t.std_mean(x, 1), lambda x: (x.std(1, ddof=1), x.mean(1)), (N,)),
    Case("prod", lambda t, x: x.prod(1), lambda x: x.prod(1), (N,)),
    Case("prod_all", lambda t, x: x.prod(), np.prod, (normal(2, 3),)),
    Case("prod_zeros", lambda t, x: (x * t.tensor([0.0, 1.0, 0.0, 2.0])).prod(1), lambda x: 0 * x.sum(1), (N,), False),
    Case("cumsum", lambda t, x: x.cumsum(1), lambda x: x.cumsum(1), (N,)),
    Case("cumprod", lambda t, x: x.cumprod(1), lambda x: x.cumprod(1), (N,)),
    Case("norm", lambda t, x: x.norm(), np.linalg.norm, (N,)),
    Case("norm_1", lambda t, x: x.norm(1, 1), lambda x: np.abs(x).sum(1), (A,)),
    Case("norm_3", lambda t, x: x.norm(3, 1), lambda x: (np.abs(x) ** 3).sum(1) ** (1 / 3), (A,)),
    Case("norm_inf", lambda t, x: x.norm(float("inf"), 0, True), lambda x: np.abs(x).max(0, keepdims=True), (A,)),
    Case("amax", lambda t, x: x.amax(1), lambda x: x.max(1), (A,)),
    Case("amin", lambda t, x: x.amin((0, 1)), np.min, (A,)),
    Case("max", lambda t, x: x.max(), np.max, (A,)),
    Case("max_dim", lambda t, x: x.max(1), lambda x: (x.max(1), x.argmax(1)), (A,)),
    Case(
        "min_dim", lambda t, x: t.min(x, 0, keepdim=True), lambda x: (x.min(0, keepdims=True), x.argmin(0)[None]), (A,)
    ),
    Case("max_other", lambda t, x, y: t.max(x, y), np.maximum, (A, N)),
    Case(
        "argmax",
        lambda t, x: (x.argmax(), x.argmax(1), x.argmin(0, True)),
        lambda x: (x.argmax(), x.argmax(1), x.argmin(0)[None]),
        (A,),
        False,
    ),
    Case("logsumexp", lambda t, x: x.logsumexp(1), lambda x: np.log(np.exp(x).sum(1)), (N,)),
    Case(
        "logsumexp_dims",
        lambda t, x: t.logsumexp(x, (0, 1), True),
        lambda x: np.log(np.exp(x).sum(keepdims=True)),
        (N,),
    ),
    Case("softmax", lambda t, x: t.softmax(x, 1), lambda x: softmax(x, 1), (N,)),
    Case("log_softmax", lambda t, x: t.log_softmax(x, 0), lambda x: np.log(softmax(x, 0)), (N,)),
    Case("sort", lambda t, x: t.sort(x, 1), lambda x: (np.sort(x, 1), np.argsort(x, 1)), (A,)),
    Case("sort_down", lambda t, x: x.sort(0, descending=True), lambda x: (-np.sort(-x, 0), np.argsort(-x, 0)), (A,)),
    Case("argsort", lambda t, x: x.argsort(), np.argsort, (A,), False),
    Case("topk", lambda t, x: x.topk(2, 1), lambda x: (-np.sort(-x, 1)[:, :2], np.argsort(-x, 1)[:, :2]), (A,)),
    Case("topk_small", lambda t, x: t.topk(x, 2, 0, False), lambda x: (np.sort(x, 0)[:2], np.argsort(x, 0)[:2]), (A,)),
    Case(
        "all_any",
        lambda t, c: (c.all(), c.any(), c.all(1), c.any(0, True)),
        lambda c: (c.all(), c.any(), c.all(1), c.any(0, keepdims=True)),
        (mask(3, 4),),
        False,
    ),
    Case(
        "count_nonzero",
        lambda t, c: (t.count_nonzero(c), t.count_nonzero(c, 1)),
        lambda c: (c.sum(), c.sum(1)),
        (mask(3, 4),),
        False,
    ),
    # shape
    Case("reshape", lambda t, x: x.reshape(2, -1), lambda x: x.reshape(2, -1), (N,)),
    Case("view_flat", lambda t, x: x.view(-1), lambda x: x.reshape(-1), (N,)),
    Case("flatten", lambda t, x: t.flatten(x, 1), lambda x: x.reshape(2, 12), (normal(2, 3, 4),)),
    Case("unflatten", lambda t, x: x.unflatten(1, (2, -1)), lambda x: x.reshape(3, 2, 2), (N,)),
    Case(
        "squeeze",
        lambda t, x: (x.squeeze(), x.squeeze(1)),
        lambda x: (x.reshape(3, 4), x.reshape(3, 4, 1)),
        (normal(3, 1, 4, 1),),
    ),
    Case("unsqueeze", lambda t, x: (x.unsqueeze(0), x.unsqueeze(-1)), lambda x: (x[None], x[..., None]), (N,)),
    Case("transpose", lambda t, x: x.transpose(0, -1), lambda x: x.transpose(2, 1, 0), (normal(2, 3, 4),)),
    Case("t", lambda t, x: x.t() @ x, lambda x: x.T @ x, (N,)),
    Case("T_mT", lambda t, x: (x[0].T, x.mT), lambda x: (x[0].T, x.transpose(0, 2, 1)), (normal(2, 3, 4),)),
    Case("permute", lambda t, x: x.permute(2, 0, 1), lambda x: x.transpose(2, 0, 1), (normal(2, 3, 4),)),
    Case(
        "movedim",
        lambda t, x: x.movedim((0, 1), (-1, 0)),
        lambda x: np.moveaxis(x, (0, 1), (-1, 0)),
        (normal(2, 3, 4),),
    ),
    Case("swapaxes", lambda t, x: x.swapaxes(0, 1), lambda x: x.T, (N,)),
    Case("expand", lambda t, x: x.expand(2, -1, 4), lambda x: np.broadcast_to(x, (2, 3, 4)), (normal(3, 1),)),
    Case("repeat", lambda t, x: x.repeat(2, 1, 3), lambda x: np.tile(x, (2, 1, 3)), (N,)),
    Case("tile", lambda t, x: x.tile(2), lambda x: np.tile(x, 2), (N,)),
    Case("repeat_interleave", lambda t, x: t.repeat_interleave(x, 2, 1), lambda x: np.repeat(x, 2, 1), (N,)),
    Case("flip", lambda t, x: t.flip(x, (0, 1)), lambda x: np.flip(x, (0, 1)), (N,)),
    Case("roll", lambda t, x: t.roll(x, (1, -1), (0, 1)), lambda x: np.roll(x, (1, -1), (0, 1)), (N,)),
    Case("roll_flat", lambda t, x: t.roll(x, 2), lambda x: np.roll(x, 2), (N,)),
    Case("cat", lambda t, x, y: t.cat([x, y], 1), lambda x, y: np.concatenate([x, y], 1), (N, normal(3, 2))),
    Case("stack", lambda t, x, y: t.stack([x, y], -1), lambda x, y: np.stack([x, y], -1), (N, N)),
    Case(
        "hstack_vstack",
        lambda t, x, y: (t.hstack((x, y)), t.vstack((x, y))),
        lambda x, y: (np.hstack((x, y)), np.vstack((x, y))),
        (N, N),
    ),
    Case("split", lambda t, x: t.split(x, 3, 1), lambda x: (x[:, :3], x[:, 3:]), (N,)),
    Case("split_sizes", lambda t, x: x.split([1, 0, 3], 1), lambda x: (x[:, :1], x[:, 1:1], x[:, 1:]), (N,)),
    Case("chunk", lambda t, x: x.chunk(2), lambda x: (x[:2], x[2:]), (N,)),
    Case("unbind", lambda t, x: x.unbind(1), lambda x: tuple(x.T), (N,)),
    Case("narrow_select", lambda t, x: (x.narrow(1, 1, 2), x.select(0, -1)), lambda x: (x[:, 1:3], x[-1]), (N,)),
    Case(
        "tril_triu", lambda t, x: (x.tril(1), x.triu(-1)), lambda x: (np.tril(x, 1), np.triu(x, -1)), (normal(2, 3, 4),)
    ),
    Case("diagonal", lambda t, x: (x.diagonal(), x.diagonal(-1)), lambda x: (x.diagonal(), x.diagonal(-1)), (N,)),
    Case("diagonal_dims", lambda t, x: x.diagonal(1, 2, 0), lambda x: x.diagonal(1, 2, 0), (normal(2, 3, 4),)),
    Case("diag", lambda t, x, v: (t.diag(x), t.diag(v, -1)), lambda x, v: (np.diag(x), np.diag(v, -1)), (N, ROW)),
    Case("trace", lambda t, x: t.trace(x), np.trace, (N,)),
    Case("unfold", lambda t, x: x.unfold(1, 3, 2), lambda x: np.stack([x[:, 0:3], x[:, 2:5]], 1), (normal(2, 6),)),
    Case("diff", lambda t, x: (t.diff(x), x.diff(2, 0)), lambda x: (np.diff(x), np.diff(x, 2, 0)), (N,)),
    Case(
        "pad",
        lambda t, x: t.nn.functional.pad(x, (1, 2, 0, 1), value=0.5),
        lambda x: np.pad(x, ((0, 1), (1, 2)), constant_values=0.5),
        (N,),
    ),
    Case("pad_cut", lambda t, x: t.nn.functional.pad(x, (-1, 2)), lambda x: np.pad(x[:, 1:], ((0, 0), (0, 2))), (N,)),
    Case(
        "pad_reflect",
        lambda t, x: t.nn.functional.pad(x, (1, 2), mode="reflect"),
        lambda x: np.pad(x, ((0, 0), (1, 2)), mode="reflect"),
        (N,),
    ),
    Case(
        "pad_replicate",
        lambda t, x: t.nn.functional.pad(x, (1, 2), mode="replicate"),
        lambda x: np.pad(x, ((0, 0), (1, 2)), mode="edge"),
        (N,),
    ),
    Case(
        "pad_circular",
        lambda t, x: t.nn.functional.pad(x, (1, 2), mode="circular"),
        lambda x: np.pad(x, ((0, 0), (1, 2)), mode="wrap"),
        (N,),
    ),
    Case(
        "meshgrid",
        lambda t, x, y: t.meshgrid(x, y, indexing="ij"),
        lambda x, y: tuple(np.meshgrid(x, y, indexing="ij")),
        (ROW, normal(3)),
    ),
    Case(
        "meshgrid_xy",
        lambda t, x, y: t.meshgrid(x, y, indexing="xy"),
        lambda x, y: tuple(np.meshgrid(x, y)),
        (ROW, normal(3)),
    ),
    # indexing
    Case(
        "getitem",
        lambda t, x: (x[1], x[:, 1:3], x[..., None, 0], x[-1, ::2]),
        lambda x: (x[1], x[:, 1:3], x[..., None, 0], x[-1, ::2]),
        (N,),
    ),
    Case("getitem_list", lambda t, x: x[[2, 0, 2]], lambda x: x[[2, 0, 2]], (N,)),
    Case("getitem_tensor", lambda t, x, i: x[i], lambda x, i: x[i], (N, index(3, 2, 5))),
    Case("getitem_pairs", lambda t, x, i, j: x[i, j], lambda x, i, j: x[i, j], (N, index(3, 5), index(4, 5))),
    Case("getitem_mixed", lambda t, x, i: x[:, i, 1:], lambda x, i: x[:, i, 1:], (normal(2, 3, 4), index(3, 5))),
    Case("getitem_mask", lambda t, x, c: x[c], lambda x, c: x[c], (N, mask(3, 4))),
    Case(
        "masked_select", lambda t, x, c: x.masked_select(c), lambda x, c: x[np.broadcast_to(c, x.shape)], (N, mask(4))
    ),
    Case(
        "gather",
        lambda t, x, i: t.gather(x, 0, i),
        lambda x, i: np.take_along_axis(x[:, :3], i, 0),
        (N, index(3, 5, 3)),
    ),
    Case(
        "scatter",
        lambda t, x, s: x.scatter(0, t.tensor([[2, 0, 1]]), s),
        lambda x, s: scattered(x, np.array([[2, 0, 1]]), s, False),
        (N, normal(1, 3)),
    ),
    Case(
        "scatter_part",
        lambda t, x, s: x.scatter(0, t.tensor([[2, 0, 1]]), s),
        lambda x, s: scattered(x, np.array([[2, 0, 1]]), s, False),
        (N, normal(2, 4)),
        torch=False,
    ),
    Case(
        "scatter_number",
        lambda t, x, i: x.scatter(0, i, 2.5),
        lambda x, i: scattered(x, i, np.full(i.shape, 2.5), False),
        (N, index(3, 1, 4)),
    ),
    Case(
        "scatter_add",
        lambda t, x, i, s: x.scatter_add(0, i, s),
        lambda x, i, s: scattered(x, i, s, True),
        (N, index(3, 5, 4), normal(5, 4)),
    ),
    Case("index_select", lambda t, x, i: x.index_select(1, i), lambda x, i: x[:, i], (N, index(4, 6))),
    Case(
        "index_add",
        lambda t, x, i, s: x.index_add(0, i, s),
        lambda x, i, s: scattered(x, np.repeat(i[:, None], 4, 1), s, True),
        (N, index(3, 5), normal(5, 4)),
    ),
    Case(
        "index_copy",
        lambda t, x, s: x.index_copy(0, t.tensor([2, 0]), s),
        lambda x, s: put(x, s, [2, 0]),
        (N, normal(2, 4)),
    ),
    Case(
        "index_fill", lambda t, x: x.index_fill(1, t.tensor([2, 0]), 7), lambda x: put(x, 7, slice(None), [2, 0]), (N,)
    ),
    Case(
        "take_along_dim",
        lambda t, x, i: t.take_along_dim(x, i, 1),
        lambda x, i: np.take_along_axis(x, i, 1),
        (N, index(4, 3, 2)),
    ),
    Case(
        "nonzero",
        lambda t, c: (c.nonzero(), t.where(c)),
        lambda c: (np.stack(c.nonzero(), 1), c.nonzero()),
        (mask(3, 4),),
        False,
    ),
    Case(
        "one_hot",
        lambda t, i: t.nn.functional.one_hot(i, 5),
        lambda i: np.eye(5, dtype=int)[i],
        (index(5, 2, 3),),
        False,
    ),
    Case("unique", lambda t, i: t.unique(i, return_inverse=True, return_counts=True), None, (index(3, 8),), False),
    Case(
        "bincount",
        lambda t, i: t.bincount(i, minlength=6),
        lambda i: np.bincount(i, minlength=6),
        (index(5, 9),),
        False,
    ),
    Case("isin", lambda t, i, j: t.isin(i, j), np.isin, (index(9, 3, 4), index(9, 4)), False),
    Case(
        "triangle_indices",
        lambda t, x: (t.tril_indices(3, 4, -1), t.triu_indices(3, 4)),
        lambda x: (np.stack(np.tril_indices(3, -1, 4)), np.stack(np.triu_indices(3, 0, 4))),
        (ROW,),
        False,
    ),
    # matrices
    Case("matmul", lambda t, x, y: x @ y, np.matmul, (N, normal(4, 2))),
    Case(
        "matmul_vectors",
        lambda t, x, y, a: (a @ x, x @ y, y @ y),
        lambda x, y, a: (a @ x, x @ y, y @ y),
        (N, ROW, normal(3)),
    ),
    Case("matmul_batched", lambda t, x, y: t.matmul(x, y), np.matmul, (normal(2, 1, 3, 4), normal(3, 4, 2))),
    Case("matmul_rows", lambda t, x, y: x @ y, np.matmul, (normal(2, 3, 4), normal(4, 2))),
    Case("matmul_left", lambda t, x, y: x @ y, np.matmul, (normal(3, 4), normal(2, 4, 2))),
    Case("matmul_transposed", lambda t, x, y: x.t() @ y.t(), lambda x, y: x.T @ y.T, (N, normal(2, 3))),
    Case("matmul_vector_batch", lambda t, x, y: x @ y, np.matmul, (ROW, normal(2, 4, 3))),
    Case(
        "mm_bmm",
        lambda t, x, y: (t.mm(x, y[0]), t.bmm(y, y.transpose(1, 2))),
        lambda x, y: (x @ y[0], y @ y.transpose(0, 2, 1)),
        (N, normal(2, 4, 3)),
    ),
    Case("mv_dot", lambda t, x, y: (t.mv(x, y), t.dot(y, y)), lambda x, y: (x @ y, y @ y), (N, ROW)),
    Case("outer", lambda t, x, y: t.outer(x, y), np.outer, (ROW, normal(3))),
    Case(
        "addmm",
        lambda t, x, y, z: t.addmm(x, y, z, beta=2, alpha=0.5),
        lambda x, y, z: 2 * x + y @ z / 2,
        (ROW, normal(3, 2), normal(2, 4)),
    ),
    Case(
        "baddbmm",
        lambda t, x, y, z: t.baddbmm(x, y, z),
        lambda x, y, z: x + y @ z,
        (normal(2, 3, 4), normal(2, 3, 2), normal(2, 2, 4)),
    ),
    Case(
        "tensordot",
        lambda t, x, y: t.tensordot(x, y, ([1, 0], [0, 2])),
        lambda x, y: np.tensordot(x, y, ([1, 0], [0, 2])),
        (normal(2, 3, 4), normal(3, 2, 2)),
    ),
    Case("einsum_matrix", lambda t, x, y: t.einsum("ij,jk->ik", x, y), np.matmul, (N, normal(4, 2))),
    Case(
        "einsum_batch",
        lambda t, x, y: t.einsum("bhqd,bhkd->bhqk", x, y),
        lambda x, y: np.einsum("bhqd,bhkd->bhqk", x, y),
        (normal(2, 2, 3, 4), normal(2, 2, 5, 4)),
    ),
    Case(
        "einsum_three",
        lambda t, x, y, z: t.einsum("bn,anm,bm->ba", x, y, z),
        lambda x, y, z: np.einsum("bn,anm,bm->ba", x, y, z),
        (normal(2, 3), normal(4, 3, 2), normal(2, 2)),
    ),
    Case(
        "einsum_trace",
        lambda t, x: (t.einsum("ii->", x), t.einsum("ii->i", x), t.einsum("ij->j", x)),
        lambda x: (np.trace(x), np.diag(x), x.sum(0)),
        (normal(3, 3),),
    ),
    Case("einsum_dots", lambda t, x, y: t.einsum("...ij,jk->...ik", x, y), np.matmul, (normal(2, 3, 4), normal(4, 2))),
    Case(
        "einsum_implicit",
        lambda t, x, y: t.einsum("ba,cb", x, y),
        lambda x, y: np.einsum("ba,cb", x, y),
        (normal(2, 3), normal(4, 2)),
    ),
    Case(
        "linear",
        lambda t, x, w, b: t.nn.functional.linear(x, w, b),
        lambda x, w, b: x @ w.T + b,
        (N, normal(2, 4), normal(2)),
    ),
    Case(
        "linear_wide",
        lambda t, x, w: t.nn.functional.linear(x, w),
        lambda x, w: x @ w.T,
        (normal(2, 3, 4), normal(2, 4)),
    ),
    # networks
    Case(
        "conv2d",
        lambda t, x, w, b: t.nn.functional.conv2d(x, w, b),
        None,
        (normal(2, 2, 4, 5), normal(3, 2, 3, 2), normal(3)),
    ),
    Case(
        "conv2d_all",
        lambda t, x, w: t.nn.functional.conv2d(x, w, None, (2, 1), (1, 2), (1, 2), 2),
        None,
        (normal(1, 4, 5, 5), normal(2, 2, 3, 3)),
    ),
    Case(
        "conv2d_same",
        lambda t, x, w: t.nn.functional.conv2d(x, w, padding="same"),
        None,
        (normal(1, 1, 4, 4), normal(1, 1, 2, 3)),
    ),
    Case("conv2d_unbatched", lambda t, x, w: t.nn.functional.conv2d(x, w), None, (normal(2, 4, 4), normal(1, 2, 3, 3))),
    Case(
        "conv_transpose2d",
        lambda t, x, w, b: t.nn.functional.conv_transpose2d(x, w, b, 2, 1, 1),
        None,
        (normal(1, 2, 3, 3), normal(2, 1, 3, 3), normal(1)),
    ),
    Case(
        "max_pool2d",
        lambda t, x: t.nn.functional.max_pool2d(x, 2),
        lambda x: x.reshape(1, 2, 2, 2, 2, 2).max((3, 5)),
        (apart(1, 2, 4, 4),),
    ),
    Case(
        "max_pool2d_overlap",
        lambda t, x: t.nn.functional.max_pool2d(x, 3, 2, 1, ceil_mode=True),
        None,
        (apart(1, 1, 6, 5),),
    ),
    Case(
        "max_pool2d_indices",
        lambda t, x: t.nn.functional.max_pool2d(x, 2, 1, return_indices=True),
        None,
        (apart(2, 1, 3, 4),),
    ),
    Case(
        "cross_entropy",
        lambda t, x, y: t.nn.functional.cross_entropy(x, y),
        lambda x, y: -np.log(softmax(x, 1))[np.arange(5), y].mean(),
        (normal(5, 4), index(4, 5)),
    ),
    Case(
        "cross_entropy_smooth",
        lambda t, x, y: t.nn.functional.cross_entropy(x, y, ignore_index=1, label_smoothing=0.2, reduction="sum"),
        None,
        (normal(5, 4), index(4, 5)),
    ),
    Case(
        "batch_norm",
        lambda t, x: t.nn.functional.batch_norm(x, None, None, training=True),
        lambda x: (x - x.mean((0, 2, 3), keepdims=True)) / np.sqrt(x.var((0, 2, 3), keepdims=True) + 1e-5),
        (normal(3, 2, 2, 2),),
    ),
    Case(
        "batch_norm_affine",
        lambda t, x, w, b: t.nn.functional.batch_norm(x, None, None, w, b, training=True),
        lambda x, w, b: (
            (x - x.mean((0, 2), keepdims=True)) / np.sqrt(x.var((0, 2), keepdims=True) + 1e-5) * w[:, None] + b[:, None]
        ),
        (normal(3, 2, 4), normal(2), normal(2)),
    ),
    Case("embedding", lambda t, w, i: t.nn.functional.embedding(i, w), lambda w, i: w[i], (N, index(3, 2, 5))),
]


@named(CASES, lambda case: case.numpy)
def test_forward(case: Case, device: str) -> None:
    check_forward(case, device)


@named(CASES, lambda case: case.differentiable)
def test_gradients(case: Case, device: str) -> None:
    check_gradients(case, device)


@named(CASES, lambda case: case.torch)
@pytest.mark.parametrize("layout", ["contiguous", "strided"])
def test_torch(case: Case, layout: str) -> None:
    check_torch(case, layout)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int64"])
@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 3, 1, 2), (3, 2, 1, 0)])
def test_sum_of_large_arrays(order: tuple[int, ...], dtype: str) -> None:
    """To the bits of NumPy's, whichever way they lie, and laid out as they are."""
    rng = np.random.default_rng(0)
    a, b = ((100 * rng.standard_normal((9, 20, 21, 22))).astype(dtype).transpose(order) for _ in range(2))
    for left, right in ((a, b), (a, np.ascontiguousarray(b)), (a, b[:1])):
        y = (tinynet.from_numpy(left) + tinynet.from_numpy(right)).numpy()
        np.testing.assert_array_equal(y, left + right)
        assert y.dtype == dtype
        assert y.strides == (left + right).strides
