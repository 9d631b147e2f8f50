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
BLOCK_ROWS, BLOCK_VECTORS = (8 if REGISTER == 64 else 6), 2  # of the tiles of `block`
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
            registers = _Tile(context, build, a.dtype, ROWS, vectors)

            def data(kind: Any, value: Any) -> Any:
                return context.make_array(kind)(context, build, value).data

            def rows_of(base: Any, offsets: Any) -> list[Any]:
                return [build.gep(base, [build.extract_value(offsets, i)]) for i in range(ROWS)]

            def tap(t: Any, field: int) -> Any:
                return build.load(build.gep(pt, [build.add(build.mul(t, constant(3)), constant(field))]))

            pa, pt, pb, pi, pc = (data(k, values[n]) for k, n in ((a, 0), (taps, 3), (b, 6), (init, 9), (c, 11)))
            starts, targets = rows_of(pa, values[1]), rows_of(pc, values[12])
            registers.load(rows_of(pi, values[10]))
            with cgutils.for_range_slice(build, values[4], values[5], constant(1), _I64) as (t, _):
                from_a, from_b = tap(t, 0), build.add(values[7], tap(t, 1))
                with _steps(build, tap(t, 2), [(from_a, values[2]), (from_b, values[8])]) as (offset, row):
                    registers.multiply([build.gep(start, [offset]) for start in starts], build.gep(pb, [row]))
            registers.raise_to(values[14])
            whole = build.icmp_signed(">=", values[13], constant(vectors * registers.lanes))
            with build.if_else(whole) as (then, otherwise):
                with then:
                    registers.store(targets)
                with otherwise:
                    registers.store_columns(targets, values[13])
            return context.get_dummy_value()

        n = types.int64
        six = types.UniTuple(n, ROWS)
        return types.void(a, six, n, taps, n, n, b, n, n, init, six, c, six, n, a.dtype), generate

    return tile


def _make_block(vectors: int, adds: bool) -> Any:
    """The intrinsic for products of whole matrices, so many vectors of columns at a time:

    `block(a, a_start, a_row, a_step, depth, b, b_start, b_step, c, c_start, c_row, tiles)`

    c[i, j] = sum over s < depth of a[a_start + i * a_row + s * a_step] * b[b_start + s * b_step + j], or if it adds +=, for
    i < tiles * BLOCK_ROWS and j < vectors * lanes, where c[i, j] is c[c_start + i * c_row + j]. Flat arrays; nothing is
    checked. There are no tables: short products take little more than their multiplications.
    """

    @intrinsic
    def block(
        typing: Any,
        a: Any,
        a_start: Any,
        a_row: Any,
        a_step: Any,
        depth: Any,
        b: Any,
        b_start: Any,
        b_step: Any,
        c: Any,
        c_start: Any,
        c_row: Any,
        tiles: Any,
    ) -> Any:
        def generate(context: Any, build: Any, signature: Any, values: Any) -> Any:
            registers = _Tile(context, build, a.dtype, BLOCK_ROWS, vectors)
            arrays = (a, 0), (b, 5), (c, 8)
            pa, pb, pc = (context.make_array(kind)(context, build, values[n]).data for kind, n in arrays)

            def rows_of(base: Any, start: Any, row: Any, tile: Any) -> list[Any]:
                places = [build.add(build.mul(tile, constant(BLOCK_ROWS)), constant(i)) for i in range(BLOCK_ROWS)]
                return [build.gep(base, [build.add(start, build.mul(place, row))]) for place in places]

            with cgutils.for_range(build, values[11], intp=_I64) as loop:
                starts = rows_of(pa, values[1], values[2], loop.index)
                targets = rows_of(pc, values[9], values[10], loop.index)
                if adds:
                    registers.load(targets)
                else:
                    registers.clear()
                places = [(constant(0), values[3]), (values[6], values[7])]
                with _steps(build, values[4], places) as (offset, row):
                    registers.multiply([build.gep(start, [offset]) for start in starts], build.gep(pb, [row]))
                registers.store(targets)
            return context.get_dummy_value()

        n = types.int64
        return types.void(a, n, n, n, n, b, n, n, c, n, n, n), generate

    return block


def constant(value: int) -> Any:
    return ir.Constant(_I64, value)


class _Tile:
    """The accumulators of a tile, some rows of vectors of a float dtype, and the instructions that use them."""

    def __init__(self, context: Any, build: Any, dtype: Any, rows: int, vectors: int) -> None:
        self.build = build
        self.element = context.get_data_type(dtype)
        self.size = context.get_abi_sizeof(self.element)
        self.lanes = REGISTER // self.size
        self.vector = ir.VectorType(self.element, self.lanes)
        kind = ir.FunctionType(self.vector, [self.vector] * 3)
        self.fma = cgutils.get_or_insert_function(build.module, kind, f"llvm.fma.v{self.lanes}f{8 * self.size}")
        self.columns = range(vectors)
        # LLVM turns these variables into registers
        self.sums = [[cgutils.alloca_once(build, self.vector) for _ in self.columns] for _ in range(rows)]

    def _vector_at(self, base: Any, j: int) -> Any:
        return self.build.bitcast(self.build.gep(base, [constant(j * self.lanes)]), ir.PointerType(self.vector))

    def load(self, rows: list[Any]) -> None:
        for row, sums in zip(rows, self.sums):
            for j in self.columns:
                self.build.store(self.build.load(self._vector_at(row, j), align=self.size), sums[j])

    def clear(self) -> None:
        for sums in self.sums:
            for j in self.columns:
                self.build.store(ir.Constant(self.vector, [0.0] * self.lanes), sums[j])

    def multiply(self, places: list[Any], line: Any) -> None:
        """Adds the products of the numbers at the places, one for each row, and the vectors at `line`."""
        columns = [self.build.load(self._vector_at(line, j), align=self.size) for j in self.columns]
        for place, sums in zip(places, self.sums):
            copies = _splat(self.build, self.build.load(place), self.lanes)
            for j in self.columns:
                self.build.store(self.build.call(self.fma, [copies, columns[j], self.build.load(sums[j])]), sums[j])

    def raise_to(self, floor: Any) -> None:
        least = _splat(self.build, floor, self.lanes)
        for sums in self.sums:
            for j in self.columns:
                value = self.build.load(sums[j])
                below = self.build.fcmp_ordered("<", value, least)  # NaN is not below, and stays
                self.build.store(self.build.select(below, least, value), sums[j])

    def store(self, rows: list[Any]) -> None:
        for row, sums in zip(rows, self.sums):
            for j in self.columns:
                self.build.store(self.build.load(sums[j]), self._vector_at(row, j), align=self.size)

    def store_columns(self, rows: list[Any], count: Any) -> None:
        """The first `count` columns alone."""
        scratch = cgutils.alloca_once(self.build, self.element, size=constant(len(self.columns) * self.lanes))
        for row, sums in zip(rows, self.sums):
            for j in self.columns:
                self.build.store(self.build.load(sums[j]), self._vector_at(scratch, j), align=self.size)
            with cgutils.for_range(self.build, count, intp=_I64) as column:
                value = self.build.load(self.build.gep(scratch, [column.index]))
                self.build.store(value, self.build.gep(row, [column.index]))


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
product1, product2 = _make_block(1, False), _make_block(2, False)
add_product1, add_product2 = _make_block(1, True), _make_block(2, True)
