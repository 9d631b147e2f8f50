"""Valid and invalid calls of softmax_cross_entropy and its gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..spec import BadSample, Sample
from .reference import softmax_cross_entropy

# name, rows, classes, bench, parameters
_CASES: list[tuple[str, int, int, bool, dict[str, Any]]] = [
    ("plain", 5, 7, False, {}),
    ("digits", 33, 10, False, {}),
    ("one_class", 4, 1, False, {}),
    ("one_row", 1, 40, False, {}),
    ("empty_batch", 0, 10, False, {}),
    ("smoothing", 6, 9, False, {"label_smoothing": 0.1}),
    ("smoothing_one", 3, 4, False, {"label_smoothing": 1.0}),
    ("ignored", 9, 5, False, {"ignore_index": 2, "label_smoothing": 0.2}),
    ("all_ignored", 4, 5, False, {"ignore_index": -1}),
    ("huge", 8, 6, False, {}),
    ("warp_and_one", 3, 33, False, {}),
    ("int32_labels", 5, 7, False, {}),
    ("batch1000", 1000, 10, True, {}),
    ("classes1000", 64, 1000, True, {}),
    ("classes1025", 9, 1025, True, {"label_smoothing": 0.1}),
    ("classes50000", 4, 50000, True, {}),
]


def samples(*, grad: bool) -> list[Sample]:
    return [Sample(name, _maker(name, n, c, params, grad), bench) for name, n, c, bench, params in _CASES]


def _maker(name: str, n: int, c: int, params: dict[str, Any], grad: bool) -> Any:
    def make(rng: np.random.Generator, dtype: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        logits = (3 * rng.standard_normal((n, c))).astype(dtype)
        labels = rng.integers(0, c, n)
        if name == "huge":
            logits = (rng.choice([-1e4, 1e4], (n, c)) + logits).astype(dtype)
        if name == "all_ignored":
            labels[:] = -1
        if name == "int32_labels":
            labels = labels.astype(np.int32)
        if not grad:
            return (logits, labels), params
        lse = softmax_cross_entropy(logits.astype("float64"), labels, **params)[1].astype(dtype)
        gy = rng.standard_normal(() if name == "smoothing" else n)
        return (logits, labels, lse, np.asarray(gy, dtype)), params

    return make


def _bad(
    name: str,
    error: type[Exception],
    match: str,
    labels: Any,
    *rest: int,
    shape: tuple[int, ...] = (2, 3),
    dtype: Any = "float32",
    **params: Any,
) -> BadSample:
    def make(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (np.ones(shape, dtype), np.asarray(labels), *(np.ones(n, dtype) for n in rest)), params

    return BadSample(name, make, error, match)


# a label out of range is an error on the CPU only: see tests/kernels
BAD_FORWARD = [
    _bad("rank", ValueError, "logits has shape", [0], shape=(3,)),
    _bad("no_classes", ValueError, "at least one class", [0, 0], shape=(2, 0)),
    _bad("rows", ValueError, "labels has shape .3,., expected .2,.", [0, 1, 2]),
    _bad("float_labels", TypeError, "labels has dtype float64, expected integers", [0.0, 1.0]),
    _bad("ignore_index", ValueError, "ignore_index is 2147483648, expected", [0, 1], ignore_index=1 << 31),
    _bad("smoothing", ValueError, "label_smoothing is 1.5", [0, 1], label_smoothing=1.5),
    _bad("integer", TypeError, "logits has dtype int64", [0, 1], dtype="int64"),
]
BAD_GRAD = [
    _bad("lse", ValueError, "lse has shape", [0, 1], 3, 2),
    _bad("gy", ValueError, "gy has shape", [0, 1], 2, 3),
]
