"""Initial values of weights. Every function fills its tensor in place and returns it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..autograd import no_grad
from ..ops import eye
from ..random import Generator, normal_like, rand, uniform
from ..tensor import Tensor


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """How much an activation shrinks a normal input, inverted: the recommended gain. ValueError for unknown names."""
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    gains = {"tanh": 5 / 3, "relu": math.sqrt(2), "selu": 3 / 4}
    linear = ("linear", "sigmoid", "conv1d", "conv2d", "conv3d", "conv_transpose2d")
    if nonlinearity in gains:
        return gains[nonlinearity]
    if nonlinearity in linear:
        return 1.0
    raise ValueError(f"nonlinearity is {nonlinearity!r}, expected one of {[*gains, *linear, 'leaky_relu']}")


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """Inputs and outputs of one unit of a weight (out, in, ...)."""
    if tensor.ndim < 2:
        raise ValueError(f"tensor has shape {tensor.shape}, expected at least 2 dimensions")
    receptive = int(np.prod(tensor.shape[2:], dtype=np.int64))
    return tensor.shape[1] * receptive, tensor.shape[0] * receptive


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Tensor:
    with no_grad():
        return tensor.copy_(uniform(tensor.shape, a, b, tensor.dtype, tensor.device, generator))


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> Tensor:
    with no_grad():
        return tensor.copy_(normal_like(tensor, mean, std, generator))


def constant_(tensor: Tensor, val: float) -> Tensor:
    with no_grad():
        return tensor.fill_(val)


def zeros_(tensor: Tensor) -> Tensor:
    return constant_(tensor, 0.0)


def ones_(tensor: Tensor) -> Tensor:
    return constant_(tensor, 1.0)


def eye_(tensor: Tensor) -> Tensor:
    with no_grad():
        return tensor.copy_(eye(*tensor.shape, dtype=tensor.dtype, device=tensor.device))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """A filter (out, in, ...) that passes each channel on to the output of its number, in each of the groups."""
    if not 3 <= tensor.ndim <= 5:
        raise ValueError(f"tensor has shape {tensor.shape}, expected 3 to 5 dimensions")
    if tensor.shape[0] % groups:
        raise ValueError(f"groups is {groups}, which does not divide {tensor.shape[0]} output channels")
    values = np.zeros(tensor.shape)
    each = tensor.shape[0] // groups
    middle = tuple(n // 2 for n in tensor.shape[2:])
    for group in range(groups):
        for i in range(min(each, tensor.shape[1])):
            values[group * each + i, i][middle] = 1
    with no_grad():
        return tensor.copy_(Tensor._make(values))


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None) -> Tensor:
    """Martens 2010: normal, with a share `sparsity`, rounded up, of each column of a matrix 0."""
    if tensor.ndim != 2:
        raise ValueError(f"tensor has shape {tensor.shape}, expected 2 dimensions")
    rows, columns = tensor.shape
    normal_(tensor, 0.0, std, generator)
    ranks = rand(rows, columns, generator=generator).argsort(0).argsort(0)
    with no_grad():
        return tensor.masked_fill_((ranks < math.ceil(sparsity * rows)).to(tensor.device), 0)


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Normal values, drawn again while they lie outside [a, b]."""
    values = normal_like(tensor, mean, std, generator)._array
    while True:
        outside = (values < a) | (values > b)
        if not bool(outside.any()):
            break
        values = np.where(outside, normal_like(tensor, mean, std, generator)._array, values)
    with no_grad():
        return tensor.copy_(Tensor._make(values))


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Glorot and Bengio 2010: uniform, variance 2 / (fan_in + fan_out) times gain squared."""
    bound = gain * math.sqrt(6.0 / sum(_calculate_fan_in_and_fan_out(tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Glorot and Bengio 2010: normal, variance 2 / (fan_in + fan_out) times gain squared."""
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / sum(_calculate_fan_in_and_fan_out(tensor))), generator)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"mode is {mode!r}, expected 'fan_in' or 'fan_out'")
    fan = _calculate_fan_in_and_fan_out(tensor)[0 if mode == "fan_in" else 1]
    return calculate_gain(nonlinearity, a) / math.sqrt(max(fan, 1))


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """He et al. 2015: uniform, variance gain squared over the fan; `a` is leaky_relu's slope."""
    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """He et al. 2015: normal, variance gain squared over the fan; `a` is leaky_relu's slope."""
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def orthogonal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Saxe et al. 2014: a random matrix (rows, rest) with orthonormal rows or columns, times gain."""
    if tensor.ndim < 2:
        raise ValueError(f"tensor has shape {tensor.shape}, expected at least 2 dimensions")
    rows = tensor.shape[0]
    flat = np.asarray(normal_like(tensor, 0.0, 1.0, generator).cpu(), np.float64).reshape(rows, -1)
    q, r = np.linalg.qr(flat if rows >= flat.shape[1] else flat.T)
    q *= np.sign(np.diag(r))
    values: Any = gain * (q if rows >= flat.shape[1] else q.T)
    with no_grad():
        return tensor.copy_(Tensor._make(values.reshape(tensor.shape)))
