"""Python's share of a launch on CUDA: microseconds without the driver's, on any device.

    python -m bench.launch_time

Medians of the processor time of this thread, with `cuLaunchKernel` replaced by a function that does nothing.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import tinynet_kernels as K
from tinynet.device import cuda_problem, simulated

ROUNDS, CALLS = 21, 500


def microseconds(call: Callable[[], Any]) -> float:
    times = []
    for _ in range(ROUNDS):
        begin = time.thread_time()
        for _ in range(CALLS):
            call()
        times.append((time.thread_time() - begin) / CALLS * 1e6)
    return statistics.median(times)


def main() -> int:
    problem = "Numba's simulator has no launches" if simulated() else cuda_problem()
    if problem is not None:
        print(f"nothing measured: {problem}")
        return 1
    import cupy

    from tinynet_kernels import spec
    from tinynet_kernels.matmul import tiled
    from tinynet_kernels.runtime import tiles
    from tinynet_kernels.runtime.cuda import driver

    def ones(*shape: int) -> Any:
        return cupy.ones(shape, "float32")

    a, b, y = ones(64, 64), ones(64, 64), ones(64, 64)
    x, w, bias, made, gw = ones(8, 32, 8, 8), ones(64, 32, 3, 3), ones(64), ones(8, 64, 8, 8), ones(64, 32, 3, 3)
    pooled, labels = (ones(8, 64, 4, 4), cupy.ones((8, 64, 4, 4), "int32")), cupy.ones(64, "int64")
    mean, variance, loss, lse = ones(64), ones(64), ones(64), ones(64)
    done = (driver.CUresult.CUDA_SUCCESS,)
    driver.cuLaunchKernel = lambda *arguments: done
    kernel = tiled.product(a.dtype, tiles.SMALL, True, False, True)
    numbers = 64, 64, 64, 64, 64, 0, 0, 1, 0, 2, 64, False, False
    prepared = kernel.prepared(a, (4, 1, 1), *numbers)

    def unknown() -> None:
        spec._known.clear()
        K.matmul(a, b, out=y)

    calls: dict[str, Callable[[], Any]] = {
        "the kernel, given arrays and numbers": lambda: kernel((4, 1, 1), a, b, None, y, y, None, *numbers),
        "the same, prepared": lambda: prepared(a, b, None, y, y, None),
        "matmul(a, b, out=y), not called before": unknown,
        "matmul(a, b, out=y)": lambda: K.matmul(a, b, out=y),
        "matmul(a, b)": lambda: K.matmul(a, b),
        "conv2d(x, w, bias, padding=1, out=y)": lambda: K.conv2d(x, w, bias, padding=1, out=made),
        "conv2d_weight_grad(x, gy, shape, padding=1, out=gw)": lambda: K.conv2d_weight_grad(
            x, made, w.shape, padding=1, out=gw
        ),
        "max_pool2d(x, 2, out=(y, indices))": lambda: K.max_pool2d(made, 2, out=pooled),
        "batch_norm(x, mean, variance, eps=1e-5, out=y)": lambda: K.batch_norm(
            made, mean, variance, eps=1e-5, out=made
        ),
        "softmax_cross_entropy(logits, labels, out=(loss, lse))": lambda: K.softmax_cross_entropy(
            a, labels, out=(loss, lse)
        ),
        "channel_sum(x, out=sums)": lambda: K.channel_sum(made, out=bias),
    }
    for name, call in calls.items():
        call()
        print(f"{microseconds(call):6.1f} us  {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
