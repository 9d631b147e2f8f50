"""Data of the user's own: folders of images, idx files, npz archives and tables (CSV)."""

from __future__ import annotations

import csv
import math
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..tensor import tensor
from ..utils.data import Dataset
from .idx import read_idx

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".pgm", ".ppm", ".bmp", ".tif", ".tiff", ".webp")
MISSING = ("", "na", "n/a", "nan", "null", "none", "?")


def load_image(path: str | Path, mode: str = "RGB") -> Any:
    """The uint8 array (C, H, W) of a picture; `mode` is Pillow's: "RGB" or "L" (grey).

    Needs Pillow (ImportError says so). Raises OSError if the file cannot be read, ValueError if it is no picture.
    """
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise ImportError("reading images needs Pillow: pip install 'tinynet-gpu[images]'") from None
    try:
        with Image.open(path) as image:
            array = np.asarray(image.convert(mode))
    except UnidentifiedImageError:
        raise ValueError(f"{path} is no image, or of an unknown kind") from None
    except (OSError, SyntaxError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ValueError(f"{path} is damaged: {error}") from None
    return array.transpose(2, 0, 1) if array.ndim == 3 else array[None]


class ImageFolder(Dataset):
    """Pictures in one folder for each class: root/cat/1.png, root/dog/sub/2.jpg, ...

    An item is the image, a float tensor (3, H, W) in [0, 1] (torchvision: a Pillow image), and the number of its class, through
    `transform` and `target_transform`. `loader` makes the image of a path.

    Attributes: classes, sorted; class_to_idx; samples, [(path, number)]; targets. Raises FileNotFoundError for a folder
    without classes, or a class without pictures.
    """

    def __init__(
        self,
        root: str | Path,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[int], Any] | None = None,
        loader: Callable[[str], Any] | None = None,
    ) -> None:
        self.classes, self.samples = find_images(Path(root))
        self.class_to_idx = {name: i for i, name in enumerate(self.classes)}
        self.targets = [target for _, target in self.samples]
        self.transform, self.target_transform = transform, target_transform
        self.loader = loader or (lambda path: tensor(load_image(path)).float() / 255.0)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, label = self.samples[index]
        image: Any = self.loader(path)
        target: Any = label
        return (
            image if self.transform is None else self.transform(image),
            target if self.target_transform is None else self.target_transform(target),
        )

    def __len__(self) -> int:
        return len(self.samples)


