"""Networks of dense layers."""

from __future__ import annotations

from ..nn import Flatten, Linear, Module, ReLU, Sequential


def mlp(num_classes: int = 10, in_channels: int = 1, image_size: int = 28) -> Module:
    """Two hidden layers of 512 units: 669,706 parameters on MNIST."""
    return Sequential(
        Flatten(),
        Linear(in_channels * image_size * image_size, 512),
        ReLU(),
        Linear(512, 512),
        ReLU(),
        Linear(512, num_classes),
    )
