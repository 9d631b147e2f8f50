"""The options of `python -m tinynet.train`."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import Any, NoReturn

from .. import schedules

DATASETS = ("mnist", "fashion-mnist", "kmnist", "cifar10")
OPTIMIZERS = ("adam", "adamw", "sgd", "rmsprop")
# may change when a run is resumed
NOT_OF_THE_RUN = ("resume", "output", "device", "quiet", "json", "profile", "report", "tensorboard", "graph")


class _Parser(argparse.ArgumentParser):
    """Errors are one line: what is wrong, and exit code 2."""

    def error(self, message: str) -> NoReturn:
        fail(message)


def fail(message: str) -> NoReturn:
    print(f"tinynet.train: {message}", file=sys.stderr)
    raise SystemExit(2)


def _number(kind: Any, low: float, high: float = math.inf, *, above: bool = False) -> Any:
    """An argparse type: a number of this kind from low (or above it) to high."""
    noun = "whole number" if kind is int else "number"
    wanted = f"expected a {noun} {'above' if above else 'of at least'} {low}"
    wanted += "" if high == math.inf else f" and below {high}"

    def parse(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a {noun}") from None
        if not (value > low if above else value >= low) or not value < high:
            raise argparse.ArgumentTypeError(f"{text} is out of range: {wanted}")
        return value

    return parse


def _schedule(text: str) -> str:
    try:
        schedules.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def parser() -> argparse.ArgumentParser:
    from ..models import MODELS

    about = "Trains a network on images and says how well it does."
    p = _Parser(prog="python -m tinynet.train", description=about, allow_abbrev=False)
    count, share = _number(int, 1), _number(float, 0, 1)
    positive, amount = _number(float, 0, above=True), _number(float, 0)
    p.add_argument("--device", default="auto", metavar="{auto,cpu,cuda,cuda:N}", help="default: auto")
    p.add_argument(
        "--dataset",
        default="mnist",
        choices=DATASETS,
        help="default: mnist, which is in the package; the others are downloaded once",
    )
    p.add_argument(
        "--data-dir",
        type=Path,
        metavar="DIR",
        help="data of your own: a folder with train/CLASS/ and test/CLASS/ of pictures, train.csv and test.csv, or idx files; "
        "or an npz file",
    )
    p.add_argument("--model", default="cnn", choices=tuple(MODELS), help="default: cnn")
    p.add_argument("--epochs", type=count, default=5, metavar="N", help="default: 5")
    p.add_argument("--batch-size", type=count, default=64, metavar="N", help="default: 64")
    p.add_argument("--lr", type=positive, default=1e-3, metavar="X", help="learning rate, default: 0.001")
    p.add_argument("--optimizer", default="adam", choices=OPTIMIZERS, help="default: adam")
    p.add_argument("--seed", type=_number(int, 0, 2**64), default=0, metavar="N", help="default: 0")
    p.add_argument("--limit-train", type=count, metavar="N", help="train on the first N images only")
    p.add_argument("--limit-test", type=count, metavar="N", help="test on the first N images only")
    p.add_argument(
        "--validation-split",
        type=share,
        default=0.0,
        metavar="FRACTION",
        help="of the training images, by chance, to evaluate on after each epoch instead; default: 0",
    )

    g = p.add_argument_group("updates")
    g.add_argument(
        "--schedule",
        type=_schedule,
        default="cosine",
        metavar="NAME[:KEY=VALUE,...]",
        help=f"of the learning rate, times in epochs: {', '.join(schedules.SCHEDULES)}; such as step:step_size=2,gamma=0.5, "
        "cosine:warmup=1, 'lambda:1/(1+epoch)', or 'linear:start=0.1,final=1 for 2 then cosine'; default: cosine",
    )
    g.add_argument(
        "--amp",
        choices=("fp16", "bf16", "tf32"),
        help="mixed precision on tensor cores: float16 with a loss scale, or factors of products in bfloat16 or TF32",
    )
    g.add_argument("--accumulate", type=count, default=1, metavar="N", help="batches to an update, default: 1")
    g.add_argument(
        "--graph", action="store_true", help="on CUDA: replay a whole step with one launch, to the same bits"
    )
    g.add_argument("--clip-norm", type=positive, metavar="X", help="limit of the norm of all gradients")
    g.add_argument("--clip-value", type=positive, metavar="X", help="limit of each element of the gradients")
    g.add_argument("--ema", type=share, metavar="DECAY", help="evaluate a moving average of the weights, such as 0.999")
    g.add_argument(
        "--patience",
        type=count,
        metavar="N",
        help="stop after N epochs without a better validation loss (or training loss, if there is none); keep the best weights",
    )

    g = p.add_argument_group("regularisation")
    g.add_argument("--l1", type=amount, default=0.0, metavar="X", help="adds X * sum |w| to the loss")
    g.add_argument("--l2", type=amount, default=0.0, metavar="X", help="adds X * sum w**2 to the loss")
    g.add_argument(
        "--weight-decay",
        type=amount,
        metavar="X",
        help="of the optimizer (decoupled with adamw), default: the optimizer's",
    )
    g.add_argument(
        "--dropout", type=share, default=0.0, metavar="P", help="of the inputs of the last layer, default: 0"
    )
    g.add_argument("--label-smoothing", type=share, default=0.0, metavar="X", help="in training, default: 0")
    g.add_argument("--max-norm", type=positive, metavar="X", help="limit of the norm of each unit's weights")

    g = p.add_argument_group("augmentation, of the training images")
    g.add_argument("--rotate", type=_number(float, 0, 181), default=0.0, metavar="DEGREES", help="either way, at most")
    g.add_argument("--shift", type=share, default=0.0, metavar="FRACTION", help="of the size, at most")
    g.add_argument("--zoom", type=share, default=0.0, metavar="FRACTION", help="in or out, at most")
    g.add_argument("--shear", type=_number(float, 0, 90), default=0.0, metavar="DEGREES", help="either way, at most")
    g.add_argument("--crop", type=_number(int, 0), default=0, metavar="PIXELS", help="random crops after padding")
    g.add_argument("--flip", action="store_true", help="half of the images, left to right")
    g.add_argument("--erase", type=share, default=0.0, metavar="P", help="a rectangle of this share of the images")

    g = p.add_argument_group("files and messages")
    files = "metrics.csv, metrics.jsonl, model.safetensors, config.json, curves.png and checkpoints"
    g.add_argument("--output", type=Path, metavar="DIR", help=f"write {files}")
    g.add_argument("--checkpoint-every", type=count, metavar="STEPS", help="default: at the end of each epoch")
    g.add_argument(
        "--resume",
        type=Path,
        metavar="DIR",
        help="go on with the run whose --output this was, stopped or killed, to the same bits; with its options",
    )
    g.add_argument("--tensorboard", action="store_true", help="write event files to the folder tensorboard in it too")
    g.add_argument("--report", action="store_true", help="make a page with pictures in the output folder")
    g.add_argument(
        "--profile",
        type=Path,
        nargs="?",
        const=Path("profile.json"),
        metavar="FILE",
        help="a table of where the time went, and a Chrome trace in FILE, default: profile.json in the output folder, if any",
    )
    g.add_argument("--quiet", action="store_true", help="no progress, no tables: only the result")
    g.add_argument("--json", action="store_true", help="the last line of stdout is one JSON object")
    return p


def config(args: argparse.Namespace) -> dict[str, Any]:
    """The options that make the run what it is, as JSON has them."""
    return {
        name: str(value.absolute()) if isinstance(value, Path) else value
        for name, value in vars(args).items()
        if name not in NOT_OF_THE_RUN
    }
