"""Distributions over vectors."""

from __future__ import annotations

import math
from typing import Any

from .. import linalg, ops, random
from ..tensor import Tensor
from .distribution import REAL, Distribution


class Independent(Distribution):
    """A distribution whose last `reinterpreted_batch_ndims` batch dimensions are those of one event: log_prob adds over them.

    ValueError if the distribution has fewer.
    """

    def __init__(
        self, base_distribution: Distribution, reinterpreted_batch_ndims: int, validate_args: bool | None = None
    ) -> None:
        batch, count = base_distribution.batch_shape, reinterpreted_batch_ndims
        if not 0 <= count <= len(batch):
            raise ValueError(f"reinterpreted_batch_ndims is {count}, expected 0 to {len(batch)}")
        self.base_dist, self.reinterpreted_batch_ndims = base_distribution, count
        self.has_rsample = base_distribution.has_rsample
        kept = len(batch) - count
        super().__init__(tuple(batch[:kept]), validate_args, (*batch[kept:], *base_distribution.event_shape))

    @property
    def mean(self) -> Tensor:
        return self.base_dist.mean

    @property
    def mode(self) -> Tensor:
        return self.base_dist.mode  # type: ignore[attr-defined,no-any-return]  # not all have one

    @property
    def variance(self) -> Tensor:
        return self.base_dist.variance

    def _draw(self, shape: tuple[int, ...], generator: random.Generator | None) -> Tensor:
        return self.base_dist._draw(shape, generator)

    def _sum(self, values: Tensor) -> Tensor:
        count = self.reinterpreted_batch_ndims
        return values.sum(tuple(range(-count, 0))) if count else values

    def log_prob(self, value: Any) -> Tensor:
        return self._sum(self.base_dist.log_prob(value))

    def entropy(self) -> Tensor:
        return self._sum(self.base_dist.entropy())

    def __repr__(self) -> str:
        return f"Independent({self.base_dist}, {self.reinterpreted_batch_ndims})"


class MultivariateNormal(Distribution):
    """The normal distribution over vectors (..., D) with mean `loc` and one of three matrices (..., D, D): `covariance_matrix`,
    its inverse `precision_matrix`, or `scale_tril`, the lower triangular L of the covariance L L^T.

    ValueError unless exactly one is given, and fits; RuntimeError, on the CPU, if it is not positive definite.
    """

    arguments = {"loc": REAL}  # noqa: RUF012 - a table, not changed
    has_rsample = True

    def __init__(
        self,
        loc: Tensor,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        matrices = {
            "covariance_matrix": covariance_matrix,
            "precision_matrix": precision_matrix,
            "scale_tril": scale_tril,
        }
        given = {name: matrix for name, matrix in matrices.items() if matrix is not None}
        if len(given) != 1:
            raise ValueError(f"{list(given) or 'no matrix'} given, expected one of {list(matrices)}")
        ((name, matrix),) = given.items()
        if loc.ndim < 1 or matrix.shape[-2:] != (loc.shape[-1], loc.shape[-1]):
            raise ValueError(f"loc has shape {loc.shape} and {name} {matrix.shape}, expected (..., D) and (..., D, D)")
        batch, size = ops.broadcast_shapes(loc.shape[:-1], matrix.shape[:-2]), loc.shape[-1]
        if precision_matrix is not None:
            matrix = linalg.inv(precision_matrix)
        self.loc = loc.expand(*batch, size)
        self.scale_tril = (matrix if scale_tril is not None else linalg.cholesky(matrix)).expand(*batch, size, size)
        super().__init__(tuple(batch), validate_args, (size,))

    @property
    def covariance_matrix(self) -> Tensor:
        return self.scale_tril @ self.scale_tril.mT

    @property
    def precision_matrix(self) -> Tensor:
        return linalg.inv(self.covariance_matrix)

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        return (self.scale_tril**2).sum(-1)

    def _half_log_det(self) -> Tensor:
        """Half the logarithm of the covariance's determinant."""
        return ops.log(ops.diagonal(self.scale_tril, dim1=-2, dim2=-1)).sum(-1)

    def _draw(self, shape: tuple[int, ...], generator: random.Generator | None) -> Tensor:
        noise = random.randn(shape, dtype=self.loc.dtype, device=self.loc.device, generator=generator)
        return self.loc + (self.scale_tril @ noise.unsqueeze(-1)).squeeze(-1)

    def log_prob(self, value: Any) -> Tensor:
        distance = (self._check(value) - self.loc).unsqueeze(-1)
        factor = self.scale_tril.expand(*distance.shape[:-1], self.event_shape[0])
        white = linalg.solve(factor, distance).squeeze(-1)
        return -0.5 * ((white**2).sum(-1) + self.event_shape[0] * math.log(2 * math.pi)) - self._half_log_det()

    def entropy(self) -> Tensor:
        return 0.5 * self.event_shape[0] * (1 + math.log(2 * math.pi)) + self._half_log_det()
