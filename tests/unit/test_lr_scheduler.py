"""The learning-rate schedules: against values computed by hand, and against PyTorch's where it is installed."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

import tinynet
from tinynet import optim
from tinynet.checkpoint import load_state, save_state
from tinynet.optim import lr_scheduler as ours

Make = Callable[[Any, Any], Any]  # (module lr_scheduler, optimizer) -> schedule

CASES: dict[str, Make] = {
    "lambda": lambda m, o: m.LambdaLR(o, [lambda n: 0.9**n, lambda n: 1 / (1 + n)]),
    "multiplicative": lambda m, o: m.MultiplicativeLR(o, [lambda n: 0.9, lambda n: 1 / (1 + n)]),
    "step": lambda m, o: m.StepLR(o, 3, 0.5),
    "multistep": lambda m, o: m.MultiStepLR(o, [2, 2, 7], 0.5),
    "multistep-0": lambda m, o: m.MultiStepLR(o, [0, 4]),
    "constant": lambda m, o: m.ConstantLR(o),
    "constant-4": lambda m, o: m.ConstantLR(o, 0.5, 4),
    "linear": lambda m, o: m.LinearLR(o),
    "linear-down": lambda m, o: m.LinearLR(o, 1.0, 0.1, 7),
    "polynomial": lambda m, o: m.PolynomialLR(o, 8, 2.0),
    "exponential": lambda m, o: m.ExponentialLR(o, 0.8),
    "cosine": lambda m, o: m.CosineAnnealingLR(o, 6, 0.01),
    "cosine-1": lambda m, o: m.CosineAnnealingLR(o, 1),
    "restarts": lambda m, o: m.CosineAnnealingWarmRestarts(o, 3, 2, 0.001),
    "restarts-1": lambda m, o: m.CosineAnnealingWarmRestarts(o, 4),
    "one-cycle": lambda m, o: m.OneCycleLR(o, [0.4, 0.2], 30),
    "one-cycle-linear": lambda m, o: m.OneCycleLR(o, 0.4, epochs=6, steps_per_epoch=5, anneal_strategy="linear"),
    "one-cycle-3": lambda m, o: m.OneCycleLR(
        o, 0.4, 30, three_phase=True, pct_start=0.4, base_momentum=[0.8, 0.7], max_momentum=0.9, div_factor=10.0
    ),
    "one-cycle-rates-only": lambda m, o: m.OneCycleLR(o, 0.4, 30, cycle_momentum=False, final_div_factor=100.0),
    "cyclic": lambda m, o: m.CyclicLR(o, 0.01, 0.2, 4),
    "cyclic-2": lambda m, o: m.CyclicLR(o, [0.01, 0.1], [0.2, 0.3], 3, 5, "triangular2", base_momentum=0.7),
    "cyclic-exp": lambda m, o: m.CyclicLR(o, 0.01, 0.2, 4, mode="exp_range", gamma=0.9, cycle_momentum=False),
    "cyclic-own": lambda m, o: m.CyclicLR(o, 0.01, 0.2, 4, scale_fn=lambda n: 1 / n, scale_mode="cycle"),
    "chained": lambda m, o: m.ChainedScheduler([m.LinearLR(o, 0.2, 1.0, 5), m.ExponentialLR(o, 0.9)]),
    "sequence": lambda m, o: m.SequentialLR(
        o,
        [m.LinearLR(o, 0.1, 1.0, 4), m.CosineAnnealingLR(o, 6), m.CosineAnnealingWarmRestarts(o, 2), m.StepLR(o, 3)],
        [4, 10, 15],
    ),
    "sequence-at-once": lambda m, o: m.SequentialLR(o, [m.ConstantLR(o), m.ExponentialLR(o, 0.5)], [1]),
    "composed": lambda m, o: [m.LinearLR(o, 0.2, 1.0, 5), m.ExponentialLR(o, 0.9), m.CosineAnnealingLR(o, 9)],
}


def optimizer_of(library: Any, kind: str = "SGD") -> Any:
    """Two groups, of the rates 0.1 and 0.03."""
    a, b = (library.zeros(2, requires_grad=True) for _ in range(2))
    optimizer = getattr(library.optim, kind)([{"params": [a]}, {"params": [b], "lr": 0.03}], lr=0.1)
    optimizer.step()
    return optimizer


def settings(optimizer: Any) -> list[float]:
    """The rates and momenta of all groups."""
    values = [g["lr"] for g in optimizer.param_groups]
    return values + [g["betas"][0] if "betas" in g else g["momentum"] for g in optimizer.param_groups]


def advance(schedule: Any) -> None:
    for one in schedule if isinstance(schedule, list) else [schedule]:
        one.step()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["SGD", "Adam"])
@pytest.mark.parametrize("name", CASES)
def test_as_pytorchs(name: str, kind: str) -> None:
    torch = pytest.importorskip("torch")
    mine, theirs = optimizer_of(tinynet, kind), optimizer_of(torch, kind)
    a, b = CASES[name](ours, mine), CASES[name](torch.optim.lr_scheduler, theirs)
    for step in range(30):
        assert settings(mine) == pytest.approx(settings(theirs), rel=1e-9, abs=1e-15), f"step {step}"
        if not isinstance(a, list):
            assert a.get_last_lr() == pytest.approx(b.get_last_lr(), rel=1e-9, abs=1e-15)
        advance(a)
        advance(b)


@pytest.mark.parametrize("name", CASES)
def test_goes_on_from_a_saved_state(name: str, tmp_path: Any) -> None:
    optimizer = optimizer_of(tinynet)
    schedule = CASES[name](ours, optimizer)
    if isinstance(schedule, list):
        schedule = schedule[0]
    for _ in range(11):
        schedule.step()
    save_state({"optimizer": optimizer.state_dict(), "schedule": schedule.state_dict()}, tmp_path / "state")
    saved = load_state(tmp_path / "state")
    other = optimizer_of(tinynet)
    again = CASES[name](ours, other)
    again = again[0] if isinstance(again, list) else again
    other.load_state_dict(saved["optimizer"])
    again.load_state_dict(saved["schedule"])
    for _ in range(12):
        assert settings(other) == settings(optimizer)
        schedule.step()
        again.step()
    assert again.get_last_lr() == schedule.get_last_lr()


def rates(make: Make, steps: int) -> list[float]:
    optimizer = optimizer_of(tinynet)
    schedule = make(ours, optimizer)
    result = []
    for _ in range(steps):
        result.append(optimizer.param_groups[0]["lr"])
        schedule.step()
    return result


@pytest.mark.parametrize(
    "make, expected",
    [
        (lambda m, o: m.StepLR(o, 2), [0.1, 0.1, 0.01, 0.01, 0.001]),
        (lambda m, o: m.MultiStepLR(o, [1, 3], 0.5), [0.1, 0.05, 0.05, 0.025, 0.025]),
        (lambda m, o: m.ExponentialLR(o, 0.5), [0.1, 0.05, 0.025, 0.0125]),
        (lambda m, o: m.LambdaLR(o, lambda n: 2.0 * n), [0.0, 0.2, 0.4, 0.6]),
        (lambda m, o: m.LinearLR(o, 0.5, 1.0, 2), [0.05, 0.075, 0.1, 0.1]),
        (lambda m, o: m.ConstantLR(o, 0.5, 2), [0.05, 0.05, 0.1, 0.1]),
        (lambda m, o: m.PolynomialLR(o, 4), [0.1, 0.075, 0.05, 0.025, 0.0, 0.0]),
        (lambda m, o: m.CosineAnnealingLR(o, 4), [0.1, 0.05 * (1 + math.sqrt(0.5)), 0.05]),
        (lambda m, o: m.CosineAnnealingLR(o, 2, 0.02), [0.1, 0.06, 0.02, 0.06, 0.1, 0.06]),
        (lambda m, o: m.CosineAnnealingWarmRestarts(o, 2, 2), [0.1, 0.05, 0.1, 0.05 * (1 + math.sqrt(0.5)), 0.05]),
        (
            lambda m, o: m.OneCycleLR(o, 1.0, 5, pct_start=0.6, anneal_strategy="linear", final_div_factor=4.0),
            [0.04, 0.52, 1.0, 0.505, 0.01],
        ),
        (lambda m, o: m.OneCycleLR(o, 1.0, 2, pct_start=0.5), [1.0, 4e-6]),
        (lambda m, o: m.SequentialLR(o, [m.ConstantLR(o, 0.1), m.StepLR(o, 1)], [2]), [0.01, 0.01, 0.1, 0.01]),
    ],
)
def test_by_hand(make: Make, expected: list[float]) -> None:
    assert rates(make, len(expected)) == pytest.approx(expected, abs=1e-12)


def test_one_cycle_moves_momentum_the_other_way() -> None:
    optimizer = optimizer_of(tinynet, "Adam")
    schedule = ours.OneCycleLR(optimizer, 1.0, 11, pct_start=0.5)
    betas = []
    for _ in range(11):
        betas.append(optimizer.param_groups[0]["betas"])
        schedule.step()
    assert betas[0] == (0.95, 0.999)
    assert min(b for b, _ in betas) < 0.86
    assert betas[-1] == pytest.approx((0.95, 0.999))
    with pytest.raises(ValueError, match="step 12 is after the end of a cycle of 11 steps"):
        schedule.step()


@pytest.mark.parametrize(
    "options, values",
    [
        ({}, [3, 2, 2, 2, 2, 2, 1, 2]),
        ({"mode": "max", "threshold": 0.1}, [3, 3.2, 3.31, 3.5, 3.6, 3.7, 4, 3]),
        ({"threshold_mode": "abs", "threshold": 0.5, "cooldown": 2}, [3, 2.6, 2.4, 2.3, 2.2, 2.1, 2, 2, 2, 2]),
        ({"mode": "max", "threshold_mode": "abs", "threshold": 1, "min_lr": [0.02, 0.001]}, [1, 1, 1, 1, 1, 1, 1, 1]),
        ({"eps": 1.0}, [1, 1, 1, 1, 1]),
        ({}, [math.nan, math.nan, 1, 1, 1]),
    ],
)
def test_plateau_as_pytorchs(options: dict[str, Any], values: list[float]) -> None:
    torch = pytest.importorskip("torch")
    mine, theirs = optimizer_of(tinynet), optimizer_of(torch)
    a = ours.ReduceLROnPlateau(mine, factor=0.5, patience=1, **options)
    b = torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, factor=0.5, patience=1, **options)
    for value in values:
        a.step(tinynet.tensor(value, dtype=tinynet.float64))
        b.step(value)
        assert a.get_last_lr() == pytest.approx(b.get_last_lr())
        assert (a.num_bad_epochs, a.best, a.cooldown_counter) == (b.num_bad_epochs, b.best, b.cooldown_counter)


def test_plateau_by_hand() -> None:
    optimizer = optimizer_of(tinynet)
    schedule = ours.ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
    seen = []
    for loss in (1.0, 0.9, 0.9, 0.9, 0.9, 0.9, 0.5, 0.5):
        schedule.step(loss)
        seen.append(optimizer.param_groups[0]["lr"])
    assert seen == [0.1, 0.1, 0.1, 0.05, 0.05, 0.025, 0.025, 0.025]


@pytest.mark.parametrize("at, share", [(0.5, 1 / 4), (3.0, 1 / 4), (7.0, 1 / 8)])  # cycles of 2, 4 and 8 steps
def test_positions_of_warm_restarts(at: float, share: float) -> None:
    optimizer = optimizer_of(tinynet)
    ours.CosineAnnealingWarmRestarts(optimizer, 2, 2).step(at)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.05 * (1 + math.cos(math.pi * share)))


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda o: ours.StepLR(o, 0), "step_size is 0, expected an integer of at least 1"),
        (lambda o: ours.LinearLR(o, 0.0), "start_factor is 0.0, expected above 0 and at most 1"),
        (lambda o: ours.LinearLR(o, end_factor=1.5), "end_factor is 1.5, expected 0 to 1"),
        (lambda o: ours.ConstantLR(o, 2.0), "factor is 2.0"),
        (lambda o: ours.CosineAnnealingWarmRestarts(o, 2, 0), "T_mult is 0"),
        (lambda o: ours.OneCycleLR(o, 1.0), "total_steps is missing, or epochs and steps_per_epoch"),
        (lambda o: ours.OneCycleLR(o, 1.0, 9, pct_start=2.0), "pct_start is 2.0, expected 0 to 1"),
        (lambda o: ours.OneCycleLR(o, 1.0, 9, anneal_strategy="sin"), "anneal_strategy is 'sin'"),
        (lambda o: ours.OneCycleLR(o, [1.0], 9), "max_lr has 1 entries, expected one for each of the 2"),
        (lambda o: ours.LambdaLR(o, [abs]), "lr_lambda has 1 entries"),
        (lambda o: ours.ReduceLROnPlateau(o, "lowest"), "mode is 'lowest', expected 'min' or 'max'"),
        (lambda o: ours.ReduceLROnPlateau(o, factor=1.0), "factor is 1.0, expected below 1"),
        (lambda o: ours.SequentialLR(o, [ours.StepLR(o, 1)], [3]), "schedulers has 1 entries and milestones 1"),
        (lambda o: ours.SequentialLR(o, [ours.ReduceLROnPlateau(o)], []), r"schedulers\[0\] is a ReduceLROnPlateau"),
        (lambda o: ours.SequentialLR(o, [ours.StepLR(optimizer_of(tinynet), 1)], []), r"schedulers\[0\] is a StepLR"),
    ],
)
def test_bad_arguments(make: Callable[[Any], Any], message: str) -> None:
    optimizer = optimizer_of(tinynet)
    with pytest.raises(ValueError, match=message):
        make(optimizer)
    assert [g["lr"] for g in optimizer.param_groups] == [0.1, 0.03]


def test_needs_an_optimizer() -> None:
    with pytest.raises(TypeError, match="optimizer is a list, expected an Optimizer"):
        ours.StepLR([], 1)  # type: ignore[arg-type]
    with pytest.raises(KeyError, match="initial_lr"):
        ours.StepLR(optim.SGD([tinynet.zeros(1)]), 1, last_epoch=3)


def test_the_base_by_its_older_name() -> None:
    from tinynet.optim.lr_scheduler import _LRScheduler

    assert _LRScheduler is ours.LRScheduler
