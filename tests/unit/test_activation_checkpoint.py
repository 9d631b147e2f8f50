"""utils.checkpoint: the gradients of the plain computation, to the bit, with nothing kept in between."""

from __future__ import annotations

import copy
import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinynet
from tinynet import autograd, nn
from tinynet.nn import functional as F
from tinynet.utils.checkpoint import checkpoint, checkpoint_sequential

RNG = np.random.default_rng(5)


def network(device: str) -> nn.Sequential:
    tinynet.manual_seed(0)
    layers = [
        nn.Linear(6, 8),
        nn.BatchNorm1d(8),
        nn.ReLU(),
        nn.Dropout(0.4),
        nn.Linear(8, 8),
        nn.Tanh(),
        nn.Linear(8, 3),
    ]
    return nn.Sequential(*layers).to(device)


def inputs(device: str) -> tinynet.Tensor:
    return tinynet.tensor(RNG.normal(size=(5, 6)).astype(np.float32), device=device, requires_grad=True)


def gradients(run: Callable[[Any, Any], Any], model: nn.Module, x: tinynet.Tensor) -> list[bytes]:
    model, x = copy.deepcopy(model), x.detach().requires_grad_()
    tinynet.manual_seed(7)
    (run(model, x * 2) ** 2).sum().backward()
    tensors = [x.grad, *(p.grad for p in model.parameters()), tinynet.rand(3)]  # as much has been drawn
    return [t.cpu().numpy().tobytes() for t in tensors if t is not None]


@pytest.mark.parametrize(
    "run",
    [
        lambda model, x: checkpoint(model, x, use_reentrant=False),
        lambda model, x: checkpoint(lambda first: model[4:](first), checkpoint(model[:4], x)),
        lambda model, x: checkpoint(lambda y: model[4:](checkpoint(model[:4], y)), x),
        lambda model, x: checkpoint_sequential(model, 3, x, use_reentrant=False),
        lambda model, x: checkpoint(lambda: model(x)),
        lambda model, x: checkpoint(lambda y: {"result": [model(y)]}, y=x)["result"][0],
    ],
)
def test_gradients_are_those_without(run: Callable[[Any, Any], Any], device: str) -> None:
    model, x = network(device), inputs(device)
    assert gradients(run, model, x) == gradients(lambda m, y: m(y), model, x)


def test_autocast_is_that_of_the_first_time(device: str) -> None:
    def run(wrap: Callable[..., Any]) -> Callable[[Any, Any], Any]:
        def forward(model: nn.Module, x: tinynet.Tensor) -> tinynet.Tensor:
            with tinynet.autocast(device, dtype=tinynet.float16):
                return wrap(model, x).float()

        return forward

    model, x = network(device), inputs(device)
    assert gradients(run(checkpoint), model, x) == gradients(run(lambda m, y: m(y)), model, x)


def test_second_derivatives_and_grad(on_device: str) -> None:
    x = tinynet.linspace(0.1, 1, 4, dtype=tinynet.float64, requires_grad=True)
    w = tinynet.tensor(1.5, dtype=tinynet.float64, requires_grad=True)

    def penalty(wrap: Callable[..., Any]) -> tuple[tinynet.Tensor, ...]:
        y = wrap(lambda t: (t * w).sin() * t.exp(), x).sum()
        (slope,) = autograd.grad(y, x, create_graph=True)
        return autograd.grad((slope**2).sum(), [x, w])

    for ours, plain in zip(penalty(checkpoint), penalty(lambda f, t: f(t))):  # what meets may be added in another order
        np.testing.assert_allclose(ours.cpu().numpy(), plain.cpu().numpy(), rtol=1e-14)


def test_hooks_run_once() -> None:
    w = tinynet.ones((), requires_grad=True)
    w.register_hook(lambda g: g * 10)
    x = tinynet.ones((), requires_grad=True) * 1
    x.register_hook(lambda g: g * 100)
    checkpoint(lambda t: t * w * 3, x).backward()
    assert w.grad is not None
    assert w.grad.item() == 30


def test_nothing_inside_is_kept() -> None:
    made: list[weakref.ref[Any]] = []

    def function(x: tinynet.Tensor) -> tinynet.Tensor:
        y = x.exp()
        made.append(weakref.ref(y._array))
        return y.sin()

    x = tinynet.ones(4, requires_grad=True)
    gc.disable()
    try:
        y = checkpoint(function, x)
        assert made[0]() is None
        y.sum().backward()
        assert len(made) == 2
        assert made[1]() is None
        node = weakref.ref(checkpoint(function, x)._node)
        assert node() is None
    finally:
        gc.enable()
    np.testing.assert_allclose(x.grad, np.cos(np.e) * np.e, rtol=1e-6)
    with tinynet.no_grad():
        assert not checkpoint(function, x).requires_grad


def test_what_goes_wrong() -> None:
    x = tinynet.ones(3, requires_grad=True)
    y = x * 1
    z = checkpoint(lambda t: t * t, y)
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified in place"):
        z.sum().backward()
    flips = iter([True, False])
    z = checkpoint(lambda t: t.exp() if next(flips) else t.sin(), x)
    with pytest.raises(RuntimeError, match="other operations"):
        z.sum().backward()
    z = checkpoint(lambda t: t.exp(), x)
    z.sum().backward()
    with pytest.raises(RuntimeError, match="retain_graph"):
        z.sum().backward()
    with pytest.raises(ValueError, match="segments"):
        checkpoint_sequential([nn.ReLU()], 2, x)


def test_the_graph_can_be_walked_twice() -> None:
    x = tinynet.full((2,), 3.0, requires_grad=True)
    y = checkpoint(lambda t: F.relu(t) ** 2, x).sum()
    y.backward(retain_graph=True)
    y.backward()
    np.testing.assert_array_equal(x.grad, 12.0)