def find_images(root: Path) -> tuple[list[str], list[tuple[str, int]]]:
    """The classes, which are the folders in `root`, and (path, class number) of all pictures below them, sorted."""
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is no folder")
    classes = sorted(entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if not classes:
        raise FileNotFoundError(f"{root} has no folders, expected one for each class")
    samples: list[tuple[str, int]] = []
    for number, name in enumerate(classes):
        found = sorted(str(p) for p in (root / name).rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file())
        if not found:
            raise FileNotFoundError(f"{root / name} has no images ({', '.join(IMAGE_SUFFIXES)})")
        samples += [(path, number) for path in found]
    return classes, samples


def load_csv(path: str | Path, target: str | int | None = None, delimiter: str = ",") -> tuple[Any, Any, list[str]]:
    """(features, targets, names of the features) of a table whose first line has the names of its columns.

    features  float64 (rows, columns); NaN where a cell is empty or says NA, NaN, null, none or ?.
    targets   of the column `target`, a name or a number: int64 if all are whole numbers, else float64; the sorted place of
              each text if there are texts; None without `target`.

    Raises FileNotFoundError; ValueError for an unknown column, and one that names file, line and column for a text among the
    features, a missing target, or a line of another length.
    """
    table = _Table(Path(path), delimiter)
    place = None if target is None else table.column(target)
    targets = None if place is None else _numbered(table.targets(place))[0]
    return table.features(place), targets, [name for i, name in enumerate(table.names) if i != place]


class _Table:
    """The names of the columns of a CSV file, and its rows of cells. Raises as `load_csv`."""

    def __init__(self, file: Path, delimiter: str = ",") -> None:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            lines = [line for line in csv.reader(stream, delimiter=delimiter) if line]
        if not lines:
            raise ValueError(f"{file} is empty")
        self.file, self.names, self.rows = file, [name.strip() for name in lines[0]], lines[1:]
        for number, row in enumerate(self.rows, 2):
            if len(row) != len(self.names):
                raise ValueError(f"{file}, line {number}: {len(row)} cells, expected {len(self.names)}")

    def column(self, target: str | int) -> int:
        """The place of the column of this name or number."""
        count = len(self.names)
        if target not in self.names and not (isinstance(target, int) and -count <= target < count):
            shown = self.names if count <= 10 else [*self.names[:9], "..."]
            raise ValueError(f"{self.file} has no column {target!r}, only {', '.join(shown)}")
        return self.names.index(target) if isinstance(target, str) else target % count

    def features(self, target: int | None) -> Any:
        """The numbers (rows, columns) of all columns but that."""
        kept = [i for i in range(len(self.names)) if i != target]
        features = np.empty((len(self.rows), len(kept)))
        for number, row in enumerate(self.rows, 2):
            for j, i in enumerate(kept):
                cell = row[i].strip()
                try:
                    features[number - 2, j] = math.nan if cell.lower() in MISSING else float(cell)
                except ValueError:
                    raise ValueError(
                        f"{self.file}, line {number}, column {self.names[i]}: {cell!r} is not a number"
                    ) from None
        return features

    def targets(self, place: int) -> list[str]:
        """The cells of that column."""
        cells = [row[place].strip() for row in self.rows]
        for number, cell in enumerate(cells, 2):
            if cell.lower() in MISSING:
                raise ValueError(f"{self.file}, line {number}, column {self.names[place]}: the target is missing")
        return cells


def _numbered(cells: Sequence[str]) -> tuple[Any, list[str]]:
    """The numbers in the cells; if there are texts, the place of each among all of them, sorted, and these."""
    try:
        values = np.array([float(cell) for cell in cells])
    except ValueError:
        texts, places = np.unique(np.array(cells), return_inverse=True)
        return places.astype(np.int64), texts.tolist()
    whole = bool((values == np.floor(values)).all()) and bool((np.abs(values) < 2**53).all())
    return (values.astype(np.int64) if whole else values), []


def load_folder(root: str | Path) -> tuple[Any, Any, Any, Any]:
    """(train images, train labels, test images, test labels): uint8 (N, H, W) or (N, C, H, W), and integers from 0.

    root  an npz archive with x_train, y_train, x_test and y_test, or a folder with one of:
          - train-images*, train-labels*, t10k-images* (or test-images*), t10k-labels*: MNIST's idx files, compressed or not;
          - train.csv, test.csv: a column "label" of numbers or texts, the others the pixels, 0 to 255, of square images, row
            by row;
          - train/CLASS/*, test/CLASS/*: pictures of one size, grey if all are.

    Raises FileNotFoundError, or ValueError that says what is wrong.
    """
    path = Path(root)
    if path.is_file():
        return _load_npz(path)
    if not path.is_dir():
        raise FileNotFoundError(f"{path} is neither a folder nor an npz file")
    if (path / "train.csv").is_file():
        tables = _tables(path)
        labels, _ = _csv_labels(tables)
        train, test = (_csv_images(table) for table in tables)
        return _checked(path, train, labels[: len(train)], test, labels[len(train) :])
    if (path / "train").is_dir():
        return _picture_folders(path)
    arrays = []
    for kind in ("train-images", "train-labels", "t10k-images", "t10k-labels"):
        found = sorted(p for p in path.iterdir() if p.name.startswith((kind, kind.replace("t10k", "test"))))
        if not found:
            raise FileNotFoundError(f"{path} has no file {kind}*, no train.csv and no folder train")
        arrays.append(read_idx(found[0]))
    return _checked(path, *arrays)


def class_names(root: str | Path) -> list[str]:
    """What the classes of the data in a folder that `load_folder` reads are called; empty if they are numbers only."""
    path = Path(root)
    if (path / "train.csv").is_file():
        return _csv_labels(_tables(path))[1]
    return find_images(path / "train")[0] if (path / "train").is_dir() else []


def _tables(path: Path) -> list[_Table]:
    return [_Table(path / "train.csv"), _Table(path / "test.csv")]


def _csv_labels(tables: list[_Table]) -> tuple[Any, list[str]]:
    """Of the training table and, after them, of the test table, numbered alike; and the classes, if they are texts."""
    train, test = (table.targets(table.column("label")) for table in tables)
    labels, classes = _numbered(train + test)
    unknown = sorted(set(test) - set(train))
    if classes and unknown:
        raise ValueError(f"{tables[1].file} has the label {unknown[0]!r}, which {tables[0].file.name} has not")
    return labels, classes


def _csv_images(table: _Table) -> Any:
    pixels, path = table.features(table.column("label")), table.file
    size = math.isqrt(pixels.shape[1])
    if size * size != pixels.shape[1]:
        raise ValueError(f"{path} has {pixels.shape[1]} columns beside the label, expected those of a square image")
    if not ((pixels >= 0) & (pixels <= 255) & (pixels == np.floor(pixels))).all():
        raise ValueError(f"{path} has pixels that are not whole numbers from 0 to 255")
    return pixels.astype(np.uint8).reshape(-1, size, size)


def _picture_folders(path: Path) -> tuple[Any, Any, Any, Any]:
    (classes, train), (others, test) = (find_images(path / part) for part in ("train", "test"))
    if others != classes:
        raise ValueError(f"{path}: train has the classes {', '.join(classes)}, and test {', '.join(others)}")
    grey = all(_is_grey(name) for name, _ in train)
    arrays: list[Any] = []
    for samples in (train, test):
        images = [load_image(name, "L" if grey else "RGB") for name, _ in samples]
        for (name, _), image in zip(samples, images):
            if image.shape[1:] != images[0].shape[1:]:
                h, w = images[0].shape[1:]
                raise ValueError(f"{name} is {image.shape[2]} x {image.shape[1]}, expected {w} x {h} as the first one")
        arrays += [np.stack(images), np.array([target for _, target in samples])]
    return _checked(path, *arrays)


def _is_grey(path: str) -> bool:
    from PIL import Image

    with Image.open(path) as image:
        return image.mode in ("1", "L")


def _load_npz(path: Path) -> tuple[Any, Any, Any, Any]:
    names = ("x_train", "y_train", "x_test", "y_test")
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path} is not an npz archive, or damaged")
    try:
        with np.load(path, allow_pickle=False) as archive:
            missing = [name for name in names if name not in archive]
            arrays = [] if missing else [archive[name] for name in names]
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError) as error:  # ValueError: arrays of Python objects
        raise ValueError(f"{path} is not an npz archive of numbers, or damaged: {error}") from None
    if missing:
        raise ValueError(f"{path} has no array {', '.join(missing)}")
    return _checked(path, *arrays)


