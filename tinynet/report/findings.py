"""What a report says: the figures, images and attributions of a finished run, as NumPy arrays and plain numbers."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import ops
from ..autograd import no_grad
from ..explain import grad_cam, integrated_gradients, saliency
from ..metrics import F1, ConfusionMatrix, Precision, Recall
from ..nn import Conv2d, Linear, Module
from ..nn import functional as F
from ..tensor import Tensor

HARDEST, EXAMPLES, FILTERS = 20, 10, 64  # how many at most
STEPS = 50  # of the integrated gradients
MAPS = 4  # pixels a side of the feature maps of Grad-CAM, at least, if there are any


@dataclass
class Images:
    """Some test images (N, C, H, W), as they are stored, and what the model makes of them.

    saliency, integrated, cam  by image (N, H, W), the last at the resolution of its feature maps; None if they were not
                               asked for, or the model has no feature maps.
    """

    pixels: Any
    labels: Any
    predictions: Any
    confidences: Any  # the probabilities of the predictions
    saliency: Any = None
    integrated: Any = None
    cam: Any = None


@dataclass
class Findings:
    """All that is in a report."""

    options: argparse.Namespace
    config: dict[str, Any]
    history: list[dict[str, Any]]
    device: str
    parameters: int
    classes: list[str]
    loss: float
    accuracy: float
    confusion: Any  # (classes, classes), by label and prediction
    by_class: dict[str, Any]  # precision, recall and F1, each (classes,)
    hardest: Images  # of the mistakes, those where the label is least probable first
    examples: Images  # the first image of each class that is told rightly
    explained_mistakes: Images
    cam_layer: str  # the module whose maps the Grad-CAM shows; empty: there is none
    weights: Any  # of the first layer: (N, channels, height, width)
    weights_layer: str
    weights_total: int  # how many units the layer has


def find(folder: Path, device: str = "auto") -> Findings:
    """Evaluates the run in this folder. Errors as `tinynet.train.building.restore`, and DeviceUnavailableError."""
    from ..device import require
    from ..train.building import class_names, restore
    from ..trainer import choose_device

    place = choose_device(device)
    require(place)
    options, built = restore(folder, place)
    model = built.model.eval().requires_grad_(False)  # attributions ask for gradients of inputs only
    test = built.loaders["test"]
    with no_grad():
        parts = ((model(built.prepare(images.to(place))), labels.to(place)) for images, labels in test)
        logits, labels = (ops.cat(part) for part in zip(*parts))
        losses = F.cross_entropy(logits, labels, reduction="none")
        confidences, predictions = logits.softmax(dim=1).max(dim=1)
    figures: dict[str, Any] = {
        "confusion": ConfusionMatrix(),
        "precision": Precision(None),
        "recall": Recall(None),
        "F1": F1(None),
    }
    for metric in figures.values():
        metric.update(logits, labels)
    loss, labels, predictions, confidences = (_array(t) for t in (losses, labels, predictions, confidences))
    wrong = np.flatnonzero(predictions != labels)
    wrong = wrong[np.argsort(-loss[wrong], kind="stable")]
    right = [np.flatnonzero((labels == c) & (predictions == c))[:1] for c in range(built.classes)]

    def pictures(indices: Any) -> Images:
        return Images(_pixels(test.dataset, indices), labels[indices], predictions[indices], confidences[indices])

    def model_of_pixels(pixels: Tensor) -> Any:
        return model(built.prepare(pixels))

    found = Findings(
        options=options,
        config=json.loads((folder / "config.json").read_text()),
        history=[json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()],
        device=str(place),
        parameters=sum(p.numel() for p in model.parameters()),
        classes=class_names(options, built.classes),
        loss=float(loss.mean()),
        accuracy=float(np.mean(predictions == labels)),
        confusion=figures.pop("confusion").compute(),
        by_class={name: metric.compute() for name, metric in figures.items()},
        hardest=pictures(wrong[:HARDEST]),
        examples=pictures(np.concatenate(right)[:EXAMPLES]),
        explained_mistakes=pictures(wrong[:EXAMPLES]),
        cam_layer="",
        weights=None,
        weights_layer="",
        weights_total=0,
    )
    layer = _last_maps(model, built.prepare(Tensor._make(_first(test.dataset)).to(place)))
    for images in (found.examples, found.explained_mistakes):
        _explain(images, model_of_pixels, None if layer is None else model.get_submodule(layer), place)
    found.cam_layer = layer or ""
    _first_weights(found, model, built.image)
    return found


def _explain(images: Images, model: Any, layer: Module | None, place: Any) -> None:
    """Adds what the predictions rest on, in terms of the stored pixels; black images are the baseline."""
    if not len(images.pixels):
        return
    pixels = Tensor._make(images.pixels).to(place).float()
    target = Tensor._make(images.predictions).to(place)
    images.saliency = _array(saliency(model, pixels, target)).max(axis=1)
    images.integrated = _array(integrated_gradients(model, pixels, target, n_steps=STEPS)).sum(axis=1)
    if layer is not None:
        images.cam = _array(grad_cam(model, layer, pixels, target))


def _last_maps(model: Module, inputs: Tensor) -> str | None:
    """The name of the module that gives the last feature maps (N, C, H, W) of MAPS pixels a side or more, so that they show
    where; else the last ones larger than one pixel."""
    fine: list[str] = []
    coarse: list[str] = []
    handles = []
    for name, module in model.named_modules():

        def note(module: Module, args: Any, output: Any, name: str = name) -> None:
            if isinstance(output, Tensor) and output.ndim == 4 and output.shape[2] * output.shape[3] > 1:
                (fine if min(output.shape[2:]) >= MAPS else coarse).append(name)

        if name:
            handles.append(module.register_forward_hook(note))
    try:
        with no_grad():
            model(inputs)
    finally:
        for handle in handles:
            handle.remove()
    names = fine or coarse
    return names[-1] if names else None


def _first_weights(found: Findings, model: Module, image: tuple[int, ...]) -> None:
    """The weights of the first layer that can be seen as images: filters, or the inputs of units as large as the image."""
    for name, module in model.named_modules():
        if isinstance(module, Conv2d):
            weights = _array(module.weight)
        elif isinstance(module, Linear) and module.weight.shape[1] == int(np.prod(image)):
            weights = _array(module.weight).reshape(-1, *image)
            strongest = np.argsort(-np.square(weights).sum(axis=(1, 2, 3)), kind="stable")
            weights = weights[np.sort(strongest[: FILTERS // 2])]
        else:
            continue
        found.weights_layer, found.weights_total = f"{name} ({type(module).__name__})", int(module.weight.shape[0])
        found.weights = weights[:FILTERS]
        return


def _pixels(dataset: Any, indices: Any) -> Any:
    images, _ = dataset.batch(np.asarray(indices, np.int64))
    return _array(images)


def _first(dataset: Any) -> Any:
    return _pixels(dataset, [0])


def _array(tensor: Tensor) -> Any:
    return tensor.detach().cpu().numpy()
