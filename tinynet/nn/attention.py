"""Multi-head attention."""

from __future__ import annotations

import math
from typing import Any

from .. import ops
from ..tensor import Tensor
from . import functional as F
from . import init
from .functional.attention import additive_mask
from .linear import Linear
from .module import Module
from .parameter import Parameter


class MultiheadAttention(Module):
    """Attention of several heads, each over its part of projected queries, keys and values (Vaswani et al. 2017).

    Parameters: in_proj_weight (3 E, E), or q_proj_weight, k_proj_weight and v_proj_weight where keys or values have another
    size (kdim, vdim); in_proj_bias (3 E,); out_proj; bias_k and bias_v (1, 1, E) with add_bias_kv. Raises ValueError if
    num_heads does not divide embed_dim.
    """

    in_proj_weight: Parameter | None
    in_proj_bias: Parameter | None
    bias_k: Parameter | None
    bias_v: Parameter | None

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if embed_dim < 1 or num_heads < 1 or embed_dim % num_heads:
            raise ValueError(f"num_heads is {num_heads}, which does not divide embed_dim {embed_dim}")
        self.embed_dim, self.num_heads, self.head_dim = embed_dim, num_heads, embed_dim // num_heads
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self.dropout, self.batch_first, self.add_zero_attn = dropout, batch_first, add_zero_attn

        def new(*shape: int) -> Parameter:
            return Parameter(ops.empty(*shape, dtype=dtype, device=device))

        if self.kdim == self.vdim == embed_dim:
            self.in_proj_weight = new(3 * embed_dim, embed_dim)
        else:
            self.q_proj_weight = new(embed_dim, embed_dim)
            self.k_proj_weight = new(embed_dim, self.kdim)
            self.v_proj_weight = new(embed_dim, self.vdim)
            self.register_parameter("in_proj_weight", None)
        self.in_proj_bias = new(3 * embed_dim) if bias else None
        self.out_proj = Linear(embed_dim, embed_dim, bias=bias, device=device, dtype=dtype)
        self.bias_k = new(1, 1, embed_dim) if add_bias_kv else None
        self.bias_v = new(1, 1, embed_dim) if add_bias_kv else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        weights = (
            (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)
            if self.in_proj_weight is None
            else (self.in_proj_weight,)
        )
        for weight in weights:
            init.xavier_uniform_(weight)
        for zeros in (self.in_proj_bias, self.out_proj.bias):
            if zeros is not None:
                init.zeros_(zeros)
        for bias in (self.bias_k, self.bias_v):
            if bias is not None:
                init.xavier_normal_(bias)

    def _project(self, query: Tensor, key: Tensor, value: Tensor) -> list[Tensor]:
        """(T, N, E) each. One product where the three are one tensor."""
        weight, bias = self.in_proj_weight, self.in_proj_bias
        if weight is not None and query is key and key is value:
            return list(F.linear(query, weight, bias).chunk(3, -1))
        biases: Any = (None,) * 3 if bias is None else bias.chunk(3)
        weights = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight) if weight is None else weight.chunk(3)
        return [F.linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases)]

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """The attended values and, with `need_weights`, the weights (N, L, S), or (N, heads, L, S) if not averaged.

        query             (L, N, E), (N, L, E) if batch_first, or (L, E); key and value likewise with S in place of L.
        key_padding_mask  (N, S), true at keys that no query may attend to; or numbers that are added.
        attn_mask         (L, S) or (N * heads, L, S), true where attention is not allowed; or numbers that are added.
        is_causal         says that attn_mask is the causal mask, and needs it.
        """
        if query.ndim not in (2, 3) or not query.ndim == key.ndim == value.ndim:
            raise ValueError(
                f"query {query.shape}, key {key.shape} and value {value.shape}, expected 3 dimensions each, or 2"
            )
        if is_causal and attn_mask is None:
            raise RuntimeError("is_causal is only a hint about attn_mask, which is None")
        for name, given, size in (
            ("query", query, self.embed_dim),
            ("key", key, self.kdim),
            ("value", value, self.vdim),
        ):
            if given.shape[-1] != size:
                raise ValueError(f"{name} has shape {given.shape}, expected its last size to be {size}")
        batched, same = query.ndim == 3, query is key and key is value
        if batched and self.batch_first:
            query = query.transpose(0, 1)
            key, value = (query, query) if same else (key.transpose(0, 1), value.transpose(0, 1))
        elif not batched:
            query = query.unsqueeze(1)
            key, value = (query, query) if same else (key.unsqueeze(1), value.unsqueeze(1))
            key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
        length, batch = query.shape[:2]
        q, k, v = self._project(query, key, value)
        if self.bias_k is not None and self.bias_v is not None:
            k = ops.cat([k, self.bias_k.expand(1, batch, -1)])
            v = ops.cat([v, self.bias_v.expand(1, batch, -1)])
        if self.add_zero_attn:
            k, v = (ops.cat([t, t.new_zeros(1, batch, self.embed_dim)]) for t in (k, v))
        q, k, v = (self._heads(t, batch) for t in (q, k, v))
        mask = self._mask(attn_mask, key_padding_mask, batch, length, key.shape[0], k.shape[-2], q)
        rate = self.dropout if self.training else 0.0
        weights = None
        if need_weights:
            scores = ops.matmul(q * (1 / math.sqrt(self.head_dim)), k.mT)
            weights = F.softmax(scores if mask is None else scores + mask, -1)
            weights = F.dropout(weights, rate)
            y = ops.matmul(weights, v)
            weights = weights.mean(1) if average_attn_weights else weights
        else:
            y = F.scaled_dot_product_attention(q, k, v, mask, rate)
        y = self.out_proj(y.permute(2, 0, 1, 3).reshape(length, batch, self.embed_dim))
        if not batched:
            return y.squeeze(1), None if weights is None else weights.squeeze(0)
        return (y.transpose(0, 1) if self.batch_first else y), weights

    def _heads(self, x: Tensor, batch: int) -> Tensor:
        """(T, N, E) as (N, heads, T, E / heads)."""
        return x.reshape(x.shape[0], batch, self.num_heads, self.head_dim).permute(1, 2, 0, 3)

    def _mask(
        self,
        attn_mask: Tensor | None,
        padding: Tensor | None,
        batch: int,
        length: int,
        given: int,
        keys: int,
        like: Tensor,
    ) -> Tensor | None:
        """Both masks as one to be added to scores (N, heads, L, keys); the keys that were appended are allowed to all."""
        mask, padding = (
            additive_mask(attn_mask, "attn_mask", like.dtype),
            additive_mask(padding, "key_padding_mask", like.dtype),
        )
        if mask is not None:
            if mask.shape not in ((length, given), (batch * self.num_heads, length, given)):
                raise ValueError(
                    f"attn_mask has shape {mask.shape}, expected {(length, given)} or "
                    f"{(batch * self.num_heads, length, given)}"
                )
            mask = mask if mask.ndim == 2 else mask.reshape(batch, self.num_heads, length, given)
        if padding is not None:
            if padding.shape != (batch, given):
                raise ValueError(f"key_padding_mask has shape {padding.shape}, expected {(batch, given)}")
            padding = padding.reshape(batch, 1, 1, given)
            mask = padding if mask is None else mask + padding
        return mask if mask is None or keys == given else F.pad(mask, (0, keys - given))
