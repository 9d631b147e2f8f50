"""Random numbers whose position is partly in memory, as recorded launches need it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinynet_kernels as kernels
from tinynet.device import device as Device
from tinynet.device import move
from tinynet_kernels.random import reference


def on(device: str, array: Any) -> Any:
    return move(array, Device(device))


@pytest.mark.parametrize("seed, offset", [(5, 9), (2**64 - 3, 2**33)])
def test_state_is_added(device: str, seed: int, offset: int) -> None:
    state = on(device, np.array([seed - 3, offset], np.uint64).view(np.int64))
    for draw in (kernels.philox_uniform, kernels.philox_normal):
        moved, plain = (on(device, np.zeros(37, np.float32)) for _ in range(2))
        draw(moved, seed=3, offset=2, state=state)
        draw(plain, seed=seed, offset=offset + 2)
        assert move(moved, Device("cpu")).tobytes() == move(plain, Device("cpu")).tobytes()
    x = on(device, np.ones(41, np.float32))
    masked = kernels.dropout(x, p=0.5, seed=3, offset=2, state=state)
    plain = kernels.dropout(x, p=0.5, seed=seed, offset=offset + 2)
    assert 5 < int((move(masked, Device("cpu")) == 0).sum()) < 36
    assert move(masked, Device("cpu")).tobytes() == move(plain, Device("cpu")).tobytes()


def test_bad_state(device: str) -> None:
    x = on(device, np.ones(4, np.float32))
    with pytest.raises(TypeError, match="state has dtype float32, expected int64"):
        kernels.dropout(x, p=0.5, seed=0, offset=0, state=on(device, np.ones(2, np.float32)))
    with pytest.raises(ValueError, match=r"state has shape \(3,\), expected \(2,\)"):
        kernels.dropout(x, p=0.5, seed=0, offset=0, state=on(device, np.ones(3, np.int64)))


def test_normal_numbers_are_accurate(device: str) -> None:
    """Of sines and cosines near their zeros too on CUDA, where angles are reduced without rounding."""
    found = move(kernels.philox_normal(on(device, np.empty(4001, np.float32)), seed=11, offset=5), Device("cpu"))
    exact = reference.philox_normal(np.empty(4001, np.float64), seed=11, offset=5)
    bounds = {"rtol": 1e-6, "atol": 0} if device == "cuda" else {"rtol": 0, "atol": 4e-6}
    np.testing.assert_allclose(found, exact, **bounds)
