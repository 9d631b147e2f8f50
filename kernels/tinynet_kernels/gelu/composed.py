"""gelu of the array module's functions, for CUDA."""

from __future__ import annotations

import math
from typing import Any

from ..runtime.cuda import SIMULATED, module
from . import reference
from .reference import CUBIC, SLOPE


def _erf(x: Any) -> Any:
    if SIMULATED:
        return reference.erf(x).view(type(x))
    from cupyx.scipy import special

    return special.erf(x)


def gelu(outputs: Any, x: Any, *, approximate: str = "none") -> None:
    m = module()
    inner = _erf(x * math.sqrt(0.5)) if approximate == "none" else m.tanh(SLOPE * (x + CUBIC * (x * x * x)))
    m.multiply(x, 0.5 + 0.5 * inner, out=outputs[0])


def gelu_grad(outputs: Any, gy: Any, x: Any, *, approximate: str = "none") -> None:
    m = module()
    if approximate == "none":
        slope = 0.5 + 0.5 * _erf(x * math.sqrt(0.5)) + x * (m.exp(-0.5 * x * x) / math.sqrt(2 * math.pi))
    else:
        t = m.tanh(SLOPE * (x + CUBIC * (x * x * x)))
        slope = 0.5 + 0.5 * t + 0.5 * x * (1 - t * t) * SLOPE * (1 + 3 * CUBIC * x * x)
    m.multiply(gy, slope, out=outputs[0])
