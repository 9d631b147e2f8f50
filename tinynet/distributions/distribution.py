"""What all distributions share: shapes, checks of their arguments, and drawing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .. import dtypes
from ..autograd import no_grad
from ..ops import all as _all
from ..ops import expand
from ..random import Generator
from ..tensor import Tensor, tensor

Check = Callable[[Tensor], Tensor]

POSITIVE: tuple[str, Check] = ("positive numbers", lambda x: x > 0)
REAL: tuple[str, Check] = ("real numbers", lambda x: x == x)
UNIT: tuple[str, Check] = ("numbers from 0 to 1", lambda x: (x >= 0) & (x <= 1))
WEIGHTS: tuple[str, Check] = ("weights of at least 0, not all 0", lambda x: (x >= 0) & (x.sum(-1, True) > 0))


class Distribution:
    """A distribution over numbers, or a batch of independent ones of `batch_shape`, one for each set of parameters.

    Where what is drawn is a vector or matrix, `event_shape` is its shape.

    arguments      the parameters and what they must be; a ValueError names what is wrong, unless `validate_args` is False.
    support        what `log_prob` takes; outside, it is a ValueError.
    has_rsample    whether `rsample` draws so that the gradient reaches the parameters.
    """

    arguments: Mapping[str, tuple[str, Check]] = {}
    has_rsample = False

    def __init__(
        self, batch_shape: tuple[int, ...], validate_args: bool | None = None, event_shape: tuple[int, ...] = ()
    ) -> None:
        self.batch_shape, self.event_shape = batch_shape, event_shape
        self.validate = validate_args is not False
        if self.validate:
            for name, (expected, fits) in self.arguments.items():
                value = self.__dict__.get(name)
                if value is not None and not bool(_all(fits(value.detach())).item()):
                    raise ValueError(f"{name} has elements that are not {expected}: {value}")

    @property
    def shape(self) -> tuple[int, ...]:
        """Of what is drawn once: batch_shape + event_shape."""
        return (*self.batch_shape, *self.event_shape)

    def support(self, value: Tensor) -> Tensor:
        """Where a value is possible."""
        return value == value

    def _check(self, value: Any) -> Tensor:
        if isinstance(value, Tensor):
            given = value
        else:
            like = next((v for v in self.__dict__.values() if isinstance(v, Tensor)), None)
            given = tensor(value) if like is None else tensor(value, dtype=like.dtype, device=like.device)
        if self.validate:
            try:
                np.broadcast_shapes(given.shape, self.shape)
            except ValueError:
                event = f" + event_shape {self.event_shape}" if self.event_shape else ""
                raise ValueError(
                    f"value has shape {given.shape}, which does not broadcast with batch_shape {self.batch_shape}{event}"
                ) from None
            if not bool(_all(self.support(given.detach())).item()):
                raise ValueError(f"value has elements outside the support of {type(self).__name__}: {given}")
        return given

    @property
    def mean(self) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} has no mean")

    @property
    def variance(self) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} has no variance")

    @property
    def stddev(self) -> Tensor:
        return self.variance.sqrt()

    def sample(self, sample_shape: Any = (), *, generator: Generator | None = None) -> Tensor:
        """Values of shape sample_shape + batch_shape + event_shape, without a gradient."""
        with no_grad():
            return self._draw((*sample_shape, *self.shape), generator)

    def rsample(self, sample_shape: Any = (), *, generator: Generator | None = None) -> Tensor:
        """As `sample`, with the gradient reaching the parameters. NotImplementedError where there is none."""
        if not self.has_rsample:
            raise NotImplementedError(f"{type(self).__name__} cannot be drawn from with a gradient; use sample()")
        return self._draw((*sample_shape, *self.shape), generator)

    def _draw(self, shape: tuple[int, ...], generator: Generator | None) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} cannot be drawn from")

    def log_prob(self, value: Any) -> Tensor:
        """The logarithm of the probability or density of values that broadcast with batch_shape + event_shape."""
        raise NotImplementedError(f"{type(self).__name__} has no log_prob")

    def entropy(self) -> Tensor:
        """In nats, of batch_shape."""
        raise NotImplementedError(f"{type(self).__name__} has no entropy")

    def perplexity(self) -> Tensor:
        return self.entropy().exp()

    def __repr__(self) -> str:
        given = ((name.removeprefix("_given_"), self.__dict__.get(name)) for name in self.arguments)
        parts = (f"{name}: {v if v.numel() == 1 else v.shape}" for name, v in given if v is not None)
        return f"{type(self).__name__}({', '.join(parts)})"


def together(*values: Any) -> list[Tensor]:
    """Parameters as tensors of one dtype and their common shape; numbers take the tensors' dtype and device."""
    tensors = [v for v in values if isinstance(v, Tensor)]
    like = tensors[0] if tensors else None
    made = [
        v
        if isinstance(v, Tensor)
        else tensor(
            v,
            dtype=dtypes.get_default_dtype() if like is None else like.dtype,
            device=None if like is None else like.device,
        )
        for v in values
    ]
    shape = np.broadcast_shapes(*(t.shape for t in made))
    return [expand(t, shape) for t in made]


def logits_or_probs(probs: Any, logits: Any) -> None:
    if (probs is None) == (logits is None):
        raise ValueError("probs and logits are both given or both None, expected one of them")
