"""What the options of a run make: its data, its model, and how images become what the model takes."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .options import DATASETS, config, parser

EVALUATION_BATCH = 500
MEAN, STD = 33.3184, 78.5675  # of MNIST's training pixels, 0 to 255


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

    from .. import models, transforms

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
    from ..checkpoint import load_weights

    for name in ("config.json", "model.safetensors"):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder} has no {name}: it is not the --output of a run that came to its end")
    args = parser().parse_args([])
    saved = json.loads((folder / "config.json").read_text())
    vars(args).update({name: saved[name] for name in config(args) if name in saved}, output=folder)
    args.data_dir = args.data_dir and Path(args.data_dir)
    built = build(args, device)
    built.model.load_state_dict(load_weights(folder / "model.safetensors"))
    return args, built


def _add_dropout(model: Any, p: float) -> None:
    """Dropout of the inputs of the last Linear layer, without another name in the weights."""
    from .. import nn

    if p:
        last = [module for module in model.modules() if isinstance(module, nn.Linear)][-1]
        last.register_forward_pre_hook(lambda module, inputs: nn.functional.dropout(inputs[0], p, module.training))


def _augmentation(args: argparse.Namespace, image: tuple[int, ...]) -> Any:
    """The transform of a batch of images (N, C, H, W) that the options ask for, or None."""
    if not any((args.rotate, args.shift, args.zoom, args.shear, args.crop, args.flip, args.erase)):
        return None
    from .. import transforms

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
    from .. import from_numpy
    from ..utils.data import DataLoader, TensorDataset, random_split

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
    from .. import cuda
    from ..device import simulated

    if device.type == "cpu" or simulated():
        return True
    free, _ = cuda.mem_get_info(device.index)
    return bool(sum(array.nbytes for pair in arrays for array in pair) <= free // 2)


def _kind(name: str) -> Any:
    """The class of a data set that comes with a name."""
    from .. import datasets

    kinds = (datasets.MNIST, datasets.FashionMNIST, datasets.KMNIST, datasets.CIFAR10)
    return dict(zip(DATASETS, kinds))[name]


def class_names(args: argparse.Namespace, classes: int) -> list[str]:
    """What the classes of the data are called: their numbers, where there is nothing better."""
    from .. import datasets

    names = list(_kind(args.dataset).classes) if args.data_dir is None else datasets.folder.class_names(args.data_dir)
    return names or [str(number) for number in range(classes)]


def _arrays(args: argparse.Namespace) -> list[tuple[Any, Any]]:
    """(images (N, C, H, W), labels int64) of the training and the test part."""
    from .. import datasets

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
