"""Weights as length times direction, and weights of spectral norm 1."""

from __future__ import annotations

from typing import Any, TypeVar

from ...autograd import no_grad
from ...ops import matmul, norm
from ...random import randn
from ...tensor import Tensor
from .. import functional as F
from ..convolution import ConvTranspose1d, ConvTranspose2d
from ..module import Module
from ..parameter import Parameter
from .recomputed import Recomputed, attached, found, parameter

M = TypeVar("M", bound=Module)


def length(weight: Tensor, dim: int | None) -> Tensor:
    """The norm of all of it, or of each slice along a dimension, which is kept."""
    if dim is None:
        return norm(weight)
    return norm(weight, 2.0, tuple(i for i in range(weight.ndim) if i != dim % weight.ndim), True)


def as_matrix(weight: Tensor, dim: int) -> Tensor:
    """A row for each slice along a dimension."""
    return weight.movedim(dim, 0).flatten(1)


def iterate(matrix: Tensor, u: Tensor, v: Tensor, steps: int, eps: float) -> tuple[Tensor, Tensor]:
    """The first singular vectors of a matrix, by so many steps of power iteration from u and v."""
    with no_grad():
        for _ in range(steps):
            v = F.normalize(matmul(matrix.mT, u), dim=0, eps=eps)
            u = F.normalize(matmul(matrix, v), dim=0, eps=eps)
    return u, v


def begin(matrix: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """Random vectors of length 1 for the rows and columns of a matrix."""
    rows, columns = (randn(n, dtype=matrix.dtype, device=matrix.device) for n in matrix.shape)
    return F.normalize(rows, dim=0, eps=eps), F.normalize(columns, dim=0, eps=eps)


def largest(matrix: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """The singular value of two singular vectors."""
    return matmul(u, matmul(matrix, v))


def default_dim(module: Any) -> int:
    """Which dimension of a layer's weight its outputs are along."""
    return 1 if isinstance(module, (ConvTranspose1d, ConvTranspose2d)) else 0


class WeightNorm(Recomputed):
    def __init__(self, name: str, dim: int | None) -> None:
        super().__init__(name)
        self.dim = dim

    def compute(self, module: Any) -> Tensor:
        g, v = getattr(module, f"{self.name}_g"), getattr(module, f"{self.name}_v")
        result: Tensor = v * (g / length(v, self.dim))
        return result


class SpectralNorm(Recomputed):
    def __init__(self, name: str, steps: int, eps: float, dim: int) -> None:
        super().__init__(name)
        self.steps, self.eps, self.dim = steps, eps, dim

    def compute(self, module: Any) -> Tensor:
        name, weight = self.name, getattr(module, f"{self.name}_orig")
        matrix = as_matrix(weight, self.dim)
        u, v = getattr(module, f"{name}_u"), getattr(module, f"{name}_v")
        if module.training:
            u, v = iterate(matrix, u, v, self.steps, self.eps)
            setattr(module, f"{name}_u", u)
            setattr(module, f"{name}_v", v)
        result: Tensor = weight / largest(matrix, u, v)
        return result


def weight_norm(module: M, name: str = "weight", dim: int | None = 0) -> M:
    """The weight as its length times its direction (Salimans and Kingma 2016): parameters `weight_g` and `weight_v`.

    dim  the dimension along which each slice has a length of its own; None: one length for all.

    Returns the module. ValueError if `name` is no parameter, RuntimeError if it has a norm already.
    """
    if attached(WeightNorm, module, name) is not None:
        raise RuntimeError(f"{name!r} has a weight norm already")
    weight = parameter(module, name).detach()
    WeightNorm(name, dim).attach(module, g=Parameter(length(weight, dim)), v=Parameter(weight.clone()))
    return module


def remove_weight_norm(module: M, name: str = "weight") -> M:
    """Makes the weight one parameter again. ValueError if it has no weight norm."""
    found(WeightNorm, module, name).detach(module, "g", "v")
    return module


def spectral_norm(
    module: M, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> M:
    """The weight divided by its largest singular value (Miyato et al. 2018), which the parameter is kept for as `weight_orig`.

    n_power_iterations  by which the value is followed, at each forward in training.
    dim                 of the weight's outputs; default 1 for transposed convolutions, else 0.

    Returns the module. ValueError if `name` is no parameter or there are no iterations, RuntimeError if it has a norm already.
    """
    if n_power_iterations < 1:
        raise ValueError(f"n_power_iterations is {n_power_iterations}, expected at least 1")
    if attached(SpectralNorm, module, name) is not None:
        raise RuntimeError(f"{name!r} has a spectral norm already")
    weight, dim = parameter(module, name), default_dim(module) if dim is None else dim
    u, v = begin(as_matrix(weight.detach(), dim), eps)
    SpectralNorm(name, n_power_iterations, eps, dim).attach(module, orig=weight, u=u, v=v)
    return module


def remove_spectral_norm(module: M, name: str = "weight") -> M:
    """Makes the divided weight the parameter. ValueError if it has no spectral norm."""
    found(SpectralNorm, module, name).detach(module, "orig", "u", "v")
    return module
