"""MNIST, complete, from the package itself."""

from __future__ import annotations

import hashlib
import lzma
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from threading import Thread
from typing import Any

from ..tensor import Tensor
from .folder import load_folder
from .idx import parse_idx
from .images import ImageDataset

# SHA-256 of the four files as first distributed, uncompressed
CHECKSUMS = {
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
}

_PARTS = {part: (f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte") for part in ("train", "t10k")}
_unpacking: dict[str, _Unpacking] = {}


def begin(part: str) -> _Unpacking:
    """Begins to unpack "train" or "t10k" of the copy inside the package: the former takes more than half a second."""
    if part not in _unpacking:
        _unpacking[part] = _Unpacking(part)
        _unpacking[part].start()
    return _unpacking[part]


class _Unpacking(Thread):
    """Reads the images and labels of a part, in a thread of its own."""

    def __init__(self, part: str) -> None:
        super().__init__(name=f"unpacking MNIST's {part}", daemon=True)
        self.part = part
        self.arrays: list[Any] = []  # images and labels
        self.error: ValueError | OSError | None = None

    def run(self) -> None:
        try:
            for name in _PARTS[self.part]:
                packed = (resources.files(__package__) / "data" / f"{name}.xz").read_bytes()
                self.arrays.append(parse_idx(verified(packed, name), name))
        except (ValueError, OSError) as error:
            self.error = error

    def result(self) -> list[Any]:
        self.join()
        if self.error is not None:
            raise self.error
        return self.arrays


def verified(packed: bytes, name: str) -> bytes:
    """The bytes of an xz-compressed file of MNIST, if they are what they should be; else ValueError."""
    try:
        data = lzma.decompress(packed)
    except lzma.LZMAError as error:
        raise ValueError(f"the embedded {name}.xz is damaged ({error}); install the package again") from None
    if hashlib.sha256(data).hexdigest() != CHECKSUMS[name]:
        raise ValueError(f"the embedded {name}.xz is damaged (wrong checksum); install the package again")
    return data


class MNIST(ImageDataset):
    """60,000 training or 10,000 test images of handwritten digits.

    root       a folder with MNIST's idx files, or an npz archive. Default, or where `download` finds none: the copy inside
               the package; nothing is downloaded.
    train      which part.
    transform, target_transform  applied to an image (a float tensor (1, 28, 28) in [0, 1]) and to a label (an int).

    Attributes: data, uint8 (N, 28, 28); targets, int64 (N,). Raises ValueError for damaged files, FileNotFoundError.
    By Yann LeCun, Corinna Cortes and Christopher Burges.
    """

    classes = tuple(map(str, range(10)))

    def __init__(
        self,
        root: str | Path | None = None,
        train: bool = True,
        transform: Callable[[Tensor], Any] | None = None,
        target_transform: Callable[[int], Any] | None = None,
        download: bool = False,
    ) -> None:
        if root is None or (download and not _has_files(Path(root))):
            images, labels = begin("train" if train else "t10k").result()
        else:
            images, labels = load_folder(root)[0 if train else 2 :][:2]
        super().__init__(images, labels, transform, target_transform)


def _has_files(root: Path) -> bool:
    return root.is_file() or any(root.glob("train-images*"))
