"""Distributions over real numbers."""

from __future__ import annotations

import math
from typing import Any

from .. import ops, random
from ..tensor import Tensor
from .distribution import POSITIVE, REAL, Distribution, together


class _LocationScale(Distribution):
    """Of numbers about `loc`, at distances in proportion to `scale`."""

    arguments = {"loc": REAL, "scale": POSITIVE}  # noqa: RUF012 - a table, not changed
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale = together(loc, scale)
        super().__init__(self.loc.shape, validate_args)

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc


class Normal(_LocationScale):
    """The normal distribution with mean `loc` and standard deviation `scale`."""

    @property
    def stddev(self) -> Tensor:
        return self.scale

    @property
    def variance(self) -> Tensor:
        return self.scale**2

    def _draw(self, shape: tuple[int, ...], generator: random.Generator | None) -> Tensor:
        noise = random.randn(shape, dtype=self.loc.dtype, device=self.loc.device, generator=generator)
        return self.loc + self.scale * noise

    def log_prob(self, value: Any) -> Tensor:
        distance = (self._check(value) - self.loc) / self.scale
        return -0.5 * distance * distance - ops.log(self.scale) - 0.5 * math.log(2 * math.pi)

    def cdf(self, value: Any) -> Tensor:
        """The probability of at most `value`."""
        return 0.5 * (1 + ops.erf((self._check(value) - self.loc) / (self.scale * math.sqrt(2))))

    def entropy(self) -> Tensor:
        return 0.5 + 0.5 * math.log(2 * math.pi) + ops.log(self.scale)


class Uniform(Distribution):
    """Uniform from `low` to below `high`. ValueError unless low < high."""

    arguments = {"low": REAL, "high": REAL}  # noqa: RUF012 - a table, not changed
    has_rsample = True

    def __init__(self, low: Any, high: Any, validate_args: bool | None = None) -> None:
        self.low, self.high = together(low, high)
        super().__init__(self.low.shape, validate_args)
        if self.validate and not bool((self.low < self.high).all().item()):
            raise ValueError(f"low is {self.low} and high {self.high}, expected low < high")

    def support(self, value: Tensor) -> Tensor:
        return (value >= self.low.detach()) & (value <= self.high.detach())

    @property
    def mean(self) -> Tensor:
        return (self.low + self.high) / 2

    @property
    def variance(self) -> Tensor:
        return (self.high - self.low) ** 2 / 12

    def _draw(self, shape: tuple[int, ...], generator: random.Generator | None) -> Tensor:
        drawn = random.rand(shape, dtype=self.low.dtype, device=self.low.device, generator=generator)
        return self.low + drawn * (self.high - self.low)

    def log_prob(self, value: Any) -> Tensor:
        given = self._check(value)
        inside = ((given >= self.low) & (given < self.high)).to(dtype=self.low.dtype)
        return ops.log(inside) - ops.log(self.high - self.low)

    def cdf(self, value: Any) -> Tensor:
        """The probability of at most `value`."""
        return ((self._check(value) - self.low) / (self.high - self.low)).clamp(0.0, 1.0)

    def entropy(self) -> Tensor:
        return ops.log(self.high - self.low)


class LogNormal(_LocationScale):
    """Of numbers whose logarithms are normal with mean `loc` and standard deviation `scale`."""

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        super().__init__(loc, scale, validate_args)
        self.logarithm = Normal(self.loc, self.scale, validate_args=False)

    def support(self, value: Tensor) -> Tensor:
        return value > 0

    @property
    def mean(self) -> Tensor:
        return ops.exp(self.loc + self.scale**2 / 2)

    @property
    def mode(self) -> Tensor:
        return ops.exp(self.loc - self.scale**2)

    @property
    def variance(self) -> Tensor:
        return ops.expm1(self.scale**2) * ops.exp(2 * self.loc + self.scale**2)

    def _draw(self, shape: tuple[int, ...], generator: random.Generator | None) -> Tensor:
        return ops.exp(self.logarithm._draw(shape, generator))

    def log_prob(self, value: Any) -> Tensor:
        logarithm = ops.log(self._check(value))
        return self.logarithm.log_prob(logarithm) - logarithm

    def entropy(self) -> Tensor:
        return self.logarithm.entropy() + self.loc


class Laplace(_LocationScale):
    """The two-sided exponential distribution about `loc`, whose mean absolute distance from it is `scale`."""

    @property
    def variance(self) -> Tensor:
        return 2 * self.scale**2

    def _draw(self, shape: tuple[int, ...], generator: random.Generator | None) -> Tensor:
        drawn = random.rand(shape, dtype=self.loc.dtype, device=self.loc.device, generator=generator) - 0.5
        return self.loc - self.scale * ops.sign(drawn) * ops.log1p(-2 * ops.abs(drawn).clamp(max=0.4999999))

    def log_prob(self, value: Any) -> Tensor:
        return -ops.abs(self._check(value) - self.loc) / self.scale - ops.log(2 * self.scale)

    def cdf(self, value: Any) -> Tensor:
        """The probability of at most `value`."""
        distance = (self._check(value) - self.loc) / self.scale
        return 0.5 - 0.5 * ops.sign(distance) * ops.expm1(-ops.abs(distance))

    def entropy(self) -> Tensor:
        return 1 + ops.log(2 * self.scale)


class Exponential(Distribution):
    """Waiting times between events that come at `rate`."""

    arguments = {"rate": POSITIVE}  # noqa: RUF012 - a table, not changed
    has_rsample = True

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        (self.rate,) = together(rate)
        super().__init__(self.rate.shape, validate_args)

    def support(self, value: Tensor) -> Tensor:
        return value >= 0

    @property
    def mean(self) -> Tensor:
        return 1 / self.rate

    @property
    def mode(self) -> Tensor:
        return ops.zeros_like(self.rate)

    @property
    def variance(self) -> Tensor:
        return self.rate**-2

    def _draw(self, shape: tuple[int, ...], generator: random.Generator | None) -> Tensor:
        drawn = random.rand(shape, dtype=self.rate.dtype, device=self.rate.device, generator=generator)
        return -ops.log1p(-drawn) / self.rate

    def log_prob(self, value: Any) -> Tensor:
        return ops.log(self.rate) - self.rate * self._check(value)

    def cdf(self, value: Any) -> Tensor:
        """The probability of at most `value`."""
        return -ops.expm1(-self.rate * self._check(value))

    def entropy(self) -> Tensor:
        return 1 - ops.log(self.rate)
