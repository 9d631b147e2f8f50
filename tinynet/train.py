"""`python -m tinynet.train`: trains a network on images and says how well it does."""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from . import report, schedules

DATASETS = ("mnist", "fashion-mnist", "kmnist", "cifar10")
OPTIMIZERS = ("adam", "adamw", "sgd", "rmsprop")
EVALUATION_BATCH = 500
MEAN, STD = 33.3184, 78.5675  # of MNIST's training pixels, 0 to 255
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
    from .models import MODELS

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


def _config(args: argparse.Namespace) -> dict[str, Any]:
    """The options that make the run what it is, as JSON has them."""
    return {
        name: str(value.absolute()) if isinstance(value, Path) else value
        for name, value in vars(args).items()
        if name not in NOT_OF_THE_RUN
    }


def _resumed(args: argparse.Namespace, argv: list[str] | None) -> tuple[argparse.Namespace, dict[str, Any]]:
    """The options of the run in `args.resume`, and its newest state that is whole."""
    from .checkpoint import Checkpoints

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
    saved = {name: again.get_default(name) for name in _config(result)} | saved
    changed = [name for name, value in _config(result).items() if saved[name] != value]
    if changed:
        option = f"--{changed[0].replace('_', '-')}"
        fail(f"{option} is not that of the run in {args.resume}, which --resume goes on with: {saved[changed[0]]}")
    result.output = args.resume
    return result, state["trainer"]


@dataclass
class Built:
    """What the options of a run make, on its device: `prepare` turns stored images into what the model takes."""

    loaders: dict[str, Any]
    image: tuple[int, ...]
    classes: int
    model: Any
    prepare: Callable[[Any], Any]


def build(args: argparse.Namespace, device: Any) -> Built:
    """Data and the untrained model; ValueError, OSError for data that cannot be read or used."""
    import tinynet

    from . import models, transforms

    tinynet.manual_seed(args.seed)
    loaders, image, classes = _loaders(args, device)
    model = models.create(args.model, classes, image[0], image[-1]).to(device)
    _add_dropout(model, args.dropout)
    augment = _augmentation(args, image)
    normalize = transforms.Normalize(*_scale(args, loaders["train"].dataset))

    def prepare(batch: Any) -> Any:
        images = batch.float()
        if augment is not None and model.training:
            images = augment(images)
        return normalize(images)

    return Built(loaders, image, classes, model, prepare)


def restore(folder: Path, device: Any) -> tuple[argparse.Namespace, Built]:
    """The options of the finished run in this output folder, and what they make, with the trained weights.

    Raises FileNotFoundError if there is none, ValueError if its files are damaged.
    """
    from .checkpoint import load_weights

    for name in ("config.json", "model.safetensors"):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder} has no {name}: it is not the --output of a run that came to its end")
    args = parser().parse_args([])
    config = json.loads((folder / "config.json").read_text())
    vars(args).update({name: config[name] for name in _config(args) if name in config}, output=folder)
    args.data_dir = args.data_dir and Path(args.data_dir)
    built = build(args, device)
    built.model.load_state_dict(load_weights(folder / "model.safetensors"))
    return args, built


def run(args: argparse.Namespace, state: dict[str, Any] | None) -> int:
    """Trains from the start, or from a trainer's state."""
    from . import metrics, optim
    from .checkpoint import save_weights, write_atomically
    from .device import DeviceUnavailableError, require, simulated
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
    if args.graph and (device.type != "cuda" or simulated()):
        fail(f"--graph needs a CUDA device, and the run is on {_describe(device) if simulated() else device}")
    if args.graph and args.amp == "fp16":
        fail("--graph excludes --amp fp16, whose loss scale is read back at each step; --amp bf16 needs none")
    if args.graph and args.accumulate > 1:
        fail("--graph holds one batch and its update, and excludes --accumulate")
    built = build(args, device)
    loaders, image, model = built.loaders, built.image, built.model
    if args.output is not None:
        args.output.mkdir(parents=True, exist_ok=True)
        config = {**_config(args), "device": str(device), "versions": _versions(device)}
        write_atomically(args.output / "config.json", (json.dumps(config, indent=2) + "\n").encode())
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
    from . import callbacks

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
                args.output / "checkpoints", args.checkpoint_every, extra={"config": _config(args)}
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
                print("compiling the kernels for this machine, once: up to 20 s ...", file=sys.stderr, flush=True)
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
    from . import profiler

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


def _add_dropout(model: Any, p: float) -> None:
    """Dropout of the inputs of the last Linear layer, without another name in the weights."""
    from . import nn

    if p:
        last = [module for module in model.modules() if isinstance(module, nn.Linear)][-1]
        last.register_forward_pre_hook(lambda module, inputs: nn.functional.dropout(inputs[0], p, module.training))


