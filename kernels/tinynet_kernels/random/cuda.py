"""Philox4x32-10 on CUDA: a thread per counter, which gives four numbers."""

from __future__ import annotations

import functools
import math
from typing import Any

from numpy import int32, uint32, uint64

from ..runtime.cuda import (
    Int64Pointer,
    Kernel,
    Pointer,
    Real,
    aligned,
    blocks_for,
    contiguous,
    cuda,
    finish,
    kernel,
    writable,
)
from ..runtime.primitives import load4, select, store4, store_if
from ..runtime.unroll import static_range, unrolled
from .reference import MULTIPLIERS, WEYL, threshold

THREADS = 128
UNIFORM, NORMAL, DROPOUT = 0, 1, 2
M0, M1 = (uint64(m) for m in MULTIPLIERS)
W0, W1 = (uint64(w) for w in WEYL)
WORD, HALF = uint64(0xFFFFFFFF), uint64(32)


@functools.cache
def _kernel(dtype: Any, wide: bool) -> Kernel:
    """wide  whether arrays are aligned, so that four numbers move at a time.

    An angle is a multiple of 2**-24 of a turn: the nearest quarter turn and an exact rest of at most an eighth, for which
    Taylor's series of sine and cosine are short. `math.sin` would carry float64 code for angles that do not occur.
    """
    real = dtype.type
    least = real(2.0**-24)
    turn = real(2 * math.pi * 2.0**-24)
    TERMS = 5 if dtype.itemsize == 4 else 9  # to the last bit or so
    COSINE = tuple(real((-1) ** k / math.factorial(2 * k)) for k in reversed(range(TERMS)))
    SINE = tuple(real((-1) ** k / math.factorial(2 * k + 1)) for k in reversed(range(TERMS)))

    @kernel(threads=THREADS)
    @unrolled
    def philox(
        x: Pointer,
        y: Pointer,
        state: Int64Pointer,
        has_state: int32,
        seed: uint64,
        offset: uint64,
        wanted: int32,
        limit: uint32,
        scale: Real,
        size: int32,
    ) -> None:
        block = cuda.grid(1)
        if block * 4 >= size:
            return
        counter = uint64(block) + offset
        key = seed
        if has_state:
            key += uint64(state[0])
            counter += uint64(state[1])
        c0, c1, c2, c3 = counter & WORD, counter >> HALF, uint64(0), uint64(0)
        k0, k1 = key & WORD, key >> HALF
        for _ in range(10):
            p0, p1 = M0 * c0, M1 * c2
            c0, c1, c2, c3 = (p1 >> HALF) ^ c1 ^ k0, p1 & WORD, (p0 >> HALF) ^ c3 ^ k1, p0 & WORD
            k0, k1 = (k0 + W0) & WORD, (k1 + W1) & WORD
        words = (uint32(c0), uint32(c1), uint32(c2), uint32(c3))
        at = int32(block * 4)
        whole = wide and at + 4 <= size
        values = (real(0), real(0), real(0), real(0))
        if wanted == DROPOUT:
            if whole:
                values = load4(x, at)
            else:
                values = (
                    x[at],
                    x[min(at + 1, size - 1)],
                    x[min(at + 2, size - 1)],
                    x[min(at + 3, size - 1)],
                )
        results: tuple[Any, ...] = ()
        for lane in static_range(4):
            upper = words[lane] >> uint32(8)
            if wanted == UNIFORM:
                result = real(words[lane]) * scale if scale < least else real(upper) * scale
            elif wanted == DROPOUT:
                result = values[lane] * scale if upper >= limit else real(0)
            else:
                first = real((words[lane - lane % 2] >> uint32(8)) + uint32(1)) * least
                angle = int32(words[lane - lane % 2 + 1] >> uint32(8))
                quarters = int32((angle + 2**21) >> 22)
                rest = real(angle - (quarters << 22)) * turn
                quarters = int32((quarters - lane % 2) & 3)  # a sine is the cosine of a quarter turn less
                odd = quarters & 1 == 1
                turned = real(0)
                for k in static_range(TERMS):
                    turned = turned * (rest * rest) + select(odd, SINE[k], COSINE[k])
                if odd:
                    turned = turned * rest
                if quarters == 1 or quarters == 2:
                    turned = -turned
                result = math.sqrt(real(-2) * math.log(first)) * turned
            results = results + (result,)
        if whole:
            store4(y, at, results)
        else:
            for lane in static_range(4):
                store_if(y, at + lane, results[lane], at + lane < size)

    return philox


def _run(output: Any, x: Any, seed: int, offset: int, state: Any, wanted: int, limit: int, scale: float) -> None:
    x, y = contiguous(x), writable(output)
    _kernel(y.dtype, aligned(x, y))(
        blocks_for(blocks_for(y.size, 4), THREADS),
        x,
        y,
        contiguous(state),
        state is not None,
        seed,
        offset,
        wanted,
        limit,
        scale,
        y.size,
    )
    finish(output, y)


def philox_uniform(outputs: Any, like: Any, *, seed: int, offset: int, state: Any = None) -> None:
    (y,) = outputs
    _run(y, y, seed, offset, state, UNIFORM, 0, 2.0**-24 if y.dtype.itemsize == 4 else 2.0**-32)


def philox_normal(outputs: Any, like: Any, *, seed: int, offset: int, state: Any = None) -> None:
    (y,) = outputs
    _run(y, y, seed, offset, state, NORMAL, 0, 1.0)


def dropout(outputs: Any, x: Any, *, p: float, seed: int, offset: int, state: Any = None) -> None:
    (y,) = outputs
    _run(y, x, seed, offset, state, DROPOUT, threshold(p), 1 / (1 - p) if p < 1 else 0.0)
