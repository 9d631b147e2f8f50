"""Packed sequences: each sequence gives what it gives alone, whatever the lengths beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinynet
from tinynet import nn
from tinynet.nn.utils import rnn

LENGTHS = [2, 4, 1, 4, 3]


def sequences(dtype: Any = np.float64) -> list[Any]:
    rng = np.random.default_rng(4)
    return [rng.standard_normal((n, 3)).astype(dtype) for n in LENGTHS]


def flat(states: Any) -> list[Any]:
    return list(states) if isinstance(states, tuple) else [states]


@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}], ids=["plain", "two-ways"])
@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_each_sequence_as_if_alone(kind: str, options: dict[str, Any], device: str) -> None:
    layer = getattr(nn, kind)(3, 4, dtype=tinynet.float64, device=device, **options)
    given = [tinynet.tensor(s, device=device, requires_grad=True) for s in sequences()]
    output, last = layer(rnn.pack_sequence(given, enforce_sorted=False))
    got = rnn.unpack_sequence(output)
    alone = [layer(s) for s in given]
    for i, (y, states) in enumerate(alone):
        np.testing.assert_allclose(got[i].detach().cpu().numpy(), y.detach().cpu().numpy(), atol=1e-12)
        for mine, other in zip(flat(last), flat(states)):
            np.testing.assert_allclose(mine[:, i].detach().cpu().numpy(), other.detach().cpu().numpy(), atol=1e-12)
    wanted = [*given, *layer.parameters()]
    weights = [tinynet.rand_like(y) for y, _ in alone]
    packed = sum(((g * w).sum() for g, w in zip(got, weights)), start=flat(last)[-1].sum() * 1.0)
    apart = sum(((y * w).sum() + flat(s)[-1].sum() for (y, s), w in zip(alone, weights)), start=tinynet.zeros(()))
    for mine, other in zip(tinynet.autograd.grad(packed, wanted), tinynet.autograd.grad(apart, wanted)):
        np.testing.assert_allclose(mine.cpu().numpy(), other.cpu().numpy(), atol=1e-12)


def test_first_states_go_to_their_sequences() -> None:
    layer = nn.LSTM(3, 4, bidirectional=True, dtype=tinynet.float64)
    given = [tinynet.tensor(s) for s in sequences()]
    h, c = (tinynet.randn(2, len(given), 4, dtype=tinynet.float64) for _ in range(2))
    _, (h_n, c_n) = layer(rnn.pack_sequence(given, enforce_sorted=False), (h, c))
    for i, s in enumerate(given):
        _, (h_i, c_i) = layer(s, (h[:, i], c[:, i]))
        assert tinynet.allclose(h_n[:, i], h_i)
        assert tinynet.allclose(c_n[:, i], c_i)
    with pytest.raises(ValueError, match=r"h_0 has shape \(2, 2, 4\)"):
        layer(rnn.pack_sequence(given, enforce_sorted=False), (h[:, :2], c))


def test_packing_and_padding(on_device: str) -> None:
    padded = tinynet.arange(24.0).view(4, 3, 2)
    packed = rnn.pack_padded_sequence(padded, [2, 4, 1], enforce_sorted=False)
    assert packed.batch_sizes.tolist() == [3, 2, 1, 1]
    assert packed.data[:, 0].tolist() == [2.0, 0.0, 4.0, 8.0, 6.0, 14.0, 20.0]
    assert packed.sorted_indices is not None
    assert packed.sorted_indices.tolist() == [1, 0, 2]
    back, lengths = rnn.pad_packed_sequence(packed, batch_first=True, padding_value=-1.0, total_length=5)
    assert lengths.tolist() == [2, 4, 1]
    assert back[0, :, 0].tolist() == [0.0, 6.0, -1.0, -1.0, -1.0]
    assert back[1, :4].tolist() == padded[:, 1].tolist()
    first = rnn.pack_padded_sequence(padded.transpose(0, 1), tinynet.tensor([2, 4, 1]), True, False)
    assert first.data.tolist() == packed.data.tolist()
    assert packed.to(tinynet.float64).data.dtype == tinynet.float64


def test_errors_of_packing() -> None:
    padded = tinynet.zeros(4, 2, 3)
    with pytest.raises(ValueError, match="expected falling numbers, or enforce_sorted=False"):
        rnn.pack_padded_sequence(padded, [2, 4])
    for lengths in ([4, 0], [5, 1], [4], [4, 3, 2]):
        with pytest.raises(ValueError, match="expected 2 numbers from 1 to 4"):
            rnn.pack_padded_sequence(padded, lengths)
    with pytest.raises(ValueError, match="total_length is 3"):
        rnn.pad_packed_sequence(rnn.pack_padded_sequence(padded, [4, 2]), total_length=3)
    with pytest.raises(ValueError, match=r"input.data has shape \(6, 3\)"):
        nn.GRU(2, 2)(rnn.pack_padded_sequence(padded, [4, 2]))


def test_as_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    theirs = torch.nn.LSTM(3, 4, 2, batch_first=True, bidirectional=True)
    ours = nn.LSTM(3, 4, 2, batch_first=True, bidirectional=True)
    ours.load_state_dict({k: tinynet.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    results = []
    for library, layer in ((torch, theirs), (tinynet, ours)):
        utils = library.nn.utils.rnn
        given = [library.tensor(s) for s in sequences(np.float32)]
        packed = utils.pack_sequence(given, enforce_sorted=False)
        output, (h, c) = layer(packed)
        y, lengths = utils.pad_packed_sequence(output, batch_first=True)
        results.append(
            [packed.data, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices, y, lengths, h, c]
        )
    for expected, found in zip(*results):
        np.testing.assert_allclose(found.detach().numpy(), expected.detach().numpy(), rtol=1e-5, atol=1e-6)
