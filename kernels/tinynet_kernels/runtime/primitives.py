"""What kernels say that Numba has no word for: wide loads and stores, branch-free choice, register tiles, shuffles.

On a device each is a few lines of LLVM; in the simulator, the Python that it means. `p` is an array's elements (a pointer
argument or a shared array), `i` a number without sign, never negative.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "add",
    "fetch_add",
    "load",
    "load4",
    "load4_constant",
    "load4_if",
    "load_constant",
    "load_if",
    "load_masked",
    "outer_fma",
    "quotient",
    "relu_if",
    "select",
    "shuffle_xor",
    "store",
    "store4",
    "store4_strip",
    "store_if",
    "store_strip",
    "zero",
]

from .cuda import SIMULATED

if SIMULATED:
    from .simulator import shuffle_xor

    def load4(p: Any, i: int) -> Any:
        return tuple(p[i + k] for k in range(4))

    load4_constant = load4

    def load(p: Any, i: int) -> Any:
        return p[i]

    load_constant = load

    def quotient(a: Any, b: Any) -> Any:
        return a // b

    def load_if(p: Any, i: int, inside: bool) -> Any:
        return p[i] if inside else zero(p)

    def load4_if(p: Any, i: int, inside: bool) -> Any:
        return load4(p, i) if inside else (zero(p),) * 4

    def load_masked(p: Any, i: int, mask: int, bits: int) -> Any:
        return load_if(p, i, mask & bits == 0)

    def store(p: Any, i: int, value: Any) -> None:
        p[i] = value

    def store4(p: Any, i: int, values: Any) -> None:
        for k in range(4):
            p[i + k] = values[k]

    def store_if(p: Any, i: int, value: Any, inside: bool) -> None:
        if inside:
            p[i] = value

    def store_strip(p: Any, i: int, values: Any, apart: int, step: Any, left: Any) -> None:
        for q, value in enumerate(values):
            offset = q // 4 * apart + q % 4
            if offset < left:
                p[i + offset * step] = value

    def store4_strip(p: Any, i: int, values: Any, apart: int, left: Any) -> None:
        store_strip(p, i, values, apart, 1, left)

    def fetch_add(p: Any, i: int, value: int) -> int:
        before = p[i]  # threads of the simulator take turns
        p[i] = before + value
        return int(before)

    def zero(p: Any) -> Any:
        return getattr(p, "elements", p).dtype.type(0)

    def select(condition: Any, a: Any, b: Any) -> Any:
        return a if condition else b

    def outer_fma(tile: Any, x: Any, y: Any) -> Any:
        return tuple(tile[i * len(y) + j] + p * q for i, p in enumerate(x) for j, q in enumerate(y))

    def add(offsets: Any, step: int) -> Any:
        return tuple(type(offset)(offset + step) for offset in offsets)

    def relu_if(tile: Any, relu: Any) -> Any:
        return tuple(value if not relu or not value < 0 else type(value)(0) for value in tile)

else:
    from llvmlite import ir

    from .cuda import cgutils, intrinsic, types

    def _pointer(context: Any, builder: Any, array_type: Any, array: Any, index_type: Any, index: Any) -> Any:
        """The address of an element, of a pointer argument or of a (shared) array, without wrap-around."""
        if isinstance(array_type, types.CPointer):
            base = array
        else:
            base = context.make_array(array_type)(context, builder, array).data
        return builder.gep(base, [context.cast(builder, index, index_type, types.intp)])

    def _vector(builder: Any, pointer: Any, count: int) -> Any:
        return builder.bitcast(pointer, ir.PointerType(ir.VectorType(pointer.type.pointee, count)))

    def _alignment(context: Any, dtype: Any, count: int) -> int:
        return min(16, count * int(context.get_abi_sizeof(context.get_data_type(dtype))))

    def _elements(context: Any, builder: Any, return_type: Any, vector: Any) -> Any:
        parts = [builder.extract_element(vector, ir.Constant(ir.IntType(32), k)) for k in range(return_type.count)]
        return context.make_tuple(builder, return_type, parts)

    def _make_load(count: int, predicated: bool, constant: bool) -> Any:
        """A load of `count` elements; zeros where a predicate is false; `constant`: through the read-only cache."""

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            array, index = values[:2]
            array_type, index_type = signature.args[:2]
            if predicated:
                index = builder.select(values[2], index, ir.Constant(index.type, 0))
            pointer = _pointer(context, builder, array_type, array, index_type, index)
            if count > 1:
                pointer = _vector(builder, pointer, count)
            if constant:
                pointer = builder.addrspacecast(pointer, ir.PointerType(pointer.type.pointee, 1))
            value = builder.load(pointer, align=_alignment(context, array_type.dtype, count))
            if constant:
                value.set_metadata("invariant.load", builder.module.add_metadata([]))
            if predicated:
                value = builder.select(_splat(builder, values[2], count), value, ir.Constant(value.type, None))
            return value if count == 1 else _elements(context, builder, signature.return_type, value)

        def kind(array: Any) -> Any:
            return array.dtype if count == 1 else types.UniTuple(array.dtype, count)

        if predicated:

            @intrinsic
            def load(typing_context, array, index, inside):  # type: ignore[no-untyped-def]
                return kind(array)(array, index, types.boolean), generate
        else:

            @intrinsic
            def load(typing_context, array, index):  # type: ignore[no-untyped-def]
                return kind(array)(array, index), generate

        return load

    def _splat(builder: Any, bit: Any, count: int) -> Any:
        if count == 1:
            return bit
        vector = ir.Constant(ir.VectorType(ir.IntType(1), count), ir.Undefined)
        for k in range(count):
            vector = builder.insert_element(vector, bit, ir.Constant(ir.IntType(32), k))
        return vector

    def _make_store(count: int, predicated: bool) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            array_type, index_type = signature.args[:2]
            pointer, value = _pointer(context, builder, array_type, values[0], index_type, values[1]), values[2]
            if count > 1:
                pointer, parts = _vector(builder, pointer, count), value
                value = ir.Constant(pointer.type.pointee, ir.Undefined)
                for k in range(count):
                    part = builder.extract_value(parts, k)
                    value = builder.insert_element(value, part, ir.Constant(ir.IntType(32), k))
            alignment = _alignment(context, array_type.dtype, count)
            if predicated:
                with builder.if_then(values[3]):
                    builder.store(value, pointer, align=alignment)
            else:
                builder.store(value, pointer, align=alignment)
            return context.get_dummy_value()

        if predicated:

            @intrinsic
            def store(typing_context, array, index, value, inside):  # type: ignore[no-untyped-def]
                return types.void(array, index, array.dtype, types.boolean), generate
        else:

            @intrinsic
            def store(typing_context, array, index, value):  # type: ignore[no-untyped-def]
                return types.void(
                    array, index, array.dtype if count == 1 else types.UniTuple(array.dtype, count)
                ), generate

        return store

    def _make_store_strip(count: int) -> Any:
        """Stores of a thread's row or column of a tile: quads that lie `apart`, as far as there are `left`."""

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            array_type, index_type, values_type = signature.args[:3]
            array, index, parts, apart = values[:4]
            step, left = (values[4] if count == 1 else ir.Constant(ir.IntType(32), 1)), values[-1]
            word = ir.IntType(32)
            alignment = _alignment(context, array_type.dtype, count)
            index = context.cast(builder, index, index_type, types.int32)
            for q in range(0, values_type.count, count):
                offset = builder.add(builder.mul(apart, ir.Constant(word, q // 4)), ir.Constant(word, q % 4))
                at = builder.add(index, builder.mul(offset, step))
                with builder.if_then(builder.icmp_signed("<", offset, left)):
                    pointer = _pointer(context, builder, array_type, array, types.int32, at)
                    if count == 1:
                        builder.store(builder.extract_value(parts, q), pointer, align=alignment)
                        continue
                    pointer = _vector(builder, pointer, count)
                    value = ir.Constant(pointer.type.pointee, ir.Undefined)
                    for k in range(count):
                        value = builder.insert_element(value, builder.extract_value(parts, q + k), ir.Constant(word, k))
                    builder.store(value, pointer, align=alignment)
            return context.get_dummy_value()

        if count == 1:

            @intrinsic
            def store(typing_context, array, index, values, apart, step, left):  # type: ignore[no-untyped-def]
                return types.void(array, index, values, types.int32, types.int32, types.int32), generate
        else:

            @intrinsic
            def store(typing_context, array, index, values, apart, left):  # type: ignore[no-untyped-def]
                return types.void(array, index, values, types.int32, types.int32), generate

        return store

    load = _make_load(1, predicated=False, constant=False)
    load_constant = _make_load(1, predicated=False, constant=True)
    load4 = _make_load(4, predicated=False, constant=False)
    load4_constant = _make_load(4, predicated=False, constant=True)
    load_if = _make_load(1, predicated=True, constant=True)
    load4_if = _make_load(4, predicated=True, constant=True)
    store = _make_store(1, predicated=False)
    store4 = _make_store(4, predicated=False)
    store_if = _make_store(1, predicated=True)
    store_strip = _make_store_strip(1)
    store4_strip = _make_store_strip(4)

    @intrinsic
    def load_masked(typing_context, array, index, mask, bits):  # type: ignore[no-untyped-def]
        """0 if mask & bits, else p[i]: a load under a predicate, where `load_if` loads p[0] and throws it away."""

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            kind, register = ("f32", "f") if array.dtype.bitwidth == 32 else ("f64", "d")
            pointer = _pointer(context, builder, array, values[0], index, values[1])
            pointer = builder.addrspacecast(pointer, ir.PointerType(pointer.type.pointee, 1))
            word, real = ir.IntType(32), pointer.type.pointee
            load = ir.InlineAsm(
                ir.FunctionType(real, [ir.IntType(64), word, word]),
                "{ .reg .pred some; .reg .b32 common; and.b32 common, $2, $3; setp.eq.b32 some, common, 0; "
                f"mov.b{kind[1:]} $0, 0; @some ld.global.nc.{kind} $0, [$1]; }}",
                f"=&{register},l,r,r",
            )
            return builder.call(load, [builder.ptrtoint(pointer, ir.IntType(64)), values[2], values[3]])

        return array.dtype(array, index, types.int32, types.int32), generate

    @intrinsic
    def zero(typing_context, array):  # type: ignore[no-untyped-def]
        """0 in the dtype of the array."""

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            return ir.Constant(context.get_value_type(signature.return_type), 0.0)

        return array.dtype(array), generate

    @intrinsic
    def select(typing_context, condition, a, b):  # type: ignore[no-untyped-def]
        """`a if condition else b`, both evaluated, without a branch."""
        return a(types.boolean, a, a), lambda context, builder, signature, values: builder.select(*values)

    @intrinsic
    def outer_fma(typing_context, tile, x, y):  # type: ignore[no-untyped-def]
        """tile[i * len(y) + j] + x[i] * y[j] for all i and j: the work of a register tile."""

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            real = context.get_value_type(tile.dtype)
            name = f"llvm.fma.f{tile.dtype.bitwidth}"
            fma = cgutils.get_or_insert_function(builder.module, ir.FunctionType(real, [real] * 3), name)
            part = builder.extract_value
            results = [
                builder.call(fma, [part(values[1], i), part(values[2], j), part(values[0], i * y.count + j)])
                for i in range(x.count)
                for j in range(y.count)
            ]
            return context.make_tuple(builder, signature.return_type, results)

        return tile(tile, x, y), generate

    @intrinsic
    def add(typing_context, offsets, step):  # type: ignore[no-untyped-def]
        """The offsets, each moved on by `step`."""

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            results = [builder.add(builder.extract_value(values[0], k), values[1]) for k in range(offsets.count)]
            return context.make_tuple(builder, signature.return_type, results)

        return offsets(offsets, types.int32), generate

    @intrinsic
    def quotient(typing_context, a, b):  # type: ignore[no-untyped-def]
        """a // b of numbers that are not negative, in 32 bits: a tenth of the instructions that `//` takes."""

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            return builder.udiv(*values)

        return types.int32(types.int32, types.int32), generate

    @intrinsic
    def relu_if(typing_context, tile, relu):  # type: ignore[no-untyped-def]
        """The tile, its negative elements 0 if `relu` is not 0; a NaN stays."""

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            nothing = ir.Constant(context.get_value_type(tile.dtype), 0.0)
            wanted = builder.icmp_signed("!=", values[1], ir.Constant(values[1].type, 0))
            results = []
            for k in range(tile.count):
                value = builder.extract_value(values[0], k)
                negative = builder.and_(wanted, builder.fcmp_ordered("<", value, nothing))
                results.append(builder.select(negative, nothing, value))
            return context.make_tuple(builder, signature.return_type, results)

        return tile(tile, types.int32), generate

    @intrinsic
    def fetch_add(typing_context, array, index, value):  # type: ignore[no-untyped-def]
        """Adds to an element of an array of integers at once, and gives what it was."""

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            pointer = _pointer(context, builder, signature.args[0], values[0], signature.args[1], values[1])
            return builder.atomic_rmw("add", pointer, values[2], "monotonic")

        return array.dtype(array, index, array.dtype), generate

    @intrinsic
    def shuffle_xor(typing_context, value, mask):  # type: ignore[no-untyped-def]
        """`value` of the thread of this warp whose number differs by the bits of `mask`."""

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            word, real = ir.IntType(32), values[0].type
            shuffle = ir.InlineAsm(
                ir.FunctionType(word, [word, word]),
                "shfl.sync.bfly.b32 $0, $1, $2, 0x1f, 0xffffffff;",
                "=r,r,r",
                side_effect=True,
            )

            def moved(part: Any) -> Any:  # "convergent": no compiler may have some threads come by on another path
                return builder.call(shuffle, [part, values[1]], attrs=("convergent",))

            if value.bitwidth == 32:
                return builder.bitcast(moved(builder.bitcast(values[0], word)), real)
            pair = ir.VectorType(word, 2)
            halves, result = builder.bitcast(values[0], pair), ir.Constant(pair, ir.Undefined)
            for k in (ir.Constant(word, 0), ir.Constant(word, 1)):
                result = builder.insert_element(result, moved(builder.extract_element(halves, k)), k)
            return builder.bitcast(result, real)

        return value(value, types.int32), generate
