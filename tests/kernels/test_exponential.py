"""The functions for compiled loops, against NumPy's in float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numba import njit

from tinynet_kernels.runtime import exponential

FUNCTIONS = {
    "exp": (exponential.exp, np.exp, 2),
    "sigmoid": (exponential.sigmoid, lambda x: 1 / (1 + np.exp(-x)), 4),
    "tanh": (exponential.tanh, np.tanh, 3),
    "erf": (exponential.erf, np.vectorize(math.erf, otypes=[float]), 8),
}


def compiled(function: Any) -> Any:
    @njit(error_model="numpy", fastmath={"contract"})
    def loop(x: Any, y: Any) -> None:
        for i in range(x.size):
            y[i] = function(x[i])

    return loop


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_within_units_in_the_last_place(name: str, dtype: str) -> None:
    function, exact, units = FUNCTIONS[name]
    magnitudes = np.concatenate([np.geomspace(1e-30, 1e-3, 100), np.linspace(1e-3, 80, 40_001)])
    x = np.concatenate([-magnitudes, [0.0], magnitudes]).astype(dtype)
    y = np.empty_like(x)
    compiled(function)(x, y)
    want = exact(x.astype(np.float64))
    spacing = np.spacing(np.abs(want).astype(dtype)).astype(np.float64)
    assert (np.abs(y - want) / spacing).max() <= units


@pytest.mark.parametrize("name", FUNCTIONS)
def test_ends(name: str) -> None:
    function, _, _ = FUNCTIONS[name]
    x = np.array([-np.inf, np.inf, np.nan, -200, 200], np.float32)
    y = np.empty_like(x)
    compiled(function)(x, y)
    low, high = {"exp": (0, np.inf), "sigmoid": (0, 1), "tanh": (-1, 1), "erf": (-1, 1)}[name]
    np.testing.assert_array_equal(y, [low, high, np.nan, low, high])
