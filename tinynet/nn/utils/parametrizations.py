"""Ready-made parametrizations, as `torch.nn.utils.parametrizations`."""

from __future__ import annotations

from typing import TypeVar

from ...tensor import Tensor
from ..module import Module
from . import norms
from .parametrize import register_parametrization
from .recomputed import parameter

__all__ = ["spectral_norm", "weight_norm"]

M = TypeVar("M", bound=Module)


class _WeightNorm(Module):
    def __init__(self, dim: int | None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, g: Tensor, v: Tensor) -> Tensor:
        return v * (g / norms.length(v, self.dim))

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return norms.length(weight, self.dim), weight.clone()


class _SpectralNorm(Module):
    _u: Tensor
    _v: Tensor

    def __init__(self, weight: Tensor, steps: int, dim: int, eps: float) -> None:
        super().__init__()
        self.steps, self.dim, self.eps = steps, dim, eps
        matrix = norms.as_matrix(weight.detach(), dim)
        u, v = norms.iterate(matrix, *norms.begin(matrix, eps), 15, eps)
        self.register_buffer("_u", u)
        self.register_buffer("_v", v)

    def forward(self, weight: Tensor) -> Tensor:
        matrix = norms.as_matrix(weight, self.dim)
        if self.training:
            self._u, self._v = norms.iterate(matrix, self._u, self._v, self.steps, self.eps)
        return weight / norms.largest(matrix, self._u, self._v)


def weight_norm(module: M, name: str = "weight", dim: int | None = 0) -> M:
    """The weight as its length times its direction: `parametrizations.weight.original0` and `original1`.

    See `tinynet.nn.utils.weight_norm`.
    """
    return register_parametrization(module, name, _WeightNorm(dim), unsafe=True)


def spectral_norm(
    module: M, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> M:
    """The weight divided by its largest singular value, for which the parameter is kept as `parametrizations.weight.original`.

    See `tinynet.nn.utils.spectral_norm`; here the value is followed each time the weight is asked for in training.
    """
    if n_power_iterations < 1:
        raise ValueError(f"n_power_iterations is {n_power_iterations}, expected at least 1")
    along = norms.default_dim(module) if dim is None else dim
    made = _SpectralNorm(parameter(module, name), n_power_iterations, along, eps)
    return register_parametrization(module, name, made)
