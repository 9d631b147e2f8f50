"""How many launches a training step makes."""

from __future__ import annotations

import pytest

from bench import train_gpu
from tests.conftest import NO_CUDA
from tinynet.device import simulated

pytestmark = pytest.mark.skipif(NO_CUDA is not None or simulated(), reason=NO_CUDA or "the simulator launches nothing")


@pytest.mark.parametrize("batch", [16, 64])
def test_eager_step(batch: int) -> None:
    """Of the CNN with Adam, from `zero_grad` to the update: at most 25 kernels, and nothing else."""
    counted = train_gpu.step_launches(batch)
    assert counted.pop("kernel") <= 25
    assert not counted
