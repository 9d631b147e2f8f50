"""Connectionist temporal classification: against the sum over all alignments, one by one, and against PyTorch."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import tinynet
from tests.directions import check_directions
from tinynet import nn
from tinynet.nn import functional as F

TARGETS = [[1, 2], [2, 2], [1, 0], [0, 0]]  # 0 is padding here
INPUTS, SIZES = [4, 4, 3, 2], [2, 2, 1, 0]


def log_probs(steps: int = 4, count: int = 4, classes: int = 3) -> Any:
    scores = np.random.default_rng(3).standard_normal((steps, count, classes))
    return scores - np.log(np.exp(scores).sum(-1, keepdims=True))


def by_enumeration(probs: Any, labels: list[int], blank: int) -> float:
    """-log of the sum of the probabilities of all paths that, without repetitions and then blanks, are the labels."""
    total = 0.0
    for path in itertools.product(range(probs.shape[1]), repeat=len(probs)):
        if [k for k, _ in itertools.groupby(path) if k != blank] == labels:
            total += np.exp(sum(probs[t, k] for t, k in enumerate(path)))
    return -np.log(total) if total else np.inf


@pytest.mark.parametrize("blank", [0, 2])
def test_sum_over_alignments(blank: int, device: str) -> None:
    x = log_probs()
    targets = np.array(TARGETS) if blank == 0 else np.array([[0, 1], [1, 1], [0, 0], [0, 0]])
    expected = [by_enumeration(x[:n, i], targets[i, :k].tolist(), blank) for i, (n, k) in enumerate(zip(INPUTS, SIZES))]
    given = tinynet.tensor(x, device=device), tinynet.tensor(targets, device=device)
    loss = F.ctc_loss(*given, INPUTS, tinynet.tensor(SIZES, device=device), blank, reduction="none")
    np.testing.assert_allclose(loss.cpu().numpy(), expected, rtol=1e-12)
    mean = nn.CTCLoss(blank)(*given, INPUTS, SIZES)
    assert mean.item() == pytest.approx(np.mean(np.array(expected) / np.maximum(SIZES, 1)))
    flat = np.concatenate([row[:k] for row, k in zip(targets, SIZES)])
    rows = F.ctc_loss(given[0], tinynet.tensor(flat, device=device), INPUTS, SIZES, blank, reduction="none")
    assert rows.tolist() == loss.tolist()
    alone = F.ctc_loss(given[0][:, 0], given[1][0], [4], [2], blank, reduction="sum")
    assert alone.item() == pytest.approx(expected[0])


def test_gradients(device: str) -> None:
    x = tinynet.tensor(log_probs(), device=device, requires_grad=True)
    targets = tinynet.tensor(TARGETS, device=device)
    for second in (False, True):
        check_directions(lambda: F.ctc_loss(x, targets, INPUTS, SIZES, reduction="sum"), [x], second=second)


def test_too_short_an_input() -> None:
    x = tinynet.tensor(log_probs(), requires_grad=True)
    given = x, tinynet.tensor([[1, 1]] * 4), [2, 4, 4, 4], [2] * 4  # two equal labels need three steps
    losses = F.ctc_loss(*given, reduction="none")
    assert np.isinf(losses.detach().numpy()).tolist() == [True, False, False, False]
    F.ctc_loss(*given, zero_infinity=True).backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert x.grad[:, 0].abs().sum().item() == 0


def test_errors() -> None:
    x, targets = tinynet.tensor(log_probs()), tinynet.tensor(TARGETS)
    for change, message in (
        ({"input_lengths": [5, 4, 3, 2]}, "expected at most 4"),
        ({"input_lengths": [4]}, "expected 4 numbers of at least 0"),
        ({"target_lengths": [3, 2, 1, 0]}, "expected 4 rows of at least 3"),
        ({"targets": targets + 2}, "outside 0 to 2"),
        ({"targets": targets[0]}, "targets has 2 elements, expected the 5"),
        ({"blank": 3}, "outside 0 to 2"),
        ({"reduction": "most"}, "reduction is 'most'"),
    ):
        options: dict[str, Any] = {"targets": targets, "input_lengths": INPUTS, "target_lengths": SIZES, **change}
        with pytest.raises(ValueError, match=message):
            F.ctc_loss(x, **options)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_as_pytorchs(reduction: str) -> None:
    torch = pytest.importorskip("torch")
    scores = np.random.default_rng(1).standard_normal((9, 3, 5)).astype(np.float32)
    targets = np.random.default_rng(2).integers(1, 5, (3, 4))
    found = []
    for library in (tinynet, torch):
        x = library.tensor(scores, requires_grad=True)
        lengths = library.tensor([9, 8, 7]), library.tensor([4, 3, 1])
        loss = library.nn.CTCLoss(reduction=reduction)(library.log_softmax(x, 2), library.tensor(targets), *lengths)
        loss.sum().backward()
        found.append((loss.detach().numpy(), x.grad.numpy()))
    for mine, theirs in zip(*found):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)
