"""The register-tiled kernels of convolution: see the tiled matmul for the scheme, `tables` for the addresses."""

from __future__ import annotations

import functools
from typing import Any

from numpy import int32

from ..runtime.cuda import Int32Pointer, Kernel, Pointer, cuda, kernel
from ..runtime.primitives import (
    add,
    fetch_add,
    load4,
    load4_constant,
    load4_if,
    load_constant,
    load_if,
    load_masked,
    outer_fma,
    relu_if,
    select,
    store,
    store_strip,
)
from ..runtime.tiles import Tile
from ..runtime.unroll import static_range, unrolled


@functools.cache
def gathered_product(dtype: Any, tile: Tile, padded: bool, wide: bool) -> Kernel:
    """y[row, pixel] = sum over k of w[row, k] x[base[pixel] + offset[k]], a tile of rows x pixels per block.

    padded  whether some taps fall outside the image; else all are read without a test.
    wide    whether rows of w are aligned and multiples of four long, so that four weights move at a time.
    """
    M, N, DEPTH, THREADS = tile.rows, tile.columns, tile.depth, tile.threads
    R, S = tile.thread_rows, tile.thread_columns
    PITCH_W, PITCH_X = M + 4, N + 4
    BUFFER_W, BUFFER_X = DEPTH * PITCH_W, DEPTH * PITCH_X
    APART_R, APART_S = 4 * M // R, 4 * N // S
    QUADS_R, QUADS_S = R // 4, S // 4
    WARPS = N // S // 8
    MOVES = M * DEPTH // (4 * THREADS)  # quads of weights that a thread fetches for a slice
    QUADS_K = DEPTH // 4
    NEXT = THREADS // QUADS_K
    GATHERS = N * DEPTH // THREADS  # factors of one pixel that a thread fetches for a slice
    real = dtype.type
    nothing = (real(0),) * (R * S)
    ones = (real(1),) * S

    @kernel(threads=THREADS, min_blocks=tile.min_blocks)
    @unrolled
    def conv2d_gathered_product(
        x: Pointer,
        w: Pointer,
        bias: Pointer,
        y: Pointer,
        parts: Pointer,
        counters: Int32Pointer,
        base: Int32Pointer,
        mask: Int32Pointer,
        position: Int32Pointer,
        offsets: Int32Pointer,
        taps: Int32Pointer,
        rows: int32,
        products: int32,
        pixels: int32,
        image_pixels: int32,
        x_image: int32,
        x_group: int32,
        y_image: int32,
        y_plane: int32,
        y_size: int32,
        tiles_m: int32,
        length: int32,
        has_bias: int32,
        relu: int32,
    ) -> None:
        shared_w = cuda.shared.array(2 * BUFFER_W, real, alignment=16)
        shared_x = cuda.shared.array(2 * BUFFER_X, real, alignment=16)
        t = int32(cuda.threadIdx.x)
        group = int32(cuda.blockIdx.y)
        row0 = int32(cuda.blockIdx.x % tiles_m * M)
        pixel0 = int32(cuda.blockIdx.x // tiles_m * N)
        k0 = int32(cuda.blockIdx.z * length)  # this block's part of the sum
        last = min(int32(k0 + length), int32(products))
        first = int32((last - k0 - 1) % DEPTH + 1)  # length of the first slice

        # What this thread moves: quads of weights, and of one pixel the factors for GATHERS products.
        w_deep, w_row = int32(t % QUADS_K * 4), int32(t // QUADS_K)
        w_to = int32(w_deep * PITCH_W + w_row)
        w_from: tuple[Any, ...] = ()
        for q in static_range(MOVES):
            w_at = (group * rows + min(row0 + w_row + q * NEXT, rows - 1)) * products + k0 + w_deep
            w_from = w_from + (int32(w_at),)
        x_deep = int32(t // N * GATHERS)
        x_to = int32(x_deep * PITCH_X + t % N)
        x_k = int32(k0 + x_deep)
        pixel = min(int32(pixel0 + t % N), int32(pixels - 1))
        image = int32(pixel // image_pixels)
        within = int32(pixel - image * image_pixels)
        x_base, x_mask = (
            int32(image * x_image + group * x_group + load_constant(base, within)),
            load_constant(mask, within),
        )

        # The first slice.
        for q in static_range(MOVES):
            if wide:
                quad = load4_if(w, w_from[q], w_deep < first)
            else:
                quad = (
                    load_if(w, w_from[q], w_deep < first),
                    load_if(w, w_from[q] + 1, w_deep + 1 < first),
                    load_if(w, w_from[q] + 2, w_deep + 2 < first),
                    load_if(w, w_from[q] + 3, w_deep + 3 < first),
                )
            for j in static_range(4):
                store(shared_w, w_to + j * PITCH_W + q * NEXT, quad[j])
        for j in static_range(GATHERS):
            at = int32(min(x_k + j, last - 1))
            inside = x_deep + j < first
            if padded:
                inside = inside and x_mask & load_constant(taps, at) == 0
            store(shared_x, x_to + j * PITCH_X, load_if(x, int32(x_base + load_constant(offsets, at)), inside))
        cuda.syncthreads()

        mine_w = int32((t // 32 // WARPS * 4 + t % 32 // 8) * 4)  # this thread's first row and pixel of the tile
        mine_x = int32((t // 32 % WARPS * 8 + t % 8) * 4)
        tile = nothing
        buffer = int32(0)
        w_from = add(w_from, first)
        k0, x_k = int32(k0 + first), int32(x_k + first)
        while True:
            if k0 < last:
                next_w: tuple[Any, ...] = ()
                for q in static_range(MOVES):
                    at = int32(w_from[q])
                    if wide:
                        next_w = next_w + (load4_constant(w, at),)
                    else:
                        next_w = next_w + (
                            (
                                load_constant(w, at),
                                load_constant(w, at + 1),
                                load_constant(w, at + 2),
                                load_constant(w, at + 3),
                            ),
                        )
                next_x: tuple[Any, ...] = ()
                for h in static_range(GATHERS // 4):
                    if wide:
                        quad = load4_constant(offsets, x_k + 4 * h)
                        bits = load4_constant(taps, x_k + 4 * h)
                    else:
                        at = int32(x_k + 4 * h)
                        quad = (
                            load_constant(offsets, at),
                            load_constant(offsets, at + 1),
                            load_constant(offsets, at + 2),
                            load_constant(offsets, at + 3),
                        )
                        bits = (
                            load_constant(taps, at),
                            load_constant(taps, at + 1),
                            load_constant(taps, at + 2),
                            load_constant(taps, at + 3),
                        )
                    for j in static_range(4):
                        if padded:
                            next_x = next_x + (load_masked(x, int32(x_base + quad[j]), x_mask, bits[j]),)
                        else:
                            next_x = next_x + (load_constant(x, int32(x_base + quad[j])),)
                w_from, x_k = add(w_from, DEPTH), int32(x_k + DEPTH)
            for l in static_range(DEPTH):
                u = load4(shared_w, buffer * BUFFER_W + mine_w + l * PITCH_W)
                for h in static_range(1, QUADS_R):
                    u = u + load4(shared_w, buffer * BUFFER_W + mine_w + l * PITCH_W + h * APART_R)
                v = load4(shared_x, buffer * BUFFER_X + mine_x + l * PITCH_X)
                for h in static_range(1, QUADS_S):
                    v = v + load4(shared_x, buffer * BUFFER_X + mine_x + l * PITCH_X + h * APART_S)
                tile = outer_fma(tile, u, v)
            if k0 >= last:
                break
            buffer = int32(1 - buffer)
            for q in static_range(MOVES):
                for j in static_range(4):
                    store(shared_w, buffer * BUFFER_W + w_to + j * PITCH_W + q * NEXT, next_w[q][j])
            for j in static_range(GATHERS):
                store(shared_x, buffer * BUFFER_X + x_to + j * PITCH_X, next_x[j])
            cuda.syncthreads()
            k0 = int32(k0 + DEPTH)

        # A block that has a part of the sums leaves it in `parts`; the last of a tile adds all, in their order.
        row = int32(row0 + mine_w)
        splits = int32(cuda.gridDim.z)
        if has_bias and splits == 1:
            biases: tuple[Any, ...] = ()
            for i in static_range(R):
                there = row + i // 4 * APART_R + i % 4
                biases = biases + (load_if(bias, group * rows + there, there < rows),)
            tile = outer_fma(tile, biases, ones)
        tile = relu_if(tile, int32(select(splits == 1, relu, 0)))
        part = int32(cuda.blockIdx.z * y_size + (group * rows + row) * y_plane)
        for j in static_range(S):
            column = int32(pixel0 + mine_x + j // 4 * APART_S + j % 4)
            if column < pixels:
                image = int32(column // image_pixels)
                to = part + image * y_image + load_constant(position, column - image * image_pixels)
                store_strip(parts, to, tile[j::S], APART_R, y_plane, rows - row)
        if splits > 1:
            cuda.threadfence()
            cuda.syncthreads()
            mine = int32(cuda.blockIdx.y * cuda.gridDim.x + cuda.blockIdx.x)
            if t == 0:
                shared_w[0] = real(fetch_add(counters, mine, 1))
            cuda.syncthreads()
            if int32(shared_w[0]) == splits - 1:
                cuda.threadfence()
                for e in range(t, M * N, THREADS):
                    row, column = int32(row0 + e // N), int32(pixel0 + e % N)
                    if row < rows and column < pixels:
                        image = int32(column // image_pixels)
                        to = int32(image * y_image + (group * rows + row) * y_plane)
                        to = int32(to + load_constant(position, column - image * image_pixels))
                        total = parts[to]
                        for z in range(1, splits):
                            total += parts[z * y_size + to]
                        if has_bias:
                            total += load_constant(bias, group * rows + row)
                        y[to] = select(relu != 0 and total < real(0), real(0), total)
                if t == 0:
                    counters[mine] = 0

    return conv2d_gathered_product


@functools.cache
def weight_grad(dtype: Any, tile: Tile, padded: bool) -> Kernel:
    """part[z][row, k] = sum over the pixels of part z of gy[row, pixel] x[base[pixel] + offset[k]].

    padded  whether some taps fall outside the image; else all are read without a test.
    """
    M, N, DEPTH, THREADS = tile.rows, tile.columns, tile.depth, tile.threads  # DEPTH pixels are a slice
    R, S = tile.thread_rows, tile.thread_columns
    PITCH_G, PITCH_X = M + 4, N + 4
    BUFFER_G, BUFFER_X = DEPTH * PITCH_G, DEPTH * PITCH_X
    APART_R, APART_S = 4 * M // R, 4 * N // S
    QUADS_R, QUADS_S = R // 4, S // 4
    WARPS = N // S // 8
    NEXT = THREADS // DEPTH  # rows, and products, between those that a thread fetches
    MOVES_G, MOVES_X = M // NEXT, N // NEXT
    # Writes go to a column each, whose pixels lie four banks apart: eight pixels fill the banks, if the next eight have the
    # halves of every quad exchanged.
    OCTET = 8
    real = dtype.type
    nothing = (real(0),) * (R * S)

    @kernel(threads=THREADS, min_blocks=tile.min_blocks)
    @unrolled
    def conv2d_weight_grad(
        x: Pointer,
        gy: Pointer,
        gw: Pointer,
        parts: Pointer,
        counters: Int32Pointer,
        base: Int32Pointer,
        mask: Int32Pointer,
        offsets: Int32Pointer,
        taps: Int32Pointer,
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
        shared_g = cuda.shared.array(2 * BUFFER_G, real, alignment=16)
        shared_x = cuda.shared.array(2 * BUFFER_X, real, alignment=16)
        t = int32(cuda.threadIdx.x)
        group = int32(cuda.blockIdx.y)
        row0 = int32(cuda.blockIdx.x // tiles_n * M)
        product0 = int32(cuda.blockIdx.x % tiles_n * N)
        k0 = int32(cuda.blockIdx.z * length)  # this block's part of the sum
        last = min(int32(k0 + length), int32(pixels))
        first = int32((last - k0 - 1) % DEPTH + 1)  # length of the first slice

        # What this thread moves, for every DEPTH-th pixel: the gradients of some rows and the factors of some products.
        deep, mine = int32(t % DEPTH), int32(t // DEPTH)
        to = int32(mine ^ deep // OCTET % 2 * 2)
        g_to, x_to = int32(deep * PITCH_G + to), int32(deep * PITCH_X + to)
        g_rows: tuple[Any, ...] = ()
        for q in static_range(MOVES_G):
            g_rows = g_rows + (int32((group * rows + min(row0 + mine + q * NEXT, rows - 1)) * image_pixels),)
        steps: tuple[Any, ...] = ()
        tests: tuple[Any, ...] = ()
        for q in static_range(MOVES_X):
            product = int32(min(product0 + mine + q * NEXT, products - 1))
            steps, tests = steps + (load_constant(offsets, product),), tests + (load_constant(taps, product),)
        inside = deep < first
        pixel = min(int32(k0 + deep), int32(last - 1))
        image = int32(pixel // image_pixels)
        within = int32(pixel - image * image_pixels)

        # The first slice.
        g_at, x_at = (
            int32(image * y_image + within),
            int32(image * x_image + group * x_group + load_constant(base, within)),
        )
        bits = load_constant(mask, within)
        for q in static_range(MOVES_G):
            store(shared_g, g_to + q * NEXT, load_if(gy, int32(g_at + g_rows[q]), inside))
        for q in static_range(MOVES_X):
            here = inside
            if padded:
                here = inside and bits & tests[q] == 0
            store(shared_x, x_to + q * NEXT, load_if(x, int32(x_at + steps[q]), here))
        cuda.syncthreads()

        mine_g = int32((t // 32 // WARPS * 4 + t % 32 // 8) * 4)  # this thread's first row and product of the tile
        mine_x = int32((t // 32 % WARPS * 8 + t % 8) * 4)
        tile = nothing
        buffer = int32(0)
        k0 = int32(k0 + first)
        pixel = int32(k0 + deep)
        image = int32(pixel // image_pixels)
        within = int32(pixel - image * image_pixels)
        while True:
            if k0 < last:
                g_at, x_at = (
                    int32(image * y_image + within),
                    int32(image * x_image + group * x_group + load_constant(base, within)),
                )
                bits = load_constant(mask, within)
                next_g: tuple[Any, ...] = ()
                for q in static_range(MOVES_G):
                    next_g = next_g + (load_constant(gy, int32(g_at + g_rows[q])),)
                next_x: tuple[Any, ...] = ()
                for q in static_range(MOVES_X):
                    if padded:
                        next_x = next_x + (load_masked(x, int32(x_at + steps[q]), bits, tests[q]),)
                    else:
                        next_x = next_x + (load_constant(x, int32(x_at + steps[q])),)
                within = int32(within + DEPTH)
                while within >= image_pixels:
                    within, image = int32(within - image_pixels), int32(image + 1)
            for l in static_range(DEPTH):
                u: tuple[Any, ...] = ()
                for h in static_range(QUADS_R):
                    quad = load4(shared_g, buffer * BUFFER_G + mine_g + l * PITCH_G + h * APART_R)
                    if l // OCTET % 2:
                        quad = (quad[2], quad[3], quad[0], quad[1])
                    u = u + quad
                v: tuple[Any, ...] = ()
                for h in static_range(QUADS_S):
                    quad = load4(shared_x, buffer * BUFFER_X + mine_x + l * PITCH_X + h * APART_S)
                    if l // OCTET % 2:
                        quad = (quad[2], quad[3], quad[0], quad[1])
                    v = v + quad
                tile = outer_fma(tile, u, v)
            if k0 >= last:
                break
            buffer = int32(1 - buffer)
            for q in static_range(MOVES_G):
                store(shared_g, buffer * BUFFER_G + g_to + q * NEXT, next_g[q])
            for q in static_range(MOVES_X):
                store(shared_x, buffer * BUFFER_X + x_to + q * NEXT, next_x[q])
            cuda.syncthreads()
            k0 = int32(k0 + DEPTH)

        row, column = int32(row0 + mine_g), int32(product0 + mine_x)
        to = int32(cuda.blockIdx.z * part_size + (group * rows + row) * products + column)
        for i in static_range(R):
            down = i // 4 * APART_R + i % 4
            if row + down < rows:
                store_strip(parts, to + down * products, tile[i * S : i * S + S], APART_S, 1, products - column)
        if cuda.gridDim.z > 1:  # the last block of a tile adds the parts of all, in their order
            cuda.threadfence()
            cuda.syncthreads()
            place = int32(cuda.blockIdx.y * cuda.gridDim.x + cuda.blockIdx.x)
            if t == 0:
                shared_g[0] = real(fetch_add(counters, place, 1))
            cuda.syncthreads()
            if int32(shared_g[0]) == cuda.gridDim.z - 1:
                cuda.threadfence()
                for e in range(t, M * N, THREADS):
                    row, column = int32(row0 + e // N), int32(product0 + e % N)
                    if row < rows and column < products:
                        to = int32((group * rows + row) * products + column)
                        total = parts[to]
                        for z in range(1, int32(cuda.gridDim.z)):
                            total += parts[z * part_size + to]
                        gw[to] = total
                if t == 0:
                    counters[place] = 0

    return conv2d_weight_grad
