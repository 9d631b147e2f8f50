"""Matrix product on tensor cores: float16, and float32 rounded to bfloat16 or TF32, summed in float32.

The kernel is the pipeline of CUTLASS's sm_80 GEMMs: slices of a and b, 64 bytes deep, are copied to shared memory by
`cp.async`, three slices ahead of the one that is multiplied; `ldmatrix` brings fragments to registers, `mma.sync` multiplies
16 x 8 x 16 (TF32: 16 x 8 x 8) at a time. The first slice is the incomplete one, so that the main loop tests nothing. The
convolutions use the same kernel with its second operand gathered from an image (see `conv2d.tensor_cores`).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy import float32, int32, uint32

from ..runtime.cuda import (
    Float32Pointer,
    Int32Pointer,
    Kernel,
    Pointer,
    aligned,
    blocks_for,
    cuda,
    finish,
    kernel,
    module,
)
from ..runtime.packing import BFLOAT16, FLOAT16, TF32, chunk, pack
from ..runtime.primitives import load_if, select, store_if
from ..runtime.tensor_core_primitives import (
    commit_copies,
    copy_async_if,
    load_float,
    load_float16,
    load_matrices,
    load_matrices_transposed,
    load_word,
    mma_bfloat16,
    mma_float16,
    mma_tf32,
    store2_floats,
    store_float16,
    wait_copies,
)
from ..runtime.tuning import multiprocessors
from ..runtime.unroll import static_range, unrolled
from .cuda import _Call

STAGES = 4  # slices in shared memory; a power of two
KINDS = {"highest": FLOAT16, "high": TF32, "medium": BFLOAT16}  # float32 at "highest" does not come here
AS_IT_LIES, IMAGE, PIXELS = 0, 1, 2  # where b is: in rows; a window of an image in each row; or in each column


@dataclass(frozen=True)
class Tile:
    """A block's rows and columns of the result, and the warps they are divided among."""

    rows: int
    columns: int
    warps_down: int
    warps_across: int
    min_blocks: int

    @property
    def threads(self) -> int:
        return 32 * self.warps_down * self.warps_across

    def __str__(self) -> str:
        return f"{self.rows}x{self.columns}"


LARGE, SMALL = Tile(128, 128, 2, 4, 2), Tile(64, 64, 2, 2, 4)


