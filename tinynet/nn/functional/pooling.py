"""Pooling."""

from __future__ import annotations

from typing import Any

from ...ops import amax, cat, conv2d, mean
from ...tensor import Tensor


def avg_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window of input (N, C, H, W); padding counts as zeros, or not at all.

    A convolution of each channel with a constant kernel. `ceil_mode` is not supported: ValueError.
    """
    if ceil_mode:
        raise ValueError("ceil_mode is True, which avg_pool2d does not support")
    kh, kw = kernel_size if isinstance(kernel_size, (tuple, list)) else (kernel_size, kernel_size)
    n, c, h, w = input.shape
    kernel = input.new_full((1, 1, kh, kw), 1.0 / (kh * kw))
    planes = input.reshape(n * c, 1, h, w)
    y = conv2d(planes, kernel, None, stride or kernel_size, padding)
    if padding and not count_include_pad:
        y = y / conv2d(input.new_ones(1, 1, h, w), kernel, None, stride or kernel_size, padding)
    return y.reshape(n, c, *y.shape[2:])


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Means over output_size (rows, columns) nearly equal parts of each plane."""
    return _adaptive(input, output_size, mean)


def adaptive_max_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Maxima over output_size (rows, columns) nearly equal parts of each plane."""
    return _adaptive(input, output_size, amax)


def _adaptive(input: Tensor, output_size: Any, reduce: Any) -> Tensor:
    sizes = output_size if isinstance(output_size, (tuple, list)) else (output_size, output_size)
    oh, ow = (n if size is None else size for size, n in zip(sizes, input.shape[-2:]))
    h, w = input.shape[-2:]
    if (oh, ow) == (1, 1):
        return reduce(input, (-2, -1), True)  # type: ignore[no-any-return]
    if h % oh == 0 and w % ow == 0:
        blocks = input.reshape(*input.shape[:-2], oh, h // oh, ow, w // ow)
        return reduce(blocks, (-3, -1))  # type: ignore[no-any-return]
    rows = []
    for i in range(oh):
        strip = input[..., i * h // oh : -(-(i + 1) * h // oh), :]
        parts = [reduce(strip[..., j * w // ow : -(-(j + 1) * w // ow)], (-2, -1), True) for j in range(ow)]
        rows.append(cat(parts, -1))
    return cat(rows, -2)
