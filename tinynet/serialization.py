"""`save` and `load`: nested dictionaries, lists and tuples of tensors and plain values, in safetensors files."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from .device import device as Device
from .tensor import Tensor

File = str | os.PathLike[str] | IO[bytes]


def save(obj: Any, f: File) -> None:
    """Writes an object to a file, given by its path or open for writing in binary.

    obj  a tensor, array, number, string, boolean or None, or dictionaries, lists and tuples of them: state dicts of modules
         and optimizers, and dictionaries of such. Anything else is a TypeError; of a module, save the state_dict().

    The file is a safetensors file, which other programs read too, and is replaced only when all of it is written; nothing in
    it is code. Tensors lose their history.
    """
    from .checkpoint import encode, pack, write_atomically

    tensors: dict[str, Tensor] = {}
    plain = isinstance(obj, Mapping) and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in obj.items())
    if plain:
        data = encode(obj, "")
    else:
        packed = pack(obj if isinstance(obj, Mapping) else {"object": obj}, "", tensors)
        data = encode(tensors, json.dumps({"state": packed, "wrapped": not isinstance(obj, Mapping)}))
    if hasattr(f, "write"):
        f.write(data)
    else:
        write_atomically(Path(f), data)


def load(f: File, map_location: Any = None, *, weights_only: bool = True) -> Any:
    """What `save` wrote, or the tensors of any safetensors file by name.

    map_location  the device that tensors go to; the CPU by default. A file does not say where its tensors were: a dictionary
                  or a function (of tensor and device, giving a tensor) is asked about "cpu".
    weights_only  accepted for PyTorch's sake: no file holds code here.

    Raises CheckpointError (a ValueError) if the file is damaged or of another kind, OSError if it is unreadable.
    """
    from .checkpoint import decode, unpack

    data = f.read() if hasattr(f, "read") else Path(f).read_bytes()
    tensors, text = decode(data, getattr(f, "name", "the file") if hasattr(f, "read") else str(f))
    if callable(map_location):
        tensors = {name: map_location(tensor, "cpu") for name, tensor in tensors.items()}
    elif map_location is not None:
        place = Device(map_location.get("cpu", "cpu") if isinstance(map_location, Mapping) else map_location)
        tensors = {name: tensor.to(place) for name, tensor in tensors.items()}
    if not text:
        return tensors
    content = json.loads(text)
    if set(content) != {"state", "wrapped"}:  # of the training program's checkpoints
        return unpack(content, tensors)
    state = unpack(content["state"], tensors)
    return state["object"] if content["wrapped"] else state
