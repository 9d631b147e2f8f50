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

import tinynet_kernels
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

    from tinynet_kernels.conv2d import cuda as convolution
    from tinynet_kernels.matmul import cuda, tiled
    from tinynet_kernels.runtime import tiles
    from tinynet_kernels.runtime.cuda import driver

    a, b, y = (cupy.ones((64, 64), "float32") for _ in range(3))
    x, w, bias, made, gw = (
        cupy.ones(s, "float32") for s in ((8, 32, 8, 8), (64, 32, 3, 3), 64, (8, 64, 8, 8), (64, 32, 3, 3))
    )
    padded = {"stride": 1, "padding": 1, "dilation": 1, "groups": 1}
    done = (driver.CUresult.CUDA_SUCCESS,)
    driver.cuLaunchKernel = lambda *arguments: done
    kernel = tiled.product(a.dtype, tiles.SMALL, True, False, True)
    numbers = 64, 64, 64, 64, 64, 0, 0, 1, 0, 2, 64, False, False
    prepared = kernel.prepared(a, (4, 1, 1), *numbers)
    calls: dict[str, Callable[[], Any]] = {
        "the kernel, given arrays and numbers": lambda: kernel((4, 1, 1), a, b, None, y, y, None, *numbers),
        "the same, prepared": lambda: prepared(a, b, None, y, y, None),
        "matmul's choice of tile and launch": lambda: cuda.matmul((y,), a, b),
        "tinynet_kernels.matmul(a, b, out=y)": lambda: tinynet_kernels.matmul(a, b, out=y),
        "tinynet_kernels.matmul(a, b)": lambda: tinynet_kernels.matmul(a, b),
        "conv2d's choice of tile and launch": lambda: convolution.conv2d((made,), x, w, bias, **padded),
        "the weight gradient's": lambda: convolution.conv2d_weight_grad((gw,), x, made, w.shape, **padded),
        "tinynet_kernels.conv2d(x, w, bias, padding=1, out=y)": lambda: tinynet_kernels.conv2d(
            x, w, bias, padding=1, out=made
        ),
    }
    for name, call in calls.items():
        call()
        print(f"{microseconds(call):6.1f} us  {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
