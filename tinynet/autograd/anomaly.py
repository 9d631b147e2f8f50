"""Finding the operation whose gradient is NaN, as `torch.autograd.set_detect_anomaly`."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

from .. import autograd
from ..device import xp
from ..tensor import Tensor


class set_detect_anomaly:
    """Turns the search on or off: at once, and until the end of a `with` block if used as one.

    While it is on, backward raises RuntimeError at the first NaN in a gradient, if `check_nan`, naming the operation and the
    lines that called it; what backward raises by itself names them too. Everything is slower, so it is for debugging.
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self.before = autograd._watch
        autograd.set_watch(_Search(check_nan) if mode else None)

    def __enter__(self) -> None:
        return

    def __exit__(self, *error: object) -> None:
        autograd.set_watch(self.before)


class detect_anomaly(set_detect_anomaly):
    """A context in which backward finds the operation whose gradient is NaN: see `set_detect_anomaly`."""

    def __init__(self, check_nan: bool = True) -> None:
        super().__init__(True, check_nan)


class _Search:
    def __init__(self, check_nan: bool) -> None:
        self.check_nan = check_nan

    def __call__(self, op: type[autograd.Op], phase: str, function: Callable[..., Any], *args: Any) -> Any:
        node = args[0]
        if phase == "forward":
            node.called = traceback.format_stack()[:-2]
            return function(*args)
        where = "".join(getattr(node, "called", ()))
        note = f"{op.__name__} was called at:\n{where}" if where else f"{op.__name__} was called by a Function"
        try:
            result = function(*args)
        except Exception as error:
            raise RuntimeError(f"{error}\n{note}") from error
        for i, grad in enumerate(result if isinstance(result, tuple) else (result,)):
            if self.check_nan and isinstance(grad, Tensor) and bool(xp(grad._array).isnan(grad._array).any()):
                raise RuntimeError(f"the gradient of argument {i} of {op.__name__} has NaN; {note}")
        return result
