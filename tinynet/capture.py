"""What a step on CUDA is being recorded into, for what must know: random numbers, optimizers, reading back to the host.

A recording cannot bake in what changes from one replay to the next. Such numbers are words in the memory of the device,
which recorded kernels read and the end of the recording moves on: see `tinynet.cuda_graph`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .cuda_graph import Recording

_recording: Recording | None = None


def current() -> Recording | None:
    """The recording in progress, or None."""
    return _recording


def set_current(recording: Recording | None) -> None:
    global _recording
    _recording = recording


def refuse(what: str, advice: str) -> None:
    """RuntimeError while a step is being recorded: `what` it does that a graph cannot, and what to do instead."""
    if _recording is not None:
        raise RuntimeError(f"{what}, which a captured step cannot do; {advice}")
