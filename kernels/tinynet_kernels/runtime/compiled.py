"""How the loops on the CPU are compiled: each of them once.

Numba puts the code of a function into each compiled function that calls it, and LLVM optimises it there once more: for a
register tile, a second or two for each caller. A function made by `once` is compiled by itself; its callers find it by a
symbol, like a function of another library.

    @once
    def stretch(piece, size, x, y): ...

    @parallel
    def product(x, y):
        for_each(n, stretch, size, x, y)

Both are kept on disk. What is kept of `product` holds the symbol, and what is to be done before it can be loaded: to load
`stretch` for the same types, or to compile it.

Numba makes two more functions for each `prange`, and compiles them too. `for_each` has one for all loops, which finds what to
do by its address.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import njit, prange, types
from numba.core import cgutils
from numba.core.callconv import RETCODE_USEREXC, excinfo_ptr_t
from numba.core.dispatcher import Dispatcher
from numba.extending import intrinsic

_I64 = ir.IntType(64)
_PIECE = ir.FunctionType(ir.VoidType(), [_I64, _I64])


def parallel(function: Callable[..., Any], **options: Any) -> Any:
    """A compiled function for Python to call, in which `for_each` runs in parallel. For `options` see `numba.njit`."""
    return njit(function, cache=True, nogil=True, no_cfunc_wrapper=True, **options)


def once(function: Callable[..., Any], **options: Any) -> Any:
    """A function for compiled functions to call: compiled by itself, for each dtype and layout of its arguments.

    All integers are int64 to it. It cannot be called from Python.
    """
    compiled = njit(function, cache=True, nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True, **options)

    @intrinsic
    def call(context: Any, *args: Any) -> Any:
        link = _Link.to(compiled, args)
        result = link.provide(compiled)

        def generate(context: Any, build: Any, signature: Any, values: Any) -> Any:
            status, value = link.call(context, build, result, _unpacked(context, build, values[0], args))
            with cgutils.if_unlikely(build, status.is_error):
                context.call_conv.return_status_propagate(build, status)
            return value

        return result(types.StarArgTuple(args)), generate

    call.compiled = compiled
    return call


@intrinsic
def for_each(context: Any, count: Any, function: Any, *args: Any) -> Any:
    """Calls function(i, *args) for all i < count, in parallel. The function is made by `once`; its results are dropped.

    An exception ends the call that raises it; one of them is raised when the others are done.
    """
    compiled = function.typing_key.compiled
    link, run = _Link.to(compiled, (types.int64, *args)), _Link.to(_run.compiled, (types.int64,) * 3)
    result = link.provide(compiled)
    run.provide(_run.compiled)

    def generate(context: Any, build: Any, signature: Any, values: Any) -> Any:
        parts = zip(link.types[1:], _unpacked(context, build, values[2], args))
        given = [ir.Constant(excinfo_ptr_t, None), *(_borrowed(context, build, kind, value) for kind, value in parts)]
        shared = cgutils.alloca_once(build, ir.LiteralStructType([value.type for value in given]))
        for n, value in enumerate(given):
            build.store(value, cgutils.gep_inbounds(build, shared, 0, n))

        piece = ir.Function(build.module, _PIECE, build.module.get_unique_name("piece"))
        piece.linkage = "internal"
        inner = ir.IRBuilder(piece.append_basic_block())
        fields = inner.inttoptr(piece.args[1], shared.type)
        raised, *rest = (cgutils.gep_inbounds(inner, fields, 0, n) for n in range(len(given)))
        status, _ = link.call(context, inner, result, [piece.args[0], *map(inner.load, rest)])
        with cgutils.if_unlikely(inner, status.is_error):
            inner.store(status.excinfoptr, raised)
        inner.ret_void()

        number = context.cast(build, values[0], count, types.int64)
        addresses = [build.ptrtoint(pointer, _I64) for pointer in (piece, shared)]
        status, _ = run.call(context, build, types.none, [number, *addresses])
        with cgutils.if_unlikely(build, status.is_error):
            context.call_conv.return_status_propagate(build, status)
        raised = build.load(cgutils.gep_inbounds(build, shared, 0, 0))
        with cgutils.if_unlikely(build, cgutils.is_not_null(build, raised)):
            context.call_conv.return_status_propagate(build, status._replace(code=RETCODE_USEREXC, excinfoptr=raised))
        return context.get_dummy_value()

    return types.void(count, function, types.StarArgTuple(args)), generate


@njit(inline="always")
def span(number: int, size: int, count: int) -> Any:
    """Where the part of a range with this number begins and ends. Unsigned: an index that may be negative, and so counts from
    the end, is none for vectors."""
    return np.uint64(number * size), np.uint64(min((number + 1) * size, count))


@intrinsic
def _call(context: Any, function: Any, number: Any, shared: Any) -> Any:
    """Calls what `for_each` has at this address."""

    def generate(context: Any, build: Any, signature: Any, values: Any) -> Any:
        build.call(build.inttoptr(values[0], _PIECE.as_pointer()), values[1:])
        return context.get_dummy_value()

    return types.void(*(types.int64,) * 3), generate


_PRANGE = dict.fromkeys(("comprehension", "reduction", "inplace_binop", "setitem", "numpy", "stencil", "fusion"), False)


@partial(once, parallel=_PRANGE)
def _run(count: int, function: int, shared: int) -> None:
    for number in prange(count):
        _call(function, number, shared)


@dataclass(frozen=True)
class _Link:
    """A function made by `once`, for some types. Calling it defines its symbol."""

    module: str
    name: str
    types: tuple[Any, ...]

    @classmethod
    def to(cls, compiled: Dispatcher, args: Any) -> _Link:
        """To the version for arguments of these types."""
        return cls(compiled.py_func.__module__, compiled.py_func.__name__, tuple(_usual(arg) for arg in args))

    @property
    def symbol(self) -> str:
        return f"{self.module}.{self.name}{self.types}"

    def __call__(self) -> None:
        self.provide(getattr(import_module(self.module), self.name).compiled)

    def provide(self, compiled: Dispatcher) -> Any:
        """Defines the symbol, and returns the type of the result."""
        compiled.compile(self.types)
        found = compiled.overloads[self.types]
        llvm.add_symbol(self.symbol, found.library.get_pointer_to_function(found.fndesc.llvm_func_name))
        return found.signature.return_type

    def call(self, context: Any, build: Any, result: Any, values: Any) -> Any:
        """Writes a call with values of the types; gives Numba's status and the result."""
        # carried over to the callers, and done again before what the disk has of them is loaded
        context.active_code_library._reload_init.add(self)
        kind = context.call_conv.get_function_type(result, self.types)
        callee = cgutils.get_or_insert_function(build.module, kind, self.symbol)
        return context.call_conv.call_function(build, callee, result, self.types, values)


