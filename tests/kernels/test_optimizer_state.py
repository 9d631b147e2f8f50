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


def words(lr: float, step: int, momentum: float = 0.0, device: str = "cuda") -> Any:
    bits = np.array([lr, momentum]).view(np.int64)
    return move(np.array([bits[0], step, bits[1]]), Device(device))


@pytest.mark.skipif(NO_CUDA is not None, reason=str(NO_CUDA))
@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000, 123457])
def test_same_bits(step: int) -> None:
    """For every optimizer, the numbers that a kernel computes are those that the host computes."""
    lr = 0.0123
    results = []
    for in_memory in (False, True):  # where other numbers are given, which must not count
        given = {"state": words(lr, step, 0.9)} if in_memory else {}
        own = {"lr": -1.0, "step": 1} if in_memory else {"lr": lr, "step": step}
        momentum = 0.3 if in_memory else 0.9
        adam = ADAM | {"beta1": momentum}
        first = not in_memory and step == 1
        sgd = {"momentum": momentum, "dampening": 0.5, "weight_decay": 0.0, "nesterov": False}
        results.append(
            [
                *kernels.adam(*arrays(4), decoupled=False, **adam, **own, **given),
                *kernels.adam(*arrays(4), decoupled=True, **adam, **own, **given),
                *kernels.sgd(*arrays(3), lr=own["lr"], first_step=first, **sgd, **given),
                *kernels.rmsprop(
                    *arrays(4), lr=own["lr"], alpha=0.9, eps=1e-8, weight_decay=0, momentum=momentum, **given
                ),
            ]
        )
    for a, b in zip(*results, strict=True):
        assert move(a, Device("cpu")).tobytes() == move(b, Device("cpu")).tobytes()


@pytest.mark.skipif(NO_CUDA is not None, reason=str(NO_CUDA))
def test_skip() -> None:
    """A skipped update changes nothing and counts; those before are taken from the step's number."""
    skip = move(np.array([1, 2]), Device("cuda"))
    options = ADAM | {"lr": 0.1, "decoupled": False, "step": 1}
    given, own = arrays(4), arrays(4)
    kernels.adam(*given, **options, state=words(0.1, 7, 0.9), skip=skip, out=(given[0], *given[2:]))
    assert [move(a, Device("cpu")).tolist() for a in given] == [move(a, Device("cpu")).tolist() for a in own]
    assert move(skip, Device("cpu")).tolist() == [1, 3]
    skip[0] = 0
    found = kernels.adam(*given, **options, state=words(0.1, 7, 0.9), skip=skip)
    wanted = kernels.adam(*own, **options | {"step": 4})
    assert [move(a, Device("cpu")).tobytes() for a in found] == [move(a, Device("cpu")).tobytes() for a in wanted]
    assert move(skip, Device("cpu")).tolist() == [0, 3]
    for name, count, further in (
        ("sgd", 3, {"momentum": 0.9, "dampening": 0.0, "weight_decay": 0.1, "nesterov": False, "first_step": False}),
        ("adam", 4, options),
        ("rmsprop", 4, {"alpha": 0.9, "eps": 1e-8, "weight_decay": 0.1, "momentum": 0.9}),
    ):
        skip[0] = 1
        param, grad, *rest = arrays(count)
        results = getattr(kernels, name)(
            param, grad, *rest, **{"lr": 0.1} | further, state=words(0.1, 7, 0.9), skip=skip
        )  # fresh memory
        for a, b in zip(results, (param, *rest), strict=True):
            np.testing.assert_array_equal(move(a, Device("cpu")), move(b, Device("cpu")))
    with pytest.raises(TypeError, match="skip is for updates with a state"):
        kernels.adam(*own, **options, skip=skip)


def test_bad_state(device: str) -> None:
    if device == "cpu":
        with pytest.raises(TypeError, match="state is for updates on CUDA"):
            kernels.adam(*arrays(4, device), lr=1, decoupled=False, step=1, state=words(1, 1, device=device), **ADAM)
        return
    with pytest.raises(TypeError, match="state has dtype float32, expected int64"):
        kernels.adam(*arrays(4), lr=1, decoupled=False, step=1, state=arrays(1)[0][:2], **ADAM)
    with pytest.raises(ValueError, match=r"state has shape \(1,\), expected \(3,\)"):
        kernels.adam(*arrays(4), lr=1, decoupled=False, step=1, state=words(1, 1)[:1], **ADAM)
