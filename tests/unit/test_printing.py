"""How tensors and modules print: what PyTorch 2 prints for the same, to the letter, but for its name before dtypes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest

import tinynet
from tinynet import nn, tensor

GRAD = tinynet.ones(1, 25, requires_grad=True) * 1.5
EXPECTED: list[tuple[Any, str]] = [
    (tensor(1.0), "tensor(1.)"),
    (tensor(-3), "tensor(-3)"),
    (tensor([True, False]), "tensor([ True, False])"),
    (tensor([1.5, 2, math.nan, -math.inf]), "tensor([1.5000, 2.0000,    nan,   -inf])"),
    (tensor([[0.0, -math.inf], [2.0, 0.0]]), "tensor([[0., -inf],\n        [2., 0.]])"),
    (tensor([1e-5, 1.0]), "tensor([1.0000e-05, 1.0000e+00])"),
    (tensor([1.0, 20000.0]), "tensor([1.0000e+00, 2.0000e+04])"),
    (tensor([0.25, 100.0]), "tensor([  0.2500, 100.0000])"),
    (tinynet.arange(2000), "tensor([   0,    1,    2,  ..., 1997, 1998, 1999])"),
    (tinynet.zeros(0), "tensor([])"),
    (tinynet.zeros(0, 3), "tensor([], size=(0, 3))"),
    (tinynet.zeros(2, 0, dtype=tinynet.int64), "tensor([], size=(2, 0), dtype=int64)"),
    (tinynet.ones(2, dtype=tinynet.int32), "tensor([1, 1], dtype=int32)"),
    (tinynet.ones(2, requires_grad=True), "tensor([1., 1.], requires_grad=True)"),
    (
        tinynet.arange(8.0).view(2, 2, 2),
        "tensor([[[0., 1.],\n         [2., 3.]],\n\n        [[4., 5.],\n         [6., 7.]]])",
    ),
    (
        GRAD,
        "tensor([[1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000,\n"
        "         1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000,\n"
        "         1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000]],\n"
        "       grad_fn=<MulBackward0>)",
    ),
    (nn.Parameter(tinynet.ones(1)), "Parameter containing:\ntensor([1.], requires_grad=True)"),
    (nn.ReLU(inplace=True), "ReLU(inplace=True)"),
    (nn.Softshrink(), "Softshrink(0.5)"),
    (nn.LayerNorm(3, bias=False), "LayerNorm((3,), eps=1e-05, elementwise_affine=True, bias=False)"),
    (nn.Fold((2, 2), 2), "Fold(output_size=(2, 2), kernel_size=2, dilation=1, padding=0, stride=1)"),
    (
        nn.ModuleList([nn.ReLU(), nn.Tanh(), nn.Tanh()]),
        "ModuleList(\n  (0): ReLU()\n  (1-2): 2 x Tanh()\n)",
    ),
    (
        nn.ParameterList([tinynet.ones(2, 3)]),
        "ParameterList(  (0): Parameter containing: [float32 of size 2x3])",
    ),
]


@pytest.mark.parametrize("value, expected", EXPECTED, ids=[e[:24] for _, e in EXPECTED])
def test_prints(value: Any, expected: str) -> None:
    assert repr(value) == expected


@pytest.fixture
def options() -> Iterator[None]:
    yield
    tinynet.set_printoptions(profile="default")


@pytest.mark.usefixtures("options")
def test_options() -> None:
    tinynet.set_printoptions(precision=2, sci_mode=False)
    assert repr(tensor([1e-3, 1e6])) == "tensor([      0.00, 1000000.00])"
    tinynet.set_printoptions(sci_mode=True)
    assert repr(tensor([1.0, 0.5])) == "tensor([1.00e+00, 5.00e-01])"
    tinynet.set_printoptions(threshold=4, edgeitems=1)  # which sets sci_mode back to None
    assert repr(tinynet.arange(9.0).view(3, 3)) == "tensor([[0.,  ..., 2.],\n        ...,\n        [6.,  ..., 8.]])"
    tinynet.set_printoptions(profile="full")
    assert "..." not in repr(tinynet.arange(3000))
    with pytest.raises(ValueError, match="profile is 'long'"):
        tinynet.set_printoptions(profile="long")


def test_as_pytorch_prints() -> None:
    torch = pytest.importorskip("torch")
    rng = tinynet.Generator().manual_seed(5)
    for shape in [(), (1,), (7,), (3, 4), (2, 3, 4), (11, 12, 13), (40, 30), (1, 1, 1500)]:
        for scale in (1e-7, 1e-3, 1.0, 300.0, 1e9):
            ours = tinynet.randn(shape, generator=rng) * scale
            for value in (ours, ours.round(), ours.double()):
                assert repr(value) == repr(torch.tensor(value.numpy())).replace("torch.", "")


def test_prints_where_it_lies(device: str) -> None:
    printed = repr(tinynet.ones(2, device=device))
    assert printed == ("tensor([1., 1.])" if device == "cpu" else "tensor([1., 1.], device='cuda:0')")
