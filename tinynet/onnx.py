"""Export of models to ONNX, with the package onnx (`pip install onnx`).

The model runs twice, on batches of two sizes, while every operation is recorded. Where the two recordings show different
numbers in a shape, that number grows with the batch, and the graph computes it from the size of its input; everything else
is the same in both, or the export refuses.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .autograd import Op, no_grad
from .ops import comparison
from .tensor import Tensor

if TYPE_CHECKING:
    from .nn import Module

__all__ = ["export"]

OPSET = 18
BATCHES = 2, 3


class _Step(NamedTuple):
    """One recorded operation: arrays and plain values in, arrays out."""

    op: str
    args: tuple[Any, ...]
    outputs: tuple[Any, ...]


def export(
    model: Module,
    args: Tensor | tuple[Tensor, ...],
    f: str | Path,
    input_names: Sequence[str] = ("input",),
    output_names: Sequence[str] = ("output",),
) -> None:
    """Writes `model`, in evaluation mode, to the file `f`, as `torch.onnx.export` does.

    args          an example input, or a tuple of them, on the CPU; dimension 0 of each is the batch, whose size the file
                  leaves open. Inputs and outputs have the dtypes that the example has and gives.
    input_names, output_names  a name for each tensor that goes in and comes out.

    The weights have the names of the `state_dict`. Raises ImportError without the package onnx; ValueError where the names
    are too few or too many, for an operation that has no counterpart in ONNX (opset 18), and for a model whose result
    depends on values in Python, such as `x.item()`.
    """
    import onnx

    inputs = args if isinstance(args, tuple) else (args,)
    if len(input_names) != len(inputs):
        raise ValueError(f"input_names has {len(input_names)} names, expected {len(inputs)}")
    if any(x.ndim == 0 or x.shape[0] == 0 or x.is_cuda for x in inputs):
        raise ValueError("args must be tensors on the CPU with a batch of at least 1 as dimension 0")
    training = model.training
    model.eval()
    try:
        recordings = [_record(model, inputs, batch) for batch in BATCHES]
    finally:
        model.train(training)
    if len(output_names) != len(recordings[0].results):
        raise ValueError(f"output_names has {len(output_names)} names, expected {len(recordings[0].results)}")
    graph = _Graph({id(t._array): name for name, t in model.state_dict().items()})
    proto = graph.build(recordings, input_names, output_names)
    made = onnx.helper.make_model(proto, opset_imports=[onnx.helper.make_opsetid("", OPSET)], producer_name="tinynet")
    made.ir_version = min(made.ir_version, 10)  # the newest that runtimes of the last years read
    onnx.checker.check_model(made, full_check=True)
    onnx.save(made, str(f))


class _Recording(NamedTuple):
    inputs: list[Any]
    steps: list[_Step]
    results: list[Any]


def _record(model: Module, inputs: tuple[Tensor, ...], batch: int) -> _Recording:
    """What the model does with `batch` rows of the example, which is repeated as need be."""
    given = [Tensor._make(np.resize(x._array, (batch, *x.shape[1:]))) for x in inputs]
    steps: list[_Step] = []
    with no_grad(), _recorded(steps):
        result = model(*given)
    results = result if isinstance(result, (tuple, list)) else (result,)
    if not all(isinstance(r, Tensor) for r in results):
        raise ValueError(f"the model returns {type(result).__name__}, expected a tensor or a tuple of tensors")
    return _Recording([x._array for x in given], steps, [r._array for r in results])


@contextmanager
def _recorded(steps: list[_Step]) -> Iterator[None]:
    """All operations go through `Op.apply`, but for comparisons, which have no gradient."""
    apply, plain = Op.__dict__["apply"], comparison._plain

    def note(name: str, args: Sequence[Any], result: Any) -> Any:
        outputs = result if isinstance(result, tuple) else (result,)
        arrays = tuple(a._array if isinstance(a, Tensor) else a for a in args)
        steps.append(_Step(name, arrays, tuple(o._array for o in outputs)))
        return result

    def recorded_apply(cls: type[Op], *args: Any) -> Any:
        if hasattr(cls, "composed"):  # a recurrence: its steps are recorded, not the whole
            return cls.composed(*args)
        return note(cls.__name__, args, apply.__func__(cls, *args))

    def recorded_plain(name: str, *args: Any) -> Any:
        return note(name, args, plain(name, *args))

    Op.apply = classmethod(recorded_apply)  # type: ignore[assignment, method-assign]
    comparison._plain = recorded_plain  # type: ignore[assignment]
    try:
        yield
    finally:
        Op.apply = apply  # type: ignore[method-assign]
        comparison._plain = plain


class _Pair(NamedTuple):
    """The same array, or plain value, in both recordings."""

    a: Any
    b: Any


Rule = Callable[["_Graph", "_Call"], None]
_RULES: dict[str, Rule] = {}


class _Call(NamedTuple):
    """A step in both recordings."""

    args: list[_Pair]
    outputs: list[_Pair]

    def value(self, i: int) -> Any:
        """Argument i, which does not depend on the batch."""
        a, b = self.args[i]
        if repr(a) != repr(b):
            raise ValueError(f"the model computes with {a} for one batch and {b} for another, which ONNX cannot")
        return a


class _Graph:
    """An ONNX graph as it is built."""

    def __init__(self, parameter_names: dict[int, str]) -> None:
        self.parameter_names = parameter_names
        self.nodes: list[Any] = []
        self.initializers: dict[str, Any] = {}
        self.names: dict[int, str] = {}  # of arrays of the first recording
        self.input = ""

    def build(self, recordings: list[_Recording], input_names: Sequence[str], output_names: Sequence[str]) -> Any:
        from onnx import helper

        first, second = recordings
        if [s.op for s in first.steps] != [s.op for s in second.steps]:
            raise ValueError("the model takes other steps for another size of the batch, which ONNX cannot")
        self.input = input_names[0]
        for array, name in zip(first.inputs, input_names):
            self.names[id(array)] = name
        for a, b in zip(first.steps, second.steps):
            if a.op not in _RULES:
                raise ValueError(f"the operation {a.op} has no rule for ONNX")
            pairs = [_Pair(x, y) for x, y in zip(a.args, b.args)]
            _RULES[a.op](self, _Call(pairs, [_Pair(x, y) for x, y in zip(a.outputs, b.outputs)]))
        for a, b, name in zip(first.results, second.results, output_names):
            self.nodes.append(helper.make_node("Identity", [self.name(_Pair(a, b))], [name]))
        return helper.make_graph(
            self.nodes,
            "tinynet",
            [_value_info(name, array) for name, array in zip(input_names, first.inputs)],
            [_value_info(name, array) for name, array in zip(output_names, first.results)],
            list(self.initializers.values()),
        )

    def emit(self, op: str, inputs: Sequence[str], outputs: Sequence[_Pair] = (), **attributes: Any) -> str:
        """Adds a node and returns the name of its first output: of the array given, or of an intermediate value."""
        from onnx import helper

        names = [f"v{len(self.nodes)}_{i}" for i in range(max(1, len(outputs)))]
        self.nodes.append(helper.make_node(op, list(inputs), names, **attributes))
        for pair, name in zip(outputs, names):
            self.names[id(pair.a)] = name
        return names[0]

    def name(self, pair: _Pair) -> str:
        """The name of an array: of the value computed before, or of a constant."""
        a, b = pair
        if id(a) in self.names:
            return self.names[id(a)]
        if a.shape == b.shape:
            if a is not b and not np.array_equal(a, b, equal_nan=a.dtype.kind == "f"):
                raise ValueError("the model computes with values that it took out of tensors, which ONNX cannot")
            name = self.parameter_names.get(id(a), "")
            name = self.constant(a, name)
        elif a.size and (a == a.flat[0]).all() and (b == a.flat[0]).all():
            name = self.emit("Expand", [self.constant(a.flat[0]), self.shape(_Pair(a.shape, b.shape))])
        else:
            raise ValueError("the model makes an array that depends on the size of the batch, which ONNX cannot")
        self.names[id(a)] = name
        return name

    def constant(self, array: Any, name: str = "") -> str:
        from onnx import numpy_helper

        name = name or f"c{len(self.initializers)}"
        self.initializers[name] = numpy_helper.from_array(np.array(array, order="C"), name)
        return name

    def operand(self, pair: _Pair, dtype: Any) -> str:
        """An array or number as an operand of an operation in `dtype`."""
        if not isinstance(pair.a, np.ndarray):
            if pair.a != pair.b:
                raise ValueError(f"the model computes with {pair.a} or {pair.b}, as the batch is, which ONNX cannot")
            return self.constant(np.asarray(pair.a, dtype))
        name = self.name(pair)
        return name if pair.a.dtype == dtype else self.cast(name, dtype)

    def cast(self, name: str, dtype: Any) -> str:
        return self.emit("Cast", [name], to=_onnx_dtype(dtype))

    def shape(self, pair: _Pair) -> str:
        """A shape as a tensor, with the sizes that grow with the batch computed from it."""
        if tuple(pair.a) == tuple(pair.b):
            return self.constant(np.asarray(pair.a, np.int64))
        batch = self.emit("Shape", [self.input], start=0, end=1)
        parts = []
        for x, y in zip(pair.a, pair.b):
            if x == y:
                parts.append(self.constant(np.asarray([x], np.int64)))
            elif x * BATCHES[1] == y * BATCHES[0] and x % BATCHES[0] == 0:
                each = self.constant(np.asarray([x // BATCHES[0]], np.int64))
                parts.append(self.emit("Mul", [batch, each]))
            else:
                raise ValueError(f"a size is {x} for a batch of {BATCHES[0]} and {y} for one of {BATCHES[1]}")
        return self.emit("Concat", parts, axis=0)


def _onnx_dtype(dtype: Any) -> int:
    from onnx import helper

    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


def _value_info(name: str, array: Any) -> Any:
    from onnx import helper

    return helper.make_tensor_value_info(name, _onnx_dtype(array.dtype), ["batch", *array.shape[1:]])


# the rules


def _rule(*names: str) -> Callable[[Rule], Rule]:
    def add(rule: Rule) -> Rule:
        _RULES.update(dict.fromkeys(names, rule))
        return rule

    return add


def _elementwise(op: str, compares: bool = False) -> Rule:
    def rule(graph: _Graph, call: _Call) -> None:
        arrays = [pair.a for pair in call.args]
        dtype = np.result_type(*arrays) if compares else call.outputs[0].a.dtype
        graph.emit(op, [graph.operand(pair, dtype) for pair in call.args], call.outputs)

    return rule


for _name, _op in {
    **{name: name for name in ("Add", "Sub", "Mul", "Div", "Pow", "Neg", "Sigmoid", "Relu", "Softplus", "Erf")},
    **{"Exp": "Exp", "Log": "Log", "Sqrt": "Sqrt", "Reciprocal": "Reciprocal", "Abs": "Abs"},
    **{"Sin": "Sin", "Cos": "Cos", "Tan": "Tan", "Tanh": "Tanh", "Maximum": "Max", "Minimum": "Min"},
    **{"Root": "Sqrt", "Clone": "Identity"},
    **{"Arcsin": "Asin", "Arccos": "Acos", "Arccosh": "Acosh", "Arctan": "Atan", "Sinh": "Sinh", "Cosh": "Cosh"},
    **{"logical_not": "Not", "logical_and": "And", "logical_or": "Or", "logical_xor": "Xor", "invert": "Not"},
}.items():
    _RULES[_name] = _elementwise(_op)

for _name, _op in {
    "equal": "Equal",
    "less": "Less",
    "less_equal": "LessOrEqual",
    "greater": "Greater",
    "greater_equal": "GreaterOrEqual",
}.items():
    _RULES[_name] = _elementwise(_op, compares=True)


@_rule("not_equal")
def _not_equal(graph: _Graph, call: _Call) -> None:
    dtype = np.result_type(*(pair.a for pair in call.args))
    graph.emit("Not", [graph.emit("Equal", [graph.operand(pair, dtype) for pair in call.args])], call.outputs)


@_rule("Square")
def _square(graph: _Graph, call: _Call) -> None:
    name = graph.name(call.args[0])
    graph.emit("Mul", [name, name], call.outputs)


@_rule("Gelu")
def _gelu(graph: _Graph, call: _Call) -> None:
    x, dtype = graph.name(call.args[0]), call.outputs[0].a.dtype

    def number(value: float) -> str:
        return graph.operand(_Pair(value, value), dtype)

    if call.value(1) == "tanh":
        cube = graph.emit("Mul", [graph.emit("Mul", [x, x]), graph.emit("Mul", [x, number(0.044715)])])
        scaled = graph.emit("Mul", [graph.emit("Add", [x, cube]), number(math.sqrt(2 / math.pi))])
        odd = graph.emit("Tanh", [scaled])
    else:
        odd = graph.emit("Erf", [graph.emit("Mul", [x, number(math.sqrt(0.5))])])
    below = graph.emit("Mul", [graph.emit("Add", [odd, number(1.0)]), number(0.5)])
    graph.emit("Mul", [x, below], call.outputs)


@_rule("Expm1")
def _expm1(graph: _Graph, call: _Call) -> None:
    one = graph.operand(_Pair(1, 1), call.outputs[0].a.dtype)
    graph.emit("Sub", [graph.emit("Exp", [graph.name(call.args[0])]), one], call.outputs)


@_rule("Log1p")
def _log1p(graph: _Graph, call: _Call) -> None:
    one = graph.operand(_Pair(1, 1), call.outputs[0].a.dtype)
    graph.emit("Log", [graph.emit("Add", [graph.name(call.args[0]), one])], call.outputs)


@_rule("Step")
def _step(graph: _Graph, call: _Call) -> None:
    operations = {"floor": "Floor", "ceil": "Ceil", "rint": "Round", "sign": "Sign", "copy": "Identity"}
    if call.value(1) not in operations:
        raise ValueError(f"the operation {call.value(1)} has no rule for ONNX")
    graph.emit(operations[call.value(1)], [graph.name(call.args[0])], call.outputs)


@_rule("Where")
def _where(graph: _Graph, call: _Call) -> None:
    dtype = call.outputs[0].a.dtype
    branches = [graph.operand(pair, dtype) for pair in call.args[1:]]
    graph.emit("Where", [graph.operand(call.args[0], np.bool_), *branches], call.outputs)


@_rule("Cast")
def _cast(graph: _Graph, call: _Call) -> None:
    graph.emit("Cast", [graph.name(call.args[0])], call.outputs, to=_onnx_dtype(call.value(1)))


@_rule("Clamp")
def _clamp(graph: _Graph, call: _Call) -> None:
    dtype = call.outputs[0].a.dtype
    limits = ["" if pair.a is None else graph.operand(pair, dtype) for pair in call.args[1:]]
    graph.emit("Clip", [graph.operand(call.args[0], dtype), *limits], call.outputs)


@_rule("MatMul")
def _matmul(graph: _Graph, call: _Call) -> None:
    names = []
    for pair, transposed in zip(call.args[:2], (call.value(2), call.value(3))):
        name, ndim = graph.name(pair), pair.a.ndim
        if transposed:
            name = graph.emit("Transpose", [name], perm=[*range(ndim - 2), ndim - 1, ndim - 2])
        names.append(name)
    graph.emit("MatMul", names, call.outputs)


@_rule("Linear")
def _linear(graph: _Graph, call: _Call) -> None:
    names = [graph.name(pair) for pair in call.args[:3] if pair.a is not None]
    _activated(graph, call, "Gemm", names, call.value(3), transB=1)


@_rule("Conv2d")
def _conv2d(graph: _Graph, call: _Call) -> None:
    names = [graph.name(pair) for pair in call.args[:3] if pair.a is not None]
    params = call.value(4)
    window = _window(params, call.args[1].a.shape[2:])
    _activated(graph, call, "Conv", names, call.value(3), group=params["groups"], **window)


@_rule("Conv2dInputGrad")
def _conv_transpose2d(graph: _Graph, call: _Call) -> None:
    params, w = call.value(3), call.args[1].a
    window = _window(params, w.shape[2:])
    (_, _, *wanted), (_, _, *given) = call.outputs[0].a.shape, call.args[0].a.shape
    extra = [
        want - ((n - 1) * step - begin - end + gap * (k - 1) + 1)
        for want, n, step, begin, end, gap, k in zip(
            wanted, given, window["strides"], window["pads"][:2], window["pads"][2:], window["dilations"], w.shape[2:]
        )
    ]
    names = [graph.name(pair) for pair in call.args[:2]]
    graph.emit("ConvTranspose", names, call.outputs, group=params["groups"], output_padding=extra, **window)


@_rule("BatchNorm")
def _batch_norm(graph: _Graph, call: _Call) -> None:
    name = _normalised(graph, call, call.args[3:5], call.value(5))
    graph.emit("Identity" if call.value(6) is None else "Relu", [name], call.outputs)


@_rule("BatchNormAdd")
def _batch_norm_add(graph: _Graph, call: _Call) -> None:
    name = _normalised(graph, call, call.args[4:6], call.value(6))
    graph.emit("Relu", [graph.emit("Add", [name, graph.name(call.args[3])])], call.outputs)


def _normalised(graph: _Graph, call: _Call, statistics: Sequence[_Pair], eps: float) -> str:
    """The batch normalisation of argument 0 by these statistics, with the weight and bias in arguments 1 and 2."""
    like = statistics[0].a
    names = [
        graph.constant(np.full_like(like, default)) if pair.a is None else graph.name(pair)
        for pair, default in zip(call.args[1:3], (1, 0))
    ]
    names += [graph.name(pair) for pair in statistics]
    return graph.emit("BatchNormalization", [graph.name(call.args[0]), *names], epsilon=float(eps))


@_rule("MaxPool2d")
def _max_pool2d(graph: _Graph, call: _Call) -> None:
    _pooled(graph, call, graph.name(call.args[0]), call.value(1), call.value(2))


@_rule("Conv2dMaxPool2d")
def _conv2d_max_pool2d(graph: _Graph, call: _Call) -> None:
    names = [graph.name(pair) for pair in call.args[:3] if pair.a is not None]
    params = call.value(4)
    name = graph.emit("Conv", names, group=params["groups"], **_window(params, call.args[1].a.shape[2:]))
    if call.value(3) is not None:
        name = graph.emit("Relu", [name])
    _pooled(graph, call, name, call.value(5), call.value(6))


def _pooled(graph: _Graph, call: _Call, source: str, size: Any, params: dict[str, Any]) -> None:
    kernel = _two(size)
    window = _window({**params, "stride": params.get("stride") or kernel}, kernel)
    graph.emit("MaxPool", [source], call.outputs[:1], ceil_mode=int(params["ceil_mode"]), **window)


def _activated(graph: _Graph, call: _Call, op: str, names: list[str], activation: Any, **attributes: Any) -> None:
    if activation is None:
        graph.emit(op, names, call.outputs, **attributes)
    else:
        graph.emit("Relu", [graph.emit(op, names, **attributes)], call.outputs)


def _two(value: Any) -> tuple[int, int]:
    vertical, horizontal = value if isinstance(value, (tuple, list)) else (value, value)
    return int(vertical), int(horizontal)


def _window(params: Any, kernel: Sequence[int]) -> dict[str, Any]:
    padding = _two(params["padding"])
    return {
        "kernel_shape": list(kernel),
        "strides": _two(params["stride"]),
        "pads": (*padding, *padding),
        "dilations": _two(params["dilation"]),
    }


@_rule("Softmax")
def _softmax(graph: _Graph, call: _Call) -> None:
    graph.emit("Softmax", [graph.name(call.args[0])], call.outputs, axis=call.value(1))


@_rule("LogSoftmax")
def _log_softmax(graph: _Graph, call: _Call) -> None:
    graph.emit("LogSoftmax", [graph.name(call.args[0])], call.outputs, axis=call.value(1))


@_rule("Sum")
def _sum(graph: _Graph, call: _Call) -> None:
    _reduced(graph, call, "ReduceSum", call.value(1), call.value(2))


@_rule("Extreme")
def _extreme(graph: _Graph, call: _Call) -> None:
    _reduced(graph, call, {"max": "ReduceMax", "min": "ReduceMin"}[call.value(1)], call.value(2), call.value(3))


def _reduced(graph: _Graph, call: _Call, op: str, dims: tuple[int, ...], keepdim: bool) -> None:
    if dims:
        axes = graph.constant(np.asarray(dims, np.int64))
        graph.emit(op, [graph.name(call.args[0]), axes], call.outputs, keepdims=int(keepdim))
    else:
        graph.emit("Identity", [graph.name(call.args[0])], call.outputs)


@_rule("LayerNorm")
def _layer_norm(graph: _Graph, call: _Call) -> None:
    axes = graph.constant(np.asarray([1], np.int64))
    x, dtype = graph.name(call.args[0]), call.outputs[0].a.dtype
    if call.value(4):
        x = graph.emit("Sub", [x, graph.emit("ReduceMean", [x, axes])])
    variance = graph.emit("ReduceMean", [graph.emit("Mul", [x, x]), axes])
    small = graph.operand(call.args[3], dtype)
    steps = [("Div", graph.emit("Sqrt", [graph.emit("Add", [variance, small])]))]
    steps += [(op, graph.name(arg)) for op, arg in zip(("Mul", "Add"), call.args[1:3]) if arg.a is not None]
    for op, other in steps[:-1]:
        x = graph.emit(op, [x, other])
    graph.emit(steps[-1][0], [x, steps[-1][1]], call.outputs)


@_rule("CumSum")
def _cumsum(graph: _Graph, call: _Call) -> None:
    axis = graph.constant(np.asarray(call.value(1), np.int64))
    graph.emit("CumSum", [graph.operand(call.args[0], call.outputs[0].a.dtype), axis], call.outputs)


@_rule("Reshape", "Expand")
def _reshape(graph: _Graph, call: _Call) -> None:
    (output,) = call.outputs
    op = "Reshape" if call.args[0].a.size == output.a.size else "Expand"
    graph.emit(op, [graph.name(call.args[0]), graph.shape(_Pair(output.a.shape, output.b.shape))], call.outputs)


@_rule("Permute")
def _permute(graph: _Graph, call: _Call) -> None:
    graph.emit("Transpose", [graph.name(call.args[0])], call.outputs, perm=list(call.value(1)))


@_rule("Cat")
def _cat(graph: _Graph, call: _Call) -> None:
    dtype = call.outputs[0].a.dtype
    names = [graph.operand(pair, dtype) for pair in call.args[1:]]
    graph.emit("Concat", names, call.outputs, axis=call.value(0))


@_rule("Stack")
def _stack(graph: _Graph, call: _Call) -> None:
    dim, dtype = call.value(0), call.outputs[0].a.dtype
    axes = graph.constant(np.asarray([dim], np.int64))
    names = [graph.emit("Unsqueeze", [graph.operand(pair, dtype), axes]) for pair in call.args[1:]]
    graph.emit("Concat", names, call.outputs, axis=dim)


@_rule("Flip")
def _flip(graph: _Graph, call: _Call) -> None:
    dims = list(call.value(1))
    bounds = ([-1] * len(dims), [np.iinfo(np.int64).min] * len(dims), dims, [-1] * len(dims))
    graph.emit(
        "Slice",
        [graph.name(call.args[0]), *(graph.constant(np.asarray(b, np.int64)) for b in bounds)],
        call.outputs,
    )


@_rule("Triangle")
def _triangle(graph: _Graph, call: _Call) -> None:
    diagonal = graph.constant(np.asarray(call.value(2), np.int64))
    graph.emit("Trilu", [graph.name(call.args[0]), diagonal], call.outputs, upper=int(call.value(1) == "triu"))


@_rule("Pad")
def _pad(graph: _Graph, call: _Call) -> None:
    widths = call.value(1)
    ends = graph.constant(np.asarray([w[0] for w in widths] + [w[1] for w in widths], np.int64))
    value = graph.constant(np.asarray(call.value(2), call.outputs[0].a.dtype))
    graph.emit("Pad", [graph.name(call.args[0]), ends, value], call.outputs)


@_rule("Gather")
def _gather(graph: _Graph, call: _Call) -> None:
    names = [graph.name(call.args[0]), graph.operand(call.args[1], np.int64)]
    graph.emit("GatherElements", names, call.outputs, axis=call.value(2))


@_rule("GetItem")
def _getitem(graph: _Graph, call: _Call) -> None:
    source, (a, b) = call.args[0], call.args[1]
    a, b = (i if isinstance(i, tuple) else (i,) for i in (a, b))
    arrays = [pair for pair in zip(a, b) if isinstance(pair[0], np.ndarray)]
    if len(arrays) == 1 and len(a) == 1 and a[0].dtype.kind in "iu":  # rows by number, as in an embedding
        rows = graph.operand(_Pair(*arrays[0]), np.int64)
        graph.emit("Gather", [graph.name(source), rows], call.outputs, axis=0)
        return
    if arrays:
        raise ValueError("an index with several arrays, or one of booleans, has no rule for ONNX")
    _sliced(graph, call, source.a, a, b)


def _sliced(graph: _Graph, call: _Call, array: Any, a: tuple[Any, ...], b: tuple[Any, ...]) -> None:
    """Ints, slices, None and Ellipsis: a slice of every dimension, then the shape of the result."""
    if repr(a) != repr(b):
        raise ValueError(f"an index is {a} for one batch and {b} for another, which ONNX cannot")
    given = [i for i in a if i is not None]
    if Ellipsis in given:
        at = given.index(Ellipsis)
        given[at : at + 1] = [slice(None)] * (array.ndim - len(given) + 1)
    starts, ends, axes, steps = [], [], [], []
    for axis, index in enumerate(given):
        if not isinstance(index, slice):
            index = slice(int(index), int(index) + 1 or None)
        if index == slice(None):
            continue
        step = 1 if index.step is None else int(index.step)
        far = np.iinfo(np.int64).max if step > 0 else np.iinfo(np.int64).min
        starts.append((0 if step > 0 else -1) if index.start is None else int(index.start))
        ends.append(far if index.stop is None else int(index.stop))
        axes.append(axis)
        steps.append(step)
    name = graph.name(call.args[0])
    if axes:
        bounds = [graph.constant(np.asarray(v, np.int64)) for v in (starts, ends, axes, steps)]
        name = graph.emit("Slice", [name, *bounds])
    (output,) = call.outputs
    graph.emit("Reshape", [name, graph.shape(_Pair(output.a.shape, output.b.shape))], call.outputs)
