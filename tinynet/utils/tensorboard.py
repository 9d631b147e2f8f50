"""Logs for TensorBoard, as `torch.utils.tensorboard`: the writer of the package tensorboardX, which takes tensors here."""

from __future__ import annotations

import functools
from typing import Any

from ..tensor import Tensor

try:
    import tensorboardX
except ImportError:
    raise ImportError("tinynet.utils.tensorboard needs the package tensorboardX: pip install tensorboardX") from None

__all__ = ["SummaryWriter"]


def _plain(value: Any) -> Any:
    """Arrays in place of tensors, also in dictionaries, lists and tuples."""
    if isinstance(value, Tensor):
        return value.detach().cpu().numpy()
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}
    return type(value)(map(_plain, value)) if type(value) in (list, tuple) else value


class SummaryWriter(tensorboardX.SummaryWriter):  # type: ignore[misc]  # which has no types
    """tensorboardX's: add_scalar, add_scalars, add_histogram, add_image, add_images, add_figure, add_text, add_hparams, ..."""

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if not name.startswith("add_"):
            return found

        @functools.wraps(found)
        def add(*args: Any, **kwargs: Any) -> Any:
            return found(*map(_plain, args), **_plain(kwargs))

        return add
