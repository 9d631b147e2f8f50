"""Reverse-mode differentiation, define-by-run.

An operation is an `Op`: `forward` computes on raw arrays, `backward` is written in Tensors, so that the gradients of
gradients need no further rule. Applying one to a tensor that requires a gradient makes a `Node`, which is also the `ctx`
that both functions see. Nodes are numbered as they are made, and every node is made after its inputs: walking the graph
from the largest number down therefore meets each node after all its consumers. The walk is a loop over a heap, so the
depth of a graph does not matter, and it frees what a node has saved as soon as the node is done.
"""

from __future__ import annotations

import functools
import heapq
import importlib
import weakref
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import Any, ClassVar

from ..device import device_of, module_of, on, xp
from ..grad_mode import _mode, enable_grad, is_grad_enabled, no_grad, set_grad_enabled
from ..grad_mode import no_grad as inference_mode
from ..tensor import Tensor

__all__ = [
    "Function",
    "GradcheckError",
    "Node",
    "Op",
    "Variable",
    "backward",
    "enable_grad",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "inference_mode",
    "is_grad_enabled",
    "no_grad",
    "set_grad_enabled",
]

Grad = Tensor | None
Hook = Callable[[Tensor], Grad]

_order = count()
_watch: Callable[..., Any] | None = None


def mark() -> int:
    """A number below those of all nodes that are made from here on."""
    return next(_order)


def set_watch(watch: Callable[..., Any] | None) -> None:
    """Has `watch(op, "forward" or "backward", function, *args)` called in place of `function(*args)`; None: no longer."""
    global _watch
    _watch = watch


class Node:
    """One application of an Op: what its backward needs, and where the gradients of its inputs go.

    As `ctx`, forward may set any attribute on it; backward reads these and `input(i)`, `output(i)` and `needs(i)`.
    """

    # what most nodes do not have is kept here once, not in each of them
    saved_inputs: Sequence[tuple[int, Any, int | None]] = ()
    saved_outputs: Sequence[tuple[Any, list[int], int]] = ()
    guards: Sequence[tuple[list[int], int]] = ()  # versions of tensors that went into attributes, and what they were
    hooks: dict[int, list[Hook]] | None = None
    retained: dict[int, weakref.ref[Tensor]] | None = None
    freed = False
    segment: Any = None  # of `utils.checkpoint`, whose `restore` brings back what the node has saved
    materialize_grads = True  # whether backward gets zeros where nothing flowed
    fills = False  # whether the walk adds to `.grad`, and nothing more
    order: int
    edges: list[tuple[Node | Tensor, int] | None]
    outputs: list[tuple[Any, ...]]  # shape, dtype, device

    def __init__(self, op: type[Op]) -> None:
        self.op = op

    def _record(self, args: Sequence[Any], outputs: Sequence[Tensor]) -> None:
        op = self.op
        self.order = next(_order)
        self.edges = edges = []
        for a in args:
            edges.append(_edge(a) if isinstance(a, Tensor) and a.requires_grad else None)
        if op.saves:
            self.saved_inputs = saved = []
            for i in op.saves:
                a = args[i]
                saved.append((i, a, a._version[0] if isinstance(a, Tensor) else None))
        if op.saves_output:
            self.saved_outputs = [(o._array, o._version, o._version[0]) for o in outputs]
        self.outputs = [(o._array.shape, o._array.dtype) for o in outputs]

    def room(self, i: int) -> Any:
        """The memory where the gradient of input i is going to be kept, for a kernel to write it there at once; or None.

        It is there in `backward()` for a parameter that an optimizer has, and that has no gradient yet.
        """
        edge = self.edges[i]
        if edge is None or not self.fills or isinstance(edge[0], Node):
            return None
        leaf = edge[0]
        if leaf.grad is not None or leaf._hooks or leaf._post_hooks:
            return None
        for j, other in enumerate(self.edges):
            if other is not None and other[0] is leaf and j != i:
                return None
        return leaf._grad_view

    def needs(self, i: int) -> bool:
        """Whether the gradient of input i is wanted."""
        return self.edges[i] is not None

    def input(self, i: int) -> Any:
        """Input i, which the Op's `saves` names, as it was given; RuntimeError if it was modified in place since."""
        for position, value, version in self.saved_inputs:
            if position == i:
                if version is not None and value._version[0] != version:
                    raise modified(self.op)
                return value
        raise IndexError(f"{self.op.__name__} has not saved input {i}")

    def input_shape(self, i: int) -> tuple[int, ...]:
        """The shape of input i, whose gradient is wanted."""
        target, index = self.edges[i]  # type: ignore[misc]  # the edge is there if the gradient is wanted
        return target.outputs[index][0] if isinstance(target, Node) else target._array.shape  # type: ignore[no-any-return]

    def output(self, i: int = 0) -> Tensor:
        """Output i of an Op with `saves_output`; RuntimeError if it was modified in place since."""
        array, version, saved = self.saved_outputs[i]
        if version[0] != saved:
            raise modified(self.op)
        tensor = Tensor._make(array)
        tensor.requires_grad, tensor._node, tensor._index, tensor._version = True, self, i, version
        return tensor

    def detach_from(self, tensor: Tensor) -> None:
        """Keeps a copy of the tensor, which is about to be modified, where it is a saved input."""
        if any(value is tensor for _, value, _ in self.saved_inputs):
            copy = Tensor._make(tensor._array.copy())
            copy.requires_grad, copy._node, copy._index = tensor.requires_grad, tensor._node, tensor._index
            self.saved_inputs = [
                (i, copy, 0) if v is tensor else (i, v, version) for i, v, version in self.saved_inputs
            ]

    def name(self) -> str:
        return f"{self.op.__name__}Backward{'' if issubclass(self.op, Function) else '0'}"

    @property
    def next_functions(self) -> tuple[tuple[Node | AccumulateGrad | None, int], ...]:
        """For each argument: the node its gradient goes to, and as which of that node's outputs; (None, 0) if it has none."""
        edges = ((None, 0) if e is None else e for e in self.edges)
        return tuple((AccumulateGrad(t) if isinstance(t, Tensor) else t, i) for t, i in edges)

    def __repr__(self) -> str:
        return f"<{self.name()}>"

    def forget(self, segment: Any) -> None:
        """Drops what it has saved until `segment.restore()` has it remember."""
        mine = self.__dict__
        self.__dict__ = {name: mine[name] for name in _KEPT if name in mine}
        self.segment = segment

    def remember(self, other: Node) -> None:
        """Takes over what an equal node has saved."""
        self.segment = None
        self.__dict__.update((name, value) for name, value in other.__dict__.items() if name not in _KEPT)

    def _free(self) -> None:
        self.forget(None)
        self.freed = True


