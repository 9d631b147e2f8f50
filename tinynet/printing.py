"""How tensors print: numbers of one width, four digits, long tensors shortened, as PyTorch's do."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Options:
    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


_PROFILES = {
    "default": Options(),
    "short": Options(precision=2, edgeitems=2),
    "full": Options(threshold=math.inf),
}
_options = Options()


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """How tensors are printed from now on; what is None stays as it is, but for sci_mode.

    precision  digits after the point, 4 at first.
    threshold  elements from which on a tensor is shortened, 1000 at first.
    edgeitems  elements shown at either end of a shortened dimension, 3 at first.
    linewidth  characters of a line, 80 at first.
    profile    begin with "default", "short" or "full". ValueError for another name.
    sci_mode   whether to print powers of ten; None, the default: where numbers are far apart or very large or small.
    """
    global _options
    if profile is not None and profile not in _PROFILES:
        raise ValueError(f"profile is {profile!r}, expected one of {', '.join(map(repr, _PROFILES))}")
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    start = _options if profile is None else _PROFILES[profile]
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    _options = replace(start, sci_mode=sci_mode, **changes)


def text(array: Any, suffixes: list[str], prefix: str = "tensor(") -> str:
    """`prefix`, the elements of a NumPy array, the suffixes separated by commas, and a closing parenthesis."""
    indent = len(prefix)
    shortened = array.size > _options.threshold
    if array.size:
        body = _block(array, indent, shortened, _Formatter(_edges(array) if shortened else array))
    else:
        body = "[]"
    pieces = [prefix, body]
    column = indent + len(body) - body.rfind("\n") + 1
    for suffix in suffixes:
        if column + len(suffix) + 2 > _options.linewidth:
            pieces.append(",\n" + " " * indent + suffix)
            column = indent + len(suffix)
        else:
            pieces.append(", " + suffix)
            column += len(suffix) + 2
    return "".join(pieces) + ")"


class _Formatter:
    """Chooses one format for all elements of an array."""

    def __init__(self, array: Any) -> None:
        self.spec, self.point, self.width = "", "", 1
        if array.dtype.kind == "f":
            values = array.astype(np.float64).ravel()
            values = values[np.isfinite(values) & (values != 0)]
            whole = bool((values == np.ceil(values)).all())
            scientific = _options.sci_mode if values.size else False
            if scientific is None:
                low, high = float(np.abs(values).min()), float(np.abs(values).max())
                scientific = high / low > 1000.0 or high > 1e8 or (not whole and low < 1e-4)
            if scientific:
                self.spec = f".{_options.precision}e"
            else:
                self.spec, self.point = (".0f", ".") if whole else (f".{_options.precision}f", "")
        else:
            values = array.ravel()
        self.width = max((len(self._one(v)) for v in values.tolist()), default=1)

    def _one(self, value: float) -> str:
        text: str = format(value, self.spec) if self.spec else str(value)  # True, not 1
        return f"{text}{self.point}" if math.isfinite(value) else text

    def __call__(self, value: Any) -> str:
        return self._one(value).rjust(self.width)


def _block(array: Any, indent: int, shortened: bool, formatted: _Formatter) -> str:
    if array.ndim == 0:
        return formatted(array.item())
    edge = _options.edgeitems
    cut = shortened and len(array) > 2 * edge
    if array.ndim > 1:
        parts = [_block(a, indent + 1, shortened, formatted) for a in (_ends(array, edge) if cut else array)]
        if cut:
            parts.insert(edge, "...")
        between: str = "," + "\n" * (array.ndim - 1) + " " * (indent + 1)
        return f"[{between.join(parts)}]"
    parts = [formatted(v) for v in (_ends(array, edge) if cut else array).tolist()]
    if cut:
        parts.insert(edge, " ...")
    each = max(1, (_options.linewidth - indent) // (formatted.width + 2))
    lines = [", ".join(parts[i : i + each]) for i in range(0, len(parts), each)]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"


def _ends(array: Any, edge: int) -> Any:
    return np.concatenate([array[:edge], array[len(array) - edge :]])


def _edges(array: Any) -> Any:
    """The elements that a shortened tensor shows."""
    for axis in range(array.ndim):
        if array.shape[axis] > 2 * _options.edgeitems:
            array = np.moveaxis(_ends(np.moveaxis(array, axis, 0), _options.edgeitems), 0, axis)
    return array
