"""Callbacks of the trainer."""

from __future__ import annotations

import csv
import json
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.test_trainer import batches, make, weights
from tinynet import Trainer
from tinynet.callbacks import (
    Callback,
    CSVLogger,
    EarlyStopping,
    JSONLogger,
    LearningRateMonitor,
    ModelCheckpoint,
    ProgressBar,
    TensorBoard,
    TerminateOnNaN,
)
from tinynet.checkpoint import load_weights
from tinynet.metrics import F1, Accuracy, ConfusionMatrix


class Script(Callback):
    """Gives each epoch a validation loss of its own and remembers the weights."""

    def __init__(self, losses: list[float]) -> None:
        self.losses, self.weights = losses, []  # type: tuple[list[float], list[Any]]

    def on_epoch_end(self, trainer: Trainer, row: dict[str, Any]) -> None:
        row["validation_loss"] = self.losses[row["epoch"] - 1]
        self.weights.append(weights(trainer))


@pytest.mark.parametrize(
    "losses, options, epochs, best",
    [
        ([5, 4, 3, 3.5, 3.2, 9, 9], {"patience": 3}, 6, 3),
        ([5, 4, 3, 3.5, 2.9, 3, 3], {"patience": 2}, 7, 5),
        ([5, 4.9, 4.7, 4.6, 4.5, 9, 9], {"patience": 2, "min_delta": 0.25}, 5, 3),
        ([1, float("nan"), float("nan"), 0, 0, 0, 0], {"patience": 2}, 3, 1),
        ([1, 2, 3, 2, 1, 0, 0], {"patience": 2, "mode": "max"}, 5, 3),
    ],
)
def test_early_stopping(losses: list[float], options: dict[str, Any], epochs: int, best: int) -> None:
    script = Script(losses)
    trainer = make(callbacks=[script, EarlyStopping(**options)])
    assert len(trainer.fit(batches(), 7)) == epochs
    for a, b in zip(weights(trainer), script.weights[best - 1]):
        np.testing.assert_array_equal(a, b)


def test_early_stopping_may_leave_the_last_weights_and_is_not_on_by_itself() -> None:
    script = Script([1, 2, 3, 4, 5, 6, 7])
    trainer = make(callbacks=[script, EarlyStopping(2, restore_best_weights=False)])
    assert len(trainer.fit(batches(), 7)) == 3
    np.testing.assert_array_equal(weights(trainer)[0], script.weights[2][0])
    assert len(make(callbacks=[Script([1, 2, 3, 4, 5, 6, 7])]).fit(batches(), 7)) == 7


def test_early_stopping_on_an_accuracy_looks_for_the_highest() -> None:
    stopping = EarlyStopping(1, monitor="validation_accuracy")
    trainer = make(callbacks=[stopping])
    for epoch, value in enumerate((0.5, 0.6, 0.6), 1):
        assert not trainer.finished
        stopping.on_epoch_end(trainer, {"epoch": epoch, "validation_accuracy": value})
    assert trainer.finished
    assert stopping.best_epoch == 2
    with pytest.raises(ValueError, match="monitor is 'validation_accuracy', expected one of train_loss"):
        stopping.on_epoch_end(trainer, {"train_loss": 1.0})


def test_early_stopping_stops_what_overfits() -> None:
    """Labels by chance: the validation loss rises while the training loss falls."""
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((60, 6)).astype(np.float32), rng.integers(0, 3, 60)
    train, held = (x[:30], y[:30]), (x[30:], y[30:])
    free, stopped = make(lr=0.5), make(lr=0.5, callbacks=[EarlyStopping(5)])
    last = free.fit(train, 150, held)[-1]["validation_loss"]
    assert len(stopped.fit(train, 150, held)) < 100
    assert stopped.evaluate(held)["loss"] < 0.8 * last


def test_checkpoints_of_the_last_and_the_best(tmp_path: Path) -> None:
    script = Script([3, 1, 2])
    trainer = make(callbacks=[ModelCheckpoint(tmp_path), script])  # it comes after the others, wherever it is given
    trainer.fit(batches(), 3, batch_size=20)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "best.safetensors",
        "step-00000004.safetensors",
        "step-00000006.safetensors",
    ]
    best = load_weights(tmp_path / "best.safetensors")
    np.testing.assert_array_equal(best["0.weight"].numpy(), script.weights[1][0])


