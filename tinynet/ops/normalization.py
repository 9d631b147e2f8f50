"""Standardising: to mean 0 and variance 1, or to mean square 1, over some dimensions."""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..autograd import Op, is_grad_enabled
from ..device import xp
from ..grad_mode import _mode
from ..tensor import Tensor
from .elementwise import cast
from .reduction import mean


class Standardise(Op):
    """(x - mean) * rsqrt(mean((x - mean)**2) + eps) over `axes`; the mean counts as 0 unless `centre`."""

    saves = (0,)

    @staticmethod
    def forward(ctx: Any, x: Any, axes: tuple[int, ...], eps: float, centre: bool) -> Any:
        if centre:
            x = x - x.mean(axis=axes, keepdims=True)
        ctx.scale = 1 / xp(x).sqrt((x * x).mean(axis=axes, keepdims=True) + x.dtype.type(eps))
        ctx.axes, ctx.eps, ctx.centre = axes, eps, centre
        return x * ctx.scale

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        x, axes = ctx.input(0), ctx.axes
        centred = x - mean(x, axes, True) if ctx.centre else x
        if is_grad_enabled():  # the scale as a function of x, so that this can be differentiated again
            scale = (mean(centred * centred, axes, True) + ctx.eps) ** -0.5
        else:
            scale = Tensor._make(ctx.scale)
        normalised = centred * scale
        gx = gy - normalised * mean(gy * normalised, axes, True)
        return scale * (gx - mean(gy, axes, True) if ctx.centre else gx), None, None, None


def standardise(input: Tensor, dims: tuple[int, ...], eps: float, centre: bool = True) -> Tensor:
    """input less its mean (if `centre`) over `dims`, divided by the root of its mean square; half precision in single."""
    axes = tuple(d % input.ndim for d in dims)
    if input.numel() == 0:
        return input * 1
    if _mode.autocast is not None:
        (input,) = _mode.autocast(Standardise, (input,))
    if input.dtype != dtypes.float16:
        return Standardise.apply(input, axes, eps, centre)
    return cast(Standardise.apply(cast(input, dtypes.float32), axes, eps, centre), dtypes.float16)
