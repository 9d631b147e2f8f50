"""Parameters that are computed from others by modules, as `torch.nn.utils.parametrize`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from ...autograd import no_grad
from ...tensor import Tensor
from ..containers import ModuleDict, ModuleList
from ..module import Module
from ..parameter import Parameter
from .recomputed import parameter

M = TypeVar("M", bound=Module)


class ParametrizationList(ModuleList):
    """Modules one after the other, and what the first of them is given: `original`, or `original0`, `original1`, ..."""

    def __init__(self, modules: Sequence[Module], original: Parameter) -> None:
        super().__init__(modules)
        first: Any = modules[0]
        with no_grad():
            value = first.right_inverse(original) if hasattr(first, "right_inverse") else original
        self.several = isinstance(value, (tuple, list))
        parts = {f"original{i}": v for i, v in enumerate(value)} if self.several else {"original": value}
        for name, part in parts.items():
            same = part is original
            setattr(self, name, original if same else Parameter(part.detach(), requires_grad=original.requires_grad))
        self.names = tuple(parts)

    def forward(self) -> Any:
        value: Any = self[0](*(getattr(self, name) for name in self.names))
        for module in list(self)[1:]:
            value = module(value)
        return value


def register_parametrization(module: M, tensor_name: str, parametrization: Module, *, unsafe: bool = False) -> M:
    """Has `module.tensor_name` computed by `parametrization` from the parameter that is there, each time it is asked for.

    If it has a `right_inverse`, what that gives for the parameter is trained instead: a tensor or a tuple of tensors. Further
    ones follow on those before. Returns the module, whose class is now one derived from it.

    ValueError if there is no such parameter, or, unless `unsafe`, if what is computed has another shape or dtype.
    """
    if is_parametrized(module, tensor_name):
        chain: Any = module.parametrizations[tensor_name]
        before: Any = chain()
        after = parametrization(before)
    else:
        before = parameter(module, tensor_name)
        chain = ParametrizationList([parametrization], before)
        after = chain()
    if not unsafe and not (isinstance(after, Tensor) and (after.shape, after.dtype) == (before.shape, before.dtype)):
        raise ValueError(
            f"the parametrization of {tensor_name!r} gives {getattr(after, 'shape', after)}, expected {before.dtype} of "
            f"shape {before.shape}; unsafe=True allows it"
        )
    if is_parametrized(module, tensor_name):
        chain.append(parametrization)
        return module
    if not is_parametrized(module):
        module.parametrizations = ModuleDict()
        kind = type(module)
        object.__setattr__(module, "__class__", type(f"Parametrized{kind.__name__}", (kind,), {"_before": kind}))
    del module._parameters[tensor_name]
    module.parametrizations[tensor_name] = chain
    setattr(type(module), tensor_name, property(lambda self: self.parametrizations[tensor_name]()))
    return module


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether a module has a parametrization, or has one of this name."""
    chains: Any = module._modules.get("parametrizations")
    if chains is None or not hasattr(type(module), "_before"):
        return False
    return tensor_name is None or tensor_name in chains


def remove_parametrizations(module: M, tensor_name: str, leave_parametrized: bool = True) -> M:
    """Makes the attribute a parameter again: what is computed now or, with `leave_parametrized=False`, the original.

    ValueError if it is not parametrized, or has no single original to be left.
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"{tensor_name!r} of {type(module).__name__} is not parametrized")
    chain: Any = module.parametrizations[tensor_name]
    if leave_parametrized:
        value = Parameter(chain().detach(), requires_grad=any(p.requires_grad for p in chain.parameters(recurse=False)))
    elif chain.several:
        raise ValueError(f"{tensor_name!r} has several originals: leave_parametrized=True makes it one parameter")
    else:
        value = chain.original
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    if not len(module.parametrizations):
        del module.parametrizations
        object.__setattr__(module, "__class__", type(module)._before)  # type: ignore[attr-defined]
    module.register_parameter(tensor_name, value)
    return module
