"""Data sets: downloads from a server on this machine that misbehaves in every way, and files of the user's own."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import tinynet
from tinynet import datasets, train
from tinynet.datasets import download
from tinynet.train import building, options

RNG = np.random.default_rng(2)
BODY = RNG.integers(0, 256, 300_000, dtype=np.uint8).tobytes()
MD5 = hashlib.md5(BODY).hexdigest()


class Server(ThreadingHTTPServer):
    """Answers by the first part of the path: /whole/, /breaks/ (after 100,000 bytes), /wrong/, /noranges/, /missing/."""

    bodies: dict[str, bytes]
    asked: list[tuple[str, str | None]]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        _, how, name = self.path.split("/")
        span = self.headers.get("Range")
        self.server.asked.append((how, span))
        body = self.server.bodies.get(name, b"")
        if how == "missing" or not body:
            self.send_error(404, "no such file")
            return
        if how == "wrong":
            body = body[:-1] + b"?"
        start = int(span[6:-1]) if span and how != "noranges" else 0
        if start >= len(body):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.end_headers()
        self.wfile.write(body[start : start + 100_000] if how == "breaks" else body[start:])

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as instance:
        instance.bodies, instance.asked = {"file": BODY}, []
        thread = threading.Thread(target=instance.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield instance
        instance.shutdown()
        thread.join()


def mirrors(server: Server, *ways: str) -> tuple[str, ...]:
    return tuple(f"http://127.0.0.1:{server.server_port}/{how}/" for how in ways)


def test_download_is_kept(server: Server, tmp_path: Path) -> None:
    for _ in range(2):
        path = download.fetch("file", MD5, mirrors(server, "whole"), tmp_path / "new")
        assert path.read_bytes() == BODY
    assert server.asked == [("whole", None)]
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def test_download_goes_on_where_it_broke_off(server: Server, tmp_path: Path) -> None:
    with pytest.raises(datasets.DownloadError, match="broke off after 100000 of 300000 bytes"):
        download.fetch("file", MD5, mirrors(server, "breaks"), tmp_path)
    assert (tmp_path / "file.part").stat().st_size == 100_000
    path = download.fetch("file", MD5, mirrors(server, "breaks", "whole"), tmp_path)
    assert path.read_bytes() == BODY
    assert server.asked == [("breaks", None), ("breaks", "bytes=100000-"), ("whole", "bytes=200000-")]


def test_server_without_ranges_sends_all_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.part").write_bytes(BODY[:777])
    assert download.fetch("file", MD5, mirrors(server, "noranges"), tmp_path).read_bytes() == BODY


@pytest.mark.parametrize("left", [b"x" * 777, b"x" * 300_000, BODY + b"more", BODY])
def test_what_was_left_may_be_anything(server: Server, tmp_path: Path, left: bytes) -> None:
    (tmp_path / "file.part").write_bytes(left)
    assert download.fetch("file", MD5, mirrors(server, "whole"), tmp_path).read_bytes() == BODY


def test_wrong_checksum_goes_to_the_next_mirror(server: Server, tmp_path: Path) -> None:
    assert download.fetch("file", MD5, mirrors(server, "wrong", "missing", "whole"), tmp_path).read_bytes() == BODY
    (tmp_path / "file").write_bytes(BODY[:-1])  # a damaged file is fetched again
    assert download.fetch("file", MD5, mirrors(server, "whole"), tmp_path).read_bytes() == BODY


def test_no_mirror_has_it(server: Server, tmp_path: Path) -> None:
    gone = "http://127.0.0.1:1/"
    with pytest.raises(datasets.DownloadError) as caught:
        download.fetch("file", MD5, (*mirrors(server, "wrong", "missing"), gone), tmp_path)
    message = str(caught.value)
    for part in ("wrong/: sent a file with MD5", f"expected {MD5}", "missing/: no such file", "refused", str(tmp_path)):
        assert part in message
    assert list(tmp_path.iterdir()) == []


def idx(array: Any) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return header + array.tobytes()


def fashion(server: Server, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Small files under the names of Fashion-MNIST's, with their checksums."""
    arrays = {
        "train-images-idx3-ubyte.gz": RNG.integers(0, 256, (70, 28, 28), dtype=np.uint8),
        "train-labels-idx1-ubyte.gz": (np.arange(70) % 10).astype(np.uint8),
        "t10k-images-idx3-ubyte.gz": RNG.integers(0, 256, (20, 28, 28), dtype=np.uint8),
        "t10k-labels-idx1-ubyte.gz": (np.arange(20) % 10).astype(np.uint8),
    }
    server.bodies = {name: gzip.compress(idx(array)) for name, array in arrays.items()}
    sums = {name: hashlib.md5(body).hexdigest() for name, body in server.bodies.items()}
    monkeypatch.setattr(datasets.FashionMNIST, "checksums", sums)
    monkeypatch.setattr(datasets.FashionMNIST, "mirrors", mirrors(server, "missing", "whole"))
    return arrays


