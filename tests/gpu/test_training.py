"""Training on CUDA against training on the CPU, and out of memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinynet
from tests.conftest import NO_CUDA
from tinynet import cuda, models, nn, optim
from tinynet.device import simulated

pytestmark = pytest.mark.skipif(NO_CUDA is not None or simulated(), reason=NO_CUDA or "too slow in the simulator")


def train(device: str, steps: int = 20) -> tuple[list[float], list[Any]]:
    """Losses and final weights of the CNN on the first digits of MNIST."""
    from tinynet.datasets import MNIST

    tinynet.manual_seed(0)
    data = MNIST(train=True)
    images = tinynet.from_numpy(np.asarray(data.data[: 16 * steps]).reshape(-1, 1, 28, 28).astype(np.float32) / 255)
    labels = tinynet.from_numpy(np.asarray(data.targets[: 16 * steps]).astype(np.int64))
    images, labels = images.to(device), labels.to(device)
    model = models.create("cnn").to(device)
    optimizer = optim.Adam(model.parameters())
    loss_function = nn.CrossEntropyLoss()
    losses = []
    for i in range(steps):
        optimizer.zero_grad()
        loss = loss_function(model(images[16 * i : 16 * (i + 1)]), labels[16 * i : 16 * (i + 1)])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, [p.detach().cpu().numpy() for p in model.parameters()]


def test_follows_the_cpu() -> None:
    losses, weights = train("cuda")
    np.testing.assert_allclose(losses, train("cpu")[0], rtol=2e-4, atol=2e-5)
    assert losses[-1] < losses[0]
    again, weights_again = train("cuda")
    assert losses == again
    assert all(a.tobytes() == b.tobytes() for a, b in zip(weights, weights_again))


def test_out_of_memory() -> None:
    import cupy

    model = models.create("cnn").to("cuda")
    optimizer = optim.Adam(model.parameters())

    def step(batch: int) -> float:
        optimizer.zero_grad()
        loss = model(tinynet.zeros(batch, 1, 28, 28, device="cuda")).square().mean()
        loss.backward()
        optimizer.step()
        return loss.item()

    step(2)
    cuda.empty_cache()
    pool = cupy.get_default_memory_pool()
    pool.set_limit(pool.total_bytes() + (24 << 20))
    try:
        with pytest.raises(cuda.OutOfMemoryError, match=r"allocating [\d,]+ bytes"):
            step(600)
        assert np.isfinite(step(4))
    finally:
        pool.set_limit(0)
