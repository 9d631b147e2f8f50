"""How many threads the compiled loops use: fewer while other processes compute too.

A parallel loop takes as long as the slowest of its threads. Where another process computes on one of the processors, the
thread there waits for its turn, some milliseconds each time, and all others wait for it: a step takes two to twenty times as
long as with one thread less. The system counts how often it takes a processor away from a thread that has something to do
(`ru_nivcsw`): now and then on a quiet machine, hundreds of times a second beside a busy process. While it does so often, half
of the threads compute; after a pause all are tried again. Results do not depend on the number of threads.

Nothing is done where the user has chosen: by one of the environment variables below.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from threading import get_ident
from typing import Any

VARIABLES = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
WINDOW = 0.1  # seconds that are looked at together
PAUSE = 2.0  # seconds until all threads are tried again
OFTEN = 100  # interruptions in a second of processor time; a quiet machine has some thirty


class Team:
    """The threads of one thread's loops.

    clock  seconds; usage  interruptions and seconds of processor time so far; apply(n)  has the loops use n threads.
    """

    def __init__(
        self,
        most: int,
        clock: Callable[[], float],
        usage: Callable[[], tuple[int, float]],
        apply: Callable[[int], None],
    ) -> None:
        self.most = self.count = most
        self.clock, self.usage, self.apply = clock, usage, apply
        self.owner = get_ident()
        # of the window, which begins when the first loop does: what was before is not judged
        self.end: float | None = None

    def look(self) -> None:
        """To be called now and then: the number of threads for what comes next."""
        now = self.clock()
        if (self.end is not None and now < self.end) or get_ident() != self.owner:
            return
        if self.end is None:
            self._begin()
            return
        interruptions, seconds = (b - a for a, b in zip(self.before, self.usage()))
        if self.count > 1 and interruptions > OFTEN * seconds > OFTEN * WINDOW / 2:
            self._use(self.count // 2)
            self.again = now + PAUSE
        elif self.count < self.most and now >= self.again:
            self._use(self.most)
        self._begin()

    def _use(self, count: int) -> None:
        self.count = count
        self.apply(count)

    def _begin(self) -> None:
        self.end, self.before = self.clock() + WINDOW, self.usage()


def make() -> Team | None:
    """The team of this thread; None where the number of threads is not to change.

    Numba asks for `NUMBA_NUM_THREADS` alone, when it is imported; `OMP_NUM_THREADS` is made to count for it too.
    """
    wanted = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]  # a list has one number for each level of nesting
    if wanted.isdecimal() and int(wanted) > 0:
        os.environ.setdefault("NUMBA_NUM_THREADS", wanted)
    if any(name in os.environ for name in VARIABLES) or (os.cpu_count() or 1) < 2:
        return None
    try:
        import resource
    except ImportError:  # Windows
        return None

    def usage() -> tuple[int, float]:
        used: Any = resource.getrusage(resource.RUSAGE_SELF)
        return used.ru_nivcsw, used.ru_utime + used.ru_stime

    def apply(count: int) -> None:
        if "numba" in sys.modules:
            import numba

            numba.set_num_threads(min(count, numba.config.NUMBA_NUM_THREADS))

    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Team(processors, time.perf_counter, usage, apply)
