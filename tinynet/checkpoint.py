"""Weights and training states in safetensors files that a crash leaves whole and that know when they are damaged.

A file is written beside its place, synced and renamed. Its metadata holds the SHA-256 of all its bytes (with the digits of
the sum itself taken as zeros), so that one changed byte anywhere is noticed; other programs read the file as any other
safetensors file. No pickle: what is not a tensor is JSON, in the metadata.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .nn import Module
from .tensor import Tensor

_KEY, _MARK = "tinynet", b"sha256="
_ZEROS = b"0" * 64


class CheckpointError(ValueError):
    """A file of weights or a checkpoint is damaged, cut off or of another kind."""


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
        Path(name).unlink(missing_ok=True)
        raise
    if os.name == "posix":  # the rename itself must reach the disk
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def save_weights(state: Module | Mapping[str, Tensor], path: str | Path) -> None:
    """Writes a module's state_dict, or one given as such, to a safetensors file."""
    write_atomically(path, encode(state.state_dict() if isinstance(state, Module) else state, ""))


def load_weights(path: str | Path) -> dict[str, Tensor]:
    """The tensors in a safetensors file, for `load_state_dict`.

    Files of other programs carry no checksum and are taken as they are. Raises CheckpointError (a ValueError) if the file is
    damaged, OSError if it is unreadable.
    """
    tensors, _ = _decode(Path(path), checksum_required=False)
    return tensors


def save_state(state: Mapping[str, Any], path: str | Path) -> None:
    """Writes nested dictionaries, lists and tuples of tensors, numbers, strings, booleans and None."""
    tensors: dict[str, Tensor] = {}
    packed = pack(state, "", tensors)
    write_atomically(path, encode(tensors, json.dumps(packed)))


def load_state(path: str | Path) -> dict[str, Any]:
    """What `save_state` wrote, tensors on the CPU. Raises CheckpointError if the file is damaged, OSError if unreadable."""
    tensors, text = _decode(Path(path), checksum_required=True)
    state: dict[str, Any] = unpack(json.loads(text), tensors)
    return state


class Checkpoints:
    """The newest states of a run: `step-00000123.safetensors` in `folder`, of which the last `keep` are kept."""

    def __init__(self, folder: str | Path, keep: int = 2) -> None:
        if keep < 1:
            raise ValueError(f"keep is {keep}, expected at least 1")
        self.folder, self.keep = Path(folder), keep

    def files(self) -> list[Path]:
        """Newest first."""
        return sorted(self.folder.glob("step-*.safetensors"), reverse=True)

    def save(self, step: int, state: Mapping[str, Any], *, only: bool = False) -> None:
        """Writes a state, then forgets the oldest, what a killed run left half written, and states of later steps: those
        were damaged, or the run would have gone on from them. `only` forgets all others, as of another run."""
        self.folder.mkdir(parents=True, exist_ok=True)
        target = self.folder / f"step-{step:08d}.safetensors"
        save_state(state, target)
        others = [path for path in self.files() if path != target]
        kept = [] if only else [path for path in others if path < target][: self.keep - 1]
        for path in [*others, *self.folder.glob(".step-*")]:
            if path not in kept:
                path.unlink(missing_ok=True)

    def load(self) -> tuple[dict[str, Any], list[str]]:
        """The newest state that is whole, and a line about each newer file that is not.

        Raises FileNotFoundError if there is no file, CheckpointError if all are damaged.
        """
        problems: list[str] = []
        for path in self.files():
            try:
                return load_state(path), problems
            except (CheckpointError, OSError) as error:  # an unreadable sector is an OSError
                problems.append(str(error))
        if problems:
            raise CheckpointError(f"{self.folder} has no checkpoint that is whole: " + "; ".join(problems))
        raise FileNotFoundError(f"{self.folder} has no checkpoint")


