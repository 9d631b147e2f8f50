"""gelu in one pass over memory, in parallel."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..runtime.memory import finish, writable
from . import loops


def gelu(outputs: tuple[Any], x: Any, *, approximate: str = "none") -> None:
    (y,) = outputs
    written = writable(y)
    run = loops.gelu if approximate == "none" else loops.gelu_tanh
    run(np.ascontiguousarray(x).reshape(-1), written.reshape(-1))
    finish(y, written)


def gelu_grad(outputs: tuple[Any], gy: Any, x: Any, *, approximate: str = "none") -> None:
    (gx,) = outputs
    written = writable(gx)
    run = loops.gelu_grad if approximate == "none" else loops.gelu_tanh_grad
    run(np.ascontiguousarray(gy).reshape(-1), np.ascontiguousarray(x).reshape(-1), written.reshape(-1))
    finish(gx, written)
