"""The divergence of Kullback and Leibler between two distributions of one kind."""

from __future__ import annotations

from .. import ops
from ..tensor import Tensor
from .continuous import Normal, Uniform
from .discrete import Bernoulli, Categorical
from .distribution import Distribution


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """The mean under p of log p - log q, in nats. NotImplementedError for two kinds of distributions."""
    if isinstance(p, Normal) and isinstance(q, Normal):
        ratio = (p.scale / q.scale) ** 2
        distance = ((p.loc - q.loc) / q.scale) ** 2
        return 0.5 * (ratio + distance - 1 - ops.log(ratio))
    if isinstance(p, Categorical) and isinstance(q, Categorical):
        terms = p.probs * (p.logits - q.logits)
        terms = ops.where((q.probs == 0).expand(terms.shape), float("inf"), terms)
        return ops.where((p.probs == 0).expand(terms.shape), 0.0, terms).sum(-1)
    if isinstance(p, Bernoulli) and isinstance(q, Bernoulli):
        one = p.probs * (ops.softplus(-q.logits) - ops.softplus(-p.logits))
        zero = (1 - p.probs) * (ops.softplus(q.logits) - ops.softplus(p.logits))
        return one + zero
    if isinstance(p, Uniform) and isinstance(q, Uniform):
        result = ops.log((q.high - q.low) / (p.high - p.low))
        return ops.where((q.low > p.low) | (q.high < p.high), float("inf"), result)
    raise NotImplementedError(f"the divergence between {type(p).__name__} and {type(q).__name__} is not known")