def test_fashion_mnist(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    arrays = fashion(server, monkeypatch)
    with pytest.raises(FileNotFoundError, match=r"has no train-images-idx3-ubyte\.gz; download=True gets it"):
        datasets.FashionMNIST(tmp_path)
    for part, train_part in (("train", True), ("t10k", False)):
        data = datasets.FashionMNIST(tmp_path, train_part, download=True, target_transform=lambda label: label + 1)
        images = arrays[f"{part}-images-idx3-ubyte.gz"]
        assert np.array_equal(data.data.numpy(), images)
        image, label = data[3]
        np.testing.assert_allclose(image.numpy(), images[3][None] / 255, rtol=1e-6)
        assert (label, len(data)) == (4, len(images))
    server.asked.clear()
    assert len(datasets.FashionMNIST(tmp_path)) == 70  # what is there needs no network
    assert server.asked == []
    raw = tmp_path / "FashionMNIST" / "raw"
    for path in list(raw.iterdir()):  # as torchvision leaves them
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    assert len(datasets.FashionMNIST(tmp_path, train=False)) == 20


def test_the_command_line_downloads(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fashion(server, monkeypatch)
    monkeypatch.setenv("TINYNET_CACHE", str(tmp_path))
    args = ["--dataset", "fashion-mnist", "--device", "cpu", "--epochs", "1", "--model", "mlp"]
    assert train.main(args) == 0
    assert "fashion-mnist: train 70, test 20 images of 1 x 28 x 28, 10 classes" in capsys.readouterr().out
    monkeypatch.setattr(datasets.FashionMNIST, "mirrors", mirrors(server, "missing"))
    monkeypatch.setenv("TINYNET_CACHE", str(tmp_path / "empty"))
    with pytest.raises(SystemExit):
        train.main(args)
    error = capsys.readouterr().err
    assert error.startswith("tinynet.train: train-images-idx3-ubyte.gz could not be downloaded (")
    assert error.count("\n") == 1


def test_cifar10(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    records = RNG.integers(0, 10, (6 * 4, 3073), dtype=np.uint8)
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for i, name in enumerate([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]):
            entry = tarfile.TarInfo(f"cifar-10-batches-bin/{name}.bin")
            data = records[4 * i : 4 * i + 4].tobytes()
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    server.bodies[datasets.CIFAR10.archive] = stream.getvalue()
    monkeypatch.setattr(datasets.CIFAR10, "mirrors", mirrors(server, "breaks", "whole"))
    monkeypatch.setattr(datasets.CIFAR10, "md5", hashlib.md5(stream.getvalue()).hexdigest())
    with pytest.raises(FileNotFoundError, match=r"has no cifar-10-binary.tar.gz; download=True gets it"):
        datasets.CIFAR10(tmp_path)
    data = datasets.CIFAR10(tmp_path, download=True)
    assert np.array_equal(data.data.numpy(), records[:20, 1:].reshape(20, 3, 32, 32))
    assert data.targets.tolist() == records[:20, 0].tolist()
    assert datasets.CIFAR10(tmp_path, train=False)[1][0].shape == (3, 32, 32)
    (tmp_path / datasets.CIFAR10.archive).write_bytes(stream.getvalue()[:-2000])
    with pytest.raises(ValueError, match=r"cifar-10-binary.tar.gz is damaged"):
        datasets.CIFAR10(tmp_path)


def test_published_checksums_and_names() -> None:
    for kind in (datasets.FashionMNIST, datasets.KMNIST):
        assert set(kind.checksums) == {
            f"{part}-{rest}-ubyte.gz" for part in ("train", "t10k") for rest in ("images-idx3", "labels-idx1")
        }
        assert all(len(md5) == 32 and int(md5, 16) for md5 in kind.checksums.values())
        assert len(kind.classes) == 10


def test_cache_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TINYNET_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert datasets.cache_dir() == Path("/xdg/tinynet")
    monkeypatch.setenv("TINYNET_CACHE", "/mine")
    assert datasets.cache_dir() == Path("/mine")


def test_a_damaged_copy_of_mnist(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read in a thread; the error is the caller's, each time."""
    monkeypatch.setattr(datasets.mnist, "_unpacking", {})
    monkeypatch.setitem(datasets.mnist.CHECKSUMS, "t10k-labels-idx1-ubyte", "0" * 64)
    for _ in range(2):
        with pytest.raises(ValueError, match=r"t10k-labels-idx1-ubyte.xz is damaged \(wrong checksum\)"):
            datasets.MNIST(train=False)


def test_mnist_as_torchvisions_users_write_it(tmp_path: Path) -> None:
    data = datasets.MNIST(tmp_path, train=False, download=True, transform=tinynet.transforms.ToTensor())
    assert len(data) == 10_000
    assert data[0][0].shape == (1, 28, 28)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FileNotFoundError, match=r"has no file train-images\*"):
        datasets.MNIST(tmp_path)


# folders of pictures


class Pictures:
    """train/ and test/ with two classes of 3 and 2 pictures."""

    sizes: ClassVar[dict[str, int]] = {"cats": 3, "dogs": 2}

    def __init__(self, root: Path, mode: str = "L", suffix: str = ".png", height: int = 9) -> None:
        image = pytest.importorskip("PIL.Image")
        self.root, self.arrays = root, {}
        for part in ("train", "test"):
            for name, count in self.sizes.items():
                (root / part / name).mkdir(parents=True)
                for i in range(count):
                    array = RNG.integers(0, 256, (height, 8) if mode == "L" else (height, 8, 3), dtype=np.uint8)
                    image.fromarray(array).save(root / part / name / f"{i}{suffix}")
                    self.arrays[part, name, i] = array


@pytest.mark.parametrize("suffix", [".png", ".pgm"])
def test_image_folder(tmp_path: Path, suffix: str) -> None:
    pictures = Pictures(tmp_path, suffix=suffix)
    (tmp_path / "train" / "dogs" / "notes.txt").write_text("no picture")
    data = datasets.ImageFolder(tmp_path / "train", transform=lambda image: image * 255)
    assert (data.classes, data.class_to_idx) == (["cats", "dogs"], {"cats": 0, "dogs": 1})
    assert data.targets == [0, 0, 0, 1, 1]
    image, label = data[4]
    assert label == 1
    assert np.array_equal(image.numpy().round(), [pictures.arrays["train", "dogs", 1]] * 3)
    batches = list(tinynet.utils.data.DataLoader(data, 2))
    assert [x.shape for x, _ in batches] == [(2, 3, 9, 8), (2, 3, 9, 8), (1, 3, 9, 8)]


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_load_folder_of_pictures(tmp_path: Path, mode: str) -> None:
    pictures = Pictures(tmp_path, mode)
    x_train, y_train, x_test, _ = datasets.load_folder(tmp_path)
    assert x_train.shape == (5, 1 if mode == "L" else 3, 9, 8)
    assert y_train.tolist() == [0, 0, 0, 1, 1]
    expected = pictures.arrays["test", "cats", 2]
    assert np.array_equal(x_test[2], expected[None] if mode == "L" else expected.transpose(2, 0, 1))


def test_jpeg_is_read_about_right(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    smooth = np.add.outer(np.arange(16), np.arange(24)).astype(np.uint8) * 5
    image.fromarray(smooth).save(tmp_path / "a.jpg", quality=95)
    assert np.abs(datasets.folder.load_image(tmp_path / "a.jpg", "L")[0].astype(int) - smooth).max() < 8


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_the_command_line_takes_pictures(tmp_path: Path, mode: str, capsys: pytest.CaptureFixture[str]) -> None:
    Pictures(tmp_path / "square", mode, height=8)
    args = ["--device", "cpu", "--epochs", "2", "--model", "mlp", "--data-dir"]
    assert train.main([*args, str(tmp_path / "square"), "--rotate", "10", "--crop", "1", "--flip"]) == 0
    channels = 1 if mode == "L" else 3
    assert f"train 5, test 5 images of {channels} x 8 x 8, 2 classes" in capsys.readouterr().out
    Pictures(tmp_path / "high", mode)
    with pytest.raises(SystemExit):
        train.main([*args, str(tmp_path / "high")])
    assert "high: the images are 8 x 9, expected square ones" in capsys.readouterr().err


@pytest.mark.parametrize("dataset", ["mnist", "other"])
def test_pixels_are_scaled_by_the_training_images(dataset: str) -> None:
    args = options.parser().parse_args([])
    images = RNG.integers(0, 99, (50, 3, 4, 4), dtype=np.uint8)
    images[:, 2] = 7
    args.dataset = dataset
    mean, std = building._scale(args, tinynet.utils.data.TensorDataset(tinynet.tensor(images)))
    if dataset == "mnist":
        assert (mean, std) == ([33.3184], [78.5675])
    else:
        np.testing.assert_allclose(mean, images.mean(axis=(0, 2, 3)))
        np.testing.assert_allclose(std, [*images.std(axis=(0, 2, 3))[:2], 1.0])


def test_bad_pictures(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    pictures = Pictures(tmp_path)
    odd = tmp_path / "train" / "dogs" / "0.png"
    image.fromarray(np.zeros((5, 8), np.uint8)).save(odd)
    with pytest.raises(ValueError, match=r"dogs.0.png is 8 x 5, expected 8 x 9"):
        datasets.load_folder(tmp_path)
    whole = (tmp_path / "train" / "dogs" / "1.png").read_bytes()
    for data, message in ((b"GIF?", "is no image"), (whole[: len(whole) // 2], "is damaged")):
        odd.write_bytes(data)
        with pytest.raises(ValueError, match=message):
            datasets.ImageFolder(pictures.root / "train")[3]
    (tmp_path / "test" / "birds").mkdir()
    with pytest.raises(FileNotFoundError, match="birds has no images"):
        datasets.load_folder(tmp_path)
    (tmp_path / "test" / "birds" / "a.png").write_bytes(whole)
    with pytest.raises(ValueError, match="train has the classes cats, dogs, and test birds, cats, dogs"):
        datasets.load_folder(tmp_path)
    with pytest.raises(FileNotFoundError, match="has no folders, expected one for each class"):
        datasets.ImageFolder(tmp_path / "train" / "cats")


# tables


def test_csv(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text('id ,"the, size",kind\n7,1.5,x\n8,,y\n\n9, NA ,x\n', encoding="utf-8-sig")
    features, targets, names = datasets.load_csv(path, "kind")
    np.testing.assert_array_equal(features, [[7, 1.5], [8, np.nan], [9, np.nan]])
    assert (targets.tolist(), names) == ([0, 1, 0], ["id", "the, size"])
    path.write_text("a;b\n1;2.5\n4;3\n")
    features, targets, _ = datasets.load_csv(path, -1, delimiter=";")
    assert (features.tolist(), targets.tolist()) == ([[1.0], [4.0]], [2.5, 3.0])
    assert datasets.load_csv(path, 0, delimiter=";")[1].dtype == np.int64
    assert datasets.load_csv(path, delimiter=";")[1] is None


@pytest.mark.parametrize(
    "text, target, message",
    [
        ("", None, "table.csv is empty"),
        ("a,b\n1,2\n3\n", None, "line 3: 1 cells, expected 2"),
        ("a,b\n1,x\n", None, "line 2, column b: 'x' is not a number"),
        ("a,b\n1,2\n,3\n", "a", "line 3, column a: the target is missing"),
        ("a,b\n1,2\n", "c", "has no column 'c', only a, b"),
    ],
)
def test_bad_csv(tmp_path: Path, text: str, target: Any, message: str) -> None:
    (tmp_path / "table.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        datasets.load_csv(tmp_path / "table.csv", target)


def test_load_folder_of_tables(tmp_path: Path) -> None:
    rows = {"train": RNG.integers(0, 256, (6, 9)), "test": RNG.integers(0, 256, (2, 9))}
    for part, pixels in rows.items():
        lines = [",".join(["label", *(f"p{i}" for i in range(9))])]
        lines += [",".join(map(str, [i % 2, *row])) for i, row in enumerate(pixels)]
        (tmp_path / f"{part}.csv").write_text("\n".join(lines))
    x_train, y_train, x_test, _ = datasets.load_folder(tmp_path)
    assert np.array_equal(x_train, rows["train"].reshape(6, 3, 3))
    assert (x_test.shape, y_train.tolist()) == ((2, 3, 3), [0, 1, 0, 1, 0, 1])
    (tmp_path / "test.csv").write_text("label,a\n0,999\n")
    with pytest.raises(ValueError, match=r"test.csv has pixels that are not whole numbers from 0 to 255"):
        datasets.load_folder(tmp_path)
    (tmp_path / "test.csv").write_text("label,a,b\n0,9,9\n")
    with pytest.raises(ValueError, match="2 columns beside the label, expected those of a square image"):
        datasets.load_folder(tmp_path)


def test_labels_that_are_texts_are_numbered_alike_in_both_tables(tmp_path: Path) -> None:
    lines = {"train": ["dog,1", "ant,2", "cat,3", "ant,4"], "test": ["dog,5", "cat,6"]}
    for part, rows in lines.items():
        (tmp_path / f"{part}.csv").write_text("\n".join(["label,p", *rows]))
    _, y_train, _, y_test = datasets.load_folder(tmp_path)
    assert (y_train.tolist(), y_test.tolist()) == ([2, 0, 1, 0], [2, 1])
    assert datasets.folder.class_names(tmp_path) == ["ant", "cat", "dog"]
    (tmp_path / "test.csv").write_text("label,p\nowl,5\n")
    with pytest.raises(ValueError, match=r"test.csv has the label 'owl', which train.csv has not"):
        datasets.load_folder(tmp_path)


@pytest.mark.parametrize(
    "name, value, message",
    [
        ("x_train", np.full((4, 5, 5), np.nan), "the training images are nan or infinite in places"),
        ("x_test", np.full((4, 5, 5), "a"), "the test images are <U1, expected numbers"),
        ("x_train", np.zeros((4, 5, 5, 3)), r"\(4, 5, 5, 3\), expected channels first: \(N, C, H, W\)"),
        ("y_train", np.arange(4) - 1, "the training labels are int64 from -1, expected integers from 0"),
        ("y_train", np.ones(4), "the training labels are float64, expected integers from 0"),
        ("y_test", np.arange(4) * 100, "a test label is 300, but there are 4 training images only"),
        ("y_test", np.array([None] * 4), "data.npz is not an npz archive of numbers"),
        ("x_test", np.zeros((3, 5, 5)), r"the test images have shape \(3, 5, 5\) and the labels \(4,\)"),
    ],
)
def test_bad_npz(tmp_path: Path, name: str, value: Any, message: str) -> None:
    images, labels = np.zeros((4, 5, 5), np.uint8), np.arange(4)
    np.savez(
        tmp_path / "data.npz", **{"x_train": images, "y_train": labels, "x_test": images, "y_test": labels, name: value}
    )
    with pytest.raises(ValueError, match=message):
        datasets.load_folder(tmp_path / "data.npz")


def test_what_is_no_npz(tmp_path: Path) -> None:
    np.savez(tmp_path / "whole.npz", x_train=np.zeros((50, 5, 5)))
    whole = (tmp_path / "whole.npz").read_bytes()
    for data in (b"", b"text" * 9, whole[:-40], whole[:200] + b"?" * 200 + whole[400:]):
        (tmp_path / "data.npz").write_bytes(data)
        with pytest.raises(ValueError, match=r"data.npz (is not an npz archive|has no array)"):
            datasets.load_folder(tmp_path / "data.npz")


def test_npz(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    images, labels = RNG.integers(0, 256, (4, 5, 5), dtype=np.uint8), np.arange(4)
    np.savez(path, x_train=images, y_train=labels, x_test=images[:2, :4], y_test=labels[:2])
    with pytest.raises(ValueError, match=r"training images have shape \(5, 5\), the test images \(4, 5\)"):
        datasets.load_folder(path)
    np.savez(path, x_train=images, y_train=labels, x_test=images, y_test=labels)
    assert np.array_equal(datasets.load_folder(path)[0], images)
    assert len(datasets.MNIST(path)) == 4
