"""add by the array module, for CUDA."""

from __future__ import annotations

from typing import Any

from ..runtime.cuda import module


def add(outputs: Any, a: Any, b: Any) -> None:
    module().add(a, b, out=outputs[0])
