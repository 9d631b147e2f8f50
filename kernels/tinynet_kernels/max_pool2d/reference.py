"""The definition of max-pooling and its gradient: one pass per element of the window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .geometry import Geometry, geometry


def max_pool2d(x: Any, kernel_size: Any, **params: Any) -> tuple[Any, Any]:
    g = geometry(x.shape, kernel_size, **params)
    y = np.full(g.y_shape, -np.inf, x.dtype)
    indices = np.full(g.y_shape, -1, np.int32)
    for rows, columns, inside in _taps(g):
        value = x[:, :, rows[:, None], columns]
        better = inside & ((value > y) | np.isnan(value) | (indices < 0))
        y = np.where(better, value, y)
        indices = np.where(better, rows[:, None] * g.x_shape[3] + columns, indices).astype(np.int32)
    return y, indices


def max_pool2d_grad(gy: Any, indices: Any, input_shape: Sequence[int], kernel_size: Any, **params: Any) -> Any:
    g = geometry(input_shape, kernel_size, **params)
    gx = np.zeros(g.x_shape, gy.dtype)
    for rows, columns, inside in _taps(g):
        chosen = inside & (indices == rows[:, None] * g.x_shape[3] + columns)
        place: Any = (slice(None), slice(None), rows[:, None], columns)
        np.add.at(gx, place, np.where(chosen, gy, 0))
    return gx


def max_pool2d_gather(x: Any, indices: Any) -> Any:
    n, c, h, w = x.shape
    flat = np.take_along_axis(
        x.reshape(n, c, h * w), indices.reshape(n, c, indices.shape[2] * indices.shape[3]), axis=2
    )
    return np.where(indices < 0, 0, flat.reshape(indices.shape))


def _taps(g: Geometry) -> Any:
    """For each element of the window: the input rows and columns it meets, and which of them are not padding."""
    _, _, h, w = g.x_shape
    for i in range(g.kernel[0]):
        for j in range(g.kernel[1]):
            rows = np.arange(g.y_shape[2]) * g.stride[0] - g.padding[0] + i * g.dilation[0]
            columns = np.arange(g.y_shape[3]) * g.stride[1] - g.padding[1] + j * g.dilation[1]
            inside = ((rows >= 0) & (rows < h))[:, None] & ((columns >= 0) & (columns < w))
            yield np.clip(rows, 0, h - 1), np.clip(columns, 0, w - 1), inside
