"""The examples in docstrings, and the README's that has a trainer."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

import tinynet


def test_perceptron() -> None:
    result = doctest.testmod(tinynet, verbose=False)
    assert result.attempted >= 7
    assert result.failed == 0


def test_the_trainer_in_the_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    found = re.search(r"<!-- trainer -->\n```python\n(.*?)```", readme, re.DOTALL)
    assert found is not None
    monkeypatch.chdir(tmp_path)
    tinynet.manual_seed(0)
    names: dict[str, object] = {}
    exec(found[1], names)
    assert names["trainer"].evaluate((names["x"][500:], names["y"][500:]))["accuracy"] > 0.9  # type: ignore[attr-defined,index]
    assert len(list((tmp_path / "checkpoints").iterdir())) == 3
