"""A model as a table: layers, output shapes, parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import ops
from .autograd import no_grad
from .nn import Module


def summary(model: Module, input_shape: Sequence[int]) -> str:
    """The table for an input of `input_shape` (with the batch dimension), which runs through the model once."""
    rows: list[tuple[str, str, str]] = []
    handles = []

    def record(module: Module, args: Any, output: Any) -> None:
        count = sum(p.numel() for p in module.parameters())
        first = output[0] if isinstance(output, tuple) else output  # recurrent layers also return states
        shape = " x ".join(map(str, first.shape[1:]))
        rows.append((repr(module).split("\n")[0], shape, f"{count:,}" if count else ""))

    leaves = [m for m in model.modules() if not list(m.children())]
    device = next(iter(model.parameters())).device
    mode = model.training
    for leaf in leaves:
        handles.append(leaf.register_forward_hook(record))
    try:
        with no_grad():
            model.eval()(ops.zeros(*input_shape, device=device))
    finally:
        model.train(mode)
        for handle in handles:
            handle.remove()
    rows = [("layer", "output", "parameters"), *((_short(layer), shape, count) for layer, shape, count in rows)]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    lines = [f"  {a:<{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}" for a, b, c in rows]
    total = sum(p.numel() for p in model.parameters())
    return "\n".join([*lines, f"  {'total':<{widths[0]}}  {'':>{widths[1]}}  {total:>{widths[2]},}"])


def _short(layer: str) -> str:
    """Without the options that are at their defaults."""
    for default in (", stride=(1, 1)", ", padding=0", ", dilation=1", ", ceil_mode=False", ", bias=True"):
        layer = layer.replace(default, "")
    return layer.replace("start_dim=1, end_dim=-1", "")
