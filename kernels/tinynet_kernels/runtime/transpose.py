"""Copies by way of vector registers, for Numba: a vector, and the transpose of a square."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .simd import REGISTER

_I32, _I64 = ir.IntType(32), ir.IntType(64)


@intrinsic
def transpose_square(typing: Any, a: Any, a_start: Any, a_step: Any, b: Any, b_start: Any, b_step: Any) -> Any:
    """b[b_start + j * b_step + i] = a[a_start + i * a_step + j] for i and j below the lanes of a vector register.

    a and b are flat arrays of one float dtype. Nothing is checked. As many vectors as a vector has lanes are loaded; then, for
    d = 1, 2, 4, ..., those that are d apart exchange the elements whose index differs from the vector's in that bit.
    """

    def generate(context: Any, build: Any, signature: Any, values: Any) -> Any:
        element = context.get_data_type(a.dtype)
        size = context.get_abi_sizeof(element)
        lanes = REGISTER // size
        pointer = ir.PointerType(ir.VectorType(element, lanes))
        source, target = (context.make_array(k)(context, build, values[n]).data for k, n in ((a, 0), (b, 3)))

        def place(base: Any, start: Any, step: Any, i: int) -> Any:
            offset = build.add(start, build.mul(step, ir.Constant(_I64, i)))
            return build.bitcast(build.gep(base, [offset]), pointer)

        rows = [build.load(place(source, values[1], values[2], i), align=size) for i in range(lanes)]
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
        for i in range(lanes):
            build.store(rows[i], place(target, values[4], values[5], i), align=size)
        return context.get_dummy_value()

    n = types.int64
    return types.void(a, n, n, b, n, n), generate


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
