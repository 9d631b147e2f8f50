"""Every kind of regularisation, by its option of the command line, does its work; and dropping whole channels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinynet
from tinynet import nn, train
from tinynet.checkpoint import load_weights
from tinynet.train import building

COMMON = "--device cpu --quiet --model mlp --epochs 3 --limit-train 256 --limit-test 100 --lr 0.003 --schedule constant"


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    return trained(tmp_path_factory.mktemp("plain"), "")


def trained(folder: Path, options: str) -> list[Any]:
    """The weight matrices of a run with these options."""
    assert train.main([*COMMON.split(), *options.split(), "--output", str(folder)]) == 0
    return [t.numpy() for _, t in sorted(load_weights(folder / "model.safetensors").items()) if t.ndim == 2]


def size(weights: list[Any], power: int) -> float:
    return float(sum((np.abs(w) ** power).sum() for w in weights))


@pytest.mark.parametrize(
    "options, power", [("--l1 0.01", 1), ("--l2 0.05", 2), ("--optimizer adamw --weight-decay 5", 2)]
)
def test_penalties_make_weights_small(plain: list[Any], tmp_path: Path, options: str, power: int) -> None:
    assert size(trained(tmp_path, options), power) < 0.8 * size(plain, power)


def test_decoupled_weight_decay_is_of_the_weights_alone(plain: list[Any], tmp_path: Path) -> None:
    none = trained(tmp_path / "none", "--optimizer adamw --weight-decay 0")
    for a, b in zip(none, plain):
        np.testing.assert_array_equal(a, b)  # AdamW without decay is Adam
    decayed = trained(tmp_path / "some", "--optimizer adamw --weight-decay 0.1")
    ratio = size(decayed, 2) / size(none, 2)
    assert (1 - 0.003 * 0.1) ** (2 * 12) * 0.99 < ratio < 1  # 12 steps of times 1 - lr * decay


def test_max_norm(plain: list[Any], tmp_path: Path) -> None:
    assert max(np.linalg.norm(w, axis=1).max() for w in plain) > 0.7
    assert max(np.linalg.norm(w, axis=1).max() for w in trained(tmp_path, "--max-norm 0.5")) <= 0.5 + 1e-5


def test_label_smoothing_keeps_outputs_apart_by_less(plain: list[Any], tmp_path: Path) -> None:
    def margin(folder: Path) -> float:
        args, built = building.restore(folder, tinynet.device("cpu"))
        built.model.eval()
        with tinynet.no_grad():
            (images, _), *_ = list(built.loaders["test"])
            top = built.model(built.prepare(images)).topk(2).values.numpy()
        assert args.label_smoothing == (0.5 if folder.name == "smooth" else 0.0)
        return float((top[:, 0] - top[:, 1]).mean())

    trained(tmp_path / "hard", "")
    trained(tmp_path / "smooth", "--label-smoothing 0.5")
    assert margin(tmp_path / "smooth") < 0.6 * margin(tmp_path / "hard")


def test_dropout_is_of_training_alone(plain: list[Any], tmp_path: Path) -> None:
    dropped = trained(tmp_path, "--dropout 0.9")
    assert not np.array_equal(dropped[-1], plain[-1])
    _, built = building.restore(tmp_path, tinynet.device("cpu"))
    images = next(iter(built.loaders["test"]))[0]
    built.model.eval()
    same = [built.model(built.prepare(images)).detach().numpy() for _ in range(2)]
    built.model.train()
    other = [built.model(built.prepare(images)).detach().numpy() for _ in range(2)]
    assert np.array_equal(*same)
    assert not np.array_equal(*other)


def test_early_stopping_ends_the_run(tmp_path: Path) -> None:
    """A rate of almost nothing: no epoch is better than the first by more than rounding."""
    options = "--validation-split 0.2 --lr 1e-30 --epochs 9"
    for patience, epochs in (("", 9), ("--patience 2", 3)):
        trained(tmp_path / str(epochs), f"{options} {patience}")
        assert len((tmp_path / str(epochs) / "metrics.csv").read_text().splitlines()) == 1 + epochs


def test_dropout2d_drops_whole_channels(device: str) -> None:
    layer, images = nn.Dropout2d(0.3), tinynet.ones(40, 50, 4, 3, device=device)
    tinynet.manual_seed(0)
    result = layer(images).cpu().numpy().reshape(2000, 12)
    assert (result == result[:, :1]).all()
    np.testing.assert_allclose(np.unique(result), [0.0, 1 / 0.7], rtol=1e-6)
    assert 0.25 < (result[:, 0] == 0).mean() < 0.35
    assert (layer.eval()(images) == images).all()
