"""Data sets from the network, under the names of `torchvision.datasets`."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..tensor import Tensor
from .download import cache_dir, fetch
from .idx import read_idx
from .images import ImageDataset


class _IdxFiles(ImageDataset):
    """The four files of MNIST's form."""

    mirrors: tuple[str, ...]
    checksums: ClassVar[dict[str, str]]  # MD5
    classes: tuple[str, ...]

    def __init__(
        self,
        root: str | Path | None = None,
        train: bool = True,
        transform: Callable[[Tensor], Any] | None = None,
        target_transform: Callable[[int], Any] | None = None,
        download: bool = False,
    ) -> None:
        folder = Path(root or cache_dir()) / type(self).__name__ / "raw"
        part = "train" if train else "t10k"
        images, labels = (
            read_idx(self._file(folder, f"{part}-{kind}-ubyte", download)) for kind in ("images-idx3", "labels-idx1")
        )
        super().__init__(images, labels, transform, target_transform)

    def _file(self, folder: Path, name: str, download: bool) -> Path:
        """A file as it is here, packed or not, or as the network has it."""
        packed = f"{name}.gz"
        if (folder / name).is_file():
            return folder / name
        if download:
            return fetch(packed, self.checksums[packed], self.mirrors, folder)
        if not (folder / packed).is_file():
            raise FileNotFoundError(f"{folder} has no {packed}; download=True gets it")
        return folder / packed


class FashionMNIST(_IdxFiles):
    """60,000 training or 10,000 test pictures of clothes, as MNIST's in form. By Han Xiao, Kashif Rasul and Roland Vollgraf.

    root      a folder, by default `cache_dir()`, that has or gets the files in FashionMNIST/raw, as torchvision's has.
    train     which part.
    transform, target_transform  applied to an image (a float tensor (1, 28, 28) in [0, 1]) and to a label (an int).
    download  whether to get what is not there.

    Raises FileNotFoundError for files that are not there, DownloadError (an OSError) if no mirror gives them, ValueError
    for damaged ones.
    """

    classes = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
    mirrors = (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    )
    checksums: ClassVar = {
        "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
    }


class KMNIST(_IdxFiles):
    """60,000 training or 10,000 test images of ten cursive Japanese characters. By Tarin Clanuwat and others.

    Arguments and errors as FashionMNIST's.
    """

    classes = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
    mirrors = (
        "https://codh.rois.ac.jp/kmnist/dataset/kmnist/",
        "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
    )
    checksums: ClassVar = {
        "train-images-idx3-ubyte.gz": "bdb82020997e1d708af4cf47b453dcf7",
        "train-labels-idx1-ubyte.gz": "e144d726b3acfaa3e44228e80efcd344",
        "t10k-images-idx3-ubyte.gz": "5c965bf0a639b31b8f53240b1b52f4d7",
        "t10k-labels-idx1-ubyte.gz": "7320c461ea6c1c855c0b718fb2a4b134",
    }


class CIFAR10(ImageDataset):
    """50,000 training or 10,000 test colour images of ten kinds of things, 32 x 32. By Alex Krizhevsky.

    root  a folder, by default `cache_dir()`, that has or gets cifar-10-binary.tar.gz (not torchvision's, which is pickled).

    Attributes: data, uint8 (N, 3, 32, 32); targets, int64 (N,). Raises as FashionMNIST.
    """

    classes = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    archive, md5 = "cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530"
    mirrors: tuple[str, ...] = (
        "https://www.cs.toronto.edu/~kriz/",
        "https://cave.cs.toronto.edu/kriz/",
        "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10/",
    )

    def __init__(
        self,
        root: str | Path | None = None,
        train: bool = True,
        transform: Callable[[Tensor], Any] | None = None,
        target_transform: Callable[[int], Any] | None = None,
        download: bool = False,
    ) -> None:
        folder = Path(root or cache_dir())
        path = folder / self.archive
        if download:
            fetch(self.archive, self.md5, self.mirrors, folder)
        elif not path.is_file():
            raise FileNotFoundError(f"{folder} has no {self.archive}; download=True gets it")
        names = [f"data_batch_{i}.bin" for i in range(1, 6)] if train else ["test_batch.bin"]
        records = _records(path, names)
        images = np.ascontiguousarray(records[:, 1:].reshape(-1, 3, 32, 32))
        super().__init__(images, records[:, 0], transform, target_transform)


def _records(path: Path, names: list[str]) -> Any:
    """(N, 3073): a label and the pixels of an image in each row, from these files of the archive."""
    try:
        with tarfile.open(path) as archive:
            files = [archive.extractfile(f"cifar-10-batches-bin/{name}") for name in names]
            data = b"".join(file.read() for file in files if file is not None)
    except (tarfile.TarError, KeyError, EOFError, OSError) as error:
        raise ValueError(f"{path} is damaged: {error}") from None
    if not data or len(data) % 3073:
        raise ValueError(f"{path} is damaged: {len(data)} bytes of images, expected a multiple of 3073")
    return np.frombuffer(data, np.uint8).reshape(-1, 3073)