def _checked(path: Path, *arrays: Any) -> tuple[Any, Any, Any, Any]:
    x_train, y_train, x_test, y_test = arrays
    for part, x, y in (("training", x_train, y_train), ("test", x_test, y_test)):
        if x.ndim not in (3, 4) or y.ndim != 1 or len(x) != len(y):
            raise ValueError(f"{path}: the {part} images have shape {x.shape} and the labels {y.shape}")
        if x.dtype.kind not in "biuf" or not np.isfinite(x).all():
            what = "are nan or infinite in places" if x.dtype.kind == "f" else f"are {x.dtype}"
            raise ValueError(f"{path}: the {part} images {what}, expected numbers")
        if x.ndim == 4 and x.shape[1] > 4 >= x.shape[3]:
            raise ValueError(f"{path}: the {part} images have shape {x.shape}, expected channels first: (N, C, H, W)")
        if y.dtype.kind not in "iu" or (y.size and int(y.min()) < 0):
            least = f" from {y.min()}" if y.dtype.kind in "iu" else ""
            raise ValueError(f"{path}: the {part} labels are {y.dtype}{least}, expected integers from 0")
        if y.size and len(x_train) and int(y.max()) >= len(x_train):
            raise ValueError(f"{path}: a {part} label is {y.max()}, but there are {len(x_train)} training images only")
    if x_train.shape[1:] != x_test.shape[1:]:
        raise ValueError(
            f"{path}: the training images have shape {x_train.shape[1:]}, the test images {x_test.shape[1:]}"
        )
    return x_train, y_train, x_test, y_test
