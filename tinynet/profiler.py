"""Where the time of a piece of a program goes: by operation, forward and backward, and by kernel.

    with profiler.profile() as measured:
        trainer.fit(data)
    print(measured.table())
    measured.save("trace.json")  # for chrome://tracing or https://ui.perfetto.dev

Times are those of the host. On CUDA every operation is waited for, so that its time is its own: the whole takes longer than
without a profile, and a step that is recorded as a graph cannot be profiled.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tinynet_kernels import spec
from tinynet_kernels.runtime import memory

from . import autograd, cuda
from .device import device_of
from .tensor import Tensor

MOST_EVENTS = 200_000  # in a trace; the table counts all


class Row:
    """What is added up for one operation or kernel: calls, seconds, and what its kernels compute and move at least."""

    def __init__(self) -> None:
        self.calls, self.seconds, self.flops, self.bytes = 0, 0.0, 0, 0


class Profile:
    """The measurements of a `profile()`.

    ops      {(operation, "forward" or "backward"): Row}, without what an operation does inside another
    kernels  {kernel: Row}, wherever they were called
    seconds  from the beginning to the end
    memory   blocks of host memory "reused" and "new", "new_bytes", and bytes "kept" at the end
    """

    def __init__(self) -> None:
        self.ops: dict[tuple[str, str], Row] = {}
        self.kernels: dict[str, Row] = {}
        self.seconds = 0.0
        self.memory: dict[str, int] = {}
        self._events: list[tuple[str, str, float, float]] = []
        self._start = time.perf_counter()
        self._depth = 0
        self._on_cuda = False

    def table(self) -> str:
        """Text: operations, then kernels with their share of the processor's measured sgemm and copy speeds, then memory."""
        lines = ["", f"{'operation':<28}{'':<10}{'calls':>8}{'ms':>12}{'share':>8}"]
        for (name, way), row in sorted(self.ops.items(), key=lambda item: -item[1].seconds):
            lines.append(f"{name:<28}{way:<10}{row.calls:>8,}{1e3 * row.seconds:>12.1f}{self._share(row.seconds):>8}")
        rest = self.seconds - sum(row.seconds for row in self.ops.values())
        lines.append(f"{'the rest':<38}{'':>8}{1e3 * rest:>12.1f}{self._share(rest):>8}")
        peaks = None if self._on_cuda else measured_peaks()
        head = f"{'kernel':<38}{'calls':>8}{'ms':>12}{'share':>8}{'GFLOP/s':>10}{'GB/s':>8}"
        lines += ["", head + (f"{'of sgemm':>10}{'of copy':>9}" if peaks else "")]
        for name, row in sorted(self.kernels.items(), key=lambda item: -item[1].seconds):
            rates = [count / max(row.seconds, 1e-12) for count in (row.flops, row.bytes)]
            line = f"{name:<38}{row.calls:>8,}{1e3 * row.seconds:>12.1f}{self._share(row.seconds):>8}"
            line += f"{rates[0] / 1e9:>10.1f}{rates[1] / 1e9:>8.1f}"
            lines.append(line + (f"{rates[0] / peaks[0]:>10.0%}{rates[1] / peaks[1]:>9.0%}" if peaks else ""))
        if peaks:
            lines += ["", f"sgemm {peaks[0] / 1e9:.0f} GFLOP/s, copy {peaks[1] / 1e9:.1f} GB/s (read and written)"]
        m = self.memory
        lines.append(
            f"host memory: {m['new']:,} blocks from the system ({m['new_bytes'] / 2**20:,.1f} MiB), {m['reused']:,} used "
            f"again, {m['kept'] / 2**20:,.1f} MiB kept"
        )
        return "\n".join(lines)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the events in Chrome's trace format: the first 200,000 of them."""
        events = [
            {"name": n, "cat": kind, "ph": "X", "ts": 1e6 * start, "dur": 1e6 * seconds, "pid": 0, "tid": 0}
            for n, kind, start, seconds in self._events
        ]
        Path(path).write_text(json.dumps({"traceEvents": events, "displayTimeUnit": "ms"}), encoding="utf-8")

    def _share(self, seconds: float) -> str:
        return f"{seconds / max(self.seconds, 1e-12):.1%}"

    # what is called in place of operations and kernels

    def _operation(self, op: type[autograd.Op], way: str, function: Callable[..., Any], *args: Any) -> Any:
        outside = self._depth == 0
        self._depth += 1
        start = time.perf_counter()
        try:
            return function(*args)
        finally:
            self._wait(args)
            seconds = time.perf_counter() - start
            self._depth -= 1
            self._note(op.__name__, way, start, seconds)
            if outside:
                row = self.ops.setdefault((op.__name__, way), Row())
                row.calls, row.seconds = row.calls + 1, row.seconds + seconds

    def _kernel(self, kernel: spec.KernelSpec, args: Any, params: Any, run: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = run()
        self._wait(args)
        seconds = time.perf_counter() - start
        self._note(kernel.name, "kernel", start, seconds)
        cost = kernel.cost(*args, **params)
        row = self.kernels.setdefault(kernel.name, Row())
        row.calls, row.seconds = row.calls + 1, row.seconds + seconds
        row.flops, row.bytes = row.flops + cost.flops, row.bytes + cost.bytes
        return result

    def _wait(self, args: Any) -> None:
        arrays = (a._array if isinstance(a, Tensor) else a for a in args)
        if any(hasattr(a, "__cuda_array_interface__") and device_of(a).type == "cuda" for a in arrays):
            self._on_cuda = True
            cuda.synchronize()

    def _note(self, name: str, kind: str, start: float, seconds: float) -> None:
        if len(self._events) < MOST_EVENTS:
            self._events.append((name, kind, start - self._start, seconds))


@contextmanager
def profile() -> Iterator[Profile]:
    """Measures what is done inside. RuntimeError inside of another profile."""
    if autograd._watch is not None:
        raise RuntimeError("a profile is being made already")
    measured = Profile()
    before = memory.statistics()
    autograd.set_watch(measured._operation)
    spec.set_watch(measured._kernel)
    try:
        yield measured
    finally:
        autograd.set_watch(None)
        spec.set_watch(None)
        measured.seconds = time.perf_counter() - measured._start
        after = memory.statistics()
        measured.memory = {name: after[name] - (0 if name == "kept" else before[name]) for name in after}


def measured_peaks() -> tuple[float, float]:
    """FLOP/s of a product of two 1024 x 1024 float32 matrices, and bytes/s (read and written) of a copy of 64 MiB."""
    a, b = (np.random.default_rng(i).random((1024, 1024), np.float32) for i in range(2))
    source, target = np.ones(1 << 24, np.float32), np.ones(1 << 24, np.float32)
    return 2 * 1024**3 / _best(lambda: a @ b), 2 * source.nbytes / _best(lambda: np.copyto(target, source))


def _best(function: Callable[[], Any], times: int = 5) -> float:
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return min(seconds)
