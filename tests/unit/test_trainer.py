"""The trainer against loops written out, and each of its options with and without."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinynet
from tinynet import Trainer, metrics, nn, optim
from tinynet.averaging import EMA
from tinynet.nn import functional as F
from tinynet.utils.data import DataLoader, TensorDataset

RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 6)).astype(np.float32)
Y = X[:, :3].argmax(1)


def make(device: str = "cpu", lr: float = 0.1, **options: Any) -> Trainer:
    tinynet.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3)).to(device)
    return Trainer(model, optim.SGD(model.parameters(), lr=lr), F.cross_entropy, **options)


def weights(trainer: Trainer) -> list[Any]:
    return [p.detach().cpu().numpy().copy() for p in trainer.model.parameters()]


def matrices(trainer: Trainer) -> list[Any]:
    return [w for w in weights(trainer) if w.ndim == 2]


def batches(device: str = "cpu") -> Any:
    return tuple(tinynet.tensor(a, device=device) for a in (X, Y))


def test_fit_is_the_loop_written_out(device: str) -> None:
    trainer = make(device, metrics={"accuracy": metrics.Accuracy()})
    rows = trainer.fit(batches(device), 2, batches(device), batch_size=16, shuffle=False)
    other = make(device)
    model, optimizer = other.model, other.optimizer
    x, y = batches(device)
    for row in rows:
        losses, right = [], 0
        for part in (slice(0, 16), slice(16, 32), slice(32, 40)):
            optimizer.zero_grad()
            outputs = model(x[part])
            loss = F.cross_entropy(outputs, y[part])
            loss.backward()
            optimizer.step()
            losses.append(loss.item() * len(y[part]))
            right += int((outputs.argmax(dim=1) == y[part]).sum().item())
        assert row["train_loss"] == pytest.approx(sum(losses) / 40, rel=1e-6)
        assert row["train_accuracy"] == right / 40
        assert row["train_samples"] == 40
        assert row["validation_loss"] == pytest.approx(F.cross_entropy(model(x), y).item(), rel=1e-5)
    assert [row["epoch"] for row in rows] == [1, 2]
    for a, b in zip(weights(trainer), weights(other)):
        np.testing.assert_array_equal(a, b)


def test_fit_goes_on_and_takes_loaders() -> None:
    loader = DataLoader(TensorDataset(*batches()), 16)
    one, two = make(), make()
    one.fit(loader, 3)
    two.fit(loader, 1)
    assert two.fit(loader, 3)[-1]["epoch"] == 3
    for a, b in zip(weights(one), weights(two)):
        np.testing.assert_array_equal(a, b)


def test_evaluate_and_predict_leave_the_trainer_as_it_was(device: str) -> None:
    trainer = make(device, metrics={"accuracy": metrics.Accuracy()})
    trainer.fit(batches(device), 1)
    x, y = batches(device)
    before = trainer.metrics["accuracy"].compute()
    outputs = trainer.predict(x, batch_size=7)
    assert trainer.model.training
    assert not outputs.requires_grad
    np.testing.assert_allclose(outputs.cpu().numpy(), trainer.model(x).detach().cpu().numpy(), rtol=1e-5, atol=1e-6)
    figures = trainer.evaluate((x, y), batch_size=7)
    assert figures["accuracy"] == pytest.approx(np.mean(outputs.cpu().numpy().argmax(1) == Y))
    assert trainer.metrics["accuracy"].compute() == before
    loader = DataLoader(TensorDataset(x, y), 7)
    np.testing.assert_array_equal(trainer.predict(loader).cpu().numpy(), outputs.cpu().numpy())


def test_numpy_arrays_and_loaders_of_another_device(device: str) -> None:
    """NumPy's own float64, and loaders whose tensors are on the CPU."""
    x, y = X.astype(np.float64), Y.astype(np.int32)
    expected, arrays, loader = make(device), make(device), make(device)
    expected.fit(batches(device), 2, batches(device), batch_size=16, shuffle=False)
    arrays.fit((x, y), 2, (x, y), batch_size=16, shuffle=False)
    loader.fit(DataLoader(TensorDataset(*batches()), 16), 2)
    for a, b, c in zip(*map(weights, (expected, arrays, loader))):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)
    outputs = arrays.predict(x)
    assert outputs.device.type == device
    assert outputs.dtype == tinynet.float32
    assert arrays.evaluate((x, y)) == expected.evaluate(batches(device))


