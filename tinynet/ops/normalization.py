"""Layer normalisation, and what is it for some other shape: to mean 0 and variance 1, or to mean square 1."""

from __future__ import annotations

import math
from typing import Any

import tinynet_kernels as kernels

from ..autograd import Op, is_grad_enabled
from ..grad_mode import _mode
from ..tensor import Tensor
from .linalg import _in_kernel_dtype
from .reduction import mean, sum
from .shape import reshape


class LayerNorm(Op):
    """Each row of x (N, D) less its mean, which counts as 0 unless `centre`, times rsqrt(mean square + eps), times weight, plus
    bias."""

    saves = (0, 1)

    @staticmethod
    def forward(ctx: Any, x: Any, weight: Any, bias: Any, eps: float, centre: bool) -> Any:
        ctx.eps, ctx.centre = eps, centre
        y, ctx.mean, ctx.scale = kernels.layer_norm(x, weight, bias, eps=eps, centre=centre)
        return y

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        x, weight = ctx.input(0), ctx.input(1)
        if is_grad_enabled():
            return *LayerNorm._grads(ctx, gy, x, weight), None, None
        arrays = gy._array, x._array, ctx.mean, ctx.scale, None if weight is None else weight._array
        found = kernels.layer_norm_grad(*arrays, centre=ctx.centre, out=(None, ctx.room(1), ctx.room(2)))
        return *(Tensor._make(g) if ctx.needs(i) else None for i, g in enumerate(found)), None, None

    @staticmethod
    def _grads(ctx: Any, gy: Tensor, x: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """The gradients as functions of all of these, to be differentiated again."""
        centred = x - mean(x, 1, True) if ctx.centre else x
        scale = (mean(centred * centred, 1, True) + ctx.eps) ** -0.5
        normalised = centred * scale
        g = gy if weight is None else gy * weight
        gx = g - normalised * mean(g * normalised, 1, True)
        gx = scale * (gx - mean(g, 1, True) if ctx.centre else gx)
        return gx, sum(gy * normalised, 0) if ctx.needs(1) else None, sum(gy, 0) if ctx.needs(2) else None


def layer_norm(
    input: Tensor,
    dims: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    centre: bool = True,
) -> Tensor:
    """input less its mean (if `centre`) over the last `dims` dimensions, divided by the root of its mean square, times weight
    plus bias, which have these dimensions; half precision in single."""
    if input.numel() == 0:
        y = input * 1
        y = y if weight is None else y * weight
        return y if bias is None else y + bias
    if _mode.autocast is not None:
        (input,) = _mode.autocast(LayerNorm, (input,))
    size = math.prod(input.shape[input.ndim - dims :])
    flat = [t if t is None or t.ndim == 1 else reshape(t, size) for t in (weight, bias)]
    x = reshape(input, input.numel() // size, size)
    return reshape(_in_kernel_dtype(lambda x, w, b: LayerNorm.apply(x, w, b, eps, centre), x, *flat), *input.shape)
