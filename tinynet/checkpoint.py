"""Weights in safetensors files, with PyTorch's key names and layouts, written so that a crash leaves the old file whole."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .nn import Module
from .tensor import Tensor


def write_atomically(path: str | Path, data: bytes) -> None:
    """Writes a temporary file beside `path`, syncs it and renames it: at any instant the old or the new file is there."""
    target = Path(path)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise
    if os.name == "posix":  # the rename itself must reach the disk
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def save_weights(state: Module | Mapping[str, Tensor], path: str | Path) -> None:
    """Writes a module's state_dict, or one given as such, to a safetensors file."""
    from safetensors.numpy import save

    tensors = state.state_dict() if isinstance(state, Module) else state
    arrays = {name: np.ascontiguousarray(t.detach().cpu().numpy()) for name, t in tensors.items()}
    write_atomically(path, save(arrays))


def load_weights(path: str | Path) -> dict[str, Tensor]:
    """The tensors in a safetensors file, for `load_state_dict`. ValueError if it is damaged, OSError if unreadable."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    data = Path(path).read_bytes()
    try:
        arrays: dict[str, Any] = load(data)
    except (SafetensorError, KeyError, ValueError) as error:
        raise ValueError(f"{path} is not a safetensors file, or damaged: {error}") from None
    return {name: Tensor._make(array) for name, array in arrays.items()}
