"""The devices beside the CPU under the names of `torch.accelerator`, which are the CUDA devices."""

from __future__ import annotations

from . import cuda
from .cuda import current_device as current_device_index
from .cuda import device_count, is_available, synchronize
from .cuda import set_device as set_device_index
from .device import device

__all__ = [
    "current_accelerator",
    "current_device_index",
    "device_count",
    "is_available",
    "set_device_index",
    "synchronize",
]


def current_accelerator(check_available: bool = False) -> device | None:
    """The device "cuda", also where there is none unless `check_available`, which makes that None."""
    return None if check_available and not cuda.is_available() else device("cuda")
