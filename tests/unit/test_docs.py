"""The examples in docstrings."""

from __future__ import annotations

import doctest

import tinynet


def test_perceptron() -> None:
    result = doctest.testmod(tinynet, verbose=False)
    assert result.attempted >= 7
    assert result.failed == 0
