"""Counters by which the last of several blocks knows that it is the last, and adds what the others have left.

So a sum of many blocks needs no second launch, and no floating-point atomics, whose order differs from run to run: the last
block adds in a fixed order. Counters are 0 before and after a launch. Launches of one stream follow each other and share
them; a recorded launch has those of the stream that it was recorded on, which must live as long as the record: the next
stream may have its handle.
"""

from __future__ import annotations

import functools
import threading
from typing import Any

import numpy as np

from .cuda import SIMULATED, module
from .tuning import COUNTERS


def parts_of(y: Any, splits: int) -> tuple[Any, Any]:
    """Where blocks leave the parts of sums that are cut into so many, and the counters of those that are done."""
    return (y, None) if splits == 1 else (module().empty((splits, y.size), y.dtype), counters())


def counters() -> Any:
    """int32 (COUNTERS,), for launches on the current stream of the current device."""
    if SIMULATED:
        return _counters(0, 0, 0)
    import cupy

    stream = cupy.cuda.get_current_stream().ptr
    thread = threading.get_ident() if stream == cupy.cuda.runtime.streamPerThread else 0  # one handle, many streams
    return _counters(cupy.cuda.runtime.getDevice(), stream, thread)


@functools.cache
def _counters(device: int, stream: int, thread: int) -> Any:
    if SIMULATED:
        return module().zeros(COUNTERS, np.int32)
    import cupy

    with cupy.cuda.Stream(non_blocking=True) as own:  # at once, even if launches on the current stream are recorded
        made = cupy.zeros(COUNTERS, np.int32)
        own.synchronize()
    return made
