"""Channel sums on CUDA: a block adds some images' share of some channels, the last block adds the shares in their order."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import int32

from ..runtime.cuda import Int32Pointer, Kernel, Pointer, blocks_for, cuda, kernel, module, repeatable
from ..runtime.last_block import counters
from ..runtime.primitives import fetch_add, quotient, select

THREADS = 256
WARP = 32
SECTOR = 8  # elements that memory gives at a time: threads of a warp take planes shorter than that side by side
ENOUGH_BLOCKS = 512  # keep every multiprocessor busy
LEAST_WORK = 4 * THREADS  # elements of a block


@functools.cache
def _kernel(dtype: Any, lanes: int, masked: bool) -> Kernel:
    """lanes   channels side by side in a block: 1, or 32 where the channels lie side by side in memory.
    masked  x counts where y > 0 only, and is written like that to `out`.
    """
    real = dtype.type
    step = THREADS // lanes

    @kernel(threads=THREADS)
    def channel_sum(
        x: Pointer,
        y: Pointer,
        out: Pointer,
        sums: Pointer,
        shares: Pointer,
        counters: Int32Pointer,
        weight: Pointer,
        swapped: Pointer,
        n: int32,
        channels: int32,
        pixels: int32,
        images: int32,
        parts: int32,
        outs: int32,
        ins: int32,
        taps: int32,
        work: int32,
    ) -> None:
        if cuda.blockIdx.x >= work:  # these blocks have another job: to swap the first two axes of the weight
            step_w = int32((cuda.gridDim.x - work) * THREADS)
            for i in range((cuda.blockIdx.x - work) * THREADS + cuda.threadIdx.x, outs * ins * taps, step_w):
                filter_ = quotient(int32(i), taps)
                channel = quotient(filter_, outs)
                swapped[i] = weight[((filter_ - channel * outs) * ins + channel) * taps + i - filter_ * taps]
            return
        totals = cuda.shared.array(THREADS, real)
        ticket = cuda.shared.array(1, int32)
        t = int32(cuda.threadIdx.x)
        channel = int32(cuda.blockIdx.x // parts * lanes + t % lanes)
        part = int32(cuda.blockIdx.x % parts)
        first = int32(part * images)
        count = int32((min(n, first + images) - first) * pixels)
        total = real(0)
        if channel < channels:
            for i in range(t // lanes, count, step):
                image = quotient(int32(i), pixels)
                at = int32(((first + image) * channels + channel) * pixels + i - image * pixels)
                value = x[at]
                if masked:
                    value = select(y[at] > real(0), value, real(0))
                    out[at] = value
                total += value
        totals[t] = total
        cuda.syncthreads()
        width = THREADS // 2
        while width >= lanes:
            if t < width:
                totals[t] += totals[t + width]
            cuda.syncthreads()
            width //= 2
        if parts == 1:
            if t < lanes and channel < channels:
                sums[channel] = totals[t]
            return
        if t < lanes and channel < channels:
            shares[part * channels + channel] = totals[t]
            cuda.threadfence()
        cuda.syncthreads()
        if t == 0:
            ticket[0] = fetch_add(counters, 0, 1)
        cuda.syncthreads()
        if ticket[0] == work - 1:  # all others have stored their shares
            cuda.threadfence()
            for c in range(t, channels, THREADS):
                total = real(0)
                for p in range(parts):
                    total += shares[p * channels + c]
                sums[c] = total
            if t == 0:
                counters[0] = 0

    return channel_sum


@repeatable
def channel_sum(outputs: Any, x: Any) -> Callable[..., None]:
    launch = _launch(x, False, None)
    return lambda outputs, x: launch(x, None, None, *outputs, None, None)


@repeatable
def relu_grad(outputs: Any, gy: Any, y: Any, weight: Any = None) -> Callable[..., None]:
    launch = _launch(gy, True, weight)
    return lambda outputs, gy, y, weight=None: launch(gy, y, *outputs[:2], weight, *(outputs[2:] or (None,)))


def shares_of(
    n: int, channels: int, pixels: int, enough: int = ENOUGH_BLOCKS, width: int = 1
) -> tuple[int, int, int, int]:
    """How n images of so many channels and pixels are divided among blocks: channels side by side in a block, blocks for all
    channels, images to a part, parts; at most `enough` blocks, unless there are more channels. `width`: of a pixel.
    """
    lanes = 1 if pixels * width >= SECTOR else WARP
    blocks = blocks_for(channels, lanes)
    # at least so many images to a part that a block has something to do, and all parts together few enough
    images = max(blocks_for(n * blocks, enough), blocks_for(LEAST_WORK, max(pixels, 1) * lanes))
    return lanes, blocks, images, max(1, blocks_for(n, images))


def _launch(x: Any, masked: bool, weight: Any) -> Callable[..., None]:
    """The launch for arrays like these: of x, y, out, sums, weight and swapped, as the kernel has them."""
    n, channels, *spatial = x.shape
    pixels, dtype = int(np.prod(spatial)), x.dtype
    lanes, blocks, images, parts = shares_of(n, channels, pixels)
    outs, ins, *kernel = (0, 0) if weight is None else weight.shape
    taps, work = int(np.prod(kernel)), blocks * parts
    extra = 0 if weight is None else blocks_for(weight.size, 4 * THREADS)
    numbers = n, channels, pixels, images, parts, outs, ins, taps, work
    start = _kernel(dtype, lanes, masked).prepared(x, work + extra, *numbers)

    def launch(x: Any, y: Any, out: Any, sums: Any, weight: Any, swapped: Any) -> None:
        shares, ticket = (None, None) if parts == 1 else (module().empty((parts, channels), dtype), counters())
        start(x, y, out, sums, shares, ticket, weight, swapped)

    return launch
