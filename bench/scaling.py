"""How the cost of a training step of the CNN on the CPU grows with the batch, and memory with the number of steps.

    python bench/scaling.py [--steps 1000] [--seconds 1.0]

For each batch from 32 to 4096: milliseconds a step and microseconds a sample, the median of steps for so many seconds. Then as
many steps at a batch of 32, with the memory that the process has (Linux) after a tenth of them and after all.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import tinynet
from tinynet import models, optim
from tinynet.nn import functional as F

BATCHES = (32, 64, 128, 256, 512, 1024, 2048, 4096)


def training(batch: int) -> Callable[[], Any]:
    """One training step on one batch of noise, again and again."""
    tinynet.manual_seed(0)
    rng = np.random.default_rng(1)
    x, y = (
        tinynet.tensor(rng.standard_normal((batch, 1, 28, 28)).astype("f4")),
        tinynet.tensor(rng.integers(0, 10, batch)),
    )
    model = models.create("cnn")
    optimizer = optim.Adam(model.parameters())

    def step() -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def resident() -> float | None:
    """MiB that the process has in memory; None where the system does not say."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next(int(line.split()[1]) / 2**10 for line in lines if line.startswith("VmRSS"))


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--steps", type=int, default=1000, help="of the part that looks at memory, default: 1000")
    p.add_argument("--seconds", type=float, default=1.0, help="for each batch, default: 1")
    args = p.parse_args()
    print("| batch | ms a step | us a sample |\n| ---: | ---: | ---: |")
    for batch in BATCHES:
        step = training(batch)
        for _ in range(3):
            step()
        times = []
        begin = time.perf_counter()
        while len(times) < 3 or time.perf_counter() - begin < args.seconds:
            start = time.perf_counter()
            step()
            times.append(time.perf_counter() - start)
        median = statistics.median(times)
        print(f"| {batch} | {1e3 * median:.2f} | {1e6 * median / batch:.1f} |", flush=True)
    step = training(BATCHES[0])
    sizes = []
    for i in range(args.steps):
        step()
        if i + 1 in (args.steps // 10, args.steps):
            sizes.append(resident())
    if None not in sizes:
        print(f"memory after {args.steps // 10} steps {sizes[0]:.1f} MiB, after {args.steps} steps {sizes[-1]:.1f} MiB")


if __name__ == "__main__":
    main()
