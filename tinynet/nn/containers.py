"""Modules and parameters in sequences and dictionaries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from . import functional as F
from .activations import ReLU
from .convolution import Conv2d
from .linear import Linear
from .module import Module
from .parameter import Parameter
from .pooling import MaxPool2d


class Sequential(Module):
    """Modules one after the other. A Conv2d or Linear and the ReLU that follows are computed as one operation,
    on the CPU with the MaxPool2d that follows too."""

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

    def append(self, module: Module) -> Sequential:
        self.add_module(str(len(self)), module)
        return self

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules.values())

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return Sequential(dict(list(self._modules.items())[index]))
        return list(self._modules.values())[index]


def _run(modules: list[Module], i: int, input: Any) -> tuple[Any, int]:
    """The output of module i together with those after it that are computed with it, and how many these are."""
    module = modules[i]
    if type(module) not in (Conv2d, Linear) or module._has_hooks():
        return module(input), 1
    after = [m for m in modules[i + 1 : i + 3] if not m._has_hooks()]
    active = bool(after) and type(after[0]) is ReLU and after[0] is modules[i + 1]
    activation = "relu" if active else None
    if type(module) is Linear:
        return F.linear(input, module.weight, module.bias, activation=activation), 1 + active
    assert type(module) is Conv2d
    pool = after[active] if len(after) > active and after[active] is modules[i + 1 + active] else None
    if type(pool) is MaxPool2d and _fits_in_cache(module, pool, input):
        return module.forward_pooled(input, pool, activation), 2 + active
    return module.forward(input, activation=activation), 1 + active


def _fits_in_cache(conv: Conv2d, pool: MaxPool2d, input: Any) -> bool:
    """Whether a convolution and its pooling are one operation: on the CPU, where the result stays in the cache between."""
    array = getattr(input, "_array", None)
    return (
        type(array) is np.ndarray
        and array.ndim == 4
        and array.dtype.itemsize >= 4
        and not isinstance(conv.padding, str)
        and not pool.return_indices
    )


class ModuleList(Module):
    """A list of modules whose parameters are registered."""

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        self.extend(modules or ())

    def append(self, module: Module) -> ModuleList:
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> ModuleList:
        for module in modules:
            self.append(module)
        return self

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def __getitem__(self, index: Any) -> Any:
        found = list(self._modules.values())[index]
        return ModuleList(found) if isinstance(index, slice) else found


class ModuleDict(Module):
    """A dictionary of modules whose parameters are registered."""

    def __init__(self, modules: dict[str, Module] | None = None) -> None:
        super().__init__()
        for name, module in (modules or {}).items():
            self.add_module(name, module)

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

    def __init__(self, values: Iterable[Any] = ()) -> None:
        super().__init__()
        for value in values:
            self.append(value)

    def append(self, value: Any) -> ParameterList:
        param = value if isinstance(value, Parameter) else Parameter(value)
        self.register_parameter(str(len(self)), param)
        return self

    def __len__(self) -> int:
        return len(self._parameters)

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self._parameters.values())

    def __getitem__(self, index: int) -> Parameter:
        return list(self._parameters.values())[index]  # type: ignore[no-any-return]
