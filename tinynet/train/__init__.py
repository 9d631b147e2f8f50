"""`python -m tinynet.train`: trains a network on images and says how well it does. Thin: parse, build, fit."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from .. import datasets, report, schedules
from .building import build
from .options import config, fail, parser


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    try:
        state = None
        if args.resume is not None:
            args, state = _resumed(args, argv)
        for name in ("report", "tensorboard", "checkpoint_every"):
            if args.output is None and getattr(args, name):
                fail(f"--{name.replace('_', '-')} needs --output")
        if args.output is not None and args.output.exists() and not args.output.is_dir():
            fail(f"--output {args.output} is a file, expected a folder")
        if args.profile is not None and not args.profile.absolute().parent.is_dir():
            fail(f"--profile {args.profile}: there is no folder {args.profile.parent}")
        if args.report:
            report.require_matplotlib()
        if args.dataset == "mnist" and args.data_dir is None:
            for part in ("train", "t10k"):  # beside the imports
                datasets.mnist.begin(part)
        with nullcontext() if args.quiet else _compiling_is_announced():
            return run(args, state)
    except MemoryError as error:
        print(f"tinynet.train: {error}; a smaller --batch-size needs less", file=sys.stderr)
        return 1
    except FloatingPointError as error:
        print(f"tinynet.train: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except (ValueError, OSError, ImportError) as error:  # bad data, unwritable folders, extras that are not installed
        fail(str(error).splitlines()[0])


def _resumed(args: argparse.Namespace, argv: list[str] | None) -> tuple[argparse.Namespace, dict[str, Any]]:
    """The options of the run in `args.resume`, and its newest state that is whole."""
    from ..checkpoint import Checkpoints

    if args.output is not None and args.output.absolute() != args.resume.absolute():
        fail(f"--output is {args.output}, but --resume goes on in {args.resume}")
    state, problems = Checkpoints(args.resume / "checkpoints").load()
    for problem in problems:
        print(f"{problem}; going on from the one before", file=sys.stderr, flush=True)
    saved = state["config"]
    again = parser()
    again.set_defaults(**saved)
    result = again.parse_args(argv)
    # a run of an earlier version lacks the options that are new
    saved = {name: again.get_default(name) for name in config(result)} | saved
    changed = [name for name, value in config(result).items() if saved[name] != value]
    if changed:
        option = f"--{changed[0].replace('_', '-')}"
        fail(f"{option} is not that of the run in {args.resume}, which --resume goes on with: {saved[changed[0]]}")
    result.output = args.resume
    return result, state["trainer"]


def run(args: argparse.Namespace, state: dict[str, Any] | None) -> int:
    """Trains from the start, or from a trainer's state."""
    from .. import metrics, optim
    from ..checkpoint import save_weights, write_atomically
    from ..device import DeviceUnavailableError, require, simulated
    from ..nn import functional as F
    from ..summary import summary
    from ..trainer import Trainer, choose_device

    def say(*lines: str) -> None:
        if not args.quiet:
            print(*lines, sep="\n", flush=True)

    try:
        device = choose_device(args.device)
        require(device)
    except DeviceUnavailableError as error:
        fail(str(error))
    if args.graph and (device.type != "cuda" or simulated()):
        fail(f"--graph needs a CUDA device, and the run is on {_describe(device) if simulated() else device}")
    if args.graph and args.accumulate > 1:
        fail("--graph holds one batch and its update, and excludes --accumulate")
    built = build(args, device)
    loaders, image, model = built.loaders, built.image, built.model
    if args.output is not None:
        args.output.mkdir(parents=True, exist_ok=True)
        described = {**config(args), "device": str(device), "versions": _versions(device)}
        write_atomically(args.output / "config.json", (json.dumps(described, indent=2) + "\n").encode())
    say(f"device      {device} ({_describe(device)})")
    sizes = ", ".join(f"{name} {len(loader.dataset):,}" for name, loader in loaders.items())
    say(
        f"data        {args.data_dir or args.dataset}: {sizes} images of {' x '.join(map(str, image))}, "
        f"{built.classes} classes"
    )

    parameters = sum(p.numel() for p in model.parameters())
    say(f"model       {args.model}", summary(model, (1, *image)), "")
    optimizers: dict[str, Callable[..., optim.Optimizer]] = {
        "adam": optim.Adam,
        "adamw": optim.AdamW,
        "sgd": partial(optim.SGD, momentum=0.9),
        "rmsprop": optim.RMSprop,
    }
    options = {} if args.weight_decay is None else {"weight_decay": args.weight_decay}
    optimizer = optimizers[args.optimizer](model.parameters(), lr=args.lr, **options)
    per_epoch = -(-len(loaders["train"]) // args.accumulate)
    try:
        scheduler, every = schedules.create(args.schedule, optimizer, args.epochs * per_epoch, per_epoch)
    except ValueError as error:
        fail(f"argument --schedule: {error}")

    def loss(logits: Any, labels: Any) -> Any:
        return F.cross_entropy(logits, labels, label_smoothing=args.label_smoothing if model.training else 0.0)

    trainer = Trainer(
        model,
        optimizer,
        loss,
        metrics={"accuracy": metrics.Accuracy()},
        callbacks=_callbacks(args),
        scheduler=scheduler,
        scheduler_every=every,
        prepare=built.prepare,
        accumulate=args.accumulate,
        clip_norm=args.clip_norm,
        clip_value=args.clip_value,
        l1=args.l1,
        l2=args.l2,
        max_norm=args.max_norm,
        ema=args.ema,
        amp=args.amp,
        graph=args.graph,
    )
    if state is not None:
        trainer.load_state_dict(state)
        say(f"resumed     after {trainer.epoch} epochs and {trainer.batch} batches")
    with _profile(args, say), _stopped_by_ctrl_c(trainer):
        history = trainer.fit(loaders["train"], args.epochs, loaders.get("validation"))

    if args.output is not None:
        save_weights(trainer.current_weights(), args.output / "model.safetensors")
        if history:
            _draw_curves(args.output / "curves.png", history)
    if trainer.interrupted:
        say(
            "", "stopped by Ctrl-C" + (f"; --resume {args.output} goes on from here" if args.output is not None else "")
        )
        return 130
    if len(history) < args.epochs:
        say(f"stopped after {len(history)} epochs: no better loss for {args.patience}; these are the best weights")
    test = trainer.evaluate(loaders["test"], {"accuracy": metrics.Accuracy(), "confusion": metrics.ConfusionMatrix()})
    seconds, trained = (sum(row[name] for row in history) for name in ("train_seconds", "train_samples"))
    say("")
    if not (args.quiet and args.json):
        print(f"test loss      {test['loss']:.4f}", f"test accuracy  {test['accuracy']:.2%}", sep="\n", flush=True)
    say(*_worst(test["confusion"]), f"{seconds:.1f} s, {trained / seconds:,.0f} samples/s")
    if args.report:
        say(f"report      {report.write(args.output, str(device))}")
    if args.json:
        figures = {
            "test_accuracy": test["accuracy"],
            "test_loss": test["loss"],
            "epochs": len(history),
            "seconds": seconds,
            "samples_per_second": trained / seconds,
            "device": str(device),
            "seed": args.seed,
            "parameters": parameters,
        }
        print(json.dumps(figures), flush=True)
    return 0


def _callbacks(args: argparse.Namespace) -> list[Any]:
    from .. import callbacks

    chosen: list[Any] = [callbacks.TerminateOnNaN(), callbacks.LearningRateMonitor()]
    if not args.quiet:
        chosen.append(callbacks.ProgressBar())
    if args.patience is not None:
        chosen.append(callbacks.EarlyStopping(args.patience))
    if args.output is not None:
        chosen += [
            callbacks.CSVLogger(args.output / "metrics.csv"),
            callbacks.JSONLogger(args.output / "metrics.jsonl"),
            *([callbacks.TensorBoard(args.output / "tensorboard")] if args.tensorboard else []),
            callbacks.ModelCheckpoint(
                args.output / "checkpoints", args.checkpoint_every, extra={"config": config(args)}
            ),
        ]
    return chosen


@contextmanager
def _stopped_by_ctrl_c(trainer: Any) -> Iterator[None]:
    """The first Ctrl-C ends training after the present update; a second one ends the program at once."""

    def stop(number: int, frame: Any) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        trainer.stop()

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _compiling_is_announced() -> Iterator[None]:
    """A line on stderr before the first kernel is compiled, which is done once for each machine."""
    from numba.core import event

    class Announcement(event.Listener):  # type: ignore[misc]  # Numba is untyped
        made = False

        def on_start(self, compiling: Any) -> None:
            if not self.made:
                print(
                    "compiling the kernels for this machine; they are kept for the next run ...",
                    file=sys.stderr,
                    flush=True,
                )
            self.made = True

        def on_end(self, compiling: Any) -> None:
            pass

    with event.install_listener("numba:compile", Announcement()):
        yield


@contextmanager
def _profile(args: argparse.Namespace, say: Callable[..., None]) -> Iterator[None]:
    if args.profile is None:
        yield
        return
    from .. import profiler

    with profiler.profile() as measured:
        yield
    say(measured.table())
    path = args.profile
    if path == Path("profile.json"):
        if args.output is None:
            return
        path = args.output / path
    measured.save(path)
    say("", f"trace       {path}")


def _versions(device: Any) -> dict[str, str]:
    """Of what the figures of a run may depend on."""
    import platform
    from importlib import import_module

    import tinynet

    names = ["numpy", "numba"] + (["cupy"] if device.type == "cuda" else [])
    installed = {name: str(import_module(name).__version__) for name in names}
    return {"tinynet": tinynet.__version__, "python": platform.python_version(), **installed}


def _describe(device: Any) -> str:
    from .. import cuda

    return f"{os.cpu_count()} cores" if device.type == "cpu" else cuda.get_device_name(device.index)


def _worst(confusion: Any, most: int = 5) -> list[str]:
    """The most frequent mistakes."""
    mistakes = [(int(n), i, j) for (i, j), n in _cells(confusion) if i != j and n]
    mistakes.sort(key=lambda m: (-m[0], m[1:]))
    if not mistakes:
        return ["no mistakes"]
    wrong = ", ".join(f"{i} as {j} ({n})" for n, i, j in mistakes[:most])
    return [f"most often wrong: {wrong}"]


def _cells(matrix: Any) -> Any:
    import numpy as np

    return np.ndenumerate(matrix)


def _draw_curves(path: Path, history: list[dict[str, Any]]) -> None:
    """Loss and accuracy over the epochs, if matplotlib is installed."""
    from ..checkpoint import write_atomically
    from ..report.figures import curves, png

    try:
        report.require_matplotlib()
    except ImportError:
        return
    write_atomically(path, png(partial(curves, history)))
