"""Gradients compared with finite differences. Exported as `tinynet.autograd.gradcheck` and `gradgradcheck`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import autograd
from .tensor import Tensor, tensor


class GradcheckError(RuntimeError):
    """The gradient that backward computes is not the one that finite differences give."""


def gradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
) -> bool:
    """Whether the gradients of `func(*inputs)` agree with central differences, element by element.

    func    returns a Tensor or a tuple of them; the floating-point ones are checked.
    inputs  those that require a gradient are checked; they must be float64 and no two may share memory.
    eps     the step of the differences; atol and rtol bound |analytical - numerical| <= atol + rtol * |numerical|.

    Every element of every Jacobian is checked: 2 evaluations for each element of the inputs, one backward for each element
    of the outputs. Raises GradcheckError with the input, the output and both values, or returns False if
    `raise_exception` is false; ValueError if no input requires a gradient, TypeError if one is not float64.
    """
    given = _inputs(inputs)
    checked = [i for i, t in enumerate(given) if isinstance(t, Tensor) and t.requires_grad]
    if not checked:
        raise ValueError("no input requires a gradient, expected at least one")
    for i in checked:
        if given[i].dtype != np.float64:
            raise TypeError(f"inputs[{i}] has dtype {given[i].dtype}, expected float64: finite differences need it")
    outputs = _outputs(func, given)
    for o, output in enumerate(outputs):
        analytical = _analytical(output, [given[i] for i in checked])
        for place, i in enumerate(checked):
            numerical = _numerical(func, given, i, o, eps)
            problem = _difference(analytical[place], numerical, i, o, atol, rtol)
            if problem is not None:
                if raise_exception:
                    raise GradcheckError(problem)
                return False
    return True


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    grad_outputs: Tensor | Sequence[Tensor] | None = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
) -> bool:
    """`gradcheck` of the gradient itself: whether second-order gradients agree with finite differences.

    grad_outputs  what flows into each output of func, float64 and requiring a gradient; random by default (always the same).
    The other parameters, and the errors, are those of `gradcheck`.
    """
    given = _inputs(inputs)
    outputs = _outputs(func, given)
    if grad_outputs is None:
        rng = np.random.default_rng(0)
        flows = [tensor(rng.standard_normal(o.shape), device=o.device, requires_grad=True) for o in outputs]
    else:
        flows = [grad_outputs] if isinstance(grad_outputs, Tensor) else list(grad_outputs)
    count = len(given)
    checked = [i for i, t in enumerate(given) if isinstance(t, Tensor) and t.requires_grad]

    def gradient(*args: Any) -> tuple[Tensor, ...]:
        wanted = [args[i] for i in checked]
        found = autograd.grad(
            _outputs(func, list(args[:count])), wanted, args[count:], create_graph=True, allow_unused=True
        )
        return tuple(g for g in found if g is not None and g.requires_grad)

    return gradcheck(gradient, [*given, *flows], eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception)


def _inputs(inputs: Any) -> list[Any]:
    return [inputs] if isinstance(inputs, Tensor) else list(inputs)


def _outputs(func: Callable[..., Any], inputs: list[Any]) -> list[Tensor]:
    """The outputs of func that have a gradient."""
    result = func(*inputs)
    several = result if isinstance(result, (tuple, list)) else (result,)
    return [t for t in several if isinstance(t, Tensor) and t.requires_grad]


def _analytical(output: Tensor, inputs: list[Tensor]) -> list[Any]:
    """The Jacobian for each input, (output elements, input elements), by one backward for each output element."""
    jacobians = [np.zeros((output.numel(), t.numel())) for t in inputs]
    for row in range(output.numel()):
        seed = np.zeros(output.numel())
        seed[row] = 1.0
        flow = tensor(seed.reshape(output.shape), device=output.device)
        grads = autograd.grad(output, inputs, flow, retain_graph=True, allow_unused=True)
        for jacobian, found in zip(jacobians, grads):
            if found is not None:
                jacobian[row] = found.detach().cpu().numpy().reshape(-1)
    return jacobians


def _numerical(func: Callable[..., Any], inputs: list[Any], i: int, o: int, eps: float) -> Any:
    """The Jacobian of output o with respect to input i, by central differences in the input's own memory."""
    array = inputs[i]._array
    columns = []
    for place in np.ndindex(array.shape):
        kept = array[place].copy()
        values = []
        for step in (eps, -eps):
            array[place] = kept + step
            values.append(_outputs(func, inputs)[o].detach().cpu().numpy().reshape(-1).copy())
        array[place] = kept
        columns.append((values[0] - values[1]) / (2 * eps))
    return np.stack(columns, axis=1) if columns else np.zeros((_outputs(func, inputs)[o].numel(), 0))


def _difference(analytical: Any, numerical: Any, i: int, o: int, atol: float, rtol: float) -> str | None:
    wrong = ~(np.abs(analytical - numerical) <= atol + rtol * np.abs(numerical))
    if not wrong.any():
        return None
    row, column = (int(n) for n in np.argwhere(wrong)[0])
    return (
        f"the gradient of output {o} with respect to inputs[{i}] differs at (output element {row}, input element {column}): "
        f"backward gives {analytical[row, column]:.8g}, finite differences {numerical[row, column]:.8g}; "
        f"{int(wrong.sum())} of {wrong.size} elements differ"
    )
