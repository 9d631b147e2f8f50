"""Convolution of few products per result (one input channel, say): a tile would be mostly padding, and memory is the limit.
The first holds for twice as many products too where a group has few output channels, as in a depthwise convolution.

A thread takes one pixel, keeps its factors in registers and runs through the output channels, whose weights all threads of
the block read from shared memory at once. The image is read once, and neighbouring threads write neighbouring results.
"""

from __future__ import annotations

import functools
from typing import Any

from numpy import int32

from ..runtime.cuda import Int32Pointer, Kernel, Pointer, cuda, kernel
from ..runtime.primitives import load4, load_constant, load_if, load_masked, select, store, zero
from ..runtime.unroll import static_range, unrolled

THREADS = 256
ROWS = 32  # output channels of a block


def takes(rows: int, products: int) -> bool:
    """Whether `few_products` computes `rows` output channels of a group from so many products in fewer instructions."""
    return products <= 32 or (products <= 64 and rows <= 8)


@functools.cache
def few_products(dtype: Any, products: int, padded: bool) -> Kernel:
    """y[row, pixel] = sum over k < products of w[row, k] x[base[pixel] + offset[k]]; see `tiled.gathered_product`."""
    PRODUCTS = products
    QUADS = -(-products // 4)
    PITCH = 4 * QUADS
    real = dtype.type

    @kernel(threads=THREADS)
    @unrolled
    def conv2d_few_products(
        x: Pointer,
        w: Pointer,
        bias: Pointer,
        y: Pointer,
        base: Int32Pointer,
        mask: Int32Pointer,
        position: Int32Pointer,
        offsets: Int32Pointer,
        taps: Int32Pointer,
        rows: int32,
        pixels: int32,
        image_pixels: int32,
        x_image: int32,
        x_group: int32,
        y_image: int32,
        y_plane: int32,
        has_bias: int32,
        relu: int32,
    ) -> None:
        shared_w = cuda.shared.array(ROWS * PITCH, real, alignment=16)
        t = int32(cuda.threadIdx.x)
        group = int32(cuda.blockIdx.y)
        row0 = int32(cuda.blockIdx.z * ROWS)
        for i in range(t, ROWS * PITCH, THREADS):
            row, k = int32(row0 + i // PITCH), int32(i % PITCH)
            store(shared_w, i, load_if(w, (group * rows + row) * PRODUCTS + k, row < rows and k < PRODUCTS))
        cuda.syncthreads()

        pixel = int32(cuda.blockIdx.x * THREADS + t)
        if pixel >= pixels:
            return
        image = int32(pixel // image_pixels)
        within = int32(pixel - image * image_pixels)
        x_base, x_mask = (
            int32(image * x_image + group * x_group + load_constant(base, within)),
            load_constant(mask, within),
        )
        factors: tuple[Any, ...] = ()
        for k in static_range(PRODUCTS):
            at = int32(x_base + load_constant(offsets, k))
            if padded:
                factors = factors + (load_masked(x, at, x_mask, load_constant(taps, k)),)
            else:
                factors = factors + (load_constant(x, at),)
        to = int32(image * y_image + (group * rows + row0) * y_plane + load_constant(position, within))
        for i in range(min(int32(ROWS), int32(rows - row0))):
            total = zero(y)
            if has_bias:
                total = load_constant(bias, group * rows + row0 + i)
            for h in static_range(QUADS):
                quad = load4(shared_w, i * PITCH + 4 * h)
                for j in static_range(4):
                    if 4 * h + j < PRODUCTS:
                        total += quad[j] * factors[4 * h + j]
            store(y, to, select(relu != 0 and total < zero(y), zero(y), total))
            to = int32(to + y_plane)

    return conv2d_few_products
