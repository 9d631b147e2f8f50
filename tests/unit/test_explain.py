"""Attributions against finite differences, axioms and cases worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinynet
from tinynet import nn
from tinynet.explain import grad_cam, integrated_gradients, saliency

RNG = np.random.default_rng(0)
X = RNG.standard_normal((3, 2, 6, 6))
TARGET = [2, 0, 1]


def network(device: str) -> Any:
    tinynet.manual_seed(1)
    layers = [nn.Conv2d(2, 3, 3), nn.Tanh(), nn.Flatten(), nn.Dropout(0.5), nn.Linear(48, 3)]
    return nn.Sequential(*layers).double().eval().to(device)


def given(device: str) -> tuple[Any, Any, Any]:
    return network(device), tinynet.tensor(X, device=device), tinynet.tensor(TARGET, device=device)


def scores(model: Any, inputs: Any) -> Any:
    with tinynet.no_grad():
        return model(inputs).cpu().numpy()[range(len(TARGET)), TARGET]


def test_saliency_is_the_finite_difference(device: str) -> None:
    model, x, target = given(device)
    result = saliency(model, x, target).cpu().numpy()
    assert result.shape == X.shape
    for n, c, i, j in RNG.integers((3, 2, 6, 6), size=(6, 4)):
        moved = [X.copy(), X.copy()]
        for sign, array in zip((1e-6, -1e-6), moved):
            array[n, c, i, j] += sign
        up, down = (scores(model, tinynet.tensor(array, device=device))[n] for array in moved)
        assert result[n, c, i, j] == pytest.approx(abs(up - down) / 2e-6, rel=1e-5, abs=1e-8)


def test_integrated_gradients_are_complete(device: str) -> None:
    model, x, target = given(device)
    baseline = tinynet.full((1, 2, 1, 1), 0.3, dtype=tinynet.float64, device=device)
    for base in (0.0, baseline):
        parts = integrated_gradients(model, x, target, base, n_steps=8).cpu().numpy()
        difference = scores(model, x) - scores(model, tinynet.zeros_like(x) + base)
        np.testing.assert_allclose(parts.sum(axis=(1, 2, 3)), difference, rtol=1e-4)
        assert np.abs(difference).min() > 0.01


def test_integrated_gradients_of_a_polynomial() -> None:
    """x0 x1 + x2**2 from 0 to (1, 2, 3): by symmetry x0 and x1 get half of their product each, x2 its square."""

    def model(x: Any) -> Any:
        return (x[:, :1] * x[:, 1:2] + x[:, 2:] ** 2) * tinynet.tensor([[1.0, -1.0]], dtype=tinynet.float64)

    x = tinynet.tensor([[1.0, 2.0, 3.0]], dtype=tinynet.float64)
    np.testing.assert_allclose(integrated_gradients(model, x, 0, n_steps=2).numpy(), [[1, 1, 9]], rtol=1e-12)
    np.testing.assert_allclose(integrated_gradients(model, x, 1, n_steps=2).numpy(), [[-1, -1, -9]], rtol=1e-12)


def test_grad_cam_by_hand(device: str) -> None:
    """Two 1x1 filters give the maps x and -2x. Scores: class 0 adds all of map 0 up, class 1 takes its first column less
    all of map 1."""
    conv = nn.Conv2d(1, 2, 1, bias=False)
    linear = nn.Linear(8, 2, bias=False)
    with tinynet.no_grad():
        conv.weight.copy_(tinynet.tensor([1.0, -2.0]).reshape(2, 1, 1, 1))
        linear.weight.copy_(tinynet.tensor([[1.0, 1, 1, 1, 0, 0, 0, 0], [1, 0, 1, 0, -1, -1, -1, -1]]))
    model = nn.Sequential(conv, nn.Flatten(), linear).to(device)
    image = tinynet.tensor([[[[1.0, -2.0], [3.0, 4.0]]]], device=device)
    # class 0: weights (1, 0): relu(x). Class 1: weights (1/2, -1): x / 2 + 2 x
    np.testing.assert_allclose(grad_cam(model, conv, image, 0).cpu().numpy(), [[[1, 0], [3, 4]]])
    np.testing.assert_allclose(grad_cam(model, conv, image, 1).cpu().numpy(), [[[2.5, 0], [7.5, 10]]])
    np.testing.assert_allclose(grad_cam(model, conv, image, 1, relu=False).cpu().numpy(), [[[2.5, -5], [7.5, 10]]])


def test_nothing_else_changes() -> None:
    model, x, target = given("cpu")
    before = [p.detach().numpy().copy() for p in model.parameters()]
    with tinynet.no_grad():
        saliency(model, x, target)
        integrated_gradients(model, x, 1, n_steps=2)
        grad_cam(model.requires_grad_(False), model[0], x, target)
    assert not x.requires_grad
    assert not any(module._has_hooks() for module in model.modules())
    for p, old in zip(model.parameters(), before):
        assert p.grad is None
        np.testing.assert_array_equal(p.detach().numpy(), old)


def test_bad_arguments() -> None:
    model, x, target = given("cpu")
    for call, kind, message in (
        (lambda: saliency(model, x.long(), target), TypeError, "inputs are"),
        (lambda: saliency(model, x, 3), ValueError, r"target is 3, expected classes from 0 to 2"),
        (lambda: saliency(model, x, target[:2]), ValueError, r"target has shape \(2,\)"),
        (lambda: saliency(lambda v: v, x, target), ValueError, r"the model gives shape \(3, 2, 6, 6\)"),
        (lambda: integrated_gradients(model, x, target, n_steps=0), ValueError, "n_steps is 0"),
        (lambda: grad_cam(model, model[-1], x, target), ValueError, r"layer gives shape \(3, 3\)"),
        (lambda: grad_cam(model, nn.ReLU(), x, target), ValueError, "layer is not part of the model"),
    ):
        with pytest.raises(kind, match=message):
            call()
