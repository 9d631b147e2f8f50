"""Distributions: closed forms, drawn moments, gradients through rsample, and PyTorch's where it is installed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinynet
from tests.conftest import needs_solver
from tinynet import distributions as D

CASES: list[tuple[str, dict[str, Any], Any]] = [
    ("Normal", {"loc": [0.5, -1.0], "scale": [[0.7, 2.0], [1.0, 0.1]]}, [[0.3, -2.0], [1.0, -1.0]]),
    ("Normal", {"loc": 0.0, "scale": 2.0}, [0.3, 4.0, -1.0]),
    ("Uniform", {"low": [-1.0, 0.0], "high": [2.0, 0.5]}, [[0.3, 0.1], [2.0, 0.0]]),
    ("LogNormal", {"loc": [0.5, -1.0], "scale": [[0.7, 0.3], [0.2, 0.1]]}, [[0.3, 2.0], [1.0, 0.1]]),
    ("Laplace", {"loc": [0.5, -1.0], "scale": [[0.7, 2.0], [1.0, 0.1]]}, [[0.3, -2.0], [1.0, -1.5]]),
    ("Exponential", {"rate": [0.5, 3.0]}, [[0.3, 0.0], [1.0, 10.0]]),
    ("Bernoulli", {"probs": [0.2, 0.9, 0.5]}, [1.0, 0.0, 1.0]),
    ("Bernoulli", {"logits": [0.2, -3.0, 40.0]}, [1.0, 0.0, 1.0]),
    ("Categorical", {"probs": [[0.2, 0.3, 0.5], [3.0, 0.0, 1.0]]}, [1, 2]),
    ("Categorical", {"logits": [[0.2, -0.3, 0.5], [3.0, 0.0, -100.0]]}, [[1, 2], [0, 0], [2, 1]]),
    ("OneHotCategorical", {"logits": [[0.2, -0.3, 0.5], [3.0, 0.0, 1.0]]}, [[0, 1, 0], [0, 0, 1]]),
]


@pytest.mark.parametrize("name, parameters, value", CASES)
def test_torch(name: str, parameters: dict[str, Any], value: Any) -> None:
    torch = pytest.importorskip("torch")
    results = []
    for t, module in ((tinynet, D), (torch, torch.distributions)):
        given = {k: t.tensor(np.array(v, np.float64)).requires_grad_() for k, v in parameters.items()}
        d = getattr(module, name)(**given)
        outputs = [d.log_prob(t.tensor(value)), d.entropy(), d.mode.double() if name != "Uniform" else d.mean]
        if name != "Categorical":
            outputs += [d.mean, d.variance, d.stddev]
        else:
            outputs += [d.probs, d.logits]
        if name in ("Normal", "Uniform", "Laplace", "Exponential"):
            outputs.append(d.cdf(t.tensor(value)))
        live = [o for o in outputs[:2] if o.requires_grad]
        sum(o[o.isfinite()].sum() for o in live).backward()
        grads = [g.grad for g in given.values()]
        results.append([*outputs, *grads, tuple(d.batch_shape)])
    for ours, theirs in zip(*results):
        if isinstance(ours, tuple):
            assert ours == theirs
            continue
        np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name, first, second", [
    ("Normal", {"loc": 0.5, "scale": 2.0}, {"loc": [0.0, 1.0], "scale": 1.5}),
    ("Uniform", {"low": [0.0, -2.0], "high": 1.0}, {"low": -1.0, "high": 2.0}),
    ("LogNormal", {"loc": 0.5, "scale": 2.0}, {"loc": [0.0, 1.0], "scale": 1.5}),
    ("Laplace", {"loc": 0.5, "scale": 2.0}, {"loc": [0.0, 1.0], "scale": 1.5}),
    ("Exponential", {"rate": 0.5}, {"rate": [0.3, 2.0]}),
    ("OneHotCategorical", {"probs": [0.2, 0.8]}, {"logits": [[0.3, 1.0], [0.0, 0.0]]}),
    ("Bernoulli", {"probs": [0.2, 0.7]}, {"logits": 0.3}),
    ("Categorical", {"probs": [0.2, 0.8, 0.0]}, {"logits": [[0.3, 1.0, 2.0], [0.0, 0.0, 0.0]]}),
])  # fmt: skip
def test_divergence_is_torchs(name: str, first: dict[str, Any], second: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    found = []
    for t, module in ((tinynet, D), (torch, torch.distributions)):
        p, q = (getattr(module, name)(**{k: t.tensor(v) for k, v in o.items()}) for o in (first, second))
        found.append(module.kl_divergence(p, q).numpy())
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)


def test_by_hand() -> None:
    assert D.Normal(0.0, 1.0).log_prob(0.0).item() == pytest.approx(-0.918938533)
    assert D.Normal(0.0, 2.0).entropy().item() == pytest.approx(0.5 * np.log(2 * np.pi * np.e * 4))
    assert D.Uniform(0.0, 4.0).entropy().item() == pytest.approx(np.log(4))
    assert D.Categorical(tinynet.tensor([1.0, 1.0, 2.0])).entropy().item() == pytest.approx(1.5 * np.log(2))
    assert D.Normal(1.0, 2.0).cdf(1.0).item() == pytest.approx(0.5)
    assert D.Bernoulli(0.25).entropy().item() == pytest.approx(0.562335145)
    assert D.Categorical(tinynet.tensor([1.0, 1.0, 2.0])).log_prob(2).item() == pytest.approx(np.log(0.5), abs=1e-6)
    assert D.Uniform(0.0, 4.0).log_prob(1.0).item() == pytest.approx(-np.log(4))
    assert D.Uniform(0.0, 4.0, validate_args=False).log_prob(5.0).item() == -np.inf
    assert D.kl_divergence(D.Normal(0.0, 1.0), D.Normal(1.0, 1.0)).item() == pytest.approx(0.5)


@pytest.mark.parametrize("name, parameters, value", CASES)
def test_samples_have_the_moments(name: str, parameters: dict[str, Any], value: Any, device: str) -> None:
    tinynet.manual_seed(0)
    d = getattr(D, name)(**{k: tinynet.tensor(v, device=device) for k, v in parameters.items()})
    drawn = d.sample((4000,))
    assert drawn.shape == (4000, *d.batch_shape, *d.event_shape)
    assert str(drawn.device).split(":")[0] == device
    assert not drawn.requires_grad
    if name == "Categorical":
        for i in range(3):
            share = (drawn == i).float().mean(0).cpu().numpy()
            np.testing.assert_allclose(share, d.probs[..., i].cpu().numpy(), atol=0.04)
        return
    spread = d.stddev.expand(d.shape).cpu().numpy()
    assert (np.abs(drawn.mean(0).cpu().numpy() - d.mean.cpu().numpy()) <= 5 * spread / 4000**0.5 + 1e-6).all()
    np.testing.assert_allclose(drawn.std(0).cpu().numpy(), spread, rtol=0.1, atol=1e-3)


def test_rsample_has_a_gradient() -> None:
    loc, scale = (tinynet.tensor(v, requires_grad=True) for v in (1.0, 2.0))
    tinynet.manual_seed(0)
    x = D.Normal(loc, scale).rsample((50,))
    x.sum().backward()
    assert loc.grad.item() == 50
    assert scale.grad.item() == pytest.approx(float(((x - 1) / 2).sum().item()), rel=1e-4)
    generator = tinynet.Generator().manual_seed(3)
    again = tinynet.Generator().manual_seed(3)
    d = D.Uniform(loc, loc + scale)
    assert tinynet.equal(d.sample((5,), generator=generator), d.rsample((5,), generator=again).detach())
    with pytest.raises(NotImplementedError, match="Bernoulli"):
        D.Bernoulli(0.5).rsample()


@pytest.mark.parametrize("make, message", [
    (lambda: D.Normal(0.0, 0.0), "scale has elements that are not positive"),
    (lambda: D.Normal(float("nan"), 1.0), "loc has elements that are not real"),
    (lambda: D.Bernoulli(1.5), "numbers from 0 to 1"),
    (lambda: D.Bernoulli(0.5, 0.5), "both given or both None"),
    (lambda: D.Categorical(tinynet.tensor([0.0, 0.0])), "weights of at least 0"),
    (lambda: D.Categorical(tinynet.tensor(1.0)), "at least one dimension"),
    (lambda: D.Uniform(1.0, 1.0), "expected low < high"),
    (lambda: D.Bernoulli(0.5).log_prob(0.5), "outside the support"),
    (lambda: D.Categorical(tinynet.ones(3)).log_prob(3), "outside the support"),
    (lambda: D.Uniform(0.0, 1.0).log_prob(2.0), "outside the support"),
    (lambda: D.Normal(tinynet.zeros(3), 1.0).log_prob(tinynet.zeros(2)), "does not broadcast"),
    (lambda: D.LogNormal(0.0, 1.0).log_prob(0.0), "outside the support"),
    (lambda: D.Exponential(1.0).log_prob(-1.0), "outside the support"),
    (lambda: D.OneHotCategorical(tinynet.ones(3)).log_prob(tinynet.tensor([1, 1, 0])), "outside the support"),
    (lambda: D.Independent(D.Normal(tinynet.zeros(3), 1.0), 2), "reinterpreted_batch_ndims is 2, expected 0 to 1"),
    (lambda: D.MultivariateNormal(tinynet.zeros(3)), "no matrix given"),
    (lambda: D.MultivariateNormal(tinynet.zeros(3), tinynet.eye(2)), "covariance_matrix"),
    (lambda: D.MultivariateNormal(tinynet.zeros(3), tinynet.eye(3)).log_prob(tinynet.zeros(2)), "event_shape"),
])  # fmt: skip
def test_errors(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_drawing_leaves_the_gradient_of_log_prob() -> None:
    for make in (tinynet.distributions.Categorical, tinynet.distributions.Bernoulli):
        for name in ("probs", "logits"):
            given = tinynet.tensor([0.25, 0.75], requires_grad=True)
            made = make(**{name: given})
            made.log_prob(made.sample()).sum().backward()
            assert given.grad is not None
            assert given.grad.abs().sum() > 0


def test_prints_its_parameters() -> None:
    d = tinynet.distributions
    assert repr(d.Categorical(tinynet.ones(3))) == "Categorical(probs: (3,))"
    assert repr(d.Bernoulli(logits=tinynet.zeros(1))) == "Bernoulli(logits: tensor([0.]))"
    assert repr(d.Normal(0.0, 1.0)) == "Normal(loc: 0.0, scale: 1.0)"


RNG = np.random.default_rng(12)
FACTORS = np.tril(RNG.normal(size=(2, 3, 3))) + 2 * np.eye(3)
COVARIANCES = FACTORS @ FACTORS.swapaxes(1, 2)


@pytest.mark.parametrize("name", ["covariance_matrix", "precision_matrix", "scale_tril"])
def test_multivariate_normal(name: str, device: str) -> None:
    if device == "cuda":
        needs_solver()
    matrices = {"covariance_matrix": COVARIANCES, "precision_matrix": np.linalg.inv(COVARIANCES), "scale_tril": FACTORS}
    loc, value = RNG.normal(size=3), RNG.normal(size=(4, 2, 3))
    given = tinynet.tensor(matrices[name], device=device, requires_grad=True)
    d = D.MultivariateNormal(tinynet.tensor(loc, device=device), **{name: given})
    assert (d.batch_shape, d.event_shape) == ((2,), (3,))
    distance = value - loc
    squares = np.einsum("nbi,bij,nbj->nb", distance, np.linalg.inv(COVARIANCES), distance)
    logarithm = np.linalg.slogdet(2 * np.pi * COVARIANCES)[1]
    found = d.log_prob(tinynet.tensor(value, device=device))
    np.testing.assert_allclose(found.detach().cpu(), -0.5 * (squares + logarithm), rtol=1e-9)
    np.testing.assert_allclose(d.entropy().detach().cpu(), 0.5 * (3 + logarithm), rtol=1e-9)
    np.testing.assert_allclose(d.covariance_matrix.detach().cpu(), COVARIANCES, rtol=1e-9)
    np.testing.assert_allclose(d.variance.detach().cpu(), np.diagonal(COVARIANCES, axis1=1, axis2=2), rtol=1e-9)
    found.sum().backward()
    assert given.grad is not None
    assert d.rsample((2,)).shape == (2, 2, 3)


def test_draws_from_a_multivariate_normal() -> None:
    tinynet.manual_seed(0)
    d = D.MultivariateNormal(tinynet.arange(3.0), scale_tril=tinynet.tensor(FACTORS[0], dtype=tinynet.float32))
    drawn = d.sample((4000,)).numpy()
    np.testing.assert_allclose(drawn.mean(0), np.arange(3), atol=0.2)
    np.testing.assert_allclose(np.cov(drawn.T), COVARIANCES[0], rtol=0.1, atol=0.3)


def test_independent() -> None:
    loc, scale, value = RNG.normal(size=(2, 3)), RNG.uniform(0.5, 1, (2, 3)), RNG.normal(size=(2, 3))
    base = D.Normal(tinynet.tensor(loc), tinynet.tensor(scale))
    d = D.Independent(base, 1)
    assert (d.batch_shape, d.event_shape, d.sample((5,)).shape) == ((2,), (3,), (5, 2, 3))
    diagonal = D.MultivariateNormal(base.loc, scale_tril=tinynet.diag_embed(base.scale))
    np.testing.assert_allclose(d.log_prob(tinynet.tensor(value)), diagonal.log_prob(tinynet.tensor(value)))
    np.testing.assert_allclose(d.entropy(), diagonal.entropy())
    other = D.Normal(base.loc + 1, base.scale * 2)
    apart = D.kl_divergence(d, D.Independent(other, 1))
    np.testing.assert_allclose(apart, D.kl_divergence(base, other).sum(1))
    wide = D.MultivariateNormal(other.loc, scale_tril=tinynet.diag_embed(other.scale))
    np.testing.assert_allclose(D.kl_divergence(diagonal, wide), apart)
    assert D.Independent(D.Bernoulli(tinynet.ones(2, 3) / 2), 2).log_prob(tinynet.ones(2, 3)).item() == pytest.approx(
        6 * np.log(0.5)
    )
