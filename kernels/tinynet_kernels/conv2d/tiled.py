"""The register-tiled kernels of convolution: see the matmul kernel for the tile scheme, `tables` for the addresses."""

from __future__ import annotations

import functools
from typing import Any

from numpy import int32

from ..runtime.cuda import Int32Pointer, Kernel, Pointer, cuda, kernel
from ..runtime.primitives import load4, load4_if, load_if, outer_fma, select, store_if
from ..runtime.unroll import static_range, unrolled


@functools.cache
def gathered_product(dtype: Any, R: int, wide: bool) -> Kernel:
    """y[row, pixel] = sum over k of w[row, k] x[base[pixel] + offset[k]], a tile of 16 R x 16 R per block.

    wide  whether rows of w are multiples of four long, so that four weights move at a time.
    """
    EDGE = 16 * R
    DEPTH = 1024 // EDGE
    PITCH = EDGE + 4
    BUFFER = DEPTH * PITCH
    PART = min(R, 4)
    STRIDE = 16 * PART
    QUADS = DEPTH // 4
    real = dtype.type
    nothing = (real(0),) * (R * R)

    @kernel(threads=256, min_blocks=2)
    @unrolled
    def conv2d_gathered_product(
        x: Pointer,
        w: Pointer,
        bias: Pointer,
        y: Pointer,
        base: Int32Pointer,
        mask: Int32Pointer,
        position: Int32Pointer,
        factors: Int32Pointer,
        rows: int32,
        products: int32,
        pixels: int32,
        image_pixels: int32,
        x_image: int32,
        x_group: int32,
        y_image: int32,
        y_plane: int32,
        tiles_m: int32,
        has_bias: int32,
        relu: int32,
    ) -> None:
        shared_w = cuda.shared.array(2 * BUFFER, real, alignment=16)
        shared_x = cuda.shared.array(2 * BUFFER, real, alignment=16)
        t = int32(cuda.threadIdx.x)
        group = int32(cuda.blockIdx.y)
        row0 = int32(cuda.blockIdx.x % tiles_m * EDGE)
        pixel0 = int32(cuda.blockIdx.x // tiles_m * EDGE)

        # This thread moves four weights of one row, and four factors of one pixel.
        w_row, w_k = int32(row0 + t // QUADS), int32(t % QUADS * 4)
        w_from, w_to = int32((group * rows + w_row) * products + w_k), int32(w_k * PITCH + t // QUADS)
        pixel, x_k = int32(pixel0 + t % EDGE), int32(t // EDGE * 4)
        x_to = int32(x_k * PITCH + t % EDGE)
        x_base, x_mask = int32(0), int32(0)
        if pixel < pixels:
            image = int32(pixel // image_pixels)
            within = int32(pixel - image * image_pixels)
            x_base, x_mask = int32(image * x_image + group * x_group + base[within]), mask[within]

        mine_w, mine_x = int32(t // 16 * PART), int32(t % 16 * PART)
        tile = nothing
        buffer = int32(0)
        k0 = int32(0)
        while True:
            if k0 < products:
                if wide:
                    next_w = load4_if(w, w_from, w_row < rows and w_k < products)
                else:
                    next_w = (
                        load_if(w, w_from, w_row < rows and w_k < products),
                        load_if(w, w_from + 1, w_row < rows and w_k + 1 < products),
                        load_if(w, w_from + 2, w_row < rows and w_k + 2 < products),
                        load_if(w, w_from + 3, w_row < rows and w_k + 3 < products),
                    )
                f0, f1, f2, f3 = load4_if(factors, x_k, True)
                next_x = (
                    load_if(x, x_base + (f0 >> 5), (x_mask >> (f0 & 31)) & 1 != 0),
                    load_if(x, x_base + (f1 >> 5), (x_mask >> (f1 & 31)) & 1 != 0),
                    load_if(x, x_base + (f2 >> 5), (x_mask >> (f2 & 31)) & 1 != 0),
                    load_if(x, x_base + (f3 >> 5), (x_mask >> (f3 & 31)) & 1 != 0),
                )
                w_from, w_k, x_k = int32(w_from + DEPTH), int32(w_k + DEPTH), int32(x_k + DEPTH)
            if k0 > 0:
                from_w, from_x = int32(buffer + mine_w), int32(buffer + mine_x)
                for l in static_range(DEPTH):
                    if R == 8:
                        tile = outer_fma(
                            tile,
                            load4(shared_w, from_w + l * PITCH) + load4(shared_w, from_w + l * PITCH + STRIDE),
                            load4(shared_x, from_x + l * PITCH) + load4(shared_x, from_x + l * PITCH + STRIDE),
                        )
                    elif R == 4:
                        tile = outer_fma(tile, load4(shared_w, from_w + l * PITCH), load4(shared_x, from_x + l * PITCH))
                    else:
                        tile = outer_fma(
                            tile,
                            (shared_w[from_w + l * PITCH], shared_w[from_w + l * PITCH + 1]),
                            (shared_x[from_x + l * PITCH], shared_x[from_x + l * PITCH + 1]),
                        )
                buffer = int32(BUFFER - buffer)
            if k0 >= products:
                break
            for j in static_range(4):
                shared_w[buffer + w_to + j * PITCH] = next_w[j]
                shared_x[buffer + x_to + j * PITCH] = next_x[j]
            cuda.syncthreads()
            k0 = int32(k0 + DEPTH)

        for j in static_range(R):
            column = int32(pixel0 + mine_x + j // PART * STRIDE + j % PART)
            if column < pixels:
                image = int32(column // image_pixels)
                to = int32(image * y_image + group * rows * y_plane + position[column - image * image_pixels])
                for i in static_range(R):
                    row = int32(row0 + mine_w + i // PART * STRIDE + i % PART)
                    value = tile[i * R + j]
                    if has_bias:
                        value += load_if(bias, group * rows + row, row < rows)
                    value = select(relu and value < real(0), real(0), value)
                    store_if(y, to + row * y_plane, value, row < rows)

    return conv2d_gathered_product


@functools.cache
def weight_grad(dtype: Any, R: int) -> Kernel:
    """part[z][row, k] = sum over the pixels of part z of gy[row, pixel] x[base[pixel] + offset[k]].

    The sum over the batch is cut into parts of `length` pixels so that all multiprocessors have work; `sum_of_parts` adds
    the parts in their order, where atomic additions would give another rounding in each run.
    """
    EDGE = 16 * R
    DEPTH = 1024 // EDGE  # pixels of a slice
    PITCH = EDGE + 4
    BUFFER = DEPTH * PITCH
    APART = 256 // DEPTH  # rows between the four that a thread moves
    PART = min(R, 4)
    STRIDE = 16 * PART
    real = dtype.type
    nothing = (real(0),) * (R * R)

    @kernel(threads=256, min_blocks=2)
    @unrolled
    def conv2d_weight_grad(
        x: Pointer,
        gy: Pointer,
        parts: Pointer,
        base: Int32Pointer,
        mask: Int32Pointer,
        factors: Int32Pointer,
        rows: int32,
        products: int32,
        pixels: int32,
        image_pixels: int32,
        length: int32,
        x_image: int32,
        x_group: int32,
        y_image: int32,
        tiles_n: int32,
        part_size: int32,
    ) -> None:
        shared_gy = cuda.shared.array(2 * BUFFER, real, alignment=16)
        shared_x = cuda.shared.array(2 * BUFFER, real, alignment=16)
        t = int32(cuda.threadIdx.x)
        group = int32(cuda.blockIdx.y)
        row0 = int32(cuda.blockIdx.x // tiles_n * EDGE)
        product0 = int32(cuda.blockIdx.x % tiles_n * EDGE)

        # This thread moves, for every DEPTH-th pixel, the gradients of four rows and the factors of four products.
        pixel = int32(cuda.blockIdx.z * length + t % DEPTH)
        last = min(int32(pixels), int32((cuda.blockIdx.z + 1) * length))
        image = int32(pixel // image_pixels)
        within = int32(pixel - image * image_pixels)
        row = int32(row0 + t // DEPTH)
        product = int32(product0 + t // DEPTH)
        f0 = load_if(factors, product, product < products)
        f1 = load_if(factors, product + APART, product + APART < products)
        f2 = load_if(factors, product + 2 * APART, product + 2 * APART < products)
        f3 = load_if(factors, product + 3 * APART, product + 3 * APART < products)
        to = int32(t % DEPTH * PITCH + t // DEPTH)

        mine_gy, mine_x = int32(t // 16 * PART), int32(t % 16 * PART)
        tile = nothing
        buffer = int32(0)
        first = int32(cuda.blockIdx.z * length)
        k0 = first
        while True:
            if k0 < last:
                inside = pixel < last
                here = int32(image * y_image + (group * rows + row) * image_pixels + within)
                next_gy = (
                    load_if(gy, here, inside and row < rows),
                    load_if(gy, here + APART * image_pixels, inside and row + APART < rows),
                    load_if(gy, here + 2 * APART * image_pixels, inside and row + 2 * APART < rows),
                    load_if(gy, here + 3 * APART * image_pixels, inside and row + 3 * APART < rows),
                )
                there = int32(image * x_image + group * x_group + load_if(base, within, inside))
                bits = load_if(mask, within, inside)
                next_x = (
                    load_if(x, there + (f0 >> 5), (bits >> (f0 & 31)) & 1 != 0),
                    load_if(x, there + (f1 >> 5), (bits >> (f1 & 31)) & 1 != 0),
                    load_if(x, there + (f2 >> 5), (bits >> (f2 & 31)) & 1 != 0),
                    load_if(x, there + (f3 >> 5), (bits >> (f3 & 31)) & 1 != 0),
                )
                pixel, within = int32(pixel + DEPTH), int32(within + DEPTH)
                while within >= image_pixels:
                    within, image = int32(within - image_pixels), int32(image + 1)
            if k0 > first:
                from_gy, from_x = int32(buffer + mine_gy), int32(buffer + mine_x)
                for l in static_range(DEPTH):
                    if R == 4:
                        tile = outer_fma(
                            tile, load4(shared_gy, from_gy + l * PITCH), load4(shared_x, from_x + l * PITCH)
                        )
                    else:
                        tile = outer_fma(
                            tile,
                            (shared_gy[from_gy + l * PITCH], shared_gy[from_gy + l * PITCH + 1]),
                            (shared_x[from_x + l * PITCH], shared_x[from_x + l * PITCH + 1]),
                        )
                buffer = int32(BUFFER - buffer)
            if k0 >= last:
                break
            for j in static_range(4):
                shared_gy[buffer + to + j * APART] = next_gy[j]
                shared_x[buffer + to + j * APART] = next_x[j]
            cuda.syncthreads()
            k0 = int32(k0 + DEPTH)

        part = int32(cuda.blockIdx.z * part_size + group * rows * products)
        for i in static_range(R):
            out_row = int32(row0 + mine_gy + i // PART * STRIDE + i % PART)
            for j in static_range(R):
                column = int32(product0 + mine_x + j // PART * STRIDE + j % PART)
                store_if(
                    parts, part + out_row * products + column, tile[i * R + j], out_row < rows and column < products
                )

    return conv2d_weight_grad
