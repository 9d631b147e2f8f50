"""Recurrent layers over whole sequences: one operation for all steps of one direction.

The projections of the inputs are computed before, for all steps in one matrix product. What is left of an LSTM or GRU, forward
and backward, is a kernel; Elman's layer is a product with the hidden state in each step, and a function of it. The weight
gradient is one product at the end. When the gradient itself must be differentiated, backward composes the sequence
again of the step functions below, which are the definition.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tinynet_kernels as kernels

from ..autograd import Op, enable_grad, grad, is_grad_enabled
from ..device import xp
from ..tensor import Tensor
from .elementwise import cast, clone, relu, sigmoid, tanh
from .linalg import _in_kernel_dtype, linear
from .shape import chunk, stack

Step = Callable[..., tuple[Tensor, ...]]


def rnn_step(gates: Tensor, hidden: Tensor, weight: Tensor, bias: Tensor | None, nonlinearity: str) -> Tensor:
    """nonlinearity(gates + hidden @ weight.T + bias)"""
    y = gates + linear(hidden, weight, bias)
    return tanh(y) if nonlinearity == "tanh" else relu(y)


def lstm_step(
    gates: Tensor, hidden: Tensor, cell: Tensor, weight: Tensor, bias: Tensor | None
) -> tuple[Tensor, Tensor]:
    """The next hidden and cell state (Hochreiter and Schmidhuber 1997, with forget gates); gates in the order i, f, g, o."""
    i, f, g, o = chunk(gates + linear(hidden, weight, bias), 4, -1)
    cell = sigmoid(f) * cell + sigmoid(i) * tanh(g)
    return sigmoid(o) * tanh(cell), cell


def gru_step(gates: Tensor, hidden: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The next hidden state (Cho et al. 2014); gates in the order r, z, n, the reset applied after the product."""
    xr, xz, xn = chunk(gates, 3, -1)
    hr, hz, hn = chunk(linear(hidden, weight, bias), 3, -1)
    update = sigmoid(xz + hz)
    new = tanh(xn + sigmoid(xr + hr) * hn)
    return new + update * (hidden - new)


def _order(steps: int, reverse: bool) -> range:
    return range(steps - 1, -1, -1) if reverse else range(steps)


def _composed(
    gates: Tensor, states: Sequence[Tensor], parameters: Sequence[Tensor | None], step: Step, reverse: bool
) -> tuple[Tensor, ...]:
    """The hidden states of all steps, and the other states after the last, as a composition of `step`."""
    outputs = []
    for t in _order(gates.shape[0], reverse):
        states = list(step(gates[t], *states, *parameters))
        outputs.append(states[0])
    return (stack(outputs[::-1] if reverse else outputs), *states[1:])


def _composed_gradient(ctx: Any, inputs: Sequence[Any], grads: Sequence[Tensor], step: Step, reverse: bool) -> Any:
    """The gradients of inputs (gates, states, weight, bias) as functions that can be differentiated again."""
    with enable_grad():
        # the walk stops at these copies: one input may have been computed from another
        inputs = [None if t is None else clone(t) for t in inputs]
        gates, *rest = inputs
        y, *states = _composed(gates, rest[: len(rest) - 2], rest[len(rest) - 2 :], step, reverse)
        wanted = [i for i, t in enumerate(inputs) if t is not None and ctx.needs(i)]
        given = zip((y, *states), grads)
        pairs = [(o, g) for o, g in given if o.requires_grad]
        found = grad(
            [o for o, _ in pairs],
            [inputs[i] for i in wanted],
            [g for _, g in pairs],
            create_graph=True,
            allow_unused=True,
        )
    result: list[Any] = [None] * len(inputs)
    for i, g in zip(wanted, found):
        result[i] = g
    return result


def _weight_gradients(ctx: Any, at: int, before: Any, flow: Any) -> tuple[Any, Any]:
    """Of the weight, input `at`, and the bias after it: the hidden states before each step and what flows into the gates."""
    rows = flow.reshape(-1, flow.shape[-1])
    gw = gb = None
    if ctx.needs(at):
        gw = kernels.matmul(rows, before.reshape(-1, before.shape[-1]), transpose_a=True, out=ctx.room(at))
    if ctx.needs(at + 1):
        gb = kernels.channel_sum(rows, out=ctx.room(at + 1))
    return (
        None if gw is None else Tensor._make(gw),
        None if gb is None else Tensor._make(gb),
    )


def _states_before(m: Any, y: Any, first: Any, reverse: bool) -> Any:
    """The state before each step, (T, N, H), from those after."""
    before = m.empty_like(y)
    if reverse:
        before[:-1], before[-1] = y[1:], first
    else:
        before[1:], before[0] = y[:-1], first
    return before


def _after(states: Any, reverse: bool) -> Any:
    """The states after each step, of (T + 1, N, H) that a kernel has kept."""
    return states[:-1] if reverse else states[1:]


def _before(states: Any, reverse: bool) -> Any:
    return states[1:] if reverse else states[:-1]