class AccumulateGrad:
    """The end of a graph, as `Node.next_functions` shows it: where the gradient of `variable`, a leaf, is kept."""

    next_functions = ()

    def __init__(self, variable: Tensor) -> None:
        self.variable = variable

    def name(self) -> str:
        return "AccumulateGrad"

    def __repr__(self) -> str:
        return "<AccumulateGrad>"


_KEPT = frozenset(("op", "order", "edges", "outputs", "hooks", "retained"))


def _edge(tensor: Tensor) -> tuple[Node | Tensor, int]:
    return (tensor, 0) if tensor._node is None else (tensor._node, tensor._index)


def modified(op: type[Op]) -> RuntimeError:
    return RuntimeError(
        f"a tensor that the gradient of {op.__name__} needs has been modified in place since; use the operation that "
        "returns a new tensor, or clone() first"
    )


class Op:
    """A differentiable operation on arrays.

    saves         positions of the inputs that backward reads.
    saves_output  whether backward reads the outputs.
    is_view       the outputs may share memory with input 0; modifying one modifies the other.

    `forward(ctx, *args)` gets raw arrays where `apply` got Tensors and returns an array or a tuple of arrays.
    `backward(ctx, *grads)` gets a Tensor for each output (zeros if nothing flowed there; None for an output of integers)
    and returns a Tensor or None for each argument: a tuple, or one value if there is one argument.
    """

    saves: tuple[int, ...] = ()
    saves_output = False
    is_view = False

    forward: ClassVar[Callable[..., Any]]
    backward: ClassVar[Callable[..., Any]]

    @classmethod
    def apply(cls, *args: Any) -> Tensor:  # a tuple of Tensors if forward returns one
        if _mode.autocast is not None:
            args = _mode.autocast(cls, args)
        ctx = Node(cls)
        tracked = False
        arrays = []
        for a in args:
            if isinstance(a, Tensor):
                if a._base is not None and a._base._node is not a._base_node:
                    _check_stale(a)
                if a.requires_grad:
                    tracked = True
                arrays.append(a._array)
            else:
                arrays.append(a)
        result = cls.forward(ctx, *arrays) if _watch is None else _watch(cls, "forward", cls.forward, ctx, *arrays)
        several = isinstance(result, tuple)
        outputs = [Tensor._make(array) for array in result] if several else [Tensor._make(result)]
        if cls.is_view:
            for output in outputs:
                _share_version(args[0], output)
        if tracked and _mode.enabled:
            ctx._record(args, outputs)
            for i, output in enumerate(outputs):
                if output._array.dtype.kind == "f":
                    output.requires_grad, output._node, output._index = True, ctx, i
        return tuple(outputs) if several else outputs[0]  # type: ignore[return-value]  # as said above