@functools.cache
def product(KIND: int, tile: Tile, a_along_k: bool, b_along_k: bool, B: int = AS_IT_LIES, half: bool = False) -> Kernel:
    """y = a b, for one kind of operand and one layout.

    a_along_k, b_along_k  whether neighbours in memory are neighbours along k, for TF32 by far the better.
    B                     IMAGE: column p of b is the window of pixel p: element k lies at base[p] + factors[k], as in
                          `conv2d.tables` but for chunks of k. PIXELS: the same for row p, which is summed over.
    half                  y is float16, else float32.
    """
    SIZE = 4 if KIND == TF32 else 2
    CHUNK = 16 // SIZE
    DEPTH = 64 // SIZE
    THREADS = tile.threads
    ROWS, COLUMNS = tile.rows, tile.columns
    DOWN, ACROSS = ROWS // tile.warps_down // 16, COLUMNS // tile.warps_across // 8  # 16 x 8 tiles of a warp
    WARPS_DOWN = tile.warps_down
    # A row of shared memory is a slice of a row of the operand, or of k; the bytes more spread reads over the banks.
    PITCH_A = DEPTH + CHUNK if a_along_k else ROWS + 8
    PITCH_B = DEPTH + CHUNK if b_along_k else COLUMNS + 8
    LANES_A = 4 if a_along_k else ROWS // CHUNK  # threads side by side that copy a row
    LANES_B = 4 if b_along_k else COLUMNS // CHUNK
    PASSES_A, PASSES_B = ROWS * 4 // THREADS, COLUMNS * 4 // THREADS
    assert PASSES_A == PASSES_B == 2
    APART_A, APART_B = THREADS // LANES_A, THREADS // LANES_B
    STAGE_A = ROWS * PITCH_A if a_along_k else DEPTH * PITCH_A
    STAGE_B = COLUMNS * PITCH_B if b_along_k else DEPTH * PITCH_B
    START_B = STAGES * STAGE_A
    AHEAD, WAITING, LAST_STAGE = STAGES - 1, STAGES - 2, STAGES - 1
    STEPS = 4 // 2  # products of two chunks of k each
    PITCH_Y = COLUMNS + 8
    HALF = half
    element = np.dtype(f"uint{8 * SIZE}").type

    @kernel(
        threads=THREADS, min_blocks=tile.min_blocks, shared=max(STAGES * (STAGE_A + STAGE_B) * SIZE, 4 * ROWS * PITCH_Y)
    )
    @unrolled
    def tensor_core_product(
        a: Pointer,
        b: Pointer,
        bias: Float32Pointer,
        y: Float32Pointer,
        base: Int32Pointer,
        mask: Int32Pointer,
        position: Int32Pointer,
        factors: Int32Pointer,
        m: int32,
        n: int32,
        k: int32,
        lda: int32,
        ldb: int32,
        a_batch: int32,
        b_batch: int32,
        y_batch: int32,
        tiles_m: int32,
        tiles_n: int32,
        part_length: int32,
        part_step: int32,
        pixels: int32,
        image_b: int32,
        image_y: int32,
        row_y: int32,
        bias_batch: int32,
        has_bias: int32,
        relu: int32,
    ) -> None:
        shared = cuda.shared.array(0, element, alignment=16)
        t = int32(cuda.threadIdx.x)
        lane = int32(t & 31)
        warp = int32(t >> 5)
        block = uint32(cuda.blockIdx.x)
        batch = int32(block // uint32(tiles_m * tiles_n))
        row0 = int32(uint32(block // uint32(tiles_n)) % uint32(tiles_m) * uint32(ROWS))
        column0 = int32(block % uint32(tiles_n) * uint32(COLUMNS))
        first = int32(int32(cuda.blockIdx.y) * part_length)
        k = int32(min(int32(k - first), part_length))
        slices = int32((k + (DEPTH - 1)) // DEPTH)
        rest = int32(k - (slices - 1) * DEPTH)  # of the first slice

        # Four lanes copy the four chunks of a row along k. Eight write at a time, to rows four apart: those are half the banks
        # apart, while neighbours overlap.
        along_k = int32(warp * 8 + lane // 8 + lane // 4 % 2 * 4)
        # What this thread copies of a: two chunks, `APART_A` rows of shared memory apart. Rows beyond the last repeat it.
        a_place = along_k if a_along_k else int32(t // LANES_A)
        a_chunk = int32(t % LANES_A * CHUNK)
        a_to = int32(a_place * PITCH_A + a_chunk)
        if a_along_k:
            a_at0 = int32(batch * a_batch + min(int32(row0 + a_place), int32(m - 1)) * lda + first + a_chunk)
            a_at1 = int32(batch * a_batch + min(int32(row0 + a_place + APART_A), int32(m - 1)) * lda + first + a_chunk)
            a_inside0 = a_chunk < rest
            a_inside1 = a_inside0
            a_step = int32(DEPTH)
            a_first = rest
        else:
            edge = int32(min(int32(row0 + a_chunk), int32((m - 1) // CHUNK * CHUNK)))
            a_at0 = int32(batch * a_batch + (first + a_place) * lda + edge)
            a_at1 = int32(a_at0 + APART_A * lda)
            a_inside0 = a_place < rest
            a_inside1 = int32(a_place + APART_A) < rest
            a_step = int32(DEPTH * lda)
            a_first = int32(rest * lda)

        # And of b; of a gathered one, `b_at` is without the part that the tables give for each slice.
        b_place = along_k if b_along_k else int32(t // LANES_B)
        b_chunk = int32(t % LANES_B * CHUNK)
        b_to = int32(START_B + b_place * PITCH_B + b_chunk)
        b_inside0 = b_chunk < rest if b_along_k else b_place < rest
        b_inside1 = b_inside0 if b_along_k else int32(b_place + APART_B) < rest
        if B == 1:
            pixel0 = int32(min(int32(column0 + b_place), int32(n - 1)))
            pixel1 = int32(min(int32(column0 + b_place + APART_B), int32(n - 1)))
            image0 = int32(uint32(pixel0) // uint32(pixels))
            image1 = int32(uint32(pixel1) // uint32(pixels))
            pixel0 = int32(pixel0 - image0 * pixels)
            pixel1 = int32(pixel1 - image1 * pixels)
            mask0 = load_if(mask, pixel0, True)
            mask1 = load_if(mask, pixel1, True)
            b_at0 = int32(batch * b_batch + image0 * image_b + load_if(base, pixel0, True))
            b_at1 = int32(batch * b_batch + image1 * image_b + load_if(base, pixel1, True))
            entry = int32(b_chunk // CHUNK)
            factor = load_if(factors, entry, True)
            b_inside0 = b_inside0 and ((mask0 >> (factor & 31)) & 1) != 0
            b_inside1 = b_inside1 and ((mask1 >> (factor & 31)) & 1) != 0
        elif B == 2:
            edge = int32(min(int32(column0 + b_chunk), int32((n - 1) // CHUNK * CHUNK)))
            factor = load_if(factors, int32(edge // CHUNK), True)
            shift = int32(batch * b_batch + (factor >> 5))
            tap = int32(factor & 31)
            pixel0 = int32(first + b_place)
            pixel1 = int32(pixel0 + APART_B)
            b_at0 = load_if(base, pixel0, b_inside0)
            b_at1 = load_if(base, pixel1, b_inside1)
            b_inside0 = b_inside0 and ((load_if(mask, pixel0, b_inside0) >> tap) & 1) != 0
            b_inside1 = b_inside1 and ((load_if(mask, pixel1, b_inside1) >> tap) & 1) != 0
        elif b_along_k:
            b_at0 = int32(batch * b_batch + min(int32(column0 + b_place), int32(n - 1)) * ldb + b_chunk)
            b_at1 = int32(batch * b_batch + min(int32(column0 + b_place + APART_B), int32(n - 1)) * ldb + b_chunk)
            b_step = int32(DEPTH)
            b_first = rest
        else:
            edge = int32(min(int32(column0 + b_chunk), int32((n - 1) // CHUNK * CHUNK)))
            b_at0 = int32(batch * b_batch + b_place * ldb + edge)
            b_at1 = int32(b_at0 + APART_B * ldb)
            b_step = int32(DEPTH * ldb)
            b_first = int32(rest * ldb)

        for stage in static_range(AHEAD):
            if stage < slices:
                if stage == 0:
                    copy_async_if(shared, a_to, a, a_at0, a_inside0)
                    copy_async_if(shared, a_to + APART_A * PITCH_A, a, a_at1, a_inside1)
                    a_at0, a_at1 = int32(a_at0 + a_first), int32(a_at1 + a_first)
                    if B == 1:
                        copy_async_if(shared, b_to, b, b_at0 + (factor >> 5), b_inside0)
                        copy_async_if(shared, b_to + APART_B * PITCH_B, b, b_at1 + (factor >> 5), b_inside1)
                        entry = int32(entry + rest // CHUNK)
                        factor = load_if(factors, entry, True)
                    elif B == 2:
                        copy_async_if(shared, b_to, b, b_at0 + shift, b_inside0)
                        copy_async_if(shared, b_to + APART_B * PITCH_B, b, b_at1 + shift, b_inside1)
                        pixel0, pixel1 = int32(pixel0 + rest), int32(pixel1 + rest)
                        b_at0, b_at1 = load_if(base, pixel0, True), load_if(base, pixel1, True)
                        mask0, mask1 = load_if(mask, pixel0, True), load_if(mask, pixel1, True)
                    else:
                        copy_async_if(shared, b_to, b, b_at0, b_inside0)
                        copy_async_if(shared, b_to + APART_B * PITCH_B, b, b_at1, b_inside1)
                        b_at0, b_at1 = int32(b_at0 + b_first), int32(b_at1 + b_first)
                else:
                    copy_async_if(shared, a_to + stage * STAGE_A, a, a_at0, True)
                    copy_async_if(shared, a_to + stage * STAGE_A + APART_A * PITCH_A, a, a_at1, True)
                    a_at0, a_at1 = int32(a_at0 + a_step), int32(a_at1 + a_step)
                    to = int32(b_to + stage * STAGE_B)
                    if B == 1:
                        inside0, inside1 = (mask0 >> (factor & 31)) & 1 != 0, (mask1 >> (factor & 31)) & 1 != 0
                        copy_async_if(shared, to, b, b_at0 + (factor >> 5), inside0)
                        copy_async_if(shared, to + APART_B * PITCH_B, b, b_at1 + (factor >> 5), inside1)
                        entry = int32(entry + 4)
                        factor = load_if(factors, entry, True)
                    elif B == 2:
                        copy_async_if(shared, to, b, b_at0 + shift, (mask0 >> tap) & 1 != 0)
                        copy_async_if(shared, to + APART_B * PITCH_B, b, b_at1 + shift, (mask1 >> tap) & 1 != 0)
                        pixel0, pixel1 = int32(pixel0 + DEPTH), int32(pixel1 + DEPTH)
                        b_at0, b_at1 = load_if(base, pixel0, True), load_if(base, pixel1, True)
                        mask0, mask1 = load_if(mask, pixel0, True), load_if(mask, pixel1, True)
                    else:
                        copy_async_if(shared, to, b, b_at0, True)
                        copy_async_if(shared, to + APART_B * PITCH_B, b, b_at1, True)
                        b_at0, b_at1 = int32(b_at0 + b_step), int32(b_at1 + b_step)
            commit_copies()

        # Where this thread's fragments begin: see ldmatrix in the PTX manual. `low` and `high` are the lane's place in an
        # 8 x 8 matrix and which of two neighbours it is in, in the order that mma wants the four.
        down = int32(warp % WARPS_DOWN * (DOWN * 16))
        across = int32(warp // WARPS_DOWN * (ACROSS * 8))
        in_16 = int32(lane & 15)
        in_8 = int32((lane & 7) + (lane >> 4) * 8)
        if a_along_k:
            a_from = int32((down + in_16) * PITCH_A + (lane >> 4) * CHUNK)
        elif KIND == 2:
            a_from = int32((lane & 3) * PITCH_A + down + (lane >> 2))
        else:
            a_from = int32(in_8 * PITCH_A + down + ((lane >> 3) & 1) * CHUNK)
        if b_along_k:
            b_from = int32(START_B + (across + in_8) * PITCH_B + ((lane >> 3) & 1) * CHUNK)
        elif KIND == 2:
            b_from = int32(START_B + (lane & 3) * PITCH_B + across + (lane >> 2))
        else:
            b_from = int32(START_B + in_16 * PITCH_B + across + (lane >> 4) * CHUNK)

        tile = cuda.local.array((DOWN, ACROSS, 4), float32)
        for i in range(DOWN):
            for j in range(ACROSS):
                for r in range(4):
                    tile[i, j, r] = float32(0)
        slice_ = int32(0)
        while slice_ < slices:
            wait_copies(WAITING)
            cuda.syncthreads()
            coming = int32(slice_ + AHEAD)
            if coming < slices:
                a_to_free = int32(a_to + (coming & LAST_STAGE) * int32(STAGE_A))
                b_to_free = int32(b_to + (coming & LAST_STAGE) * int32(STAGE_B))
                copy_async_if(shared, a_to_free, a, a_at0, True)
                copy_async_if(shared, a_to_free + APART_A * PITCH_A, a, a_at1, True)
                a_at0, a_at1 = int32(a_at0 + a_step), int32(a_at1 + a_step)
                if B == 1:
                    inside0, inside1 = (mask0 >> (factor & 31)) & 1 != 0, (mask1 >> (factor & 31)) & 1 != 0
                    copy_async_if(shared, b_to_free, b, b_at0 + (factor >> 5), inside0)
                    copy_async_if(shared, b_to_free + APART_B * PITCH_B, b, b_at1 + (factor >> 5), inside1)
                    entry = int32(entry + 4)
                    factor = load_if(factors, entry, True)
                elif B == 2:
                    copy_async_if(shared, b_to_free, b, b_at0 + shift, (mask0 >> tap) & 1 != 0)
                    copy_async_if(shared, b_to_free + APART_B * PITCH_B, b, b_at1 + shift, (mask1 >> tap) & 1 != 0)
                    pixel0, pixel1 = int32(pixel0 + DEPTH), int32(pixel1 + DEPTH)
                    b_at0, b_at1 = load_if(base, pixel0, True), load_if(base, pixel1, True)
                    mask0, mask1 = load_if(mask, pixel0, True), load_if(mask, pixel1, True)
                else:
                    copy_async_if(shared, b_to_free, b, b_at0, True)
                    copy_async_if(shared, b_to_free + APART_B * PITCH_B, b, b_at1, True)
                    b_at0, b_at1 = int32(b_at0 + b_step), int32(b_at1 + b_step)
            commit_copies()
            from_a = int32(a_from + (slice_ & LAST_STAGE) * int32(STAGE_A))
            from_b = int32(b_from + (slice_ & LAST_STAGE) * int32(STAGE_B))
            for s in static_range(STEPS):
                parts_a: Any = ()
                for i in static_range(DOWN):
                    if a_along_k:
                        part_a = load_matrices(shared, from_a + i * 16 * PITCH_A + s * 2 * CHUNK)
                    elif KIND == 2:  # ldmatrix transposes 16-bit elements only
                        place = int32(from_a + i * 16 + s * 8 * PITCH_A)
                        part_a = (
                            load_word(shared, place),
                            load_word(shared, place + 8),
                            load_word(shared, place + 4 * PITCH_A),
                            load_word(shared, place + 4 * PITCH_A + 8),
                        )
                    else:
                        part_a = load_matrices_transposed(shared, from_a + i * 16 + s * 16 * PITCH_A)
                    parts_a = parts_a + (part_a,)
                parts_b: Any = ()
                for j in static_range(ACROSS // 2):
                    if b_along_k:
                        pair = load_matrices(shared, from_b + j * 16 * PITCH_B + s * 2 * CHUNK)
                    elif KIND == 2:
                        place = int32(from_b + j * 16 + s * 8 * PITCH_B)
                        pair = (
                            load_word(shared, place),
                            load_word(shared, place + 4 * PITCH_B),
                            load_word(shared, place + 8),
                            load_word(shared, place + 4 * PITCH_B + 8),
                        )
                    else:
                        pair = load_matrices_transposed(shared, from_b + j * 16 + s * 16 * PITCH_B)
                    parts_b = parts_b + ((pair[0], pair[1]), (pair[2], pair[3]))
                for i in range(DOWN):
                    for j in range(ACROSS):
                        part = (tile[i, j, 0], tile[i, j, 1], tile[i, j, 2], tile[i, j, 3])
                        if KIND == 0:
                            part = mma_float16(part, parts_a[i], parts_b[j])
                        elif KIND == 1:
                            part = mma_bfloat16(part, parts_a[i], parts_b[j])
                        else:
                            part = mma_tf32(part, parts_a[i], parts_b[j])
                        tile[i, j, 0], tile[i, j, 1], tile[i, j, 2], tile[i, j, 3] = part
            slice_ = int32(slice_ + 1)

        # The tile goes through shared memory, so that a warp writes neighbours: each thread a column.
        wait_copies(0)
        cuda.syncthreads()
        spot = int32((down + (lane >> 2)) * PITCH_Y + across + (lane & 3) * 2)
        for i in range(DOWN):
            for j in range(ACROSS):
                store2_floats(shared, spot + i * 16 * PITCH_Y + j * 8, tile[i, j, 0], tile[i, j, 1])
                store2_floats(shared, spot + (i * 16 + 8) * PITCH_Y + j * 8, tile[i, j, 2], tile[i, j, 3])
        cuda.syncthreads()
        column = int32(column0 + t % COLUMNS)
        if column >= n:
            return
        at = int32(batch * y_batch + int32(cuda.blockIdx.y) * part_step)
        if B == 1:
            image0 = int32(uint32(column) // uint32(pixels))
            at = int32(at + image0 * image_y + load_if(position, int32(column - image0 * pixels), True))
        else:
            at = int32(at + column)
        row = int32(t // COLUMNS)
        while row < min(int32(m - row0), ROWS):
            value = load_float(shared, row * PITCH_Y + t % COLUMNS)
            if has_bias:
                place = int32(batch * bias_batch + row0 + row) if B == 1 else column
                value += load_float16(bias, place) if HALF else load_if(bias, place, True)
            value = select(relu != 0 and value < float32(0), float32(0), value)
            if HALF:
                store_float16(y, int32(at + (row0 + row) * row_y), value)
            else:
                store_if(y, int32(at + (row0 + row) * row_y), value, True)
            row = int32(row + THREADS // COLUMNS)

    return tensor_core_product


def matmul(outputs: Any, a: Any, b: Any, bias: Any = None, *, precision: str = "highest", **params: Any) -> bool:
    (y,) = outputs
    call = _Call(y, a, b, bias, **params)
    sizes = call.sizes
    if sizes.k == 0 or not available(y):
        return False
    kind = KINDS[precision] if y.dtype != np.float16 else FLOAT16
    batches_a, batches_b = (sizes.batches if step else 1 for step in (sizes.a_batch, sizes.b_batch))
    # Rows along k are padded to whole chunks; then the other operand must be too, which only such rows can be.
    a_along_k, b_along_k = not call.transpose_a, call.transpose_b
    if kind == TF32 or (sizes.k % chunk(kind) and a_along_k != b_along_k):
        a_along_k = b_along_k = True
    k = blocks_for(sizes.k, chunk(kind)) * chunk(kind) if a_along_k or b_along_k else sizes.k
    a, lda = _operand(call.a, kind, batches_a, sizes.m, sizes.k, call.transpose_a, a_along_k)
    b, ldb = _operand(call.b, kind, batches_b, sizes.n, sizes.k, not call.transpose_b, b_along_k)
    tile = choose(sizes.m, sizes.n, sizes.batches)
    tiles_m, tiles_n = blocks_for(sizes.m, tile.rows), blocks_for(sizes.n, tile.columns)
    product(kind, tile, a_along_k, b_along_k, AS_IT_LIES, kind == FLOAT16)(
        tiles_m * tiles_n * sizes.batches,
        a,
        b,
        call.bias,
        call.y,
        *(None,) * 4,
        sizes.m,
        sizes.n,
        k,
        lda,
        ldb,
        lda * (sizes.m if a_along_k else sizes.k) if sizes.a_batch else 0,
        ldb * (sizes.n if b_along_k else sizes.k) if sizes.b_batch else 0,
        sizes.m * sizes.n,
        tiles_m,
        tiles_n,
        k,
        *(0,) * 4,
        sizes.n,
        0,
        call.bias is not None,
        call.relu,
    )
    finish(y, call.y)
    return True


def _operand(array: Any, kind: int, batches: int, edge: int, k: int, across: bool, along_k: bool) -> tuple[Any, int]:
    """An operand as the kernel takes it, with its rows along k or not, and the length of the rows.

    `array` is contiguous: (batches, edge, k), or (batches, k, edge) if `across`.
    """
    if across == along_k:
        packed = pack(array, kind, (batches, edge, 1), (k * edge, 1, 0), k, edge)
    else:
        rows, count = (k, edge) if across else (edge, k)
        if kind == FLOAT16 and count % chunk(kind) == 0 and aligned(array):
            return array, count
        packed = pack(array, kind, (batches, rows, 1), (k * edge, count, 0), count, 1)
    return packed, packed.shape[-1]


def choose(m: int, n: int, products: int) -> Tile:
    """The large tile if it gives every multiprocessor a block and wastes little on a short edge, else the small one."""
    blocks = blocks_for(m, LARGE.rows) * blocks_for(n, LARGE.columns) * products
    return LARGE if min(m, n) > 64 and blocks >= multiprocessors() else SMALL


def available(array: Any) -> bool:
    """Whether the device of an array has these instructions: compute capability 8.0 and later."""
    return _capability(int(array.data.device_id)) >= 80


@functools.cache
def _capability(device: int) -> int:
    return int(module().cuda.Device(device).compute_capability)