def encode(tensors: Mapping[str, Tensor], text: str) -> bytes:
    """The bytes of a safetensors file with these tensors, a text and a checksum."""
    from safetensors.numpy import save

    arrays = {name: np.ascontiguousarray(t.detach().cpu().numpy()) for name, t in tensors.items()}
    arrays = {name: array.reshape(tensors[name].shape) for name, array in arrays.items()}  # 0-d stays 0-d
    data: bytes = save(arrays, {_KEY: (_MARK + _ZEROS).decode() + text})
    digest = hashlib.sha256(data).hexdigest().encode()
    at = data.index(_MARK) + len(_MARK)
    return b"".join((data[:at], digest, data[at + 64 :]))


def _decode(path: Path, *, checksum_required: bool) -> tuple[dict[str, Tensor], str]:
    return decode(path.read_bytes(), str(path), checksum_required=checksum_required)


def decode(data: bytes, path: str, *, checksum_required: bool = False) -> tuple[dict[str, Tensor], str]:
    """The tensors in the bytes of a safetensors file, and the text that this module put into it; `path` is for messages."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        header = data[8 : 8 + int.from_bytes(data[:8], "little")]
        metadata = json.loads(header).get("__metadata__", {})
        ours = [v for k, v in metadata.items() if k == _KEY or v.startswith(_MARK.decode())]
    except (ValueError, AttributeError) as error:
        raise CheckpointError(f"{path} is not a safetensors file, or damaged: {error}") from None
    if ours or checksum_required:  # a file of ours whose key or mark was hit still shows the other of the two
        at = header.find(_MARK) + 8 + len(_MARK)
        digest = hashlib.sha256(b"".join((data[:at], _ZEROS, data[at + 64 :]))).hexdigest().encode()
        if _KEY not in metadata or data[at : at + 64] != digest:
            raise CheckpointError(f"{path} is damaged: its bytes do not match their checksum")
    try:
        arrays: dict[str, Any] = load(data)
    except (SafetensorError, KeyError, ValueError) as error:
        raise CheckpointError(f"{path} is not a safetensors file, or damaged: {error}") from None
    text = metadata[_KEY][len(_MARK) + 64 :] if ours else ""
    return {name: Tensor._make(array) for name, array in arrays.items()}, text


def pack(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """The value as JSON: tensors and arrays are moved to `tensors`; tuples and dictionaries with unusual keys are tagged."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
        return {"$array": pack(Tensor._make(value), path, tensors)["$tensor"]}
    if isinstance(value, Tensor):
        while path in tensors:  # "a.b" beside "a" with "b" in it
            path += "_"
        tensors[path] = value
        return {"$tensor": path}
    if isinstance(value, Mapping):
        if all(isinstance(k, str) and not k.startswith("$") for k in value):
            return {k: pack(v, f"{path}.{k}" if path else k, tensors) for k, v in value.items()}
        return {"$items": [[k, pack(v, f"{path}.{k}", tensors)] for k, v in value.items()]}
    if isinstance(value, (list, tuple)):
        items = [pack(v, f"{path}.{i}", tensors) for i, v in enumerate(value)]
        return {"$tuple": items} if isinstance(value, tuple) else items
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    advice = ": save its state_dict()" if hasattr(value, "state_dict") else ""
    raise TypeError(f"{path} is a {type(value).__name__}, which a checkpoint cannot hold{advice}")


def unpack(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    """What `pack` was given."""
    if isinstance(value, list):
        return [unpack(v, tensors) for v in value]
    if not isinstance(value, dict):
        return value
    if "$tensor" in value:
        return tensors[value["$tensor"]]
    if "$array" in value:
        return tensors[value["$array"]].cpu().numpy()
    if "$items" in value:
        return {k: unpack(v, tensors) for k, v in value["$items"]}
    if "$tuple" in value:
        return tuple(unpack(v, tensors) for v in value["$tuple"])
    return {k: unpack(v, tensors) for k, v in value.items()}
