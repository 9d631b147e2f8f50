"""What happens around training: progress, logs, checkpoints, stopping. A `Trainer` calls them in the order it is given."""

from __future__ import annotations

import csv
import io
import json
import math
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .checkpoint import Checkpoints, save_weights, write_atomically
from .tensor import Tensor

if TYPE_CHECKING:
    from .trainer import Trainer


class Callback:
    """The events of `Trainer.fit`; those that a subclass does not define do nothing.

    `row` has the figures of the epoch and may be added to. What must survive a resume goes into `state_dict`.
    """

    after_others = False  # of the callbacks of a trainer: those that save what the others have come to

    def on_fit_begin(self, trainer: Trainer) -> None: ...

    def on_epoch_begin(self, trainer: Trainer, batches: int | None) -> None: ...

    def on_batch_end(self, trainer: Trainer) -> None:
        """After the gradients of each batch."""

    def on_step(self, trainer: Trainer) -> None:
        """After each update of the weights: here `trainer.state_dict()` may be taken."""

    def on_epoch_end(self, trainer: Trainer, row: dict[str, Any]) -> None: ...

    def on_interrupt(self, trainer: Trainer) -> None:
        """When `trainer.stop()` ended an epoch before its end."""

    def on_exception(self, trainer: Trainer) -> None:
        """When an exception, such as KeyboardInterrupt, leaves `fit`; none of the other events follows."""

    def on_fit_end(self, trainer: Trainer) -> None: ...

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None: ...


def _value(row: Mapping[str, Any], name: str | None) -> float:
    """The figure of this name; None is the validation loss, or the training loss if there is no validation."""
    name = name or ("validation_loss" if "validation_loss" in row else "train_loss")
    if name not in row:
        raise ValueError(f"monitor is {name!r}, expected one of {', '.join(row)}")
    return float(row[name])


class _Best:
    """The best figure so far. `mode` is "min" or "max", or None: "max" for names with accuracy, f1 or r2, else "min"."""

    def __init__(self, monitor: str | None, mode: str | None, min_delta: float = 0.0) -> None:
        if mode not in ("min", "max", None):
            raise ValueError(f"mode is {mode!r}, expected 'min', 'max' or None")
        if not min_delta >= 0:
            raise ValueError(f"min_delta is {min_delta}, expected at least 0")
        rising = any(word in (monitor or "").lower() for word in ("accuracy", "precision", "recall", "f1", "r2"))
        self.monitor, self.sign = monitor, -1.0 if (mode or ("max" if rising else "min")) == "max" else 1.0
        self.min_delta, self.value = min_delta, math.inf

    def improved(self, row: Mapping[str, Any]) -> bool:
        """Whether this row is better by more than `min_delta`, and if so takes it as the best. nan never is."""
        value = self.sign * _value(row, self.monitor)
        if not value < self.value - self.min_delta:
            return False
        self.value = value
        return True


class ProgressBar(Callback):
    """On stderr: a bar for each epoch on a terminal, else one line for each."""

    def __init__(self) -> None:
        self.bar: Any = None

    def on_epoch_begin(self, trainer: Trainer, batches: int | None) -> None:
        if not sys.stderr.isatty():
            return
        from tqdm import tqdm

        title = f"epoch {trainer.epoch + 1}/{trainer.epochs}"
        self.bar = tqdm(desc=title, total=batches, initial=trainer.batch, unit="batch", dynamic_ncols=True)
        self.shown = 0.0

    def on_batch_end(self, trainer: Trainer) -> None:
        if self.bar is None:
            return
        self.bar.update(trainer.batch - self.bar.n)
        if time.perf_counter() - self.shown > 0.2:  # reading the figures waits for the device: not for every batch
            self.shown = time.perf_counter()
            figures = {"loss": trainer.mean_loss.compute()}
            figures |= {name: metric.compute() for name, metric in trainer.metrics.items()}
            self.bar.set_postfix_str(_figures(figures))

    def on_epoch_end(self, trainer: Trainer, row: dict[str, Any]) -> None:
        trained = _figures({k[6:]: v for k, v in row.items() if k.startswith("train_") and k[6:] not in _COUNTS})
        trained += f", {row['train_samples'] / max(row['train_seconds'], 1e-9):,.0f} samples/s"
        if self.bar is not None:
            self.bar.set_postfix_str(trained)
            self._close()
        else:
            print(f"epoch {row['epoch']}/{trainer.epochs}: {trained}", file=sys.stderr, flush=True)
        held = _figures({k[11:]: v for k, v in row.items() if k.startswith("validation_")})
        if held:
            print(f"  validation: {held}", file=sys.stderr, flush=True)

    def on_interrupt(self, trainer: Trainer) -> None:
        self._close()

    def on_exception(self, trainer: Trainer) -> None:
        self._close()

    def on_fit_end(self, trainer: Trainer) -> None:
        self._close()

    def _close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None


