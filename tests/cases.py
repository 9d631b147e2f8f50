"""A case is one call of tinynet and PyTorch alike, with a NumPy oracle and what its inputs are; and how it is judged.

Forward against NumPy in float64, first and second gradients against finite differences, all of it against PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import tinynet
from tests.directions import check_directions

RNG = np.random.default_rng


def normal(*shape: int) -> Callable[[Any], Any]:
    return lambda rng: rng.standard_normal(shape)


def positive(*shape: int) -> Callable[[Any], Any]:
    return lambda rng: rng.uniform(0.5, 2.0, shape)


def unit(*shape: int) -> Callable[[Any], Any]:
    return lambda rng: rng.uniform(-0.8, 0.8, shape)


def apart(*shape: int) -> Callable[[Any], Any]:
    """Numbers at least 0.3 from each other and from all integers' neighbourhoods: no kink within a finite difference."""
    return lambda rng: (rng.permutation(int(np.prod(shape))).reshape(shape) - np.prod(shape) // 2 + 0.37) * 0.6


def whole(*shape: int) -> Callable[[Any], Any]:
    """Small integers as floating-point numbers: ties, zeros and the ends of intervals."""
    return lambda rng: rng.integers(-4, 5, shape).astype(float)


def sign(*shape: int) -> Callable[[Any], Any]:
    return lambda rng: rng.choice([-1.0, 1.0], shape)


def index(high: int, *shape: int) -> Callable[[Any], Any]:
    return lambda rng: rng.integers(0, high, shape)


def mask(*shape: int) -> Callable[[Any], Any]:
    return lambda rng: rng.random(shape) < 0.5


@dataclass
class Case:
    name: str
    call: Callable[..., Any]  # call(module, *tensors), module being tinynet or torch
    numpy: Callable[..., Any] | None  # the same of arrays; None if only PyTorch and finite differences judge
    inputs: tuple[Callable[[Any], Any], ...]
    differentiable: bool = True
    torch: bool = True  # whether PyTorch can do it
    smooth: bool = True  # whether finite differences can judge the gradient
    fixed: tuple[int, ...] = ()  # inputs that have no gradient

    def arrays(self, seed: int = 0) -> list[Any]:
        rng = RNG(seed)
        return [make(rng) for make in self.inputs]


def named(cases: Sequence[Case], wanted: Callable[[Case], Any]) -> Any:
    """Parametrises a test over the wanted cases."""
    return pytest.mark.parametrize("case", [c for c in cases if wanted(c)], ids=lambda c: c.name)


def tensors(case: Case, device: str, dtype: Any = np.float64, grad: bool = False) -> list[tinynet.Tensor]:
    made = [tinynet.tensor(a.astype(dtype) if a.dtype.kind == "f" else a, device=device) for a in case.arrays()]
    wanted = [grad and t.is_floating_point() and i not in case.fixed for i, t in enumerate(made)]
    return [t.requires_grad_() if w else t for t, w in zip(made, wanted)]


def flat(result: Any) -> list[Any]:
    return [f for r in result for f in flat(r)] if isinstance(result, (tuple, list)) else [result]


def module(device: str) -> Any:
    """tinynet, whose `tensor` makes its tensors on the device, for the cases that make some of their own."""
    if device == "cpu":
        return tinynet

    class OnDevice:
        def __getattr__(self, name: str) -> Any:
            if name == "tensor":
                return lambda data: tinynet.tensor(data, device=device)
            return getattr(tinynet, name)

    return OnDevice()


def check_forward(case: Case, device: str) -> None:
    assert case.numpy is not None
    found = flat(case.call(module(device), *tensors(case, device)))
    expected = flat(case.numpy(*case.arrays()))
    assert len(found) == len(expected)
    for f, e in zip(found, expected):
        assert f.shape == np.shape(e)
        np.testing.assert_allclose(f.cpu().numpy(), e, rtol=1e-12, atol=1e-14)


def check_gradients(case: Case, device: str) -> None:
    if device == "cuda":  # the same operations; element by element would be thousands of launches
        check_slopes(case, device)
        return
    t = module(device)

    def function(*given: tinynet.Tensor) -> Any:
        return tuple(flat(case.call(t, *given)))

    assert tinynet.autograd.gradcheck(function, tensors(case, device, grad=True))
    assert tinynet.autograd.gradgradcheck(function, tensors(case, device, grad=True), atol=1e-4)


def check_slopes(case: Case, device: str) -> None:
    """`check_gradients` along random directions: cheap, for functions that are made of checked ones."""
    t, given = module(device), tensors(case, device, grad=True)
    inputs = [x for x in given if x.requires_grad]
    for second in (False, True):
        check_directions(lambda: tuple(flat(case.call(t, *given))), inputs, second=second)


def to_torch(array: Any, torch: Any) -> Any:
    return torch.from_numpy(np.array(array, order="C"))


def check_torch(case: Case, layout: str) -> None:
    """Values, dtypes, shapes and gradients in float32 are PyTorch's, whatever the memory layout."""
    torch = pytest.importorskip("torch")
    arrays = [a.astype(np.float32) if a.dtype.kind == "f" else a for a in case.arrays(1)]
    theirs = [to_torch(a, torch) for a in arrays]
    if layout == "strided":
        arrays = [np.repeat(a, 2, axis=-1)[..., ::2] if a.ndim == 1 else np.array(a, order="F") for a in arrays]
    ours = [tinynet.from_numpy(a) for a in arrays]
    for i, (mine, other) in enumerate(zip(ours, theirs)):
        if mine.is_floating_point() and case.differentiable and i not in case.fixed:
            mine.requires_grad_()
            other.requires_grad_()
    found, expected = flat(case.call(tinynet, *ours)), flat(case.call(torch, *theirs))
    assert len(found) == len(expected)
    for f, e in zip(found, expected):
        assert f.shape == tuple(e.shape)
        assert str(f.dtype) == str(e.dtype).removeprefix("torch.")
        assert f.requires_grad == e.requires_grad
        np.testing.assert_allclose(f.detach().numpy(), e.detach().numpy(), rtol=2e-5, atol=2e-6)
    if case.differentiable:
        flows = [RNG(2).standard_normal(f.shape).astype(np.float32) for f in found]
        pairs = [(f, e, g) for f, e, g in zip(found, expected, flows) if f.requires_grad]
        tinynet.autograd.backward([f for f, _, _ in pairs], [tinynet.from_numpy(np.asarray(g)) for _, _, g in pairs])
        torch.autograd.backward([e for _, e, _ in pairs], [torch.from_numpy(np.asarray(g)) for _, _, g in pairs])
        for mine, other in zip(ours, theirs):
            if mine.requires_grad:
                assert (mine.grad is None) == (other.grad is None)
                if mine.grad is not None:
                    assert mine.grad.dtype == mine.dtype
                    np.testing.assert_allclose(mine.grad.numpy(), other.grad.numpy(), rtol=5e-5, atol=5e-6)
