"""Products L X L' with a small constant matrix L, for Numba: the transforms of Winograd's convolutions.

X is a square of vectors: each of its elements is a run of `count` neighbouring numbers, channels for instance, whole vectors of
them. The code for one vector is written out without loops: zeros in L cost nothing, ones an addition, other numbers a fused
multiply-add.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .simd import REGISTER

Matrix = Sequence[Sequence[float]]

_I64 = ir.IntType(64)
_AT = types.UniTuple(types.int64, 3)  # where element (i, j) begins in a flat array: at[0] + i * at[1] + j * at[2]


def store(matrix: Matrix) -> Any:
    """The intrinsic `f(x, x_at, y, y_at, count)`: y = L X L'. x and y are flat arrays of one float dtype."""

    rows, columns = len(matrix), len(matrix[0])

    @intrinsic
    def transform(typing: Any, x: Any, x_at: Any, y: Any, y_at: Any, count: Any) -> Any:
        def generate(context: Any, build: Any, signature: Any, values: Any) -> Any:
            emit = Emitter(context, build, x.dtype)
            source, target = emit.place(x, values[0], values[1], columns), emit.place(y, values[2], values[3], rows)
            with emit.vectors(values[4]) as c:
                for i, j, value in emit.products(matrix, lambda i, j: build.load(source(i, j, c), align=emit.size)):
                    build.store(value, target(i, j, c), align=emit.size)
            return context.get_dummy_value()

        return types.void(x, _AT, y, _AT, types.int64), generate

    return transform


def store_onto(matrix: Matrix) -> Any:
    """The intrinsic `f(x, x_at, y, y_at, base, base_at, floor, count)`: y = max(floor, base + L X L'), where NaN stays."""

    rows, columns = len(matrix), len(matrix[0])

    @intrinsic
    def transform(
        typing: Any, x: Any, x_at: Any, y: Any, y_at: Any, base: Any, base_at: Any, floor: Any, count: Any
    ) -> Any:
        def generate(context: Any, build: Any, signature: Any, values: Any) -> Any:
            emit = Emitter(context, build, x.dtype)
            source = emit.place(x, values[0], values[1], columns)
            target, onto = emit.place(y, values[2], values[3], rows), emit.place(base, values[4], values[5], rows)
            least = emit.splat(values[6])
            with emit.vectors(values[7]) as c:
                for i, j, value in emit.products(matrix, lambda i, j: build.load(source(i, j, c), align=emit.size)):
                    total = build.fadd(build.load(onto(i, j, c), align=emit.size), value)
                    below = build.fcmp_ordered("<", total, least)
                    build.store(build.select(below, least, total), target(i, j, c), align=emit.size)
            return context.get_dummy_value()

        return types.void(x, _AT, y, _AT, base, _AT, x.dtype, types.int64), generate

    return transform


def store_largest(matrix: Matrix) -> Any:
    """The intrinsic `f(x, x_at, base, floor, y, where, start, here, width, count)`: pools max(floor, base + L X L').

    y[start:] gets the largest element, or the last that is NaN, and where[start:], of int32, its place: that of element (i, j)
    is here + i * width + j, the first of equal ones counts. base has a number for each channel.
    """

    @intrinsic
    def transform(
        typing: Any,
        x: Any,
        x_at: Any,
        base: Any,
        floor: Any,
        y: Any,
        where: Any,
        start: Any,
        here: Any,
        width: Any,
        count: Any,
    ) -> Any:
        def generate(context: Any, build: Any, signature: Any, values: Any) -> Any:
            emit = Emitter(context, build, x.dtype)
            source, onto = emit.place(x, values[0], values[1], len(matrix[0])), emit.row(base, values[2])
            target, places = emit.row(y, values[4], values[6]), emit.row(where, values[5], values[6])
            least = emit.splat(values[3])
            with emit.vectors(values[9]) as c:
                shift = build.load(onto(c), align=emit.size)
                elements = emit.products(matrix, lambda i, j: build.load(source(i, j, c), align=emit.size))
                totals = ((i, j, build.fadd(shift, value)) for i, j, value in elements)
                best, found = emit.largest(totals, least, values[7], values[8])
                build.store(best, target(c), align=emit.size)
                build.store(found, places(c), align=4)
            return context.get_dummy_value()

        n = types.int64
        return types.void(x, _AT, base, x.dtype, y, where, n, n, n, n), generate

    return transform


def store_spread(matrix: Matrix) -> Any:
    """The intrinsic `f(gy, y, where, start, active, here, width, sums, x, x_at, count)`: L D L', the adjoint of the pooling.

    D has gy[start:] where the place of an element is that in where[start:], and zeros elsewhere; if `active`, gy counts where
    y > 0 only. What counts is added to sums.
    """

    @intrinsic
    def transform(
        typing: Any,
        gy: Any,
        y: Any,
        where: Any,
        start: Any,
        active: Any,
        here: Any,
        width: Any,
        sums: Any,
        x: Any,
        x_at: Any,
        count: Any,
    ) -> Any:
        def generate(context: Any, build: Any, signature: Any, values: Any) -> Any:
            emit = Emitter(context, build, x.dtype)
            grads, maxima, places = (emit.row(kind, values[n], values[3]) for n, kind in enumerate((gy, y, where)))
            added, target = emit.row(sums, values[7]), emit.place(x, values[8], values[9], len(matrix))
            none = ir.Constant(emit.vector, [0.0] * emit.lanes)
            always = build.not_(values[4])
            with emit.vectors(values[10]) as c:
                value = build.load(grads(c), align=emit.size)
                positive = build.fcmp_ordered(">", build.load(maxima(c), align=emit.size), none)
                value = build.select(build.or_(positive, emit.splat(always)), value, none)
                build.store(build.fadd(build.load(added(c), align=emit.size), value), added(c), align=emit.size)
                found = build.load(places(c), align=4)

                def element(i: int, j: int) -> Any:
                    here = build.icmp_signed("==", found, emit.index(values[5], values[6], i, j))
                    return build.select(here, value, none)

                for i, j, product in emit.products(matrix, element):
                    build.store(product, target(i, j, c), align=emit.size)
            return context.get_dummy_value()

        n = types.int64
        return types.void(gy, y, where, n, types.boolean, n, n, sums, x, _AT, n), generate

    return transform


