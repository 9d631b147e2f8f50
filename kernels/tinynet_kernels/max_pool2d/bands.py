"""Max-pooling limited by memory alone: whatever is read or written, is read or written once and 16 bytes at a time.

A block takes a band: some rows of one plane, or several whole planes. Either is a run of neighbours in memory. The block
copies its part of the source into shared memory, where the windows may overlap as they like, and writes its part of the
result in quads. Runs begin at the multiple of 32 bytes before the band, so that no sector of memory is fetched by halves.

The gradient can be that of a convolution's bias and ReLU before the pooling too, without a launch more: what flows to where
the ReLU was 0 is left out as it is read, and whole planes are added up where they lie in shared memory.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from numpy import int32

from ..runtime.cuda import Int32Pointer, Kernel, Pointer, blocks_for, cuda, kernel
from ..runtime.primitives import (
    fetch_add,
    load,
    load4_constant,
    load_constant,
    quotient,
    select,
    shuffle_xor,
    store,
    store4,
    zero,
)
from ..runtime.unroll import static_range, unrolled
from .geometry import Geometry

THREADS = 256
WARP = 32
POOL_ROOM, GRAD_ROOM = 4096, 2048  # elements in a block's shared memory
SLACK = 12  # of these may lie before and after the band
ENOUGH = 2048  # blocks keep a device busy: with fewer, a block takes no more planes than give each thread a quad
MINUS_INFINITY = float("-inf")


@dataclass(frozen=True)
class Split:
    """Bands of so many `rows` (of each plane of the result), `per_block` planes at a time."""

    planes: int
    per_block: int
    rows: int
    bands: int

    @property
    def blocks(self) -> tuple[int, int, int]:
        return blocks_for(self.planes, self.per_block), self.bands, 1


@functools.lru_cache(maxsize=1024)  # for large planes it takes longer than a launch
def of_outputs(g: Geometry) -> Split | None:
    """The split of pooling; None if not even one row of windows fits into shared memory."""
    (_, _, h, w), (_, _, oh, _) = g.x_shape, g.y_shape
    reach = g.dilation[0] * (g.kernel[0] - 1) + 1
    return _split(g, h * w, oh, lambda rows: min(h, (rows - 1) * g.stride[0] + reach) * w, POOL_ROOM)


@functools.lru_cache(maxsize=1024)
def of_inputs(g: Geometry) -> Split | None:
    """The split of the gradient; None if not even the windows over one row fit into shared memory."""
    (_, _, h, _), (_, _, oh, ow) = g.x_shape, g.y_shape
    reach = g.dilation[0] * (g.kernel[0] - 1)
    return _split(g, oh * ow, h, lambda rows: min(oh, (rows - 1 + reach) // g.stride[0] + 1) * ow, GRAD_ROOM)


def _split(g: Geometry, source_plane: int, rows: int, source: Any, room: int) -> Split | None:
    planes, room = g.x_shape[0] * g.x_shape[1], room - SLACK
    if source_plane <= room:
        larger = max(g.x_shape[2] * g.x_shape[3], source_plane, 1)
        per_block = min(room // max(source_plane, 1), max(blocks_for(4 * THREADS, larger), planes // ENOUGH))
        per_block = max(1, per_block - per_block % 8 if per_block > 8 else per_block)  # bands that begin with a sector
        return Split(planes, per_block, rows, 1)
    band = max((r for r in range(1, rows + 1) if source(r) <= room), default=0)
    return Split(planes, 1, band, blocks_for(rows, band)) if band and blocks_for(rows, band) < 1 << 16 else None


@functools.cache
def pool(dtype: Any, wide: bool) -> Kernel:
    """wide  whether x, y and indices are aligned to 16 bytes."""
    real = dtype.type

    @kernel(threads=THREADS)
    @unrolled
    def max_pool2d(
        x: Pointer,
        y: Pointer,
        indices: Int32Pointer,
        h: int32,
        w: int32,
        oh: int32,
        ow: int32,
        kernel_h: int32,
        kernel_w: int32,
        stride_h: int32,
        stride_w: int32,
        padding_h: int32,
        padding_w: int32,
        dilation_h: int32,
        dilation_w: int32,
        planes: int32,
        per_block: int32,
        band: int32,
    ) -> None:
        shared = cuda.shared.array(POOL_ROOM, real, alignment=16)
        t = int32(cuda.threadIdx.x)
        plane0 = int32(cuda.blockIdx.x * per_block)
        plane1 = min(int32(plane0 + per_block), int32(planes))
        row0 = int32(cuda.blockIdx.y * band)
        row1 = min(int32(row0 + band), int32(oh))
        source0 = int32(plane0 * h * w + max(row0 * stride_h - padding_h, 0) * w)
        reach = (kernel_h - 1) * dilation_h + 1
        source1 = int32((plane1 - 1) * h * w + min((row1 - 1) * stride_h - padding_h + reach, h) * w)
        base = int32(source0 - source0 % 8)
        for i in range(base + 4 * t, source1, 4 * THREADS):
            if wide and i + 4 <= planes * h * w:
                store4(shared, i - base, load4_constant(x, i))
            else:
                for j in static_range(4):
                    if i + j < source1:
                        store(shared, i - base + j, load_constant(x, i + j))
        cuda.syncthreads()

        result0, result1 = int32((plane0 * oh + row0) * ow), int32(((plane1 - 1) * oh + row1) * ow)
        for i in range(result0 - result0 % 8 + 4 * t, result1, 4 * THREADS):
            values: tuple[Any, ...] = ()
            places: tuple[Any, ...] = ()
            for j in static_range(4):
                at = int32(min(max(i + j, result0), result1 - 1))
                plane = quotient(at, int32(oh * ow))
                within = int32(at - plane * oh * ow)
                line = quotient(within, ow)
                top = int32(line * stride_h - padding_h)
                left = int32((within - line * ow) * stride_w - padding_w)
                here = int32(plane * h * w - base)
                best = zero(x) + real(MINUS_INFINITY)
                best_at = int32(-1)
                for r in range(kernel_h):
                    row = int32(top + r * dilation_h)
                    if row >= 0 and row < h:
                        for s in range(kernel_w):
                            column = int32(left + s * dilation_w)
                            if column >= 0 and column < w:
                                value = load(shared, int32(here + row * w + column))
                                if value > best or value != value or best_at < 0:  # NaN is larger than everything
                                    best = value
                                    best_at = int32(row * w + column)
                values, places = values + (best,), places + (best_at,)
            if wide and i >= result0 and i + 4 <= result1:
                store4(y, i, values)
                store4(indices, i, places)
            else:
                for j in static_range(4):
                    if i + j >= result0 and i + j < result1:
                        store(y, i + j, values[j])
                        store(indices, i + j, places[j])

    return max_pool2d


@functools.cache
def pool_grad(dtype: Any, wide: bool, summed: bool = False, masked: bool = False) -> Kernel:
    """Each input element looks through the windows that cover it for those that chose it: no atomic operations.

    wide    whether gy, indices, gx and y are aligned to 16 bytes.
    summed  whether gy is added up by channels, for bands that are whole planes. The last block adds the planes in their
            order; blocks beyond `work` swap the first two axes of a convolution's weight meanwhile.
    masked  whether gy counts where y, the pooled, is larger than 0 only.
    """
    real = dtype.type
    SUMMED, MASKED = summed, masked
    WARPS = THREADS // WARP

    @kernel(threads=THREADS)
    @unrolled
    def max_pool2d_grad(
        gy: Pointer,
        indices: Int32Pointer,
        gx: Pointer,
        y: Pointer,
        sums: Pointer,
        shares: Pointer,
        counters: Int32Pointer,
        weight: Pointer,
        swapped: Pointer,
        h: int32,
        w: int32,
        oh: int32,
        ow: int32,
        kernel_h: int32,
        kernel_w: int32,
        stride_h: int32,
        stride_w: int32,
        padding_h: int32,
        padding_w: int32,
        dilation_h: int32,
        dilation_w: int32,
        planes: int32,
        per_block: int32,
        band: int32,
        channels: int32,
        outs: int32,
        ins: int32,
        taps: int32,
        work: int32,
    ) -> None:
        if SUMMED and cuda.blockIdx.x >= work:
            others = int32((cuda.gridDim.x - work) * THREADS)
            for i in range((cuda.blockIdx.x - work) * THREADS + cuda.threadIdx.x, outs * ins * taps, others):
                filter_ = quotient(int32(i), taps)
                channel = quotient(filter_, outs)
                swapped[i] = weight[((filter_ - channel * outs) * ins + channel) * taps + i - filter_ * taps]
            return
        shared = cuda.shared.array(GRAD_ROOM, real, alignment=16)
        chosen = cuda.shared.array(GRAD_ROOM, int32, alignment=16)
        t = int32(cuda.threadIdx.x)
        plane0 = int32(cuda.blockIdx.x * per_block)
        plane1 = min(int32(plane0 + per_block), int32(planes))
        row0 = int32(cuda.blockIdx.y * band)
        row1 = min(int32(row0 + band), int32(h))
        over_h, over_w = int32((kernel_h - 1) * dilation_h), int32((kernel_w - 1) * dilation_w)
        window0 = quotient(int32(max(row0 + padding_h - over_h + stride_h - 1, 0)), stride_h)
        window1 = min(int32(quotient(int32(row1 - 1 + padding_h), stride_h) + 1), int32(oh))
        source0, source1 = int32((plane0 * oh + window0) * ow), int32(((plane1 - 1) * oh + window1) * ow)
        base = int32(source0 - source0 % 8)
        for i in range(base + 4 * t, source1, 4 * THREADS):
            if wide and i + 4 <= planes * oh * ow:
                grads = load4_constant(gy, i)
                if MASKED:
                    kept = load4_constant(y, i)
                    grads = (
                        select(kept[0] > real(0), grads[0], real(0)),
                        select(kept[1] > real(0), grads[1], real(0)),
                        select(kept[2] > real(0), grads[2], real(0)),
                        select(kept[3] > real(0), grads[3], real(0)),
                    )
                store4(shared, i - base, grads)
                store4(chosen, i - base, load4_constant(indices, i))
            else:
                for j in static_range(4):
                    if i + j < source1:
                        grad = load_constant(gy, i + j)
                        if MASKED:
                            grad = select(load_constant(y, i + j) > real(0), grad, real(0))
                        store(shared, i - base + j, grad)
                        store(chosen, i - base + j, load_constant(indices, i + j))
        cuda.syncthreads()

        if SUMMED:
            ticket = cuda.shared.array(1, int32)
            images = quotient(int32(planes), channels)
            lane = int32(t % WARP)
            for first in range(plane0, plane1, WARPS):  # as often in all warps
                plane = int32(first + t // WARP)
                total = zero(gy)
                for i in range(plane * oh * ow - base + lane, (min(plane, plane1 - 1) + 1) * oh * ow - base, WARP):
                    total += load(shared, i)
                for step in (16, 8, 4, 2, 1):
                    total += shuffle_xor(total, step)
                if lane == 0 and plane < plane1:
                    image = quotient(plane, channels)
                    shares[(plane - image * channels) * images + image] = total
            cuda.threadfence()
            cuda.syncthreads()
            if t == 0:
                ticket[0] = fetch_add(counters, 0, 1)
            cuda.syncthreads()
            if ticket[0] == work - 1:
                cuda.threadfence()
                for first in range(0, channels, WARPS):
                    c = int32(first + t // WARP)
                    total = zero(gy)
                    for i in range(lane, images if c < channels else 0, WARP):
                        total += shares[c * images + i]
                    for step in (16, 8, 4, 2, 1):
                        total += shuffle_xor(total, step)
                    if lane == 0 and c < channels:
                        sums[c] = total
                if t == 0:
                    counters[0] = 0

        result0, result1 = int32((plane0 * h + row0) * w), int32(((plane1 - 1) * h + row1) * w)
        for i in range(result0 - result0 % 8 + 4 * t, result1, 4 * THREADS):
            values: tuple[Any, ...] = ()
            for j in static_range(4):
                element = int32(min(max(i + j, result0), result1 - 1))
                plane = quotient(element, int32(h * w))
                at = int32(element - plane * h * w)
                line = quotient(at, w)
                row, column = int32(line + padding_h), int32(at - line * w + padding_w)
                top = quotient(int32(max(row - over_h + stride_h - 1, 0)), stride_h)
                left = quotient(int32(max(column - over_w + stride_w - 1, 0)), stride_w)
                bottom = min(int32(oh), int32(quotient(row, stride_h) + 1))
                right = min(int32(ow), int32(quotient(column, stride_w) + 1))
                total = zero(gy)
                for window_row in range(top, bottom):
                    window = int32((plane * oh + window_row) * ow - base)
                    for window_column in range(left, right):
                        if load(chosen, window + window_column) == at:
                            total += load(shared, window + window_column)
                values = values + (total,)
            if wide and i >= result0 and i + 4 <= result1:
                store4(gx, i, values)
            else:
                for j in static_range(4):
                    if i + j >= result0 and i + j < result1:
                        store(gx, i + j, values[j])

    return max_pool2d_grad
