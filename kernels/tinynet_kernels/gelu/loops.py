"""The compiled loops of `gelu`. The slope of x * s(x) is s + x * s'."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from ..runtime.compiled import for_each, once, parallel, span
from ..runtime.exponential import erf, exp, sigmoid
from .reference import CUBIC, SLOPE

PIECE = 1 << 13  # elements of a piece of work
ROOT, DENSITY = math.sqrt(0.5), 1 / math.sqrt(2 * math.pi)

_once: Any = partial(once, error_model="numpy", fastmath={"contract"})


@_once
def _gelu(piece: int, x: Any, y: Any) -> None:
    half, root = x.dtype.type(0.5), x.dtype.type(ROOT)
    for i in range(*span(piece, PIECE, x.size)):
        y[i] = x[i] * (half + half * erf(x[i] * root))


@_once
def _gelu_grad(piece: int, gy: Any, x: Any, gx: Any) -> None:
    half, root, density = x.dtype.type(0.5), x.dtype.type(ROOT), x.dtype.type(DENSITY)
    for i in range(*span(piece, PIECE, x.size)):
        v = x[i]
        gx[i] = gy[i] * (half + half * erf(v * root) + v * density * exp(-half * v * v))


@_once
def _gelu_tanh(piece: int, x: Any, y: Any) -> None:
    one, slope, cubic = x.dtype.type(1), x.dtype.type(2 * SLOPE), x.dtype.type(CUBIC)
    for i in range(*span(piece, PIECE, x.size)):
        v = x[i]
        y[i] = v * sigmoid(slope * v * (one + cubic * v * v))


@_once
def _gelu_tanh_grad(piece: int, gy: Any, x: Any, gx: Any) -> None:
    one, slope, cubic, three = x.dtype.type(1), x.dtype.type(2 * SLOPE), x.dtype.type(CUBIC), x.dtype.type(3)
    for i in range(*span(piece, PIECE, x.size)):
        v = x[i]
        s = sigmoid(slope * v * (one + cubic * v * v))
        gx[i] = gy[i] * (s + v * s * (one - s) * slope * (one + three * cubic * v * v))


@parallel
def gelu(x: Any, y: Any) -> None:
    """All arrays are flat."""
    for_each((x.size + PIECE - 1) // PIECE, _gelu, x, y)


@parallel
def gelu_grad(gy: Any, x: Any, gx: Any) -> None:
    for_each((x.size + PIECE - 1) // PIECE, _gelu_grad, gy, x, gx)


@parallel
def gelu_tanh(x: Any, y: Any) -> None:
    for_each((x.size + PIECE - 1) // PIECE, _gelu_tanh, x, y)


@parallel
def gelu_tanh_grad(gy: Any, x: Any, gx: Any) -> None:
    for_each((x.size + PIECE - 1) // PIECE, _gelu_tanh_grad, gy, x, gx)
