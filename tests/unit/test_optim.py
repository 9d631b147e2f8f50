"""Optimizers against PyTorch, and the arena they keep their parameters in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinynet
from tinynet import nn, optim

CASES: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.2, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "maximize": True}),
    ("Adam", {}),
    ("Adam", {"lr": 0.05, "betas": (0.8, 0.95), "eps": 1e-4, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.05}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.02, "alpha": 0.9, "momentum": 0.5, "weight_decay": 0.1}),
]


def start(device: str) -> list[Any]:
    rng = np.random.default_rng(0)
    shapes = [(3, 4), (5,), (2, 3, 2)]
    return [tinynet.tensor(rng.standard_normal(s), device=device, requires_grad=True) for s in shapes]


def loss(params: list[Any]) -> Any:
    a, b, c = params
    return a.sin().sum() + ((b - 1).tanh() ** 2).sum() + (c * 0.5).cos().sum() + a.tanh().sum() * b.tanh().sum()


@pytest.mark.parametrize("name, options", CASES)
def test_twenty_steps_are_torchs(name: str, options: dict[str, Any], device: str) -> None:
    torch = pytest.importorskip("torch")
    ours = start(device)
    theirs = [torch.tensor(p.detach().cpu().numpy().copy(), requires_grad=True) for p in ours]
    optimizers = getattr(optim, name)(ours, **options), getattr(torch.optim, name)(theirs, **options)
    for params, optimizer in zip((ours, theirs), optimizers):
        for _ in range(20):
            optimizer.zero_grad()
            loss(params).backward()
            optimizer.step()
    for p, q in zip(ours, theirs):
        np.testing.assert_allclose(p.detach().cpu().numpy(), q.detach().numpy(), rtol=1e-9, atol=1e-11)


def test_adam_by_hand() -> None:
    """One step from 1 with gradient 2: both averages are unbiased to 2 and 4, the step is lr * 2 / (2 + eps)."""
    p = tinynet.tensor([1.0], dtype=tinynet.float64, requires_grad=True)
    optimizer = optim.Adam([p], lr=0.1)
    (2 * p).sum().backward()
    optimizer.step()
    assert p.item() == pytest.approx(1 - 0.1 * 2 / (2 + 1e-8), abs=1e-12)


def test_parameters_become_views_of_one_array(device: str) -> None:
    model = nn.Linear(3, 2).to(device)
    optimizer = optim.Adam(model.parameters())
    model(tinynet.ones(4, 3, device=device)).sum().backward()
    optimizer.step()
    (_, arena), *rest = optimizer._arenas
    assert not rest
    assert arena.intact()
    assert model.weight.grad.data_ptr() == tinynet.from_numpy(arena.grads).data_ptr()


def test_parameters_without_gradient_stay() -> None:
    a, b, c = start("cpu")
    before = b.detach().clone()
    optimizer = optim.Adam([a, b, c], lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        ((a * a).sum() + (c * c).sum()).backward()
        optimizer.step()
    assert tinynet.equal(b.detach(), before)
    assert b.grad is None
    assert set(optimizer.state_dict()["state"]) == {0, 2}


def test_assigned_gradient_is_used() -> None:
    p = tinynet.tensor([1.0, 2.0], requires_grad=True)
    optimizer = optim.SGD([p], lr=1.0)
    p.grad = tinynet.tensor([0.5, -0.5])
    optimizer.step()
    assert p.tolist() == [0.5, 2.5]


def test_state_survives_a_move() -> None:
    p = tinynet.tensor([1.0, 2.0], requires_grad=True)
    q = tinynet.tensor([1.0, 2.0], requires_grad=True)
    optimizers = [optim.Adam([t], lr=0.1) for t in (p, q)]
    for step in range(4):
        if step == 2:
            q.data = q.data.clone()  # away from the arena
        for t, optimizer in zip((p, q), optimizers):
            optimizer.zero_grad()
            (t * t).sum().backward()
            optimizer.step()
    assert tinynet.equal(p.detach(), q.detach())


@pytest.mark.parametrize("name", ["SGD", "Adam", "RMSprop"])
def test_state_dict_round_trip(name: str) -> None:
    options = {"momentum": 0.9} if name != "Adam" else {}

    def steps(params: list[Any], optimizer: Any, count: int) -> None:
        for _ in range(count):
            optimizer.zero_grad()
            loss(params).backward()
            optimizer.step()

    first = start("cpu")
    optimizer = getattr(optim, name)(first, lr=0.01, **options)
    steps(first, optimizer, 3)
    second = [p.detach().clone().requires_grad_() for p in first]
    resumed = getattr(optim, name)(second, lr=0.5, **options)
    resumed.load_state_dict(optimizer.state_dict())
    steps(first, optimizer, 3)
    steps(second, resumed, 3)
    for p, q in zip(first, second):
        assert tinynet.equal(p.detach(), q.detach())


def test_errors() -> None:
    p = tinynet.ones(2, requires_grad=True)
    with pytest.raises(ValueError, match="params is empty"):
        optim.SGD([])
    with pytest.raises(TypeError, match="params is a Tensor"):
        optim.SGD(p)
    with pytest.raises(ValueError, match="a tensor twice"):
        optim.SGD([p, p])
    with pytest.raises(ValueError, match="expected leaves"):
        optim.SGD([p * 2])
    with pytest.raises(ValueError, match="lr is -1"):
        optim.Adam([p], lr=-1)
    with pytest.raises(ValueError, match="betas is"):
        optim.Adam([p], betas=(0.9, 1.0))
    with pytest.raises(ValueError, match="nesterov needs"):
        optim.SGD([p], nesterov=True)
