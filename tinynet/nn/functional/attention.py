"""Attention."""

from __future__ import annotations

import math

import numpy as np

from ... import dtypes
from ...ops import all, any, dropout, masked_fill, matmul, repeat_interleave, softmax, tril
from ...ops import ones as _ones
from ...ops import zeros_like as _zeros_like
from ...tensor import Tensor

_NEVER = float("-inf")


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(query @ key.T * scale + mask) @ value (Vaswani et al. 2017).

    query       (..., L, E); key (..., S, E); value (..., S, V). The result is (..., L, V).
    attn_mask   broadcasts to (..., L, S): booleans, true where attention is allowed, or numbers that are added. A query that
                may attend to nothing gives zeros.
    dropout_p   applied to the weights, always: pass 0 in evaluation.
    is_causal   query i attends to keys 0 to i only; not together with a mask.
    scale       default: 1 / sqrt(E).
    enable_gqa  each head of key and value, in dimension -3, serves several heads of the query.
    """
    if is_causal and attn_mask is not None:
        raise ValueError("is_causal and attn_mask are both given, expected one of them")
    if query.ndim < 2 or key.ndim < 2 or query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        raise ValueError(
            f"query {query.shape}, key {key.shape} and value {value.shape} do not fit (..., L, E), (..., S, E), (..., S, V)"
        )
    if enable_gqa:
        if query.shape[-3] % key.shape[-3]:
            raise ValueError(f"key has {key.shape[-3]} heads, which do not divide the query's {query.shape[-3]}")
        groups = query.shape[-3] // key.shape[-3]
        key, value = repeat_interleave(key, groups, -3), repeat_interleave(value, groups, -3)
    factor = 1 / math.sqrt(max(query.shape[-1], 1)) if scale is None else scale
    scores = matmul(query * factor, key.mT)
    if is_causal:
        attn_mask = tril(_ones(scores.shape[-2:], dtype=dtypes.bool, device=query.device))
    if attn_mask is None:
        weights = softmax(scores, -1)
    elif attn_mask.dtype == dtypes.bool:
        never = masked_fill(_zeros_like(attn_mask, dtype=scores.dtype), ~attn_mask, _NEVER)
        weights = _masked_softmax(scores + never, ~any(attn_mask, -1, True))
    else:
        weights = _masked_softmax(scores + attn_mask, all(attn_mask == _NEVER, -1, True))
    return matmul(dropout(weights, dropout_p), value)


def _masked_softmax(scores: Tensor, dead: Tensor) -> Tensor:
    """softmax, but zeros in rows that are dead: all minus infinity."""
    if isinstance(dead._array, np.ndarray) and not dead._array.any():
        return softmax(scores, -1)
    weights = softmax(masked_fill(scores, dead, 0.0), -1)
    return masked_fill(weights, dead, 0.0)


def additive_mask(mask: Tensor | None, name: str, dtype: dtypes.DType) -> Tensor | None:
    """A mask of booleans, true where attention is not allowed, as numbers to be added; one of numbers as it is."""
    if mask is None:
        return None
    if mask.dtype == dtypes.bool:
        return masked_fill(_zeros_like(mask, dtype=dtype), mask, _NEVER)
    if not mask.is_floating_point():
        raise TypeError(f"{name} has dtype {mask.dtype}, expected booleans or floating-point numbers")
    return mask.to(dtype=dtype)
