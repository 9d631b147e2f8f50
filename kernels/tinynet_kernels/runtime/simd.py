"""One register tile of a matrix product, for Numba: the inner loop of every convolution on the CPU.

    tile[i, j] += sum over s of a[rows[i] + steps[s]] * b[s, j]        i < ROWS, j < vectors * lanes

A vector register holds `lanes` neighbouring columns j. In each step s, one row of b is loaded into `vectors` registers, each
of the ROWS elements of a is copied to all lanes of a register, and ROWS * vectors fused multiply-adds update the
accumulators, which stay in registers from the first step to the last: on a processor with 32 registers of 64 bytes, 24 of
them. The two tables of offsets let a be anything whose address is a part that depends on the row plus a part that depends
on the step. The windows of a convolution are of that kind, so they need no copy.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

ROWS = 6
_FEATURES = llvm.get_host_cpu_features()
REGISTER = 64 if _FEATURES.get("avx512f") else 32 if _FEATURES.get("avx2") else 16  # bytes
WIDEST = 4 if REGISTER == 64 else 2  # vectors of a tile that leave registers for a and b

_I32, _I64 = ir.IntType(32), ir.IntType(64)


def _make(vectors: int) -> Any:
    """The intrinsic `tile(a, rows, steps, first, last, b, b_start, b_stride, c)` for tiles of this many vectors.

    a, b, c are flat arrays of one float dtype, c of ROWS * vectors * lanes elements; rows is a tuple of ROWS int64, steps
    an array of int64; row s of b, for s from first to last - 1, begins at b_start + s * b_stride. Nothing is checked.
    """

    @intrinsic
    def tile(
        typing: Any, a: Any, rows: Any, steps: Any, first: Any, last: Any, b: Any, b_start: Any, b_stride: Any, c: Any
    ) -> Any:
        def generate(context: Any, build: Any, signature: Any, values: Any) -> Any:
            element = context.get_data_type(a.dtype)
            size = context.get_abi_sizeof(element)
            lanes = REGISTER // size
            vector = ir.VectorType(element, lanes)
            pointer = ir.PointerType(vector)

            def data(kind: Any, value: Any) -> Any:
                return context.make_array(kind)(context, build, value).data

            def vector_at(base: Any, index: Any) -> Any:
                return build.bitcast(build.gep(base, [index]), pointer)

            def cell(i: int, j: int) -> Any:
                return vector_at(pc, ir.Constant(_I64, (i * vectors + j) * lanes))

            pa, ps, pb, pc = (data(k, values[n]) for k, n in ((a, 0), (steps, 2), (b, 5), (c, 8)))
            kind = ir.FunctionType(vector, [vector] * 3)
            fma = cgutils.get_or_insert_function(build.module, kind, f"llvm.fma.v{lanes}f{8 * size}")
            starts = [build.gep(pa, [build.extract_value(values[1], i)]) for i in range(ROWS)]
            sums = [[cgutils.alloca_once(build, vector) for _ in range(vectors)] for _ in range(ROWS)]
            tiles = [(i, j) for i in range(ROWS) for j in range(vectors)]
            for i, j in tiles:  # LLVM turns these variables into registers
                build.store(build.load(cell(i, j), align=size), sums[i][j])
            with cgutils.for_range_slice(build, values[3], values[4], ir.Constant(_I64, 1), _I64) as (s, _):
                offset = build.load(build.gep(ps, [s]))
                row = build.add(values[6], build.mul(s, values[7]))
                columns = [
                    build.load(vector_at(pb, build.add(row, ir.Constant(_I64, j * lanes))), align=size)
                    for j in range(vectors)
                ]
                for i in range(ROWS):
                    copies = _splat(build, build.load(build.gep(starts[i], [offset])), lanes)
                    for j in range(vectors):
                        build.store(build.call(fma, [copies, columns[j], build.load(sums[i][j])]), sums[i][j])
            for i, j in tiles:
                build.store(build.load(sums[i][j]), cell(i, j), align=size)
            return context.get_dummy_value()

        n = types.int64
        return types.void(a, types.UniTuple(n, ROWS), steps, n, n, b, n, n, c), generate

    return tile


def _splat(build: Any, value: Any, lanes: int) -> Any:
    nothing = ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined)
    first = build.insert_element(nothing, value, ir.Constant(_I32, 0))
    return build.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(_I32, lanes), [0] * lanes))


tile1, tile2, tile4 = _make(1), _make(2), _make(4)
