"""Jacobians, Hessians and their products with vectors, of functions of tensors, as `torch.autograd.functional`.

Each takes `func`, which gives a tensor or a tuple of them, and `inputs`, a tensor or a tuple; what it returns has the same
structure. With `create_graph` that can be differentiated in turn. `strict` raises RuntimeError where outputs do not depend on
an input; else their derivative is 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..grad_mode import enable_grad
from ..ops import stack, zeros_like
from ..tensor import Tensor
from . import grad

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

Tensors = tuple[Tensor, ...]
Func = Callable[..., Any]


def _tuple(value: Any, name: str) -> Tensors:
    given = value if isinstance(value, tuple) else (value,)
    if not all(isinstance(t, Tensor) for t in given):
        raise TypeError(f"{name} is {value!r}, expected a tensor or a tuple of tensors")
    return given


def _like(values: Any, template: Any) -> Any:
    """A tuple, or the one value in it, as the template is one or not."""
    return tuple(values) if isinstance(template, tuple) else values[0]


def _begin(inputs: Any, create_graph: bool) -> Tensors:
    """The inputs as what is differentiated by: with their history or without."""
    given = _tuple(inputs, "inputs")
    if create_graph:
        return tuple(t.view_as(t) if t.requires_grad else t.detach().requires_grad_() for t in given)
    return tuple(t.detach().requires_grad_() for t in given)


def _call(func: Func, xs: Tensors) -> tuple[Any, Tensors]:
    result = func(*xs)
    return result, _tuple(result, "what func returns")


def _grad(outputs: Any, xs: Any, vs: Any, create_graph: bool, strict: bool) -> Tensors:
    """As `grad`, with zeros, unless strict, where outputs do not depend on inputs."""
    pairs = [(o, v) for o, v in zip(outputs, [None] * len(outputs) if vs is None else vs) if o.requires_grad]
    if len(pairs) < len(outputs) and strict:
        raise RuntimeError("an output does not depend on the inputs")
    if not pairs:
        return tuple(zeros_like(x) for x in xs)
    roots, weights = zip(*pairs)
    found = grad(
        roots, xs, None if vs is None else weights, retain_graph=True, create_graph=create_graph, allow_unused=True
    )
    if strict and any(g is None for g in found):
        raise RuntimeError(f"the outputs do not depend on input {[g is None for g in found].index(True)}")
    return tuple(zeros_like(x) if g is None else g for x, g in zip(xs, found))


def _vectors(v: Any, like: Tensors, name: str) -> Tensors:
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(f"v is None, expected vectors like the {name}, which are no single number")
        return (zeros_like(like[0]) + 1,)
    given = _tuple(v, "v")
    if [t.shape for t in given] != [t.shape for t in like]:
        raise ValueError(
            f"v has shapes {[t.shape for t in given]}, expected those of the {name}: {[t.shape for t in like]}"
        )
    return given


def _finish(values: Any, create_graph: bool) -> Any:
    if isinstance(values, tuple):
        return tuple(_finish(v, create_graph) for v in values)
    return values if create_graph else values.detach()


def jacobian(func: Func, inputs: Any, create_graph: bool = False, strict: bool = False) -> Any:
    """The derivatives of each output by each input, of shape output.shape + input.shape; one backward for each element."""
    with enable_grad():
        xs = _begin(inputs, create_graph)
        result, outputs = _call(func, xs)
        rows = []
        for output in outputs:
            each = [_grad((element,), xs, None, create_graph, strict) for element in output.reshape(-1).unbind()]
            columns = zip(*each) if each else ([] for _ in xs)
            rows.append(
                _like(
                    [
                        (stack(list(column)) if column else x.new_zeros((0, *x.shape))).reshape(*output.shape, *x.shape)
                        for column, x in zip(columns, xs)
                    ],
                    inputs,
                )
            )
    return _finish(_like(rows, result), create_graph)


def _scalar(func: Func, xs: Tensors) -> Tensor:
    _, outputs = _call(func, xs)
    if len(outputs) != 1 or outputs[0].numel() != 1:
        raise RuntimeError(f"func returns shapes {[o.shape for o in outputs]}, expected a single number")
    return outputs[0].reshape(())


def hessian(func: Func, inputs: Any, create_graph: bool = False, strict: bool = False) -> Any:
    """The second derivatives of a func that gives a single number: for inputs i and j, of shape i.shape + j.shape."""

    def slopes(*xs: Tensor) -> Any:
        return _like(_grad((_scalar(func, xs),), xs, None, True, strict), inputs)

    return jacobian(slopes, inputs, create_graph, strict)


def vjp(func: Func, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple[Any, Any]:
    """func(*inputs), and the product of v, like the outputs, with the Jacobian."""
    with enable_grad():
        xs = _begin(inputs, create_graph)
        result, outputs = _call(func, xs)
        found = _grad(outputs, xs, _vectors(v, outputs, "outputs"), create_graph, strict)
    return _finish(result, create_graph), _finish(_like(found, inputs), create_graph)


def jvp(func: Func, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple[Any, Any]:
    """func(*inputs), and the product of the Jacobian with v, like the inputs: the gradient of a gradient."""
    with enable_grad():
        xs = _begin(inputs, create_graph)
        result, outputs = _call(func, xs)
        us = tuple(zeros_like(o).requires_grad_() for o in outputs)
        slopes = _grad(outputs, xs, us, True, strict)
        found = _grad(slopes, us, _vectors(v, xs, "inputs"), create_graph, strict)
    return _finish(result, create_graph), _finish(_like(found, result), create_graph)


def hvp(func: Func, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple[Any, Any]:
    """func(*inputs), a single number, and the product of the Hessian with v, like the inputs."""
    with enable_grad():
        xs = _begin(inputs, create_graph)
        value = _scalar(func, xs)
        slopes = _grad((value,), xs, None, True, strict)
        found = _grad(slopes, xs, _vectors(v, xs, "inputs"), create_graph, strict)
    return _finish(value, create_graph), _finish(_like(found, inputs), create_graph)


def vhp(func: Func, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple[Any, Any]:
    """As `hvp`, the Hessian being symmetric."""
    return hvp(func, inputs, v, create_graph, strict)
