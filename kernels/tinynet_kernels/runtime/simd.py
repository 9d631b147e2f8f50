"""One register tile of a matrix product, for Numba: the inner loop of every convolution and matrix product on the CPU.

    tile[i, j] = max(floor, init[i, j] + sum over taps t and s < run[t] of
                     a[rows[i] + a_offset[t] + s * a_step] * b[b_offset[t] + s * b_step + j])      i < ROWS, j < vectors * lanes

A vector register holds `lanes` neighbouring columns j. In each step s, one row of b is loaded into `vectors` registers, each
of the ROWS elements of a is copied to all lanes of a register, and ROWS * vectors fused multiply-adds update the
accumulators, which stay in registers from the first step to the last: on a processor with 32 registers of 64 bytes, 24 of
them. The table of taps lets a be anything whose address is a part that depends on the row plus a part that depends on the
step. The windows of a convolution are of that kind, at its borders too, so they need neither a copy nor padding.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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
    """The intrinsic for tiles of this many vectors:

    `tile(a, rows, a_step, taps, first, last, b, b_start, b_step, init, init_rows, c, c_rows, limit, floor)`

    a, b, init and c are flat arrays of one float dtype; taps is a flat array of int64, three numbers for each tap: its
    offset in a, its offset in b (from b_start), and its run of steps. Row i of the tile starts from init[init_rows[i]:] and
    goes to c[c_rows[i]:], `limit` columns of it at most. Rows are tuples of int64. Nothing is checked.
    """

    @intrinsic
    def tile(
        typing: Any,
        a: Any,
        rows: Any,
        a_step: Any,
        taps: Any,
        first: Any,
        last: Any,
        b: Any,
        b_start: Any,
        b_step: Any,
        init: Any,
        init_rows: Any,
        c: Any,
        c_rows: Any,
        limit: Any,
        floor: Any,
    ) -> Any:
        def generate(context: Any, build: Any, signature: Any, values: Any) -> Any:
            element = context.get_data_type(a.dtype)
            size = context.get_abi_sizeof(element)
            lanes = REGISTER // size
            vector = ir.VectorType(element, lanes)
            pointer = ir.PointerType(vector)
            tiles = [(i, j) for i in range(ROWS) for j in range(vectors)]

            def number(value: int) -> Any:
                return ir.Constant(_I64, value)

            def data(kind: Any, value: Any) -> Any:
                return context.make_array(kind)(context, build, value).data

            def vector_at(base: Any, j: int) -> Any:
                return build.bitcast(build.gep(base, [number(j * lanes)]), pointer)

            def row_of(base: Any, offsets: Any, i: int) -> Any:
                return build.gep(base, [build.extract_value(offsets, i)])

            def tap(t: Any, field: int) -> Any:
                return build.load(build.gep(pt, [build.add(build.mul(t, number(3)), number(field))]))

            pa, pt, pb, pi, pc = (data(k, values[n]) for k, n in ((a, 0), (taps, 3), (b, 6), (init, 9), (c, 11)))
            kind = ir.FunctionType(vector, [vector] * 3)
            fma = cgutils.get_or_insert_function(build.module, kind, f"llvm.fma.v{lanes}f{8 * size}")
            starts = [row_of(pa, values[1], i) for i in range(ROWS)]
            sums = [[cgutils.alloca_once(build, vector) for _ in range(vectors)] for _ in range(ROWS)]
            for i, j in tiles:  # LLVM turns these variables into registers
                build.store(build.load(vector_at(row_of(pi, values[10], i), j), align=size), sums[i][j])
            with cgutils.for_range_slice(build, values[4], values[5], number(1), _I64) as (t, _):
                from_a, from_b = tap(t, 0), build.add(values[7], tap(t, 1))
                with _steps(build, tap(t, 2), [(from_a, values[2]), (from_b, values[8])]) as (offset, row):
                    line = build.gep(pb, [row])
                    columns = [build.load(vector_at(line, j), align=size) for j in range(vectors)]
                    for i in range(ROWS):
                        copies = _splat(build, build.load(build.gep(starts[i], [offset])), lanes)
                        for j in range(vectors):
                            build.store(build.call(fma, [copies, columns[j], build.load(sums[i][j])]), sums[i][j])
            least = _splat(build, values[14], lanes)
            for i, j in tiles:
                value = build.load(sums[i][j])
                below = build.fcmp_ordered("<", value, least)  # NaN is not below, and stays
                build.store(build.select(below, least, value), sums[i][j])
            whole = build.icmp_signed(">=", values[13], number(vectors * lanes))
            with build.if_else(whole) as (then, otherwise):
                with then:
                    for i, j in tiles:
                        build.store(build.load(sums[i][j]), vector_at(row_of(pc, values[12], i), j), align=size)
                with otherwise:
                    scratch = cgutils.alloca_once(build, element, size=number(vectors * lanes))
                    for i in range(ROWS):
                        for j in range(vectors):
                            build.store(build.load(sums[i][j]), vector_at(scratch, j), align=size)
                        target = row_of(pc, values[12], i)
                        with cgutils.for_range(build, values[13], intp=_I64) as column:
                            value = build.load(build.gep(scratch, [column.index]))
                            build.store(value, build.gep(target, [column.index]))
            return context.get_dummy_value()

        n = types.int64
        six = types.UniTuple(n, ROWS)
        return types.void(a, six, n, taps, n, n, b, n, n, init, six, c, six, n, a.dtype), generate

    return tile


@contextmanager
def _steps(build: Any, count: Any, places: list[tuple[Any, Any]]) -> Iterator[list[Any]]:
    """A loop of `count` steps, and the present value of each of the places, which begin and move on as said.

    LLVM is not to unroll it: there is enough to do in a step, and the addresses of two no longer fit into the registers.
    """
    before, body, after = build.block, build.append_basic_block("step"), build.append_basic_block("done")
    build.cbranch(build.icmp_signed(">", count, ir.Constant(_I64, 0)), body, after)
    build.position_at_end(body)
    numbers = [build.phi(_I64) for _ in (count, *places)]
    begins, moves = zip((count, ir.Constant(_I64, -1)), *places)
    for number, begin in zip(numbers, begins):
        number.add_incoming(begin, before)
    yield numbers[1:]
    following = [build.add(number, move) for number, move in zip(numbers, moves)]
    for number, value in zip(numbers, following):
        number.add_incoming(value, build.block)
    latch = build.cbranch(build.icmp_signed(">", following[0], ir.Constant(_I64, 0)), body, after)
    once = build.module.add_metadata([ir.MetaDataString(build.module, "llvm.loop.unroll.disable")])
    loop = build.module.add_metadata([ir.MetaDataString(build.module, "a loop"), once])
    loop.operands = (loop, once)
    latch.set_metadata("llvm.loop", loop)
    build.position_at_end(after)


def _splat(build: Any, value: Any, lanes: int) -> Any:
    nothing = ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined)
    first = build.insert_element(nothing, value, ir.Constant(_I32, 0))
    return build.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(_I32, lanes), [0] * lanes))


tile1, tile2, tile4 = _make(1), _make(2), _make(4)
