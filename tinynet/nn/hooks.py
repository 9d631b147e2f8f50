"""Backward hooks of modules: called with the gradients at a module's outputs and inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..autograd import Op
from ..tensor import Tensor

Grads = tuple[Any, ...]


class Crossing(Op):
    """Copies of tensors; on the way back, `notify(grads)` says what flows on."""

    @staticmethod
    def forward(ctx: Any, notify: Callable[[Grads], Grads], *arrays: Any) -> Any:
        ctx.notify = notify
        return tuple(array.copy() for array in arrays)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return (None, *ctx.notify(grads))


def _cross(values: Grads, notify: Callable[[Grads], Grads]) -> tuple[Grads, bool]:
    """The values with their tensors that require a gradient behind a crossing; whether there are any."""
    places = [i for i, v in enumerate(values) if isinstance(v, Tensor) and v.requires_grad]
    if not places:
        return values, False

    def spread(grads: Grads) -> Grads:
        full: list[Any] = [None] * len(values)
        for place, g in zip(places, grads):
            full[place] = g
        changed = notify(tuple(full))
        return tuple(changed[place] for place in places)

    crossed: Any = Crossing.apply(spread, *(values[i] for i in places))
    result = list(values)
    for place, tensor in zip(places, crossed):
        result[place] = tensor
    return tuple(result), True


def with_backward_hooks(
    module: Any, call: Callable[[Grads], Any], args: Grads, before: Sequence[Any], after: Sequence[Any]
) -> Any:
    """call(args) with hooks on its gradients.

    before  `hook(module, grad_output)` when the outputs' gradients are known; what they return takes their place.
    after   `hook(module, grad_input, grad_output)` when the inputs' gradients are known too, or at once if no input has one.
    """
    known: dict[str, Grads] = {}

    def at_inputs(grads: Grads) -> Grads:
        for hook in after:
            changed = hook(module, grads, known["outputs"])
            if changed is not None:
                grads = changed if isinstance(changed, tuple) else (changed,)
        return grads

    def at_outputs(grads: Grads) -> Grads:
        for hook in before:
            changed = hook(module, grads)
            if changed is not None:
                grads = changed if isinstance(changed, tuple) else (changed,)
        known["outputs"] = grads
        if not differentiable:
            at_inputs((None,) * len(args))
        return grads

    crossed, differentiable = _cross(args, at_inputs)
    result = call(crossed)
    several = isinstance(result, (tuple, list))
    outputs, _ = _cross(tuple(result) if several else (result,), at_outputs)
    return type(result)(outputs) if several else outputs[0]
