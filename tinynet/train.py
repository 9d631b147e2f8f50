"""`python -m tinynet.train`: trains a network on images and says how well it does."""

from __future__ import annotations

import argparse
import csv
import io
import json
import math
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

DATASETS = ("mnist",)
MODELS = ("cnn", "mlp")
OPTIMIZERS = ("adam", "adamw", "sgd", "rmsprop")
EVALUATION_BATCH = 500
MEAN, STD = 33.3184, 78.5675  # of MNIST's training pixels, 0 to 255


class _Parser(argparse.ArgumentParser):
    """Errors are one line: what is wrong, and exit code 2."""

    def error(self, message: str) -> NoReturn:
        fail(message)


def fail(message: str) -> NoReturn:
    print(f"tinynet.train: {message}", file=sys.stderr)
    raise SystemExit(2)


def _number(kind: Any, low: float, high: float = math.inf, *, above: bool = False) -> Any:
    """An argparse type: a number of this kind from low (or above it) to high."""
    wanted = f"expected a number {'above' if above else 'of at least'} {low:g}"
    wanted += "" if high == math.inf else f" and below {high:g}"

    def parse(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
        if not (value > low if above else value >= low) or not value < high:
            raise argparse.ArgumentTypeError(f"{text} is out of range: {wanted}")
        return value

    return parse


def parser() -> argparse.ArgumentParser:
    p = _Parser(prog="python -m tinynet.train", description=__doc__, allow_abbrev=False)
    count = _number(int, 1)
    p.add_argument("--device", default="auto", metavar="{auto,cpu,cuda,cuda:N}", help="default: auto")
    p.add_argument("--dataset", default="mnist", choices=DATASETS, help="default: mnist, which is in the package")
    p.add_argument("--data-dir", type=Path, metavar="DIR", help="a folder with idx files, or an npz file, of your own")
    p.add_argument("--model", default="cnn", choices=MODELS, help="default: cnn")
    p.add_argument("--epochs", type=count, default=5, help="default: 5")
    p.add_argument("--batch-size", type=count, default=64, help="default: 64")
    p.add_argument("--lr", type=_number(float, 0, above=True), default=1e-3, help="learning rate, default: 0.001")
    p.add_argument("--optimizer", default="adam", choices=OPTIMIZERS, help="default: adam")
    p.add_argument("--seed", type=_number(int, 0, 2**64), default=0, help="default: 0")
    p.add_argument("--limit-train", type=count, metavar="N", help="train on the first N images only")
    p.add_argument("--limit-test", type=count, metavar="N", help="test on the first N images only")
    p.add_argument("--validation-split", type=_number(float, 0, 1), default=0.0, metavar="FRACTION", help="default: 0")
    p.add_argument(
        "--output", type=Path, metavar="DIR", help="write metrics.csv, model.safetensors, config.json, curves.png"
    )
    p.add_argument("--quiet", action="store_true", help="no progress, no tables")
    p.add_argument("--json", action="store_true", help="the last line of stdout is one JSON object")
    return p


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    try:
        return run(args)
    except (ValueError, OSError) as error:  # bad data and unwritable folders; what was asked for cannot be done
        fail(str(error).splitlines()[0])


def run(args: argparse.Namespace) -> int:
    import tinynet

    from . import models, optim
    from .checkpoint import save_weights
    from .device import DeviceUnavailableError, require
    from .nn import functional as F
    from .summary import summary
    from .trainer import Trainer, choose_device

    def say(*lines: str) -> None:
        if not args.quiet:
            print(*lines, sep="\n", flush=True)

    try:
        device = choose_device(args.device)
        require(device)
    except DeviceUnavailableError as error:
        fail(str(error))
    if args.output is not None:
        args.output.mkdir(parents=True, exist_ok=True)
    tinynet.manual_seed(args.seed)
    loaders, image, classes = _loaders(args, device)
    say(f"device      {device} ({_describe(device)})")
    sizes = ", ".join(f"{name} {len(loader.dataset):,}" for name, loader in loaders.items())
    say(
        f"data        {args.data_dir or args.dataset}: {sizes} images of {' x '.join(map(str, image))}, {classes} classes"
    )

    model = models.create(args.model, classes, image[0], image[-1]).to(device)
    parameters = sum(p.numel() for p in model.parameters())
    say(f"model       {args.model}", summary(model, (1, *image)), "")
    optimizers: dict[str, Callable[..., optim.Optimizer]] = {
        "adam": optim.Adam,
        "adamw": optim.AdamW,
        "sgd": partial(optim.SGD, momentum=0.9),
        "rmsprop": optim.RMSprop,
    }
    optimizer = optimizers[args.optimizer](model.parameters(), lr=args.lr)

    def prepare(batch: Any) -> Any:
        return (batch.float() - MEAN) / STD

    schedule = _Schedule(optimizer, args.lr, args.epochs * len(loaders["train"]))
    trainer = Trainer(model, optimizer, F.cross_entropy, prepare, show=not args.quiet, on_step=schedule.step)
    history: list[dict[str, Any]] = []
    start, trained, interrupted = time.perf_counter(), 0, False
    try:
        for epoch in range(1, args.epochs + 1):
            result = trainer.train_epoch(loaders["train"], f"epoch {epoch}/{args.epochs}")
            trained += result.samples
            row = {"epoch": epoch, **{f"train_{k}": v for k, v in asdict(result).items()}}
            if "validation" in loaders:
                validation, _ = trainer.evaluate(loaders["validation"])
                say(f"validation  loss {validation.loss:.4f}, accuracy {validation.accuracy:.2%}")
                row |= {"validation_loss": validation.loss, "validation_accuracy": validation.accuracy}
            history.append(row)
    except KeyboardInterrupt:
        interrupted = True
        say("", "stopped by Ctrl-C; the weights are those so far")
    seconds = time.perf_counter() - start

    if args.output is not None:
        save_weights(model, args.output / "model.safetensors")
        _write_records(args, history)
    if interrupted:
        return 130
    test, confusion = trainer.evaluate(loaders["test"])
    say("", f"test loss      {test.loss:.4f}", f"test accuracy  {test.accuracy:.2%}", *_worst(confusion))
    say(f"{seconds:.1f} s, {trained / seconds:,.0f} samples/s")
    if args.json:
        report = {
            "test_accuracy": test.accuracy,
            "test_loss": test.loss,
            "epochs": args.epochs,
            "seconds": seconds,
            "samples_per_second": trained / seconds,
            "device": str(device),
            "seed": args.seed,
            "parameters": parameters,
        }
        print(json.dumps(report), flush=True)
    return 0


class _Schedule:
    """The learning rate falls along half a cosine to a hundredth over the run (Loshchilov and Hutter 2017)."""

    def __init__(self, optimizer: Any, lr: float, steps: int) -> None:
        self.optimizer, self.lr, self.steps, self.done = optimizer, lr, steps, 0

    def step(self) -> None:
        self.done += 1
        share = 0.5 * (1 + math.cos(math.pi * self.done / self.steps))
        for group in self.optimizer.param_groups:
            group["lr"] = self.lr * (0.01 + 0.99 * share)


def _loaders(args: argparse.Namespace, device: Any) -> tuple[dict[str, Any], tuple[int, ...], int]:
    """Loaders of the training, validation and test part on the device, the shape of an image, and the classes."""
    from . import from_numpy
    from .datasets import MNIST, load_folder
    from .utils.data import DataLoader, TensorDataset, random_split

    if args.data_dir is None:
        parts = [MNIST(train=train) for train in (True, False)]
        arrays = [(p.data.numpy(), p.targets.numpy()) for p in parts]
    else:
        x_train, y_train, x_test, y_test = load_folder(args.data_dir)
        arrays = [(x_train, y_train.astype("int64")), (x_test, y_test.astype("int64"))]
    sets = []
    for (images, labels), limit in zip(arrays, (args.limit_train, args.limit_test)):
        images = images[:limit] if images.ndim == 4 else images[:limit, None]
        if not len(images):
            raise ValueError("the data set has no images")
        sets.append(TensorDataset(from_numpy(images).to(device), from_numpy(labels[:limit]).to(device)))
    classes = int(max(labels.max() for _, labels in arrays)) + 1
    train, test = sets
    loaders: dict[str, Any] = {}
    if args.validation_split:
        kept, held = random_split(train, [1 - args.validation_split, args.validation_split])
        if not len(kept) or not len(held):
            raise ValueError(f"--validation-split {args.validation_split} leaves no images on one side")
        loaders["train"] = DataLoader(kept, args.batch_size, shuffle=True)
        loaders["validation"] = DataLoader(held, EVALUATION_BATCH)
    else:
        loaders["train"] = DataLoader(train, args.batch_size, shuffle=True)
    loaders["test"] = DataLoader(test, EVALUATION_BATCH)
    return loaders, train.tensors[0].shape[1:], classes


def _describe(device: Any) -> str:
    from . import cuda

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


def _write_records(args: argparse.Namespace, history: list[dict[str, Any]]) -> None:
    from . import __version__
    from .checkpoint import write_atomically

    config = {k: str(v) if isinstance(v, Path) else v for k, v in vars(args).items()} | {"version": __version__}
    write_atomically(args.output / "config.json", (json.dumps(config, indent=2) + "\n").encode())
    if not history:
        return
    text = io.StringIO()
    writer = csv.DictWriter(text, list(history[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    write_atomically(args.output / "metrics.csv", text.getvalue().encode())
    _draw_curves(args.output / "curves.png", history)


def _draw_curves(path: Path, history: list[dict[str, Any]]) -> None:
    """Loss and accuracy over the epochs, if matplotlib is installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    epochs = [row["epoch"] for row in history]
    for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy")):
        for part in ("train", "validation"):
            if f"{part}_{name}" in history[0]:
                axes.plot(epochs, [row[f"{part}_{name}"] for row in history], marker="o", label=part)
        axes.set(xlabel="epoch", ylabel=name, xticks=epochs)
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    sys.exit(main())
