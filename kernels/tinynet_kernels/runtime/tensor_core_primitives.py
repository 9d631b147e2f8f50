"""What kernels on tensor cores say: products of small matrices, reads of their fragments, copies that run by themselves.

Each is one PTX instruction of sm_80 and later, spelled in LLVM's inline assembly. The layouts are those of the PTX manual
("Warp Level Matrix Multiply-Accumulate Instructions"): with g = lane // 4 and t = lane % 4, a thread of the warp holds
of a 16 x 8 result (g, 2t), (g, 2t + 1), (g + 8, 2t), (g + 8, 2t + 1). Numba's simulator knows none of this; kernels for
tensor cores are not run there.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from .cuda import intrinsic, types
from .primitives import _pointer

__all__ = [
    "as_float",
    "bfloat16_pair",
    "commit_copies",
    "copy_async",
    "copy_async_if",
    "load_float",
    "load_float16",
    "load_matrices",
    "load_matrices_transposed",
    "load_word",
    "mma_bfloat16",
    "mma_float16",
    "mma_tf32",
    "store2_floats",
    "store4_words",
    "store_float16",
    "tf32",
    "wait_copies",
]

WORD, FLOAT, HALF = ir.IntType(32), ir.FloatType(), ir.HalfType()


def _assemble(
    builder: Any, result: Any, text: str, constraints: str, arguments: Any, pure: bool = False, together: bool = False
) -> Any:
    """Inline assembly; with a list of result types, the list of results.

    pure      the results depend on the arguments alone.
    together  all threads of a warp come by it together: no compiler may move it to where only some do.
    """
    several = isinstance(result, list)
    kind = ir.FunctionType(ir.LiteralStructType(result) if several else result, [a.type for a in arguments])
    attributes = ("convergent",) if together else ()
    value = builder.call(ir.InlineAsm(kind, text, constraints, side_effect=not pure), arguments, attrs=attributes)
    return [builder.extract_value(value, i) for i in range(len(result))] if several else value


def _address(context: Any, builder: Any, signature: Any, values: Any, at: int, space: int) -> Any:
    """The address of element `values[at + 1]` of array `values[at]` in shared (3) or global (1) memory."""
    pointer = _pointer(context, builder, signature.args[at], values[at], signature.args[at + 1], values[at + 1])
    pointer = builder.addrspacecast(pointer, ir.PointerType(pointer.type.pointee, space))
    return builder.ptrtoint(pointer, WORD if space == 3 else ir.IntType(64))


def _registers(first: int, count: int) -> str:
    return "{" + ", ".join(f"${i}" for i in range(first, first + count)) + "}"


def _make_mma(shape: str, kind: str) -> Any:
    """c + a b for 16 rows and 8 columns; a in four registers, b in two, c in four float32."""
    text = (
        f"mma.sync.aligned.{shape}.row.col.f32.{kind}.{kind}.f32 "
        f"{_registers(0, 4)}, {_registers(4, 4)}, {_registers(8, 2)}, {_registers(10, 4)};"
    )
    constraints = ",".join(["=f"] * 4 + ["r"] * 6 + ["f"] * 4)
    four, a_type, b_type = (types.UniTuple(kind, n) for kind, n in _FRAGMENTS)

    @intrinsic
    def mma(typing_context, c, a, b):  # type: ignore[no-untyped-def]
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            parts = [builder.extract_value(values[k], i) for k, n in ((1, 4), (2, 2), (0, 4)) for i in range(n)]
            results = _assemble(builder, [FLOAT] * 4, text, constraints, parts, pure=True, together=True)
            return context.make_tuple(builder, signature.return_type, results)

        return four(four, a_type, b_type), generate

    return mma


_FRAGMENTS = ((types.float32, 4), (types.uint32, 4), (types.uint32, 2))
mma_float16 = _make_mma("m16n8k16", "f16")
mma_bfloat16 = _make_mma("m16n8k16", "bf16")
mma_tf32 = _make_mma("m16n8k8", "tf32")


def _make_load_matrices(transposed: str) -> Any:
    """Four 8 x 8 matrices of 16-bit elements from shared memory. Lane i names row i % 8 of matrix i // 8: 16 aligned bytes."""
    text = f"ldmatrix.sync.aligned.m8n8.x4{transposed}.shared.b16 {_registers(0, 4)}, [$4];"

    @intrinsic
    def load(typing_context, array, index):  # type: ignore[no-untyped-def]
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            address = _address(context, builder, signature, values, 0, 3)
            words = _assemble(builder, [WORD] * 4, text, "=r,=r,=r,=r,r,~{memory}", [address], together=True)
            return context.make_tuple(builder, signature.return_type, words)

        return types.UniTuple(types.uint32, 4)(array, index), generate

    return load


load_matrices = _make_load_matrices("")
load_matrices_transposed = _make_load_matrices(".trans")


