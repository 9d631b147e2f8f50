"""What a model is judged by. Each metric adds up batches on their device; reading the result is what waits for it.

Classifiers are given as scores (N, classes) and labels (N,); regressions as outputs and targets of one shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .device import xp
from .tensor import Tensor


class Metric:
    """Sums over batches. Subclasses give `sums` of one batch, all of whose values are added up, and `compute`."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.totals: dict[str, Any] = {}

    def sums(self, outputs: Any, targets: Any) -> dict[str, Any]:
        """Arrays, of sizes that do not depend on the batch, from the arrays of a batch."""
        raise TypeError(f"{type(self).__name__} does not define sums()")

    def compute(self) -> Any:
        """The result so far; nan, or zeros, before the first batch."""
        raise TypeError(f"{type(self).__name__} does not define compute()")

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        """Adds a batch. ValueError for shapes that do not fit, before anything is added."""
        for name, value in self.sums(outputs._array, targets._array).items():
            if name in self.totals:
                self.totals[name] += value  # an array in place, as a captured step needs it
            else:
                self.totals[name] = value

    def clear(self) -> None:
        """As `reset`, but arrays stay where they are, for the captured step that adds to them."""
        for name, value in self.totals.items():
            if hasattr(value, "fill"):
                value.fill(0)
            else:
                self.totals[name] = type(value)(0)

    def counts(self) -> dict[str, Any]:
        """The totals that are plain numbers."""
        return {name: value for name, value in self.totals.items() if isinstance(value, (int, float))}

    def count(self, counts: Mapping[str, Any]) -> None:
        """Adds to totals that are plain numbers."""
        for name, value in counts.items():
            self.totals[name] += value

    def total(self, name: str) -> Any:
        """A total as a NumPy array or, if it has no dimensions, a float."""
        value = self.totals.get(name, 0.0)
        if not hasattr(value, "dtype"):
            return float(value)
        array = np.asarray(Tensor._make(value).cpu())
        return array if array.ndim else float(array)

    def state_dict(self) -> dict[str, Any]:
        return {k: Tensor._make(v).clone() if hasattr(v, "dtype") else v for k, v in self.totals.items()}

    def load_state_dict(self, state_dict: Mapping[str, Any], device: Any = "cpu") -> None:
        self.totals = {k: v.to(device)._array if isinstance(v, Tensor) else v for k, v in state_dict.items()}


class Accuracy(Metric):
    """The share of labels that are among the `top_k` highest scores (default 1); ties go to the first class."""

    def __init__(self, top_k: int = 1) -> None:
        if top_k < 1:
            raise ValueError(f"top_k is {top_k}, expected at least 1")
        super().__init__()
        self.top_k = top_k

    def sums(self, outputs: Any, targets: Any) -> dict[str, Any]:
        _check_scores(outputs, targets)
        if self.top_k == 1:
            right = outputs.argmax(axis=1) == targets
        else:
            own = xp(outputs).take_along_axis(outputs, targets[:, None], axis=1)
            earlier = xp(outputs).arange(outputs.shape[1])[None] < targets[:, None]
            right = ((outputs > own) | ((outputs == own) & earlier)).sum(axis=1) < self.top_k
        return {"right": right.sum(), "samples": len(targets)}

    def compute(self) -> float:
        return _ratio(self.total("right"), self.total("samples"))


class ConfusionMatrix(Metric):
    """Counts by (label, prediction), int64 (classes, classes)."""

    def sums(self, outputs: Any, targets: Any) -> dict[str, Any]:
        _check_scores(outputs, targets)
        classes = outputs.shape[1]
        # a uint8 label times classes would wrap around
        pairs = targets.astype(np.int64) * classes + outputs.argmax(axis=1)
        counts = xp(pairs).bincount(pairs, minlength=classes * classes)
        if len(counts) > classes * classes:
            raise ValueError(f"targets have labels up to {int(targets.max())}, expected 0 to {classes - 1}")
        return {"counts": counts.reshape(classes, classes)}

    def compute(self) -> Any:
        return self.total("counts") if self.totals else np.zeros((0, 0), np.int64)


