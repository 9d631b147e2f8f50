"""Reading idx files, the format of MNIST."""

from __future__ import annotations

import gzip
import lzma
import zlib
from pathlib import Path
from typing import Any

import numpy as np

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def parse_idx(data: bytes, name: str = "data") -> Any:
    """The array in the bytes of an idx file: two zeros, a type, the number of dimensions, their sizes, the elements.

    Raises ValueError that says what is wrong with `name`.
    """
    if len(data) < 4 or data[0] or data[1]:
        raise ValueError(f"{name} is not an idx file: it does not start with two zero bytes")
    if data[2] not in _TYPES:
        raise ValueError(f"{name} is not an idx file: 0x{data[2]:02x} is no element type")
    ndim, dtype = data[3], np.dtype(_TYPES[data[2]])
    start = 4 + 4 * ndim
    if len(data) < start:
        raise ValueError(f"{name} is cut off: {len(data)} bytes, but its header needs {start}")
    shape = tuple(int.from_bytes(data[4 + 4 * i : 8 + 4 * i], "big") for i in range(ndim))
    size = dtype.itemsize
    for n in shape:
        size *= n
    if len(data) - start != size:
        raise ValueError(
            f"{name} is cut off or damaged: {len(data) - start} bytes of elements, but shape {shape} needs {size}"
        )
    return np.frombuffer(data, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))


def read_idx(path: str | Path) -> Any:
    """The array in an idx file, plain or compressed (.gz, .xz). OSError if it cannot be read, ValueError if it is damaged."""
    file = Path(path)
    data = file.read_bytes()
    try:
        if file.suffix == ".gz":
            data = gzip.decompress(data)
        elif file.suffix == ".xz":
            data = lzma.decompress(data)
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise ValueError(f"{file} is damaged: {error}") from None
    return parse_idx(data, str(file))
