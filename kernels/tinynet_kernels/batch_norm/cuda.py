"""Batch normalisation on CUDA: sums over a channel by several blocks, then one pass that writes the result.

Both are divided among blocks as in `channel_sum`: a block takes some images' share of one channel, or of 32 channels where
planes are small, and the last block adds the shares in their order. Planes of a multiple of four pixels move 16 bytes at a
time.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import int32

from ..channel_sum.cuda import THREADS, shares_of
from ..runtime.cuda import (
    Int32Pointer,
    Kernel,
    Pointer,
    Real,
    aligned,
    cuda,
    kernel,
    module,
    repeatable,
)
from ..runtime.last_block import counters
from ..runtime.primitives import fetch_add, load, load4, quotient, relu_if, select, store, store4
from ..runtime.unroll import static_range, unrolled

MANY_BLOCKS = 2048  # of the kernels that add nothing up


@functools.cache
def _statistics(dtype: Any, lanes: int) -> Kernel:
    """A thread adds deviations from the first value that it meets; means and sums of squares are merged in pairs (Chan,
    Golub and LeVeque 1979). No difference of large squares is taken, unless one value is as far away as it makes them large.
    """
    real = dtype.type
    STEP, LANES = THREADS // lanes, lanes

    @kernel(threads=THREADS)
    def batch_norm_stats(
        x: Pointer,
        old_mean: Pointer,
        old_variance: Pointer,
        means: Pointer,
        variances: Pointer,
        new_mean: Pointer,
        new_variance: Pointer,
        shares: Pointer,
        counters: Int32Pointer,
        n: int32,
        channels: int32,
        pixels: int32,
        images: int32,
        parts: int32,
        follows: int32,
        momentum: Real,
    ) -> None:
        counts = cuda.shared.array(THREADS, real)
        centres = cuda.shared.array(THREADS, real)
        squares = cuda.shared.array(THREADS, real)
        ticket = cuda.shared.array(1, int32)
        t = int32(cuda.threadIdx.x)
        channel = int32(cuda.blockIdx.x // parts * LANES + t % LANES)
        part = int32(cuda.blockIdx.x % parts)
        first = int32(part * images)
        count = int32((min(n, first + images) - first) * pixels)
        number, origin, total, square = real(0), real(0), real(0), real(0)
        if channel < channels:
            for i in range(t // LANES, count, STEP):
                image = quotient(int32(i), pixels)
                value = x[((first + image) * channels + channel) * pixels + i - image * pixels]
                if number == real(0):
                    origin = value
                number += real(1)
                total += value - origin
                square += (value - origin) * (value - origin)
        if number > real(0):
            square -= total * total / number
            origin += total / number
        counts[t], centres[t], squares[t] = number, origin, square
        cuda.syncthreads()
        width = THREADS // 2
        while width >= LANES:
            if t < width and counts[t + width] > real(0):
                number = counts[t] + counts[t + width]
                apart, weight = centres[t + width] - centres[t], counts[t + width] / number
                squares[t] += squares[t + width] + apart * apart * counts[t] * weight
                centres[t] += apart * weight
                counts[t] = number
            cuda.syncthreads()
            width //= 2
        if t < LANES and channel < channels:
            shares[3 * part * channels + channel] = counts[t]
            shares[(3 * part + 1) * channels + channel] = centres[t]
            shares[(3 * part + 2) * channels + channel] = squares[t]
            cuda.threadfence()
        cuda.syncthreads()
        if t == 0:
            ticket[0] = fetch_add(counters, 0, 1)
        cuda.syncthreads()
        if ticket[0] == cuda.gridDim.x - 1:  # all others have stored their shares
            cuda.threadfence()
            for c in range(t, channels, THREADS):
                number, origin, square = shares[c], shares[channels + c], shares[2 * channels + c]
                for p in range(1, parts):
                    more = number + shares[3 * p * channels + c]
                    apart, weight = shares[(3 * p + 1) * channels + c] - origin, shares[3 * p * channels + c] / more
                    square += shares[(3 * p + 2) * channels + c] + apart * apart * number * weight
                    origin += apart * weight
                    number = more
                means[c] = origin
                variances[c] = square / number
                if follows:
                    new_mean[c] = old_mean[c] * (real(1) - momentum) + origin * momentum
                    new_variance[c] = old_variance[c] * (real(1) - momentum) + square / (number - real(1)) * momentum
            if t == 0:
                counters[0] = 0

    return batch_norm_stats


@functools.cache
def _normalisation(dtype: Any, lanes: int, wide: bool) -> Kernel:
    """wide  whether four pixels move at a time; `pixels` then counts quads."""
    real = dtype.type
    STEP, LANES, QUAD = THREADS // lanes, lanes, 4 if wide else 1

    @kernel(threads=THREADS)
    @unrolled
    def batch_norm(
        x: Pointer,
        means: Pointer,
        variances: Pointer,
        weight: Pointer,
        bias: Pointer,
        y: Pointer,
        n: int32,
        channels: int32,
        pixels: int32,
        images: int32,
        parts: int32,
        has_weight: int32,
        has_bias: int32,
        relu: int32,
        eps: Real,
    ) -> None:
        channel = int32(cuda.blockIdx.x // parts * LANES + cuda.threadIdx.x % LANES)
        if channel >= channels:
            return
        first = int32(cuda.blockIdx.x % parts * images)
        count = int32((min(n, first + images) - first) * pixels)
        mean, scale = means[channel], real(1) / math.sqrt(variances[channel] + eps)
        factor, shift = real(1), real(0)
        if has_weight:
            factor = weight[channel]
        if has_bias:
            shift = bias[channel]
        for i in range(cuda.threadIdx.x // LANES, count, STEP):
            image = quotient(int32(i), pixels)
            at = int32((((first + image) * channels + channel) * pixels + i - image * pixels) * QUAD)
            values = load4(x, at) if wide else (load(x, at),)
            results: tuple[Any, ...] = ()
            for j in static_range(QUAD):
                results = results + ((values[j] - mean) * scale * factor + shift,)
            results = relu_if(results, relu)
            if wide:
                store4(y, at, results)
            else:
                store(y, at, results[0])

    return batch_norm


@functools.cache
def _sums(dtype: Any, lanes: int, wide: bool) -> Kernel:
    """The gradients of scale and shift; see `_normalisation`."""
    real = dtype.type
    STEP, LANES, QUAD = THREADS // lanes, lanes, 4 if wide else 1

    @kernel(threads=THREADS)
    @unrolled
    def batch_norm_sums(
        gy: Pointer,
        x: Pointer,
        means: Pointer,
        variances: Pointer,
        weight: Pointer,
        bias: Pointer,
        gw: Pointer,
        gb: Pointer,
        shares: Pointer,
        counters: Int32Pointer,
        n: int32,
        channels: int32,
        pixels: int32,
        images: int32,
        parts: int32,
        has_weight: int32,
        has_bias: int32,
        relu: int32,
        eps: Real,
    ) -> None:
        products = cuda.shared.array(THREADS, real)
        totals = cuda.shared.array(THREADS, real)
        ticket = cuda.shared.array(1, int32)
        t = int32(cuda.threadIdx.x)
        channel = int32(cuda.blockIdx.x // parts * LANES + t % LANES)
        part = int32(cuda.blockIdx.x % parts)
        first = int32(part * images)
        count = int32((min(n, first + images) - first) * pixels)
        product, total = real(0), real(0)
        if channel < channels:
            mean, scale = means[channel], real(1) / math.sqrt(variances[channel] + eps)
            factor, shift = real(1), real(0)
            if has_weight:
                factor = weight[channel]
            if has_bias:
                shift = bias[channel]
            for i in range(t // LANES, count, STEP):
                image = quotient(int32(i), pixels)
                at = int32((((first + image) * channels + channel) * pixels + i - image * pixels) * QUAD)
                values = load4(x, at) if wide else (load(x, at),)
                grads = load4(gy, at) if wide else (load(gy, at),)
                for j in static_range(QUAD):
                    normal = (values[j] - mean) * scale
                    grad = select(relu == 0 or normal * factor + shift > real(0), grads[j], real(0))
                    product += grad * normal
                    total += grad
        products[t], totals[t] = product, total
        cuda.syncthreads()
        width = THREADS // 2
        while width >= LANES:
            if t < width:
                products[t] += products[t + width]
                totals[t] += totals[t + width]
            cuda.syncthreads()
            width //= 2
        if t < LANES and channel < channels:
            shares[2 * part * channels + channel] = products[t]
            shares[(2 * part + 1) * channels + channel] = totals[t]
            cuda.threadfence()
        cuda.syncthreads()
        if t == 0:
            ticket[0] = fetch_add(counters, 0, 1)
        cuda.syncthreads()
        if ticket[0] == cuda.gridDim.x - 1:  # all others have stored their shares
            cuda.threadfence()
            for c in range(t, channels, THREADS):
                product, total = real(0), real(0)
                for p in range(parts):
                    product += shares[2 * p * channels + c]
                    total += shares[(2 * p + 1) * channels + c]
                gw[c] = product
                gb[c] = total
            if t == 0:
                counters[0] = 0

    return batch_norm_sums


@functools.cache
def _gradient(dtype: Any, lanes: int, wide: bool) -> Kernel:
    """The gradient of x, given those of scale and shift; see `_normalisation`."""
    real = dtype.type
    STEP, LANES, QUAD = THREADS // lanes, lanes, 4 if wide else 1

    @kernel(threads=THREADS)
    @unrolled
    def batch_norm_grad(
        gy: Pointer,
        x: Pointer,
        means: Pointer,
        variances: Pointer,
        weight: Pointer,
        bias: Pointer,
        gw: Pointer,
        gb: Pointer,
        gx: Pointer,
        n: int32,
        channels: int32,
        pixels: int32,
        images: int32,
        parts: int32,
        has_weight: int32,
        has_bias: int32,
        relu: int32,
        eps: Real,
    ) -> None:
        channel = int32(cuda.blockIdx.x // parts * LANES + cuda.threadIdx.x % LANES)
        if channel >= channels:
            return
        first = int32(cuda.blockIdx.x % parts * images)
        count = int32((min(n, first + images) - first) * pixels)
        mean, scale = means[channel], real(1) / math.sqrt(variances[channel] + eps)
        factor, shift = real(1), real(0)
        if has_weight:
            factor = weight[channel]
        if has_bias:
            shift = bias[channel]
        number = real(n * pixels * QUAD)
        product, total = gw[channel] / number, gb[channel] / number
        for i in range(cuda.threadIdx.x // LANES, count, STEP):
            image = quotient(int32(i), pixels)
            at = int32((((first + image) * channels + channel) * pixels + i - image * pixels) * QUAD)
            values = load4(x, at) if wide else (load(x, at),)
            grads = load4(gy, at) if wide else (load(gy, at),)
            results: tuple[Any, ...] = ()
            for j in static_range(QUAD):
                normal = (values[j] - mean) * scale
                grad = select(relu == 0 or normal * factor + shift > real(0), grads[j], real(0))
                results = results + ((grad - total - normal * product) * scale * factor,)
            if wide:
                store4(gx, at, results)
            else:
                store(gx, at, results[0])

    return batch_norm_grad


@repeatable
def batch_norm_stats(
    outputs: Any, x: Any, running_mean: Any = None, running_variance: Any = None, *, momentum: float = 0.1
) -> Callable[..., None]:
    dtype, (n, channels, *spatial) = x.dtype, x.shape
    pixels = int(np.prod(spatial))
    lanes, blocks, images, parts = shares_of(n, channels, pixels)
    follows = running_mean is not None
    numbers = n, channels, pixels, images, parts, follows, momentum
    start = _statistics(dtype, lanes).prepared(x, blocks * parts, *numbers)

    def launch(outputs: Any, x: Any, running_mean: Any = None, running_variance: Any = None) -> None:
        written = outputs if follows else (*outputs, None, None)
        start(x, running_mean, running_variance, *written, module().empty((parts, 3, channels), dtype), counters())

    return launch


@repeatable
def batch_norm(
    outputs: Any,
    x: Any,
    mean: Any,
    variance: Any,
    weight: Any = None,
    bias: Any = None,
    residual: Any = None,
    *,
    eps: float,
    activation: str | None = None,
) -> Callable[..., None]:
    relu = activation == "relu"
    pixels, wide = _pixels(x, *outputs)
    lanes, blocks, images, parts = shares_of(x.shape[0], x.shape[1], pixels, MANY_BLOCKS, 4 if wide else 1)
    options = weight is not None, bias is not None, relu and residual is None, eps
    numbers = *x.shape[:2], pixels, images, parts, *options
    start = _normalisation(x.dtype, lanes, wide).prepared(x, blocks * parts, *numbers)

    def launch(
        outputs: Any, x: Any, mean: Any, variance: Any, weight: Any = None, bias: Any = None, residual: Any = None
    ) -> None:
        (y,) = outputs
        start(x, mean, variance, weight, bias, y)
        if residual is not None:
            y += residual
            if relu:
                module().maximum(y, 0, out=y)

    return launch


@repeatable
def batch_norm_grad(
    outputs: Any,
    gy: Any,
    x: Any,
    mean: Any,
    variance: Any,
    weight: Any = None,
    bias: Any = None,
    y: Any = None,
    *,
    eps: float,
    activation: str | None = None,
) -> Callable[..., None]:
    dtype, (n, channels, *_) = x.dtype, x.shape
    pixels, wide = _pixels(x, outputs[0], gy if y is None else None)
    options = weight is not None, bias is not None, activation == "relu" and y is None, eps
    width = 4 if wide else 1
    lanes, blocks, images, parts = shares_of(n, channels, pixels, width=width)
    add = _sums(dtype, lanes, wide).prepared(x, blocks * parts, n, channels, pixels, images, parts, *options)
    shares = parts, 2, channels
    lanes, blocks, images, parts = shares_of(n, channels, pixels, MANY_BLOCKS, width)
    pass_on = _gradient(dtype, lanes, wide).prepared(x, blocks * parts, n, channels, pixels, images, parts, *options)

    def launch(
        outputs: Any, gy: Any, x: Any, mean: Any, variance: Any, weight: Any = None, bias: Any = None, y: Any = None
    ) -> None:
        gx, gw, gb, *rest = outputs
        if y is not None:
            gy = rest[0][...] = module().where(y > 0, gy, gy.dtype.type(0))
        add(gy, x, mean, variance, weight, bias, gw, gb, module().empty(shares, dtype), counters())
        pass_on(gy, x, mean, variance, weight, bias, gw, gb, gx)

    return launch


def _pixels(*images: Any) -> tuple[int, bool]:
    """The pixels of a plane, in quads if four can move at a time; and whether they can."""
    pixels = int(np.prod(images[0].shape[2:]))
    wide = pixels > 0 and pixels % 4 == 0 and aligned(*images)
    return pixels // 4 if wide else pixels, wide
