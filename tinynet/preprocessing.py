"""Cleaning tables of numbers, under the names of scikit-learn where it has them.

Each step learns from the training part in `fit` and is applied to any part by `transform`, so that nothing of the test part
leaks into training. A table is an array (rows, columns), in which NaN marks a missing value; results are new float64 arrays.
`state_dict` is made of tensors and plain values, so that checkpoints can hold it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from .tensor import Tensor

Self = TypeVar("Self", bound="Step")


class Step:
    """The base: `fit`, `transform`, and what was learnt, in attributes that end in an underscore."""

    learnt: tuple[str, ...] = ()

    def fit(self: Self, X: Any) -> Self:
        """Learns from a table. ValueError for what is no table of numbers, or has no rows."""
        self._learn(_table(X))
        return self

    def transform(self, X: Any) -> Any:
        """The table, changed. RuntimeError before `fit`, ValueError for another number of columns than in `fit`."""
        table = _table(X)
        for name in self.learnt:
            if not hasattr(self, name):
                raise RuntimeError(f"{type(self).__name__} has not been fitted")
            if len(getattr(self, name)) != table.shape[1]:
                raise ValueError(f"X has {table.shape[1]} columns, expected {len(getattr(self, name))} as in fit")
        return self._apply(table)

    def fit_transform(self, X: Any) -> Any:
        return self.fit(X).transform(X)

    def state_dict(self) -> dict[str, Any]:
        """What was learnt."""
        return {name: Tensor._make(getattr(self, name).copy()) for name in self.learnt if hasattr(self, name)}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes up what `state_dict` gave. KeyError if it is that of another kind of step."""
        for name, value in {name: state_dict[name] for name in self.learnt if state_dict}.items():
            setattr(self, name, np.array(value.numpy(), np.float64))

    def _learn(self, table: Any) -> None:
        raise TypeError(f"{type(self).__name__} does not define _learn()")

    def _apply(self, table: Any) -> Any:
        raise TypeError(f"{type(self).__name__} does not define _apply()")


class SimpleImputer(Step):
    """Puts a value of each column in place of those that are missing.

    strategy    "mean", "median", "most_frequent" (the smallest of them, if there are several) or "constant".
    fill_value  for "constant", and for columns in which no value is known; default 0.

    Learnt: statistics_.
    """

    learnt = ("statistics_",)

    def __init__(self, strategy: str = "mean", fill_value: float = 0.0) -> None:
        if strategy not in ("mean", "median", "most_frequent", "constant"):
            raise ValueError(f"strategy is {strategy!r}, expected 'mean', 'median', 'most_frequent' or 'constant'")
        self.strategy, self.fill_value = strategy, fill_value

    def _learn(self, table: Any) -> None:
        self.statistics_ = np.array([self._statistic(c[~np.isnan(c)]) for c in table.T], np.float64)

    def _statistic(self, known: Any) -> float:
        if self.strategy == "constant" or not known.size:
            return self.fill_value
        if self.strategy == "most_frequent":
            values, counts = np.unique(known, return_counts=True)
            return float(values[counts.argmax()])
        return float(known.mean() if self.strategy == "mean" else np.median(known))

    def _apply(self, table: Any) -> Any:
        return np.where(np.isnan(table), self.statistics_, table)


class StandardScaler(Step):
    """(x - mean) / standard deviation of each column; a constant column becomes 0. Missing values stay and do not count.

    Learnt: mean_, scale_ (the standard deviation, by N; 1 for constant columns).
    """

    learnt = ("mean_", "scale_")

    def _learn(self, table: Any) -> None:
        columns = [column[~np.isnan(column)] for column in table.T]
        self.mean_ = np.array([c.mean() if c.size else 0.0 for c in columns])
        deviations = np.array([c.std() if c.size else 0.0 for c in columns])
        # the deviation of equal numbers is not 0 if their mean is rounded
        constant = np.array([not c.size or c.min() == c.max() for c in columns])
        self.mean_ = np.where(constant, [c[0] if c.size else 0.0 for c in columns], self.mean_)
        self.scale_ = np.where(constant, 1.0, deviations)

    def _apply(self, table: Any) -> Any:
        return (table - self.mean_) / self.scale_

    def inverse_transform(self, X: Any) -> Any:
        """The table of which X is the transform."""
        return _table(X) * self.scale_ + self.mean_


class OutlierClipper(Step):
    """Moves values that lie far out to the nearest limit of their column. Missing values stay and do not count.

    Limits are `factor` times the distance between the quartiles below the first and above the third (Tukey 1977); or, with
    `quantiles`, such as (0.01, 0.99), those of the column.

    Learnt: low_, high_.
    """

    learnt = ("low_", "high_")

    def __init__(self, factor: float = 1.5, quantiles: Sequence[float] | None = None) -> None:
        if not factor >= 0:
            raise ValueError(f"factor is {factor}, expected at least 0")
        if quantiles is not None and not (len(quantiles) == 2 and 0 <= quantiles[0] <= quantiles[1] <= 1):
            raise ValueError(f"quantiles is {quantiles}, expected two numbers from 0 to 1 in rising order")
        self.factor, self.quantiles = factor, quantiles

    def _learn(self, table: Any) -> None:
        limits = [self._limits(column[~np.isnan(column)]) for column in table.T]
        self.low_, self.high_ = np.array(limits, np.float64).reshape(-1, 2).T.copy()

    def _limits(self, known: Any) -> tuple[float, float]:
        if not known.size:
            return -np.inf, np.inf
        low, high = np.quantile(known, self.quantiles or (0.25, 0.75))
        reach = self.factor * (high - low) if self.quantiles is None else 0.0
        return low - reach, high + reach

    def _apply(self, table: Any) -> Any:
        return np.clip(table, self.low_, self.high_)


class Pipeline(Step):
    """Steps one after the other, each fitted on what those before make of the table."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.steps = list(steps)

    def _learn(self, table: Any) -> None:
        for step in self.steps:
            table = step.fit_transform(table)

    def _apply(self, table: Any) -> Any:
        for step in self.steps:
            table = step.transform(table)
        return table

    def state_dict(self) -> dict[str, Any]:
        return {"steps": [step.state_dict() for step in self.steps]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        states = state_dict["steps"]
        if len(states) != len(self.steps):
            raise ValueError(f"state_dict has {len(states)} steps, expected {len(self.steps)}")
        for step, state in zip(self.steps, states):
            step.load_state_dict(state)


def drop_missing(X: Any, *others: Any) -> tuple[Any, ...]:
    """X without the rows in which a value is missing, and the same rows of other arrays, such as the targets.

    Raises ValueError if an array has another length than X.
    """
    table = _table(X)
    arrays = [_array(other) for other in others]
    for i, array in enumerate(arrays):
        if len(array) != len(table):
            raise ValueError(f"others[{i}] has {len(array)} rows, expected {len(table)} as X")
    whole = ~np.isnan(table).any(axis=1)
    return (table[whole], *(array[whole] for array in arrays))


def _array(X: Any) -> Any:
    return np.asarray(X.detach().cpu() if isinstance(X, Tensor) else X)


def _table(X: Any) -> Any:
    array = _array(X)
    if array.ndim != 2 or array.dtype.kind not in "biuf":
        raise ValueError(f"X has shape {array.shape} and dtype {array.dtype}, expected numbers (rows, columns)")
    if not len(array):
        raise ValueError("X has no rows")
    return array.astype(np.float64)
