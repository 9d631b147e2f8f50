"""The training loop: epochs over batches, with progress, evaluation and what they measured."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import cuda
from .autograd import no_grad
from .device import device, xp
from .nn import Module
from .optim import Optimizer
from .tensor import Tensor


@dataclass(frozen=True)
class Result:
    """Mean loss, accuracy and the number of samples of one pass over data, and the seconds it took."""

    loss: float
    accuracy: float
    samples: int
    seconds: float

    @property
    def samples_per_second(self) -> float:
        return self.samples / max(self.seconds, 1e-9)


class Meter:
    """Sums of losses and of right answers, kept on the device: reading them is what waits for it."""

    def __init__(self) -> None:
        self.samples = 0
        self.start = time.perf_counter()
        self._loss: Any = 0.0
        self._right: Any = 0

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        n = len(labels)
        self._loss = self._loss + loss._array * n
        self._right = self._right + (logits._array.argmax(axis=1) == labels._array).sum()
        self.samples += n

    def result(self) -> Result:
        n = max(self.samples, 1)
        loss, right = float(self._loss), int(self._right)
        return Result(loss / n, right / n, self.samples, time.perf_counter() - self.start)


class Trainer:
    """Fits a classifier to batches of (input, label).

    `prepare(input)` turns a batch as it is stored (such as uint8 images) into what the model takes. `show` is whether
    progress is shown, on stderr: as a bar on a terminal, else as one line an epoch.
    """

    def __init__(
        self,
        model: Module,
        optimizer: Optimizer,
        loss: Callable[[Tensor, Tensor], Tensor],
        prepare: Callable[[Tensor], Tensor] = lambda batch: batch,
        *,
        show: bool = True,
        on_step: Callable[[], None] = lambda: None,
    ) -> None:
        self.model, self.optimizer, self.loss, self.prepare, self.show = model, optimizer, loss, prepare, show
        self.on_step = on_step

    def train_epoch(self, batches: Iterable[Any], title: str = "") -> Result:
        """One pass over the batches with an update for each."""
        self.model.train()
        meter = Meter()
        for inputs, labels in self._progress(batches, title, meter):
            self.optimizer.zero_grad()
            logits = self.model(self.prepare(inputs))
            loss = self.loss(logits, labels)
            loss.backward()
            self.optimizer.step()
            self.on_step()
            meter.add(loss, logits, labels)
        return meter.result()

    def evaluate(self, batches: Iterable[Any]) -> tuple[Result, Any]:
        """Loss and accuracy without training, and the confusion matrix: counts by (label, prediction)."""
        self.model.eval()
        meter = Meter()
        confusion: Any = None
        with no_grad():
            for inputs, labels in batches:
                logits = self.model(self.prepare(inputs))
                meter.add(self.loss(logits, labels), logits, labels)
                classes = logits.shape[1]
                pairs = labels._array * classes + logits._array.argmax(axis=1)
                counts = xp(pairs).bincount(pairs, minlength=classes * classes).reshape(classes, classes)
                confusion = counts if confusion is None else confusion + counts
        return meter.result(), np.asarray(Tensor._make(confusion).cpu())

    def _progress(self, batches: Iterable[Any], title: str, meter: Meter) -> Iterator[Any]:
        terminal = sys.stderr.isatty()
        if not (self.show and terminal):
            yield from batches
            if self.show:
                r = meter.result()
                line = f"{title}: loss {r.loss:.4f}, accuracy {r.accuracy:.2%}, {r.samples_per_second:,.0f} samples/s"
                print(line, file=sys.stderr, flush=True)
            return
        from tqdm import tqdm

        with tqdm(batches, desc=title, unit="batch", dynamic_ncols=True) as bar:
            last = 0.0
            for batch in bar:
                yield batch
                if time.perf_counter() - last > 0.2:  # reading the meter waits for the device: not for every batch
                    last = time.perf_counter()
                    self._describe(bar, meter)
            self._describe(bar, meter)

    @staticmethod
    def _describe(bar: Any, meter: Meter) -> None:
        r = meter.result()
        bar.set_postfix_str(f"loss {r.loss:.4f}, accuracy {r.accuracy:.2%}, {r.samples_per_second:,.0f} samples/s")


def choose_device(name: str) -> device:
    """The device of this name; "auto" is the first CUDA device if there is one, else the CPU. Errors as `device`."""
    if name == "auto":
        return device("cuda" if cuda.is_available() else "cpu")
    return device(name)
