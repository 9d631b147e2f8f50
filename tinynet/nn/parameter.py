"""Tensors that a Module owns and an optimizer changes."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor, tensor


class Parameter(Tensor):
    """A Tensor that requires a gradient and that a Module registers when it is assigned to an attribute.

    Shares the memory of `data`.
    """

    def __init__(self, data: Any = (), requires_grad: bool = True) -> None:
        source = data if isinstance(data, Tensor) else tensor(data)
        self._array = source._array
        self._version = [0]
        self.requires_grad_(requires_grad)

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"
