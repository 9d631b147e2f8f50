"""The definitions of gelu and its gradient."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

SLOPE, CUBIC = math.sqrt(2 / math.pi), 0.044715  # of the approximation


def erf(x: Any) -> Any:
    return np.vectorize(math.erf, otypes=[x.dtype])(x)


def gelu(x: Any, *, approximate: str = "none") -> Any:
    if approximate == "none":
        return x * (0.5 + 0.5 * erf(x * math.sqrt(0.5)))
    return x * (0.5 + 0.5 * np.tanh(SLOPE * (x + CUBIC * x**3)))


def gelu_grad(gy: Any, x: Any, *, approximate: str = "none") -> Any:
    if approximate == "none":
        density = np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
        return gy * (0.5 + 0.5 * erf(x * math.sqrt(0.5)) + x * density)
    t = np.tanh(SLOPE * (x + CUBIC * x**3))
    return gy * (0.5 + 0.5 * t + 0.5 * x * (1 - t * t) * SLOPE * (1 + 3 * CUBIC * x * x))
