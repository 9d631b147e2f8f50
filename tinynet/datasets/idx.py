"""Reading image data: idx files (the format of MNIST) and npz archives."""

from __future__ import annotations

import gzip
import lzma
import zipfile
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


def load_folder(root: str | Path) -> tuple[Any, Any, Any, Any]:
    """(train images, train labels, test images, test labels) of a folder with MNIST's four idx files, or of an npz file.

    The idx files are named train-images*, train-labels*, t10k-images* (or test-images*) and t10k-labels*, compressed or
    not; an npz archive has x_train, y_train, x_test and y_test. Raises FileNotFoundError or ValueError.
    """
    path = Path(root)
    if path.is_file():
        return _load_npz(path)
    if not path.is_dir():
        raise FileNotFoundError(f"{path} is neither a folder nor an npz file")
    arrays = []
    for kind in ("train-images", "train-labels", "t10k-images", "t10k-labels"):
        found = sorted(p for p in path.iterdir() if p.name.startswith((kind, kind.replace("t10k", "test"))))
        if not found:
            raise FileNotFoundError(f"{path} has no file {kind}*")
        arrays.append(read_idx(found[0]))
    return _checked(path, *arrays)


def _load_npz(path: Path) -> tuple[Any, Any, Any, Any]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            missing = [n for n in ("x_train", "y_train", "x_test", "y_test") if n not in archive]
            if missing:
                raise ValueError(f"{path} has no array {', '.join(missing)}")
            return _checked(path, *(archive[n] for n in ("x_train", "y_train", "x_test", "y_test")))
    except (zipfile.BadZipFile, zlib.error, EOFError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is not an npz archive, or damaged: {error}") from None


def _checked(path: Path, *arrays: Any) -> tuple[Any, Any, Any, Any]:
    x_train, y_train, x_test, y_test = arrays
    for part, x, y in (("training", x_train, y_train), ("test", x_test, y_test)):
        if x.ndim not in (3, 4) or y.ndim != 1 or len(x) != len(y):
            raise ValueError(f"{path}: the {part} images have shape {x.shape} and the labels {y.shape}")
        if y.dtype.kind not in "iu" or (y.size and int(y.min()) < 0):
            raise ValueError(f"{path}: the {part} labels are {y.dtype}, expected integers from 0")
    return x_train, y_train, x_test, y_test
