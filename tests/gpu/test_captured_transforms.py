"""Transforms inside a captured step: each replay makes the draws that come next, those of eager calls."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinynet
from tests.conftest import NO_CUDA
from tinynet import transforms as T
from tinynet.device import simulated

pytestmark = pytest.mark.skipif(NO_CUDA is not None or simulated(), reason=NO_CUDA or "the simulator has no graphs")

AUGMENT = [
    T.RandomAffine(20, (0.1, 0.2), (0.8, 1.2), 10),
    T.RandomAffine(20, (0.1, 0.2), (0.8, 1.2), 10, "bilinear", fill=(1, 2, 3)),
    T.RandomRotation(45, "bilinear"),
    T.RandomCrop(6, padding=2),
    T.RandomCrop(6, padding=2, padding_mode="reflect"),
    T.RandomResizedCrop(6),
    T.RandomHorizontalFlip(),
    T.RandomErasing(1.0),
    T.RandomErasing(1.0, value="random"),
    T.Compose([T.RandomCrop(8, 1), T.Normalize([0.5] * 3, [0.25] * 3), T.RandomErasing(0.5)]),
]


@pytest.mark.parametrize("transform", AUGMENT, ids=lambda t: type(t).__name__)
def test_replays_are_eager_calls(transform: Any) -> None:
    batches = np.random.default_rng(0).random((6, 4, 3, 8, 8), dtype=np.float32)
    results: list[list[Any]] = []
    for make in (lambda f: f, tinynet.cuda.graph):
        tinynet.manual_seed(3)
        step = make(lambda images: transform(images))
        results.append([step(tinynet.tensor(batch, device="cuda")).cpu().numpy() for batch in batches])
    for eager, captured in zip(*results):
        np.testing.assert_array_equal(captured, eager)
    assert len({tuple(result.ravel()[:50]) for result in results[1]}) == 6
