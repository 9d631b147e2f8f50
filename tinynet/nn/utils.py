"""Operations on all parameters of a model at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..autograd import no_grad
from ..ops import cat, clamp, norm, stack
from ..tensor import Tensor


def _with_grads(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    given = [parameters] if isinstance(parameters, Tensor) else parameters
    return [p.grad for p in given if p.grad is not None]


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> Tensor:
    """Scales all gradients down so that their common norm is at most `max_norm`; returns the norm before.

    Raises RuntimeError for a norm that is not finite if `error_if_nonfinite`.
    """
    with no_grad():
        grads = _with_grads(parameters)
        if not grads:
            return Tensor(0.0)
        total = norm(stack([norm(g, norm_type) for g in grads]), norm_type)
        if error_if_nonfinite and not bool(total.isfinite()):
            raise RuntimeError(f"the norm of the gradients is {total.item()}")
        scale = clamp(max_norm / (total + 1e-6), max=1.0)
        for g in grads:
            g.mul_(scale)
        return total


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Brings every element of every gradient into [-clip_value, clip_value]."""
    with no_grad():
        for g in _with_grads(parameters):
            g.clamp_(-clip_value, clip_value)


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All elements one after the other."""
    return cat([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Copies a vector that `parameters_to_vector` made back. ValueError if the lengths differ."""
    targets: list[Any] = list(parameters)
    if vec.numel() != sum(p.numel() for p in targets):
        raise ValueError(f"vec has {vec.numel()} elements, expected {sum(p.numel() for p in targets)}")
    with no_grad():
        start = 0
        for p in targets:
            p.copy_(vec[start : start + p.numel()].reshape(p.shape))
            start += p.numel()
