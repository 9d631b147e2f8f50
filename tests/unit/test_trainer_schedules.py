"""Schedules by name: the cosine against PyTorch's, the options, and the classes they are made of."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.unit.test_trainer import make
from tinynet import schedules


def rates(text: str, steps: int, per_epoch: int) -> list[float]:
    optimizer = make().optimizer
    scheduler, every = schedules.create(text, optimizer, steps, per_epoch)
    result = []
    for step in range(1, steps + 1):
        result.append(optimizer.param_groups[0]["lr"])
        if scheduler is not None and (every == "step" or step % per_epoch == 0):
            scheduler.step(*((1.0,) if every == "loss" else ()))
    return result


def test_cosine_is_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=50, eta_min=0.1 * 0.2)
    expected = []
    for _ in range(50):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert rates("cosine:final=0.2", 50, 10) == pytest.approx(expected)


def test_warm_up() -> None:
    values = rates("cosine:warmup=0.4", 20, 10)
    assert values[:5] == pytest.approx([0.02, 0.04, 0.06, 0.08, 0.1])
    assert all(a > b for a, b in pairwise(values[4:]))
    with pytest.raises(ValueError, match="warmup is 20 steps, expected 0 to below the 20 of the run"):
        rates("cosine:warmup=2", 20, 10)


def test_constant() -> None:
    assert rates("constant", 5, 1) == [0.1] * 5


@pytest.mark.parametrize(
    "text, epochs",
    [
        ("step:step_size=2,gamma=0.5", [0.1, 0.1, 0.05, 0.05]),
        ("multistep:milestones=1+3,gamma=0.5", [0.1, 0.05, 0.05, 0.025]),
        ("exponential:gamma=0.5", [0.1, 0.05, 0.025, 0.0125]),
        ("linear:final=0.2", [0.1, 0.08, 0.06, 0.04]),
        ("one-cycle:pct_start=0.5", None),
        ("warm-restarts:T_0=2,T_mult=1", [0.1, 0.05, 0.1, 0.05]),
        ("plateau:factor=0.5,patience=0", [0.1, 0.1, 0.05, 0.025]),
        ("lambda:1/(1+epoch)", [0.1, 0.05, 0.1 / 3, 0.025]),
        ("lambda:1 if epoch < 2 else max(0.3, cos(pi/3)) * 2**-(epoch-2)", [0.1, 0.1, 0.05, 0.025]),
        ("linear:start=0.2,final=1 for 1 then constant", [0.02, 0.1, 0.1, 0.1]),
        ("constant for 1 then exponential:gamma=0.5 for 2 then lambda:epoch+0.5", [0.1, 0.1, 0.05, 0.05]),
    ],
)
def test_rates_at_the_start_of_epochs(text: str, epochs: list[float] | None) -> None:
    values = rates(text, 20, 5)
    if epochs is None:
        assert values[0] == pytest.approx(0.1 / 25)
        assert max(values) == pytest.approx(0.1)
        assert values[-1] < 1e-4
    else:
        assert values[::5] == pytest.approx(epochs)


@pytest.mark.parametrize(
    "text, message",
    [
        ("weekly", "'weekly' is no schedule, expected one of constant, cosine"),
        ("step:size=2", "'size' is no option of the schedule step, which has: step_size, gamma"),
        ("constant:x=1", "which has: none"),
        ("step:step_size=1.5", "step_size is '1.5', expected a whole number"),
        ("lambda:", "'' is no expression: invalid syntax"),
        ("lambda:1/epoch", "'1/epoch' has no value at epoch 0: float division by zero"),
        ("lambda:__import__('os')", r"has '__import__', expected arithmetic of epoch and cos, exp"),
        ("lambda:epoch.real", r"has 'epoch.real', expected arithmetic"),
        ("lambda:[epoch][0]", "expected arithmetic"),
        ("step then cosine", "'step' has no time, expected 'NAME for EPOCHS then ...'"),
        ("step for no then cosine", "'step for no' has no time"),
        ("weekly for 2 then cosine", "'weekly' is no schedule"),
        ("one-cycle for 2 then cosine", "one-cycle cannot be one of several schedules"),
        ("cosine for 2 then plateau", "plateau cannot be one of several schedules"),
        ("multistep:milestones=1+x", r"milestones is '1\+x', expected whole numbers like 3\+8"),
    ],
)
def test_bad_texts(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        schedules.parse(text)


def test_schedules_longer_than_the_run() -> None:
    for text in ("constant for 4 then cosine", "constant for 2 then step for 3 then cosine"):
        with pytest.raises(ValueError, match="is longer than the 4 epochs of the run"):
            rates(text, 20, 5)


@pytest.mark.parametrize(
    "text, message", [("1-epoch", "is -0.2 at epoch 1.2, expected"), ("1/(3-epoch)", "no value at epoch 3")]
)
def test_expressions_must_be_rates_throughout(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rates(f"lambda:{text}", 20, 5)


def test_warm_up_and_cosine_are_one_after_the_other() -> None:
    values = rates("linear:start=0.1,final=1 for 2 then cosine:final=0", 30, 5)
    assert values[:11] == pytest.approx([0.01 + 0.009 * step for step in range(11)])
    assert values[10:] == pytest.approx(rates("cosine:final=0", 20, 5))


@pytest.mark.parametrize("name", schedules.SCHEDULES)
def test_every_schedule_goes_on_from_its_state(name: str) -> None:
    text = {"lambda": "lambda:0.9**epoch"}.get(name, name)
    texts = [text] if name in schedules.ALONE else [text, f"linear:final=0.5 for 1 then {text}"]
    for text in texts:
        optimizer = make().optimizer
        scheduler, every = schedules.create(text, optimizer, 20, 5)
        values, resumed = [], []
        for step in range(20):
            if step == 8:
                other = make().optimizer
                again, _ = schedules.create(text, other, 20, 5)
                other.load_state_dict(optimizer.state_dict())
                again.load_state_dict(scheduler.state_dict())
            scheduler.step(*((1.0,) if every == "loss" else ()))
            values.append(optimizer.param_groups[0]["lr"])
            if step >= 8:
                again.step(*((1.0,) if every == "loss" else ()))
                resumed.append(other.param_groups[0]["lr"])
        assert resumed == values[8:]
