"""autograd.functional against Jacobians written by hand, and the search for NaN."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinynet
from tinynet import autograd
from tinynet.autograd.functional import hessian, hvp, jacobian, jvp, vhp, vjp

X, Y, V = (tinynet.from_numpy(np.random.default_rng(i).normal(size=3)) for i in range(3))


def test_jacobians() -> None:
    x, y = X.numpy(), Y.numpy()
    # d(x_i^2 sum(x))/dx_j
    expected = np.diag(2 * x * x.sum()) + (x**2)[:, None]
    found = jacobian(lambda x: x**2 * x.sum(), X)
    np.testing.assert_allclose(found, expected)
    assert not found.requires_grad
    (by_x, by_y), (sum_x, none) = jacobian(lambda x, y: (x.outer(y), x.sum()), (X, Y))
    np.testing.assert_allclose(by_x, np.einsum("ik,j->ijk", np.eye(3), y))
    np.testing.assert_allclose(by_y, np.einsum("i,jk->ijk", x, np.eye(3)))
    np.testing.assert_array_equal(sum_x, np.ones(3))
    np.testing.assert_array_equal(none, np.zeros(3))
    with pytest.raises(RuntimeError, match="do not depend on input 1"):
        jacobian(lambda x, y: x.sum(), (X, Y), strict=True)
    assert jacobian(lambda x: x[:0], X).shape == (0, 3)
    np.testing.assert_array_equal(jacobian(lambda x: tinynet.ones(2), X), np.zeros((2, 3)))


def test_hessians() -> None:
    x, y = X.numpy(), Y.numpy()
    np.testing.assert_allclose(hessian(lambda x: (x**3).sum(), X), np.diag(6 * x))
    (xx, xy), (yx, yy) = hessian(lambda x, y: (x * x * y).sum(), (X, Y))
    np.testing.assert_allclose(xx, np.diag(2 * y))
    np.testing.assert_allclose(xy, np.diag(2 * x))
    np.testing.assert_allclose(yx, np.diag(2 * x))
    np.testing.assert_array_equal(yy, np.zeros((3, 3)))
    with pytest.raises(RuntimeError, match="single number"):
        hessian(lambda x: x, X)


def test_products_with_vectors() -> None:
    def func(x: Any) -> Any:
        return x.sin() * x.sum()

    full = jacobian(func, X).numpy()
    value, product = vjp(func, X, V)
    np.testing.assert_allclose(value, func(X))
    np.testing.assert_allclose(product, V.numpy() @ full)
    value, product = jvp(func, X, V)
    np.testing.assert_allclose(value, func(X))
    np.testing.assert_allclose(product, full @ V.numpy())
    for way in (hvp, vhp):
        value, product = way(lambda x: (x**4).sum(), X, V)
        np.testing.assert_allclose(product, 12 * X.numpy() ** 2 * V.numpy())
    assert vjp(lambda x: x.sum(), X)[1].tolist() == [1, 1, 1]
    with pytest.raises(RuntimeError, match="v is None"):
        vjp(func, X)
    with pytest.raises(ValueError, match="v has shapes"):
        jvp(func, X, V[:2])
    with pytest.raises(TypeError, match="inputs is 3"):
        jacobian(func, 3)


def test_the_jacobian_can_be_differentiated(on_device: str) -> None:
    x = X.clone().to(on_device).requires_grad_()
    jacobian(lambda t: t**3, x, create_graph=True).sum().backward()
    np.testing.assert_allclose(x.grad.cpu(), 6 * X.numpy())
    with tinynet.no_grad():
        assert jacobian(lambda t: t**2, x).shape == (3, 3)


@np.errstate(invalid="ignore")
def test_where_nan_comes_from(device: str) -> None:
    x = tinynet.zeros(2, device=device, requires_grad=True)

    def loss() -> tinynet.Tensor:
        return (x.sqrt() * 0).sum()  # 0 * inf

    loss().backward()
    assert np.isnan(x.grad.cpu()).all()
    with autograd.detect_anomaly():
        y = loss()
        with pytest.raises(RuntimeError, match=r"argument 0 of Sqrt has NaN(.|\n)*x\.sqrt\(\)"):
            y.backward()
        loss().detach()
    loss().backward()
    with autograd.set_detect_anomaly(True, check_nan=False):
        loss().backward()
    autograd.set_detect_anomaly(True)
    try:
        with pytest.raises(RuntimeError, match="has NaN"):
            loss().backward()
    finally:
        autograd.set_detect_anomaly(False)
    loss().backward()


def test_an_error_names_where_the_operation_was_called() -> None:
    with autograd.detect_anomaly():
        x = tinynet.ones(2, requires_grad=True)
        y = (x * 1).exp()
        z = y.sin()
        y.add_(1)
        with pytest.raises(RuntimeError, match=r"modified in place(.|\n)*z = y\.sin\(\)"):
            z.sum().backward()