def _augmentation(args: argparse.Namespace, image: tuple[int, ...]) -> Any:
    """The transform of a batch of images (N, C, H, W) that the options ask for, or None."""
    if not any((args.rotate, args.shift, args.zoom, args.shear, args.crop, args.flip, args.erase)):
        return None
    from . import transforms

    chosen: list[Any] = []
    if args.rotate or args.shift or args.zoom or args.shear:
        chosen.append(
            transforms.RandomAffine(
                args.rotate,
                translate=(args.shift, args.shift) if args.shift else None,
                scale=(1 - args.zoom, 1 + args.zoom) if args.zoom else None,
                shear=args.shear or None,
                interpolation="bilinear",
            )
        )
    if args.crop:
        chosen.append(transforms.RandomCrop(image[-2:], padding=args.crop))
    if args.flip:
        chosen.append(transforms.RandomHorizontalFlip())
    if args.erase:
        chosen.append(transforms.RandomErasing(args.erase))
    return transforms.Compose(chosen)


def _loaders(args: argparse.Namespace, device: Any) -> tuple[dict[str, Any], tuple[int, ...], int]:
    """Loaders of the training, validation and test part, the shape of an image, and the classes.

    The images stay as bytes on the device, if they take at most half of what is free there; else on the CPU.
    """
    from . import from_numpy
    from .utils.data import DataLoader, TensorDataset, random_split

    arrays = _arrays(args)
    if not _fits(arrays, device):
        device = "cpu"
    sets = []
    for (images, labels), limit in zip(arrays, (args.limit_train, args.limit_test)):
        if not len(images):
            raise ValueError("the data set has no images")
        sets.append(TensorDataset(from_numpy(images[:limit]).to(device), from_numpy(labels[:limit]).to(device)))
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


def _fits(arrays: list[tuple[Any, Any]], device: Any) -> bool:
    from . import cuda
    from .device import simulated

    if device.type == "cpu" or simulated():
        return True
    free, _ = cuda.mem_get_info(device.index)
    return bool(sum(array.nbytes for pair in arrays for array in pair) <= free // 2)


def _kind(name: str) -> Any:
    """The class of a data set that comes with a name."""
    from . import datasets

    kinds = (datasets.MNIST, datasets.FashionMNIST, datasets.KMNIST, datasets.CIFAR10)
    return dict(zip(DATASETS, kinds))[name]


def class_names(args: argparse.Namespace, classes: int) -> list[str]:
    """What the classes of the data are called: their numbers, where there is nothing better."""
    from . import datasets

    names = list(_kind(args.dataset).classes) if args.data_dir is None else datasets.folder.class_names(args.data_dir)
    return names or [str(number) for number in range(classes)]


def _arrays(args: argparse.Namespace) -> list[tuple[Any, Any]]:
    """(images (N, C, H, W), labels int64) of the training and the test part."""
    from . import datasets

    if args.data_dir is None:
        parts = [_kind(args.dataset)(train=train, download=True) for train in (True, False)]
        arrays = [(part.data.numpy(), part.targets.numpy()) for part in parts]
    else:
        x_train, y_train, x_test, y_test = datasets.load_folder(args.data_dir)
        arrays = [(x_train, y_train.astype("int64")), (x_test, y_test.astype("int64"))]
    h, w = arrays[0][0].shape[-2:]
    if h != w:
        raise ValueError(f"{args.data_dir}: the images are {w} x {h}, expected square ones")
    return [(images if images.ndim == 4 else images[:, None], labels) for images, labels in arrays]


def _scale(args: argparse.Namespace, train: Any) -> tuple[list[float], list[float]]:
    """The mean and standard deviation of each channel, 0 to 255, over the first 10,000 training images."""
    import numpy as np

    if args.data_dir is None and args.dataset == "mnist":
        return [MEAN], [STD]
    images = train.batch(np.arange(min(len(train), 10_000)))[0].double()
    means, stds = images.mean(dim=(0, 2, 3)).tolist(), images.std(dim=(0, 2, 3), correction=0).tolist()
    return means, [std or 1.0 for std in stds]


def _versions(device: Any) -> dict[str, str]:
    """Of what the figures of a run may depend on."""
    import platform
    from importlib import import_module

    import tinynet

    names = ["numpy", "numba"] + (["cupy"] if device.type == "cuda" else [])
    installed = {name: str(import_module(name).__version__) for name in names}
    return {"tinynet": tinynet.__version__, "python": platform.python_version(), **installed}


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


def _draw_curves(path: Path, history: list[dict[str, Any]]) -> None:
    """Loss and accuracy over the epochs, if matplotlib is installed."""
    from .checkpoint import write_atomically
    from .report.figures import curves, png

    try:
        report.require_matplotlib()
    except ImportError:
        return
    write_atomically(path, png(partial(curves, history)))


if __name__ == "__main__":
    sys.exit(main())