def _unpacked(context: Any, build: Any, values: Any, kinds: Any) -> list[Any]:
    """The values of a tuple of these types, each as the type that stands for all of its kind."""
    parts = cgutils.unpack_tuple(build, values, len(kinds))
    return [context.cast(build, value, kind, _usual(kind)) for value, kind in zip(parts, kinds)]


def _borrowed(context: Any, build: Any, kind: Any, value: Any) -> Any:
    """The value with arrays that nobody counts the references to: a count that several threads change is slow."""
    if isinstance(kind, types.BaseTuple):
        values = cgutils.unpack_tuple(build, value, len(kind))
        parts = [_borrowed(context, build, *pair) for pair in zip(kind, values)]
        return context.make_tuple(build, kind, parts)
    if isinstance(kind, types.Array):
        array = context.make_array(kind)(context, build, value)
        array.meminfo, array.parent = (cgutils.get_null_value(field.type) for field in (array.meminfo, array.parent))
        return array._getvalue()
    return value


def _usual(kind: Any) -> Any:
    """The type that stands for all of its kind: int64 for integers, for constants too, and so in tuples."""
    kind = types.unliteral(kind)
    if isinstance(kind, types.Integer):
        return types.int64
    if isinstance(kind, (types.Tuple, types.UniTuple)):
        return types.Tuple([_usual(part) for part in kind])
    return kind
