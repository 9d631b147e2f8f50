"""Averages of weights: against the averages written out, and against PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinynet
from tinynet import nn, optim
from tinynet.optim import swa_utils


def model_at(value: float, device: str = "cpu") -> nn.Module:
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)).to(device)
    for tensor in [*net.parameters(), *net.buffers()]:
        tensor.data.fill_(value)
    return net


@pytest.mark.parametrize(
    "make, expected",
    [
        ({}, 3.0),
        ({"avg_fn": swa_utils.get_ema_avg_fn(0.9)}, 0.9 * (0.9 * 1 + 0.1 * 2) + 0.1 * 6),
        ({"multi_avg_fn": swa_utils.get_ema_multi_avg_fn(0.9)}, 0.9 * (0.9 * 1 + 0.1 * 2) + 0.1 * 6),
        ({"multi_avg_fn": swa_utils.get_swa_multi_avg_fn()}, 3.0),
        ({"avg_fn": lambda average, weight, n: average * n + weight}, (1 * 1 + 2) * 2 + 6),
    ],
    ids=["mean", "ema", "ema-lists", "mean-lists", "own"],
)
def test_averages(make: Any, expected: float, device: str) -> None:
    averaged = swa_utils.AveragedModel(model_at(0.0, device), **make)
    for value in (1.0, 2.0, 6.0):
        averaged.update_parameters(model_at(value, device))
    assert int(averaged.n_averaged) == 3
    for p in averaged.module.parameters():
        np.testing.assert_allclose(p.detach().cpu().numpy(), expected, rtol=1e-6)
    assert averaged.module[1].running_mean.tolist() == [6.0, 6.0]  # type: ignore[index]  # copied
    assert averaged(tinynet.ones(3, 2, device=device)).shape == (3, 2)
    assert "module.0.weight" in averaged.state_dict()


def test_averages_of_buffers_and_errors() -> None:
    averaged = swa_utils.AveragedModel(model_at(0.0), use_buffers=True)
    for value in (1.0, 3.0):
        averaged.update_parameters(model_at(value))
    assert averaged.module[1].running_mean.tolist() == [2.0, 2.0]  # type: ignore[index]
    with pytest.raises(ValueError, match="expected one of them"):
        swa_utils.AveragedModel(model_at(0.0), None, swa_utils.get_swa_avg_fn(), swa_utils.get_swa_multi_avg_fn())
    with pytest.raises(ValueError, match="decay is 2"):
        swa_utils.get_ema_avg_fn(2)


def test_statistics_anew() -> None:
    net = nn.Sequential(nn.BatchNorm1d(2)).eval()
    batches = [tinynet.tensor([[1.0, 0.0], [3.0, 0.0]]), tinynet.tensor([[5.0, 2.0], [7.0, 2.0]])]
    swa_utils.update_bn([(b, None) for b in batches], net)
    assert net[0].running_mean.tolist() == [4.0, 1.0]
    assert net[0].running_var.tolist() == [2.0, 0.0]
    assert net[0].momentum == 0.1
    assert not net.training


def rates(library: Any, **options: Any) -> list[list[float]]:
    params = [library.zeros(1, requires_grad=True) for _ in range(2)]
    optimizer = library.optim.SGD([{"params": params[:1]}, {"params": params[1:], "lr": 0.5}], lr=1.0)
    before = library.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    schedule = library.optim.swa_utils.SWALR(optimizer, **options)
    found = []
    for step in range(8):
        optimizer.step()
        (schedule if step > 2 else before).step()
        found.append([g["lr"] for g in optimizer.param_groups])
    return found


def test_swa_rates() -> None:
    found = rates(tinynet, swa_lr=0.1, anneal_epochs=4, anneal_strategy="linear")
    assert found[2][0] == pytest.approx(0.9**3)
    assert [r[0] for r in found[3:]] == pytest.approx(
        [0.1 + (0.729 - 0.1) * share for share in (0.75, 0.5, 0.25, 0, 0)]
    )
    with pytest.raises(ValueError, match="anneal_strategy is 'sine'"):
        rates(tinynet, swa_lr=0.1, anneal_strategy="sine")
    assert rates(tinynet, swa_lr=[0.1, 0.2], anneal_epochs=0)[-1] == [0.1, 0.2]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "options", [{"swa_lr": 0.05}, {"swa_lr": [0.1, 0.2], "anneal_epochs": 3}, {"swa_lr": 1.0, "anneal_epochs": 0}]
)
def test_swa_rates_are_pytorchs(options: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    for mine, theirs in zip(rates(tinynet, **options), rates(torch, **options)):
        assert mine == pytest.approx(theirs, rel=1e-9)
    assert optim.swa_utils is swa_utils


def test_update_bn_that_fails_leaves_the_model_as_it_was() -> None:
    model = nn.Sequential(nn.BatchNorm1d(2, momentum=0.3)).eval()

    def broken() -> Any:
        yield tinynet.ones(3, 2)
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        swa_utils.update_bn(broken(), model)
    assert model[0].momentum == 0.3
    assert not model.training
