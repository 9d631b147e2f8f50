"""The mean of the losses of the rows that count; for cross-entropy, with its gradient at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import check_float, check_int32, check_ndim, check_shape
from ..softmax_cross_entropy import _check as check_cross_entropy
from ..softmax_cross_entropy import samples
from ..spec import Array, BadSample, Cost, KernelSpec, Outputs, Sample


def _check(loss: Array, labels: Array, *, ignore_index: int = -100) -> Outputs:
    dtype = check_float(loss=loss)
    check_ndim(1, "(N,)", loss=loss)
    if labels.dtype.kind not in "iu":
        raise TypeError(f"labels has dtype {labels.dtype}, expected integers")
    check_shape("labels", labels, tuple(loss.shape))
    check_int32("ignore_index", ignore_index)
    return [((), dtype), ((), dtype)]


def _sample(name: str, n: int, bench: bool = False, **params: Any) -> Sample:
    def make(rng: np.random.Generator, dtype: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        labels = rng.integers(0, 5, n)
        return (np.where(labels == 3, 0, rng.standard_normal(n)).astype(dtype), labels), params

    return Sample(name, make, bench)


_SPEC = KernelSpec(
    name="counted_mean",
    check=_check,
    reference="tinynet_kernels.counted_mean.reference:counted_mean",
    cpu={"default": "tinynet_kernels.counted_mean.cpu:counted_mean"},
    cuda={"default": "tinynet_kernels.counted_mean.cuda:counted_mean"},
    samples=[
        _sample("plain", 37),
        _sample("one", 1),
        _sample("ignored", 60, ignore_index=3),
        _sample("several_blocks", 2500, ignore_index=3),
        _sample("large", 100_003, True, ignore_index=3),
    ],
    bad_samples=[
        BadSample("rows", lambda rng: ((np.ones(3), np.ones(4, "i8")), {}), ValueError, "labels has shape"),
        BadSample("float_labels", lambda rng: ((np.ones(3), np.ones(3)), {}), TypeError, "labels has dtype float64"),
        BadSample("rank", lambda rng: ((np.ones((3, 1)), np.ones(3, "i8")), {}), ValueError, "loss has shape"),
        BadSample(
            "far", lambda rng: ((np.ones(3), np.ones(3, "i8")), {"ignore_index": -(1 << 40)}), ValueError, "ignore"
        ),
    ],
    cost=lambda loss, labels, **params: Cost(
        flops=loss.size, bytes=loss.size * (loss.dtype.itemsize + labels.dtype.itemsize)
    ),
)


def _check_mean_cross_entropy(logits: Array, labels: Array, **params: Any) -> Outputs:
    (_, dtype), _ = check_cross_entropy(logits, labels, **params)
    if logits.shape[0] == 0:
        raise ValueError(f"logits has shape {tuple(logits.shape)}: no rows to take the mean of")
    return [((), dtype), ((), dtype), (tuple(logits.shape), dtype)]


def _cost_mean_cross_entropy(logits: Array, labels: Array, **params: Any) -> Cost:
    return Cost(
        flops=9 * logits.size,
        bytes=2 * logits.size * logits.dtype.itemsize + labels.size * labels.dtype.itemsize,
    )


_CROSS_ENTROPY = KernelSpec(
    name="mean_cross_entropy",
    check=_check_mean_cross_entropy,
    reference="tinynet_kernels.counted_mean.reference:mean_cross_entropy",
    cpu={"default": "tinynet_kernels.counted_mean.cpu:mean_cross_entropy"},
    cuda={"default": "tinynet_kernels.counted_mean.fused:mean_cross_entropy"},
    samples=[s for s in samples.samples(grad=False) if s.name not in ("empty_batch", "all_ignored")],
    bad_samples=[
        *samples.BAD_FORWARD,
        BadSample("empty", lambda rng: ((np.ones((0, 3)), np.ones(0, "i8")), {}), ValueError, "no rows to take"),
    ],
    cost=_cost_mean_cross_entropy,
)


def mean_cross_entropy(
    logits: Array, labels: Array, *, ignore_index: int = -100, label_smoothing: float = 0.0, out: Any = None
) -> tuple[Array, Array, Array]:
    """The mean of `softmax_cross_entropy` over the rows that are not ignored, 1 over their number, and the gradient of the
    mean with respect to the logits: arrays (), () and (N, C).

    One launch, in which every block reads all labels: for batches of some thousand rows. `out` are three arrays to write.
    Parameters and errors are those of `softmax_cross_entropy`; ValueError for N = 0.
    """
    mean, share, grad = _CROSS_ENTROPY(
        logits, labels, ignore_index=ignore_index, label_smoothing=label_smoothing, out=out
    )
    return mean, share, grad


def counted_mean(loss: Array, labels: Array, *, ignore_index: int = -100, out: Any = None) -> tuple[Array, Array]:
    """The mean of loss (N,), float32 or float64, over the rows whose label (N,) is not `ignore_index`, and 1 over their number.

    Ignored rows have a loss of 0, as `softmax_cross_entropy` gives it. Returns two arrays (), nan and inf if no row counts.
    The sum is taken in a fixed order. `out` is a pair of arrays to write. Raises TypeError for other dtypes, ValueError for
    shapes that do not fit.
    """
    mean, share = _SPEC(loss, labels, ignore_index=ignore_index, out=out)
    return mean, share
