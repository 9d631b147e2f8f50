"""Host memory that is used again, and steps whose memory does not grow."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import pytest

import tinynet
from tinynet import nn, optim
from tinynet_kernels.runtime import memory

SHAPE = (100, 200)


@pytest.fixture(autouse=True)
def _nothing_kept() -> None:
    gc.collect()
    memory.release()


def address(array: np.ndarray) -> int:
    return int(array.ctypes.data)


def test_memory_is_used_again_when_the_last_view_is_gone() -> None:
    first = memory.empty(SHAPE, np.float32)
    assert first.flags.c_contiguous
    assert address(first) % memory.ALIGN == 0
    place, view = address(first), first[3:, ::2].T
    view[...] = 7
    del first
    other = memory.empty(SHAPE, np.float32)
    assert address(other) != place  # the view still shows the first
    other[...] = 0
    assert (view == 7).all()
    del view
    assert memory.statistics()["kept"] > 0
    assert address(memory.empty(SHAPE, np.float32)) == place
    assert address(memory.empty((*SHAPE, 1), np.int32)) == place  # whatever the shape and dtype


def test_a_block_comes_back_once_however_it_is_viewed() -> None:
    array = memory.empty(SHAPE, np.float32)
    part = array.base[:10]
    copy = array.base + 1
    del array, copy
    assert memory.statistics()["kept"] == 0
    del part
    assert memory.statistics()["kept"] == memory._bucket(4 * 100 * 200)


def test_sizes_of_blocks() -> None:
    for size in (memory.SMALLEST, memory.SMALLEST + 1, 10**5, 2**20 - 1, 2**20 + 1, 12_345_678):
        assert size <= memory._bucket(size) <= max(size * 1.125, size + 4096)
    small = memory.empty((3,), np.float64)
    assert type(small.base) is type(None)
    assert memory.zeros((50, 50, 10), np.float64).sum() == 0


def test_no_more_than_a_limit_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MOST", 1 << 20)
    arrays = [memory.empty((1 << 16,), np.float32) for _ in range(10)]
    del arrays
    assert 0 < memory.statistics()["kept"] <= 1 << 20


def test_no_block_is_given_to_two_threads() -> None:
    def work(number: int) -> bool:
        intact = True
        for i in range(300):
            arrays = [memory.empty(SHAPE, np.int64) for _ in range(1 + i % 3)]
            for array in arrays:
                array[...] = number
            intact &= all((array == number).all() for array in arrays)
        return intact

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(4)))
    gc.collect()
    assert 0 < memory.statistics()["kept"] <= 4 * 6 * memory._bucket(8 * 100 * 200)  # at most so many at a time
    memory.release()
    assert memory.statistics()["kept"] == 0


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Threads that wait for each other are slow beside other work, such as tests."""
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    yield
    numba.set_num_threads(threads)


@pytest.mark.usefixtures("one_thread")
def test_a_step_takes_all_its_blocks_from_the_step_before() -> None:
    model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(1352, 10))
    optimizer = optim.Adam(model.parameters())
    x, y = tinynet.randn(4, 1, 28, 28), tinynet.randint(10, (4,))

    def step() -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()

    for _ in range(3):
        step()
    before = memory.statistics()
    for _ in range(1000):
        step()
    after = memory.statistics()
    assert after["new"] == before["new"]
    assert after["reused"] >= before["reused"] + 1000
    assert after["kept"] == before["kept"]


@pytest.mark.parametrize("kind", ["conv", "dense"])
def test_any_number_of_threads_gives_the_same_bits(kind: str) -> None:
    code = textwrap.dedent(f"""
        import hashlib, tinynet
        from tinynet import nn, optim
        tinynet.manual_seed(3)
        if "{kind}" == "conv":
            model = nn.Sequential(nn.Conv2d(2, 17, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(17, 9, 3), nn.ReLU(),
                                  nn.Flatten(), nn.Linear(324, 10))
            x = tinynet.randn(37, 2, 16, 16)
        else:
            model = nn.Sequential(nn.Linear(300, 130), nn.ReLU(), nn.Linear(130, 10))
            x = tinynet.randn(37, 300)
        optimizer, y = optim.Adam(model.parameters()), tinynet.randint(10, (37,))
        for _ in range(2):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
        print(hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in model.parameters())).hexdigest())
    """)
    found = set()
    for threads in ("1", "2"):
        env = {**os.environ, "NUMBA_NUM_THREADS": threads, "PYTHONPATH": os.pathsep.join(sys.path)}
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
        found.add(run.stdout.strip())
    assert len(found) == 1
