"""Networks by name, for images (N, channels, size, size)."""

from __future__ import annotations

from collections.abc import Callable

from ..nn import Conv2d, Flatten, Linear, MaxPool2d, Module, ReLU, Sequential


def cnn(num_classes: int = 10, in_channels: int = 1, image_size: int = 28) -> Module:
    """Conv 32 3x3, pool, Conv 64, pool, Conv 64, Dense 64, Dense classes: 93,322 parameters on MNIST."""
    size = ((image_size - 2) // 2 - 2) // 2 - 2
    if size < 1:
        raise ValueError(f"image_size is {image_size}, expected at least 18")
    return Sequential(
        Conv2d(in_channels, 32, 3),
        ReLU(),
        MaxPool2d(2),
        Conv2d(32, 64, 3),
        ReLU(),
        MaxPool2d(2),
        Conv2d(64, 64, 3),
        ReLU(),
        Flatten(),
        Linear(64 * size * size, 64),
        ReLU(),
        Linear(64, num_classes),
    )


def mlp(num_classes: int = 10, in_channels: int = 1, image_size: int = 28) -> Module:
    """Two hidden layers of 512 units."""
    return Sequential(
        Flatten(),
        Linear(in_channels * image_size * image_size, 512),
        ReLU(),
        Linear(512, 512),
        ReLU(),
        Linear(512, num_classes),
    )


MODELS: dict[str, Callable[..., Module]] = {"cnn": cnn, "mlp": mlp}


def create(name: str, num_classes: int = 10, in_channels: int = 1, image_size: int = 28) -> Module:
    """The model of this name. ValueError for an unknown one."""
    if name not in MODELS:
        raise ValueError(f"model is {name!r}, expected one of {', '.join(MODELS)}")
    return MODELS[name](num_classes, in_channels, image_size)