_COUNTS = ("samples", "seconds")


def _figures(values: Mapping[str, Any]) -> str:
    """Those that are one number, accuracies in percent."""
    numbers = {k: v for k, v in values.items() if isinstance(v, (int, float))}
    return ", ".join(f"{k} {v:.2%}" if "accuracy" in k else f"{k} {v:.4f}" for k, v in numbers.items())


class EarlyStopping(Callback):
    """Stops when `monitor` has not improved by more than `min_delta` for `patience` epochs.

    monitor  a name in the rows; default: the validation loss, or else the training loss. `mode` as "min" or "max";
             default "max" for accuracy, precision, recall, f1 and r2.
    restore_best_weights  gives the model the weights of the best epoch at the end; default True.
    """

    def __init__(
        self,
        patience: int = 3,
        min_delta: float = 0.0,
        monitor: str | None = None,
        mode: str | None = None,
        restore_best_weights: bool = True,
    ) -> None:
        if patience < 1:
            raise ValueError(f"patience is {patience}, expected at least 1")
        self.best = _Best(monitor, mode, min_delta)
        self.patience, self.restore_best_weights = patience, restore_best_weights
        self.waited, self.best_epoch = 0, 0
        self.weights: dict[str, Tensor] | None = None

    def on_epoch_end(self, trainer: Trainer, row: dict[str, Any]) -> None:
        if self.best.improved(row):
            self.waited, self.best_epoch = 0, row["epoch"]
            if self.restore_best_weights:
                self.weights = trainer.current_weights()
            return
        self.waited += 1
        trainer.finished = trainer.finished or self.waited >= self.patience

    def on_fit_end(self, trainer: Trainer) -> None:
        if self.weights is not None and not trainer.interrupted:
            trainer.set_weights(self.weights)

    def state_dict(self) -> dict[str, Any]:
        return {
            "best": self.best.value,
            "waited": self.waited,
            "best_epoch": self.best_epoch,
            "weights": self.weights,
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        self.best.value, self.weights = state_dict["best"], state_dict["weights"]
        self.waited, self.best_epoch = state_dict["waited"], state_dict["best_epoch"]


class ModelCheckpoint(Callback):
    """Writes the state of the training to `folder`, from which `resume` goes on, and the best weights.

    every    steps between states; default: at the end of each epoch only. One is also written at the start, and when
             training is interrupted. The last two are kept.
    monitor, mode  as of EarlyStopping, for `best.safetensors`.
    extra    goes into each state beside the trainer's, such as the options of the run.

    A state that cannot be written, such as to a full disk, or whose weights are nan or infinite, is reported on stderr; the
    earlier ones and training remain. A new run in the same folder takes the states of another away when it has written one
    of its own.
    """

    after_others = True

    def __init__(
        self,
        folder: str | Path,
        every: int | None = None,
        monitor: str | None = None,
        mode: str | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        if every is not None and every < 1:
            raise ValueError(f"every is {every}, expected at least 1")
        self.checkpoints, self.every = Checkpoints(folder), every
        self.best, self.extra = _Best(monitor, mode), dict(extra or {})
        self.new = False  # nothing of this run is written yet: what there may be is of another

    def on_fit_begin(self, trainer: Trainer) -> None:
        if trainer.step == 0 and not trainer.history:
            self.new = True
            self._save(trainer)

    def on_step(self, trainer: Trainer) -> None:
        if self.every is not None and trainer.step % self.every == 0:
            self._save(trainer)

    def on_interrupt(self, trainer: Trainer) -> None:
        self._save(trainer)

    def on_epoch_end(self, trainer: Trainer, row: dict[str, Any]) -> None:
        best = self.best.value
        if self._finite(trainer) and self.best.improved(row):  # first, as the state says which they are
            try:
                self.checkpoints.folder.mkdir(parents=True, exist_ok=True)
                save_weights(trainer.current_weights(), self.checkpoints.folder / "best.safetensors")
            except OSError as error:
                self.best.value = best
                self._report(error)
        self._save(trainer)

    def _save(self, trainer: Trainer) -> None:
        if not self._finite(trainer):
            self._report("the weights are nan or infinite")
            return
        try:
            self.checkpoints.save(trainer.step, {**self.extra, "trainer": trainer.state_dict()}, only=self.new)
            self.new = False
        except OSError as error:
            self._report(error)

    def _finite(self, trainer: Trainer) -> bool:
        return all(p.detach().isfinite().all().item() for p in trainer.model.parameters())

    def _report(self, problem: OSError | str) -> None:
        print(f"no checkpoint was written: {problem}; the earlier ones are whole", file=sys.stderr, flush=True)

    def resume(self, trainer: Trainer) -> list[str]:
        """Gives the trainer the newest state that is whole; returns a line about each newer file that is damaged.

        Errors as `Checkpoints.load` and `Trainer.load_state_dict`.
        """
        state, problems = self.checkpoints.load()
        trainer.load_state_dict(state["trainer"])
        return problems

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best.value}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        self.best.value = state_dict["best"]


class _Log(Callback):
    """A file that is written anew, atomically, after each epoch, so that it never has what a resume takes back."""

    after_others = True

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def text(self, rows: list[dict[str, Any]]) -> str:
        raise TypeError(f"{type(self).__name__} does not define text()")

    def on_epoch_end(self, trainer: Trainer, row: dict[str, Any]) -> None:
        try:
            write_atomically(self.path, self.text(trainer.history).encode())
        except OSError as error:  # such as a full disk; the next epoch writes all rows again
            print(f"{self.path.name} was not written: {error}", file=sys.stderr, flush=True)


class CSVLogger(_Log):
    """The rows as a table, with a line of names."""

    def text(self, rows: list[dict[str, Any]]) -> str:
        file = io.StringIO()
        names = list(dict.fromkeys(name for row in rows for name in row))
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return file.getvalue()


class JSONLogger(_Log):
    """The rows as JSON objects, one a line."""

    def text(self, rows: list[dict[str, Any]]) -> str:
        return "".join(json.dumps(row) + "\n" for row in rows)


class TensorBoard(Callback):
    """Writes the figures of each epoch for TensorBoard, with the package tensorboardX. ImportError if that is missing."""

    def __init__(self, folder: str | Path) -> None:
        try:
            from tensorboardX import SummaryWriter
        except ImportError:
            raise ImportError("TensorBoard needs the package tensorboardX: pip install tensorboardX") from None
        self.writer = SummaryWriter(str(folder))

    def on_epoch_end(self, trainer: Trainer, row: dict[str, Any]) -> None:
        for name, value in row.items():
            if isinstance(value, (int, float)) and name != "epoch":
                self.writer.add_scalar(name.replace("_", "/", 1), value, row["epoch"])
        self.writer.flush()

    def on_exception(self, trainer: Trainer) -> None:
        self.writer.close()

    def on_fit_end(self, trainer: Trainer) -> None:
        self.writer.close()


class LearningRateMonitor(Callback):
    """Adds the learning rate at the end of the epoch to its row, as "lr"; of further groups as "lr_1", ..."""

    def on_epoch_end(self, trainer: Trainer, row: dict[str, Any]) -> None:
        for i, group in enumerate(trainer.optimizer.param_groups):
            row["lr" if i == 0 else f"lr_{i}"] = float(group["lr"])


class TerminateOnNaN(Callback):
    """Raises FloatingPointError when the loss is nan or infinite; it looks every `every` batches, as looking waits for
    the device, and at the end of each epoch."""

    def __init__(self, every: int = 20) -> None:
        if every < 1:
            raise ValueError(f"every is {every}, expected at least 1")
        self.every = every

    def on_batch_end(self, trainer: Trainer) -> None:
        if trainer.last_loss is not None and trainer.batch % self.every == 0:
            self._check(trainer.last_loss.item(), trainer.epoch + 1, trainer.step + 1)

    def on_epoch_end(self, trainer: Trainer, row: dict[str, Any]) -> None:
        self._check(row["train_loss"], row["epoch"], trainer.step)

    def _check(self, loss: float, epoch: int, step: int) -> None:
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"the loss is {loss} in epoch {epoch}, step {step} (a smaller learning rate may help)"
            )
