"""Layers, functions, optimizers and initialisers have PyTorch's parameters: names, order and defaults."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import tinynet

torch = pytest.importorskip("torch")

# how something is computed, or deprecated: not there
LEFT_OUT = {"size_average", "reduce", "_stacklevel", "foreach", "capturable", "differentiable", "fused", "out"}
EXCEPT = {
    ("nn", "Hardtanh"): {"min_value", "max_value"},  # deprecated
    ("nn", "RNNBase"): {"mode", "proj_size"},
    ("functional", "gumbel_softmax"): {"eps"},  # deprecated
    ("rnn", "PackedSequence"): {"batch_sizes"},  # None by default, though it must be given
}
MODULES = {
    "nn": (tinynet.nn, torch.nn),
    "functional": (tinynet.nn.functional, torch.nn.functional),
    "optim": (tinynet.optim, torch.optim),
    "lr_scheduler": (tinynet.optim.lr_scheduler, torch.optim.lr_scheduler),
    "utils": (tinynet.nn.utils, torch.nn.utils),
    "rnn": (tinynet.nn.utils.rnn, torch.nn.utils.rnn),
}
NAMES = [
    (module, name)
    for module, (ours, theirs) in MODULES.items()
    for name in sorted(getattr(ours, "__all__", dir(ours)))
    if callable(getattr(ours, name, None)) and hasattr(theirs, name) and not name.startswith("_")
]


def parameters(value: Any) -> dict[str, Any] | None:
    """Names and defaults; None if they cannot be told."""
    try:
        found = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in found):
        return None
    return {p.name: p.default for p in found}


@pytest.mark.parametrize("module, name", NAMES, ids=[".".join(n) for n in NAMES])
def test_parameters(module: str, name: str) -> None:
    ours, theirs = (parameters(getattr(m, name)) for m in MODULES[module])
    if ours is None or theirs is None:
        pytest.skip("the parameters cannot be told")
    left_out = LEFT_OUT | EXCEPT.get((module, name), set())
    expected = {k: v for k, v in theirs.items() if k not in left_out}
    shared = [k for k in ours if k in expected]
    assert shared == list(expected)
    for k in shared:
        mine, other = ours[k], expected[k]
        if callable(other) or other is inspect.Parameter.empty:
            assert callable(mine) or mine is inspect.Parameter.empty, k
        elif name not in ("Parameter", "ParameterList", "affine_grid"):  # these have defaults of their own there
            assert mine == other, f"{k} is {mine!r}, expected {other!r}"
