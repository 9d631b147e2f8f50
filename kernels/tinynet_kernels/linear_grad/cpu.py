"""All gradients of a small dense layer in one compiled call: there, four calls cost as much as what they compute."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..matmul.cpu import FEW, THREADS, lies_well
from ..runtime.memory import empty
from ..runtime.simd import REGISTER
from . import composed


def linear_grad(
    outputs: Any, gy: Any, x: Any, w: Any, y: Any, *, activation: str | None = None, input_grad: bool = True
) -> None:
    gw, gb, *rest = outputs
    arrays = (gy, x, w, y, *outputs)
    if max(x.shape[0], w.shape[0]) > FEW or not (
        lies_well(x) and lies_well(w) and all([a.flags.c_contiguous for a in arrays])
    ):
        composed.linear_grad(outputs, gy, x, w, y, activation=activation, input_grad=input_grad)
        return
    from . import loops

    gx = rest[0] if rest else np.empty((0, 0), gy.dtype)
    relu = activation == "relu"
    scratch = empty(((1 + relu) * gy.size,), gy.dtype)
    loops.gradients(gy, y, relu, x, w, scratch, gw, gb, gx, REGISTER // gy.itemsize, THREADS)
