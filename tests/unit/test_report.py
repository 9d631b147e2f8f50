"""The report of a run: its figures against ones computed here, its page, its pictures, and what it says without a run."""

from __future__ import annotations

import base64
import io
import json
import shlex
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinynet
from tinynet import report, train
from tinynet.checkpoint import load_weights, save_weights
from tinynet.datasets import MNIST
from tinynet.device import simulated

pytest.importorskip("matplotlib")

from tinynet.report import figures, findings, page
from tinynet.train import building
from tinynet.train.building import class_names
from tinynet.train.options import config, parser

OPTIONS = "--device cpu --limit-train 96 --limit-test 40 --epochs 2 --batch-size 16 --quiet --json"


class Page(HTMLParser):
    """The tags of a page with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, Any]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, dict[str, Any], Page, findings.Findings]]:
    """By model: the folder of a finished run, what it printed, its page, and what was found for it."""
    result = {}
    kept: list[findings.Findings] = []
    draw = figures.draw

    def drawn(found: findings.Findings) -> Any:
        kept.append(found)
        return draw(found)

    for model, more in (("cnn", "--validation-split 0.25 --dropout 0.2"), ("mlp", "--seed 3")):
        folder = tmp_path_factory.mktemp(model)
        out, before = io.StringIO(), sys.stdout
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(figures, "DPI", 20)
            patch.setattr(figures, "draw", drawn)
            patch.setattr(findings, "STEPS", 2)
            sys.stdout = out
            try:
                arguments = f"{OPTIONS} --model {model} {more} --output {folder} --report"
                assert train.main(shlex.split(arguments)) == 0
            finally:
                sys.stdout = before
        text = (folder / "report" / "index.html").read_text()
        result[model] = folder, json.loads(out.getvalue().splitlines()[-1]), Page(text), kept[-1]
    return result


def probabilities(folder: Path, kind: str) -> tuple[Any, Any]:
    """Of the 40 test images, from the weights alone; and their labels."""
    model = tinynet.models.create(kind).eval()
    model.load_state_dict(load_weights(folder / "model.safetensors"))
    data = MNIST(train=False)
    with tinynet.no_grad():
        logits = model((data.data[:40, None].float() - building.MEAN) / building.STD).numpy().astype(np.float64)
    exp = np.exp(logits - logits.max(1, keepdims=True))
    return exp / exp.sum(1, keepdims=True), data.targets[:40].numpy()


@pytest.mark.parametrize("kind", ["cnn", "mlp"])
def test_findings(runs: Any, kind: str) -> None:
    folder, printed, shown, found = runs[kind]
    p, labels = probabilities(folder, kind)
    predictions = p.argmax(1)
    assert found.accuracy == np.mean(predictions == labels) == printed["test_accuracy"]
    assert found.loss == pytest.approx(-np.log(p[range(40), labels]).mean(), rel=1e-4)
    expected = np.zeros((10, 10), int)
    np.add.at(expected, (labels, predictions), 1)
    np.testing.assert_array_equal(found.confusion, expected)
    wrong = np.flatnonzero(predictions != labels)
    hardest = wrong[np.argsort(p[wrong, labels[wrong]])][:20]
    np.testing.assert_array_equal(found.hardest.pixels[:, 0], MNIST(train=False).data.numpy()[hardest])
    np.testing.assert_allclose(found.hardest.confidences, p[hardest].max(1), rtol=1e-4)
    assert [row["epoch"] for row in found.history] == [1, 2]
    right = [np.flatnonzero((labels == c) & (predictions == c)) for c in range(10)]
    first = [indices[0] for indices in right if len(indices)]
    np.testing.assert_array_equal(found.examples.pixels[:, 0], MNIST(train=False).data.numpy()[first])
    assert f"{found.accuracy:.2%}" in shown.text
    assert f"{printed['parameters']:,}" in shown.text


def test_what_a_model_has_and_has_not(runs: Any) -> None:
    cnn, mlp = (runs[kind][3] for kind in ("cnn", "mlp"))
    assert cnn.cam_layer == "5"
    assert cnn.explained_mistakes.cam.shape == (10, 5, 5)
    assert cnn.weights.shape == (32, 1, 3, 3)
    assert mlp.cam_layer == ""
    assert mlp.explained_mistakes.cam is None
    assert mlp.weights.shape == (32, 1, 28, 28)
    assert "There is no Grad-CAM, as the model mlp has no feature maps" in runs["mlp"][2].text
    assert "Grad-CAM is where in the feature maps of layer 5" in runs["cnn"][2].text
    assert "32 of 512 units" in runs["mlp"][2].text


@pytest.mark.parametrize("kind", ["cnn", "mlp"])
def test_the_page_is_complete_in_itself_and_accessible(runs: Any, kind: str) -> None:
    from matplotlib.image import imread

    folder, _, shown, _ = runs[kind]
    tags = shown.tags
    assert ("html", {"lang": "en"}) in tags
    addresses = [v for _, attrs in tags for k, v in attrs.items() if k in ("src", "srcset", "href")]
    pictures = [base64.b64decode(a.removeprefix("data:image/png;base64,"), validate=True) for a in addresses]
    files = sorted((folder / "report").glob("*.png"))
    assert sorted(pictures) == sorted(path.read_bytes() for path in files)
    names = {path.stem for path in files}
    assert {"curves", "confusion", "hardest", "explanations", "mistakes", "weights", "curves-dark"} <= names
    for path in files:
        pixels = imread(path)
        assert pixels.shape[1] == 200
        assert len(np.unique(pixels.reshape(-1, pixels.shape[2]), axis=0)) > 10, path.name
    assert not any(tag in ("script", "link", "iframe") for tag, _ in tags)
    assert "url(" not in page.STYLE
    for tag, attrs in tags:
        if tag == "img":
            assert len(attrs["alt"]) > 30
        if tag == "th":
            assert attrs["scope"] in ("row", "col")


def test_the_command_on_the_page_makes_the_same_run(runs: Any) -> None:
    found = runs["cnn"][3]
    words = page.command(found.options)
    assert words in runs["cnn"][2].text
    again = parser().parse_args(shlex.split(words)[3:])
    assert config(again) == config(found.options)
    assert "--dropout 0.2" in words
    assert "--output" not in words


def test_find_on_either_device(runs: Any, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if device == "cuda" and simulated():
        pytest.skip("networks of this size are too much for the simulator")
    for name, value in (("STEPS", 2), ("EXAMPLES", 2)):
        monkeypatch.setattr(findings, name, value)
    here, there = runs["cnn"][3], findings.find(runs["cnn"][0], device)
    np.testing.assert_array_equal(here.confusion, there.confusion)
    for name in ("saliency", "integrated", "cam"):
        a, b = (getattr(found.examples, name)[:2] for found in (here, there))
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3 * np.abs(a).max())


@pytest.mark.parametrize("kind", ["lenet5", "gru", "transformer"])
def test_other_kinds_of_models(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Untrained, without an epoch, and classes with names."""
    for place, name, value in ((findings, "STEPS", 2), (findings, "EXAMPLES", 2), (figures, "DPI", 20)):
        monkeypatch.setattr(place, name, value)
    pixels = np.random.default_rng(0).integers(0, 256, (12, 28, 28), np.uint8)
    labels = np.arange(12) % 10
    np.savez(tmp_path / "data.npz", x_train=pixels, y_train=labels, x_test=pixels, y_test=labels)
    options = parser().parse_args(["--model", kind, "--data-dir", str(tmp_path / "data.npz")])
    (tmp_path / "config.json").write_text(json.dumps(config(options)))
    (tmp_path / "metrics.jsonl").write_text("")
    save_weights(tinynet.models.create(kind), tmp_path / "model.safetensors")
    monkeypatch.setattr(building, "class_names", lambda args, n: [f"class number {i}" for i in range(n)])
    found = findings.find(tmp_path, "cpu")
    pictures = figures.draw(found)
    text = Page(page.render(found, pictures)).text
    assert ("weights" in pictures) == (kind == "lenet5") == (found.cam_layer != "")
    assert (f"There is no Grad-CAM, as the model {kind} has no feature maps" in text) == (kind != "lenet5")
    assert (f"The model {kind} has no layer whose weights can be seen as images." in text) == (kind != "lenet5")
    assert "class number 3" in text
    assert "No epoch was finished." in text


