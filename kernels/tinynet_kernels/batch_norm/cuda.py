"""Batch-norm statistics on CUDA: a block per channel reads it twice, for the mean and for the squared deviations."""

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
    def batch_norm_stats(
        x: Pointer, means: Pointer, variances: Pointer, n: int32, channels: int32, pixels: int32
    ) -> None:
        sums = cuda.shared.array(THREADS, real)
        t = cuda.threadIdx.x
        channel = cuda.blockIdx.x
        count = n * pixels
        mean = real(0)
        for square in range(2):
            total = real(0)
            for i in range(t, count, THREADS):
                value = x[(i // pixels * channels + channel) * pixels + i % pixels] - mean
                total += value * value if square else value
            sums[t] = total
            cuda.syncthreads()
            width = THREADS // 2
            while width > 0:
                if t < width:
                    sums[t] += sums[t + width]
                cuda.syncthreads()
                width //= 2
            result = sums[0] / real(count)
            if t == 0:
                if square:
                    variances[channel] = result
                else:
                    means[channel] = result
            mean = result
            cuda.syncthreads()

    return batch_norm_stats


def batch_norm_stats(outputs: Any, x: Any) -> None:
    means, variances = outputs
    n, channels, *spatial = x.shape
    means_out, variances_out = writable(means), writable(variances)
    _kernel(x.dtype)(channels, contiguous(x), means_out, variances_out, n, channels, int(np.prod(spatial)))
    finish(means, means_out)
    finish(variances, variances_out)
