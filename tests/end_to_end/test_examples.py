"""Each example runs, on data small enough to be quick, and does better than doing nothing."""

from __future__ import annotations

import wave
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from matplotlib.image import imread

import tinynet
from tests.conftest import NO_CUDA
from tinynet.device import simulated
from tinynet.examples import audio, charlm, dcgan, forecast, recommender, reinforce, siamese, vae

SOURCES = sorted(p for p in Path(vae.__file__).parent.glob("*.py") if p.name != "__init__.py")


@pytest.mark.parametrize("source", SOURCES, ids=lambda p: p.stem)
def test_fits_on_a_page(source: Path) -> None:
    assert len(source.read_text(encoding="utf-8").splitlines()) < 120


def is_picture(path: Path) -> bool:
    return path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 1000


def write_text(path: Path, lines: int) -> str:
    path.write_text("to be or not to be, " * lines, encoding="utf-8")
    return str(path)


def write_ratings(path: Path, user_count: int, item_count: int) -> str:
    """Ratings that are a product of two factors, which means of users and items cannot tell."""
    rng = np.random.default_rng(0)
    users, items = rng.standard_normal((user_count, 2)), rng.standard_normal((item_count, 2))
    lines = [f"u{u},i{i},{3 + users[u] @ items[i]:.3f}" for u in range(user_count) for i in range(item_count)]
    path.write_text("\n".join(["user,item,rating", *lines]), encoding="utf-8")
    return str(path)


def write_series(path: Path, count: int) -> str:
    """A season of 12 steps that grows: the last one again is too small."""
    t = np.arange(count)
    series = np.sin(t * 2 * np.pi / 12) * (1 + t / 100) + t / 20
    path.write_text("t,y\n" + "\n".join(f"{i},{v}" for i, v in zip(t, series)), encoding="utf-8")
    return str(path)


def write_recordings(folder: Path, count: int) -> str:
    """Half a second of each of two tones in noise, `count` times."""
    rng = np.random.default_rng(0)
    for label, pitch in (("low", 400), ("high", 1500)):
        for i in range(count):
            samples = np.sin(np.arange(4000) * 2 * np.pi * pitch / 8000) + rng.normal(0, 0.3, 4000)
            with wave.open(str(folder / f"{label}_{i}.wav"), "wb") as file:
                file.setparams((1, 2, 8000, 4000, "NONE", ""))
                file.writeframes((samples * 8000).astype("<i2").tobytes())
    return str(folder)


