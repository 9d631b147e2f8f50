"""Times every kernel on its large samples: `python -m pytest bench`.

The table shows medians; extra_info holds GFLOP/s and GB/s, counted from the least work the call can do.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinynet
import tinynet_kernels
from tinynet import models, optim
from tinynet.nn import functional as F

CASES = [
    pytest.param(spec, sample, variant, id=f"{name}-{sample.name}-{variant}")
    for name, spec in tinynet_kernels.registry().items()
    for sample in spec.samples
    if sample.bench
    for variant in spec.cpu
]


@pytest.mark.parametrize("spec, sample, variant", CASES)
def test_kernel(benchmark: Any, spec: Any, sample: Any, variant: str) -> None:
    args, params = sample.make(np.random.default_rng(0), np.dtype("float32"))
    benchmark.group = spec.name
    benchmark(lambda: spec(*args, variant=variant, **params))
    cost, seconds = spec.cost(*args, **params), benchmark.stats.stats.median
    benchmark.extra_info["GFLOP/s"] = round(cost.flops / seconds / 1e9, 1)
    benchmark.extra_info["GB/s"] = round(cost.bytes / seconds / 1e9, 1)


@pytest.mark.parametrize("batch", [32, 128])
def test_training_step(benchmark: Any, batch: int) -> None:
    """Forward, backward and Adam of the default network."""
    tinynet.manual_seed(0)
    model = models.create("cnn")
    optimizer = optim.Adam(model.parameters())
    x, y = tinynet.randn(batch, 1, 28, 28), tinynet.randint(10, (batch,))

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()

    benchmark.group = "training step"
    benchmark(step)
    benchmark.extra_info["samples/s"] = round(batch / benchmark.stats.stats.median)