def _share_version(source: Tensor, view: Tensor) -> None:
    """A view has the version, and remembers the history, of the tensor whose memory it shows."""
    array, base = view._array, view._array.base
    if array is source._array or (base is not None and (base is source._array or base is source._array.base)):
        view._version = source._version
        view._base = source if source._base is None else source._base
        view._base_node = view._base._node


def _check_stale(view: Tensor) -> None:
    if _mode.enabled:
        raise RuntimeError(
            f"this view, of shape {view.shape}, shows a tensor that has been modified in place since: its gradient would "
            "be wrong; take the view again after the modification"
        )


class FunctionCtx(Node):
    """What `Function.forward` and `Function.backward` share."""

    to_save: tuple[Tensor | None, ...] = ()
    non_differentiable: tuple[Tensor, ...] = ()
    kept: list[tuple[Tensor | None, int, int | None]]  # the tensor, its version, and which output it is

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keeps tensors for backward, where `saved_tensors` gives them back."""
        self.to_save = tensors

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Says that these outputs have no gradient."""
        self.non_differentiable = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Whether backward gets zeros (the default) or None for an output that no gradient flowed to."""
        self.materialize_grads = value

    @property
    def saved_tensors(self) -> tuple[Tensor, ...]:
        if self.freed:
            raise _freed()
        return tuple(self._saved(tensor, version, place) for tensor, version, place in self.kept)

    def _saved(self, tensor: Any, version: int, place: int | None) -> Any:
        if tensor is None:
            return None
        if tensor._version[0] != version:
            raise modified(self.op)
        if place is None:
            return tensor
        output = Tensor._make(tensor._array)
        output.requires_grad, output._node, output._index = True, self, place
        return output

    @property
    def needs_input_grad(self) -> tuple[bool, ...]:
        return tuple(edge is not None for edge in self.edges)


class Function(Op):
    """A differentiable operation of the user's own, as `torch.autograd.Function`.

    `forward(ctx, *args)` computes with Tensors, unrecorded; `backward(ctx, *grads)` returns the gradient of each argument,
    None for those that have none. Called as `MyFunction.apply(*args)`.

    With a `setup_context(ctx, inputs, output)`, it is that function which gets the ctx, and forward is `forward(*args)`.
    """

    setup_context: ClassVar[Callable[..., None] | None] = None

    @classmethod
    def apply(cls, *args: Any) -> Any:
        ctx = FunctionCtx(cls)
        tracked = _mode.enabled and any(isinstance(a, Tensor) and a.requires_grad for a in args)
        ctx.edges = [_edge(a) if tracked and isinstance(a, Tensor) and a.requires_grad else None for a in args]
        with no_grad():
            if cls.setup_context is None:
                result = cls.forward(ctx, *args)
            else:
                result = cls.forward(*args)
                cls.setup_context(ctx, args, result)
        outputs = [_own(o, args) for o in (result if isinstance(result, tuple) else (result,))]
        if tracked:
            ctx._record(args, outputs)
            given = result if isinstance(result, tuple) else (result,)
            # an output is kept as its place in the graph: a reference to the tensor itself would be a cycle
            ctx.kept = []
            for tensor in ctx.to_save:
                place = next((i for i, g in enumerate(given) if g is tensor and not any(g is a for a in args)), None)
                if tensor is None or place is None:
                    ctx.kept.append((tensor, 0 if tensor is None else tensor._version[0], None))
                else:
                    ctx.kept.append((tensor.detach(), tensor._version[0], place))
            for i, output in enumerate(outputs):
                if output._array.dtype.kind == "f" and not any(given[i] is f for f in ctx.non_differentiable):
                    output.requires_grad, output._node, output._index = True, ctx, i
        ctx.to_save = ctx.non_differentiable = ()
        return tuple(outputs) if isinstance(result, tuple) else outputs[0]


def _own(output: Any, args: Sequence[Any]) -> Tensor:
    if not isinstance(output, Tensor):
        raise TypeError(f"forward returned {type(output).__name__}, expected a Tensor or a tuple of Tensors")
    return output.detach() if any(output is a for a in args) else output


def _freed() -> RuntimeError:
    return RuntimeError(
        "the saved arrays of this graph have been freed by an earlier backward; pass retain_graph=True to it to walk the "
        "graph again"
    )


def Variable(data: Tensor, requires_grad: bool = False) -> Tensor:
    """The tensor without its history: what PyTorch once needed around tensors, and older programs still have."""
    return data.detach().requires_grad_(requires_grad)


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Grad | Sequence[Grad] = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    *,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Adds the gradient of the tensors to `.grad` of every leaf that they were computed from.

    grad_tensors   what flows into each tensor; may be None for scalars, where it is 1.
    retain_graph   keep what the graph has saved for another walk; default: the value of create_graph.
    create_graph   record the walk itself, so that the gradients can be differentiated.
    inputs         the leaves whose `.grad` it is about; default: all.

    Raises RuntimeError if a tensor does not require a gradient, is not a scalar and has no grad_tensor, or the graph was
    freed; ValueError for a grad_tensor of another shape.
    """
    roots, grads = _roots(tensors, grad_tensors)
    wanted = None if inputs is None else [inputs] if isinstance(inputs, Tensor) else list(inputs)
    if any(tensor._node is not None for tensor in wanted or ()):
        raise RuntimeError("inputs has a tensor that was computed from others, expected leaves")
    found = _walk(roots, grads, create_graph if retain_graph is None else retain_graph, create_graph, wanted)
    for leaf, value in zip(wanted or (), found):
        if value is not None:
            _accumulate(leaf, value, create_graph)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Grad | Sequence[Grad] = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    materialize_grads: bool = False,
) -> tuple[Tensor, ...]:
    """The gradients of the sum of outputs with respect to each input; `.grad` is left alone.

    The parameters are those of `backward`. An input that the outputs do not depend on raises RuntimeError, or gives None
    with `allow_unused`, zeros with `materialize_grads`. `only_inputs` has no effect, as in PyTorch.
    """
    roots, grads = _roots(outputs, grad_outputs)
    wanted = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    for i, tensor in enumerate(wanted):
        if not tensor.requires_grad:
            raise RuntimeError(f"inputs[{i}] does not require a gradient")
    result = _walk(roots, grads, create_graph if retain_graph is None else retain_graph, create_graph, wanted)
    for i, (tensor, found) in enumerate(zip(wanted, result)):
        if found is None and materialize_grads:
            result[i] = Tensor._make(xp(tensor._array).zeros_like(tensor._array))
        elif found is None and not allow_unused:
            raise RuntimeError(f"outputs do not depend on inputs[{i}]; allow_unused=True gives None for it")
    return tuple(result)  # type: ignore[arg-type]


