"""Random cross-checks against PyTorch: odd shapes, sizes 0 and 1, strided memory; values, dtypes, shapes, gradients, and
whether it is an error. A call is one for both; what only one of the two refuses is a difference."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinynet

torch = pytest.importorskip("torch")

SHAPES = [
    (),
    (1,),
    (5,),
    (0,),
    (3, 4),
    (1, 4),
    (3, 1),
    (0, 3),
    (3, 0),
    (2, 3, 4),
    (2, 1, 5),
    (1, 1, 1),
    (2, 0, 3),
    (2, 3, 1, 2),
]

UNARY = [
    "abs",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "ceil",
    "cos",
    "cosh",
    "deg2rad",
    "erf",
    "erfc",
    "exp",
    "exp2",
    "expm1",
    "floor",
    "frac",
    "isfinite",
    "isinf",
    "isnan",
    "lgamma",
    "log",
    "log10",
    "log1p",
    "log2",
    "logit",
    "neg",
    "positive",
    "rad2deg",
    "reciprocal",
    "relu",
    "round",
    "rsqrt",
    "sigmoid",
    "sign",
    "signbit",
    "sin",
    "sinc",
    "sinh",
    "sqrt",
    "square",
    "tan",
    "tanh",
    "trunc",
    "nan_to_num",
    "ravel",
    "flipud",
    "fliplr",
    "t",
    "adjoint",
    "clone",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "diagflat",
    "logical_not",
    "argwhere",
    "nonzero",
]
FUNCTIONAL = [
    "relu",
    "relu6",
    "elu",
    "selu",
    "celu",
    "gelu",
    "silu",
    "mish",
    "softplus",
    "hardtanh",
    "hardsigmoid",
    "hardswish",
    "hardshrink",
    "softshrink",
    "tanhshrink",
    "softsign",
    "logsigmoid",
    "leaky_relu",
]
BINARY = [
    "add",
    "sub",
    "mul",
    "div",
    "pow",
    "maximum",
    "minimum",
    "atan2",
    "remainder",
    "fmod",
    "floor_divide",
    "hypot",
    "logaddexp",
    "logaddexp2",
    "copysign",
    "fmax",
    "fmin",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "xlogy",
    "heaviside",
    "true_divide",
    "logical_and",
    "logical_or",
    "logical_xor",
    "kron",
]
REDUCTIONS = [
    "sum",
    "mean",
    "prod",
    "amax",
    "amin",
    "var",
    "std",
    "logsumexp",
    "all",
    "any",
    "count_nonzero",
    "nansum",
    "nanmean",
    "norm",
]
WHOLE = [
    "sum",
    "mean",
    "prod",
    "amax",
    "amin",
    "max",
    "min",
    "argmax",
    "argmin",
    "var",
    "std",
    "median",
    "nanmedian",
    "all",
    "any",
    "norm",
    "cov",
    "unique",
]
ALONG = [
    "max",
    "min",
    "argmax",
    "argmin",
    "sort",
    "argsort",
    "cumsum",
    "cumprod",
    "cummax",
    "cummin",
    "logcumsumexp",
    "median",
    "softmax",
    "log_softmax",
    "flip",
    "unbind",
    "squeeze",
    "unsqueeze",
    "aminmax",
]

CALLS: list[tuple[str, Callable[..., Any], int]] = [
    *((n, lambda t, x, n=n: getattr(t, n)(x), 1) for n in UNARY),
    *((f"F.{n}", lambda t, x, n=n: getattr(t.nn.functional, n)(x), 1) for n in FUNCTIONAL),
    *((n, lambda t, x, y, n=n: getattr(t, n)(x, y), 2) for n in BINARY),
    *((f"{n}()", lambda t, x, n=n: getattr(t, n)(x), 1) for n in WHOLE),
    *((f"{n}(0)", lambda t, x, n=n: getattr(t, n)(x, dim=0), 1) for n in REDUCTIONS),
    *(
        (f"{n}(-1)", lambda t, x, n=n: getattr(x, n)(dim=-1, keepdim=True), 1)
        for n in REDUCTIONS
        if n != "count_nonzero"
    ),
    *(
        (f"{n}(all)", lambda t, x, n=n: getattr(t, n)(x, dim=(0, -1)), 1)
        for n in ("sum", "mean", "amax", "var", "logsumexp")
    ),
    *(
        (f"{n}(1)", lambda t, x, n=n: getattr(t, n)(x, **({"dims": (1,)} if n == "flip" else {"dim": 1})), 1)
        for n in ALONG
    ),
    *(
        (f"{n}(-1)", lambda t, x, n=n: getattr(t, n)(x, **({"dims": (-1,)} if n == "flip" else {"dim": -1})), 1)
        for n in ALONG
    ),
    ("where", lambda t, x, y: t.where(x > y, x, y), 2),
    ("lerp", lambda t, x, y: t.lerp(x, y, 0.3), 2),
    ("addcmul", lambda t, x, y: t.addcmul(x, x, y, value=2), 2),
    ("clamp", lambda t, x: t.clamp(x, -0.5, 0.5), 1),
    ("clamp_tensors", lambda t, x, y: t.clamp(x, y, y + 1), 2),
    ("masked_fill", lambda t, x: x.masked_fill(x > 0, -1.5), 1),
    ("masked_select", lambda t, x: x.masked_select(x > 0), 1),
    ("topk", lambda t, x: t.topk(x, 1, 0), 1),
    ("kthvalue", lambda t, x: t.kthvalue(x, 1), 1),
    ("tril", lambda t, x: (t.tril(x), t.triu(x, 1)), 1),
    ("roll", lambda t, x: (t.roll(x, 1), t.roll(x, -2, 0)), 1),
    ("reshape", lambda t, x: (x.reshape(-1), x.flatten(), x.reshape(x.shape)), 1),
    ("reshape_wrong", lambda t, x: x.reshape(7, -1), 1),
    ("transpose", lambda t, x: (x.transpose(0, -1), x.movedim(0, -1)), 1),
    ("expand", lambda t, x: x.expand(2, *x.shape), 1),
    ("repeat", lambda t, x: (x.repeat(2, *(1 for _ in x.shape)), t.tile(x, (2,))), 1),
    ("repeat_interleave", lambda t, x: (t.repeat_interleave(x, 2), t.repeat_interleave(x, 3, -1)), 1),
    ("split", lambda t, x: (x.split(2, -1), x.chunk(2), t.tensor_split(x, 3)), 1),
    ("cat", lambda t, x, y: t.cat([x, y], -1), 2),
    ("stack", lambda t, x: t.stack([x, x * 2], -1), 1),
    ("hstack", lambda t, x: (t.hstack([x, x]), t.vstack([x, x]), t.dstack([x, x]), t.column_stack([x, x])), 1),
    ("pad", lambda t, x: t.nn.functional.pad(x, (1, 2), value=3.0), 1),
    ("diff", lambda t, x: t.diff(x), 1),
    ("diagonal", lambda t, x: t.diagonal(x, 0, 0, -1), 1),
    ("diag_embed", lambda t, x: t.diag_embed(x), 1),
    ("unfold", lambda t, x: x.unfold(-1, 1, 1), 1),
    ("narrow", lambda t, x: (x.narrow(0, 0, 1), x.select(-1, 0)), 1),
    ("getitem", lambda t, x: (x[..., None], x[None], x[...]), 1),
    ("slices", lambda t, x: (x[1:], x[::2], x[:, -1:]), 1),
    ("matmul", lambda t, x, y: t.matmul(x, y), 2),
    ("matmul_t", lambda t, x: x @ x.transpose(-1, -2), 1),
    ("outer", lambda t, x, y: t.outer(x, y), 2),
    ("dot", lambda t, x: (t.dot(x, x), t.inner(x, x)), 1),
    ("einsum", lambda t, x: t.einsum("...i,...i->...", x, x), 1),
    ("cdist", lambda t, x: t.cdist(x, x * 0.5 + 1), 1),
    ("trapezoid", lambda t, x: t.trapezoid(x), 1),
    ("index_select", lambda t, x: x.index_select(0, t.tensor([0, 0])), 1),
    ("gather", lambda t, x: x.gather(-1, t.zeros(x.shape).long()), 1),
    ("layer_norm", lambda t, x: t.nn.functional.layer_norm(x, x.shape[-1:]), 1),
    ("rms_norm", lambda t, x: t.nn.functional.rms_norm(x, x.shape[-1:]), 1),
    ("group_norm", lambda t, x: t.nn.functional.group_norm(x, 1), 1),
    ("normalize", lambda t, x: t.nn.functional.normalize(x, dim=-1), 1),
    ("glu", lambda t, x: t.nn.functional.glu(x), 1),
    ("linear", lambda t, x: t.nn.functional.linear(x, t.ones(2, x.shape[-1], dtype=x.dtype)), 1),
    ("mse_loss", lambda t, x, y: t.nn.functional.mse_loss(x, x * 2 + 1), 2),
    (
        "losses",
        lambda t, x: [getattr(t.nn.functional, n)(x, x * 2 + 1) for n in ("l1_loss", "smooth_l1_loss", "huber_loss")],
        1,
    ),
    ("bce_logits", lambda t, x: t.nn.functional.binary_cross_entropy_with_logits(x, (x > 0).to(x.dtype)), 1),
    ("kl_div", lambda t, x: t.nn.functional.kl_div(x, x.abs() + 0.1), 1),
    ("cosine", lambda t, x: t.nn.functional.cosine_similarity(x, x + 1, -1), 1),
    ("max_pool1d", lambda t, x: t.nn.functional.max_pool1d(x, 2, 1), 1),
    ("avg_pool1d", lambda t, x: t.nn.functional.avg_pool1d(x, 2, 1), 1),
    ("adaptive_avg_pool1d", lambda t, x: t.nn.functional.adaptive_avg_pool1d(x, 2), 1),
    ("interpolate", lambda t, x: t.nn.functional.interpolate(x, scale_factor=2), 1),
    ("attention", lambda t, x: t.nn.functional.scaled_dot_product_attention(x, x, x), 1),
    ("cross_entropy", lambda t, x: t.nn.functional.cross_entropy(x, t.zeros(x.shape[:1]).long()), 1),
]

# What differs on purpose, or where PyTorch's own behaviour is an accident: the call, and the shapes (None: all).
EXCEPT: dict[str, set[tuple[int, ...]] | None] = {
    "floor_divide": None,  # without a gradient, where PyTorch refuses inputs that require one
    "heaviside": None,
    "unique()": None,
    "lgamma": None,  # the gradient at the poles
    "logit": None,  # the gradient outside (0, 1)
    "kron": {(2, 3, 4)},  # strided memory, which PyTorch refuses
    "trapezoid": {(0,), (3, 0)},  # PyTorch forgets the history
    "adaptive_avg_pool1d": {(0, 3)},  # no channels
    "kthvalue": None,  # which of equal elements
    "cummax(1)": {(0,)},  # any dimension will do there for empty vectors
    "cummin(1)": {(0,)},
    "unfold": {()},  # a scalar has no dimension here
    "group_norm": {(3, 1)},  # rounding of what should be 0
}


def outcome(call: Callable[..., Any], t: Any, arrays: list[Any]) -> Any:
    """Outputs and gradients as arrays; or the error."""
    given = [t.from_numpy(a) for a in arrays]
    given = [g.requires_grad_() for g in given]
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            outputs = flat(call(t, *given))
            live = [o for o in outputs if o.requires_grad]
            flows = [
                t.from_numpy(
                    np.random.default_rng(3).standard_normal(o.shape).astype(np.float32).reshape(tuple(o.shape))
                )
                for o in live
            ]
            if live:
                t.autograd.backward(live, flows)
    except (RuntimeError, ValueError, IndexError, TypeError, ZeroDivisionError) as error:
        return error
    grads = [None if g.grad is None else g.grad.numpy() for g in given]
    return [o.detach().numpy() for o in outputs], [o.requires_grad for o in outputs], grads


def flow(shape: tuple[int, ...]) -> Any:
    return np.asarray(np.random.default_rng(3).standard_normal(shape), np.float32)


def flat(result: Any) -> list[Any]:
    return [f for r in result for f in flat(r)] if isinstance(result, (tuple, list)) else [result]


def compare(name: str, call: Callable[..., Any], count: int, seed: int) -> list[str]:
    """What differs, for all shapes."""
    problems = []
    rng = np.random.default_rng(seed)
    for shape in SHAPES:
        arrays = [rng.integers(-3, 4, shape) * 0.5 if seed % 2 else rng.standard_normal(shape)]
        if count == 2:
            other = tuple(1 if rng.random() < 0.3 else n for n in shape)
            arrays.append(rng.standard_normal(other))
        arrays = [np.asarray(a, np.float32) for a in arrays]
        if seed >= 2:  # strided
            arrays = [a.T.copy(order="C").T if a.ndim else a for a in arrays]
        if name in EXCEPT and shape in (EXCEPT[name] or SHAPES):
            continue
        ours, theirs = outcome(call, tinynet, arrays), outcome(call, torch, arrays)
        if isinstance(ours, Exception) or isinstance(theirs, Exception):
            if not (isinstance(ours, Exception) and isinstance(theirs, Exception)):
                problems.append(f"{name} {[a.shape for a in arrays]}: ours {ours!r:.90}, theirs {theirs!r:.90}")
            continue
        pairs = [
            *zip(ours[0], theirs[0]),
            *((a, b) for a, b in zip(ours[2], theirs[2]) if a is not None and b is not None),
        ]
        if len(ours[0]) != len(theirs[0]) or ours[1] != theirs[1]:
            problems.append(f"{name} {shape}: {len(ours[0])} outputs {ours[1]}, expected {len(theirs[0])} {theirs[1]}")
        for a, b in pairs:
            if a.shape != b.shape or a.dtype != b.dtype:
                problems.append(f"{name} {shape}: {a.shape} {a.dtype}, expected {b.shape} {b.dtype}")
            elif not np.allclose(a, b, rtol=2e-4, atol=2e-5, equal_nan=True):
                problems.append(
                    f"{name} {[x.shape for x in arrays]} seed {seed}: {a.ravel()[:6]}, expected {b.ravel()[:6]}"
                )
    return problems


@pytest.mark.parametrize("name, call, count", CALLS, ids=[c[0] for c in CALLS])
def test_random_shapes(name: str, call: Callable[..., Any], count: int) -> None:
    problems = [p for seed in range(4) for p in compare(name, call, count, seed)]
    assert not problems, "\n".join(problems)
