"""`torch.nn.parallel` for programs that wrap their model if there are several devices: here a model runs on one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..device import device
from .module import Module

__all__ = ["DataParallel", "data_parallel"]


class DataParallel(Module):
    """The module, as its attribute `module`, which the keys of the state begin with; batches are not divided.

    device_ids, output_device  one device, or None; ValueError for several.
    """

    def __init__(
        self, module: Module, device_ids: Sequence[Any] | None = None, output_device: Any = None, dim: int = 0
    ) -> None:
        super().__init__()
        _check(device_ids, output_device)
        self.module = module

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        return self.module(*inputs, **kwargs)


def data_parallel(
    module: Module,
    inputs: Any,
    device_ids: Sequence[Any] | None = None,
    output_device: Any = None,
    dim: int = 0,
    module_kwargs: dict[str, Any] | None = None,
) -> Any:
    """`module(*inputs, **module_kwargs)` on one device; ValueError for several."""
    _check(device_ids, output_device)
    return module(*inputs if isinstance(inputs, tuple) else (inputs,), **module_kwargs or {})


def _check(device_ids: Sequence[Any] | None, output_device: Any) -> None:
    given = [*(device_ids or ()), *(() if output_device is None else (output_device,))]
    places = {device("cuda", d) if isinstance(d, int) else device(d) for d in given}
    if len(places) > 1:
        raise ValueError(f"device_ids is {device_ids} and output_device {output_device}, expected one device")