def test_class_names() -> None:
    options = parser().parse_args(["--dataset", "fashion-mnist"])
    assert class_names(options, 10)[9] == "Ankle boot"
    options.data_dir = Path("numbers.npz")
    assert class_names(options, 3) == ["0", "1", "2"]


def test_no_mistakes_no_epochs_other_classes(runs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "DPI", 20)
    found, none = runs["cnn"][3], np.arange(0)
    nothing = findings.Images(found.examples.pixels[:0], none, none, none)
    found = replace(
        found,
        hardest=nothing,
        explained_mistakes=nothing,
        confusion=np.diag([4] * 10),
        history=[],
        weights=None,
        classes=[f"<{name}>" for name in "abcdefghij"],
    )
    pictures = figures.draw(found)
    assert set(pictures) == {"confusion", "explanations"}
    assert "no mistakes" in pictures["confusion"].alt
    text = page.render(found, pictures)
    assert "<a>" not in text
    assert "&lt;a&gt;" in text
    assert "The model makes no mistake on the test images." in Page(text).text
    assert "No epoch was finished." in Page(text).text


def test_images_of_any_range_are_shown() -> None:
    image = np.array([[0.25, 0.5], [0.75, 1.25]])
    np.testing.assert_allclose(figures.shown(image[None])[..., 0], [[0, 0.25], [0.5, 1]])
    np.testing.assert_allclose(figures.shown(np.full((3, 2, 2), -7.0)), 0)
    np.testing.assert_allclose(figures.shown(np.full((1, 2, 2), 51, np.uint8)), 0.2)


