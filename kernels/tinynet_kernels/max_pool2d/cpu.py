"""Max-pooling on the CPU, channels last. See `loops`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import loops
from .geometry import Geometry, geometry


def max_pool2d(outputs: tuple[Any, Any], x: Any, kernel_size: Any, **params: Any) -> None:
    pool(outputs, geometry(x.shape, kernel_size, **params), x)


def pool(outputs: tuple[Any, Any], g: Geometry, x: Any) -> None:
    """`max_pool2d` where the geometry is known."""
    y, indices = (_target(o) for o in outputs)
    loops.forward(_source(x), y, indices, g.window)
    _return(outputs, (y, indices))


def max_pool2d_grad(
    outputs: tuple[Any], gy: Any, indices: Any, input_shape: Sequence[int], kernel_size: Any, **params: Any
) -> None:
    g = geometry(input_shape, kernel_size, **params)
    gx = _target(outputs[0])
    if g.padding == (0, 0) and g.dilation == (1, 1) and g.stride[0] >= g.kernel[0] and g.stride[1] >= g.kernel[1]:
        loops.backward_apart(_source(gy), _source(indices), gx, g.kernel[0], *g.stride)
    else:
        loops.backward(_source(gy), _source(indices), gx)
    _return(outputs, (gx,))


def max_pool2d_gather(outputs: tuple[Any], x: Any, indices: Any) -> None:
    (y,) = outputs
    n, c, h, w = x.shape
    flat = indices.reshape(n, c, indices.shape[2] * indices.shape[3])
    taken = np.take_along_axis(x.reshape(n, c, h * w), flat, axis=2).reshape(y.shape)
    y[...] = np.where(indices < 0, 0, taken)


def _source(array: Any) -> Any:
    """(N, C, H, W) as contiguous (N, H, W, C): a view where the memory is so already."""
    return np.ascontiguousarray(array.transpose(0, 2, 3, 1))


def _target(array: Any) -> Any:
    """The output as (N, H, W, C) if that is contiguous, else a buffer that `_return` copies back."""
    moved = array.transpose(0, 2, 3, 1)
    return moved if moved.flags.c_contiguous else np.empty(moved.shape, array.dtype)


def _return(outputs: tuple[Any, ...], results: tuple[Any, ...]) -> None:
    for output, result in zip(outputs, results):
        if not np.may_share_memory(output, result):
            output[...] = result.transpose(0, 3, 1, 2)