def test_accumulated_batches_are_one_large_batch() -> None:
    parts = make(accumulate=3)
    parts.fit(tuple(a[:39] for a in batches()), 1, batch_size=13, shuffle=False)
    other = make()
    other.fit(tuple(a[:39] for a in batches()), 1, batch_size=39, shuffle=False)
    assert parts.step == other.step == 1
    for a, b in zip(weights(parts), weights(other)):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
    short = make(accumulate=3)  # 4 batches: an update of three, and one of the last
    short.fit(batches(), 1, batch_size=10, shuffle=False)
    assert short.step == 2


def update(**options: Any) -> list[Any]:
    """How one step changes the weights."""
    trainer = make(lr=1.0, **options)
    before = weights(trainer)
    trainer.fit(batches(), 1, batch_size=40, shuffle=False)
    return [b - a for a, b in zip(before, weights(trainer))]


def test_penalties_add_their_gradients_to_matrices_only() -> None:
    start, plain = weights(make()), update()
    for options, gradient in (({"l1": 0.01}, lambda w: 0.01 * np.sign(w)), ({"l2": 0.01}, lambda w: 0.02 * w)):
        for w, a, b in zip(start, plain, update(**options)):
            np.testing.assert_allclose(a - b, gradient(w) if w.ndim == 2 else 0 * w, atol=1e-6)


def test_l1_makes_weights_vanish_and_l2_makes_them_small() -> None:
    """Inputs 3 to 5 say nothing about the label: L1 all but removes their weights, and L2 shrinks all of them."""

    def trained(**options: Any) -> tuple[float, float]:
        tinynet.manual_seed(0)
        model = nn.Linear(6, 3)
        trainer = Trainer(model, optim.SGD(model.parameters(), lr=0.05), F.cross_entropy, **options)
        trainer.fit(batches(), 150, batch_size=40, shuffle=False)
        w = model.weight.detach().numpy()
        return float(np.mean(np.abs(w[:, 3:]) < 0.004)), float(np.sum(w * w))

    share, size = trained()
    assert share < 0.3
    assert trained(l1=0.05)[0] > 0.7
    assert trained(l2=0.05)[1] < 0.6 * size