def _roots(tensors: Any, grad_tensors: Any) -> tuple[list[Tensor], list[Tensor]]:
    roots = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    if grad_tensors is None:
        given: list[Any] = [None] * len(roots)
    else:
        given = [grad_tensors] if isinstance(grad_tensors, Tensor) else list(grad_tensors)
    if len(given) != len(roots):
        raise RuntimeError(f"got {len(given)} gradients for {len(roots)} tensors")
    for i, (root, value) in enumerate(zip(roots, given)):
        if not root.requires_grad:
            raise RuntimeError("the tensor does not require a gradient and was not computed from one that does")
        if value is None:
            if root._array.size != 1:
                raise RuntimeError(f"a gradient can be created for a scalar only, not for shape {root.shape}")
            given[i] = Tensor._make(_one(root._array.shape, root._array.dtype, device_of(root._array)))
        elif value.shape != root.shape:
            raise ValueError(f"the gradient has shape {value.shape}, expected {root.shape}")
    return roots, given


@functools.cache
def _one(shape: tuple[int, ...], dtype: Any, device: Any) -> Any:
    """1, made once: nothing changes the gradients on their way in place."""
    with on(device):
        return module_of(device).ones(shape, dtype)


def is_one(grad: Tensor) -> bool:
    """Whether a gradient is the 1 that a walk begins with."""
    array = grad._array
    return array.ndim == 0 and array is _one((), array.dtype, device_of(array))


