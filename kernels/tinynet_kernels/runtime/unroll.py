"""Loops that are written once and compiled as straight-line code.

The GPU's compilers unroll only short loops. `unrolled` rewrites a kernel's source before it is compiled: every
`for k in static_range(...)` is repeated with k a constant, sums and products of constants are folded, and an `if` whose
test is a constant keeps the branch taken. Without it the kernel runs the same, slower: `static_range` is `range`.
"""

from __future__ import annotations

import ast
import copy
import hashlib
import inspect
import textwrap
import threading
from collections.abc import Callable
from typing import Any

static_range = range
# Python 3.11 counts the depth of syntax trees for all threads together, and fails: github.com/python/cpython/issues/106905
_PARSING = threading.Lock()


def unrolled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with its `static_range` loops expanded; their bounds are ints, module globals or closure variables.

    File, line numbers and closure stay those of the original, so that tracebacks work.
    """
    with _PARSING:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
        definition = tree.body[0]
        assert isinstance(definition, ast.FunctionDef)
        closure = dict(inspect.getclosurevars(function).nonlocals)
        own = function.__code__.co_varnames
        constants = {
            name: value
            for name, value in {**function.__globals__, **closure}.items()
            if type(value) in (int, bool) and name not in own
        }
        _Unroll(constants).visit(definition)
        return rebuilt(function, tree, closure)


def rebuilt(function: Callable[..., Any], tree: ast.Module, closure: dict[str, Any]) -> Callable[..., Any]:
    """The function again, from its changed source: with its file, line numbers, globals, closure and annotations."""
    definition = tree.body[0]
    assert isinstance(definition, ast.FunctionDef)
    definition.decorator_list = []
    definition.returns = None
    for argument in definition.args.args:
        argument.annotation = None
    ast.increment_lineno(tree, function.__code__.co_firstlineno - 1)
    make = ast.parse(f"def make({', '.join(closure)}): pass")
    maker = make.body[0]
    assert isinstance(maker, ast.FunctionDef)
    maker.body = [definition, ast.Return(ast.Name(definition.name, ast.Load()))]
    code = compile(ast.fix_missing_locations(make), function.__code__.co_filename, "exec")
    namespace: dict[str, Any] = {}
    exec(code, function.__globals__, namespace)  # the code is the caller's own, rewritten
    result = namespace["make"](**closure)
    # Numba's cache tells functions apart by name and bytecode, which may differ in constants and globals alone.
    digest = hashlib.sha1(ast.unparse(definition).encode()).hexdigest()[:12]
    result.__qualname__, result.__annotations__ = f"{function.__qualname__}_{digest}", function.__annotations__
    result.__wrapped__ = function
    return result  # type: ignore[no-any-return]


class _Unroll(ast.NodeTransformer):
    def __init__(self, constants: dict[str, Any], loop_variables: dict[str, int] | None = None) -> None:
        self.loop_variables = loop_variables or {}
        self.constants = {**constants, **self.loop_variables}

    def value(self, node: ast.expr) -> Any:
        """The number an expression of constants has; None if it is not one."""
        for part in ast.walk(node):
            if isinstance(part, ast.Name) and part.id not in self.constants:
                return None
            if not isinstance(
                part, (ast.Name, ast.Constant, ast.BinOp, ast.UnaryOp, ast.Compare, ast.BoolOp, ast.operator)
            ) and not isinstance(part, (ast.unaryop, ast.cmpop, ast.boolop, ast.expr_context)):
                return None
        value = eval(compile(ast.Expression(copy.deepcopy(node)), "<constant>", "eval"), {}, self.constants)
        return value if type(value) in (int, bool) else None

    def visit_For(self, node: ast.For) -> Any:
        call = node.iter
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "static_range"):
            return self.generic_visit(node)
        assert isinstance(node.target, ast.Name)
        body: list[ast.stmt] = []
        for number in range(*(self.value(argument) for argument in call.args)):
            inner = _Unroll(self.constants, {**self.loop_variables, node.target.id: number})
            for statement in node.body:
                result = inner.visit(copy.deepcopy(statement))
                body += result if isinstance(result, list) else [result]
        return body

    def visit_If(self, node: ast.If) -> Any:
        value = self.value(node.test)
        if value is None:
            return self.generic_visit(node)
        taken: list[ast.stmt] = []
        for statement in node.body if value else node.orelse:
            result = self.visit(statement)
            taken += result if isinstance(result, list) else [result]
        return taken or ast.Pass()

    def visit_BinOp(self, node: ast.BinOp) -> Any:
        value = self.value(node)
        return self.generic_visit(node) if value is None else ast.copy_location(ast.Constant(value), node)

    def visit_Name(self, node: ast.Name) -> Any:
        if isinstance(node.ctx, ast.Load) and node.id in self.loop_variables:
            return ast.copy_location(ast.Constant(self.loop_variables[node.id]), node)
        return node
