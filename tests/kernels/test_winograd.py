"""Winograd's convolutions: the matrices, every tile size over shapes that no tile divides, and what they do not depend on."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import tinynet_kernels
from tinynet_kernels.conv2d import reference, winograd
from tinynet_kernels.conv2d.geometry import geometry
from tinynet_kernels.conv2d.minimal import minimal
from tinynet_kernels.conv2d_max_pool2d import reference as pooled_reference
from tinynet_kernels.conv2d_max_pool2d import winograd as pooled

Shape = tuple[int, int, int, int]

# x, outputs, padding: one tile, tiles beyond both ends, a strip, several blocks of columns, rows that are not whole
SHAPES: list[tuple[Shape, int, Any]] = [
    ((1, 16, 3, 3), 16, 0),
    ((2, 16, 5, 5), 32, 0),
    ((3, 32, 7, 10), 16, 1),
    ((2, 16, 1, 13), 48, (1, 2)),
    ((2, 16, 12, 4), 144, (2, 0)),
    ((9, 64, 6, 6), 64, 2),
]


def arrays(x: Shape, outputs: int, padding: Any, dtype: Any, seed: int = 0) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(seed)
    w = (outputs, x[1], 3, 3)
    shapes = (x, w, geometry(x, w, padding=padding).y_shape)
    images, weights, gy = (rng.standard_normal(s).astype(dtype) for s in shapes)
    return images, weights, gy


def results(x: Any, w: Any, gy: Any, bias: Any, padding: Any) -> list[Any]:
    """The convolution with bias and ReLU, and both gradients of the plain one."""
    return [
        tinynet_kernels.conv2d(x, w, bias, padding=padding, activation="relu"),
        tinynet_kernels.conv2d_input_grad(gy, w, x.shape, padding=padding),
        tinynet_kernels.conv2d_weight_grad(x, gy, w.shape, padding=padding),
    ]


def wanted(x: Any, w: Any, gy: Any, bias: Any, padding: Any) -> list[Any]:
    x, w, gy, bias = (a.astype(np.float64) for a in (x, w, gy, bias))
    return [
        reference.conv2d(x, w, bias, padding=padding, activation="relu"),
        reference.conv2d_input_grad(gy, w, x.shape, padding=padding),
        reference.conv2d_weight_grad(x, gy, w.shape, padding=padding),
    ]


@pytest.fixture
def forced(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes every convolution that can be use tiles of m x m."""

    def force(m: int) -> None:
        monkeypatch.setattr(winograd, "size", lambda g, dtype: m if winograd.fits(g, dtype) else 0)

    return force


@pytest.mark.parametrize("m", [2, 3, 4])
def test_minimal_filtering_is_exact(m: int) -> None:
    """In fractions, of which floats hold those in A and B exactly."""
    rng = np.random.default_rng(0)
    output, filters, inputs = (
        [[Fraction(v).limit_denominator(100) for v in row] for row in rows] for rows in minimal(m)
    )
    d, g = rng.integers(-9, 10, m + 2).tolist(), rng.integers(-9, 10, 3).tolist()
    products = [sum(f * v for f, v in zip(a, g)) * sum(f * v for f, v in zip(b, d)) for a, b in zip(filters, inputs)]
    found = [sum(f * p for f, p in zip(row, products)) for row in output]
    assert found == [sum(g[k] * d[i + k] for k in range(3)) for i in range(m)]


def test_minimal_filtering_is_the_published() -> None:
    """F(2, 3) of Lavin and Gray, equation 7, where a sign may stand in G or in B'."""
    b = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]])
    g = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
    a = np.array([[1, 1, 1, 0], [0, 1, -1, -1]])
    ours = [np.array(matrix) for matrix in minimal(2)]
    np.testing.assert_array_equal(np.einsum("ip,pk,pj->pikj", *ours), np.einsum("ip,pk,pj->pikj", a, g, b))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("m", [2, 3, 4])
@pytest.mark.parametrize("x, outputs, padding", SHAPES)
def test_every_size_of_tile(x: Shape, outputs: int, padding: Any, m: int, dtype: str, forced: Any) -> None:
    forced(m)
    given = (*arrays(x, outputs, padding, dtype), np.linspace(-1, 1, outputs).astype(dtype))
    rtol, atol = (1e-4, 1e-5) if dtype == "float32" else (1e-11, 1e-13)
    for got, want in zip(results(*given, padding), wanted(*given, padding), strict=True):
        np.testing.assert_allclose(got, want, rtol=rtol, atol=atol * max(1.0, float(np.sqrt(np.mean(want**2)))))


