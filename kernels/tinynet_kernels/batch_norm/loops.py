"""The compiled loops of batch normalisation over rows of channels: a row (width,) has the channels several times.

Sums are taken in the dtype of the array over BLOCK rows, and of these in float64: by part, then over the parts in their order.

The innermost loops stand in functions of their own, which get some rows: the compiler makes vector instructions of them there,
but not where the rows of a matrix are unpacked as a tuple, where an element is read on a condition only, or where an array is
both read and written.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ..channel_sum.loops import BLOCK, PARTS
from ..runtime.compiled import for_each, once, parallel

# which gradients pass: all, or those where the ReLU behind did; by what that is known
ALL, BY_INPUT, BY_OUTPUT = range(3)

_once: Any = partial(once, error_model="numpy")
_parallel: Any = partial(parallel, error_model="numpy")


@_once
def _moments(x: Any, mean: Any, square: Any) -> None:
    """The means of the columns of some rows, and the sums of the squares of the deviations from them."""
    mean[:] = 0
    square[:] = 0
    for row in range(x.shape[0]):
        for c in range(x.shape[1]):
            mean[c] += x[row, c]
    share = 1 / x.dtype.type(x.shape[0])
    for c in range(x.shape[1]):
        mean[c] *= share
    for row in range(x.shape[0]):
        for c in range(x.shape[1]):
            deviation = x[row, c] - mean[c]
            square[c] += deviation * deviation


@_once
def _merge(moments: Any, n: int, more: int, mean: Any, square: Any) -> None:
    """Adds the moments of `more` rows to those of n rows (Chan, Golub and LeVeque 1979)."""
    share = more / (n + more)
    for c in range(mean.size):
        apart = mean[c] - moments[0, c]
        moments[0, c] += apart * share
        moments[1, c] += square[c] + apart * apart * (n * share)


@_once
def _statistics_of_part(part: int, x: Any, moments: Any) -> None:
    """moments[part] (2, width), zeros before."""
    rows, width = x.shape
    parts = moments.shape[0]
    start, stop = part * rows // parts, (part + 1) * rows // parts
    mean, square = np.empty(width, x.dtype), np.empty(width, x.dtype)
    for begin in range(start, stop, BLOCK):
        end = min(begin + BLOCK, stop)
        _moments(x[begin:end], mean, square)
        _merge(moments[part], begin - start, end - begin, mean, square)


@_parallel
def statistics(x: Any, channels: int) -> Any:
    """Mean and sum of the squares of the deviations from it of each channel: (2, channels), float64."""
    rows, width = x.shape
    parts = min(PARTS, (rows + BLOCK - 1) // BLOCK)
    moments = np.zeros((parts, 2, width))
    for_each(parts, _statistics_of_part, x, moments)
    result = np.zeros((2, channels))
    count = 0
    for part in range(parts):
        more = (part + 1) * rows // parts - part * rows // parts
        for first in range(0, width, channels):
            last = first + channels
            _merge(result, count, more, moments[part, 0, first:last], moments[part, 1, first:last])
            count += more
    return result


@_once
def _repeat(mean: Any, variance: Any, weight: Any, bias: Any, eps: Any, vectors: Any) -> None:
    """Mean, scale and shift as often as a row has the channels: (3, width)."""
    one = variance.dtype.type(1)
    for c in range(vectors.shape[1]):
        channel = c % mean.size
        vectors[0, c] = mean[channel]
        vectors[1, c] = weight[channel] * (one / np.sqrt(variance[channel] + eps))
        vectors[2, c] = bias[channel]


@_once
def _affine(x: Any, vectors: Any, floor: Any, y: Any) -> None:
    """y = max(floor, (x - mean) * scale + shift); nan stays."""
    centre, scale, shift = vectors[0], vectors[1], vectors[2]
    for row in range(x.shape[0]):
        for c in range(x.shape[1]):
            value = (x[row, c] - centre[c]) * scale[c] + shift[c]
            y[row, c] = floor if value < floor else value


@_once
def _affine_sum(x: Any, vectors: Any, residual: Any, floor: Any, y: Any) -> None:
    centre, scale, shift = vectors[0], vectors[1], vectors[2]
    for row in range(x.shape[0]):
        for c in range(x.shape[1]):
            value = (x[row, c] - centre[c]) * scale[c] + shift[c] + residual[row, c]
            y[row, c] = floor if value < floor else value


@_once
def _some_normalised(piece: int, x: Any, vectors: Any, residual: Any, adds: bool, floor: Any, y: Any) -> None:
    """BLOCK rows of y."""
    begin, end = piece * BLOCK, min(piece * BLOCK + BLOCK, x.shape[0])
    if adds:
        _affine_sum(x[begin:end], vectors, residual[begin:end], floor, y[begin:end])
    else:
        _affine(x[begin:end], vectors, floor, y[begin:end])


@_parallel
def normalise(
    x: Any, mean: Any, variance: Any, weight: Any, bias: Any, eps: Any, residual: Any, adds: bool, floor: Any, y: Any
) -> None:
    """y = max(floor, (x - mean) / sqrt(variance + eps) * weight + bias), and `residual` before the maximum if it `adds`."""
    rows, width = x.shape
    vectors = np.empty((3, width), x.dtype)
    _repeat(mean, variance, weight, bias, eps, vectors)
    for_each((rows + BLOCK - 1) // BLOCK, _some_normalised, x, vectors, residual, adds, floor, y)


@_once
def _pass_by_input(gy: Any, x: Any, vectors: Any, passed: Any) -> None:
    """gy where (x - mean) * scale + shift > 0, else 0."""
    centre, scale, shift = vectors[0], vectors[1], vectors[2]
    none = x.dtype.type(0)
    for row in range(x.shape[0]):
        for c in range(x.shape[1]):
            value = gy[row, c]  # read in any case, as a vector of them is
            passed[row, c] = value if (x[row, c] - centre[c]) * scale[c] + shift[c] > 0 else none


@_once
def _pass_by_output(gy: Any, y: Any, passed: Any) -> None:
    none = gy.dtype.type(0)
    for row in range(gy.shape[0]):
        for c in range(gy.shape[1]):
            value = gy[row, c]
            passed[row, c] = value if y[row, c] > 0 else none


@_once
def _products(gy: Any, x: Any, mean: Any, product: Any, total: Any) -> None:
    """The sums of gy * (x - mean) of some rows, and of gy."""
    product[:] = 0
    total[:] = 0
    for row in range(x.shape[0]):
        for c in range(x.shape[1]):
            product[c] += gy[row, c] * (x[row, c] - mean[c])
            total[c] += gy[row, c]


@_once
def _gradient(gy: Any, x: Any, mean: Any, scale: Any, slopes: Any, gx: Any) -> None:
    of_product, of_total = slopes[0], slopes[1]
    for row in range(x.shape[0]):
        for c in range(x.shape[1]):
            gx[row, c] = scale[c] * gy[row, c] - (x[row, c] - mean[c]) * of_product[c] - of_total[c]


@_once
def _gradient_by_input(gy: Any, x: Any, vectors: Any, slopes: Any, gx: Any) -> None:
    """`_pass_by_input` and `_gradient` in one: an array that is read and written would be no vectors either."""
    centre, scale, shift = vectors[0], vectors[1], vectors[2]
    of_product, of_total = slopes[0], slopes[1]
    none = x.dtype.type(0)
    for row in range(x.shape[0]):
        for c in range(x.shape[1]):
            value, deviation = gy[row, c], x[row, c] - centre[c]
            value = value if deviation * scale[c] + shift[c] > 0 else none
            gx[row, c] = scale[c] * value - deviation * of_product[c] - of_total[c]


@_once
def _sums_of_part(part: int, gy: Any, x: Any, y: Any, vectors: Any, passing: int, passed: Any, sums: Any) -> None:
    """Adds to sums[part] (2, width) those of the gradients of weight and bias."""
    rows, width = x.shape
    parts = sums.shape[0]
    stop = (part + 1) * rows // parts
    product, total = np.empty(width, x.dtype), np.empty(width, x.dtype)
    room = np.empty((BLOCK if passing == BY_INPUT else 0, width), x.dtype)
    for begin in range(part * rows // parts, stop, BLOCK):
        end = min(begin + BLOCK, stop)
        if passing == ALL:
            _products(gy[begin:end], x[begin:end], vectors[0], product, total)
        elif passing == BY_INPUT:
            _pass_by_input(gy[begin:end], x[begin:end], vectors, room[: end - begin])
            _products(room[: end - begin], x[begin:end], vectors[0], product, total)
        else:
            _pass_by_output(gy[begin:end], y[begin:end], passed[begin:end])
            _products(passed[begin:end], x[begin:end], vectors[0], product, total)
        for c in range(width):
            sums[part, 0, c] += product[c]
            sums[part, 1, c] += total[c]


@_once
def _some_gradients(piece: int, gy: Any, x: Any, vectors: Any, slopes: Any, passing: int, passed: Any, gx: Any) -> None:
    """BLOCK rows of gx."""
    begin, end = piece * BLOCK, min(piece * BLOCK + BLOCK, x.shape[0])
    if passing == BY_INPUT:
        _gradient_by_input(gy[begin:end], x[begin:end], vectors, slopes, gx[begin:end])
    elif passing == BY_OUTPUT:
        _gradient(passed[begin:end], x[begin:end], vectors[0], vectors[1], slopes, gx[begin:end])
    else:
        _gradient(gy[begin:end], x[begin:end], vectors[0], vectors[1], slopes, gx[begin:end])


@_parallel
def gradients(
    gy: Any,
    x: Any,
    y: Any,
    mean: Any,
    variance: Any,
    weight: Any,
    bias: Any,
    eps: Any,
    passing: int,
    passed: Any,
    gx: Any,
) -> Any:
    """gx, and the gradients of weight and bias: (2, C), float64. BY_OUTPUT alone reads y, and writes `passed`: what passes."""
    rows, width = x.shape
    channels = mean.size
    vectors = np.empty((3, width), x.dtype)
    _repeat(mean, variance, weight, bias, eps, vectors)
    parts = min(PARTS, (rows + BLOCK - 1) // BLOCK)
    sums = np.zeros((parts, 2, width))
    for_each(parts, _sums_of_part, gy, x, y, vectors, passing, passed, sums)
    result = np.zeros((2, channels))
    for part in range(parts):
        for c in range(width):
            result[0, c % channels] += sums[part, 0, c]
            result[1, c % channels] += sums[part, 1, c]
    count = rows * (width // channels)
    slopes = np.empty((2, width), x.dtype)
    for c in range(width):
        channel = c % channels
        inverse = 1 / (variance[channel] + eps)
        slopes[0, c] = vectors[1, c] * (inverse * result[0, channel] / count)
        slopes[1, c] = vectors[1, c] * (result[1, channel] / count)
    for c in range(channels):
        result[0, c] *= 1 / np.sqrt(variance[c] + eps)
    for_each((rows + BLOCK - 1) // BLOCK, _some_gradients, gy, x, vectors, slopes, passing, passed, gx)
    return result
