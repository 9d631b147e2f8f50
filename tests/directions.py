"""Gradients compared with finite differences along random directions: two evaluations each, however large the inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import tinynet
from tinynet import Tensor


def check_directions(
    function: Callable[[], Any], inputs: Sequence[Tensor], *, second: bool = False, count: int = 2, seed: int = 0
) -> None:
    """Whether the derivative of a random combination of the outputs, along random directions, is what backward gives.

    function  returns a tensor or a tuple of them, computed from `inputs`, which it finds by itself.
    inputs    float64 leaves that require a gradient; they are moved and put back.
    second    check the gradient of the gradient instead.
    """
    rng = np.random.default_rng(seed)
    outputs = _flat(function())
    weights = [tinynet.tensor(rng.standard_normal(o.shape), device=o.device) for o in outputs]

    def total() -> Tensor:
        return sum(((o * w).sum() for o, w in zip(_flat(function()), weights)), start=tinynet.zeros(()).double())

    if second:
        pulls = [tinynet.tensor(rng.standard_normal(t.shape), device=t.device) for t in inputs]

        def scalar() -> Tensor:
            grads = tinynet.autograd.grad(total(), list(inputs), create_graph=True, allow_unused=True)
            terms = [(g * p).sum() for g, p in zip(grads, pulls) if g is not None]
            return sum(terms, start=tinynet.zeros(()).double())
    else:
        scalar = total

    for _ in range(count):
        value = scalar()
        grads: Any = [None] * len(inputs)
        if value.requires_grad:
            grads = tinynet.autograd.grad(value, list(inputs), allow_unused=True)
        moves = [rng.standard_normal(t.shape) for t in inputs]
        expected = sum(float((g.cpu().numpy() * m).sum()) for g, m in zip(grads, moves) if g is not None)
        eps, values = 1e-6, []
        for sign in (1, -1):
            kept = [t.detach().clone() for t in inputs]
            for t, m in zip(inputs, moves):
                t.data.add_(tinynet.tensor(sign * eps * m, device=t.device))
            values.append(scalar().item())
            for t, k in zip(inputs, kept):
                t.data.copy_(k)
        found = (values[0] - values[1]) / (2 * eps)
        assert abs(found - expected) <= 1e-6 + 1e-5 * abs(found), f"differences give {found}, backward {expected}"


def _flat(result: Any) -> list[Tensor]:
    """The floating-point tensors in nested tuples and lists."""
    if isinstance(result, (tuple, list)):
        return [t for r in result for t in _flat(r)]
    return [result] if isinstance(result, Tensor) and result.is_floating_point() else []
