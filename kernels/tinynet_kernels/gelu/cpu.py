"""gelu in one pass over memory, in parallel."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import loops


def gelu(outputs: tuple[Any], x: Any, *, approximate: str = "none") -> None:
    (y,) = outputs
    result = y if y.flags.c_contiguous else np.empty(y.shape, y.dtype)
    run = loops.gelu if approximate == "none" else loops.gelu_tanh
    run(np.ascontiguousarray(x).reshape(-1), result.reshape(-1))
    if result is not y:
        y[...] = result


def gelu_grad(outputs: tuple[Any], gy: Any, x: Any, *, approximate: str = "none") -> None:
    (gx,) = outputs
    result = gx if gx.flags.c_contiguous else np.empty(gx.shape, gx.dtype)
    run = loops.gelu_grad if approximate == "none" else loops.gelu_tanh_grad
    run(np.ascontiguousarray(gy).reshape(-1), np.ascontiguousarray(x).reshape(-1), result.reshape(-1))
    if result is not gx:
        gx[...] = result
