"""Channel sums on CUDA: a block per channel, whose threads' sums are added pairwise in shared memory."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy import int32

from ..runtime.cuda import Kernel, Pointer, contiguous, cuda, finish, kernel, writable

THREADS = 256


@functools.cache
def _kernel(dtype: Any) -> Kernel:
    real = dtype.type

    @kernel(threads=THREADS)
    def channel_sum(x: Pointer, y: Pointer, n: int32, channels: int32, pixels: int32) -> None:
        sums = cuda.shared.array(THREADS, real)
        t = cuda.threadIdx.x
        channel = cuda.blockIdx.x
        total = real(0)
        for i in range(t, n * pixels, THREADS):
            total += x[(i // pixels * channels + channel) * pixels + i % pixels]
        sums[t] = total
        cuda.syncthreads()
        width = THREADS // 2
        while width > 0:
            if t < width:
                sums[t] += sums[t + width]
            cuda.syncthreads()
            width //= 2
        if t == 0:
            y[channel] = sums[0]

    return channel_sum


def channel_sum(outputs: Any, x: Any) -> None:
    (y,) = outputs
    n, channels, *spatial = x.shape
    y_out = writable(y)
    _kernel(x.dtype)(channels, contiguous(x), y_out, n, channels, int(np.prod(spatial)))
    finish(y, y_out)