def test_a_new_run_keeps_the_states_of_another_until_it_has_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(callbacks=[ModelCheckpoint(tmp_path)]).fit(batches(), 3, batch_size=20)
    before = {p.name: p.read_bytes() for p in tmp_path.glob("step-*")}
    checkpoint = ModelCheckpoint(tmp_path, extra={"bad": {1}})
    with pytest.raises(TypeError, match="bad is a set"):
        make(callbacks=[checkpoint]).fit(batches(), 1)
    assert {p.name: p.read_bytes() for p in tmp_path.glob("step-*")} == before
    checkpoint = ModelCheckpoint(tmp_path)
    save, failures = checkpoint.checkpoints.save, [OSError(28, "No space left on device")]

    def full_at_first(*args: Any, **options: Any) -> None:
        if failures:
            raise failures.pop()
        save(*args, **options)

    monkeypatch.setattr(checkpoint.checkpoints, "save", full_at_first)
    make(callbacks=[checkpoint]).fit(batches(), 1, batch_size=4)
    # not one of the other run beside it
    assert [p.name for p in tmp_path.glob("step-*")] == ["step-00000010.safetensors"]


def test_a_full_disk_is_reported_and_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = ModelCheckpoint(tmp_path)
    calls = []

    def full(step: int, state: Any, only: bool) -> None:
        calls.append(step)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint.checkpoints, "save", full)
    assert len(make(callbacks=[checkpoint]).fit(batches(), 2)) == 2
    assert calls == [0, 2, 4]
    assert "no checkpoint was written" in capsys.readouterr().err


