"""Modules and parameters in sequences and dictionaries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any, TypeVar

from . import functional as F
from .activations import ReLU
from .convolution import Conv2d
from .linear import Linear
from .module import Module
from .normalization import BatchNorm1d, BatchNorm2d
from .parameter import Parameter
from .pooling import MaxPool2d

L = TypeVar("L", bound="_Listed")
_FUSED = Conv2d, Linear, BatchNorm1d, BatchNorm2d  # with a ReLU that follows


class _Listed(Module):
    """Modules under the names 0, 1, 2, ..."""

    def _replace(self, modules: Iterable[Module]) -> None:
        for name in list(self._modules):
            del self._modules[name]
        for i, module in enumerate(modules):
            self.add_module(str(i), module)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def __setitem__(self, index: int, module: Module) -> None:
        self.add_module(list(self._modules)[index], module)

    def __delitem__(self, index: Any) -> None:
        kept = list(self._modules.values())
        del kept[index]
        self._replace(kept)

    def insert(self, index: int, module: Module) -> None:
        kept = list(self._modules.values())
        kept.insert(index, module)
        self._replace(kept)

    def pop(self, index: int = -1) -> Any:
        """Takes a module out and returns it."""
        kept = list(self._modules.values())
        taken = kept.pop(index)
        self._replace(kept)
        return taken

    def extend(self: L, modules: Iterable[Module]) -> L:
        for module in list(modules):
            self.append(module)
        return self

    __iadd__ = extend

    def __add__(self: L, other: Iterable[Module]) -> L:
        return type(self)().extend(self).extend(other)

    def append(self: L, module: Module) -> L:
        self.add_module(str(len(self)), module)
        return self


class Sequential(_Listed):
    """Modules one after the other. A Conv2d, Linear or batch normalisation and the ReLU that follows are computed as one
    operation, on the CPU a Conv2d with the MaxPool2d that follows too."""

    def __init__(self, *args: Any) -> None:
        super().__init__()
        named = args[0].items() if len(args) == 1 and isinstance(args[0], dict) else enumerate(args)
        for name, module in named:
            self.add_module(str(name), module)

    def forward(self, input: Any) -> Any:
        modules = list(self._modules.values())
        i = 0
        while i < len(modules):
            input, count = _run(modules, i, input)
            i += count
        return input

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return type(self)(dict(list(self._modules.items())[index]))
        return list(self._modules.values())[index]


def _run(modules: list[Module], i: int, input: Any) -> tuple[Any, int]:
    """The output of module i together with those after it that are computed with it, and how many these are."""
    module = modules[i]
    if type(module) not in _FUSED or module._has_hooks():
        return module(input), 1
    after = [m for m in modules[i + 1 : i + 3] if not m._has_hooks()]
    active = bool(after) and type(after[0]) is ReLU and after[0] is modules[i + 1]
    activation = "relu" if active else None
    if type(module) is Linear:
        return F.linear(input, module.weight, module.bias, activation=activation), 1 + active
    if type(module) is not Conv2d:
        return module.forward(input, activation=activation), 1 + active
    pool = after[active] if len(after) > active and after[active] is modules[i + 1 + active] else None
    if type(pool) is MaxPool2d and _are_one(module, pool, input):
        return module.forward_pooled(input, pool, activation), 2 + active
    return module.forward(input, activation=activation), 1 + active


def _are_one(conv: Conv2d, pool: MaxPool2d, input: Any) -> bool:
    """Whether a convolution and its pooling are one operation: on the CPU the result then stays in the cache between, on CUDA
    it need not be kept, and the gradient takes a launch less.
    """
    array = getattr(input, "_array", None)
    return (
        array is not None
        and array.ndim == 4
        and array.dtype.itemsize >= 4
        and not isinstance(conv.padding, str)
        and not pool.return_indices
    )


class ModuleList(_Listed):
    """A list of modules whose parameters are registered."""

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        self.extend(modules or ())

    def _child_lines(self) -> list[str]:
        """Neighbours that print alike are one line."""
        lines = []
        first = 0
        for text, alike in groupby(repr(child).replace("\n", "\n  ") for child in self):
            last = first + len(list(alike)) - 1
            lines.append(f"({first}): {text}" if first == last else f"({first}-{last}): {last - first + 1} x {text}")
            first = last + 1
        return lines

    def __getitem__(self, index: Any) -> Any:
        found = list(self._modules.values())[index]
        return type(self)(found) if isinstance(index, slice) else found


class ModuleDict(Module):
    """A dictionary of modules whose parameters are registered."""

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        super().__init__()
        self.update(modules or {})

    def update(self, modules: Mapping[str, Module]) -> None:
        for name, module in modules.items():
            self.add_module(name, module)

    def pop(self, key: str) -> Any:
        """Takes a module out and returns it."""
        return self._modules.pop(key)

    def clear(self) -> None:
        self._modules.clear()

    def __delitem__(self, name: str) -> None:
        del self._modules[name]

    def __getitem__(self, name: str) -> Any:
        return self._modules[name]

    def __setitem__(self, name: str, module: Module) -> None:
        self.add_module(name, module)

    def __contains__(self, name: str) -> bool:
        return name in self._modules

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def keys(self) -> Any:
        return self._modules.keys()

    def values(self) -> Any:
        return self._modules.values()

    def items(self) -> Any:
        return self._modules.items()


class ParameterList(Module):
    """A list of registered parameters."""

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        self.extend(values or ())

    def append(self, value: Any) -> ParameterList:
        self.register_parameter(str(len(self)), _parameter(value))
        return self

    def extend(self, values: Iterable[Any]) -> ParameterList:
        for value in values:
            self.append(value)
        return self

    def __len__(self) -> int:
        return len(self._parameters)

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self._parameters.values())

    def __getitem__(self, index: int) -> Parameter:
        return list(self._parameters.values())[index]  # type: ignore[no-any-return]

    def __setitem__(self, index: int, value: Any) -> None:
        self._parameters[list(self._parameters)[index]] = _parameter(value)

    def extra_repr(self) -> str:
        return _listed(self._parameters)


class ParameterDict(Module):
    """A dictionary of registered parameters."""

    def __init__(self, parameters: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.update(parameters or {})

    def update(self, parameters: Mapping[str, Any]) -> None:
        for name, value in parameters.items():
            self[name] = value

    def __getitem__(self, key: str) -> Parameter:
        return self._parameters[key]  # type: ignore[no-any-return]

    def __setitem__(self, key: str, value: Any) -> None:
        self.register_parameter(key, _parameter(value))

    def __delitem__(self, key: str) -> None:
        del self._parameters[key]

    def __contains__(self, key: str) -> bool:
        return key in self._parameters

    def __len__(self) -> int:
        return len(self._parameters)

    def __iter__(self) -> Iterator[str]:
        return iter(self._parameters)

    def keys(self) -> Any:
        return self._parameters.keys()

    def values(self) -> Any:
        return self._parameters.values()

    def items(self) -> Any:
        return self._parameters.items()

    def extra_repr(self) -> str:
        return _listed(self._parameters)


def _listed(parameters: Mapping[str, Any]) -> str:
    lines = (
        f"  ({name}): Parameter containing: [{p.dtype} of size {'x'.join(map(str, p.shape))}]"
        for name, p in parameters.items()
    )
    return "\n".join(lines)


def _parameter(value: Any) -> Parameter:
    return value if isinstance(value, Parameter) else Parameter(value)
