"""Functions that are compiled once: what their callers keep on disk works in the next process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

LOOPS = """
import numpy as np
from numba import njit, prange
from tinynet_kernels.runtime.compiled import once, parallel


@once
def add_up(x, begin, end, pair):
    if end > x.size:
        raise ValueError("beyond the end")
    total = x.dtype.type(pair[1])
    for i in range(begin, end):
        total += x[i]
    return total


@once
def twice(x, begin, end):
    return 2 * add_up(x, begin, end, (0, 1))


@parallel
def by_threes(x, end):
    parts = np.zeros(end // 3, x.dtype)
    for part in prange(parts.size):
        parts[part] = twice(x, 3 * part, 3 * part + 3)
    return parts


@njit(cache=True)
def alone(x, begin, end):
    return add_up(x, begin, end, (0, 1))
"""
PROGRAM = """
import numpy as np, loops
for dtype in (np.float32, np.float64):
    result = loops.by_threes(np.arange(9, dtype=dtype), 9)
    assert result.dtype == dtype
    print(*result)
print(sum(loops.by_threes.stats.cache_hits.values()), len(loops.add_up.compiled.overloads))
try:
    loops.alone(np.ones(2), 0, 3)
except ValueError as error:
    print(error)
"""


@pytest.fixture
def run(tmp_path):
    (tmp_path / "loops.py").write_text(LOOPS)

    def run() -> list[str]:
        environment = dict(os.environ, NUMBA_CACHE_DIR=str(tmp_path / "cache"), NUMBA_NUM_THREADS="2")
        environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path), *sys.path])
        command = [sys.executable, "-c", PROGRAM]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.splitlines()

    return run


def kept(folder: Path, name: str) -> list[Path]:
    return list(folder.rglob(f"loops.{name}-*"))


def test_callers_from_the_disk_find_what_they_call(run, tmp_path):
    sums = ["8.0 26.0 44.0"] * 2  # 2 * (1 + 0 + 1 + 2), ...
    assert run() == [
        *sums,
        "0 2",
        "beyond the end",
    ]  # one for each dtype, though some integers are constants or unsigned
    assert run() == [*sums, "2 2", "beyond the end"]
    for path in kept(tmp_path, "add_up"):
        path.unlink()  # the caller is kept, what it calls is compiled again
    assert run() == [*sums, "2 2", "beyond the end"]
    assert kept(tmp_path, "add_up")


def test_callers_do_not_hold_the_code(run, tmp_path):
    run()
    data = [path.read_bytes() for path in kept(tmp_path, "by_threes") if path.suffix == ".nbc"]
    assert data
    assert all(b"loops.twice" in code for code in data)
