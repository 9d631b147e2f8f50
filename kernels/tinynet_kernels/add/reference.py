"""The definition of add."""

from __future__ import annotations

from typing import Any


def add(a: Any, b: Any) -> Any:
    return a + b
