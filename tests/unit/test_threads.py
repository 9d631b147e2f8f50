"""The number of threads while other processes compute, with a clock and counters of our own."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import Any

import pytest

from tinynet_kernels.runtime import threads


class Machine:
    """Two threads that are interrupted so many times in a second of their processor time."""

    def __init__(self, most: int = 4) -> None:
        self.now, self.interruptions, self.used, self.applied = 0.0, 0.0, 0.0, [most]
        self.team = threads.Team(
            most, lambda: self.now, lambda: (int(self.interruptions), self.used), self.applied.append
        )

    def run(self, seconds: float, rate: float, busy: float = 1.0) -> int:
        for _ in range(round(seconds / 0.01)):
            self.now += 0.01
            self.used += 0.01 * busy
            self.interruptions += 0.01 * busy * rate
            self.team.look()
        return self.team.count


def test_half_while_interrupted() -> None:
    machine = Machine()
    assert machine.run(1.0, rate=40) == 4
    assert machine.run(0.15, rate=300) == 2
    assert machine.run(0.2, rate=300) == 1
    assert machine.run(1.0, rate=40) == 1  # the pause
    assert machine.run(1.5, rate=40) == 4
    assert machine.applied == [4, 2, 1, 4]


def test_one_is_the_least() -> None:
    machine = Machine(1)
    assert machine.run(1.0, rate=1000) == 1
    assert machine.applied == [1]


def test_an_idle_process_is_not_judged() -> None:
    """Interruptions of a process that hardly computes say nothing."""
    assert Machine().run(1.0, rate=500, busy=0.1) == 4


def test_what_was_before_the_first_loop_is_not_judged() -> None:
    """Such as data that is unpacked in threads beside imports."""
    machine = Machine()
    machine.now, machine.used, machine.interruptions = 1.0, 2.0, 2000.0
    assert machine.run(1.0, rate=0) == 4
    assert machine.applied == [4]


def test_other_threads_do_not_count() -> None:
    machine = Machine()
    other = threading.Thread(target=machine.run, args=(1.0, 1000))
    other.start()
    other.join()
    assert machine.team.count == 4


@pytest.mark.parametrize("name", threads.VARIABLES)
def test_the_user_decides(name: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(os, "environ", {name: "2"})
    assert threads.make() is None


def test_openmp_s_variable_counts() -> None:
    code = "import tinynet_kernels, numba; print(numba.get_num_threads())"
    env = {k: v for k, v in os.environ.items() if k != "NUMBA_NUM_THREADS"} | {"OMP_NUM_THREADS": "1"}
    run = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "1"
