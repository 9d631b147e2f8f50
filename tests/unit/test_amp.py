"""Mixed precision: which operation runs in which dtype, gradients at float32 masters, and the scaler's bookkeeping."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinynet
from tinynet import models, nn, optim
from tinynet.nn import functional as F

HALF, SINGLE = tinynet.float16, tinynet.float32


def rounded_to_bfloat16(x: Any) -> Any:
    """By truncating after half a step has been added: ties away from zero, which random numbers do not meet."""
    return ((np.asarray(x, np.float32).view(np.uint32) + 0x8000) & 0xFFFF0000).astype(np.uint32).view(np.float32)


def net(device: str) -> nn.Module:
    tinynet.manual_seed(0)
    layers = nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(36, 10)
    return nn.Sequential(*layers).to(device)


def batch(device: str, n: int = 12) -> tuple[Any, Any]:
    tinynet.manual_seed(1)
    return tinynet.randn(n, 1, 8, 8).to(device), tinynet.randint(0, 10, (n,)).to(device)


def test_dtypes_by_operation(device: str) -> None:
    x = tinynet.rand(3, 4, device=device) + 0.5
    w = tinynet.rand(5, 4, device=device)
    with tinynet.autocast(device, dtype=HALF):
        low = F.linear(x, w)
        assert low.dtype == HALF
        assert (x @ w.t()).dtype == HALF
        assert (low @ w).dtype == HALF  # mixed inputs
        assert F.conv2d(tinynet.ones(1, 1, 4, 4, device=device), tinynet.ones(1, 1, 3, 3, device=device)).dtype == HALF
        assert F.relu(low).dtype == HALF
        assert (low + low).dtype == HALF
        assert (low + tinynet.ones(3, 5, device=device)).dtype == SINGLE
        for single in (
            low.exp(),
            low.log(),
            low.sum(),
            low.softmax(1),
            low**2,
            low.cumsum(1),
            F.mse_loss(low, low * 0),
        ):
            assert single.dtype == SINGLE
        assert F.layer_norm(low, (5,)).dtype == SINGLE
        assert F.cross_entropy(low, tinynet.tensor([0, 1, 2], device=device)).dtype == SINGLE
        double = x.double()
        assert F.linear(double, w.double()).dtype == tinynet.float64
        with tinynet.autocast(device, enabled=False):
            assert not tinynet.is_autocast_enabled(device)
            assert F.linear(x, w).dtype == SINGLE
        assert tinynet.is_autocast_enabled(device)
        assert not tinynet.is_autocast_enabled({"cpu": "cuda", "cuda": "cpu"}[device])
    assert not tinynet.is_autocast_enabled(device)
    assert F.linear(x, w).dtype == SINGLE

    @tinynet.autocast(device, dtype=HALF)
    def product() -> Any:
        return x @ w.t()

    assert product().dtype == HALF


def test_bfloat16_rounds_the_factors(device: str) -> None:
    x, w = tinynet.randn(7, 33, device=device), tinynet.randn(5, 33, device=device, requires_grad=True)
    with tinynet.autocast(device, dtype=tinynet.bfloat16):
        y = F.linear(x, w)
    y.sum().backward()
    assert y.dtype == SINGLE
    x_low, w_low = (rounded_to_bfloat16(t.detach().cpu().numpy()).astype(np.float64) for t in (x, w))
    np.testing.assert_allclose(y.detach().cpu().numpy(), x_low @ w_low.T, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(w.grad.cpu().numpy(), np.ones((5, 7)) @ x_low, rtol=1e-5, atol=1e-5)  # type: ignore[union-attr]


@pytest.mark.parametrize("word, bits", [("high", 13), ("medium", 16)])
def test_float32_matmul_precision(device: str, word: str, bits: int) -> None:
    a = tinynet.eye(4, device=device)
    b = tinynet.randn(4, 4, device=device)
    assert tinynet.get_float32_matmul_precision() == "highest"
    try:
        tinynet.set_float32_matmul_precision(word)
        y = (a @ b).cpu().numpy()
    finally:
        tinynet.set_float32_matmul_precision("highest")
    assert not (y.view(np.uint32) & ((1 << bits) - 1)).any()
    assert (y != b.cpu().numpy()).any()
    np.testing.assert_array_equal((a @ b).cpu().numpy(), b.cpu().numpy())
    with pytest.raises(ValueError, match="precision is 'low'"):
        tinynet.set_float32_matmul_precision("low")


def test_gradients_arrive_in_float32(device: str) -> None:
    x, y = batch(device)
    model = net(device)
    F.cross_entropy(model(x), y).backward()
    exact = [p.grad.cpu().numpy().copy() for p in model.parameters()]  # type: ignore[union-attr]
    model.zero_grad()
    scaler = tinynet.GradScaler(init_scale=1024.0)
    with tinynet.autocast(device, dtype=HALF):
        loss = F.cross_entropy(model(x), y)
    scaler.scale(loss).backward()
    scaler.unscale_(optim.SGD(model.parameters(), lr=0.1))
    for p, want in zip(model.parameters(), exact):
        assert p.dtype == SINGLE
        assert p.grad is not None
        assert p.grad.dtype == SINGLE
        np.testing.assert_allclose(p.grad.cpu().numpy(), want, rtol=0, atol=4e-3 * max(1e-2, abs(want).max()))


def test_gradients_in_the_dtype_of_what_they_reach(device: str) -> None:
    """float16 and float32 meet in a sum: what flows back into the product is float16 again."""
    x, w = tinynet.rand(3, 4, device=device), tinynet.rand(4, 4, device=device, requires_grad=True)
    with tinynet.autocast(device, dtype=HALF):
        low = x @ w
        high = low + x
    assert (low.dtype, high.dtype) == (HALF, SINGLE)
    low.retain_grad()
    high.sum().backward()
    assert low.grad.dtype == HALF
    assert w.grad.dtype == SINGLE
    np.testing.assert_allclose(
        w.grad.cpu().numpy(), (x.t() @ tinynet.ones(3, 4, device=device)).cpu().numpy(), rtol=1e-3
    )
    single = tinynet.ones(2, requires_grad=True)
    (grad,) = tinynet.autograd.grad((single * tinynet.ones(2, dtype=tinynet.float64)).sum(), single)
    assert grad.dtype == SINGLE


@pytest.mark.parametrize("model", list(models.MODELS))
def test_every_model_trains_in_float16(model: str) -> None:
    tinynet.manual_seed(0)
    network = models.create(model)
    x, labels = tinynet.rand(2, 1, 28, 28), tinynet.tensor([3, 5])
    scaler, optimizer = tinynet.GradScaler(init_scale=256.0), optim.SGD(network.parameters(), lr=0.01)
    with tinynet.autocast("cpu", dtype=HALF):
        loss = F.cross_entropy(network(x), labels)
    scaler.scale(loss).backward()
    before = [p.detach().clone() for p in network.parameters()]
    assert all(p.grad.dtype == SINGLE for p in network.parameters())
    scaler.step(optimizer)
    assert any(bool((p != b).any()) for p, b in zip(network.parameters(), before))


def test_a_weight_is_cast_once(monkeypatch: pytest.MonkeyPatch) -> None:
    w = tinynet.randn(4, 4, requires_grad=True)
    casts = []
    forward = tinynet.ops.elementwise.Cast.forward
    monkeypatch.setattr(
        tinynet.ops.elementwise.Cast,
        "forward",
        staticmethod(lambda ctx, a, *rest: casts.append(a is w._array) or forward(ctx, a, *rest)),
    )
    x = tinynet.ones(1, 4)
    for cache, expected in ((None, 1), (False, 3)):
        casts.clear()
        w.grad = None
        with tinynet.autocast("cpu", dtype=HALF, cache_enabled=cache):
            with tinynet.no_grad():
                F.linear(x, w)
            total = F.linear(x, w).sum() + F.linear(x, w).sum()
        assert sum(casts) == expected + (cache is None)  # what was cast without gradients is cast again with them
        total.backward()
        np.testing.assert_array_equal(w.grad.numpy(), np.full((4, 4), 2.0))  # type: ignore[union-attr]


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="device_type is 'tpu'"):
        tinynet.autocast("tpu")
    with pytest.raises(ValueError, match="dtype is float32, expected"):
        tinynet.autocast("cuda", dtype=SINGLE)
    for options, message in (
        ({"growth_factor": 1.0}, "growth_factor is 1.0"),
        ({"backoff_factor": 1.0}, "backoff_factor is 1.0"),
        ({"init_scale": 0.0}, "init_scale is 0.0"),
    ):
        with pytest.raises(ValueError, match=message):
            tinynet.GradScaler(**options)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="dtype is bfloat16, expected one such as"):
        tinynet.ones(2, dtype=tinynet.bfloat16)


def parameter_with_gradient(device: str, scaler: tinynet.GradScaler, gradient: float) -> tuple[Any, Any]:
    p = nn.Parameter(tinynet.ones(3, device=device))
    optimizer = optim.SGD([p], lr=1.0)
    scaler.scale((p * gradient).sum()).backward()
    return p, optimizer


def test_scaler_steps_and_grows(device: str) -> None:
    scaler = tinynet.amp.GradScaler(device, init_scale=8.0, growth_interval=2)
    for expected_scale in (8.0, 16.0, 16.0, 32.0):
        p, optimizer = parameter_with_gradient(device, scaler, 0.25)
        np.testing.assert_array_equal(p.grad.cpu().numpy(), 0.25 * scaler.get_scale())
        scaler.step(optimizer)
        np.testing.assert_array_equal(p.detach().cpu().numpy(), 0.75)
        scaler.update()
        assert scaler.get_scale() == expected_scale


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_scaler_skips_and_backs_off(device: str, bad: float) -> None:
    scaler = tinynet.GradScaler(init_scale=8.0, growth_interval=2)
    for gradient, scale in ((1.0, 8.0), (bad, 4.0), (1.0, 4.0), (1.0, 8.0)):
        p, optimizer = parameter_with_gradient(device, scaler, gradient)
        scaler.step(optimizer)
        scaler.update()
        np.testing.assert_array_equal(p.detach().cpu().numpy(), 0.0 if np.isfinite(gradient) else 1.0)
        assert scaler.get_scale() == scale


def test_scaler_order_of_calls() -> None:
    scaler = tinynet.GradScaler()
    p = nn.Parameter(tinynet.ones(3))
    optimizer = optim.SGD([p], lr=1.0)
    with pytest.raises(RuntimeError, match="call scale"):
        scaler.step(optimizer)
    scaler.scale(p.sum()).backward()
    with pytest.raises(RuntimeError, match=r"call step\(\) or unscale_"):
        scaler.update()
    scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="already been called"):
        scaler.unscale_(optimizer)
    np.testing.assert_array_equal(p.grad.numpy(), 1.0)  # type: ignore[union-attr]
    scaler.step(optimizer)
    with pytest.raises(RuntimeError, match=r"after step"):
        scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="already been called"):
        scaler.step(optimizer)
    scaler.update(7.0)
    assert scaler.get_scale() == 7.0


def test_scaler_state(device: str) -> None:
    scaler = tinynet.GradScaler(init_scale=8.0, growth_interval=3)
    for _ in range(2):
        _, optimizer = parameter_with_gradient(device, scaler, 1.0)
        scaler.step(optimizer)
        scaler.update()
    state = scaler.state_dict()
    assert state == {
        "scale": 8.0,
        "growth_factor": 2.0,
        "backoff_factor": 0.5,
        "growth_interval": 3,
        "_growth_tracker": 2,
    }
    again = tinynet.GradScaler()
    again.load_state_dict(state)
    _, optimizer = parameter_with_gradient(device, again, 1.0)
    again.step(optimizer)
    again.update()
    assert again.get_scale() == 16.0
    off = tinynet.GradScaler(enabled=False)
    assert off.state_dict() == {}
    assert off.get_scale() == 1.0
    assert off.scale(tinynet.ones(1)).item() == 1.0
    with pytest.raises(RuntimeError, match="the state is empty"):
        again.load_state_dict({})


def test_as_pytorch() -> None:
    """The same sequence of finite and infinite gradients gives the same scales and parameters."""
    torch = pytest.importorskip("torch")
    scales: dict[str, list[float]] = {}
    values: dict[str, list[float]] = {}
    for name, m, module, make in (("ours", tinynet, nn, optim.SGD), ("theirs", torch, torch.nn, torch.optim.SGD)):
        scaler = m.amp.GradScaler("cpu", init_scale=2.0**14, growth_interval=2)
        p = module.Parameter(m.ones(2))
        optimizer = make([p], lr=0.1)
        for gradient in (1.0, 2.0, float("inf"), 1.0, float("nan"), 1.0, 1.0, 1.0):
            optimizer.zero_grad()
            scaler.scale((p * gradient).sum()).backward()
            scaler.step(optimizer)
            scaler.update()
            scales.setdefault(name, []).append(scaler.get_scale())
            values.setdefault(name, []).append(float(p[0]))
    assert scales["ours"] == scales["theirs"]
    np.testing.assert_allclose(values["ours"], values["theirs"], rtol=1e-6)


@pytest.mark.parametrize("dtype", [HALF, tinynet.bfloat16])
def test_fused_layers_round_like_single_ones(dtype: Any, device: str) -> None:
    """Convolution, ReLU and pooling that a Sequential would run as one operation."""
    layers = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2)).to(device)
    x = batch(device)[0]
    with tinynet.autocast(device, dtype=dtype):
        apart = x
        for layer in layers:
            apart = layer(apart)
        together = layers(x)
    assert together.dtype == apart.dtype
    np.testing.assert_array_equal(together.detach().cpu().numpy(), apart.detach().cpu().numpy())
    assert not np.array_equal(together.detach().cpu().numpy(), layers(x).detach().cpu().numpy())


def test_older_names() -> None:
    from tinynet.cuda.amp import GradScaler, autocast

    with autocast(dtype=tinynet.bfloat16):
        assert tinynet.is_autocast_enabled("cuda")
        assert not tinynet.is_autocast_enabled("cpu")
    with autocast(False):
        assert not tinynet.is_autocast_enabled("cuda")
    scaler = GradScaler(4.0)
    assert scaler.scale(tinynet.ones(())).item() == 4.0
    assert tinynet.cuda.amp.GradScaler is GradScaler
