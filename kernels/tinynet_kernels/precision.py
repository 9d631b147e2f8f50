"""Fewer bits than the arrays have: float16 arrays, and float32 products whose factors are rounded.

The factors of a float32 product are, as `torch.set_float32_matmul_precision` has it,

    "highest"  float32
    "high"     TF32: rounded to 10 bits of mantissa, ties away from zero; a relative error of at most 2**-11 each
    "medium"   bfloat16: rounded to 7 bits of mantissa, ties to even; at most 2**-8 each

and the sum is always float32. NumPy and CuPy have no bfloat16, so it is never an array's dtype: results are float32.
Implementations that know only float32 compute here with factors rounded beforehand; tensor cores round as they read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

PRECISIONS = ("highest", "high", "medium")
_HALF, _SINGLE = np.dtype(np.float16), np.dtype(np.float32)


def check_precision(precision: str) -> None:
    if precision not in PRECISIONS:
        raise ValueError(f"precision is {precision!r}, expected 'highest', 'high' or 'medium'")


def rounded(array: Any, precision: str) -> Any:
    """A float32 array with its elements rounded; itself for "highest"."""
    if precision == "highest":
        return array
    bits = np.ascontiguousarray(array).view(np.uint32)
    one = np.uint32(1)
    if precision == "high":
        bits = (bits + np.uint32(0x1000)) & np.uint32(0xFFFFE000)
    else:
        bits = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & one)) & np.uint32(0xFFFF0000)
    return np.where(array == array, bits.view(np.float32), array)  # a NaN's bits might wrap around


def in_single(
    implementation: Callable[..., None], outputs: Sequence[Any], args: Sequence[Any], precision: str, **params: Any
) -> None:
    """Runs an implementation in float32 where arrays are float16, and with rounded factors: the first two arguments."""
    factors = [rounded(a, precision) if a.dtype == _SINGLE else a for a in args[:2]]
    wide = [a.astype(_SINGLE) if getattr(a, "dtype", None) == _HALF else a for a in (*factors, *args[2:])]
    results = tuple(np.empty_like(o, dtype=_SINGLE) if o.dtype == _HALF else o for o in outputs)
    implementation(results, *wide, **params)
    with np.errstate(over="ignore"):
        for output, result in zip(outputs, results):
            if output is not result:
                output[...] = result
