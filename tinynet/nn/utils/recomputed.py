"""Attributes of a module that are computed from other parameters and buffers of it, anew before each forward."""

from __future__ import annotations

from typing import Any, TypeVar

from ...tensor import RemovableHandle, Tensor
from ..module import Module
from ..parameter import Parameter

R = TypeVar("R", bound="Recomputed")


class Recomputed:
    """A forward pre-hook that sets the attribute `name` to what `compute` says."""

    handle: RemovableHandle

    def __init__(self, name: str) -> None:
        self.name = name

    def compute(self, module: Any) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} does not define compute()")

    def __call__(self, module: Any, inputs: Any) -> None:
        setattr(module, self.name, self.compute(module))

    def attach(self, module: Any, **parts: Parameter | Tensor) -> None:
        """Puts parameters, and tensors as buffers, in the parameter's place: `g` is kept under "weight_g"."""
        del module._parameters[self.name]
        for part, value in parts.items():
            register = module.register_parameter if isinstance(value, Parameter) else module.register_buffer
            register(f"{self.name}_{part}", value)
        setattr(module, self.name, self.compute(module))
        self.handle = module.register_forward_pre_hook(self)

    def detach(self, module: Any, *parts: str) -> None:
        """Makes what is computed now a parameter again."""
        value = self.compute(module).detach()
        self.handle.remove()
        for name in (self.name, *(f"{self.name}_{part}" for part in parts)):
            delattr(module, name)
        module.register_parameter(self.name, Parameter(value))


def parameter(module: Module, name: str) -> Parameter:
    """The parameter of a module. ValueError if it has none of that name."""
    value: Parameter | None = module._parameters.get(name)
    if value is None:
        raise ValueError(f"name is {name!r}, which is no parameter of {type(module).__name__}")
    return value


def attached(kind: type[R], module: Module, name: str) -> R | None:
    """The hook of a kind that computes an attribute; None if there is none."""
    hooks = (hook for hook, _ in module._forward_pre_hooks)
    return next((hook for hook in hooks if isinstance(hook, kind) and hook.name == name), None)


def found(kind: type[R], module: Module, name: str) -> R:
    """As `attached`, or a ValueError."""
    hook = attached(kind, module, name)
    if hook is None:
        raise ValueError(f"{name!r} of {type(module).__name__} is not computed by {kind.__name__}")
    return hook
