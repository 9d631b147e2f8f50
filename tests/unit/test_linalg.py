"""Linear algebra: against NumPy, finite differences and PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinynet
from tests.conftest import needs_solver
from tests.directions import check_directions
from tinynet import linalg

RNG = np.random.default_rng(6)
A = RNG.standard_normal((2, 3, 3)) + 2 * np.eye(3)
POSITIVE = A @ A.transpose(0, 2, 1)
B = RNG.standard_normal((2, 3, 4))

Call = Callable[..., Any]
CASES: dict[str, tuple[Call, Call, tuple[Any, ...]]] = {
    "inv": (lambda m, a: m.inv(a), np.linalg.inv, (A,)),
    "det": (lambda m, a: m.det(a), np.linalg.det, (A,)),
    "slogdet": (lambda m, a: m.slogdet(a)[1], lambda a: np.linalg.slogdet(a)[1], (-A,)),
    "solve": (lambda m, a, b: m.solve(a, b), np.linalg.solve, (A, B)),
    "solve-broadcast": (lambda m, a, b: m.solve(a, b), np.linalg.solve, (A[0], B)),
    "solve-vector": (lambda m, a, b: m.solve(a, b), np.linalg.solve, (A[0], B[0, :, 0])),
    "solve-vectors": (
        lambda m, a, b: m.solve(a, b),
        lambda a, b: np.linalg.solve(a, b[..., None])[..., 0],
        (A, B[..., 0]),
    ),
    "solve-right": (
        lambda m, a, b: m.solve(a, b, left=False),
        lambda a, b: b @ np.linalg.inv(a),
        (A, B.transpose(0, 2, 1).copy()),
    ),
    "cholesky": (lambda m, a: m.cholesky(a @ a.mT), lambda a: np.linalg.cholesky(a @ a.swapaxes(-1, -2)), (A,)),
    "cholesky-upper": (
        lambda m, a: m.cholesky((a + a.mT) / 2, upper=True),
        lambda a: np.linalg.cholesky(a).swapaxes(-1, -2),
        (POSITIVE,),
    ),
    "vector_norm": (lambda m, x: m.vector_norm(x, 3, dim=1), lambda x: (abs(x) ** 3).sum(1) ** (1 / 3), (B,)),
    "norm": (lambda m, x: m.norm(x), lambda x: np.sqrt((x * x).sum()), (B,)),
    "norm-fro": (lambda m, x: m.norm(x, "fro", (1, 2)), lambda x: np.linalg.norm(x, "fro", (1, 2)), (B,)),
    "norm-1": (lambda m, x: m.norm(x, 1, (1, 2)), lambda x: np.linalg.norm(x, 1, (1, 2)), (B,)),
    "norm-inf": (
        lambda m, x: m.norm(x, float("inf"), (0, 2), keepdim=True),
        lambda x: np.linalg.norm(x, np.inf, (0, 2), keepdims=True),
        (B,),
    ),
    "norm-vector": (lambda m, x: m.norm(x, 1, dim=-1), lambda x: np.linalg.norm(x, 1, -1), (B,)),
}


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients(name: str, device: str) -> None:
    call, numpy, arrays = CASES[name]
    if device == "cuda" and "norm" not in name:
        needs_solver()
    given = [tinynet.tensor(a, device=device, requires_grad=True) for a in arrays]
    found = call(linalg, *given)
    expected = numpy(*arrays)
    assert found.shape == np.shape(expected)
    np.testing.assert_allclose(found.detach().cpu().numpy(), expected, rtol=1e-10, atol=1e-12)
    for second in (False, True):
        check_directions(lambda: call(linalg, *given), given, second=second)


@pytest.mark.parametrize("name", CASES)
def test_as_pytorchs(name: str) -> None:
    torch = pytest.importorskip("torch")
    call, _, arrays = CASES[name]
    found = []
    for library in (tinynet, torch):
        given = [library.tensor(a, requires_grad=True) for a in arrays]
        y = call(library.linalg, *given)
        y.sum().backward()
        found.append([y.detach().numpy(), *(x.grad.numpy() for x in given)])
    for mine, theirs in zip(*found):
        np.testing.assert_allclose(mine, theirs, rtol=1e-8, atol=1e-10)


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"inv: A has shape \(2, 3\), expected"):
        linalg.inv(tinynet.ones(2, 3))
    with pytest.raises(TypeError, match="dtype int64"):
        linalg.det(tinynet.ones(2, 2, dtype=tinynet.int64))
    for call in (lambda: linalg.inv(tinynet.zeros(2, 2)), lambda: linalg.solve(tinynet.zeros(2, 2), tinynet.ones(2))):
        with pytest.raises(RuntimeError, match=r"[Ss]ingular"):
            call()
    with pytest.raises(RuntimeError, match="positive definite"):
        linalg.cholesky(-tinynet.eye(2))
    with pytest.raises(ValueError, match=r"B has shape \(3,\)"):
        linalg.solve(tinynet.eye(2), tinynet.ones(3))
    with pytest.raises(ValueError, match="ord is 'nuc'"):
        linalg.norm(tinynet.eye(2), "nuc")


def test_names_outside_of_linalg() -> None:
    a = np.random.default_rng(8).normal(size=(2, 3, 3))
    a = a @ a.swapaxes(1, 2) + np.eye(3)
    x = tinynet.from_numpy(a)
    for value, expected in (
        (tinynet.inverse(x), np.linalg.inv(a)),
        (tinynet.det(x), np.linalg.det(a)),
        (tinynet.slogdet(x)[1], np.linalg.slogdet(a)[1]),
        (tinynet.logdet(x), np.log(np.linalg.det(a))),
        (x.cholesky(upper=True), np.linalg.cholesky(a).swapaxes(1, 2)),
    ):
        np.testing.assert_allclose(value, expected, rtol=1e-10)
    assert np.isnan(tinynet.eye(3).neg().logdet().item())
    assert tinynet.zeros(2, 2).logdet().item() == -np.inf
    y = x.clone().requires_grad_()
    y.logdet().sum().backward()
    np.testing.assert_allclose(y.grad, np.linalg.inv(a).swapaxes(1, 2), rtol=1e-9)
