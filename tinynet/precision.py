"""How exact products of float32 tensors are: a setting of the program, which a bfloat16 region of autocast overrules."""

from __future__ import annotations

from typing import Any

from .device import device_of
from .grad_mode import _mode

_precision = "highest"
tf32_on_cuda = False  # see `backends.cuda`


def set_float32_matmul_precision(precision: str) -> None:
    """How exact products of float32 tensors are, as `torch.set_float32_matmul_precision`; here of convolutions too.

    "highest" (the default): float32. "high": the factors are rounded to TF32. "medium": to bfloat16. Sums are float32.
    Gradients keep the precision of their forward operation. Raises ValueError for another word.
    """
    from tinynet_kernels.precision import check_precision

    global _precision
    check_precision(precision)
    _precision = precision


def get_float32_matmul_precision() -> str:
    """The setting: "highest", "high" or "medium"."""
    return _precision


def of_products(array: Any) -> str:
    """The precision of a product of this array, now."""
    if _mode.autocast is not None and _mode.autocast.rounds_to_bfloat16(device_of(array).type):
        return "medium"
    if tf32_on_cuda and _precision == "highest" and device_of(array).type == "cuda":
        return "high"
    return _precision
