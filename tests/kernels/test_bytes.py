"""What the fused elementwise kernels read and write, counted element by element in Numba's simulator."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

COUNT = """
import sys, threading
import numpy as np
import tinynet_kernels
from tinynet_kernels.runtime import simulator

moved = 0
readers = {}  # of an element in a warp, which reads what its threads have in common once

class Counting(simulator.Pointer):
    def __getitem__(self, i):
        global moved
        thread = threading.current_thread()
        key = self, tuple(thread.blockIdx), thread.thread_id // 32, int(i)
        seen = readers.setdefault(key, set())
        if not seen or thread.thread_id in seen:
            moved += self.elements.itemsize
        seen.add(thread.thread_id)
        return super().__getitem__(i)

    def __setitem__(self, i, value):
        global moved
        moved += self.elements.itemsize
        super().__setitem__(i, value)

simulator.Pointer = Counting
spec = tinynet_kernels.registry()[sys.argv[1]]
sample = next(s for s in spec.samples if s.name == sys.argv[2])
args, params = sample.make(np.random.default_rng(0), np.dtype("float32"))
args = [a.view(simulator.SimArray) if hasattr(a, "dtype") else a for a in args]
spec(*args, **params)
print(moved, spec.cost(*args, **params).bytes)
"""


@pytest.mark.parametrize(
    "name, sample",
    [
        ("adam", "case0"),
        ("adam", "case2"),
        ("rmsprop", "case1"),
        ("dropout", "shape7x9"),
        ("philox_uniform", "shape7x9"),
        ("relu_grad", "off_tile"),
        ("channel_sum", "off_tile"),
        ("batch_norm_stats", "images"),
        ("batch_norm", "off_tile"),
        ("batch_norm_grad", "several_parts"),
    ],
)
def test_near_the_least(name: str, sample: str) -> None:
    """At most 1.2 times the bytes of every input read once and every output written once."""
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1"}
    done = subprocess.run([sys.executable, "-c", COUNT, name, sample], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    moved, least = map(int, done.stdout.split())
    assert 0.7 * least <= moved <= 1.2 * least  # what dropout drops it does not read
