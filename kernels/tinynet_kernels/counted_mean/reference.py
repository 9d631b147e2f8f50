"""The definition of counted_mean."""

from __future__ import annotations

from typing import Any

import numpy as np


def counted_mean(loss: Any, labels: Any, *, ignore_index: int = -100) -> tuple[Any, Any]:
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.asarray(loss.dtype.type(1) / loss.dtype.type((labels != ignore_index).sum()))
        return np.asarray(loss.sum() * share), share
