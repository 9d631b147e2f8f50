"""The composed tensor functions: against NumPy in float64, finite differences, and PyTorch where it is installed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import tinynet
from tests.cases import (
    Case,
    apart,
    check_forward,
    check_slopes,
    check_torch,
    index,
    mask,
    named,
    normal,
    positive,
    unit,
    whole,
)

N, A, P, U, W = normal(3, 4), apart(3, 4), positive(3, 4), unit(3, 4), whole(3, 5)
ROW = normal(4)


def holes(rng: Any) -> Any:
    x = rng.standard_normal((3, 4))
    x[[0, 1], [1, 2]] = np.nan
    return x


def unary(name: str, numpy: Any, maker: Any = N, **options: Any) -> Case:
    return Case(name, lambda t, x: getattr(t, name)(x), numpy, (maker,), **options)


CASES = [
    unary("acosh", np.arccosh, lambda rng: rng.uniform(1.2, 3, (3, 4))),
    unary("asinh", np.arcsinh),
    unary("atanh", np.arctanh, U),
    unary("exp2", np.exp2),
    unary("erfc", lambda x: np.vectorize(math.erfc)(x)),
    unary("frac", lambda x: x - np.trunc(x), A),
    unary("sinc", np.sinc),
    Case("sinc_whole", lambda t, x: t.sinc(x), np.sinc, (W,), smooth=False),
    unary("deg2rad", np.deg2rad),
    unary("rad2deg", np.rad2deg),
    unary("lgamma", lambda x: np.vectorize(math.lgamma)(x), lambda rng: rng.uniform(-2.4, 5, (3, 4))),
    Case("logit", lambda t, x: t.logit(x, 0.1), None, (lambda rng: rng.uniform(0.15, 0.85, (3, 4)),)),
    Case("xlogy", lambda t, x, y: t.xlogy(x, y), lambda x, y: x * np.log(y), (N, positive(4))),
    Case("xlogy_zero", lambda t, x, y: t.xlogy(x, y), None, (whole(3, 4), P), smooth=False),
    Case("hypot", lambda t, x, y: t.hypot(x, y), np.hypot, (N, ROW)),
    Case("logaddexp2", lambda t, x, y: t.logaddexp2(x, y), np.logaddexp2, (N, N)),
    Case("heaviside", lambda t, x, v: t.heaviside(x, v), np.heaviside, (W, normal(3, 5)), False),
    Case("copysign", lambda t, x, y: t.copysign(x, y), np.copysign, (A, N), fixed=(1,)),
    Case("signbit", lambda t, x: (t.signbit(x), t.isposinf(x / 0.0), t.isneginf(x / 0.0)), None, (N,), False),
    Case(
        "fmax",
        lambda t, x, y: (t.fmax(x, y), t.fmin(x, y)),
        lambda x, y: (np.fmax(x, y), np.fmin(x, y)),
        (holes, N),
        False,
    ),
    Case("float_power", lambda t, x: t.float_power(x, 1.5), lambda x: x**1.5, (P,), torch=False),
    Case(
        "clamp_ends",
        lambda t, x: (t.clamp_min(x, 0.1), t.clamp_max(x, 0.1)),
        lambda x: (np.maximum(x, 0.1), np.minimum(x, 0.1)),
        (A,),
    ),
    # statistics
    Case("aminmax", lambda t, x: t.aminmax(x, dim=1), lambda x: (x.min(1), x.max(1)), (A,)),
    Case("median", lambda t, x: (t.median(x), t.median(x, 1)), None, (apart(3, 5),)),
    Case("median_nan", lambda t, x: (t.median(x), t.median(x, 1)), None, (holes,), False),
    Case("nanmedian", lambda t, x: (t.nanmedian(x), t.nanmedian(x, 1)[0]), None, (holes,), False),
    Case(
        "kthvalue", lambda t, x: t.kthvalue(x, 2, 0, True), lambda x: (np.sort(x, 0)[1:2], np.argsort(x, 0)[1:2]), (A,)
    ),
    Case("quantile", lambda t, x: t.quantile(x, 0.3, 1), lambda x: np.quantile(x, 0.3, 1), (A,)),
    Case(
        "quantile_several",
        lambda t, x: t.quantile(x, t.tensor([0.0, 0.25, 1.0]).to(x.dtype), dim=0, keepdim=True),
        lambda x: np.quantile(x, [0.0, 0.25, 1.0], 0, keepdims=True),
        (A,),
    ),
    Case("quantile_all", lambda t, x: t.quantile(x, 0.45, interpolation="midpoint"), None, (A,)),
    Case(
        "nansum",
        lambda t, x: (t.nansum(x), t.nanmean(x, 1)),
        lambda x: (np.nansum(x), np.nanmean(x, 1)),
        (holes,),
        False,
    ),
    Case("nansum_gradient", lambda t, x: t.nansum(x, 1), lambda x: x.sum(1), (N,)),
    Case("cummax", lambda t, x: t.cummax(x, 1), None, (A,)),
    Case("cummax_ties", lambda t, x: (t.cummax(x, 1), t.cummin(x, 0)), None, (W,), False),
    Case("logcumsumexp", lambda t, x: t.logcumsumexp(x, 1), lambda x: np.log(np.cumsum(np.exp(x), 1)), (N,)),
    Case("dist", lambda t, x, y: t.dist(x, y, 3), lambda x, y: (np.abs(x - y) ** 3).sum() ** (1 / 3), (N, N)),
    Case("cov", lambda t, x: t.cov(x), np.cov, (N,)),
    Case("corrcoef", lambda t, x: t.corrcoef(x), np.corrcoef, (N,), smooth=False),
    Case("histc", lambda t, x: t.histc(x, 4, -1, 1), lambda x: np.histogram(x, 4, (-1, 1))[0], (N,), False),
    Case("searchsorted", lambda t, x: t.searchsorted(t.tensor([-1.0, 0.0, 0.5]).to(x.dtype), x), None, (N,), False),
    Case(
        "searchsorted_rows",
        lambda t, x, y: t.searchsorted(t.sort(x, 1)[0], y, right=True),
        None,
        (N, normal(3, 2)),
        False,
    ),
    Case(
        "bucketize", lambda t, x: t.bucketize(x, t.tensor([-2.0, 0.0, 2.0]).to(x.dtype), right=True), None, (W,), False
    ),
    Case(
        "bincount_weights",
        lambda t, i, w: t.bincount(i, w, 5),
        lambda i, w: np.bincount(i, w, 5),
        (index(4, 6), normal(6)),
        False,
    ),
    Case(
        "unique_rows",
        lambda t, i: t.unique(i, return_inverse=True, return_counts=True, dim=0),
        None,
        (index(2, 6, 2),),
        False,
    ),
    Case("unique_consecutive", lambda t, i: t.unique_consecutive(i, True, True), None, (index(2, 9),), False),
    # rearranging
    Case("ravel", lambda t, x: (x.ravel(), t.flipud(x), t.fliplr(x)), lambda x: (x.ravel(), x[::-1], x[:, ::-1]), (N,)),
    Case(
        "rot90",
        lambda t, x: [t.rot90(x, k) for k in (-1, 0, 1, 2)],
        lambda x: [np.rot90(x, k) for k in (-1, 0, 1, 2)],
        (N,),
    ),
    Case("broadcast_tensors", lambda t, x, y: t.broadcast_tensors(x, y), np.broadcast_arrays, (N, ROW)),
    Case(
        "atleast",
        lambda t, x: (t.atleast_2d(x), t.atleast_3d(x)),
        lambda x: (np.atleast_2d(x), np.atleast_3d(x)),
        (ROW,),
    ),
    Case("dstack", lambda t, x, y: (t.dstack((x, x)), t.column_stack((y, x.t()))), None, (N, ROW)),
    Case("tensor_split", lambda t, x: (*t.tensor_split(x, 3, 1), *x.tensor_split((1, 3), 1)), None, (normal(2, 5),)),
    Case("hsplit", lambda t, x: (*t.hsplit(x, 2), *t.vsplit(x, [1])), None, (N,)),
    Case("block_diag", lambda t, x, y: t.block_diag(x, y), None, (N, ROW)),
    Case("cartesian_prod", lambda t, x, y: t.cartesian_prod(x, y), None, (ROW, normal(2))),
    Case("combinations", lambda t, x: (t.combinations(x), t.combinations(x, 3, True)), None, (ROW,)),
    Case("diag_embed", lambda t, x: (t.diag_embed(x), t.diag_embed(x, 1), t.diag_embed(x, -2, 0, 2)), None, (N,)),
    Case("diagflat", lambda t, x: t.diagflat(x, -1), lambda x: np.diagflat(x, -1), (normal(2, 2),)),
    Case(
        "vander",
        lambda t, x: (t.vander(x), t.vander(x, 3, True)),
        lambda x: (np.vander(x), np.vander(x, 3, True)),
        (ROW,),
        torch=False,
    ),
    Case(
        "unravel_index",
        lambda t, i: t.unravel_index(i, (3, 4)),
        lambda i: np.unravel_index(i, (3, 4)),
        (index(12, 5),),
        False,
    ),
    Case(
        "repeat_interleave_counts",
        lambda t, x, i: x.repeat_interleave(i, 0),
        lambda x, i: np.repeat(x, i, 0),
        (N, index(3, 3)),
    ),
    Case("diff_ends", lambda t, x, y: t.diff(x, 1, 1, y, y), lambda x, y: np.diff(x, 1, 1, y, y), (N, normal(3, 1))),
    # selection
    Case("take", lambda t, x, i: t.take(x, i), lambda x, i: x.ravel()[i], (N, index(12, 2, 3))),
    Case("argwhere", lambda t, c: t.argwhere(c), np.argwhere, (mask(3, 4),), False),
    Case("index_put", lambda t, x, i, v: x.index_put((i,), v), None, (N, lambda rng: np.array([2, 0]), normal(2, 4))),
    Case(
        "index_put_add",
        lambda t, x, i, v: x.index_put((i,), v, True),
        None,
        (N, lambda rng: np.array([2, 0, 2]), normal(3, 4)),
    ),
    Case("masked_scatter", lambda t, x, c, s: x.masked_scatter(c, s), None, (N, mask(3, 4), normal(12))),
    Case("index_add_alpha", lambda t, x, i, s: x.index_add(0, i, s, alpha=2), None, (N, index(3, 5), normal(5, 4))),
    Case("take_along_dim_wide", lambda t, x, i: t.take_along_dim(x, i, 1), None, (N, index(4, 1, 2))),
    Case("take_along_flat", lambda t, x, i: t.take_along_dim(x, i), None, (N, index(12, 5))),
    *(
        Case(
            f"scatter_reduce_{how}{'' if own else '_fresh'}",
            lambda t, x, i, s, how=how, own=own: x.scatter_reduce(0, i, s, how, include_self=own),
            None,
            (A, index(3, 5, 4), lambda rng: rng.permutation(20).reshape(5, 4) * 0.7 - 6.1),
        )
        for how in ("sum", "mean", "amax", "amin")
        for own in (True, False)
    ),
    # products
    Case("inner", lambda t, x, y: t.inner(x, y), np.inner, (N, normal(2, 4))),
    Case(
        "kron",
        lambda t, x, y: (t.kron(x, y), t.kron(y[0], x)),
        lambda x, y: (np.kron(x, y), np.kron(y[0], x)),
        (N, normal(2, 3)),
    ),
    Case("cross", lambda t, x, y: t.cross(x, y, dim=0), lambda x, y: np.cross(x, y, axis=0), (N, N)),
    Case(
        "addmv",
        lambda t, x, m, v: t.addmv(x, m, v, beta=2, alpha=3),
        lambda x, m, v: 2 * x + 3 * m @ v,
        (normal(3), N, ROW),
    ),
    Case("addr", lambda t, x, v, w: t.addr(x, v, w), lambda x, v, w: x + np.outer(v, w), (N, normal(3), ROW)),
    Case("addbmm", lambda t, x, a, b: t.addbmm(x, a, b), None, (normal(3, 2), normal(2, 3, 4), normal(2, 4, 2))),
    Case("chain_matmul", lambda t, x, y: t.chain_matmul(x, y, x), lambda x, y: x @ y @ x, (N, normal(4, 3))),
    Case("matrix_power", lambda t, x: t.matrix_power(x, 3), None, (normal(2, 3, 3),)),
    Case("cdist", lambda t, x, y: (t.cdist(x, y), t.cdist(x, y, 1.0)), None, (normal(3, 2), normal(4, 2))),
    Case("trapezoid", lambda t, x, y: (t.trapezoid(x, dx=0.5), t.trapezoid(x, y, dim=1)), None, (N, ROW)),
]


@named(CASES, lambda case: case.numpy)
def test_forward(case: Case, device: str) -> None:
    check_forward(case, device)


@named(CASES, lambda case: case.differentiable and case.smooth)
def test_gradients(case: Case, device: str) -> None:
    check_slopes(case, device)


@named(CASES, lambda case: case.torch)
@pytest.mark.parametrize("layout", ["contiguous", "strided"])
def test_torch(case: Case, layout: str) -> None:
    check_torch(case, layout)


def test_second_names_are_the_same_functions() -> None:
    pairs = {"absolute": "abs", "arccos": "acos", "concatenate": "cat", "greater_equal": "ge", "swapdims": "transpose"}
    for second, first in pairs.items():
        assert getattr(tinynet, second) is getattr(tinynet, first)


def test_in_place_methods_change_the_tensor() -> None:
    for name in ("floor", "log1p", "sin", "tril", "reciprocal", "erf", "absolute", "logical_not"):
        x = tinynet.tensor([[1.5, 2.5], [3.5, -0.5]])
        expected = getattr(x, name)() if hasattr(x, name) else getattr(tinynet, name)(x)
        assert getattr(x, f"{name}_")() is x
        assert tinynet.equal(x, expected.to(x.dtype)), name


def test_shape_in_place(device: str) -> None:
    x = tinynet.zeros(2, 1, 3, device=device)
    assert x.squeeze_(1) is x
    assert x.shape == (2, 3)
    assert x.t_().shape == (3, 2)
    assert x.unsqueeze_(0).transpose_(0, 2).shape == (2, 3, 1)


def test_random_in_place(device: str) -> None:
    tinynet.manual_seed(0)
    x = tinynet.empty(40000, device=device)
    assert x.exponential_(2.0).mean().item() == pytest.approx(0.5, rel=0.03)
    assert x.geometric_(0.25).mean().item() == pytest.approx(4.0, rel=0.03)
    assert x.min().item() == 1.0
    assert x.log_normal_(0.0, 0.5).log().std().item() == pytest.approx(0.5, rel=0.03)
    assert set(np.unique(x.random_(3).cpu().numpy())) == {0.0, 1.0, 2.0}
    assert tinynet.poisson(tinynet.full((40000,), 3.0, device=device)).var().item() == pytest.approx(3.0, rel=0.05)


def test_generators_repeat() -> None:
    first, second = (tinynet.Generator().manual_seed(5) for _ in range(2))
    for draw in (
        lambda g: tinynet.rand(3, generator=g),
        lambda g: tinynet.randn(3, generator=g),
        lambda g: tinynet.randint(0, 9, (3,), generator=g),
        lambda g: tinynet.randperm(9, generator=g),
        lambda g: tinynet.bernoulli(tinynet.full((9,), 0.5), generator=g),
        lambda g: tinynet.multinomial(tinynet.ones(5), 3, generator=g),
        lambda g: tinynet.normal(0.0, 1.0, (3,), generator=g),
        lambda g: tinynet.empty(3).exponential_(generator=g),
    ):
        assert tinynet.equal(draw(first), draw(second))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda x: x.kthvalue(9), "k is 9"),
        (lambda x: x.quantile(1.5), "q is 1.5"),
        (lambda x: x.scatter_reduce(0, x.long(), x, "median"), "reduce is 'median'"),
        (lambda x: x.masked_scatter(x == 0, tinynet.ones(2)), "source has 2 elements"),
        (lambda x: x.matrix_power(2), "square matrices"),
        (lambda x: x.histc(0), "bins is 0"),
        (lambda x: x.repeat_interleave(tinynet.tensor([1, 2]), 0), "repeats has shape"),
        (lambda x: x.tensor_split(0), "sections is 0"),
        (lambda x: x.rot90(1, (0, 0)), "expected two dimensions"),
        (lambda x: x.bincount(), "expected a vector of integers"),
    ],
)
def test_errors(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(tinynet.zeros(3, 4))


def test_keywords_that_pytorch_takes(on_device: str) -> None:
    x = tinynet.arange(6.0).view(2, 3)
    assert x.sum(axis=0).tolist() == [3.0, 5.0, 7.0]  # type: ignore[call-arg]
    assert tinynet.mean(x, axis=1, keepdims=True).shape == (2, 1)  # type: ignore[call-arg]
    assert tinynet.cat([x, x], axis=1).shape == (2, 6)  # type: ignore[call-arg]
    for name in ("cumprod", "cummax", "logcumsumexp", "median", "nansum", "chunk", "gather"):
        given = {"chunk": (2,), "gather": ()}.get(name, ())
        more = {"index": tinynet.zeros(2, 1, dtype=tinynet.int64)} if name == "gather" else {}
        by_axis, by_dim = (getattr(tinynet, name)(x.float(), *given, **{k: 1}, **more) for k in ("axis", "dim"))
        assert str(by_axis) == str(by_dim)
        assert str(getattr(x.float(), name)(*given, axis=1, **more)) == str(by_dim)
    with pytest.raises(TypeError):
        x.sum(0, axis=1)  # type: ignore[call-arg]
    made: list[Any] = [tinynet.zeros, tinynet.ones, tinynet.empty, tinynet.rand, tinynet.randn]
    assert {f(size=(2, 3)).shape for f in made} == {(2, 3)}
    assert tinynet.normal(0, 1, size=(2, 1), dtype=tinynet.float64, requires_grad=True).requires_grad
    assert x.new_zeros(2, dtype=tinynet.int32, device=x.device).dtype == tinynet.int32
    assert tinynet.zeros_like(x, requires_grad=True).requires_grad
    rows, columns = (x > 3).nonzero(as_tuple=True)
    assert (rows.tolist(), columns.tolist()) == ([1, 1], [1, 2])
    assert [i.tolist() for i in tinynet.tensor(5).nonzero(as_tuple=True)] == [[0]]
    assert tinynet.split(x, split_size_or_sections=2, dim=1)[1].shape == (2, 1)


def test_shifts_and_operators_in_place(on_device: str) -> None:
    x = tinynet.tensor([5, 8])
    assert (x << 1).tolist() == [10, 16]
    assert (x >> 2).tolist() == [1, 2]
    view = x.view(2)
    x //= 2
    x %= 3
    x |= 4
    x &= 6
    x ^= 1
    assert view is not x
    assert view.tolist() == [7, 5]  # all of it in one memory: 5 // 2 % 3 = 2, 8 // 2 % 3 = 1


def test_numpy_numbers_do_not_promote(on_device: str) -> None:
    for number in (np.float64(2), np.float32(2), np.int64(2), np.bool_(True)):
        assert (tinynet.ones(2) * number).dtype == tinynet.float32
        assert (number * tinynet.ones(2)).dtype == tinynet.float32
    assert (tinynet.ones(2, dtype=tinynet.int32) + np.int64(1)).dtype == tinynet.int32
    assert tinynet.tensor(np.float32(1.5)).tolist() == 1.5


def test_the_constructor_of_the_class() -> None:
    assert tinynet.Tensor([1, 2]).dtype == tinynet.float32
    assert tinynet.Tensor(2, 3).shape == (2, 3)
    assert tinynet.Tensor().shape == (0,)
    assert tinynet.Size([2, 3]).numel() == 6
    assert tinynet.ones(2, 3).shape[1:].__add__((4,)).numel() == 12
    assert (tinynet.pi, tinynet.newaxis) == (np.pi, None)


def test_seeds_of_the_generator() -> None:
    generator = tinynet.Generator()
    assert generator.seed() == generator.initial_seed() != 0
    tinynet.cuda.manual_seed_all(3)
    assert tinynet.initial_seed() == 3


def test_erfc_far_out(on_device: str) -> None:
    x = tinynet.tensor([0.5, 3.0, 5.0, 9.0])  # values of the function in Abramowitz and Stegun's tables and beyond
    np.testing.assert_allclose(
        x.erfc().cpu().numpy(), [0.479500122, 2.20904970e-5, 1.53745979e-12, 4.13703e-37], rtol=1e-5
    )


def test_a_device_as_a_context(device: str) -> None:
    with tinynet.device(type=device) as inside:
        assert tinynet.zeros(2).device == inside
        with tinynet.device("cpu"):
            assert tinynet.zeros(2).device.type == "cpu"
        assert tinynet.rand(2).device == inside
    assert tinynet.zeros(2).device.type == "cpu"


def test_names_of_types(device: str) -> None:
    place = "cuda." if device == "cuda" else ""
    assert tinynet.zeros(1, device=device).type() == f"tinynet.{place}FloatTensor"
    assert tinynet.zeros(1, device=device).long().type() == f"tinynet.{place}LongTensor"
    x = tinynet.ones(2, device=device, requires_grad=True)
    assert x.numpy(force=True).tolist() == [1.0, 1.0]


def test_kinds_of_tensors(device: str) -> None:
    where = tinynet.cuda if device == "cuda" else tinynet
    x = where.FloatTensor(np.arange(3))
    assert (x.tolist(), x.dtype, x.device.type) == ([0.0, 1.0, 2.0], tinynet.float32, device)
    y = where.LongTensor(2, 3)
    assert (y.shape, y.dtype, y.device.type) == ((2, 3), tinynet.int64, device)
    assert where.ByteTensor().shape == (0,)
    assert isinstance(x, where.FloatTensor)
    assert not isinstance(y, where.FloatTensor)
    assert not isinstance(x, (tinynet.cuda if device == "cpu" else tinynet).FloatTensor)
    for kind in (where.DoubleTensor, repr(where.DoubleTensor), repr(where.DoubleTensor).replace("tinynet", "torch")):
        z = tinynet.ones(2).type(kind)
        assert (z.dtype, z.device.type) == (tinynet.float64, device)
    with pytest.raises(AttributeError, match="QuarterTensor"):
        _ = where.QuarterTensor


def test_default_kind_of_tensor(device: str) -> None:
    where = tinynet.cuda if device == "cuda" else tinynet
    try:
        tinynet.set_default_tensor_type(repr(where.DoubleTensor))
        x = tinynet.zeros(2)
        assert (x.dtype, x.device.type) == (tinynet.float64, device)
    finally:
        tinynet.set_default_tensor_type(tinynet.FloatTensor)
    assert tinynet.tensor(0.5).type() == "tinynet.FloatTensor"
    with pytest.raises(TypeError, match="kind of tensor"):
        tinynet.set_default_tensor_type("float32")


def test_variable() -> None:
    x = tinynet.ones(2, requires_grad=True)
    y = tinynet.autograd.Variable(x * 2, requires_grad=True)
    assert y.is_leaf
    assert y.requires_grad
    y.sum().backward()
    assert x.grad is None
    assert y.grad.tolist() == [1.0, 1.0]
    assert not tinynet.autograd.Variable(x).requires_grad


def test_switches_of_backends(device: str) -> None:
    """They may be set; TF32 is for products on CUDA alone."""
    backends = tinynet.backends
    assert not backends.mps.is_available()
    assert not backends.cudnn.is_available()
    backends.cudnn.benchmark = True
    x = tinynet.full((32, 32), 1 + 2.0**-12, device=device)  # TF32 has ten bits
    exact = (x @ x).cpu().numpy()
    backends.cuda.matmul.allow_tf32 = True
    try:
        assert backends.cuda.matmul.allow_tf32
        rounded = (x @ x).cpu().numpy()
    finally:
        backends.cuda.matmul.allow_tf32, backends.cudnn.benchmark = False, False
    np.testing.assert_allclose(exact, 32 * (1 + 2.0**-12) ** 2, rtol=1e-6)
    if device == "cuda":
        np.testing.assert_array_equal(rounded, 32)
    else:
        np.testing.assert_array_equal(rounded, exact)


def test_accelerator(device: str) -> None:
    there = tinynet.accelerator.is_available()
    assert there == tinynet.cuda.is_available()
    assert tinynet.accelerator.current_accelerator() == tinynet.device("cuda")
    assert (tinynet.accelerator.current_accelerator(check_available=True) is None) == (not there)
    assert tinynet.accelerator.device_count() == tinynet.cuda.device_count()


def test_everything_is_deterministic() -> None:
    tinynet.use_deterministic_algorithms(True, warn_only=True)
    assert tinynet.are_deterministic_algorithms_enabled()


def test_reshape_by_keyword() -> None:
    assert tinynet.arange(6).reshape(shape=(2, 3)).tolist() == [[0, 1, 2], [3, 4, 5]]
