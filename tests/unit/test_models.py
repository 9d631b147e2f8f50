"""The shipped models: their sizes are those that they say, for any image and number of classes."""

from __future__ import annotations

import inspect
import re

import pytest

import tinynet
from tinynet import models


def count(model: tinynet.nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("name", models.MODELS)
def test_parameters_are_as_documented(name: str) -> None:
    told = re.search(r"([\d,]+) parameters\s+on\s+MNIST", inspect.getdoc(models.MODELS[name]) or "")
    assert told is not None
    assert count(models.create(name)) == int(told[1].replace(",", ""))


@pytest.mark.parametrize("name", models.MODELS)
def test_other_images(name: str) -> None:
    model = models.create(name, num_classes=7, in_channels=3, image_size=20)
    images = tinynet.randn(2, 3, 20, 20)
    scores = model(images)
    assert scores.shape == (2, 7)
    scores.sum().backward()
    assert all(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in list(model.parameters())[:2])


@pytest.mark.parametrize(
    "name, least", [("cnn", 18), ("simple-convnet", 10), ("lenet5", 12), ("vgg-small", 8), ("resnet20", 4)]
)
def test_smallest_images(name: str, least: int) -> None:
    assert models.create(name, image_size=least).eval()(tinynet.zeros(1, 1, least, least)).shape == (1, 10)
    with pytest.raises(ValueError, match=f"image_size is {least - 1}, expected at least {least}"):
        models.create(name, image_size=least - 1)


def test_unknown_model() -> None:
    with pytest.raises(ValueError, match="model is 'resnet', expected one of mlp, lenet5"):
        models.create("resnet")


def test_names_of_a_residual_network() -> None:
    """Those of torchvision's ResNet, which has a fourth stage."""
    block = ["conv1.weight"] + [
        f"bn1.{n}" for n in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    ]
    block += [name.replace("1", "2", 1) for name in block]
    shortcut = ["downsample.0.weight"] + [name.replace("bn1", "downsample.1") for name in block[1:6]]
    wanted = block[:6]
    for stage in (1, 2, 3):
        for i in range(3):
            names = block + (shortcut if stage > 1 and i == 0 else [])
            wanted += [f"layer{stage}.{i}.{name}" for name in names]
    assert list(models.resnet20().state_dict()) == [*wanted, "fc.weight", "fc.bias"]
