"""Counters by which the last block of a launch knows that it is the last, and adds what the others have left.

So a sum of many blocks needs no second launch, and no floating-point atomics, whose order differs from run to run. A counter
is 0 before and after a launch. Launches of one stream follow each other and share one; a recorded launch has the counter
of the stream that it was recorded on.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from .cuda import SIMULATED, module


def counter() -> Any:
    """int32 (1,), for launches on the current stream of the current device."""
    if SIMULATED:
        return _counter(0, 0)
    import cupy

    return _counter(cupy.cuda.runtime.getDevice(), cupy.cuda.get_current_stream().ptr)


@functools.cache
def _counter(device: int, stream: int) -> Any:
    return module().zeros(1, np.int32)
