"""Times every kernel on a CUDA device with events; without a device it says so.

    python -m pytest bench/kernels.py                       through pytest-benchmark, with cold and warm times as extra info
    python -m bench.kernels [--readme kernels/README.md]    a table, also put between the markers of that file

Cold: nothing useful is in the level-2 cache, as in a network whose layers take turns. Warm: the same call again and again.
Both are the device's times: the host launches while the device is still busy with something else.
The two shares tell how far a cold call is from what limits it: bytes per second against a copy of 256 MiB on the same
device, operations per second against `cupy.matmul` (cuBLAS) of 4096 x 4096 float32 matrices. Bytes and operations are the
least that the call can do (`KernelSpec.cost`).
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinynet_kernels
from bench.sass import write_between
from tinynet.device import cuda_problem, simulated
from tinynet_kernels.runtime.tuning import cold_time, device_time
from tinynet_kernels.spec import KernelSpec, Sample

PROBLEM = "the kernels run in Numba's simulator" if simulated() else cuda_problem()
CASES = [
    (spec, sample, variant)
    for spec in tinynet_kernels.registry().values()
    for sample in spec.samples
    if sample.bench
    for variant in spec.cuda
]
HEADER = "| kernel | sample | variant | cold us | warm us | of a copy's bytes/s | of cupy.matmul's FLOP/s |"


@dataclass(frozen=True)
class Timing:
    """Seconds of a call, and what it reaches when cold in shares of the device's copy and matrix product."""

    cold: float
    warm: float
    of_copy: float
    of_matmul: float


def call(spec: KernelSpec, sample: Sample, variant: str) -> tuple[Callable[[], Any], Any]:
    """The sample's call on the device, writing to arrays it has, and what it must do at least."""
    import cupy

    args, params = sample.make(np.random.default_rng(0), np.dtype("float32"))
    cost = spec.cost(*args, **params)
    moved = [cupy.asarray(a) if isinstance(a, np.ndarray) else a for a in args]
    made = spec(*moved, variant=variant, **params)
    return functools.partial(spec, *moved, out=made, variant=variant, **params), cost


def measure(run: Callable[[], Any], cost: Any) -> Timing:
    cold = cold_time(run)
    bytes_per_second, flops_per_second = limits()
    return Timing(cold, warm_time(run), cost.bytes / cold / bytes_per_second, cost.flops / cold / flops_per_second)


def warm_time(run: Callable[[], Any], repeats: int = 20) -> float:
    """Seconds of one of many calls in a row."""
    return device_time(run, repeats, warm=True) / repeats


@functools.cache
def limits() -> tuple[float, float]:
    """Bytes per second of a copy, and operations per second of cupy.matmul, on the current device."""
    import cupy

    source = cupy.zeros(1 << 26, "float32")
    target = cupy.empty_like(source)
    copy = cold_time(lambda: cupy.copyto(target, source))
    n = 4096
    a = cupy.ones((n, n), "float32")
    product = cold_time(lambda: cupy.matmul(a, a))
    return 2 * source.nbytes / copy, 2 * n**3 / product


@pytest.mark.skipif(PROBLEM is not None, reason=PROBLEM or "")
@pytest.mark.parametrize(
    "spec, sample, variant", [pytest.param(*c, id=f"{c[0].name}-{c[1].name}-{c[2]}") for c in CASES]
)
def test_kernel(benchmark: Any, spec: KernelSpec, sample: Sample, variant: str) -> None:
    import cupy

    run, cost = call(spec, sample, variant)

    def finished() -> None:
        run()
        cupy.cuda.get_current_stream().synchronize()

    benchmark.group = spec.name
    benchmark(finished)
    timing = measure(run, cost)
    benchmark.extra_info |= {"device": _device_name(), **vars(timing)}


def table() -> str:
    """All timings in Markdown, under the name of the device, or that there is none."""
    if PROBLEM is not None:
        return "Not measured: no CUDA device was available."
    rows = [f"On {_device_name()}:", "", HEADER, "|---" * (HEADER.count("|") - 1) + "|"]
    for spec, sample, variant in CASES:
        t = measure(*call(spec, sample, variant))
        times = f"{t.cold * 1e6:.1f} | {t.warm * 1e6:.1f} | {t.of_copy:.0%} | {t.of_matmul:.0%}"
        rows.append(f"| {spec.name} | {sample.name} | {variant} | {times} |")
    return "\n".join(rows)


def _device_name() -> str:
    import cupy

    properties = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.runtime.getDevice())
    return str(properties["name"].decode())


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/kernels.py", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--readme", type=Path, help="also put the table between the timings markers of this file")
    options = parser.parse_args()
    if PROBLEM is not None:
        print(PROBLEM, file=sys.stderr)
    text = table()
    print(text)
    if options.readme:
        write_between(options.readme, "timings", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
