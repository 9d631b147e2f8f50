"""NumPy's names of two arguments, which PyTorch takes too."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])


def numpy_names(function: F) -> F:
    """Lets the keywords `axis` and `keepdims` stand for `dim` and `keepdim`, and passes over the `out=None` of `np.sum(x)`."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if kwargs:
            for theirs, ours in (("axis", "dim"), ("keepdims", "keepdim")):
                if theirs in kwargs and ours not in kwargs:
                    kwargs[ours] = kwargs.pop(theirs)
            if "out" in kwargs and kwargs["out"] is None:
                del kwargs["out"]
        return function(*args, **kwargs)

    return cast(F, wrapper)
