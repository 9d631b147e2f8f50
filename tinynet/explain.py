"""Which inputs a classifier's score depends on: gradients with respect to inputs and feature maps.

`model` is a Module, or any function of a batch of inputs (N, ...) that gives scores (N, classes); dropout and batch
normalisation belong in evaluation mode (`model.eval()`). `target` is the class whose score is explained: an int, or labels
(N,) with one for each input. Parameters and their gradients stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import autograd, ops
from .nn import Module
from .tensor import Tensor, as_tensor


def saliency(model: Callable[[Tensor], Any], inputs: Tensor, target: int | Tensor) -> Tensor:
    """The absolute gradient of the target's score with respect to each input element, in the shape of `inputs`.

    Simonyan, Vedaldi and Zisserman 2013. Raises ValueError or TypeError for inputs that are not floating-point, scores that
    are not (N, classes) and targets out of range.
    """
    return _input_grad(model, inputs, target).abs()


def integrated_gradients(
    model: Callable[[Tensor], Any],
    inputs: Tensor,
    target: int | Tensor,
    baselines: Tensor | float = 0.0,
    n_steps: int = 50,
) -> Tensor:
    """How much each input element adds to the target's score on the way from the baseline, in the shape of `inputs`.

    (inputs - baselines) times the mean gradient along the straight line between them, by Gauss-Legendre quadrature with
    `n_steps` points. All elements of one input add up to the difference of the two scores (completeness), but for the error
    of the quadrature. Sundararajan, Taly and Yan 2017. `baselines` is a number or broadcasts to `inputs`; default zeros.
    Raises ValueError or TypeError as `saliency`, and for `n_steps` below 1.
    """
    if n_steps < 1:
        raise ValueError(f"n_steps is {n_steps}, expected at least 1")
    inputs = inputs.detach()
    difference = inputs - baselines
    mean = ops.zeros_like(inputs)
    for point, weight in zip(*np.polynomial.legendre.leggauss(n_steps)):  # on [-1, 1], weights that add up to 2
        place = inputs - difference * float((1 - point) / 2)
        mean.add_(_input_grad(model, place, target), alpha=float(weight / 2))
    return difference * mean


def grad_cam(
    model: Callable[[Tensor], Any], layer: Module, inputs: Tensor, target: int | Tensor, relu: bool = True
) -> Tensor:
    """Where in the feature maps that `layer` gives, (N, channels, H, W), the target's score comes from: (N, H, W).

    The maps are added up with the mean gradients of the score as weights; without `relu` what speaks against the target
    stays, as negative numbers. Selvaraju et al. 2017. Raises ValueError or TypeError as `saliency`, and if `layer` takes no
    part in the scores or gives no (N, channels, H, W).
    """
    kept: list[Tensor] = []

    def keep(module: Module, args: Any, output: Tensor) -> None:
        kept.append(output)

    handle = layer.register_forward_hook(keep)
    try:
        score, _ = _score(model, inputs, target)
    finally:
        handle.remove()
    if not kept or kept[-1].ndim != 4:
        found = f"gives shape {kept[-1].shape}" if kept else "is not part of the model"
        raise ValueError(f"layer {found}, expected one that gives (N, channels, H, W)")
    maps = kept[-1]
    (gradient,) = autograd.grad(score, maps)
    cam = (maps.detach() * gradient.mean(dim=(2, 3), keepdim=True)).sum(dim=1)
    return ops.relu(cam) if relu else cam


def _input_grad(model: Callable[[Tensor], Any], inputs: Tensor, target: int | Tensor) -> Tensor:
    score, place = _score(model, inputs, target)
    (gradient,) = autograd.grad(score, place)
    return gradient


def _score(model: Callable[[Tensor], Any], inputs: Tensor, target: int | Tensor) -> tuple[Tensor, Tensor]:
    """The sum of the targets' scores, and the inputs it can be differentiated by."""
    if not inputs.is_floating_point():
        raise TypeError(f"inputs are {inputs.dtype}, expected a floating-point dtype")
    place = inputs.detach().requires_grad_()
    with autograd.enable_grad():
        scores = model(place)
        if scores.ndim != 2 or len(scores) != len(inputs):
            raise ValueError(f"the model gives shape {scores.shape}, expected ({len(inputs)}, classes)")
        labels = as_tensor(target).to(scores.device).long()
        if labels.ndim > 1 or (labels.ndim == 1 and len(labels) != len(inputs)):
            raise ValueError(f"target has shape {labels.shape}, expected an int or labels ({len(inputs)},)")
        if len(inputs) and not 0 <= int(labels.min()) <= int(labels.max()) < scores.shape[1]:
            raise ValueError(f"target is {labels.tolist()}, expected classes from 0 to {scores.shape[1] - 1}")
        chosen = ops.gather(scores, 1, labels.broadcast_to((len(inputs),)).unsqueeze(1))
        return chosen.sum(), place
