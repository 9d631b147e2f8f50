"""Updates whose learning rate and step number are in the memory of the device, as recorded launches need them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinynet_kernels as kernels
from tests.conftest import NO_CUDA
from tinynet.device import device as Device
from tinynet.device import move

ADAM = {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.01}


def arrays(count: int, device: str = "cuda") -> list[Any]:
    rng = np.random.default_rng(3)
    return [move(np.abs(rng.standard_normal(33)).astype(np.float32), Device(device)) for _ in range(count)]


def words(lr: float, step: int, device: str = "cuda") -> Any:
    return move(np.array([np.float64(lr).view(np.int64), step]), Device(device))


@pytest.mark.skipif(NO_CUDA is not None, reason=str(NO_CUDA))
@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000, 123457])
def test_same_bits(step: int) -> None:
    """For every optimizer, the numbers that a kernel computes are those that the host computes."""
    lr = 0.0123
    results = []
    for given in ({}, {"state": words(lr, step)}):
        own = {"lr": -1.0, "step": 1} if given else {"lr": lr, "step": step}
        first = not given and step == 1
        sgd = {"momentum": 0.9, "dampening": 0.5, "weight_decay": 0.0, "nesterov": False}
        results.append(
            [
                *kernels.adam(*arrays(4), decoupled=False, **ADAM, **own, **given),
                *kernels.adam(*arrays(4), decoupled=True, **ADAM, **own, **given),
                *kernels.sgd(*arrays(3), lr=own["lr"], first_step=first, **sgd, **given),
                *kernels.rmsprop(*arrays(4), lr=own["lr"], alpha=0.9, eps=1e-8, weight_decay=0, momentum=0, **given),
            ]
        )
    for a, b in zip(*results, strict=True):
        assert move(a, Device("cpu")).tobytes() == move(b, Device("cpu")).tobytes()


def test_bad_state(device: str) -> None:
    if device == "cpu":
        with pytest.raises(TypeError, match="state is for updates on CUDA"):
            kernels.adam(*arrays(4, device), lr=1, decoupled=False, step=1, state=words(1, 1, device), **ADAM)
        return
    with pytest.raises(TypeError, match="state has dtype float32, expected int64"):
        kernels.adam(*arrays(4), lr=1, decoupled=False, step=1, state=arrays(1)[0][:2], **ADAM)
    with pytest.raises(ValueError, match=r"state has shape \(1,\), expected \(2,\)"):
        kernels.adam(*arrays(4), lr=1, decoupled=False, step=1, state=words(1, 1)[:1], **ADAM)
