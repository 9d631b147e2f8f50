"""Pooling over one and two dimensions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...device import move, on
from ...ops import abs, conv2d, gather, matmul, max, max_pool2d, mean, pad, relu, sign
from ...tensor import Tensor


def _two(value: Any) -> tuple[int, int]:
    a, b = value if isinstance(value, (tuple, list)) else (value, value)
    return int(a), int(b)


def _row(value: Any, high: int) -> tuple[int, int]:
    """A parameter of one dimension as one of images one pixel high."""
    return high, int(value[0] if isinstance(value, (tuple, list)) else value)


def _like(values: Any, input: Tensor) -> Tensor:
    """A NumPy array beside the input; in its dtype, unless the array holds integers."""
    array = np.asarray(values, input.dtype if values.dtype.kind == "f" else values.dtype)
    with on(input.device):
        return Tensor._make(move(array, input.device))


def _planes(input: Tensor, dims: int, name: str) -> Tensor:
    if input.ndim not in (dims + 1, dims + 2):
        raise ValueError(f"{name}: input has shape {input.shape}, expected {dims + 1} or {dims + 2} dimensions")
    if 0 in input.shape[-dims - 1 :]:
        raise ValueError(f"{name}: input has shape {input.shape}, expected sizes above 0, but for the batch")
    return input


def max_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window of input (N, C, L) or (C, L); parameters and errors as `max_pool2d`."""
    row = _planes(input, 1, "max_pool1d").unsqueeze(-2)
    step = _row(stride, 1) if stride else None
    found = max_pool2d(row, _row(kernel_size, 1), step, _row(padding, 0), _row(dilation, 1), ceil_mode, return_indices)
    return tuple(t.squeeze(-2) for t in found) if return_indices else found.squeeze(-2)


def avg_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window of input (N, C, L) or (C, L); parameters as `avg_pool2d`."""
    row = _planes(input, 1, "avg_pool1d").unsqueeze(-2)
    step = _row(stride, 1) if stride else None
    y = avg_pool2d(row, _row(kernel_size, 1), step, _row(padding, 0), ceil_mode, count_include_pad)
    return y.squeeze(-2)


def _windows(size: int, kernel: int, stride: int, padding: int, ceil_mode: bool) -> tuple[Any, ...]:
    """How many windows there are, how much must be padded after, and their lengths with and without padding."""
    if not 0 <= padding <= kernel // 2:
        raise ValueError(f"padding is {padding}, expected at most half of kernel_size {kernel}")
    span = size + 2 * padding - kernel
    count = -(-span // stride) + 1 if ceil_mode else span // stride + 1
    if ceil_mode and (count - 1) * stride >= size + padding:  # a window must start inside the input or its left padding
        count -= 1
    if count < 1:
        raise ValueError(f"kernel_size is {kernel}, larger than the input's {size} with its padding of {padding}")
    starts = np.arange(count) * stride - padding
    ends = np.minimum(starts + kernel, size + padding)
    after = np.maximum((count - 1) * stride + kernel - size - padding, 0)
    return count, int(after), ends - starts, np.minimum(ends, size) - np.maximum(starts, 0)


def avg_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window of input (N, C, H, W) or (C, H, W); `stride` defaults to `kernel_size`.

    Padding counts as zeros, or not at all if not count_include_pad; `divisor_override` is divided by instead of the count. A
    convolution of each channel with a constant kernel.
    """
    _planes(input, 2, "avg_pool2d")
    kernel, steps, pads = _two(kernel_size), _two(stride or kernel_size), _two(padding)
    if divisor_override == 0:
        raise ValueError("divisor_override is 0, expected another number")
    h, w = input.shape[-2:]
    rows = _windows(h, kernel[0], steps[0], pads[0], ceil_mode)
    columns = _windows(w, kernel[1], steps[1], pads[1], ceil_mode)
    which = 2 if count_include_pad else 3
    counts = rows[which][:, None] * columns[which]
    x = input.reshape(-1, 1, h, w)
    left, after = pads, (rows[1], columns[1])
    if after[0] > pads[0] or after[1] > pads[1]:  # the last windows of ceil_mode hang over
        left = (0, 0)
        x = pad(x, (pads[1], after[1], pads[0], after[0]))
        x = x[..., : (rows[0] - 1) * steps[0] + kernel[0], : (columns[0] - 1) * steps[1] + kernel[1]]
    same = divisor_override is not None or bool((counts == counts[0, 0]).all())
    divisor = divisor_override if divisor_override is not None else int(counts[0, 0])
    y = conv2d(x, input.new_full((1, 1, *kernel), 1.0 / divisor if same else 1.0), None, steps, left)
    y = y.reshape(*input.shape[:-2], rows[0], columns[0])
    return y if same else y * _like(1.0 / counts, input)