class _ByClass(ConfusionMatrix):
    """A figure for each class, or one for all: `average` is "macro" (default), their mean; "weighted", that by labels; "micro",
    over all classes' counts together; or None, all of them. As scikit-learn's, where zero_division is 0."""

    def __init__(self, average: str | None = "macro") -> None:
        if average not in ("macro", "weighted", "micro", None):
            raise ValueError(f"average is {average!r}, expected 'macro', 'weighted', 'micro' or None")
        super().__init__()
        self.average = average

    def figures(self, hits: Any, predicted: Any, labelled: Any) -> Any:
        raise TypeError(f"{type(self).__name__} does not define figures()")

    def compute(self) -> Any:
        counts = super().compute().astype(np.float64)
        labelled = counts.sum(axis=1)
        columns = np.diag(counts), counts.sum(axis=0), labelled
        if self.average == "micro":
            return float(self.figures(*(column.sum() for column in columns)))
        values = self.figures(*columns)
        if self.average is None:
            return values
        if self.average == "weighted":
            return _ratio(float(values @ labelled), float(labelled.sum()))
        return float(values.mean()) if len(values) else float("nan")


class Precision(_ByClass):
    """Of those predicted as a class, the share that is one; 0 where none is predicted."""

    def figures(self, hits: Any, predicted: Any, labelled: Any) -> Any:
        return hits / np.maximum(predicted, 1)


class Recall(_ByClass):
    """Of those labelled as a class, the share that is predicted as one; 0 where none is labelled."""

    def figures(self, hits: Any, predicted: Any, labelled: Any) -> Any:
        return hits / np.maximum(labelled, 1)


class F1(_ByClass):
    """The harmonic mean of precision and recall, 2 hits / (predicted + labelled)."""

    def figures(self, hits: Any, predicted: Any, labelled: Any) -> Any:
        return 2 * hits / np.maximum(predicted + labelled, 1)


class Mean(Metric):
    """The mean of a number that each batch has, such as its loss, weighted by the sizes of the batches."""

    def add(self, value: Tensor, weight: int) -> None:
        addend = value._array.astype(np.float64) * weight
        if self.totals:
            self.totals["sum"] += addend
            self.totals["weight"] += weight
        else:
            self.totals = {"sum": addend, "weight": weight}

    def compute(self) -> float:
        return _ratio(self.total("sum"), self.total("weight"))


class MSE(Metric):
    """The mean of the squared differences of all elements."""

    def sums(self, outputs: Any, targets: Any) -> dict[str, Any]:
        difference = _difference(outputs, targets)
        return {"sum": (difference * difference).sum(), "count": difference.size}

    def compute(self) -> float:
        return _ratio(self.total("sum"), self.total("count"))


class MAE(Metric):
    """The mean of the absolute differences of all elements."""

    def sums(self, outputs: Any, targets: Any) -> dict[str, Any]:
        difference = _difference(outputs, targets)
        return {"sum": abs(difference).sum(), "count": difference.size}

    def compute(self) -> float:
        return _ratio(self.total("sum"), self.total("count"))


class R2(Metric):
    """1 - (sum of squared errors) / (sum of squared deviations of all targets from their mean)."""

    def sums(self, outputs: Any, targets: Any) -> dict[str, Any]:
        error = _difference(outputs, targets)
        targets = targets.astype(np.float64)
        # deviations from a fixed element, not from zero: squares of large targets would cancel
        origin = self.totals["origin"] if self.totals else targets.reshape(-1)[:1].sum()
        moved = targets - origin
        result = {
            "error": (error * error).sum(),
            "sum": moved.sum(),
            "squares": (moved * moved).sum(),
            "count": error.size,
        }
        return result if self.totals else {"origin": origin, **result}

    def clear(self) -> None:
        origin = self.totals.pop("origin", None)
        super().clear()
        if origin is not None:  # any element will do
            self.totals["origin"] = origin

    def compute(self) -> float:
        count = max(self.total("count"), 1.0)
        deviations = self.total("squares") - self.total("sum") ** 2 / count
        return 1.0 - _ratio(self.total("error"), deviations)


def _difference(outputs: Any, targets: Any) -> Any:
    if outputs.shape != targets.shape:
        raise ValueError(f"outputs have shape {outputs.shape}, targets {targets.shape}: expected one shape")
    return outputs.astype(np.float64) - targets.astype(np.float64)


def _check_scores(outputs: Any, targets: Any) -> None:
    if outputs.ndim != 2 or targets.shape != outputs.shape[:1]:
        raise ValueError(
            f"outputs have shape {outputs.shape}, targets {targets.shape}: expected (N, classes) and labels (N,)"
        )


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")