class Rnn(Op):
    saves = (0, 1, 2, 3)
    saves_output = True

    @staticmethod
    def composed(gates: Tensor, h: Tensor, w: Tensor, b: Tensor | None, nonlinearity: str, reverse: bool) -> Any:
        """What forward computes, as other operations."""
        return _composed(gates, [h], [w, b], lambda x, h, w, b: (rnn_step(x, h, w, b, nonlinearity),), reverse)[0]

    @staticmethod
    def forward(ctx: Any, gates: Any, h: Any, w: Any, b: Any, nonlinearity: str, reverse: bool) -> Any:
        ctx.rest = nonlinearity, reverse
        m = xp(gates)
        y = m.empty((*gates.shape[:2], w.shape[1]), gates.dtype)
        for t in _order(len(gates), reverse):
            kernels.matmul(h, w, b, transpose_b=True, out=y[t])
            y[t] += gates[t]
            h = m.tanh(y[t], out=y[t]) if nonlinearity == "tanh" else m.maximum(y[t], 0, out=y[t])
        return y

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        nonlinearity, reverse = ctx.rest
        inputs = [ctx.input(i) for i in range(4)]
        if is_grad_enabled():
            found = _composed_gradient(
                ctx, inputs, [gy], lambda x, h, w, b: (rnn_step(x, h, w, b, nonlinearity),), reverse
            )
            return (*found, None, None)
        h, w = (t._array for t in inputs[1:3])
        m, y, g = xp(w), ctx.output()._array, gy._array
        flow = m.empty_like(y)
        back = m.zeros_like(h)
        for t in _order(len(y), not reverse):
            slope = 1 - y[t] * y[t] if nonlinearity == "tanh" else y[t] > 0
            m.multiply(g[t] + back, slope, out=flow[t])
            back = kernels.matmul(flow[t], w)
        weights = _weight_gradients(ctx, 2, _states_before(m, y, h, reverse), flow)
        return Tensor._make(flow), Tensor._make(back), *weights, None, None


class Lstm(Op):
    saves = (0, 1, 2, 3, 4)
    saves_output = True

    @staticmethod
    def composed(gates: Tensor, h: Tensor, c: Tensor, w: Tensor, b: Tensor | None, reverse: bool) -> Any:
        """What forward computes, as other operations."""
        return _composed(gates, [h, c], [w, b], lstm_step, reverse)

    @staticmethod
    def forward(ctx: Any, gates: Any, h: Any, c: Any, w: Any, b: Any, reverse: bool) -> Any:
        states, cells, active = kernels.lstm(gates, h, c, w, b, reverse=reverse)
        ctx.reverse, ctx.states, ctx.cells, ctx.active = reverse, states, cells, active
        return _after(states, reverse), cells[0 if reverse else -1].copy()

    @staticmethod
    def backward(ctx: Any, gy: Tensor, gc: Tensor) -> Any:
        inputs = [ctx.input(i) for i in range(5)]
        reverse = ctx.reverse
        if is_grad_enabled():
            return (*_composed_gradient(ctx, inputs, [gy, gc], lstm_step, reverse), None)
        ctx.output()  # an error if it was modified in place
        w = inputs[3]._array
        flow, gh, gc0 = kernels.lstm_grad(gy._array, gc._array, ctx.active, ctx.cells, w, reverse=reverse)
        weights = _weight_gradients(ctx, 3, _before(ctx.states, reverse), flow)
        return Tensor._make(flow), Tensor._make(gh), Tensor._make(gc0), *weights, None


class Gru(Op):
    saves = (0, 1, 2, 3)
    saves_output = True

    @staticmethod
    def composed(gates: Tensor, h: Tensor, w: Tensor, b: Tensor | None, reverse: bool) -> Any:
        """What forward computes, as other operations."""
        return _composed(gates, [h], [w, b], lambda x, h, w, b: (gru_step(x, h, w, b),), reverse)[0]

    @staticmethod
    def forward(ctx: Any, gates: Any, h: Any, w: Any, b: Any, reverse: bool) -> Any:
        states, active, projected = kernels.gru(gates, h, w, b, reverse=reverse)
        ctx.reverse, ctx.states, ctx.active, ctx.projected = reverse, states, active, projected
        return _after(states, reverse)

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        inputs = [ctx.input(i) for i in range(4)]
        reverse = ctx.reverse
        if is_grad_enabled():
            found = _composed_gradient(ctx, inputs, [gy], lambda x, h, w, b: (gru_step(x, h, w, b),), reverse)
            return (*found, None)
        ctx.output()  # an error if it was modified in place
        w = inputs[2]._array
        flow, into, gh = kernels.gru_grad(gy._array, ctx.active, ctx.projected, ctx.states, w, reverse=reverse)
        weights = _weight_gradients(ctx, 2, _before(ctx.states, reverse), into)
        return Tensor._make(flow), Tensor._make(gh), *weights, None


def rnn(
    gates: Tensor, hidden: Tensor, weight: Tensor, bias: Tensor | None, nonlinearity: str, reverse: bool = False
) -> Tensor:
    """All hidden states (T, N, H) of `rnn_step` over gates (T, N, H), from the last step to the first if `reverse`."""
    return _in_kernel_dtype(
        lambda g, h, w, b: Rnn.apply(g, h, w, b, nonlinearity, reverse), cast(gates, weight.dtype), hidden, weight, bias
    )


def lstm(
    gates: Tensor, hidden: Tensor, cell: Tensor, weight: Tensor, bias: Tensor | None, reverse: bool = False
) -> tuple[Tensor, Tensor]:
    """All hidden states (T, N, H) of `lstm_step` over gates (T, N, 4 H), and the last cell state."""
    given = [cast(gates, weight.dtype), hidden, cell, weight, bias]
    if weight.dtype != "float16":
        return Lstm.apply(*given, reverse)  # type: ignore[return-value]  # a tuple, as forward returns one
    y, c = Lstm.apply(*(t if t is None else cast(t, "float32") for t in given), reverse)
    return cast(y, "float16"), cast(c, "float16")


def gru(gates: Tensor, hidden: Tensor, weight: Tensor, bias: Tensor | None, reverse: bool = False) -> Tensor:
    """All hidden states (T, N, H) of `gru_step` over gates (T, N, 3 H)."""
    return _in_kernel_dtype(
        lambda g, h, w, b: Gru.apply(g, h, w, b, reverse), cast(gates, weight.dtype), hidden, weight, bias
    )
