"""The references themselves, against published values, finite differences and PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinynet_kernels as kernels
from tinynet_kernels.conv2d import reference as conv
from tinynet_kernels.max_pool2d import reference as pool
from tinynet_kernels.random.reference import philox4x32
from tinynet_kernels.softmax_cross_entropy import reference as xent

CONVOLUTIONS = [
    {},
    {"stride": 2, "padding": 1},
    {"stride": (1, 2), "padding": (2, 0), "dilation": (2, 1)},
    {"groups": 2, "padding": 1},
]


def test_philox_known_answers() -> None:
    """The known-answer vectors of the Random123 distribution for philox4x32-10."""
    ones = 0xFFFFFFFF
    vectors = [
        ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([ones] * 4, [ones] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            [0xA4093822, 0x299F31D0],
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ]
    for counter, key, words in vectors:
        assert philox4x32(np.array([counter], np.uint32), (key[0], key[1]))[0].tolist() == words


def test_random_moments() -> None:
    uniform = kernels.philox_uniform(np.empty(200_000), seed=3, offset=0)
    normal = kernels.philox_normal(np.empty(200_000), seed=3, offset=0)
    assert abs(uniform.mean() - 0.5) < 0.003
    assert abs(uniform.var() - 1 / 12) < 0.001
    assert abs(normal.mean()) < 0.01
    assert abs(normal.var() - 1) < 0.02
    assert abs((normal**4).mean() - 3) < 0.15
    kept = kernels.dropout(np.ones(200_000), p=0.3, seed=3, offset=0)
    assert set(np.unique(kept)) == {0.0, 1 / 0.7}
    assert abs((kept == 0).mean() - 0.3) < 0.005


def test_draws_continue_where_the_last_ended() -> None:
    whole = kernels.philox_uniform(np.empty(80_000, np.float32), seed=9, offset=5)
    second = kernels.philox_uniform(np.empty(20_000, np.float32), seed=9, offset=5 + 60_000 // 4)
    np.testing.assert_array_equal(whole[60_000:], second)


def numeric_gradient(function: Any, x: Any, eps: float = 1e-6) -> Any:
    gradient = np.empty_like(x)
    for index in np.ndindex(x.shape):
        kept = x[index]
        x[index] = kept + eps
        above = function(x)
        x[index] = kept - eps
        gradient[index] = (above - function(x)) / (2 * eps)
        x[index] = kept
    return gradient


@pytest.mark.parametrize("params", CONVOLUTIONS)
def test_conv2d_gradients_by_differences(params: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 4, 6, 7)), rng.standard_normal((6, 4 // params.get("groups", 1), 3, 2))
    gy = rng.standard_normal(conv.conv2d(x, w, **params).shape)
    gx = numeric_gradient(lambda x: (conv.conv2d(x, w, **params) * gy).sum(), x)
    gw = numeric_gradient(lambda w: (conv.conv2d(x, w, **params) * gy).sum(), w)
    np.testing.assert_allclose(conv.conv2d_input_grad(gy, w, x.shape, **params), gx, atol=1e-8)
    np.testing.assert_allclose(conv.conv2d_weight_grad(x, gy, w.shape, **params), gw, atol=1e-8)


def test_conv2d_by_hand() -> None:
    x = np.arange(9.0).reshape(1, 1, 3, 3)
    w = np.array([[[[1.0, 2.0], [3.0, 4.0]]]])
    # top left: 0*1 + 1*2 + 3*3 + 4*4 = 27; each step right adds 10, each step down 30
    np.testing.assert_array_equal(conv.conv2d(x, w), [[[[27.0, 37.0], [57.0, 67.0]]]])


def test_cross_entropy_gradient_by_differences() -> None:
    rng = np.random.default_rng(0)
    logits, labels, gy = rng.standard_normal((4, 5)), np.array([1, 0, -100, 4]), rng.standard_normal(4)
    options = {"label_smoothing": 0.2}
    _, lse = xent.softmax_cross_entropy(logits, labels, **options)
    numeric = numeric_gradient(lambda z: (xent.softmax_cross_entropy(z, labels, **options)[0] * gy).sum(), logits)
    np.testing.assert_allclose(xent.softmax_cross_entropy_grad(logits, labels, lse, gy, **options), numeric, atol=1e-8)


def test_cross_entropy_by_hand() -> None:
    loss, lse = xent.softmax_cross_entropy(np.log(np.array([[1.0, 2.0, 5.0]])), np.array([1]))
    np.testing.assert_allclose(loss, [np.log(4)])  # softmax is 1/8, 2/8, 5/8
    np.testing.assert_allclose(lse, [np.log(8)])


@pytest.mark.parametrize("params", CONVOLUTIONS)
def test_conv2d_is_torch(params: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    x, w = rng.standard_normal((2, 4, 6, 7)), rng.standard_normal((6, 4 // params.get("groups", 1), 3, 2))
    theirs = torch.nn.functional.conv2d(torch.tensor(x), torch.tensor(w), **params)
    np.testing.assert_allclose(conv.conv2d(x, w, **params), theirs.numpy(), atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_max_pool2d_is_torch(data: st.DataObject) -> None:
    torch = pytest.importorskip("torch")
    kernel = data.draw(st.integers(1, 4))
    params = {
        "stride": data.draw(st.integers(1, 4)),
        "padding": data.draw(st.integers(0, kernel // 2)),
        "dilation": data.draw(st.integers(1, 2)),
        "ceil_mode": data.draw(st.booleans()),
    }
    reach = params["dilation"] * (kernel - 1) + 1
    size = data.draw(st.integers(max(1, reach - 2 * params["padding"]), 12))
    values = data.draw(st.sampled_from([[0.0, 1.0], [-np.inf, 1.0], [np.nan, 0.0, 1.0, 2.0]]))
    x = np.random.default_rng(data.draw(st.integers(0, 99))).choice(values, (2, 3, size, size + 1))
    theirs, places = torch.nn.functional.max_pool2d(torch.tensor(x), kernel, **params, return_indices=True)
    for y, indices in (pool.max_pool2d(x, kernel, **params), kernels.max_pool2d(x, kernel, **params)):
        np.testing.assert_array_equal(y, theirs.numpy())
        met = indices >= 0  # not a window of padding only, where PyTorch's index is arbitrary
        np.testing.assert_array_equal(indices[met], places.numpy()[met])
        assert (y[~met] == -np.inf).all()


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_conv2d_any_shape(data: st.DataObject) -> None:
    size = st.integers(1, 3)
    groups = data.draw(size)
    n, c, o = data.draw(st.integers(0, 3)), groups * data.draw(size), groups * data.draw(size)
    kernel = data.draw(size), data.draw(size)
    params = {
        "stride": (data.draw(size), data.draw(size)),
        "padding": (data.draw(st.integers(0, 2)), data.draw(st.integers(0, 2))),
        "dilation": (data.draw(size), data.draw(size)),
        "groups": groups,
    }
    h, w = (data.draw(st.integers(d * (k - 1) + 1, 9)) for d, k in zip(params["dilation"], kernel))
    rng = np.random.default_rng(0)
    x, weight = rng.standard_normal((n, c, h, w)), rng.standard_normal((o, c // groups, *kernel))
    y = kernels.conv2d(x, weight, **params)
    np.testing.assert_allclose(y, conv.conv2d(x, weight, **params), atol=1e-10)
    gy = rng.standard_normal(y.shape)
    gx = kernels.conv2d_input_grad(gy, weight, x.shape, **params)
    gw = kernels.conv2d_weight_grad(x, gy, weight.shape, **params)
    np.testing.assert_allclose((gx * x).sum(), (gy * y).sum(), atol=1e-8)  # both are the adjoint of the forward
    np.testing.assert_allclose((gw * weight).sum(), (gy * y).sum(), atol=1e-8)


@settings(max_examples=60, deadline=None)
@given(
    batch=st.lists(st.integers(0, 3), max_size=2),
    sizes=st.tuples(*[st.integers(0, 9)] * 3),
    transpose=st.tuples(st.booleans(), st.booleans()),
)
def test_matmul_any_shape(batch: list[int], sizes: tuple[int, int, int], transpose: tuple[bool, bool]) -> None:
    m, k, n = sizes
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((*batch, m, k)), rng.standard_normal((k, n))
    given_a = np.swapaxes(a, -1, -2).copy() if transpose[0] else a
    given_b = b.T.copy() if transpose[1] else b
    y = kernels.matmul(given_a, given_b, transpose_a=transpose[0], transpose_b=transpose[1])
    np.testing.assert_allclose(y, a @ b, atol=1e-12)
