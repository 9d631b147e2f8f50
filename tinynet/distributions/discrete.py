"""Distributions over counts and categories."""

from __future__ import annotations

from typing import Any

from .. import ops, random
from ..tensor import Tensor
from .distribution import REAL, UNIT, WEIGHTS, Distribution, logits_or_probs, together


class Bernoulli(Distribution):
    """1 with probability `probs`, else 0; `logits` are log(probs / (1 - probs))."""

    arguments = {"_given_probs": UNIT, "_given_logits": REAL}  # noqa: RUF012 - a table, not changed

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        logits_or_probs(probs, logits)
        (given,) = together(logits if probs is None else probs)
        self._given_probs = None if probs is None else given
        self._given_logits = None if logits is None else given
        super().__init__(given.shape, validate_args)

    @property
    def probs(self) -> Tensor:
        return ops.sigmoid(self._given_logits) if self._given_probs is None else self._given_probs  # type: ignore[arg-type]

    @property
    def logits(self) -> Tensor:
        if self._given_probs is None:
            return self._given_logits  # type: ignore[return-value]  # one of them is given
        return ops.logit(self._given_probs, eps=_epsilon(self._given_probs))

    def support(self, value: Tensor) -> Tensor:
        return (value == 0) | (value == 1)

    @property
    def mean(self) -> Tensor:
        return self.probs

    @property
    def variance(self) -> Tensor:
        return self.probs * (1 - self.probs)

    @property
    def mode(self) -> Tensor:
        most = (self.probs >= 0.5).to(dtype=self.probs.dtype)
        return ops.where(self.probs == 0.5, float("nan"), most)

    def _draw(self, shape: tuple[int, ...], generator: random.Generator | None) -> Tensor:
        return random.bernoulli(self.probs.expand(shape), generator=generator)

    def log_prob(self, value: Any) -> Tensor:
        given = self._check(value)
        return given * self.logits - ops.softplus(self.logits)

    def entropy(self) -> Tensor:
        return ops.softplus(self.logits) - self.probs * self.logits


class Categorical(Distribution):
    """0 to C - 1 with the probabilities in the last dimension of `probs`, which need not add up to 1, or of softmax(logits)."""

    arguments = {"_given_probs": WEIGHTS, "_given_logits": REAL}  # noqa: RUF012 - a table, not changed

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        logits_or_probs(probs, logits)
        (given,) = together(logits if probs is None else probs)
        if given.ndim < 1:
            raise ValueError("probs and logits need at least one dimension")
        self._given_probs = None if probs is None else given
        self._given_logits = None if logits is None else given
        self._count = given.shape[-1]
        super().__init__(given.shape[:-1], validate_args)

    @property
    def probs(self) -> Tensor:
        if self._given_probs is None:
            return ops.softmax(self._given_logits, -1)  # type: ignore[arg-type]  # one of them is given
        return self._given_probs / self._given_probs.sum(-1, True)

    @property
    def logits(self) -> Tensor:
        if self._given_probs is None:
            given = self._given_logits
            return given - ops.logsumexp(given, -1, True)  # type: ignore[operator,arg-type]  # one of them is given
        small = _epsilon(self._given_probs)
        return ops.log(ops.clamp(self.probs, small, 1 - small))

    def support(self, value: Tensor) -> Tensor:
        return (value >= 0) & (value < self._count) & (value == ops.floor(value) if value.is_floating_point() else True)

    @property
    def mode(self) -> Tensor:
        return self.probs.argmax(-1)

    def _draw(self, shape: tuple[int, ...], generator: random.Generator | None) -> Tensor:
        """By inversion: how many of the cumulative probabilities lie below a uniform number."""
        total = self.probs.cumsum(-1)
        drawn = random.rand(shape, dtype=total.dtype, device=total.device, generator=generator).unsqueeze(-1)
        below = (total[..., :-1] / total[..., -1:] <= drawn).sum(-1)
        return below.reshape(shape)

    def log_prob(self, value: Any) -> Tensor:
        given = self._check(value).long()
        places, logits = given.unsqueeze(-1), self.logits
        shape = ops.broadcast_shapes(places.shape[:-1], logits.shape[:-1])
        picked = ops.gather(logits.expand(*shape, self._count), -1, places.expand(*shape, 1).contiguous())
        return picked.squeeze(-1)

    def entropy(self) -> Tensor:
        logits = ops.clamp(self.logits, -3.4e38)
        return -(logits * self.probs).sum(-1)


class OneHotCategorical(Distribution):
    """As Categorical, over vectors with a 1 in the place of the category."""

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        self.categories = Categorical(probs, logits, validate_args)
        super().__init__(self.categories.batch_shape, validate_args, (self.categories._count,))

    @property
    def probs(self) -> Tensor:
        return self.categories.probs

    @property
    def logits(self) -> Tensor:
        return self.categories.logits

    def support(self, value: Tensor) -> Tensor:
        return ((value == 0) | (value == 1)).all(-1) & (value.sum(-1) == 1)

    @property
    def mean(self) -> Tensor:
        return self.probs

    @property
    def mode(self) -> Tensor:
        return self._hot(self.categories.mode)

    @property
    def variance(self) -> Tensor:
        return self.probs * (1 - self.probs)

    def _hot(self, categories: Tensor) -> Tensor:
        return ops.one_hot(categories, self.event_shape[0]).to(dtype=self.probs.dtype)

    def _draw(self, shape: tuple[int, ...], generator: random.Generator | None) -> Tensor:
        return self._hot(self.categories._draw(shape[:-1], generator))

    def log_prob(self, value: Any) -> Tensor:
        return self.categories.log_prob(self._check(value).argmax(-1))

    def entropy(self) -> Tensor:
        return self.categories.entropy()


def _epsilon(like: Tensor) -> float:
    import numpy as np

    return float(np.finfo(like.dtype).eps)
