"""The table of PyTorch's names says the truth."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def generator() -> Any:
    spec = importlib.util.spec_from_file_location("api_table", ROOT / "bench" / "api_table.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_is_listed_is_there() -> None:
    table = generator()
    text = (ROOT / "tinynet" / "API.md").read_text(encoding="utf-8")
    listed = 0
    for section, body in re.findall(r"^## (\S+)\n\nThere: (.*?)\.\n", text, re.M | re.S):
        for name in re.findall(r"`([\w.]+)`", body):
            assert table.there_is(section, name), f"{section}.{name}"
            listed += 1
    assert listed > 900


def test_lookup_tells_names_apart() -> None:
    table = generator()
    assert table.there_is("torch.nn.utils", "rnn.pad_sequence")
    assert table.there_is("torch.Tensor", "grad")
    assert not table.there_is("torch.nn", "Conv7d")
    assert not table.there_is("torch", "nn.functional.no_such_name")