@pytest.mark.parametrize("look", [1, 1000])
@pytest.mark.parametrize("checkpoint_first", [True, False])
def test_weights_that_are_no_numbers_are_not_saved(
    checkpoint_first: bool, look: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the fourth update on the weights are nan; the loss is first seen to be after the fourth batch or the epoch."""
    inputs, labels = batches()
    inputs[30] = float("nan")
    checkpoint, guard = ModelCheckpoint(tmp_path, every=1), TerminateOnNaN(look)
    trainer = make(callbacks=[checkpoint, guard] if checkpoint_first else [guard, checkpoint])
    with pytest.raises(FloatingPointError):
        trainer.fit((inputs, labels), 1, batch_size=8, shuffle=False)
    assert [path.name for path in checkpoint.checkpoints.files()] == [
        "step-00000003.safetensors",
        "step-00000002.safetensors",
    ]
    assert not (tmp_path / "best.safetensors").exists()
    assert ("the weights are nan" in capsys.readouterr().err) == (look > 1)
    good = make(callbacks=[ModelCheckpoint(tmp_path)])
    good.callbacks[0].resume(good)
    assert all(np.isfinite(w).all() for w in weights(good))


def test_best_weights_are_numbers(tmp_path: Path) -> None:
    """The last update makes them nan, which the loss of its epoch does not show yet."""

    class Spoil(Callback):
        def on_step(self, trainer: Trainer) -> None:
            if trainer.step == 4:
                next(iter(trainer.model.parameters())).data[0] = float("inf")

    trainer = make(callbacks=[Spoil(), ModelCheckpoint(tmp_path)])
    rows = trainer.fit(batches(), 2, batch_size=20)
    assert rows[1]["train_loss"] < rows[0]["train_loss"]
    assert np.isfinite(load_weights(tmp_path / "best.safetensors")["0.weight"].numpy()).all()


def test_best_weights_that_could_not_be_written_are_not_the_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    script = Script([1, 3, 2])
    trainer = make(callbacks=[ModelCheckpoint(tmp_path), script])
    with monkeypatch.context() as patch:
        patch.setattr("tinynet.callbacks.save_weights", full)
        trainer.fit(batches(), 1)
    trainer.fit(batches(), 3)
    best = load_weights(tmp_path / "best.safetensors")
    np.testing.assert_array_equal(best["0.weight"].numpy(), script.weights[2][0])


def test_logs(tmp_path: Path) -> None:
    callbacks = [CSVLogger(tmp_path / "log.csv"), JSONLogger(tmp_path / "log.jsonl"), LearningRateMonitor()]
    rows = make(callbacks=callbacks).fit(batches(), 2)
    assert [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()] == rows
    with open(tmp_path / "log.csv") as file:
        table = list(csv.DictReader(file))
    assert [{k: float(v) for k, v in row.items()} for row in table] == rows
    assert rows[0]["lr"] == 0.1


def test_metrics_that_are_arrays_can_be_logged_and_saved(tmp_path: Path) -> None:
    callbacks = [JSONLogger(tmp_path / "log.jsonl"), ModelCheckpoint(tmp_path)]
    trainer = make(callbacks=callbacks, metrics={"confusion": ConfusionMatrix(), "f1": F1(None)})
    rows = trainer.fit(batches(), 2, batches())
    assert np.sum(rows[1]["validation_confusion"]) == 40
    assert json.loads((tmp_path / "log.jsonl").read_text().splitlines()[1]) == rows[1]
    state, _ = callbacks[1].checkpoints.load()
    assert state["trainer"]["history"] == rows


def test_progress_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    make(callbacks=[ProgressBar()]).fit(batches(), 2, batches())
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert lines[2].startswith("epoch 2/2: loss ")
    assert lines[2].endswith(" samples/s")
    assert lines[3].startswith("  validation: loss ")


def test_progress_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    make(callbacks=[ProgressBar()]).fit(batches(), 1, batch_size=10)
    assert "4/4" in capsys.readouterr().err


def test_an_exception_closes_the_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    bar = ProgressBar()
    inputs, labels = batches()
    inputs[20] = float("nan")
    with pytest.raises(FloatingPointError):
        make(callbacks=[bar, TerminateOnNaN(1)]).fit((inputs, labels), 1, batch_size=10)
    assert bar.bar is None
    assert capsys.readouterr().err.endswith("\n")


@pytest.mark.parametrize("every", [1, 1000])
def test_terminate_on_nan(every: int) -> None:
    inputs, labels = batches()
    inputs[20] = float("nan")
    trainer = make(callbacks=[TerminateOnNaN(every)])
    with pytest.raises(FloatingPointError, match=r"the loss is nan in epoch 1, step (3|5) \("):
        trainer.fit((inputs, labels), 20, batch_size=8, shuffle=False)
    assert trainer.step == (2 if every == 1 else 5)
    make().fit((inputs, labels), 1)


def test_tensorboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []

    class Writer:
        def __init__(self, folder: str) -> None:
            assert folder == str(tmp_path)

        def add_scalar(self, *args: Any) -> None:
            written.append(args)

        def flush(self) -> None: ...

        def close(self) -> None:
            written.append(("closed",))

    monkeypatch.setitem(sys.modules, "tensorboardX", types.SimpleNamespace(SummaryWriter=Writer))
    rows = make(callbacks=[TensorBoard(tmp_path)]).fit(batches(), 2)
    assert ("train/loss", rows[1]["train_loss"], 2) in written
    assert written[-1] == ("closed",)


def test_tensorboard_files_can_be_read(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    from tensorboardX.proto.event_pb2 import Event

    rows = make(callbacks=[TensorBoard(tmp_path)], metrics={"accuracy": Accuracy()}).fit(batches(), 2)
    (path,) = tmp_path.iterdir()
    data, found = path.read_bytes(), {}
    while data:  # records of an eight-byte length, its checksum, an event, and the event's checksum
        length = int.from_bytes(data[:8], "little")
        event = Event.FromString(data[12 : 12 + length])
        found |= {(value.tag, event.step): value.simple_value for value in event.summary.value}
        data = data[16 + length :]
    for row in rows:
        assert found["train/loss", row["epoch"]] == pytest.approx(row["train_loss"], rel=1e-6)
        assert found["train/accuracy", row["epoch"]] == pytest.approx(row["train_accuracy"], rel=1e-6)


def test_tensorboard_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match="pip install tensorboardX"):
        TensorBoard(tmp_path)


def test_bad_options(tmp_path: Path) -> None:
    for call, message in (
        (lambda: EarlyStopping(0), "patience is 0"),
        (lambda: EarlyStopping(min_delta=-1.0), "min_delta is -1"),
        (lambda: EarlyStopping(mode="up"), "mode is 'up'"),
        (lambda: ModelCheckpoint(tmp_path, every=0), "every is 0"),
        (lambda: TerminateOnNaN(0), "every is 0"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
