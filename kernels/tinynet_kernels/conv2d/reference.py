"""The definition of convolution and its gradients: one pass per tap of the kernel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .geometry import Geometry, geometry


def conv2d(x: Any, w: Any, bias: Any = None, *, activation: str | None = None, **params: Any) -> Any:
    g = geometry(x.shape, w.shape, **params)
    xp, y = _pad(x, g), np.zeros(g.y_shape, x.dtype)
    for i, j, rows, columns in _taps(g):
        y += _grouped("ngchw,goc->ngohw", g, _split(xp[:, :, rows, columns], g, 1), _split(w[:, :, i, j], g, 0))
    if bias is not None:
        y += bias[:, None, None]
    return np.where(y < 0, np.zeros_like(y), y) if activation == "relu" else y


def conv2d_input_grad(gy: Any, w: Any, input_shape: Sequence[int], **params: Any) -> Any:
    g = geometry(input_shape, w.shape, **params)
    gxp = _pad(np.zeros(g.x_shape, gy.dtype), g)
    for i, j, rows, columns in _taps(g):
        gxp[:, :, rows, columns] += _grouped("ngohw,goc->ngchw", g, _split(gy, g, 1), _split(w[:, :, i, j], g, 0))
    (top, left), (_, _, h, width) = g.padding, g.x_shape
    return gxp[:, :, top : top + h, left : left + width].copy()


def conv2d_weight_grad(x: Any, gy: Any, weight_shape: Sequence[int], **params: Any) -> Any:
    g = geometry(x.shape, weight_shape, **params)
    xp, gw = _pad(x, g), np.zeros(g.w_shape, x.dtype)
    for i, j, rows, columns in _taps(g):
        grad = np.einsum("ngohw,ngchw->goc", _split(gy, g, 1), _split(xp[:, :, rows, columns], g, 1))
        gw[:, :, i, j] = grad.reshape(gw.shape[:2])
    return gw


def _taps(g: Geometry) -> Any:
    _, _, kh, kw = g.w_shape
    return [(i, j, *g.window(i, j)) for i in range(kh) for j in range(kw)]


def _pad(x: Any, g: Geometry) -> Any:
    vertical, horizontal = g.padding
    return np.pad(x, ((0, 0), (0, 0), (vertical, vertical), (horizontal, horizontal)))


def _split(array: Any, g: Geometry, axis: int) -> Any:
    """The channel axis as (groups, channels of a group)."""
    shape = array.shape
    return array.reshape(*shape[:axis], g.groups, shape[axis] // g.groups, *shape[axis + 1 :])


def _grouped(formula: str, g: Geometry, a: Any, b: Any) -> Any:
    """einsum over split arrays with the result's channel axis joined again."""
    y = np.einsum(formula, a, b)
    return y.reshape(y.shape[0], y.shape[1] * y.shape[2], *y.shape[3:])
