"""On the CPU, denormal numbers, with which it computes a hundred times as slowly, do not gather in an optimizer's state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinynet_kernels as kernels

TINY = np.finfo(np.float32).tiny
ADAM = {"lr": 1e-3, "beta1": 0.9, "beta2": 0.9, "eps": 1e-8, "weight_decay": 0.0, "decoupled": False, "step": 5}
SGD = {"lr": 1e-3, "momentum": 0.9, "dampening": 0.0, "weight_decay": 0.0, "nesterov": False, "first_step": False}
RMSPROP = {"lr": 1e-3, "alpha": 0.9, "eps": 1e-8, "weight_decay": 0.0, "momentum": 0.9}
UPDATES: dict[str, Callable[[Any, Any, Any], tuple[Any, ...]]] = {
    "sgd": lambda p, g, mean: kernels.sgd(p, g, mean, **SGD),
    "adam": lambda p, g, mean: kernels.adam(p, g, mean, mean.copy(), **ADAM),
    "rmsprop": lambda p, g, mean: kernels.rmsprop(p, g, mean, np.zeros_like(p), **RMSPROP),
}


@pytest.mark.parametrize("update", UPDATES.values(), ids=UPDATES)
def test_means_fade_to_zero(update: Callable[[Any, Any, Any], tuple[Any, ...]]) -> None:
    ones, zeros = np.ones(99, np.float32), np.zeros(99, np.float32)
    for state in update(ones, zeros, ones * TINY)[1:]:
        assert not state.any()
    for state in update(ones, zeros, ones * 2 * TINY)[1:]:
        np.testing.assert_allclose(state[state != 0], 1.8 * TINY, rtol=1e-6)
    assert update(ones, zeros, ones * 2 * TINY)[1].all()


@pytest.mark.parametrize("name, which", [("adam", 2), ("rmsprop", 1)])
def test_small_squares_are_zero(name: str, which: int) -> None:
    """0.1 g**2 is denormal for the first of these gradients, and would be for the second, if its square were not zero."""
    ones, zeros = np.ones(99, np.float32), np.zeros(99, np.float32)
    for g in (2e-19, 1e-19, -1e-20):
        assert not UPDATES[name](ones, g * ones, zeros)[which].any()
    np.testing.assert_allclose(UPDATES[name](ones, -1e-18 * ones, zeros)[which], 1e-37, rtol=1e-6)


@pytest.mark.parametrize("update", UPDATES.values(), ids=UPDATES)
def test_nan_stays(update: Callable[[Any, Any, Any], tuple[Any, ...]]) -> None:
    ones = np.ones(99, np.float32)
    for result in update(ones, ones * np.nan, ones)[:2]:
        assert np.isnan(result).all()
