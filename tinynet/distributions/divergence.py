"""The divergence of Kullback and Leibler between two distributions of one kind."""

from __future__ import annotations

from .. import linalg, ops
from ..tensor import Tensor
from .continuous import Exponential, Laplace, LogNormal, Normal, Uniform
from .discrete import Bernoulli, Categorical, OneHotCategorical
from .distribution import Distribution
from .multivariate import Independent, MultivariateNormal


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """The mean under p of log p - log q, in nats. NotImplementedError for two kinds of distributions."""
    if isinstance(p, Independent) and isinstance(q, Independent):
        if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
            raise NotImplementedError("the divergence between events of different numbers of dimensions is not known")
        return p._sum(kl_divergence(p.base_dist, q.base_dist))
    if isinstance(p, MultivariateNormal) and isinstance(q, MultivariateNormal):
        size = p.event_shape[0]
        white = linalg.solve(q.scale_tril, p.scale_tril)
        distance = linalg.solve(q.scale_tril, (q.loc - p.loc).unsqueeze(-1))
        squares = (white**2).sum((-2, -1)) + (distance**2).sum((-2, -1))
        return q._half_log_det() - p._half_log_det() + 0.5 * (squares - size)
    if isinstance(p, OneHotCategorical) and isinstance(q, OneHotCategorical):
        return kl_divergence(p.categories, q.categories)
    if isinstance(p, Exponential) and isinstance(q, Exponential):
        return q.rate / p.rate - 1 - ops.log(q.rate / p.rate)
    if isinstance(p, Laplace) and isinstance(q, Laplace):
        ratio, distance = p.scale / q.scale, ops.abs(p.loc - q.loc)
        return -ops.log(ratio) + distance / q.scale + ratio * ops.exp(-distance / p.scale) - 1
    if (isinstance(p, Normal) and isinstance(q, Normal)) or (isinstance(p, LogNormal) and isinstance(q, LogNormal)):
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
