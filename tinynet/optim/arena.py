"""One flat buffer for all parameters of a dtype and device, one for their gradients, one for each optimizer state.

Parameters become views of the first, their gradients views of the second, so that one kernel call updates a whole model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tinynet_kernels.runtime import memory

from ..device import device_of, module_of, on
from ..tensor import Tensor

ALIGN = 32  # elements: every parameter starts at a multiple of 128 bytes (float32), as vector loads want


class Arena:
    """The flat buffers of parameters that share a dtype and a device.

    `slots[i]` is the slice of parameter i. Between slots lie zeros, which every update rule leaves at zero.
    """

    def __init__(self, params: Sequence[Tensor]) -> None:
        self.params = list(params)
        self.slots: list[slice] = []
        end = 0
        for p in self.params:
            self.slots.append(slice(end, end + p.numel()))
            end += -(-p.numel() // ALIGN) * ALIGN
        self.size = end
        self.dtype, self.device = self.params[0].dtype, self.params[0].device
        self.values, self.grads = self.zeros(), self.zeros()
        self.states: dict[str, Any] = {}
        self.views: list[Any] = []  # of the values, as the parameters have them
        for p, slot in zip(self.params, self.slots):
            self.values[slot] = p._array.reshape(-1)
            grad = p.grad
            p._array = self.values[slot].reshape(p.shape)
            self.views.append(p._array)
            p._grad_view = self.grads[slot].reshape(p.shape)
            if grad is not None:
                self._take(p, grad)

    def zeros(self) -> Any:
        if self.device.type == "cpu":
            return memory.zeros((self.size,), self.dtype)
        with on(self.device):
            return module_of(self.device).zeros(self.size, self.dtype)

    def state(self, name: str) -> Any:
        """The flat state buffer of this name, zeros at first."""
        if name not in self.states:
            self.states[name] = self.zeros()
        return self.states[name]

    def intact(self) -> bool:
        """Whether every parameter still lives here: `to()`, or another optimizer, may have moved it."""
        return all([p._array is view or _same_memory(p._array, view) for p, view in zip(self.params, self.views)])

    def collect(self) -> None:
        """Copies gradients that were assigned by the user, or made before the arena, to where they belong."""
        for p, slot in zip(self.params, self.slots):
            if p._grad_view is None or p._grad_view.base is not self.grads:
                p._grad_view = self.grads[slot].reshape(p.shape)
            if p.grad is not None and p.grad._array is not p._grad_view:
                self._take(p, p.grad)

    def _take(self, p: Tensor, grad: Tensor) -> None:
        if grad.shape != p.shape:
            raise ValueError(f"a parameter of shape {p.shape} has a gradient of shape {grad.shape}")
        p._grad_view[...] = grad._array
        p.grad = Tensor._make(p._grad_view)

    def runs(self, chosen: Sequence[bool]) -> Iterator[slice]:
        """The longest stretches of memory that hold chosen parameters only: one, if all are chosen."""
        start: int | None = None
        end = 0
        for slot, take in zip(self.slots, chosen):
            if take and start is None:
                start = slot.start
            if not take and start is not None:
                yield slice(start, end)
                start = None
            end = slot.stop if take else end
        if start is not None:
            yield slice(start, end)


def _same_memory(a: Any, b: Any) -> bool:
    if a.dtype != b.dtype or a.size != b.size or device_of(a) != device_of(b):
        return False
    return bool(Tensor._make(a).data_ptr() == Tensor._make(b).data_ptr())
