"""Operands as tensor cores take them: 16-bit floats, or float32 rounded to TF32, in rows of whole 16-byte chunks.

An operand that lies so already is used where it is. Others are packed once: rounded, padded with zeros, and with the
summed index (or the channels) innermost.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy import int32, uint32

from .cuda import Int32Pointer, Kernel, Pointer, blocks_for, cuda, kernel, module
from .primitives import load_if
from .tensor_core_primitives import bfloat16_pair, store4_words, tf32
from .unroll import static_range, unrolled

FLOAT16, BFLOAT16, TF32 = 0, 1, 2  # what is multiplied; the products are summed in float32


def chunk(kind: int) -> int:
    """Elements in 16 bytes."""
    return 4 if kind == TF32 else 8


@functools.cache
def packer(KIND: int) -> Kernel:
    CHUNK = chunk(KIND)

    @kernel(threads=256)
    @unrolled
    def pack(
        source: Pointer,
        to: Int32Pointer,
        size0: int32,
        size1: int32,
        size2: int32,
        step0: int32,
        step1: int32,
        step2: int32,
        count: int32,
        step: int32,
        chunks: int32,
    ) -> None:
        """Row (i0, i1, i2) of `to` is source[i0 * step0 + i1 * step1 + i2 * step2 + j * step] for j < count, then zeros."""
        i = uint32(cuda.blockIdx.x * 256 + cuda.threadIdx.x)
        rows = uint32(size0 * size1 * size2)
        if i >= uint32(rows * uint32(chunks)):
            return
        if step == 1:  # neighbouring threads read neighbours: along the row, or else from row to row
            row = uint32(i // uint32(chunks))
            part = uint32(i - row * uint32(chunks))
        else:
            part = uint32(i // rows)
            row = uint32(i - part * rows)
        outer = uint32(row // uint32(size2))
        i2 = int32(row - outer * uint32(size2))
        i0 = int32(outer // uint32(size1))
        i1 = int32(outer - uint32(i0 * size1))
        j = int32(part * uint32(CHUNK))
        at = int32(i0 * step0 + i1 * step1 + i2 * step2 + j * step)
        words: Any = ()
        for l in static_range(4):
            if KIND == 2:
                words = words + (tf32(load_if(source, at + l * step, j + l < count)),)
            else:
                low = load_if(source, at + 2 * l * step, j + 2 * l < count)
                high = load_if(source, at + (2 * l + 1) * step, j + 2 * l + 1 < count)
                if KIND == 1:
                    words = words + (bfloat16_pair(low, high),)
                else:
                    words = words + (uint32(low) | uint32(uint32(high) << uint32(16)),)
        store4_words(to, int32((row * uint32(chunks) + part) * uint32(4)), words)

    return pack


def pack(source: Any, kind: int, sizes: Sequence[int], steps: Sequence[int], count: int, step: int) -> Any:
    """Three dimensions of rows of `count` elements, packed; sizes and steps, in elements, say where they lie in `source`.

    source  float16 for FLOAT16, else float32. Returns (*sizes, count up to whole chunks) of bits, uint16 or uint32.
    """
    chunks = blocks_for(count, chunk(kind))
    dtype = np.uint32 if kind == TF32 else np.uint16
    packed = module().empty((*sizes, chunks * chunk(kind)), dtype)
    if packed.size >= 1 << 31:
        raise ValueError(f"an operand of {packed.size} elements, kernels take less than 2**31")
    if packed.size:
        threads = packed.size // chunk(kind)
        packer(kind)(blocks_for(threads, 256), source, packed, *sizes, *steps, count, step, chunks)
    return packed
