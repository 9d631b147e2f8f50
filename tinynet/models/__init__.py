"""Networks by name, for images (N, channels, size, size)."""

from __future__ import annotations

from collections.abc import Callable

from ..nn import Module
from .convolutional import cnn, lenet5, resnet20, simple_convnet, vgg_small
from .dense import mlp
from .sequential import gru, lstm, transformer

__all__ = [
    "MODELS",
    "cnn",
    "create",
    "gru",
    "lenet5",
    "lstm",
    "mlp",
    "resnet20",
    "simple_convnet",
    "transformer",
    "vgg_small",
]

MODELS: dict[str, Callable[..., Module]] = {
    "mlp": mlp,
    "lenet5": lenet5,
    "cnn": cnn,
    "simple-convnet": simple_convnet,
    "vgg-small": vgg_small,
    "resnet20": resnet20,
    "lstm": lstm,
    "gru": gru,
    "transformer": transformer,
}


def create(name: str, num_classes: int = 10, in_channels: int = 1, image_size: int = 28) -> Module:
    """The model of this name. ValueError for an unknown one, and for an image that is too small for it."""
    if name not in MODELS:
        raise ValueError(f"model is {name!r}, expected one of {', '.join(MODELS)}")
    return MODELS[name](num_classes, in_channels, image_size)