@pytest.mark.parametrize(
    "x, outputs, params",
    [
        ((2, 17, 9, 9), 16, {}),
        ((2, 16, 9, 9), 20, {}),
        ((2, 16, 9, 9), 16, {"stride": 2}),
        ((2, 16, 9, 9), 16, {"dilation": 2}),
        ((2, 32, 9, 9), 32, {"groups": 2}),
        ((2, 16, 9, 9), 16, {"padding": 3}),
    ],
)
def test_others_are_left_to_the_direct_sums(x: Shape, outputs: int, params: dict[str, Any], forced: Any) -> None:
    forced(2)
    rng = np.random.default_rng(0)
    images = rng.standard_normal(x).astype("float32")
    w = rng.standard_normal((outputs, x[1] // params.get("groups", 1), 3, 3)).astype("float32")
    got, direct = (tinynet_kernels.conv2d(images, w, variant=variant, **params) for variant in (None, "direct"))
    assert got.tobytes() == direct.tobytes()


def test_small_ones_are_left_to_the_direct_sums() -> None:
    one, many = ((n, 64, 8, 8) for n in (1, 64))
    assert winograd.size(geometry(one, (64, 64, 3, 3)), np.dtype("float32")) == 0
    assert winograd.size(geometry(many, (64, 64, 3, 3)), np.dtype("float32")) in (3, 4)


@pytest.mark.parametrize("m, most", [(2, 4e-7), (3, 1.5e-6), (4, 2e-6)])
def test_rounding(m: int, most: float, forced: Any) -> None:
    """The errors that the module states, relative to the root of the sum of the squared products."""
    forced(m)
    x, w, _ = arrays((8, 64, 14, 14), 64, 0, "float32")
    exact = reference.conv2d(x.astype(np.float64), w.astype(np.float64))
    error = tinynet_kernels.conv2d(x, w) - exact
    assert np.sqrt(np.mean(error**2) / np.mean(exact**2)) < most


@pytest.mark.parametrize("m", [2, 3, 4])
def test_number_of_threads_does_not_matter(m: int, forced: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor whether each has a copy of the filters, nor how many tiles it takes at a time."""
    forced(m)
    given = (*arrays((41, 32, 9, 8), 64, 1, "float32"), np.zeros(64, "float32"))
    runs = []
    for threads, small in ((1, 1 << 20), (2, 0), (3, 1 << 20), (7, 0)):
        monkeypatch.setattr(winograd, "THREADS", threads)
        monkeypatch.setattr(winograd, "SMALL", small)
        runs.append([r.tobytes() for r in [*results(*given, 1), *pooled_results(*given[:2], given[3], 1)]])
    assert all(run == runs[0] for run in runs)


def pooled_results(x: Any, w: Any, bias: Any, padding: Any) -> list[Any]:
    """The pooled convolution with ReLU and its gradients, for a fixed gradient of its result."""
    params = {"padding": padding, "activation": "relu"}
    y, indices = tinynet_kernels.conv2d_max_pool2d(x, w, bias, 2, **params)
    gy = np.random.default_rng(2).standard_normal(y.shape).astype(x.dtype)
    return [y, indices, *tinynet_kernels.conv2d_max_pool2d_grad(gy, x, w, y, indices, 2, **params)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("x, padding", [((9, 16, 6, 9), 0), ((40, 32, 5, 8), 1), ((8, 16, 4, 4), (2, 0))])
def test_pooled(x: Shape, padding: Any, dtype: str, forced: Any) -> None:
    """Values and places in whole numbers, where all sums are exact and many elements of a window are equal."""
    forced(2)
    rng = np.random.default_rng(0)
    images, w = (rng.integers(-2, 3, s).astype(dtype) for s in (x, (48, x[1], 3, 3)))
    bias = rng.integers(-2, 3, 48).astype(dtype)
    y, indices, gw, gb, gx = pooled_results(images, w, bias, padding)
    params = {"padding": padding, "activation": "relu"}
    exact = [a.astype(np.float64) for a in (images, w, bias)]
    want, places = pooled_reference.conv2d_max_pool2d(*exact, 2, **params)
    np.testing.assert_array_equal(y, want)
    np.testing.assert_array_equal(indices, places)
    gy = np.random.default_rng(2).standard_normal(y.shape).astype(dtype).astype(np.float64)
    grads = pooled_reference.conv2d_max_pool2d_grad(gy, *exact[:2], want, places, 2, **params)
    rtol, atol = (1e-4, 1e-4) if dtype == "float32" else (1e-11, 1e-11)
    for got, grad in zip((gw, gb, gx), grads, strict=True):
        np.testing.assert_allclose(got, grad, rtol=rtol, atol=atol)


def test_pooled_calls_that_fit() -> None:
    """A tile is a window: of 2 x 2 elements, side by side, all of them there."""
    x, w = np.ones((40, 16, 9, 9), "float32"), np.ones((16, 16, 3, 3), "float32")
    from tinynet_kernels.conv2d_max_pool2d.geometry import geometries

    def fits(size: Any, **params: Any) -> bool:
        return pooled._fits(*geometries(x, w, size, **params), x.dtype)

    assert fits(2)
    assert fits((2, 2), padding=1, pool_stride=(2, 2))
    assert not fits(3)
    assert not fits(2, pool_stride=1)
    assert not fits(2, pool_padding=1)
    assert not fits(2, pool_dilation=2)
    assert not fits(2, ceil_mode=True)
    assert not fits(2, stride=2)


@pytest.mark.parametrize("m", [2, 3, 4])
def test_not_a_number_spreads_no_further_than_its_tiles(m: int, forced: Any) -> None:
    forced(m)
    x, w, _ = arrays((2, 16, 16, 16), 16, 1, "float32")
    clean = tinynet_kernels.conv2d(x, w, padding=1)
    x[1, 3, 8, 8] = np.nan
    y = tinynet_kernels.conv2d(x, w, padding=1, activation="relu")
    assert np.isnan(y[1, :, 7:10, 7:10]).all()
    rows, columns = np.nonzero(np.isnan(y[1]).any(axis=0))
    assert min(rows.min(), columns.min()) >= 7 - (m - 1)
    assert max(rows.max(), columns.max()) <= 9 + (m - 1)
    finite = ~np.isnan(y)
    np.testing.assert_array_equal(y[finite], np.maximum(clean, 0)[finite])
    best, _ = tinynet_kernels.conv2d_max_pool2d(x, w, None, 2, padding=1)
    assert np.isnan(best[1, :, 3:5, 3:5]).all()  # a window with one has it for its maximum
    assert np.isfinite(best[0]).all()