class Emitter:
    """Writes the instructions for vectors of a float dtype."""

    def __init__(self, context: Any, build: Any, dtype: Any) -> None:
        self.context, self.build = context, build
        self.element = context.get_data_type(dtype)
        self.size = context.get_abi_sizeof(self.element)
        self.lanes = REGISTER // self.size
        self.vector = ir.VectorType(self.element, self.lanes)
        kind = ir.FunctionType(self.vector, [self.vector] * 3)
        self.fma = cgutils.get_or_insert_function(build.module, kind, f"llvm.fma.v{self.lanes}f{8 * self.size}")

    def vectors(self, count: Any) -> Any:
        """A loop over the vectors of `count` numbers, in which c is the number where each begins."""
        zero, step = ir.Constant(_I64, 0), ir.Constant(_I64, self.lanes)
        return _First(cgutils.for_range_slice(self.build, zero, count, step, _I64))

    def place(self, kind: Any, array: Any, at: Any, size: int) -> Callable[[int, int, Any], Any]:
        """The function of i, j < size and of c that gives the address of a vector."""
        data = self.context.make_array(kind)(self.context, self.build, array).data
        build = self.build
        start, row, column = (build.extract_value(at, n) for n in range(3))
        rows = [build.gep(data, [build.add(start, build.mul(row, ir.Constant(_I64, i)))]) for i in range(size)]
        columns = [build.mul(column, ir.Constant(_I64, j)) for j in range(size)]
        pointer = ir.PointerType(self.vector)
        here: dict[tuple[int, Any], Any] = {}

        def of(i: int, j: int, c: Any) -> Any:
            if (j, c) not in here:
                here[j, c] = build.add(columns[j], c)
            return build.bitcast(build.gep(rows[i], [here[j, c]]), pointer)

        return of

    def row(self, kind: Any, array: Any, start: Any = None) -> Callable[[Any], Any]:
        """The function of c that gives the address of a vector of a flat array, of floats or of int32, from `start`."""
        data = self.context.make_array(kind)(self.context, self.build, array).data
        vector = ir.VectorType(self.context.get_data_type(kind.dtype), self.lanes)
        build = self.build

        def of(c: Any) -> Any:
            address = build.gep(data, [c if start is None else build.add(start, c)])
            return build.bitcast(address, ir.PointerType(vector))

        return of

    def index(self, here: Any, width: Any, i: int, j: int) -> Any:
        """here + i * width + j as int32, in all lanes."""
        build = self.build
        steps = build.add(build.mul(width, ir.Constant(_I64, i)), ir.Constant(_I64, j))
        return self.splat(build.trunc(build.add(here, steps), ir.IntType(32)))

    def splat(self, value: Any) -> Any:
        nothing = ir.Constant(ir.VectorType(value.type, self.lanes), ir.Undefined)
        first = self.build.insert_element(nothing, value, ir.Constant(ir.IntType(32), 0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), [0] * self.lanes)
        return self.build.shuffle_vector(first, nothing, zeros)

    def largest(self, elements: Iterable[tuple[int, int, Any]], least: Any, here: Any, width: Any) -> tuple[Any, Any]:
        """The largest max(least, element), or the last that is NaN, and its place here + i * width + j as int32: of equal
        ones, the first."""
        build = self.build
        best: Any = None
        found: Any = None
        for i, j, value in elements:
            value = build.select(build.fcmp_ordered("<", value, least), least, value)
            place = self.index(here, width, i, j)
            if best is None:
                best, found = value, place
                continue
            better = build.or_(build.fcmp_ordered(">", value, best), build.fcmp_unordered("uno", value, value))
            best, found = build.select(better, value, best), build.select(better, place, found)
        return best, found

    def products(self, matrix: Matrix, x: Callable[[int, int], Any]) -> Any:
        """(i, j, element of L X L'), where x(i, j) loads one of X."""
        size = range(len(matrix[0]))
        half = []  # the columns of L X
        for j in size:
            column = [x(i, j) for i in size]
            half.append([self._sum(row, column) for row in matrix])
        for i in range(len(matrix)):
            for j, row in enumerate(matrix):
                yield i, j, self._sum(row, [column[i] for column in half])

    def _sum(self, factors: Sequence[float], values: Sequence[Any]) -> Any:
        """The sum of the products: the factors of one come first, as they need no multiplication."""
        terms = sorted(((f, v) for f, v in zip(factors, values) if f), key=lambda term: (term[0] != 1, term[0] != -1))
        (factor, total), *rest = terms
        if factor != 1:
            total = self.build.fmul(self._constant(factor), total)
        for factor, value in rest:
            if factor == 1:
                total = self.build.fadd(total, value)
            elif factor == -1:
                total = self.build.fsub(total, value)
            else:
                total = self.build.call(self.fma, [self._constant(factor), value, total])
        return total

    def _constant(self, value: float) -> Any:
        return ir.Constant(self.vector, [float(value)] * self.lanes)


class _First:
    """The context manager of a loop that gives only the first of its values."""

    def __init__(self, loop: Any) -> None:
        self.loop = loop

    def __enter__(self) -> Any:
        return self.loop.__enter__()[0]

    def __exit__(self, *error: Any) -> Any:
        return self.loop.__exit__(*error)
