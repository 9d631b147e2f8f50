"""The base class of layers and models."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from ..autograd import no_grad
from ..tensor import RemovableHandle, Tensor
from .hooks import with_backward_hooks
from .parameter import Parameter

M = TypeVar("M", bound="Module")


class IncompatibleKeys(NamedTuple):
    """What `load_state_dict` did not find, and what it found and had no place for."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if self.missing_keys or self.unexpected_keys:
            return f"IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"
        return "<All keys matched successfully>"


class Module:
    """A piece of a network: parameters, buffers (tensors that are saved but not trained) and submodules.

    Subclasses call `super().__init__()`, assign layers and `Parameter`s to attributes, and define `forward`.
    """

    training: bool

    def __init__(self) -> None:
        fields: dict[str, Any] = {
            "training": True,
            "_parameters": {},
            "_buffers": {},
            "_modules": {},
            "_not_saved": set(),
            "_forward_hooks": [],
            "_forward_pre_hooks": [],
            "_backward_hooks": [],
            "_backward_pre_hooks": [],
        }
        self.__dict__.update(fields)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not define forward()")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        for hook, with_kwargs in self._forward_pre_hooks:
            changed = hook(self, args, kwargs) if with_kwargs else hook(self, args)
            if changed is not None and with_kwargs:
                args, kwargs = changed
            elif changed is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
        if self._backward_hooks or self._backward_pre_hooks:
            hooks = [hook for hook, _ in self._backward_pre_hooks], [hook for hook, _ in self._backward_hooks]
            result = with_backward_hooks(self, lambda given: self.forward(*given, **kwargs), args, *hooks)
        else:
            result = self.forward(*args, **kwargs)
        for hook, with_kwargs in self._forward_hooks:
            changed = hook(self, args, kwargs, result) if with_kwargs else hook(self, args, result)
            result = result if changed is None else changed
        return result

    # attributes

    def __setattr__(self, name: str, value: Any) -> None:
        if "_parameters" not in self.__dict__:
            raise AttributeError(
                f"{type(self).__name__}.__init__ must call super().__init__() before it assigns {name!r}"
            )
        kinds = (self._parameters, self._buffers, self._modules)
        if isinstance(value, Parameter):
            self.register_parameter(name, value)
        elif isinstance(value, Module):
            self.add_module(name, value)
        elif name in self._buffers and (value is None or isinstance(value, Tensor)):
            self._buffers[name] = value
        elif value is None and any(name in kind for kind in kinds):
            next(kind for kind in kinds if name in kind)[name] = None
        elif name in self._parameters:
            raise TypeError(f"{name!r} is a parameter: assign a Parameter or None, not {type(value).__name__}")
        else:
            self._forget(name)
            self.__dict__[name] = value

    def _forget(self, name: str, but: Any = None) -> None:
        """Drops an attribute of whatever kind, but not one in the dictionary `but`, where a new value keeps its place."""
        for kind in (self._parameters, self._buffers, self._modules, self.__dict__):
            if kind is not but:
                kind.pop(name, None)
        self._not_saved.discard(name)

    def __getattr__(self, name: str) -> Any:
        own = self.__dict__
        for kind in ("_parameters", "_buffers", "_modules"):
            if kind in own and name in own[kind]:
                return own[kind][name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __delattr__(self, name: str) -> None:
        if not any(name in kind for kind in (self._parameters, self._buffers, self._modules, self.__dict__)):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        self._forget(name)

    def __dir__(self) -> list[str]:
        return sorted({*object.__dir__(self), *self._parameters, *self._buffers, *self._modules})

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Makes a parameter, or None in the place of one, an attribute of the module."""
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(f"param {name!r} is a {type(param).__name__}, expected a Parameter or None")
        _check_name(name)
        self._forget(name, but=self._parameters)
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """A tensor that moves with the module and, if persistent, is part of its state_dict."""
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(f"tensor {name!r} is a {type(tensor).__name__}, expected a Tensor or None")
        _check_name(name)
        self._forget(name, but=self._buffers)
        self._buffers[name] = tensor
        if not persistent:
            self._not_saved.add(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Makes a module an attribute of this one."""
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"module {name!r} is a {type(module).__name__}, expected a Module or None")
        _check_name(name)
        self._forget(name, but=self._modules)
        self._modules[name] = module

    register_module = add_module

    # walking the tree

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """This module and all below it, with dotted names; shared ones once, unless remove_duplicate is False."""
        memo = set() if memo is None else memo
        if self not in memo:
            if remove_duplicate:
                memo.add(self)
            yield prefix, self
            for name, child in self._modules.items():
                if child is not None:
                    yield from child.named_modules(memo, f"{prefix}.{name}" if prefix else name, remove_duplicate)

    def modules(self) -> Iterator[Module]:
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        return ((name, child) for name, child in self._modules.items() if child is not None)

    def children(self) -> Iterator[Module]:
        return (child for _, child in self.named_children())

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """All parameters, with dotted names; shared ones once, unless remove_duplicate is False."""
        return self._named("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        return (param for _, param in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """As `named_parameters`."""
        return self._named("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def _named(self, kind: str, prefix: str, recurse: bool, remove_duplicate: bool) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        below = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
        for path, module in below if recurse else [(prefix, self)]:
            for name, value in getattr(module, kind).items():
                if value is not None and id(value) not in seen:
                    if remove_duplicate:
                        seen.add(id(value))
                    yield f"{path}.{name}" if path else name, value

    def get_submodule(self, target: str) -> Module:
        """The module with this dotted name."""
        module = self
        for name in target.split(".") if target else []:
            child = module._modules.get(name)
            if child is None:
                raise AttributeError(f"{type(module).__name__} has no submodule {name!r}")
            module = child
        return module

    def get_parameter(self, target: str) -> Parameter:
        """The parameter with this dotted name. AttributeError if there is none."""
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if module._parameters.get(name) is None:
            raise AttributeError(f"{type(module).__name__} has no parameter {name!r}")
        return module._parameters[name]  # type: ignore[no-any-return]

    def get_buffer(self, target: str) -> Tensor:
        """The buffer with this dotted name. AttributeError if there is none."""
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if module._buffers.get(name) is None:
            raise AttributeError(f"{type(module).__name__} has no buffer {name!r}")
        return module._buffers[name]  # type: ignore[no-any-return]

    def set_submodule(self, target: str, module: Module) -> None:
        """Puts a module in the place with this dotted name, whose parent must exist."""
        path, _, name = target.rpartition(".")
        self.get_submodule(path).add_module(name, module)

    # mode, place and state

    def train(self: M, mode: bool = True) -> M:
        for module in self.modules():
            module.training = mode
        return self

    def eval(self: M) -> M:
        return self.train(False)

    def requires_grad_(self: M, requires_grad: bool = True) -> M:
        for param in self.parameters():
            param.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        for param in self.parameters():
            if set_to_none:
                param.grad = None
            elif param.grad is not None:
                param.grad.zero_()

    def apply(self: M, fn: Callable[[Module], Any]) -> M:
        """Calls `fn` on every submodule, children first, and on the module itself."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def _convert(self: M, convert: Callable[[Tensor], Tensor]) -> M:
        with no_grad():
            for module in self.modules():
                for param in module._parameters.values():
                    if param is not None:
                        param._array = convert(param.detach())._array
                        param._grad_view = None
                        if param.grad is not None:
                            param.grad = convert(param.grad)
                for name, buffer in module._buffers.items():
                    if buffer is not None:
                        module._buffers[name] = convert(buffer)
        return self

    def to(self: M, *args: Any, **kwargs: Any) -> M:
        """Moves parameters and buffers in place, as `Tensor.to`; a dtype applies to floating-point ones only."""
        dtype_free = [
            a
            for a in args
            if isinstance(a, (str, Tensor)) or (hasattr(a, "index") and hasattr(a, "type") and not hasattr(a, "kind"))
        ]

        def convert(tensor: Tensor) -> Tensor:
            if tensor.is_floating_point():
                return tensor.to(*args, **kwargs)
            return tensor.to(*dtype_free, **{k: v for k, v in kwargs.items() if k != "dtype"})

        return self._convert(convert)

    def cpu(self: M) -> M:
        return self.to("cpu")

    def cuda(self: M, device: int | None = None) -> M:
        return self._convert(lambda tensor: tensor.cuda(device))

    def float(self: M) -> M:
        return self._convert(lambda tensor: tensor.float() if tensor.is_floating_point() else tensor)

    def double(self: M) -> M:
        return self._convert(lambda tensor: tensor.double() if tensor.is_floating_point() else tensor)

    def type(self: M, dst_type: Any) -> M:
        return self._convert(lambda tensor: tensor.to(dtype=dst_type))

    def half(self: M) -> M:
        return self._convert(lambda tensor: tensor.half() if tensor.is_floating_point() else tensor)

    def state_dict(self, *, prefix: str = "", keep_vars: bool = False) -> OrderedDict[str, Tensor]:
        """All parameters and persistent buffers by dotted name, as in PyTorch: the same memory, without history.

        keep_vars  the parameters and buffers themselves, not detached.
        """
        result: OrderedDict[str, Tensor] = OrderedDict()
        for name, param in self._parameters.items():
            if param is not None:
                result[prefix + name] = param if keep_vars else param.detach()
        for name, buffer in self._buffers.items():
            if buffer is not None and name not in self._not_saved:
                result[prefix + name] = buffer if keep_vars else buffer.detach()
        for name, child in self.named_children():
            result.update(child.state_dict(prefix=f"{prefix}{name}.", keep_vars=keep_vars))
        return result

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> IncompatibleKeys:
        """Copies values into the parameters and buffers of the same names; returns (missing_keys, unexpected_keys).

        Raises RuntimeError, before anything is changed, for keys that are missing or unexpected (if strict) and for
        values of another shape.
        """
        own = self.state_dict()
        missing = [key for key in own if key not in state_dict]
        unexpected = [key for key in state_dict if key not in own]
        problems = []
        if strict and missing:
            problems.append(f"missing keys: {', '.join(missing)}")
        if strict and unexpected:
            problems.append(f"unexpected keys: {', '.join(unexpected)}")
        for key, target in own.items():
            if key in state_dict and tuple(state_dict[key].shape) != target.shape:
                problems.append(f"{key} has shape {tuple(state_dict[key].shape)}, expected {target.shape}")
        if problems:
            raise RuntimeError(f"cannot load the state of {type(self).__name__}: " + "; ".join(problems))
        with no_grad():
            for key, target in own.items():
                if key in state_dict:
                    target.copy_(state_dict[key])
        return IncompatibleKeys(missing, unexpected)

    # hooks

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """`hook(module, args, output)` after each forward; what it returns, if not None, takes the output's place.

        prepend      call it before the hooks that are there already.
        with_kwargs  call it as `hook(module, args, kwargs, output)`.
        """
        return _register(self._forward_hooks, hook, prepend, with_kwargs)

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """`hook(module, args)` before each forward; what it returns, if not None, takes the arguments' place.

        With `with_kwargs` it is `hook(module, args, kwargs)` and returns both.
        """
        return _register(self._forward_pre_hooks, hook, prepend, with_kwargs)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """`hook(module, grad_input, grad_output)` when the gradients of the positional inputs are known.

        Both are tuples, with None for what has no gradient; what it returns, if not None, takes grad_input's place.
        """
        return _register(self._backward_hooks, hook, prepend)

    def register_full_backward_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """`hook(module, grad_output)` when the gradients of the outputs are known; what it returns takes their place."""
        return _register(self._backward_pre_hooks, hook, prepend)

    def _has_hooks(self) -> bool:
        return bool(self._forward_hooks or self._forward_pre_hooks or self._backward_hooks or self._backward_pre_hooks)

    # printing

    def extra_repr(self) -> str:
        """What stands between the parentheses when the module is printed."""
        return ""

    def _child_lines(self) -> list[str]:
        return [f"({name}): " + repr(child).replace("\n", "\n  ") for name, child in self.named_children()]

    def _get_name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        extra, children = self.extra_repr(), self._child_lines()
        if not children and "\n" not in extra:
            return f"{self._get_name()}({extra})"
        lines = [*(extra.split("\n") if extra else ()), *children]
        return f"{self._get_name()}(\n  " + "\n  ".join(lines) + "\n)"


def _check_name(name: str) -> None:
    if not isinstance(name, str) or not name or "." in name:
        raise ValueError(f"name is {name!r}, expected a string that is not empty and has no dots")


def _register(hooks: list[Any], hook: Callable[..., Any], prepend: bool, with_kwargs: bool = False) -> RemovableHandle:
    entry = hook, with_kwargs
    hooks.insert(0 if prepend else len(hooks), entry)
    return RemovableHandle(lambda: hooks.remove(entry))
