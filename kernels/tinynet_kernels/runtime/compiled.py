"""How the loops on the CPU are compiled: each of them once.

Numba puts the code of a function into each compiled function that calls it, and LLVM optimises it there once more: for a
register tile, a second or two for each caller. A function made by `once` is compiled by itself; its callers find it by a
symbol, like a function of another library.

    @once
    def stretch(x, begin, end, y): ...

    @parallel
    def product(x, y):
        for piece in prange(n):
            stretch(x, piece * size, (piece + 1) * size, y)

Both are kept on disk. What is kept of `product` holds the symbol, and what is to be done before it can be loaded: to load
`stretch` for the same types, or to compile it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import llvmlite.binding as llvm
from numba import njit, types
from numba.core import cgutils
from numba.core.dispatcher import Dispatcher
from numba.extending import intrinsic


def parallel(function: Callable[..., Any], **options: Any) -> Any:
    """A compiled function whose `prange` loops run in parallel, and nothing else: a parallel region for each small array
    that it fills or adds up would take longer than that, to run and to compile. For `options` see `numba.njit`."""
    no = dict.fromkeys(("comprehension", "reduction", "inplace_binop", "setitem", "numpy", "stencil", "fusion"), False)
    return njit(function, parallel=no, cache=True, nogil=True, no_cfunc_wrapper=True, **options)


def once(function: Callable[..., Any], **options: Any) -> Any:
    """A function for compiled functions to call: compiled by itself, for each dtype and layout of its arguments.

    All integers are int64 to it. It cannot be called from Python.
    """
    compiled = njit(function, cache=True, nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True, **options)

    @intrinsic
    def call(context: Any, *args: Any) -> Any:
        wanted = tuple(_usual(arg) for arg in args)
        link = _Link(function.__module__, function.__name__, wanted)
        result = link.provide(compiled)

        def generate(context: Any, build: Any, signature: Any, values: Any) -> Any:
            # carried over to the callers, and done again before what the disk has of them is loaded
            context.active_code_library._reload_init.add(link)
            given = cgutils.unpack_tuple(build, values[0])
            cast = [context.cast(build, value, *pair) for value, *pair in zip(given, args, wanted)]
            kind = context.call_conv.get_function_type(result, wanted)
            callee = cgutils.get_or_insert_function(build.module, kind, link.symbol)
            status, value = context.call_conv.call_function(build, callee, result, wanted, cast)
            with cgutils.if_unlikely(build, status.is_error):
                context.call_conv.return_status_propagate(build, status)
            return value

        return result(types.StarArgTuple(args)), generate

    call.compiled = compiled
    return call


@dataclass(frozen=True)
class _Link:
    """A function made by `once`, for some types. Calling it defines its symbol."""

    module: str
    name: str
    types: tuple[Any, ...]

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


def _usual(kind: Any) -> Any:
    """The type that stands for all of its kind: int64 for integers, for constants too, and so in tuples."""
    kind = types.unliteral(kind)
    if isinstance(kind, types.Integer):
        return types.int64
    if isinstance(kind, (types.Tuple, types.UniTuple)):
        return types.Tuple([_usual(part) for part in kind])
    return kind