def test_overlays_and_filters() -> None:
    pixels = np.zeros((1, 1, 4, 4), np.uint8)
    pixels[0, 0, 0, 0] = 255
    values = np.zeros((1, 4, 4))
    values[0, 1, 1], values[0, 2, 2] = 2.0, -2.0
    cam = np.array([[[1.0, 0.0], [0.0, 0.0]]])
    label = np.zeros(1, int)
    images = findings.Images(pixels, label, label, np.ones(1), np.abs(values), values, cam)
    layers = figures.overlays(images)
    assert list(layers) == ["Image", "Saliency", "Integrated gradients", "Grad-CAM"]
    np.testing.assert_array_equal(layers["Image"][0][0, 0], [1, 1, 1])
    both = layers["Integrated gradients"][0]
    assert both[1, 1, 0] > 0.8 > 0.4 > both[1, 1, 2]  # orange
    assert both[2, 2, 2] > 0.8 > 0.4 > both[2, 2, 0]  # blue
    np.testing.assert_allclose(both[0, 0], 0.45)
    np.testing.assert_allclose(both[3, 3], 0)
    heat = layers["Grad-CAM"][0].sum(axis=2)
    assert heat[1, 1] > heat[2, 2] > heat[3, 3]
    assert layers["Saliency"][0][1, 1].sum() > 2
    colours = figures.filter_images(np.array([1.0, 0.0, -1.0]).reshape(1, 3, 1, 1))[0]
    np.testing.assert_allclose(colours[0, 0], [1, 0.5, 0])


def test_what_it_says_when_it_cannot(
    runs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(folder: Path, message: str) -> None:
        assert report.main([str(folder), "--device", "cpu"]) == 2
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1
        assert message in lines[0]

    refused(tmp_path / "nowhere", "has no config.json")
    (tmp_path / "config.json").write_bytes((runs["mlp"][0] / "config.json").read_bytes())
    refused(tmp_path, "has no model.safetensors: it is not the --output of a run that came to its end")
    weights = bytearray((runs["mlp"][0] / "model.safetensors").read_bytes())
    weights[-7] ^= 1
    (tmp_path / "model.safetensors").write_bytes(weights)
    refused(tmp_path, "is damaged")
    assert not (tmp_path / "report").exists()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    refused(runs["mlp"][0], "pip install 'tinynet-gpu[plot]'")
    with pytest.raises(SystemExit, match="2"):
        train.main(shlex.split(f"{OPTIONS} --report --output {tmp_path / 'run'}"))
    assert "pip install 'tinynet-gpu[plot]'" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