def _walk(
    roots: list[Tensor], grads: list[Tensor], retain: bool, create_graph: bool, wanted: list[Tensor] | None
) -> list[Grad]:
    """Walks the graph from the roots; returns the gradients of `wanted`, or adds to the leaves' `.grad` if None."""
    walk = _Walk(roots, create_graph, wanted)
    before = _mode.enabled, _mode.autocast
    _mode.enabled, _mode.autocast = create_graph, None  # backward computes in the dtypes of forward
    try:
        for root, value in zip(roots, grads):
            walk.flow(_edge(root), value)
        while walk.heap:
            _, node = heapq.heappop(walk.heap)
            slots = walk.pending.pop(node)
            if wanted is not None or node.hooks is not None or node.retained is not None:
                walk.observe(node, slots)
            if wanted is not None and node not in walk.useful:  # nothing that is wanted lies behind it
                continue
            if node.freed:
                raise _freed()
            if node.segment is not None:
                node.segment.restore()
            for version, expected in node.guards:
                if version[0] != expected:
                    raise modified(node.op)
            if len(slots) > 1 and node.materialize_grads:
                like = next(s for s in slots if s is not None)
                slots = [_zeros(node, i, like) if s is None else s for i, s in enumerate(slots)]
            node.fills = wanted is None and not create_graph
            backward = node.op.backward
            result = backward(node, *slots) if _watch is None else _watch(node.op, "backward", backward, node, *slots)
            results = result if isinstance(result, tuple) else (result,)
            if len(results) != len(node.edges) and not _only_defaults(results, len(node.edges)):
                raise RuntimeError(
                    f"{node.op.__name__}.backward returned {len(results)} gradients for {len(node.edges)} arguments"
                )
            if not retain:
                node._free()
            for edge, flowing in zip(node.edges, results):
                if edge is not None and flowing is not None:
                    walk.flow(edge, flowing)
        return walk.finish()
    finally:
        _mode.enabled, _mode.autocast = before


def _only_defaults(results: Sequence[Grad], count: int) -> bool:
    """Whether what backward returned beyond the `count` arguments that forward was given is None, for its defaults."""
    return len(results) > count and all(value is None for value in results[count:])


