"""Bags of rows: against each bag by itself, and against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinynet
from tests.directions import check_directions
from tinynet import nn
from tinynet.nn import functional as F

TABLE = np.random.default_rng(0).standard_normal((6, 3))
POSITIONS = np.array([1, 4, 4, 0, 5, 2, 1])
STARTS = [0, 3, 3, 4]  # the second bag is empty
BAGS = [[1, 4, 4], [], [0], [5, 2, 1]]
REDUCE: dict[str, Any] = {"mean": np.mean, "sum": np.sum, "max": np.max}


def by_hand(mode: str, padding_idx: int | None = None) -> Any:
    kept = [[i for i in bag if i != padding_idx] for bag in BAGS]
    return np.array([REDUCE[mode](TABLE[bag], axis=0) if bag else np.zeros(3) for bag in kept])


@pytest.mark.parametrize("mode", ["mean", "sum", "max"])
def test_bags(mode: str, device: str) -> None:
    weight = tinynet.tensor(TABLE, device=device, requires_grad=True)
    positions, starts = tinynet.tensor(POSITIONS, device=device), tinynet.tensor(STARTS, device=device)
    for padding_idx in (None, 4, 0):
        found = F.embedding_bag(positions, weight, starts, mode=mode, padding_idx=padding_idx)
        np.testing.assert_allclose(found.detach().cpu().numpy(), by_hand(mode, padding_idx), rtol=1e-12)
    ends = tinynet.tensor([*STARTS, 7], device=device)
    found = F.embedding_bag(positions, weight, ends, mode=mode, include_last_offset=True)
    np.testing.assert_allclose(found.detach().cpu().numpy(), by_hand(mode), rtol=1e-12)
    rows = F.embedding_bag(tinynet.tensor([[1, 4], [0, 0]], device=device), weight, mode=mode)
    expected = [REDUCE[mode](TABLE[[1, 4]], axis=0), REDUCE[mode](TABLE[[0, 0]], axis=0)]
    np.testing.assert_allclose(rows.detach().cpu().numpy(), expected, rtol=1e-12)
    for second in (False, True):
        check_directions(lambda: F.embedding_bag(positions, weight, starts, mode=mode) ** 2, [weight], second=second)


def test_weights_of_positions(device: str) -> None:
    weight, factors = (tinynet.tensor(a, device=device, requires_grad=True) for a in (TABLE, np.arange(7.0)))
    positions, starts = tinynet.tensor(POSITIONS, device=device), tinynet.tensor(STARTS, device=device)
    found = F.embedding_bag(positions, weight, starts, mode="sum", per_sample_weights=factors)
    assert found[0].tolist() == pytest.approx((0 * TABLE[1] + 1 * TABLE[4] + 2 * TABLE[4]).tolist())
    check_directions(
        lambda: F.embedding_bag(positions, weight, starts, mode="sum", per_sample_weights=factors), [weight, factors]
    )


def test_layer_and_errors() -> None:
    bag = nn.EmbeddingBag.from_pretrained(tinynet.tensor(TABLE), mode="sum", freeze=False)
    assert bag.weight.requires_grad
    assert bag(tinynet.tensor(POSITIONS), tinynet.tensor(STARTS))[1].tolist() == [0.0, 0.0, 0.0]
    assert repr(nn.EmbeddingBag(5, 3, padding_idx=1)) == "EmbeddingBag(5, 3, mode='mean', padding_idx=1)"
    positions = tinynet.tensor(POSITIONS)
    for starts in ([1, 2], [0, 5, 3], [0, 8]):
        with pytest.raises(ValueError, match="expected numbers that rise from 0 to at most 7"):
            bag(positions, tinynet.tensor(starts))
    with pytest.raises(ValueError, match="offsets is None"):
        bag(positions)
    with pytest.raises(ValueError, match=r"input has shape \(1, 7\), expected"):
        bag(positions.unsqueeze(0), tinynet.tensor([0]))
    with pytest.raises(ValueError, match="mode is 'median'"):
        nn.EmbeddingBag(5, 3, mode="median")
    with pytest.raises(ValueError, match="per_sample_weights needs mode 'sum'"):
        F.embedding_bag(positions, bag.weight, tinynet.tensor([0]), per_sample_weights=tinynet.ones(7))


@pytest.mark.parametrize("options", [{}, {"mode": "max"}, {"padding_idx": 4}, {"mode": "sum", "max_norm": 1.0}])
def test_as_pytorchs(options: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    found = []
    for library in (tinynet, torch):
        bag = library.nn.EmbeddingBag(6, 3, **options)
        with library.no_grad():
            bag.weight.copy_(library.tensor(TABLE))
        y = bag(library.tensor(POSITIONS), library.tensor(STARTS))
        (y * y).sum().backward()
        found.append((y.detach().numpy(), bag.weight.detach().numpy(), bag.weight.grad.numpy()))
    for mine, theirs in zip(*found):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)
