"""Memory for time: what a part of a network saves for its gradient is thrown away, and computed again in backward."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

from .. import capture, random
from ..autograd import Node, mark, modified
from ..grad_mode import _mode, enable_grad, is_grad_enabled
from ..tensor import Tensor

__all__ = ["checkpoint", "checkpoint_sequential"]


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """`function(*args, **kwargs)`, which runs once more in backward, so that nothing inside it is kept until then.

    function            gives a tensor, or a tuple, list or dictionary of tensors; it must do the same each time.
    preserve_rng_state  the second time draws the random numbers of the first, for dropout; default True.
    use_reentrant       accepted for PyTorch's sake: what is here works as `use_reentrant=False` does there.

    Backward raises RuntimeError if the function did something else the second time, or if a tensor it needs was modified in
    place in between. Random numbers cannot be preserved in a step captured by `tinynet.cuda.graph`.
    """
    if not is_grad_enabled():
        return function(*args, **kwargs)
    if preserve_rng_state:
        capture.refuse("checkpoint cannot draw random numbers again", "pass preserve_rng_state=False")
    segment = _Segment(lambda: function(*args, **kwargs), preserve_rng_state)
    first, result = mark(), segment.run()
    segment.forget(_inside(result, first))
    return result


def checkpoint_sequential(
    functions: Any,
    segments: int,
    input: Any,
    use_reentrant: bool | None = None,
    preserve_rng_state: bool = True,
) -> Any:
    """A Sequential, or a list of modules, in `segments` parts of about one length, all but the last by `checkpoint`."""
    parts = list(functions.children() if hasattr(functions, "children") else functions)
    if not 1 <= segments <= len(parts):
        raise ValueError(f"segments is {segments}, expected 1 to {len(parts)}")
    size = len(parts) // segments

    def run(start: int, end: int, value: Any) -> Any:
        for part in parts[start:end]:
            value = part(value)
        return value

    last = size * (segments - 1)
    for start in range(0, last, size):
        input = checkpoint(run, start, start + size, input, preserve_rng_state=preserve_rng_state)
    return run(last, len(parts), input)


class _Segment:
    """A function, what it is to find again when it runs the second time, and the nodes of the first."""

    def __init__(self, function: Callable[[], Any], preserve_rng_state: bool) -> None:
        self.function = function
        self.autocast = None if _mode.autocast is None else _mode.autocast.without_cache()
        self.generator = random.chosen(None) if preserve_rng_state else None
        self.state = None if self.generator is None else self.generator.get_state()
        self.nodes: list[weakref.ref[Node]] = []  # which have the segment: a reference would be a cycle
        self.ops: list[Any] = []
        self.versions: list[tuple[Any, list[int], int]] = []  # of tensors from outside

    def run(self) -> Any:
        before, _mode.autocast = _mode.autocast, self.autocast
        try:
            return self.function()
        finally:
            _mode.autocast = before

    def forget(self, nodes: Sequence[Node]) -> None:
        """Takes from the nodes what they have saved."""
        self.nodes, self.ops = [weakref.ref(node) for node in nodes], [node.op for node in nodes]
        mine = set(nodes)
        for node in nodes:
            self.versions += [
                (node.op, value._version, version)
                for _, value, version in node.saved_inputs
                if version is not None and value._node not in mine
            ]
            node.forget(self)

    def restore(self) -> None:
        """Runs the function again, and gives the nodes what it saves this time."""
        for op, version, expected in self.versions:
            if version[0] != expected:
                raise modified(op)
        first = mark()
        now = None if self.generator is None else self.generator.get_state()
        try:
            if self.generator is not None and self.state is not None:
                self.generator.set_state(self.state)
            with enable_grad():
                again = _inside(self.run(), first)
        finally:
            if self.generator is not None and now is not None:
                self.generator.set_state(now)
        if [node.op for node in again] != self.ops:
            raise RuntimeError("the function of a checkpoint did other operations in backward than in forward")
        for made, reference in zip(again, self.nodes):
            node = reference()
            if node is not None:
                if made.segment is not None:
                    made.segment.replace(made, node)
                node.remember(made)

    def replace(self, old: Node, new: Node) -> None:
        self.nodes = [weakref.ref(new) if reference() is old else reference for reference in self.nodes]


def _inside(result: Any, first: int) -> list[Node]:
    """The nodes that a result came from, from number `first` on, in their order."""
    found: set[Node] = set()
    stack = [tensor._node for tensor in _tensors(result)]
    while stack:
        node = stack.pop()
        if node is not None and node.order >= first and node not in found:
            found.add(node)
            stack += [edge[0] for edge in node.edges if edge is not None and isinstance(edge[0], Node)]
    return sorted(found, key=lambda node: node.order)


def _tensors(result: Any) -> list[Tensor]:
    if isinstance(result, Tensor):
        return [result]
    values = result.values() if isinstance(result, dict) else result if isinstance(result, (tuple, list)) else ()
    return [tensor for value in values for tensor in _tensors(value)]