@intrinsic
def copy_async(typing_context, to, to_index, source, index):  # type: ignore[no-untyped-def]
    """Starts the copy of 16 aligned bytes from global to shared memory."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        addresses = [_address(context, builder, signature, values, at, space) for at, space in ((0, 3), (2, 1))]
        _assemble(builder, ir.VoidType(), "cp.async.cg.shared.global [$0], [$1], 16;", "r,l,~{memory}", addresses)
        return context.get_dummy_value()

    return types.void(to, to_index, source, index), generate


@intrinsic
def copy_async_if(typing_context, to, to_index, source, index, inside):  # type: ignore[no-untyped-def]
    """As copy_async; zeros, and nothing is read, where `inside` is false."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        addresses = [_address(context, builder, signature, values, at, space) for at, space in ((0, 3), (2, 1))]
        size = builder.select(values[4], ir.Constant(WORD, 16), ir.Constant(WORD, 0))
        text = "cp.async.cg.shared.global [$0], [$1], 16, $2;"
        _assemble(builder, ir.VoidType(), text, "r,l,r,~{memory}", [*addresses, size])
        return context.get_dummy_value()

    return types.void(to, to_index, source, index, types.boolean), generate


@intrinsic
def commit_copies(typing_context):  # type: ignore[no-untyped-def]
    """Makes the copies started since the last call a group, possibly an empty one."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        _assemble(builder, ir.VoidType(), "cp.async.commit_group;", "~{memory}", [])
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def wait_copies(typing_context, groups):  # type: ignore[no-untyped-def]
    """Waits until at most `groups` (a constant) of this thread's groups are on their way."""
    if not isinstance(groups, types.IntegerLiteral):
        return None

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        text = f"cp.async.wait_group {groups.literal_value};"
        _assemble(builder, ir.VoidType(), text, "~{memory}", [])
        return context.get_dummy_value()

    return types.void(groups), generate


@intrinsic
def bfloat16_pair(typing_context, low, high):  # type: ignore[no-untyped-def]
    """Two float32 rounded to the nearest bfloat16, ties to even, in one word."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return _assemble(builder, WORD, "cvt.rn.bf16x2.f32 $0, $2, $1;", "=r,f,f", values, pure=True)

    return types.uint32(types.float32, types.float32), generate


@intrinsic
def tf32(typing_context, value):  # type: ignore[no-untyped-def]
    """A float32 rounded to the 10 bits of TF32's mantissa, ties away from zero."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return _assemble(builder, WORD, "cvt.rna.tf32.f32 $0, $1;", "=r,f", values, pure=True)

    return types.uint32(types.float32), generate


@intrinsic
def as_float(typing_context, bits):  # type: ignore[no-untyped-def]
    """The float32 with these bits."""
    return types.float32(types.uint32), lambda context, builder, signature, values: builder.bitcast(values[0], FLOAT)


def _as(kind: Any, context: Any, builder: Any, signature: Any, values: Any) -> Any:
    """The address of element `values[1]`, counted in elements of another kind, of array `values[0]`."""
    array_type, index_type = signature.args[:2]
    zero = ir.Constant(context.get_value_type(index_type), 0)
    base = _pointer(context, builder, array_type, values[0], index_type, zero)
    index = context.cast(builder, values[1], index_type, types.intp)
    return builder.gep(builder.bitcast(base, ir.PointerType(kind)), [index])


@intrinsic
def load_float(typing_context, array, index):  # type: ignore[no-untyped-def]
    """Element `index`, counted in float32 whatever the array's dtype."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.load(_as(FLOAT, context, builder, signature, values), align=4)

    return types.float32(array, index), generate


@intrinsic
def load_word(typing_context, array, index):  # type: ignore[no-untyped-def]
    """Element `index` of an array of words."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.load(_as(WORD, context, builder, signature, values), align=4)

    return types.uint32(array, index), generate


@intrinsic
def store2_floats(typing_context, array, index, first, second):  # type: ignore[no-untyped-def]
    """Writes two float32 to 8 aligned bytes, from element `index` counted in float32."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        pair = ir.VectorType(FLOAT, 2)
        pointer = builder.bitcast(_as(FLOAT, context, builder, signature, values), ir.PointerType(pair))
        vector = ir.Constant(pair, ir.Undefined)
        for i in range(2):
            vector = builder.insert_element(vector, values[2 + i], ir.Constant(WORD, i))
        builder.store(vector, pointer, align=8)
        return context.get_dummy_value()

    return types.void(array, index, types.float32, types.float32), generate


@intrinsic
def load_float16(typing_context, array, index):  # type: ignore[no-untyped-def]
    """Element `index`, counted in float16 whatever the array's dtype, as float32."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.fpext(builder.load(_as(HALF, context, builder, signature, values), align=2), FLOAT)

    return types.float32(array, index), generate


@intrinsic
def store_float16(typing_context, array, index, value):  # type: ignore[no-untyped-def]
    """Writes a float32, rounded, as element `index` counted in float16."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        rounded = builder.fptrunc(values[2], HALF)
        builder.store(rounded, _as(HALF, context, builder, signature, values), align=2)
        return context.get_dummy_value()

    return types.void(array, index, types.float32), generate


@intrinsic
def store4_words(typing_context, array, index, words):  # type: ignore[no-untyped-def]
    """Writes four words to 16 aligned bytes that begin at element `index`."""
    four = types.UniTuple(types.uint32, 4)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind = ir.VectorType(WORD, 4)
        pointer = _pointer(context, builder, signature.args[0], values[0], signature.args[1], values[1])
        vector = ir.Constant(kind, ir.Undefined)
        for i in range(4):
            vector = builder.insert_element(vector, builder.extract_value(values[2], i), ir.Constant(WORD, i))
        builder.store(vector, builder.bitcast(pointer, ir.PointerType(kind)), align=16)
        return context.get_dummy_value()

    return types.void(array, index, four), generate
