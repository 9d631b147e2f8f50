"""A run that was stopped after any update, and resumed, ends with the bits of the one that was not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinynet
from tinynet import Trainer, metrics, nn, optim, schedules
from tinynet.callbacks import Callback, EarlyStopping, JSONLogger, LearningRateMonitor, ModelCheckpoint
from tinynet.nn import functional as F
from tinynet.utils.data import DataLoader, RandomSampler, TensorDataset

RNG = np.random.default_rng(0)
X = RNG.standard_normal((103, 7)).astype(np.float32)
Y = X[:, :3].argmax(1)
EPOCHS, STEPS = 4, 12


class Stop(Callback):
    def __init__(self, step: int | None) -> None:
        self.step = step

    def on_step(self, trainer: Trainer) -> None:
        if trainer.step == self.step:
            trainer.stop()


def make(folder: Path, device: str = "cpu", stop: int | None = None, kind: str = "adam") -> tuple[Trainer, Any]:
    tinynet.manual_seed(0)
    model = nn.Sequential(nn.Linear(7, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 3)).to(device)
    optimizer = {
        "adam": lambda p: optim.Adam(p, lr=0.02),
        "sgd": lambda p: optim.SGD(p, lr=0.02, momentum=0.9, nesterov=True),
        "rmsprop": lambda p: optim.RMSprop(p, lr=0.02, momentum=0.5),
    }[kind](model.parameters())
    checkpoint = ModelCheckpoint(folder)
    trainer = Trainer(
        model,
        optimizer,
        F.cross_entropy,
        metrics={"accuracy": metrics.Accuracy(), "f1": metrics.F1()},
        callbacks=[EarlyStopping(1, min_delta=0.05), LearningRateMonitor(), checkpoint, Stop(stop)],
        scheduler=schedules.Cosine(optimizer, STEPS, warmup=2),
        accumulate=3,
        ema=0.99,
        l1=1e-4,
        clip_norm=1.0,
        max_norm=2.0,
    )
    return trainer, checkpoint


def fit(trainer: Trainer, device: str = "cpu") -> tuple[bytes, list[dict[str, Any]]]:
    data = tuple(tinynet.tensor(a, device=device) for a in (X, Y))
    rows = trainer.fit(data, EPOCHS, data, batch_size=16)
    state = trainer.state_dict()
    tensors = [*state["model"].values(), *state["ema"]["average"].values(), state["random"]]
    tensors += [t for entry in state["optimizer"]["state"].values() for t in entry.values() if hasattr(t, "numpy")]
    kept = [{k: v for k, v in row.items() if k != "train_seconds"} for row in rows]
    return b"".join(t.cpu().numpy().tobytes() for t in tensors), kept


@pytest.mark.parametrize("kind", ["adam", "sgd", "rmsprop"])
def test_any_update(tmp_path: Path, kind: str, device: str) -> None:
    expected = fit(make(tmp_path / "whole", device, kind=kind)[0], device)
    last = expected[1][-1]["epoch"] * 3
    every = kind == "adam" and device == "cpu"
    for step in range(1, last) if every else (1, last // 2, last - 1):
        stopped, _ = make(tmp_path / str(step), device, step, kind)
        fit(stopped, device)
        assert stopped.interrupted
        resumed, checkpoint = make(tmp_path / str(step), device, None, kind)
        tinynet.manual_seed(99)  # what was drawn in between does not matter
        assert checkpoint.resume(resumed) == []
        assert resumed.step == step
        assert fit(resumed, device) == expected


def test_a_run_that_is_over_stays_as_it_is(tmp_path: Path) -> None:
    expected = fit(make(tmp_path)[0])
    resumed, checkpoint = make(tmp_path)
    checkpoint.resume(resumed)
    steps = resumed.step
    assert fit(resumed) == expected
    assert resumed.step == steps


def test_a_damaged_state_is_passed_over(tmp_path: Path) -> None:
    expected = fit(make(tmp_path)[0])
    newest = max(tmp_path.glob("step-*"))
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes(data)
    resumed, checkpoint = make(tmp_path)
    problems = checkpoint.resume(resumed)
    assert newest.name in problems[0]
    assert fit(resumed) == expected


def test_a_trainer_made_otherwise_is_refused_before_anything_changes(tmp_path: Path) -> None:
    fit(make(tmp_path)[0])
    other, checkpoint = make(tmp_path)
    other.scheduler = None
    before = other.model.state_dict()["0.weight"].numpy().copy()
    with pytest.raises(ValueError, match="the state has a scheduler, unlike this trainer"):
        checkpoint.resume(other)
    other, checkpoint = make(tmp_path)
    other.callbacks = other.callbacks[1:]
    with pytest.raises(ValueError, match="the state has callbacks"):
        checkpoint.resume(other)
    np.testing.assert_array_equal(other.model.state_dict()["0.weight"].numpy(), before)


def test_callbacks_without_a_state_may_come_and_go(tmp_path: Path) -> None:
    expected = fit(make(tmp_path / "whole")[0])
    stopped, _ = make(tmp_path, stop=4)
    fit(stopped)
    resumed, checkpoint = make(tmp_path)
    resumed.callbacks = [JSONLogger(tmp_path / "log.jsonl"), *resumed.callbacks[:1], *resumed.callbacks[2:]]
    checkpoint.resume(resumed)
    weights, rows = fit(resumed)
    assert weights == expected[0]
    assert "lr" not in rows[-1]


@pytest.mark.parametrize("step", [3, 5, 6, 7, 10])
def test_a_loader_with_a_generator_of_its_own(tmp_path: Path, step: int) -> None:
    """The order of the data comes from there, and is drawn anew in every epoch: 3 updates each."""

    def trained(folder: Path, stop: int | None, resume: bool = False) -> bytes:
        trainer, checkpoint = make(folder, stop=stop)
        trainer.callbacks = [c for c in trainer.callbacks if not isinstance(c, EarlyStopping)]
        generator = tinynet.Generator().manual_seed(5)
        data = TensorDataset(tinynet.tensor(X), tinynet.tensor(Y))
        if step == 7:
            loader = DataLoader(data, 16, sampler=RandomSampler(data, generator=generator))
        else:
            loader = DataLoader(data, 16, shuffle=True, generator=generator)
        if resume:
            checkpoint.resume(trainer)
            assert trainer.step == step
        trainer.fit(loader, EPOCHS)
        return b"".join(t.numpy().tobytes() for t in trainer.state_dict()["model"].values())

    expected = trained(tmp_path / "whole", None)
    trained(tmp_path / "cut", step)
    assert trained(tmp_path / "cut", None, resume=True) == expected


def test_a_trainer_with_other_metrics_is_refused(tmp_path: Path) -> None:
    fit(make(tmp_path)[0])
    other, checkpoint = make(tmp_path)
    del other.metrics["f1"]
    with pytest.raises(ValueError, match=r"the state has metrics \['accuracy', 'f1'\], this trainer \['accuracy'\]"):
        checkpoint.resume(other)
    assert other.step == 0
