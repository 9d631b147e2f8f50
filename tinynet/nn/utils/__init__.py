"""Operations on all parameters of a model at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...autograd import no_grad
from ...device import on, xp
from ...ops import cat, clamp, norm, stack
from ...tensor import Tensor
from . import parametrizations, parametrize, prune, rnn
from .norms import remove_spectral_norm, remove_weight_norm, spectral_norm, weight_norm


def _with_grads(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    given = [parameters] if isinstance(parameters, Tensor) else parameters
    return [p.grad for p in given if p.grad is not None]


def _norm(tensor: Tensor, norm_type: float) -> Tensor:
    """The norm of a tensor; the usual one of a gradient without history in few calls, as there are many of them in a step."""
    array = tensor._array
    if norm_type != 2 or tensor.requires_grad or array.dtype.itemsize < 4:
        return norm(tensor, norm_type)
    with on(tensor.device):
        return Tensor._make(xp(array).sqrt((array * array).sum()))


def get_total_norm(
    tensors: Tensor | Iterable[Tensor], norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> Tensor:
    """The common norm of all tensors. RuntimeError if it is not finite and `error_if_nonfinite`."""
    given = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    if not given:
        return Tensor(0.0)
    total = norm(stack([_norm(t, norm_type).to(given[0].device) for t in given]), norm_type)
    if error_if_nonfinite and not bool(total.isfinite()):
        raise RuntimeError(f"the norm is {total.item()}, expected a finite number")
    return total


def clip_grads_with_norm_(parameters: Tensor | Iterable[Tensor], max_norm: float, total_norm: Tensor) -> None:
    """Scales all gradients by max_norm / total_norm if that is below 1."""
    with no_grad():
        scale = clamp(max_norm / (total_norm + 1e-6), max=1.0)
        for g in _with_grads(parameters):
            with on(g.device):
                g._array *= scale.to(g.device)._array
            g._version[0] += 1


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> Tensor:
    """Scales all gradients down so that their common norm is at most `max_norm`; returns the norm before.

    Raises RuntimeError for a norm that is not finite if `error_if_nonfinite`.
    """
    given = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    with no_grad():
        total = get_total_norm(_with_grads(given), norm_type, error_if_nonfinite)
        clip_grads_with_norm_(given, max_norm, total)
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


__all__ = [
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "get_total_norm",
    "parameters_to_vector",
    "parametrizations",
    "parametrize",
    "prune",
    "remove_spectral_norm",
    "remove_weight_norm",
    "rnn",
    "spectral_norm",
    "vector_to_parameters",
    "weight_norm",
]
