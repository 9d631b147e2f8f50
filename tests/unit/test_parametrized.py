"""Weights that are computed: weight and spectral norm, parametrizations, pruning. Against NumPy and PyTorch."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinynet
from tinynet import nn, optim
from tinynet.nn import utils
from tinynet.nn.utils import parametrizations, parametrize, prune

RNG = np.random.default_rng(11)
WEIGHT = RNG.normal(size=(6, 4)).astype(np.float32)
X = RNG.normal(size=(5, 4)).astype(np.float32)


def linear(device: str = "cpu") -> nn.Linear:
    layer = nn.Linear(4, 6)
    with tinynet.no_grad():
        layer.weight.copy_(tinynet.from_numpy(WEIGHT.copy()))
        layer.bias.zero_()
    return layer.to(device)


def values(tensor: tinynet.Tensor) -> Any:
    return tensor.detach().cpu().numpy()


@pytest.mark.parametrize("wrap", [utils.weight_norm, parametrizations.weight_norm])
@pytest.mark.parametrize("dim", [0, 1, None])
def test_weight_norm(wrap: Callable[..., Any], dim: int | None, device: str) -> None:
    layer = wrap(linear(device), dim=dim)
    x = tinynet.from_numpy(X).to(device)
    np.testing.assert_allclose(values(layer(x)), X @ WEIGHT.T, rtol=1e-5, atol=1e-6)
    names = [n for n, _ in layer.named_parameters()]
    old = wrap is utils.weight_norm
    expected = (
        ["weight_g", "weight_v"] if old else ["parametrizations.weight.original0", "parametrizations.weight.original1"]
    )
    assert names == ["bias", *expected]
    g = next(p for n, p in layer.named_parameters() if n.endswith(("_g", "original0")))
    norms = np.linalg.norm(WEIGHT) if dim is None else np.linalg.norm(WEIGHT, axis=1 - dim, keepdims=True)
    np.testing.assert_allclose(values(g), norms, rtol=1e-6)
    with tinynet.no_grad():
        g.mul_(2)
    np.testing.assert_allclose(values(layer(x)), X @ (2 * WEIGHT.T), rtol=1e-5, atol=1e-5)
    layer(x).sum().backward()
    assert all(p.grad is not None for p in layer.parameters())
    back = utils.remove_weight_norm(layer) if old else parametrize.remove_parametrizations(layer, "weight")
    assert type(back) is nn.Linear
    assert sorted(n for n, _ in back.named_parameters()) == ["bias", "weight"]
    np.testing.assert_allclose(values(back.weight), 2 * WEIGHT, rtol=1e-5)


@pytest.mark.parametrize("wrap", [utils.spectral_norm, parametrizations.spectral_norm])
def test_spectral_norm(wrap: Callable[..., Any], device: str) -> None:
    tinynet.manual_seed(0)
    layer = wrap(linear(device), n_power_iterations=40)
    x = tinynet.from_numpy(X).to(device)
    largest = np.linalg.svd(WEIGHT, compute_uv=False)[0]
    np.testing.assert_allclose(values(layer(x)), X @ WEIGHT.T / largest, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(np.linalg.svd(values(layer.weight), compute_uv=False)[0], 1, rtol=1e-5)
    layer.eval()
    state = {k: values(v) for k, v in layer.state_dict().items()}
    layer(x)
    assert all(np.array_equal(values(v), state[k]) for k, v in layer.state_dict().items())
    layer.train()
    optimizer = optim.SGD(layer.parameters(), lr=0.1)
    layer(x).square().sum().backward()
    optimizer.step()
    again = wrap(linear(device), n_power_iterations=40)
    again.load_state_dict(layer.state_dict())
    np.testing.assert_array_equal(values(again.eval()(x)), values(layer.eval()(x)))
    transposed = wrap(nn.ConvTranspose2d(2, 3, 3))
    u = next(b for n, b in transposed.named_buffers() if n.endswith("_u"))
    assert u.shape == (3,)


def test_norms_that_are_refused() -> None:
    layer = utils.weight_norm(linear())
    with pytest.raises(RuntimeError, match="already"):
        utils.weight_norm(layer)
    with pytest.raises(ValueError, match="no parameter of Linear"):
        utils.spectral_norm(linear(), "scale")
    with pytest.raises(ValueError, match="n_power_iterations is 0"):
        utils.spectral_norm(linear(), n_power_iterations=0)
    with pytest.raises(ValueError, match="not computed by SpectralNorm"):
        utils.remove_spectral_norm(layer)


class Symmetric(nn.Module):
    def forward(self, x: tinynet.Tensor) -> tinynet.Tensor:
        return x.triu() + x.triu(1).mT


class Doubled(nn.Module):
    def forward(self, x: tinynet.Tensor) -> tinynet.Tensor:
        return 2 * x

    def right_inverse(self, x: tinynet.Tensor) -> tinynet.Tensor:
        return x / 2


def test_parametrization() -> None:
    layer = nn.Linear(3, 3)
    before = values(layer.weight).copy()
    assert not parametrize.is_parametrized(layer)
    parametrize.register_parametrization(layer, "weight", Symmetric())
    assert parametrize.is_parametrized(layer, "weight")
    assert not parametrize.is_parametrized(layer, "bias")
    assert isinstance(layer, nn.Linear)
    symmetric = np.triu(before) + np.triu(before, 1).T
    np.testing.assert_array_equal(values(layer.weight), symmetric)
    parametrize.register_parametrization(layer, "weight", Doubled())
    parametrize.register_parametrization(layer, "bias", Doubled())
    np.testing.assert_array_equal(values(layer.weight), 2 * symmetric)
    twin = copy.deepcopy(layer)
    layer(tinynet.ones(2, 3)).sum().backward()
    optim.SGD(layer.parameters(), lr=0.5).step()
    assert not np.array_equal(values(layer.weight), values(twin.weight))
    np.testing.assert_allclose(values(layer.weight), values(layer.weight).T)
    original = values(layer.parametrizations.weight.original)
    parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    np.testing.assert_array_equal(values(layer.weight), original)
    parametrize.remove_parametrizations(layer, "bias")
    assert type(layer) is nn.Linear
    assert sorted(layer.state_dict()) == ["bias", "weight"]
    assert parametrize.is_parametrized(twin, "bias")


def test_parametrizations_that_are_refused() -> None:
    class Half(nn.Module):
        def forward(self, x: tinynet.Tensor) -> tinynet.Tensor:
            return x[:1]

    layer = linear()
    with pytest.raises(ValueError, match=r"gives \(1, 4\), expected float32 of shape \(6, 4\)"):
        parametrize.register_parametrization(layer, "weight", Half())
    assert type(layer) is nn.Linear
    np.testing.assert_array_equal(values(layer.weight), WEIGHT)
    with pytest.raises(ValueError, match="no parameter"):
        parametrize.register_parametrization(layer, "scale", Doubled())
    with pytest.raises(ValueError, match="not parametrized"):
        parametrize.remove_parametrizations(layer, "weight")
    parametrizations.weight_norm(layer)
    with pytest.raises(ValueError, match="several originals"):
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)


def test_pruning_the_smallest(device: str) -> None:
    layer = prune.l1_unstructured(linear(device), "weight", amount=0.25)
    order = np.argsort(np.abs(WEIGHT), axis=None)
    expected = WEIGHT.copy().reshape(-1)
    expected[order[:6]] = 0
    np.testing.assert_array_equal(values(layer.weight).reshape(-1), expected)
    assert prune.is_pruned(nn.Sequential(layer))
    assert sorted(layer.state_dict()) == ["bias", "weight_mask", "weight_orig"]
    layer(tinynet.from_numpy(X).to(device)).sum().backward()
    assert ((values(layer.weight_orig.grad).reshape(-1) == 0) == (expected == 0)).all()
    prune.l1_unstructured(layer, "weight", amount=6)  # of those that are left
    expected[order[:12]] = 0
    np.testing.assert_array_equal(values(layer.weight).reshape(-1), expected)
    np.testing.assert_array_equal(values(layer.weight_orig), WEIGHT)
    prune.ln_structured(layer, "weight", amount=1, n=2, dim=0)
    rows = expected.reshape(6, 4)
    rows[np.argmin(np.where((rows != 0).any(1), np.linalg.norm(WEIGHT, axis=1), np.inf))] = 0
    np.testing.assert_array_equal(values(layer.weight), rows)
    assert type(prune.remove(layer, "weight").weight) is nn.Parameter
    assert not prune.is_pruned(layer)
    np.testing.assert_array_equal(values(layer.weight), rows)


def test_pruning_by_chance_masks_and_over_layers() -> None:
    tinynet.manual_seed(1)
    layer = prune.random_unstructured(linear(), "weight", 0.5)
    assert (values(layer.weight) == 0).sum() == 12
    layer = prune.random_structured(linear(), "weight", 2, dim=1)
    assert (values(layer.weight) == 0).all(0).sum() == 2
    layer = prune.custom_from_mask(
        prune.identity(linear(), "bias"), "weight", tinynet.tensor([1, 0, 1, 1]).expand(6, 4)
    )
    assert (values(layer.weight)[:, 1] == 0).all()
    scores = tinynet.arange(24.0).reshape(6, 4)
    layer = prune.l1_unstructured(linear(), "weight", 4, importance_scores=scores)
    assert (values(layer.weight)[0] == 0).all()
    pair = [(linear(), "weight"), (linear(), "weight")]
    with tinynet.no_grad():
        pair[1][0].weight.mul_(100)
    prune.global_unstructured(pair, prune.L1Unstructured, amount=0.5)
    assert (values(pair[0][0].weight) == 0).all()
    assert (values(pair[1][0].weight) != 0).all()
    with pytest.raises(ValueError, match=r"amount is 1\.5"):
        prune.l1_unstructured(linear(), "weight", 1.5)
    with pytest.raises(ValueError, match="amount is 25, expected 0 to 24"):
        prune.l1_unstructured(linear(), "weight", 25)
    with pytest.raises(ValueError, match="importance_scores has shape"):
        prune.l1_unstructured(linear(), "weight", 1, importance_scores=tinynet.ones(3))
    with pytest.raises(TypeError, match="unstructured"):
        prune.global_unstructured(pair, prune.LnStructured, amount=1, n=2)


class EveryOther(prune.BasePruningMethod):
    """As in PyTorch's tutorial."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: tinynet.Tensor, default_mask: tinynet.Tensor) -> tinynet.Tensor:
        mask = default_mask.clone()
        mask.view(-1)[::2] = 0
        return mask


