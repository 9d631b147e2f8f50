"""Copies by way of vector registers, for Numba: a vector, and the transposes of squares and matrices."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .compiled import once
from .simd import REGISTER

_I32, _I64 = ir.IntType(32), ir.IntType(64)


@intrinsic
def transpose_square(typing: Any, a: Any, a_start: Any, a_step: Any, b: Any, b_start: Any, b_step: Any) -> Any:
    """b[b_start + j * b_step + i] = a[a_start + i * a_step + j] for i and j below the lanes of a vector register.

    a and b are flat arrays of one float dtype. Nothing is checked.
    """

    def generate(context: Any, build: Any, signature: Any, values: Any) -> Any:
        source, target = _Rows(context, build, a, values[0]), _Rows(context, build, b, values[3])
        target.store(_transposed(build, source.load(values[1], values[2])), values[4], values[5])
        return context.get_dummy_value()

    n = types.int64
    return types.void(a, n, n, b, n, n), generate


@intrinsic
def transpose_masked_square(
    typing: Any, a: Any, y: Any, masked: Any, start: Any, step: Any, b: Any, b_start: Any, b_step: Any
) -> Any:
    """masked = a where y > 0, else 0, for the elements of a square that begins at `start` in all three, with `step` between
    its rows; and the transpose of that in b, as `transpose_square` has it."""

    def generate(context: Any, build: Any, signature: Any, values: Any) -> Any:
        arrays = (a, 0), (y, 1), (masked, 2), (b, 5)
        source, mask, copy, target = (_Rows(context, build, kind, values[n]) for kind, n in arrays)
        place = values[3:5]
        zero = ir.Constant(source.vector, [0.0] * source.vector.count)
        above = [build.fcmp_ordered(">", row, zero) for row in mask.load(*place)]
        rows = [build.select(bits, row, zero) for bits, row in zip(above, source.load(*place))]
        copy.store(rows, *place)  # after all have been read: a load waits for a store 4096 bytes before it
        target.store(_transposed(build, rows), values[6], values[7])
        return context.get_dummy_value()

    n = types.int64
    return types.void(a, y, masked, n, n, b, n, n), generate


class _Rows:
    """Vectors of a flat array, as many as one has lanes, at a start and steps from there."""

    def __init__(self, context: Any, build: Any, kind: Any, value: Any) -> None:
        self.build, self.data = build, context.make_array(kind)(context, build, value).data
        element = context.get_data_type(kind.dtype)
        self.size = context.get_abi_sizeof(element)
        self.vector = ir.VectorType(element, REGISTER // self.size)

    def _places(self, start: Any, step: Any) -> list[Any]:
        build = self.build
        offsets = [build.mul(step, ir.Constant(_I64, i)) for i in range(self.vector.count)]
        pointer = ir.PointerType(self.vector)
        return [build.bitcast(build.gep(self.data, [build.add(start, offset)]), pointer) for offset in offsets]

    def load(self, start: Any, step: Any) -> list[Any]:
        return [self.build.load(place, align=self.size) for place in self._places(start, step)]

    def store(self, rows: list[Any], start: Any, step: Any) -> None:
        for row, place in zip(rows, self._places(start, step)):
            self.build.store(row, place, align=self.size)


def _transposed(build: Any, rows: list[Any]) -> list[Any]:
    """For d = 1, 2, 4, ..., vectors d apart exchange the elements whose index differs from the vector's in that bit."""
    rows, lanes = rows.copy(), len(rows)
    d = 1
    while d < lanes:
        kind = ir.VectorType(_I32, lanes)
        low = ir.Constant(kind, [e if not e & d else lanes + e - d for e in range(lanes)])
        high = ir.Constant(kind, [e + d if not e & d else lanes + e for e in range(lanes)])
        for i in (i for i in range(lanes) if not i & d):
            first, second = rows[i], rows[i + d]
            rows[i] = build.shuffle_vector(first, second, low)
            rows[i + d] = build.shuffle_vector(first, second, high)
        d *= 2
    return rows


@intrinsic
def copy_vector(typing: Any, a: Any, a_start: Any, b: Any, b_start: Any) -> Any:
    """b[b_start + i] = a[a_start + i] for i below the lanes of a register. Flat arrays of one dtype. Nothing is checked."""

    def generate(context: Any, build: Any, signature: Any, values: Any) -> Any:
        element = context.get_data_type(a.dtype)
        size = context.get_abi_sizeof(element)
        pointer = ir.PointerType(ir.VectorType(element, REGISTER // size))
        source, target = (context.make_array(k)(context, build, values[n]).data for k, n in ((a, 0), (b, 2)))
        value = build.load(build.bitcast(build.gep(source, [values[1]]), pointer), align=size)
        build.store(value, build.bitcast(build.gep(target, [values[3]]), pointer), align=size)
        return context.get_dummy_value()

    n = types.int64
    return types.void(a, n, b, n), generate


@once
def transpose(
    a: Any, a_start: int, a_step: int, b: Any, b_start: int, b_step: int, rows: int, columns: int, lanes: int
) -> None:
    """b[b_start + j * b_step + i] = a[a_start + i * a_step + j] for i < rows and j < columns. Flat a and b."""
    whole_rows, whole_columns = rows // lanes * lanes, columns // lanes * lanes
    for j in range(0, whole_columns, lanes):
        for i in range(0, whole_rows, lanes):
            transpose_square(a, a_start + i * a_step + j, a_step, b, b_start + j * b_step + i, b_step)
    for j in range(columns):
        for i in range(whole_rows if j < whole_columns else 0, rows):
            b[b_start + j * b_step + i] = a[a_start + i * a_step + j]