class _Walk:
    """Where the gradients of one walk are on their way to."""

    def __init__(self, roots: list[Tensor], create_graph: bool, wanted: list[Tensor] | None) -> None:
        self.pending: dict[Node, list[Grad]] = {}
        self.heap: list[tuple[int, Node]] = []
        self.found: dict[tuple[int, int], Tensor] = {}  # by the identity of a place in the graph
        self.waiting: dict[int, Tensor] = {}  # leaves whose hooks run when all of the gradient has arrived
        self.create_graph = create_graph
        self.wanted = wanted
        if wanted is not None:
            self.places = {(id(target), index) for target, index in map(_edge, wanted)}
            self.useful = _leading_to([_edge(r)[0] for r in roots], {place for place, _ in self.places})

    def flow(self, edge: tuple[Node | Tensor, int], value: Tensor) -> None:
        """Adds to what has arrived at a place, in the dtype of what was computed there: PyTorch's engine casts it, too."""
        target, index = edge
        dtype = target.outputs[index][1] if isinstance(target, Node) else target._array.dtype
        if value._array.dtype is not dtype and value._array.dtype != dtype:
            value = value.to(dtype)
        if isinstance(target, Node):
            slots = self.pending.get(target)
            if slots is None:
                slots = self.pending[target] = [None] * len(target.outputs)
                heapq.heappush(self.heap, (-target.order, target))
            before = slots[index]
            slots[index] = value if before is None else before + value
        elif self.wanted is None and not (target._hooks or target._post_hooks):
            _accumulate(target, value, self.create_graph)
        elif self.wanted is None or (id(target), 0) in self.places:
            before = self.found.get((id(target), 0))
            self.found[id(target), 0] = value if before is None else before + value
            self.waiting[id(target)] = target

    def observe(self, node: Node, slots: list[Grad]) -> None:
        """Runs the hooks of a node's outputs and keeps the gradients that were asked for."""
        for index, value in enumerate(slots):
            if value is None:
                continue
            if node.hooks is not None:
                value = slots[index] = _run_hooks(value, node.hooks.get(index, ()))
            if node.retained is not None and self.wanted is None and index in node.retained:
                tensor = node.retained[index]()
                if tensor is not None:
                    tensor.grad = value if tensor.grad is None else tensor.grad + value
            if self.wanted is not None and (id(node), index) in self.places:
                self.found[id(node), index] = value

    def finish(self) -> list[Grad]:
        for leaf in self.waiting.values():
            self.found[id(leaf), 0] = _run_hooks(self.found[id(leaf), 0], leaf._hooks)
            if self.wanted is None:
                _accumulate(leaf, self.found[id(leaf), 0], self.create_graph)
                for hook in leaf._post_hooks:
                    hook(leaf)
        if self.wanted is None:
            return []
        return [self.found.get((id(target), index)) for target, index in map(_edge, self.wanted)]


def _leading_to(starts: list[Node | Tensor], places: Iterable[int]) -> set[Node]:
    """The nodes below `starts` from which one of the places (ids of nodes and leaves) can be reached."""
    targets = set(places)
    seen: set[Node] = set()
    stack = [s for s in starts if isinstance(s, Node)]
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            stack.extend(e[0] for e in node.edges if e is not None and isinstance(e[0], Node))
    useful: set[Node] = set()
    for node in sorted(seen, key=lambda n: n.order):  # inputs come before their consumers
        for edge in node.edges:
            if edge is not None and (id(edge[0]) in targets or edge[0] in useful):
                useful.add(node)
                break
    return useful


def _run_hooks(value: Tensor, hooks: Iterable[Hook]) -> Tensor:
    for hook in hooks:
        changed = hook(value)
        value = value if changed is None else changed
    return value


def _zeros(node: Node, index: int, like: Tensor) -> Grad:
    shape, dtype = node.outputs[index]
    if dtype.kind != "f":
        return None
    with on(device_of(like._array)):
        return Tensor._make(xp(like._array).zeros(shape, dtype))


def _accumulate(leaf: Tensor, value: Tensor, create_graph: bool) -> None:
    if value._array.shape != leaf._array.shape:
        raise RuntimeError(f"a gradient of shape {value.shape} arrived at a leaf of shape {leaf.shape}")
    if create_graph:
        leaf.grad = value if leaf.grad is None else leaf.grad + value
    elif leaf.grad is not None:
        leaf.grad._array += value._array
        leaf.grad._version[0] += 1
    elif leaf._grad_view is not None:
        if value._array is leaf._grad_view:
            leaf.grad = value
        else:
            leaf._grad_view[...] = value._array
            leaf.grad = Tensor._make(leaf._grad_view)
    else:  # a copy, as the array may be a view, or flow elsewhere too
        leaf.grad = Tensor._make(value._array.astype(leaf._array.dtype, order="C", copy=True))


from ..gradcheck import GradcheckError, gradcheck, gradgradcheck  # noqa: E402 - needs what is above


def __getattr__(name: str) -> Any:
    """What is not always needed is imported when it is first used."""
    if name == "functional":
        return importlib.import_module(f"{__name__}.functional")
    if name in ("detect_anomaly", "set_detect_anomaly"):
        return getattr(importlib.import_module(f"{__name__}.anomaly"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
