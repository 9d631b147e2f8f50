"""Softmax and cross-entropy of integer labels in one operation, and its gradient."""

from __future__ import annotations

from typing import Any

from ..arguments import check_float, check_int32, check_ndim, check_shape
from ..spec import Array, Cost, KernelSpec, Outputs, device_kind
from . import samples


def _check(logits: Array, labels: Array, *, ignore_index: int = -100, label_smoothing: float = 0.0) -> Outputs:
    check_ndim(2, "(N, C)", logits=logits)
    dtype = check_float(logits=logits)
    n, classes = logits.shape
    if classes < 1:
        raise ValueError(f"logits has shape {(n, classes)}, expected at least one class")
    if labels.dtype.kind not in "iu":
        raise TypeError(f"labels has dtype {labels.dtype}, expected integers")
    check_shape("labels", labels, (n,))
    check_int32("ignore_index", ignore_index)
    if not 0.0 <= label_smoothing <= 1.0:
        raise ValueError(f"label_smoothing is {label_smoothing}, expected a number between 0 and 1")
    if device_kind(labels) == "cpu" and labels.size:  # on CUDA this would wait for the device: see the docstring
        wrong = labels[((labels < 0) | (labels >= classes)) & (labels != ignore_index)]
        if wrong.size:
            raise IndexError(f"label {int(wrong[0])} is out of range: expected 0 to {classes - 1}, or {ignore_index}")
    return [((n,), dtype), ((n,), dtype)]


def _check_grad(logits: Array, labels: Array, lse: Array, gy: Array, **params: Any) -> Outputs:
    _, (rows, dtype) = _check(logits, labels, **params)
    check_float(logits=logits, lse=lse, gy=gy)
    check_shape("lse", lse, rows)
    if gy.ndim:
        check_shape("gy", gy, rows)
    return [(tuple(logits.shape), dtype)]


def _cost(logits: Array, labels: Array, *rest: Any, **params: Any) -> Cost:
    """One pass over the logits (and one write of their gradient); about five operations an element, exp counted as one."""
    rows = logits.shape[0] * (2 * logits.dtype.itemsize + labels.dtype.itemsize)
    passes = 2 if rest else 1
    return Cost(flops=5 * logits.size, bytes=passes * logits.size * logits.dtype.itemsize + rows)


def _spec(name: str, check: Any, sample_list: Any, bad: Any) -> KernelSpec:
    return KernelSpec(
        name=name,
        check=check,
        reference=f"tinynet_kernels.softmax_cross_entropy.reference:{name}",
        cpu={"default": f"tinynet_kernels.softmax_cross_entropy.cpu:{name}"},
        cuda={
            "default": f"tinynet_kernels.softmax_cross_entropy.cuda:{name}",
            "naive": f"tinynet_kernels.softmax_cross_entropy.cuda:{name}_naive",
        },
        samples=sample_list,
        bad_samples=bad,
        cost=_cost,
    )


_FORWARD = _spec("softmax_cross_entropy", _check, samples.samples(grad=False), samples.BAD_FORWARD)
_GRAD = _spec("softmax_cross_entropy_grad", _check_grad, samples.samples(grad=True), samples.BAD_GRAD)


def softmax_cross_entropy(
    logits: Array,
    labels: Array,
    *,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    out: tuple[Array, Array] | None = None,
    variant: str | None = None,
) -> tuple[Array, Array]:
    """Cross-entropy between softmax(logits) and labels, row by row, and the log of each row's sum of exponentials.

    logits           (N, C), float32 or float64.
    labels           (N,), integers from 0 to C - 1, or `ignore_index`: such a row has loss 0 and gradient 0.
    label_smoothing  e: the target is 1 - e at the label plus e / C everywhere (Szegedy et al. 2016).
    out              (loss, lse) to write.

    Returns loss (N,) and lse (N,), which the gradient needs. The row's maximum is taken out first, so no logit is too
    large. A label out of range raises IndexError on the CPU; on CUDA, where looking would wait for the device, its row
    has loss and gradient NaN. Raises TypeError and ValueError for dtypes, devices and shapes.
    """
    loss, lse = _FORWARD(
        logits, labels, ignore_index=ignore_index, label_smoothing=label_smoothing, out=out, variant=variant
    )
    return loss, lse


def softmax_cross_entropy_grad(
    logits: Array,
    labels: Array,
    lse: Array,
    gy: Array,
    *,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    out: Array | None = None,
    variant: str | None = None,
) -> Array:
    """The gradient of `softmax_cross_entropy`'s loss with respect to the logits, given gy (N,), or () for one that
    all rows share: an array (N, C).

    (softmax(logits) - target) * gy, zero in ignored rows. The other parameters and the errors are those of the forward
    function, `lse` its second result.
    """
    return _GRAD(
        logits, labels, lse, gy, ignore_index=ignore_index, label_smoothing=label_smoothing, out=out, variant=variant
    )