def test_a_method_of_ones_own() -> None:
    layer = linear()
    EveryOther.apply(layer, "bias")
    assert layer.bias_mask.tolist() == [0, 1, 0, 1, 0, 1]
    EveryOther.apply(layer, "bias")
    assert layer.bias_mask.tolist() == [0, 0, 0, 1, 0, 0]


@pytest.mark.parametrize(
    "change",
    [
        lambda u, m: u.prune.l1_unstructured(u.prune.l1_unstructured(m, "weight", 0.3), "weight", 0.4),
        lambda u, m: u.prune.ln_structured(u.prune.l1_unstructured(m, "weight", 9), "weight", 0.5, n=1, dim=1),
        lambda u, m: u.prune.l1_unstructured(u.prune.ln_structured(m, "weight", 2, n=2, dim=0), "weight", 5),
        lambda u, m: u.weight_norm(m, dim=1),
        lambda u, m: u.parametrizations.weight_norm(m),
    ],
)
def test_torch(change: Callable[[Any, Any], Any]) -> None:
    torch = pytest.importorskip("torch")
    importlib.import_module("torch.nn.utils.prune")
    ours, theirs = change(utils, linear()), torch.nn.Linear(4, 6)
    with torch.no_grad():
        theirs.weight.copy_(torch.from_numpy(WEIGHT))
        theirs.bias.zero_()
    theirs = change(torch.nn.utils, theirs)
    ours(tinynet.from_numpy(X)).square().sum().backward()
    theirs(torch.from_numpy(X)).square().sum().backward()
    assert sorted(ours.state_dict()) == sorted(theirs.state_dict())
    for name, value in theirs.state_dict().items():
        np.testing.assert_allclose(values(ours.state_dict()[name]), value.numpy(), rtol=1e-5)
    gradients = dict(ours.named_parameters())
    for name, parameter in theirs.named_parameters():
        np.testing.assert_allclose(values(gradients[name].grad), parameter.grad.numpy(), rtol=1e-4, atol=1e-5)
