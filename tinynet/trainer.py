"""The training loop: epochs over batches, evaluation, prediction, and a state that resumes to the same bits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from . import cuda, dtypes, ops, random
from .amp import GradScaler, autocast
from .autograd import no_grad
from .averaging import EMA
from .device import device, simulated
from .graphed_batches import GraphedBatches
from .metrics import Mean, Metric
from .nn import Module
from .nn.utils import clip_grad_norm_, clip_grad_value_
from .optim import Optimizer
from .precision import get_float32_matmul_precision, set_float32_matmul_precision
from .tensor import Tensor, as_tensor

if TYPE_CHECKING:
    from .callbacks import Callback


class Trainer:
    """Fits a model to batches of (inputs, targets).

    loss              of (outputs, targets), a mean over the batch.
    metrics           by name; computed over the training, validation and evaluation data alike.
    callbacks         see `tinynet.callbacks`.
    scheduler         of the learning rate; it steps after each update, or after each epoch if `scheduler_every` is "epoch".
                      "loss" is as "epoch", and gives it the validation loss, or else the training loss: ReduceLROnPlateau.
    prepare           turns inputs as they are stored (such as uint8 images) into what the model takes; augmentation too:
                      `model.training` says whether it is wanted.
    accumulate        batches whose gradients are averaged into one update; default 1.
    clip_norm, clip_value  limits of the norm of all gradients together, and of each element; default none.
    l1, l2            penalties l1 * sum |w| + l2 * sum w**2 on weights of two and more dimensions; their gradients are added,
                      the reported loss is without them; default 0.
    max_norm          weights of two and more dimensions are scaled down after each update until those of each output have
                      at most this Euclidean norm (Srivastava et al. 2014); default none.
    ema               decay of a moving average of the weights, which is then what is evaluated and what `fit` leaves in
                      the model; default none.
    amp               mixed precision: "fp16" and "bf16" run the forward pass in autocast with that dtype, "fp16" with a
                      GradScaler for the backward pass; "tf32" rounds the factors of float32 products. Weights, their
                      gradients, the loss and the optimizer stay float32; default none.
    graph             on CUDA, replay the work on a batch, update included, as one graph (see `tinynet.cuda.graph`), to the
                      same bits. Batches of tensors on the device, such as those of a TensorDataset there, are gathered in it;
                      one of another size, such as the last, is trained on as without. Needs accumulate 1; default False.

    Raises ValueError for options out of range.
    """

    def __init__(
        self,
        model: Module,
        optimizer: Optimizer,
        loss: Callable[[Tensor, Tensor], Tensor],
        *,
        metrics: Mapping[str, Metric] | None = None,
        callbacks: Sequence[Callback] = (),
        scheduler: Any = None,
        scheduler_every: str = "step",
        prepare: Callable[[Tensor], Tensor] | None = None,
        accumulate: int = 1,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        l1: float = 0.0,
        l2: float = 0.0,
        max_norm: float | None = None,
        ema: float | None = None,
        amp: str | None = None,
        graph: bool = False,
    ) -> None:
        if accumulate < 1:
            raise ValueError(f"accumulate is {accumulate}, expected at least 1")
        if graph and accumulate > 1:
            raise ValueError(f"graph is True and accumulate {accumulate}: a graph holds one batch and its update")
        if amp not in (None, "fp16", "bf16", "tf32"):
            raise ValueError(f"amp is {amp!r}, expected None, 'fp16', 'bf16' or 'tf32'")
        for name, value in (("clip_norm", clip_norm), ("clip_value", clip_value), ("max_norm", max_norm)):
            if value is not None and not value > 0:
                raise ValueError(f"{name} is {value}, expected a number above 0")
        for name, value in (("l1", l1), ("l2", l2)):
            if not value >= 0:
                raise ValueError(f"{name} is {value}, expected at least 0")
        if scheduler_every not in ("step", "epoch", "loss"):
            raise ValueError(f"scheduler_every is {scheduler_every!r}, expected 'step', 'epoch' or 'loss'")
        self.model, self.optimizer, self.loss, self.prepare = model, optimizer, loss, prepare
        self.metrics = dict(metrics or {})
        self.callbacks = sorted(callbacks, key=lambda c: c.after_others)  # the order among equals stays
        self.scheduler, self.scheduler_every = scheduler, scheduler_every
        self.accumulate, self.clip_norm, self.clip_value = accumulate, clip_norm, clip_value
        self.l1, self.l2, self.max_norm = l1, l2, max_norm
        self.graph = graph
        self.ema = None if ema is None else EMA(model, ema)
        self.amp, self.scaler = amp, GradScaler() if amp == "fp16" else None
        self.weights = [p for p in model.parameters() if p.ndim >= 2]
        self.mean_loss = Mean()
        self.epoch = 0  # epochs that are finished
        self.batch = 0  # batches of the present epoch that are done
        self.step = 0  # updates
        self.epochs = 0  # how many `fit` was asked for
        self.last_loss: Tensor | None = None
        self.history: list[dict[str, Any]] = []
        self.finished = False  # nothing is left to do for `fit`, such as after early stopping
        self.interrupted = False
        self._order: Tensor | None = None  # the state of the random numbers when the present epoch began
        self._own_order: Tensor | None = None  # that of the loader's own generator, if it has one
        self._loaded = False  # whether that is from a saved state, and the generator is still to take it up
        self._start = time.perf_counter()
        self._seconds = 0.0  # spent on the present epoch before a resume

    # fitting

    def fit(
        self, data: Any, epochs: int = 1, validation: Any = None, *, batch_size: int = 32, shuffle: bool = True
    ) -> list[dict[str, Any]]:
        """Trains until `epochs` epochs are done, counted from the first call; returns a dictionary of figures for each, in
        which metrics that are arrays are lists.

        data, validation  a loader (an iterable of (inputs, targets)), or a pair of arrays or tensors, which are cut into
                          batches of `batch_size`, the training data in a new order each epoch if `shuffle`. Batches are
                          moved to the model's device; NumPy arrays of floats take the dtype of its weights.

        After early stopping nothing is left to do, and further calls return at once.
        """
        if epochs < 0:
            raise ValueError(f"epochs is {epochs}, expected at least 0")
        batches = self._loader(data, batch_size, shuffle)
        held = None if validation is None else self._loader(validation, batch_size, False)
        if self.graph:
            if self.place().type != "cuda":
                raise ValueError(f"graph is True, but the model is on {self.place()}: graphs are for CUDA")
            batches = GraphedBatches(self, batches)
        self.epochs, self.interrupted = epochs, False
        try:
            self._fit(batches, held)
        except BaseException:
            self._call("on_exception")
            raise
        return self.history

    def _fit(self, batches: Iterable[Any], held: Iterable[Any] | None) -> None:
        self._call("on_fit_begin")
        while self.epoch < self.epochs and not self.finished:
            if not self._train_epoch(batches):
                self._call("on_interrupt")
                break
            row: dict[str, Any] = {"epoch": self.epoch + 1, "train_loss": self.mean_loss.compute()}
            row |= {f"train_{name}": metric.compute() for name, metric in self.metrics.items()}
            row |= {"train_samples": int(self.mean_loss.total("weight")), "train_seconds": self.seconds}
            if held is not None:
                row |= {f"validation_{name}": value for name, value in self.evaluate(held).items()}
            row = {name: v.tolist() if isinstance(v, np.ndarray) else v for name, v in row.items()}
            self.epoch, self.batch, self._order, self._seconds = self.epoch + 1, 0, None, 0.0
            if self.scheduler is not None and self.scheduler_every != "step":
                watched = (row.get("validation_loss", row["train_loss"]),)
                self.scheduler.step(*(watched if self.scheduler_every == "loss" else ()))
            self.history.append(row)
            self._call("on_epoch_end", row)
        self._call("on_fit_end")
        if self.ema is not None and not self.interrupted:
            self.model.load_state_dict(self.ema.average)

    def stop(self) -> None:
        """Ends `fit` after the present update, in the middle of the epoch. May be called from a signal handler."""
        self.interrupted = True

    @property
    def seconds(self) -> float:
        """Spent on the present epoch."""
        return self._seconds + time.perf_counter() - self._start

    def _train_epoch(self, batches: Any) -> bool:
        """One pass over the batches, from the one after `self.batch`; whether it came to the end."""
        graphed = batches if isinstance(batches, GraphedBatches) else None
        self.model.train()
        resumed = self._order is not None
        now = random.get_rng_state()
        if self._order is None:
            self._order = now
            for meter in (self.mean_loss, *self.metrics.values()):
                meter.clear() if graphed is not None else meter.reset()
        random.set_rng_state(self._order)
        own = _own_generator(batches if graphed is None else graphed.loader)
        if own is not None:
            if self._loaded and self._own_order is not None:
                own.set_state(self._own_order)
            self._own_order = own.get_state()
        self._loaded = False
        self._start = time.perf_counter()
        self._call("on_epoch_begin", len(batches) if hasattr(batches, "__len__") else None)
        pending = 0
        self.optimizer.zero_grad()
        for i, batch in enumerate(batches):
            if i < self.batch:
                continue  # the data order is drawn anew, and what was done already passed over
            if resumed and i == self.batch:
                random.set_rng_state(now)
                resumed = False
            whole = graphed is not None and graphed.fits(batch)  # with its update
            if graphed is None:
                self.last_loss = self.learn(*batch)
            else:
                self.last_loss = graphed.train(batch) if whole else self.learn(*graphed.unpacked(batch))
            pending += 1
            self.batch = i + 1
            self._call("on_batch_end")
            if pending == self.accumulate:
                self._update(0 if whole else pending)
                pending = 0
                if self.interrupted:
                    return False
        if resumed:
            random.set_rng_state(now)
        if pending:
            self._update(pending)
        if own is not None and not self.interrupted:
            self._own_order = own.get_state()
        return not self.interrupted

    def learn(self, inputs: Any, targets: Any) -> Tensor:
        """Adds the gradients of a batch, and what it gives to the metrics; returns its loss."""
        with self._reduced():
            outputs, targets = self._forward(inputs), self._placed(targets)
            loss = self.loss(outputs, targets)
        (loss if self.scaler is None else self.scaler.scale(loss)).backward()
        with no_grad():
            self.mean_loss.add(loss.detach(), len(targets))
            for metric in self.metrics.values():
                metric.update(outputs, targets)
        return loss.detach()

    def _update(self, batches: int) -> None:
        """One step of the optimizer with the gradients of so many batches (0: it is done already), and what follows it."""
        if batches:
            self.apply(batches)
        if self.scheduler is not None and self.scheduler_every == "step":
            self.scheduler.step()
        if self.ema is not None:
            self.ema.update()
        self.step += 1
        self._call("on_step")

    def apply(self, batches: int) -> None:
        """Changes the weights by the gradients of so many batches."""
        with no_grad():
            if self.scaler is not None:
                self.scaler.unscale_(self.optimizer)
            if batches > 1:
                for p in self.model.parameters():
                    if p.grad is not None:
                        p.grad.mul_(1.0 / batches)
            for w in self.weights:
                if w.grad is not None and self.l1:
                    w.grad.add_(w.sign(), alpha=self.l1)
                if w.grad is not None and self.l2:
                    w.grad.add_(w, alpha=2 * self.l2)
            if self.clip_value is not None:
                clip_grad_value_(self.model.parameters(), self.clip_value)
            if self.clip_norm is not None:
                clip_grad_norm_(self.model.parameters(), self.clip_norm)
            if self.scaler is None:
                self.optimizer.step()
            else:
                self.scaler.step(self.optimizer)
                self.scaler.update()
            self.optimizer.zero_grad()
            if self.max_norm is not None:
                for w in self.weights:
                    norms = (w * w).sum(dim=tuple(range(1, w.ndim)), keepdim=True).sqrt()
                    w.mul_(ops.clamp(self.max_norm / (norms + 1e-12), max=1.0))

    def _forward(self, inputs: Any) -> Any:
        inputs = self._placed(inputs)
        return self.model(inputs if self.prepare is None else self.prepare(inputs))

    @contextmanager
    def _reduced(self) -> Iterator[None]:
        """The precision that `amp` asks for."""
        before = get_float32_matmul_precision()
        if self.amp == "tf32":
            set_float32_matmul_precision("high")
        low = {"fp16": dtypes.float16, "bf16": dtypes.bfloat16}.get(self.amp or "")
        try:
            with nullcontext() if low is None else autocast(self.place().type, low):
                yield
        finally:
            set_float32_matmul_precision(before)

    def _placed(self, part: Any) -> Any:
        """A tensor of a batch on the model's device."""
        return part.to(self.place()) if isinstance(part, Tensor) else part

    def place(self) -> device:
        """The model's device."""
        return next((p.device for p in self.model.parameters()), device("cpu"))

    def _tensor(self, part: Any) -> Tensor:
        """An array or a tensor of the user's; NumPy's floats, which are float64 by default, in the dtype of the weights."""
        if isinstance(part, np.ndarray) and part.dtype.kind == "f":
            dtype = next((p.dtype for p in self.model.parameters()), None)
            return as_tensor(part) if dtype is None else as_tensor(part).to(dtype)
        return as_tensor(part)

    def _loader(self, data: Any, batch_size: int, shuffle: bool) -> Iterable[Any]:
        """The data itself if it gives batches, else batches of the pair of arrays."""
        if not isinstance(data, (tuple, list)):
            batches: Iterable[Any] = data
            return batches
        if len(data) != 2 or not all(isinstance(part, (Tensor, np.ndarray)) for part in data):
            raise TypeError("data must be a loader or a pair (inputs, targets) of arrays or tensors")
        from .utils.data import DataLoader, TensorDataset

        return DataLoader(TensorDataset(*map(self._tensor, data)), batch_size, shuffle)

    def _call(self, event: str, *args: Any) -> None:
        for callback in self.callbacks:
            getattr(callback, event)(self, *args)

    # evaluation

    def evaluate(
        self, data: Any, metrics: Mapping[str, Metric] | None = None, *, batch_size: int = 500
    ) -> dict[str, Any]:
        """{"loss": mean loss, and each metric by name} over a loader or a pair of arrays; default: the trainer's metrics.

        The training state, the metrics' included, stays as it is.
        """
        chosen = self.metrics if metrics is None else dict(metrics)
        kept = {name: metric.totals for name, metric in chosen.items()}
        loss = Mean()
        for metric in chosen.values():
            metric.reset()
        try:
            with self._evaluating():
                for inputs, targets in self._loader(data, batch_size, False):
                    with self._reduced():
                        outputs, targets = self._forward(inputs), self._placed(targets)
                        batch_loss = self.loss(outputs, targets)
                    loss.add(batch_loss, len(targets))
                    for metric in chosen.values():
                        metric.update(outputs, targets)
            return {"loss": loss.compute(), **{name: metric.compute() for name, metric in chosen.items()}}
        finally:
            for name, metric in chosen.items():
                metric.totals = kept[name]

    def predict(self, data: Any, *, batch_size: int = 500) -> Tensor:
        """The outputs for a loader (of inputs, or of tuples that start with them), an array or a tensor, in one tensor."""
        if isinstance(data, (Tensor, np.ndarray)):
            whole = self._tensor(data)
            data = (whole[i : i + batch_size] for i in range(0, max(len(whole), 1), batch_size))
        with self._evaluating(), self._reduced():
            return ops.cat([self._forward(b[0] if isinstance(b, (tuple, list)) else b) for b in data])

    def current_weights(self) -> dict[str, Tensor]:
        """Copies of the weights that are evaluated: the model's, or their moving average."""
        source = self.model.state_dict() if self.ema is None else self.ema.average
        return {name: t.clone() for name, t in source.items()}

    def set_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Gives the model, and the moving average, these weights."""
        self.model.load_state_dict(weights)
        if self.ema is not None:
            self.ema.adopt(weights)

    @contextmanager
    def _evaluating(self) -> Iterator[None]:
        """The model in evaluation mode with the weights to evaluate, without gradients; all as before at the end."""
        mode = self.model.training
        self.model.eval()
        try:
            with no_grad(), nullcontext() if self.ema is None else self.ema.applied():
                yield
        finally:
            self.model.train(mode)

    # saving

    def _stateful(self) -> list[Callback]:
        """The callbacks that have something to save; others, such as logs, may differ when a run goes on."""
        from .callbacks import Callback

        return [c for c in self.callbacks if type(c).state_dict is not Callback.state_dict]

    def state_dict(self) -> dict[str, Any]:
        """All that `fit` needs to go on to the same bits, after any update."""
        return {
            "epoch": self.epoch,
            "batch": self.batch,
            "step": self.step,
            "finished": self.finished,
            "history": self.history,
            "seconds": self.seconds if self._order is not None else 0.0,
            "random": random.get_rng_state(),
            "order": self._order,
            "own_order": self._own_order,
            "model": dict(self.model.state_dict()),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": None if self.scheduler is None else self.scheduler.state_dict(),
            "ema": None if self.ema is None else self.ema.state_dict(),
            "scaler": None if self.scaler is None else self.scaler.state_dict(),
            "mean_loss": self.mean_loss.state_dict(),
            "metrics": {name: metric.state_dict() for name, metric in self.metrics.items()},
            "callbacks": [[type(c).__name__, c.state_dict()] for c in self._stateful()],
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes up a state; the trainer must be made as the one it comes from, but for callbacks without a state.

        Raises ValueError, or RuntimeError for another model, if it was not, in which case the trainer is as it was.
        """
        stateful = self._stateful()
        names = [type(c).__name__ for c in stateful]
        saved = [name for name, _ in state_dict["callbacks"]]
        if saved != names:
            raise ValueError(f"the state has callbacks {saved}, this trainer {names}")
        for name, own in (("scheduler", self.scheduler), ("ema", self.ema), ("scaler", self.scaler)):
            missing = state_dict.get(name) is None
            if (own is None) != missing:
                raise ValueError(f"the state has {'no' if missing else 'a'} {name}, unlike this trainer")
        if set(state_dict["metrics"]) != set(self.metrics):
            raise ValueError(f"the state has metrics {list(state_dict['metrics'])}, this trainer {list(self.metrics)}")
        place, before = self.place(), {name: t.clone() for name, t in self.model.state_dict().items()}
        self.model.load_state_dict(state_dict["model"])
        try:
            self.optimizer.load_state_dict(state_dict["optimizer"])
        except ValueError:
            self.model.load_state_dict(before)
            raise
        if self.scheduler is not None:
            self.scheduler.load_state_dict(state_dict["scheduler"])
        if self.ema is not None:
            self.ema.load_state_dict(state_dict["ema"])
        if self.scaler is not None:
            self.scaler.load_state_dict(state_dict["scaler"])
        self.mean_loss.load_state_dict(state_dict["mean_loss"], place)
        for name, metric in self.metrics.items():
            metric.load_state_dict(state_dict["metrics"][name], place)
        for callback, (_, state) in zip(stateful, state_dict["callbacks"]):
            callback.load_state_dict(state)
        self.epoch, self.batch, self.step = (state_dict[k] for k in ("epoch", "batch", "step"))
        self.finished, self.history = state_dict["finished"], list(state_dict["history"])
        self._order, self._seconds = state_dict["order"], state_dict["seconds"]
        self._own_order, self._loaded = state_dict["own_order"], True
        random.set_rng_state(state_dict["random"])


def _own_generator(batches: Any) -> Any:
    """The generator that a loader, or its sampler, draws the order of the data from, if that is not the default one."""
    found = getattr(batches, "generator", None) or getattr(getattr(batches, "sampler", None), "generator", None)
    return found if isinstance(found, random.Generator) else None


def choose_device(name: str) -> device:
    """The device of this name; "auto" is the first CUDA device if there is one, not simulated, else the CPU."""
    if name == "auto":
        return device("cuda" if cuda.is_available() and not simulated() else "cpu")
    return device(name)
