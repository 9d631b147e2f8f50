"""Whether operations are recorded for differentiation, and cast by autocast: switches of each thread."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .amp import _Region


class _Mode(threading.local):
    enabled = True
    autocast: _Region | None = None  # what casts the arguments of operations: see `amp`


_mode = _Mode()


class set_grad_enabled:
    """Turns the recording of operations on or off: at once, and until the end of a `with` block if used as one."""

    def __init__(self, mode: bool) -> None:
        self.previous = _mode.enabled
        _mode.enabled = self.mode = bool(mode)

    def __enter__(self) -> None:
        _mode.enabled = self.mode

    def __exit__(self, *error: object) -> None:
        _mode.enabled = self.previous


class _Switch:
    """A context manager and, with or without parentheses, a decorator that records, or does not."""

    mode: bool

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        return object.__new__(cls) if function is None else _decorate(cls, function)

    def __init__(self) -> None:
        self._previous: list[bool] = []

    def __enter__(self) -> None:
        self._previous.append(_mode.enabled)
        _mode.enabled = self.mode

    def __exit__(self, *error: object) -> None:
        _mode.enabled = self._previous.pop()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return _decorate(type(self), function)


def _decorate(switch: type[_Switch], function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        with switch():
            return function(*args, **kwargs)

    return wrapper


class no_grad(_Switch):
    """Inside this context, or in a function so decorated, no operation is recorded."""

    mode = False


class enable_grad(_Switch):
    """Inside this context, operations are recorded even within `no_grad`."""

    mode = True


def is_grad_enabled() -> bool:
    """Whether operations are being recorded in this thread."""
    return _mode.enabled
