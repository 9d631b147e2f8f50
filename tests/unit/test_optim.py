"""Optimizers against PyTorch, and the arena they keep their parameters in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinynet
from tinynet import Tensor, nn, optim

pytestmark = pytest.mark.usefixtures("on_device")

CASES: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.2, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "maximize": True}),
    ("Adam", {}),
    ("Adam", {"lr": 0.05, "betas": (0.8, 0.95), "eps": 1e-4, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.05}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.02, "alpha": 0.9, "momentum": 0.5, "weight_decay": 0.1}),
    ("RMSprop", {"lr": 0.02, "centered": True, "momentum": 0.5, "maximize": True}),
    ("Adam", {"lr": 0.05, "amsgrad": True, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.05, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("AdamW", {"lr": 0.05, "amsgrad": True, "maximize": True}),
    ("Adagrad", {}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "initial_accumulator_value": 0.5, "weight_decay": 0.1}),
    ("Adadelta", {}),
    ("Adadelta", {"lr": 0.5, "rho": 0.8, "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    ("Adamax", {}),
    ("Adamax", {"lr": 0.05, "betas": (0.8, 0.95), "weight_decay": 0.1}),
    ("NAdam", {}),
    ("NAdam", {"lr": 0.05, "momentum_decay": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("RAdam", {}),
    ("RAdam", {"lr": 0.05, "betas": (0.8, 0.9), "weight_decay": 0.1, "maximize": True}),
    ("RAdam", {"lr": 0.05, "weight_decay": 0.1, "decoupled_weight_decay": True}),
]


def start() -> list[Any]:
    rng = np.random.default_rng(0)
    shapes = [(3, 4), (5,), (2, 3, 2)]
    return [tinynet.tensor(rng.standard_normal(s), requires_grad=True) for s in shapes]


def loss(params: list[Any]) -> Any:
    a, b, c = params
    return a.sin().sum() + ((b - 1).tanh() ** 2).sum() + (c * 0.5).cos().sum() + a.tanh().sum() * b.tanh().sum()


@pytest.mark.parametrize("name, options", CASES)
def test_twenty_steps_are_torchs(name: str, options: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    ours = start()
    theirs = [torch.tensor(p.detach().cpu().numpy().copy(), requires_grad=True) for p in ours]
    optimizers = getattr(optim, name)(ours, **options), getattr(torch.optim, name)(theirs, **options)
    for params, optimizer in zip((ours, theirs), optimizers):
        for _ in range(20):
            optimizer.zero_grad()
            loss(params).backward()
            optimizer.step()
    for p, q in zip(ours, theirs):
        close = 1e-7 if name == "NAdam" else 1e-9  # PyTorch keeps its product of momenta in float32
        np.testing.assert_allclose(p.detach().cpu().numpy(), q.detach().numpy(), rtol=close, atol=close / 100)


@pytest.mark.parametrize("name, options", [*CASES, ("LBFGS", {"lr": 0.1}), ("Muon", {})])
def test_state_travels_to_pytorch_and_back(name: str, options: dict[str, Any]) -> None:
    """PyTorch's optimizer goes on from our state as ours does, and ours from PyTorch's."""
    torch = pytest.importorskip("torch")
    ours = [p for p in start() if name != "Muon" or p.ndim == 2]
    theirs = [torch.tensor(p.detach().cpu().numpy().copy(), requires_grad=True) for p in ours]

    def steps(params: list[Any], optimizer: Any, count: int) -> None:
        def closure() -> Any:
            optimizer.zero_grad()
            value = sum((p.sin() + (p * 0.5).cos() ** 2).sum() for p in params)
            value.backward()
            return value

        for _ in range(count):
            optimizer.step(closure)

    first, second = getattr(optim, name)(ours, **options), getattr(torch.optim, name)(theirs, **options)
    steps(ours, first, 3)
    steps(theirs, second, 3)
    to_theirs, to_ours = first.state_dict(), second.state_dict()
    state = translate(to_theirs["state"], lambda t: torch.tensor(t.cpu().numpy()))
    groups = [
        {**theirs, **{k: v for k, v in own.items() if k != "params"}}
        for theirs, own in zip(to_ours["param_groups"], to_theirs["param_groups"])
    ]
    resumed_theirs = getattr(torch.optim, name)(theirs, **options)
    resumed_theirs.load_state_dict({"state": state, "param_groups": groups})
    resumed_ours = getattr(optim, name)(ours, **options)
    resumed_ours.load_state_dict(translate(to_ours, lambda t: tinynet.tensor(t.numpy())))
    with torch.no_grad():
        for p, q in zip(ours, theirs):
            q.copy_(torch.tensor(p.detach().cpu().numpy()))
    steps(ours, resumed_ours, 2)
    steps(theirs, resumed_theirs, 2)
    tolerance = 5e-2 if name == "Muon" else 1e-9
    for p, q in zip(ours, theirs):
        np.testing.assert_allclose(p.detach().cpu().numpy(), q.detach().numpy(), rtol=tolerance, atol=tolerance * 0.1)


def translate(value: Any, tensor: Any) -> Any:
    """Nested dictionaries and lists with their tensors converted."""
    if isinstance(value, dict):
        return {k: translate(v, tensor) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(translate(v, tensor) for v in value)
    return tensor(value) if hasattr(value, "numpy") else value


def rosenbrock(p: Any) -> Any:
    return (100 * (p[1:] - p[:-1] ** 2) ** 2 + (1 - p[:-1]) ** 2).sum()


@pytest.mark.parametrize(
    "options",
    [
        {"lr": 0.5, "max_iter": 7},
        {"line_search_fn": "strong_wolfe"},
        {"line_search_fn": "strong_wolfe", "history_size": 3, "max_iter": 8},
        {"line_search_fn": "strong_wolfe", "max_iter": 30, "max_eval": 9},
    ],
)
def test_lbfgs_is_torchs(options: dict[str, Any], device: str) -> None:
    torch = pytest.importorskip("torch")
    values = np.array([-1.2, 1.0, 0.7, -0.3])
    ours = tinynet.tensor(values, device=device, requires_grad=True)
    theirs = torch.tensor(values, requires_grad=True)
    path = []
    for p, optimizer in ((ours, optim.LBFGS([ours], **options)), (theirs, torch.optim.LBFGS([theirs], **options))):

        def closure(p: Any = p, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            value = rosenbrock(p) if "line_search_fn" in options else ((p - 0.3) ** 2).sum() + p.cos().sum()
            value.backward()
            return value

        path.append([float(optimizer.step(closure)) for _ in range(4)])
    np.testing.assert_allclose(path[0], path[1], rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(ours.detach().cpu().numpy(), theirs.detach().numpy(), rtol=1e-6, atol=1e-10)


def test_lbfgs_finds_the_minimum(device: str) -> None:
    p = tinynet.tensor([-1.2, 1.0], dtype=tinynet.float64, device=device, requires_grad=True)
    optimizer = optim.LBFGS([p], line_search_fn="strong_wolfe", max_iter=100, tolerance_change=1e-14)

    def closure() -> Any:
        optimizer.zero_grad()
        value = rosenbrock(p)
        value.backward()
        return value

    optimizer.step(closure)
    np.testing.assert_allclose(p.detach().cpu().numpy(), [1.0, 1.0], atol=1e-6)


@pytest.mark.parametrize("shape", [(3, 4), (6, 2)])
def test_muon_against_numpy(shape: tuple[int, int], device: str) -> None:
    """Two steps with a constant gradient, by the formulas of the paper in NumPy."""
    rng = np.random.default_rng(0)
    w, g = rng.standard_normal(shape), rng.standard_normal(shape)
    p = tinynet.tensor(w, device=device, requires_grad=True)
    optimizer = optim.Muon([p], lr=0.1, weight_decay=0.2, momentum=0.9)
    average = np.zeros(shape)
    for _ in range(2):
        p.grad = tinynet.tensor(g, device=device)
        optimizer.step()
        average = 0.9 * average + 0.1 * g
        x = 0.1 * g + 0.9 * average
        x /= np.linalg.norm(x)
        u, s, v = np.linalg.svd(x, full_matrices=False)
        for _ in range(5):
            s = 3.4445 * s - 4.775 * s**3 + 2.0315 * s**5
        w = w * (1 - 0.1 * 0.2) - 0.1 * np.sqrt(max(1, shape[0] / shape[1])) * (u * s) @ v
    np.testing.assert_allclose(p.detach().cpu().numpy(), w, rtol=1e-9, atol=1e-11)


def test_adam_by_hand() -> None:
    """One step from 1 with gradient 2: both averages are unbiased to 2 and 4, the step is lr * 2 / (2 + eps)."""
    p = tinynet.tensor([1.0], dtype=tinynet.float64, requires_grad=True)
    optimizer = optim.Adam([p], lr=0.1)
    (2 * p).sum().backward()
    optimizer.step()
    assert p.item() == pytest.approx(1 - 0.1 * 2 / (2 + 1e-8), abs=1e-12)


def test_parameters_become_views_of_one_array() -> None:
    model = nn.Linear(3, 2)
    optimizer = optim.Adam(model.parameters())
    model(tinynet.ones(4, 3)).sum().backward()
    optimizer.step()
    (_, arena), *rest = optimizer._arenas
    assert not rest
    assert arena.intact()
    assert model.weight.grad.data_ptr() == Tensor._make(arena.grads).data_ptr()


def test_parameters_begin_where_vectors_do() -> None:
    """On the CPU a vector of 64 bytes that crosses a line of the cache takes twice as long."""
    model = nn.Sequential(nn.Linear(100, 100), nn.Linear(100, 99)).to("cpu")
    optimizer = optim.Adam(model.parameters())
    model(tinynet.ones(4, 100, device="cpu")).sum().backward()
    optimizer.step()
    for p in model.parameters():
        assert p.data_ptr() % 64 == p.grad.data_ptr() % 64 == 0


def test_parameters_without_gradient_stay() -> None:
    a, b, c = start()
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


@pytest.mark.parametrize("name", ["SGD", "Adam", "RMSprop", "Adagrad", "Adadelta", "Adamax", "NAdam", "RAdam"])
def test_state_dict_round_trip(name: str) -> None:
    options = {"momentum": 0.9} if name in ("SGD", "RMSprop") else {}

    def steps(params: list[Any], optimizer: Any, count: int) -> None:
        for _ in range(count):
            optimizer.zero_grad()
            loss(params).backward()
            optimizer.step()

    first = start()
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
    for name in ("Adagrad", "Adadelta", "Adamax", "NAdam", "RAdam", "LBFGS"):
        with pytest.raises(ValueError, match="lr is -1"):
            getattr(optim, name)([p], lr=-1)
    with pytest.raises(ValueError, match="expected matrices"):
        optim.Muon([p])
    with pytest.raises(ValueError, match="line_search_fn is 'wolfe'"):
        optim.LBFGS([p], line_search_fn="wolfe")
    with pytest.raises(ValueError, match="several groups"):
        optim.LBFGS([{"params": [p]}, {"params": [tinynet.ones(1, requires_grad=True)]}])
    with pytest.raises(TypeError, match="needs a closure"):
        optim.LBFGS([p]).step()
    with pytest.raises(ValueError, match="rho is 2"):
        optim.Adadelta([p], rho=2)
    with pytest.raises(ValueError, match="nesterov needs"):
        optim.SGD([p], nesterov=True)


def test_state_by_parameter() -> None:
    a, b = (tinynet.ones(2, requires_grad=True) for _ in range(2))
    optimizer = tinynet.optim.SGD([a, b], lr=0.1, momentum=0.9)
    assert optimizer.state == {}
    a.sum().backward()
    optimizer.step()
    assert list(optimizer.state) == [a]
    assert optimizer.state[a]["step"] == 1
    optimizer.state[a]["momentum_buffer"].zero_()
    assert optimizer.state_dict()["state"][0]["momentum_buffer"].tolist() == [0.0, 0.0]


def test_a_state_brings_its_options(device: str) -> None:
    """The state of an Adam with amsgrad goes into one without; options that do not fit change nothing."""
    p = tinynet.ones(2, device=device, requires_grad=True)
    q = tinynet.ones(2, device=device, requires_grad=True)
    first, second = optim.Adam([p], amsgrad=True), optim.Adam([q])
    for _ in range(2):
        p.grad = tinynet.ones(2, device=device)
        first.step()
    with tinynet.no_grad():
        q.copy_(p)
    state = first.state_dict()
    second.load_state_dict(state)
    for parameter, optimizer in ((p, first), (q, second)):
        parameter.grad = tinynet.full((2,), 0.1, device=device)
        optimizer.step()
    assert q.tolist() == p.tolist()
    assert second.state[q]["max_exp_avg_sq"].tolist() == first.state[p]["max_exp_avg_sq"].tolist()
    state["param_groups"][0]["lr"] = -1.0
    with pytest.raises(ValueError, match="expected at least 0"):
        second.load_state_dict(state)
    assert second.param_groups[0]["lr"] == 1e-3


def test_groups_can_be_given_other_parameters(device: str) -> None:
    """By a new list, or in the list that is there: only what is in a group is updated, and keeps its state."""
    a, b, c = (tinynet.zeros(2, device=device, requires_grad=True) for _ in range(3))
    optimizer = optim.SGD([a, b], lr=1.0, momentum=0.5)

    def step() -> list[float]:
        for p in (a, b, c):
            p.grad = tinynet.ones(2, device=device)
        optimizer.step()
        return [float(p[0]) for p in (a, b, c)]

    assert step() == [-1, -1, 0]
    optimizer.param_groups[0]["params"] = [a, c]
    assert step() == [-2.5, -1, -1]
    optimizer.param_groups[0]["params"].append(b)
    assert step() == [-4.25, -2, -2.5]  # b begins anew


class Momentum(optim.Optimizer):
    """A user's own, as it is written for PyTorch."""

    def __init__(self, params: Any, lr: float = 0.1) -> None:
        super().__init__(params, {"lr": lr})

    @tinynet.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["step"], state["mean"] = 0, tinynet.zeros_like(p)
                state["step"] += 1
                state["mean"].mul_(0.5).add_(p.grad)
                p.add_(state["mean"], alpha=-group["lr"])


def test_an_optimizer_of_ones_own(device: str) -> None:
    p, q, idle = (tinynet.ones(2, device=device, requires_grad=True) for _ in range(3))
    first, second = Momentum([p, idle], lr=1.0), Momentum([q, idle])
    theirs = optim.SGD([r := tinynet.ones(2, device=device, requires_grad=True)], lr=1.0, momentum=0.5)
    for turn in range(4):
        for parameter, optimizer in ((p, first if turn < 2 else second), (r, theirs)):
            parameter = q if optimizer is second else parameter
            parameter.grad = (parameter.detach() * 0.25).clone()
            optimizer.step()
        if turn == 1:
            with tinynet.no_grad():
                q.copy_(p)
            second.load_state_dict(first.state_dict())
            assert second.state[q]["mean"].data_ptr() != first.state[p]["mean"].data_ptr()
    np.testing.assert_allclose(q.detach().cpu().numpy(), r.detach().cpu().numpy(), rtol=1e-6)
    saved = second.state_dict()["state"]
    assert list(saved) == [0]
    assert saved[0]["step"] == 4