def test_clipping() -> None:
    plain = np.concatenate([u.ravel() for u in update()])
    norm = float(np.linalg.norm(plain))
    clipped = np.concatenate([u.ravel() for u in update(clip_norm=norm / 3)])
    np.testing.assert_allclose(clipped, plain / 3, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(np.concatenate([u.ravel() for u in update(clip_norm=10 * norm)]), plain, atol=1e-7)
    limit = float(np.quantile(np.abs(plain), 0.5))
    by_value = np.concatenate([u.ravel() for u in update(clip_value=limit)])
    np.testing.assert_allclose(by_value, np.clip(plain, -limit, limit), atol=1e-6)


def test_max_norm() -> None:
    free, held = make(lr=1.0), make(lr=1.0, max_norm=0.6)
    for trainer in (free, held):
        trainer.fit(batches(), 5)
    assert max(np.linalg.norm(w, axis=1).max() for w in matrices(free)) > 0.7
    assert max(np.linalg.norm(w, axis=1).max() for w in matrices(held)) <= 0.6 + 1e-5


def test_ema_is_evaluated_and_left_in_the_model() -> None:
    trainer = make(ema=0.9)
    expected = weights(trainer)
    seen: list[Any] = []

    class Watch(tinynet.callbacks.Callback):
        def on_step(self, trainer: Trainer) -> None:
            decay = min(0.9, (1 + trainer.step) / (10 + trainer.step))
            expected[:] = [decay * e + (1 - decay) * w for e, w in zip(expected, weights(trainer))]
            seen[:] = weights(trainer)

    trainer.callbacks = [Watch()]
    rows = trainer.fit(batches(), 3, batches(), batch_size=10)
    for a, b, raw in zip(weights(trainer), expected, seen):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
        assert np.abs(a - raw).max() > 1e-3
    assert trainer.evaluate(batches())["loss"] == pytest.approx(rows[-1]["validation_loss"], rel=1e-6)


def test_ema_copies_buffers_and_gives_the_weights_back() -> None:
    model = nn.BatchNorm1d(3)
    ema = EMA(model, 0.5)
    model(tinynet.tensor(X[:, :3]))
    ema.update()
    np.testing.assert_array_equal(ema.average["running_mean"].numpy(), model.running_mean.numpy())
    own = model.weight.detach().numpy().copy() + 1
    model.weight.detach().add_(1.0)
    with ema.applied():
        assert not np.array_equal(model.weight.detach().numpy(), own)
    np.testing.assert_array_equal(model.weight.detach().numpy(), own)


def test_prepare_knows_training_from_evaluation() -> None:
    trainer = make()
    modes = []

    def prepare(batch: Any) -> Any:
        modes.append(trainer.model.training)
        return batch

    trainer.prepare = prepare
    trainer.fit(batches(), 1, batches(), batch_size=40)
    assert modes == [True, False]


@pytest.mark.parametrize("every, steps", [("step", 8), ("epoch", 2), ("loss", 2)])
def test_the_scheduler_steps(every: str, steps: int) -> None:
    class Counter:
        def __init__(self) -> None:
            self.calls: list[Any] = []

        def step(self, *args: Any) -> None:
            self.calls.append(args)

    counter = Counter()
    trainer = make(scheduler=counter, scheduler_every=every)
    rows = trainer.fit(batches(), 2, batches(), batch_size=10)
    expected = [(row["validation_loss"],) for row in rows] if every == "loss" else [()] * steps
    assert counter.calls == expected


@pytest.mark.parametrize(
    "options, message",
    [
        ({"accumulate": 0}, "accumulate is 0"),
        ({"clip_norm": 0.0}, "clip_norm is 0.0"),
        ({"clip_value": -1.0}, "clip_value is -1.0"),
        ({"max_norm": float("nan")}, "max_norm is nan"),
        ({"l1": -1e-9}, "l1 is -1e-09"),
        ({"l2": float("nan")}, "l2 is nan"),
        ({"ema": 1.0}, "decay is 1.0"),
        ({"scheduler_every": "day"}, "scheduler_every is 'day'"),
    ],
)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**options)


def test_bad_data() -> None:
    with pytest.raises(TypeError, match="a pair"):
        make().fit((X, Y, Y), 1)
    with pytest.raises(ValueError, match="epochs is -1"):
        make().fit(batches(), -1)


def test_a_state_that_does_not_fit_changes_nothing() -> None:
    """Whatever it is that does not fit."""

    def trainer(lr_groups: int) -> Trainer:
        model = nn.Linear(2, 2)
        groups = [{"params": [p]} for p in model.parameters()] if lr_groups == 2 else model.parameters()
        return Trainer(model, optim.SGD(groups, lr=0.1), nn.MSELoss())

    first, second = trainer(1), trainer(2)
    before = {name: t.clone() for name, t in second.model.state_dict().items()}
    with pytest.raises(ValueError, match="other parameter groups"):
        second.load_state_dict(first.state_dict())
    for name, value in second.model.state_dict().items():
        assert tinynet.equal(value, before[name])