@pytest.mark.parametrize("model", ["lstm", "transformer"])
def test_charlm(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = [
        write_text(tmp_path / "abc.txt", 150),
        "--model",
        model,
        "--width",
        "32",
        "--length",
        "16",
        "--batch-size",
        "8",
    ]
    assert charlm.main([*args, "--epochs", "8"]) < 0.4  # 8 kinds of characters: chance is 2.1
    written = capsys.readouterr().out.splitlines()[-1]
    assert len(written) == 500
    assert written.count(" to be, ") > 10


def test_charlm_reads_on() -> None:
    """In short pieces, each from the state after the one before, a text has the loss that it has in one piece."""
    tinynet.manual_seed(0)
    model, text = charlm.LSTMModel(5, 8, 2, 0).eval(), tinynet.randint(0, 5, (2 * 25,))
    with tinynet.no_grad():
        whole, short = ([loss.item() for loss in charlm.losses(model, text, 2, length)] for length in (24, 4))
    assert (len(whole), len(short)) == (1, 6)
    assert np.mean(short) == pytest.approx(whole[0], rel=1e-5)


def test_dcgan(tmp_path: Path) -> None:
    """The discriminator beats chance, and the generator has learnt that digits are few dark strokes on white."""
    args = ["--limit", "512", "--batch-size", "16", "--epochs", "1", "--output", str(tmp_path / "g.png")]
    assert dcgan.main(args)[0] < 1.2  # a coin has log 4 = 1.39
    assert imread(tmp_path / "g.png")[..., 0].mean() > 0.7  # before training it is 0.51


def test_vae(tmp_path: Path) -> None:
    bound = vae.main(["--limit", "1000", "--epochs", "3", "--output", str(tmp_path / "vae.png")])
    assert bound < 300  # a fair coin for each of 784 pixels has 543
    assert is_picture(tmp_path / "vae.png")


def test_siamese(tmp_path: Path) -> None:
    assert siamese.main(["--limit", "1000", "--epochs", "4", "--output", str(tmp_path / "s.png")]) > 0.3
    assert is_picture(tmp_path / "s.png")


def test_recommender(tmp_path: Path) -> None:
    args = ["--factors", "4", "--batch-size", "64", "--l2", "0.001", "--lr", "0.02"]
    ours, simple = recommender.main([write_ratings(tmp_path / "r.csv", 30, 40), *args])
    assert ours < 0.5 * simple


def test_forecast(tmp_path: Path) -> None:
    args = ["--column", "y", "--length", "12", "--epochs", "8", "--output", str(tmp_path / "f.png")]
    ours, naive = forecast.main([write_series(tmp_path / "s.csv", 300), *args])
    assert ours < 0.7 * naive
    assert is_picture(tmp_path / "f.png")


def test_audio(tmp_path: Path) -> None:
    args = ["--test", r"_[0-3]\.wav$", "--epochs", "4", "--frames", "16"]
    right, _ = audio.main([write_recordings(tmp_path, 12), *args])
    assert right == 1.0


def test_reinforce() -> None:
    assert reinforce.main(["--updates", "12", "--episodes", "8", "--steps", "100"]) > 30


@pytest.mark.slow  # the kernels of so many shapes are to be compiled
@pytest.mark.skipif(NO_CUDA is not None or simulated(), reason=NO_CUDA or "needs a CUDA device")
@pytest.mark.parametrize(
    "example, argv",
    [
        (charlm, ["TEXT", "--width", "16", "--length", "8", "--batch-size", "8", "--epochs", "1"]),
        (
            charlm,
            ["TEXT", "--model", "transformer", "--width", "16", "--length", "8", "--batch-size", "8", "--epochs", "1"],
        ),
        (dcgan, ["--limit", "16", "--batch-size", "8", "--epochs", "1"]),
        (vae, ["--limit", "64", "--batch-size", "32", "--epochs", "1"]),
        (siamese, ["--limit", "64", "--batch-size", "16", "--epochs", "1"]),
        (forecast, ["SERIES", "--column", "y", "--width", "8", "--length", "8", "--epochs", "1"]),
        (recommender, ["RATINGS", "--epochs", "1"]),
        (reinforce, ["--updates", "1", "--episodes", "4", "--steps", "20"]),
        (audio, ["FOLDER", "--test", "_0", "--epochs", "1", "--frames", "16"]),
    ],
    ids=lambda value: value.__name__.split(".")[-1] if isinstance(value, ModuleType) else "",
)
def test_runs_on_cuda(example: ModuleType, argv: list[str], tmp_path: Path) -> None:
    made = {
        "TEXT": write_text(tmp_path / "t.txt", 40),
        "SERIES": write_series(tmp_path / "s.csv", 120),
        "RATINGS": write_ratings(tmp_path / "r.csv", 10, 10),
        "FOLDER": write_recordings(tmp_path, 4),
    }
    assert np.isfinite(example.main([*(made.get(a, a) for a in argv), "--device", "cuda"])).all()


@pytest.mark.parametrize(
    "example, argv, message",
    [
        (charlm, ["FILE"], "expected at least"),
        (recommender, ["FILE"], "no column 'user'"),
        (forecast, ["FILE", "--column", "y"], "no column 'y'"),
        (forecast, ["EMPTY", "--column", "y"], "no numbers in the column 'y'"),
        (recommender, ["EMPTY", "--user", "y", "--item", "y", "--rating", "y"], "no ratings"),
        (audio, ["FOLDER", "--test", "a"], "matches 0 of 0 WAV files"),
    ],
)
def test_unusable_data(
    example: ModuleType, argv: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    (tmp_path / "empty.csv").write_text("x,y\n", encoding="utf-8")
    places = {"FILE": str(tmp_path / "file.csv"), "EMPTY": str(tmp_path / "empty.csv"), "FOLDER": str(tmp_path)}
    with pytest.raises(SystemExit, match="2"):
        example.main([places.get(a, a) for a in argv])
    assert message in capsys.readouterr().err
