"""How many launches a training step makes."""

from __future__ import annotations

import pytest

import tinynet
from bench import train_gpu
from tests.conftest import NO_CUDA
from tinynet import nn, optim
from tinynet.device import simulated

pytestmark = pytest.mark.skipif(NO_CUDA is not None or simulated(), reason=NO_CUDA or "the simulator launches nothing")


@pytest.mark.parametrize("batch", [16, 32, 64, 128, 512])
def test_eager_step(batch: int) -> None:
    """Of the CNN with Adam, from `zero_grad` to the update: at most 23 kernels, and nothing else."""
    counted = train_gpu.step_launches(batch)
    assert counted.pop("kernel") <= 23
    assert not counted


def test_batch_norm_and_relu() -> None:
    """Statistics, result, sums and gradient are a launch each; the layer counts its batches with another."""
    layers = nn.Sequential(nn.BatchNorm2d(3), nn.ReLU()).to("cuda")
    optimizer = optim.SGD(layers.parameters())  # has room for the gradients
    x, upstream = (tinynet.randn(4, 3, 6, 6, device="cuda") for _ in range(2))

    def step() -> None:
        optimizer.zero_grad()
        layers(x).backward(upstream)

    step()
    assert train_gpu.launches(step) == {"kernel": 5}
