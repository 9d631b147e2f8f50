"""Functions that are compiled once: what their callers keep on disk works in the next process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tinynet_kernels.runtime import compiled

LOOPS = """
from collections import namedtuple

import numpy as np
from numba import get_thread_id, njit
from tinynet_kernels.runtime.compiled import for_each, once, parallel

Pair = namedtuple("Pair", "table weights")


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


@once
def three(part, x, parts):
    parts[part] = twice(x, 3 * part, 3 * part + 3)


@parallel
def by_threes(x, end):
    parts = np.zeros(end // 3, x.dtype)
    for_each(parts.size, three, x, parts)
    return parts


@once
def weigh(i, pair, result, threads):
    result[i] += pair.table[i, 0] * pair.weights[1]
    threads[i] = get_thread_id()


@parallel
def weighed(count, pair, result, threads):
    for_each(count, weigh, pair, result, threads)


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
result, threads = np.zeros(100), np.empty(100, int)
loops.weighed(np.uint32(99), loops.Pair(np.arange(200).reshape(100, 2), (0, 0.5)), result, threads)
loops.weighed(0, loops.Pair(np.arange(200).reshape(100, 2), (0, 0.5)), result, threads)
print(np.array_equal(result[:99], np.arange(99)), result[99], set(threads[:99]) == {0, 1})
try:
    loops.by_threes(np.ones(8), 12)
except ValueError as error:
    print("in parallel:", error)
"""
REST = ["beyond the end", "True 0.0 True", "in parallel: beyond the end"]


@pytest.fixture
def run(tmp_path):
    (tmp_path / "loops.py").write_text(LOOPS)

    def run() -> list[str]:
        environment = dict(os.environ, NUMBA_CACHE_DIR=str(tmp_path / "cache"), NUMBA_NUM_THREADS="2")
        environment["NUMBA_THREADING_LAYER"] = "workqueue"  # whose threads get equal shares
        environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path), *sys.path])
        command = [sys.executable, "-c", PROGRAM]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.splitlines()

    return run


def kept(folder: Path, name: str) -> list[Path]:
    return list(folder.rglob(f"loops.{name}-*"))


def test_callers_from_the_disk_find_what_they_call(run, tmp_path):
    sums = ["8.0 26.0 44.0"] * 2  # 2 * (1 + 0 + 1 + 2), ...
    # one for each dtype, though some integers are constants or unsigned
    assert run() == [*sums, "0 2", *REST]
    assert run() == [*sums, "2 2", *REST]
    for path in kept(tmp_path, "add_up"):
        path.unlink()  # the caller is kept, what it calls is compiled again
    assert run() == [*sums, "2 2", *REST]
    assert kept(tmp_path, "add_up")


def test_callers_do_not_hold_the_code(run, tmp_path):
    run()
    for caller, called in (("by_threes", b"loops.three"), ("three", b"loops.twice")):
        data = [path.read_bytes() for path in kept(tmp_path, caller) if path.suffix == ".nbc"]
        assert data
        assert all(called in code for code in data)


def test_loops_in_parallel_use_for_each():
    """As a prange would run on one thread in what `parallel` makes."""
    folder = Path(compiled.__file__).parents[1]
    assert [path.name for path in folder.rglob("*.py") if "prange" in path.read_text()] == ["compiled.py"]