def lp_pool1d(input: Tensor, norm_type: float, kernel_size: int, stride: Any = None, ceil_mode: bool = False) -> Tensor:
    """The p-norm of each window of input (N, C, L) or (C, L), without absolute values of its elements."""
    return _root(avg_pool1d(input**norm_type, kernel_size, stride, 0, ceil_mode), norm_type, kernel_size)


def lp_pool2d(input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Tensor:
    """The p-norm of each window of input (N, C, H, W) or (C, H, W), without absolute values of its elements."""
    return _root(
        avg_pool2d(input**norm_type, kernel_size, stride, 0, ceil_mode), norm_type, math.prod(_two(kernel_size))
    )


def _root(mean_power: Tensor, norm_type: float, count: int) -> Tensor:
    return (sign(mean_power) * relu(abs(mean_power)) * count) ** (1.0 / norm_type)


def _parts(size: int, count: int) -> list[tuple[int, int]]:
    """`count` nearly equal parts of `size` elements, which overlap where they must: PyTorch's."""
    return [(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]


def _adaptive_sizes(input: Tensor, output_size: Any) -> tuple[int, int]:
    given = output_size if isinstance(output_size, (tuple, list)) else (output_size, output_size)
    if len(given) != 2:
        raise ValueError(f"output_size is {output_size!r}, expected an int or 2 of them")
    rows, columns = (n if size is None else int(size) for size, n in zip(given, input.shape[-2:]))
    return rows, columns


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Means over output_size (rows, columns) nearly equal parts of each plane; None keeps a size."""
    rows, columns = _adaptive_sizes(_planes(input, 2, "adaptive_avg_pool2d"), output_size)
    h, w = input.shape[-2:]
    if (rows, columns) == (1, 1):
        return mean(input, (-2, -1), True)
    if rows and columns and h % rows == 0 and w % columns == 0:
        blocks = input.reshape(*input.shape[:-2], rows, h // rows, columns, w // columns)
        return mean(blocks, (-3, -1))
    left, right = (_like(_averages(n, count), input) for n, count in ((h, rows), (w, columns)))
    return matmul(matmul(left, input), right.t())


def _averages(size: int, count: int) -> Any:
    """The matrix (count, size) that takes means over the parts."""
    matrix = np.zeros((count, size))
    for row, (start, end) in zip(matrix, _parts(size, count)):
        row[start:end] = 1 / (end - start)
    return matrix


def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """Means over output_size nearly equal parts of each row of input (N, C, L) or (C, L)."""
    row = _planes(input, 1, "adaptive_avg_pool1d").unsqueeze(-2)
    return adaptive_avg_pool2d(row, _row(output_size, 1)).squeeze(-2)


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Maxima over output_size (rows, columns) nearly equal parts of each plane; None keeps a size.

    With `return_indices`, also the int64 places row * W + column.
    """
    rows, columns = _adaptive_sizes(_planes(input, 2, "adaptive_max_pool2d"), output_size)
    h, w = input.shape[-2:]
    if rows and columns and h % rows == 0 and w % columns == 0:
        return max_pool2d(input, (h // rows, w // columns), return_indices=return_indices)
    # the places of each part, the last one repeated where others are longer
    row_places, column_places = (
        np.array([[min(start + i, end - 1) for i in range(longest)] for start, end in parts])
        for parts in (_parts(h, rows), _parts(w, columns))
        for longest in [int(np.max([end - start for start, end in parts]))]
    )
    places = row_places[:, None, :, None] * w + column_places[None, :, None, :]
    flat = input.flatten(-2)
    windows = flat[..., _like(places.reshape(rows * columns, -1), input)]
    values, chosen = max(windows, -1)
    shape = (*input.shape[:-2], rows, columns)
    if not return_indices:
        return values.reshape(shape)
    table = _like(places.reshape(rows * columns, -1), input).expand(*windows.shape)
    return values.reshape(shape), gather(table, -1, chosen.unsqueeze(-1)).reshape(shape)


def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Maxima over output_size nearly equal parts of each row of input (N, C, L) or (C, L), and their places on request."""
    row = _planes(input, 1, "adaptive_max_pool1d").unsqueeze(-2)
    found = adaptive_max_pool2d(row, _row(output_size, 1), return_indices)
    return tuple(t.squeeze(-2) for t in found) if return_indices else found.squeeze(-2)
