"""A Sequential computes some neighbours as one operation: to what they compute one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinynet
from tinynet import nn

CASES = {
    "plain": (nn.Conv2d(2, 3, 3), nn.ReLU(), nn.MaxPool2d(2)),
    "no_activation": (nn.Conv2d(2, 3, 3), nn.MaxPool2d(2)),
    "no_bias": (nn.Conv2d(2, 3, 3, bias=False), nn.ReLU(), nn.MaxPool2d(3, 1)),
    "padded": (nn.Conv2d(2, 4, 3, padding=1, groups=2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)),
    "reflected": (nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect"), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True)),
    "same": (nn.Conv2d(2, 3, 3, padding="same"), nn.ReLU(), nn.MaxPool2d(2)),
    "pool_first": (nn.MaxPool2d(2), nn.Conv2d(2, 3, 3), nn.ReLU()),
    "twice": (nn.Conv2d(2, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(3, 2, 2), nn.ReLU(), nn.MaxPool2d(2)),
    "two_activations": (nn.Conv2d(2, 3, 3), nn.ReLU(), nn.ReLU(), nn.MaxPool2d(2)),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("count", [2, 40])
def test_as_one_by_one(name: str, count: int, device: str) -> None:
    tinynet.manual_seed(1)
    model = nn.Sequential(*CASES[name]).to(device)
    results = []
    for run in (model, lambda x: one_by_one(model, x)):
        x = tinynet.tensor(np.random.default_rng(0).standard_normal((count, 2, 9, 10)).astype("f4"), device=device)
        x.requires_grad_()
        model.zero_grad()
        y = run(x)
        (y * y).sum().backward()
        results.append([t.detach().cpu().numpy() for t in (y, x.grad, *(p.grad for p in model.parameters()))])
    for fused, single in zip(*results, strict=True):
        np.testing.assert_allclose(fused, single, rtol=2e-5, atol=2e-5)


def one_by_one(model: nn.Sequential, x: Any) -> Any:
    for module in model:
        x = module(x)
    return x


def test_gradients_of_gradients() -> None:
    tinynet.manual_seed(2)
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2)).double()
    x = tinynet.randn(2, 1, 6, 6, dtype=tinynet.float64, requires_grad=True)
    assert tinynet.autograd.gradcheck(model, (x,))
    assert tinynet.autograd.gradgradcheck(lambda x: model(x) ** 2, (x,))


def test_hooks_see_every_module() -> None:
    """A hook on any of the modules is called with what that module makes."""
    x = tinynet.randn(2, 1, 6, 6)
    for watched, shape in ((0, (2, 2, 4, 4)), (1, (2, 2, 4, 4)), (2, (2, 2, 2, 2))):
        model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2))
        seen = []
        model[watched].register_forward_hook(lambda module, args, output, seen=seen: seen.append(output.shape))
        np.testing.assert_allclose(model(x).detach().numpy(), one_by_one(model, x).detach().numpy(), rtol=1e-6)
        assert seen == [shape, shape]


def test_indices_of_the_pooling() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2, return_indices=True))
    y, indices = model(tinynet.randn(2, 1, 6, 6))
    assert y.shape == indices.shape == (2, 2, 2, 2)
