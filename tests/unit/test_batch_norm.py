"""Batch normalisation in training, alone and with the ReLU behind it, as one operation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinynet
from tinynet import nn
from tinynet.autograd import gradcheck, gradgradcheck
from tinynet.nn import functional as F


def test_with_relu_is_both(device: str) -> None:
    """The same output, gradients and running statistics as of the two one after the other."""
    tinynet.manual_seed(0)
    x = tinynet.randn(6, 3, 4, 4, device=device)
    upstream = tinynet.randn(6, 3, 4, 4, device=device)
    found = []
    for fused in (True, False):
        norm = nn.BatchNorm2d(3).to(device)
        with tinynet.no_grad():
            norm.weight.copy_(tinynet.tensor([1.5, -0.5, 0.7]))
            norm.bias.copy_(tinynet.tensor([0.1, 0.3, -0.4]))
        given = x.clone().requires_grad_()
        y = nn.Sequential(norm, nn.ReLU())(given) if fused else F.relu(norm(given))
        (y * upstream).sum().backward()
        tensors = y, given.grad, norm.weight.grad, norm.bias.grad, norm.running_mean, norm.running_var
        found.append([t.detach().cpu().numpy() for t in tensors if t is not None])
        assert norm.num_batches_tracked is not None
        assert norm.num_batches_tracked.item() == 1
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert 0.2 < (found[0][0] == 0).mean() < 0.8


@pytest.mark.parametrize("activation", [None, "relu"])
def test_with_residual_is_all(device: str, activation: str | None) -> None:
    """The same output and gradients as of the sum and the ReLU after it; in training, and by the running statistics."""
    rng = np.random.default_rng(1)
    arrays = [rng.standard_normal((30, 4, 6, 6)).astype("f4") for _ in range(3)]
    for training in (True, False):
        found = []
        for fused in (True, False):
            norm = nn.BatchNorm2d(4).to(device).train(training)
            with tinynet.no_grad():
                norm.weight.copy_(tinynet.tensor([1.5, -0.5, 0.7, 1.0]))
                norm.bias.copy_(tinynet.tensor([0.1, 0.3, -0.4, 0.0]))
            x, residual, upstream = (_channels_last(a).to(device) for a in arrays)
            x.requires_grad_()
            residual.requires_grad_()
            if fused:
                y = norm(x, activation=activation, residual=residual)
            else:
                y = norm(x) + residual
                y = F.relu(y) if activation else y
            (y * upstream).sum().backward()
            with tinynet.no_grad():
                again = norm.eval()(x, activation=activation, residual=residual)
            tensors = y, x.grad, residual.grad, norm.weight.grad, norm.bias.grad, again
            found.append([t.detach().cpu().numpy() for t in tensors if t is not None])
        for a, b in zip(*found, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
        assert (found[0][0] == 0).mean() > 0.2 if activation else (found[0][0] < 0).mean() > 0.2


def _channels_last(array: Any) -> Any:
    """As a convolution on the CPU leaves it."""
    return tinynet.from_numpy(np.ascontiguousarray(array.transpose(0, 2, 3, 1))).permute(0, 3, 1, 2)


def test_by_running_statistics(device: str) -> None:
    """Without gradients in one pass: the same as with them."""
    norm = nn.BatchNorm2d(3).to(device)
    x = tinynet.from_numpy(np.random.default_rng(4).normal(2.0, 3.0, (8, 3, 5, 5)).astype("f4")).to(device)
    norm(x)
    norm.eval()
    with tinynet.no_grad():
        plain, active = norm(x), norm(x, activation="relu")
    recorded = norm(x)
    assert recorded.requires_grad
    assert not plain.requires_grad
    np.testing.assert_allclose(plain.cpu().numpy(), recorded.detach().cpu().numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(active.cpu().numpy(), np.maximum(plain.cpu().numpy(), 0))


def test_gradients_with_relu(device: str) -> None:
    rng = np.random.default_rng(3)

    def tensor(*shape: int) -> Any:
        return tinynet.from_numpy(rng.standard_normal(shape)).to(device).requires_grad_()

    def layer(x: Any, w: Any, b: Any) -> Any:
        return F.batch_norm(x, None, None, w, b, training=True, activation="relu")

    inputs = tensor(4, 2, 3), tensor(2), tensor(2)
    assert gradcheck(layer, inputs)
    assert gradgradcheck(layer, inputs)


def test_gradients_with_residual(device: str) -> None:
    rng = np.random.default_rng(5)
    inputs = [
        tinynet.from_numpy(rng.standard_normal(s)).to(device).requires_grad_() for s in ((4, 2, 3), 2, 2, (4, 2, 3))
    ]

    def layer(x: Any, w: Any, b: Any, residual: Any) -> Any:
        return F.batch_norm(x, None, None, w, b, training=True, activation="relu", residual=residual)

    assert gradcheck(layer, inputs)
    assert gradgradcheck(layer, inputs)


def test_residual_with_a_graph_of_the_gradients(device: str) -> None:
    """What is recorded for second derivatives gives the same first ones as the kernel."""
    rng = np.random.default_rng(6)
    inputs = [
        tinynet.from_numpy(rng.standard_normal(s)).to(device).requires_grad_() for s in ((4, 2, 3), 2, 2, (4, 2, 3))
    ]
    upstream = tinynet.from_numpy(rng.standard_normal((4, 2, 3))).to(device)
    x, w, b, residual = inputs
    found = []
    for recorded in (False, True):
        y = F.batch_norm(x, None, None, w, b, training=True, activation="relu", residual=residual)
        grads = tinynet.autograd.grad((y * upstream).sum(), inputs, create_graph=recorded)
        found.append([g.detach().cpu().numpy() for g in grads])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


def test_statistics_follow(device: str) -> None:
    """By momentum, towards the mean and the unbiased variance; and a graph that saved them notices."""
    x = tinynet.from_numpy(np.random.default_rng(0).normal(5.0, 2.0, (8, 2, 3))).to(device)
    mean, var = (tinynet.full((2,), float(v), dtype=tinynet.float64, device=device) for v in (1, 2))
    leaf = tinynet.ones(2, dtype=tinynet.float64, device=device).requires_grad_()
    product = leaf * mean
    F.batch_norm(x, mean, var, training=True, momentum=0.25)
    values = x.cpu().numpy()
    np.testing.assert_allclose(mean.cpu().numpy(), 0.75 * 1 + 0.25 * values.mean((0, 2)), rtol=1e-12)
    np.testing.assert_allclose(var.cpu().numpy(), 0.75 * 2 + 0.25 * values.var((0, 2), ddof=1), rtol=1e-12)
    with pytest.raises(RuntimeError, match="modified"):
        product.sum().backward()
