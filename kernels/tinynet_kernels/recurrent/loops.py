"""The compiled loops of the recurrent kernels: a thread takes some of the sequences through all steps, and waits for no other.

A step multiplies the hidden states of these sequences by the weight, whose panels stay in the cache from step to step, and goes
over the gates once. Rows of the products are those of the register tiles, BLOCK_ROWS at a time: spare ones are computed from
what is left of other sequences, and not read.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ..matmul.loops import pack
from ..runtime.compiled import for_each, once, parallel
from ..runtime.exponential import sigmoid, tanh
from ..runtime.simd import BLOCK_ROWS, product2

_once: Any = partial(once, error_model="numpy", fastmath={"contract"})


@once
def _pack(block: int, w: Any, row: int, column: int, columns: int, panel: Any, lanes: int) -> None:
    pack(w, row, column, columns, panel, block, 0, panel.shape[1], lanes)


@once
def _multiply(a: Any, panel: Any, c: Any) -> None:
    """c = a @ the matrix of the panel; the rows of a and c are whole tiles."""
    blocks, depth, width = panel.shape
    flat_a, flat_panel, flat_c, row = a.reshape(-1), panel.reshape(-1), c.reshape(-1), c.shape[1]
    for block in range(blocks):
        start = block * depth * width
        tiles = a.shape[0] // BLOCK_ROWS
        product2(flat_a, 0, depth, 1, depth, flat_panel, start, width, flat_c, block * width, row, tiles)


@once
def _share(part: int, parts: int, rows: int) -> Any:
    """Where the rows of a part begin and end, and how many the register tiles that hold them have."""
    tiles = (rows + BLOCK_ROWS - 1) // BLOCK_ROWS
    first, last = part * tiles // parts * BLOCK_ROWS, (part + 1) * tiles // parts * BLOCK_ROWS
    return first, min(last, rows), last - first


@once
def _step(n: int, steps: int, reverse: bool) -> Any:
    """Of step n in the order of the recurrence: its place in the sequence, and where states before and after it are kept."""
    if reverse:
        return steps - 1 - n, steps - n, steps - 1 - n
    return n, n, n + 1


@_once
def _sigmoid(x: Any, y: Any, bias: Any, out: Any) -> None:
    for i in range(out.size):
        out[i] = sigmoid(x[i] + y[i] + bias[i])


@_once
def _tanh(x: Any, y: Any, bias: Any, out: Any) -> None:
    for i in range(out.size):
        out[i] = tanh(x[i] + y[i] + bias[i])


@_once
def _lstm_row(x: Any, product: Any, bias: Any, active: Any, before: Any, after: Any, hidden: Any) -> None:
    """From the gates of one sequence to its next cell and hidden state."""
    size = hidden.size
    _sigmoid(x[: 2 * size], product[: 2 * size], bias[: 2 * size], active[: 2 * size])
    _tanh(x[2 * size : 3 * size], product[2 * size : 3 * size], bias[2 * size : 3 * size], active[2 * size : 3 * size])
    _sigmoid(x[3 * size :], product[3 * size : 4 * size], bias[3 * size :], active[3 * size :])
    i, f, g, o = active[:size], active[size : 2 * size], active[2 * size : 3 * size], active[3 * size :]
    for k in range(size):
        after[k] = f[k] * before[k] + i[k] * g[k]
    for k in range(size):
        hidden[k] = o[k] * tanh(after[k])


@once
def _lstm_part(
    part: int, parts: int, x: Any, panel: Any, bias: Any, reverse: bool, states: Any, cells: Any, active: Any
) -> None:
    steps, rows, size = x.shape[0], x.shape[1], states.shape[2]
    first, last, whole = _share(part, parts, rows)
    hidden, product = np.zeros((whole, size), x.dtype), np.empty((whole, panel.shape[0] * panel.shape[2]), x.dtype)
    hidden[: last - first] = states[steps if reverse else 0, first:last]
    for n in range(steps):
        t, before, after = _step(n, steps, reverse)
        _multiply(hidden, panel, product)
        for row in range(first, last):
            h = hidden[row - first]
            _lstm_row(x[t, row], product[row - first], bias, active[t, row], cells[before, row], cells[after, row], h)
            states[after, row] = h


@parallel
def lstm(
    x: Any, w: Any, bias: Any, reverse: bool, panel: Any, states: Any, cells: Any, active: Any, lanes: int, parts: int
) -> None:
    """All steps of gates x (T, N, 4 H); the first states (see `_step`) are there, the others and `active` are written."""
    for_each(panel.shape[0], _pack, w.reshape(-1), 1, w.shape[1], w.shape[0], panel, lanes)
    for_each(parts, _lstm_part, parts, x, panel, bias, reverse, states, cells, active)


@_once
def _lstm_row_grad(gh: Any, active: Any, before: Any, after: Any, gc: Any, squashed: Any, flow: Any) -> None:
    """From the gradients of one sequence's hidden and cell state, gh and gc, to those of the gates and, in gc, of the cell
    state before."""
    size = gh.size
    i, f, g, o = active[:size], active[size : 2 * size], active[2 * size : 3 * size], active[3 * size :]
    gi, gf, gg, go = flow[:size], flow[size : 2 * size], flow[2 * size : 3 * size], flow[3 * size :]
    one = gh.dtype.type(1)
    for k in range(size):
        squashed[k] = tanh(after[k])
    for k in range(size):
        go[k] = gh[k] * squashed[k] * o[k] * (one - o[k])
    for k in range(size):
        gc[k] += gh[k] * o[k] * (one - squashed[k] * squashed[k])
    for k in range(size):
        gi[k] = gc[k] * g[k] * i[k] * (one - i[k])
    for k in range(size):
        gg[k] = gc[k] * i[k] * (one - g[k] * g[k])
    for k in range(size):
        gf[k] = gc[k] * before[k] * f[k] * (one - f[k])
    for k in range(size):
        gc[k] *= f[k]


@once
def _lstm_part_grad(
    part: int,
    parts: int,
    gy: Any,
    panel: Any,
    reverse: bool,
    active: Any,
    cells: Any,
    flow: Any,
    gh: Any,
    gc: Any,
) -> None:
    steps, rows, size = gy.shape
    first, last, whole = _share(part, parts, rows)
    gates, squashed = np.zeros((whole, 4 * size), gy.dtype), np.empty(size, gy.dtype)
    back = np.zeros((whole, panel.shape[0] * panel.shape[2]), gy.dtype)
    for n in range(steps - 1, -1, -1):
        t, before, after = _step(n, steps, reverse)
        for row in range(first, last):
            g, b, into = gy[t, row], back[row - first], gates[row - first]
            for k in range(size):
                b[k] += g[k]
            _lstm_row_grad(b[:size], active[t, row], cells[before, row], cells[after, row], gc[row], squashed, into)
            flow[t, row] = into
        _multiply(gates, panel, back)
    gh[first:last] = back[: last - first, :size]


@parallel
def lstm_grad(
    gy: Any,
    w: Any,
    reverse: bool,
    panel: Any,
    active: Any,
    cells: Any,
    flow: Any,
    gh: Any,
    gc: Any,
    lanes: int,
    parts: int,
) -> None:
    """The gradients of the gates (T, N, 4 H), of the first hidden state and of the first cell state, in gc, which has that of
    the last one."""
    for_each(panel.shape[0], _pack, w.reshape(-1), w.shape[1], 1, w.shape[1], panel, lanes)
    for_each(parts, _lstm_part_grad, parts, gy, panel, reverse, active, cells, flow, gh, gc)


@_once
def _gru_row(x: Any, product: Any, bias: Any, active: Any, projected: Any, hidden: Any) -> None:
    """From the gates of one sequence to its next hidden state, in place of the one before."""
    size = hidden.size
    _sigmoid(x[: 2 * size], product[: 2 * size], bias[: 2 * size], active[: 2 * size])
    r, z, new = active[:size], active[size : 2 * size], active[2 * size :]
    p, b, given = product[2 * size :], bias[2 * size :], x[2 * size :]
    for k in range(size):
        projected[k] = p[k] + b[k]
    for k in range(size):
        new[k] = tanh(given[k] + r[k] * projected[k])
    for k in range(size):
        hidden[k] = new[k] + z[k] * (hidden[k] - new[k])


@once
def _gru_part(
    part: int, parts: int, x: Any, panel: Any, bias: Any, reverse: bool, states: Any, active: Any, projected: Any
) -> None:
    steps, rows, size = x.shape[0], x.shape[1], states.shape[2]
    first, last, whole = _share(part, parts, rows)
    hidden, product = np.zeros((whole, size), x.dtype), np.empty((whole, panel.shape[0] * panel.shape[2]), x.dtype)
    hidden[: last - first] = states[steps if reverse else 0, first:last]
    for n in range(steps):
        t, _, after = _step(n, steps, reverse)
        _multiply(hidden, panel, product)
        for row in range(first, last):
            h = hidden[row - first]
            _gru_row(x[t, row], product[row - first], bias, active[t, row], projected[t, row], h)
            states[after, row] = h


@parallel
def gru(
    x: Any,
    w: Any,
    bias: Any,
    reverse: bool,
    panel: Any,
    states: Any,
    active: Any,
    projected: Any,
    lanes: int,
    parts: int,
) -> None:
    """All steps of gates x (T, N, 3 H); the first state (see `_step`) is there, the others and the rest are written."""
    for_each(panel.shape[0], _pack, w.reshape(-1), 1, w.shape[1], w.shape[0], panel, lanes)
    for_each(parts, _gru_part, parts, x, panel, bias, reverse, states, active, projected)


@_once
def _gru_row_grad(gh: Any, active: Any, projected: Any, before: Any, flow: Any, hidden: Any) -> None:
    """From the gradient of one sequence's hidden state, gh, to those of the gates' two parts and, in gh, what flows to the
    hidden state before past the gates."""
    size = gh.size
    r, z, new = active[:size], active[size : 2 * size], active[2 * size :]
    gr, gz, gn, hn = flow[:size], flow[size : 2 * size], flow[2 * size :], hidden[2 * size :]
    one = gh.dtype.type(1)
    for k in range(size):
        gn[k] = gh[k] * (one - z[k]) * (one - new[k] * new[k])
    for k in range(size):
        gz[k] = gh[k] * (before[k] - new[k]) * z[k] * (one - z[k])
    for k in range(size):
        gr[k] = gn[k] * projected[k] * r[k] * (one - r[k])
    for k in range(size):
        hn[k] = gn[k] * r[k]
    for k in range(size):
        gh[k] *= z[k]
    hidden[: 2 * size] = flow[: 2 * size]


@once
def _gru_part_grad(
    part: int,
    parts: int,
    gy: Any,
    panel: Any,
    reverse: bool,
    active: Any,
    projected: Any,
    states: Any,
    flow: Any,
    flow_hidden: Any,
    gh: Any,
) -> None:
    steps, rows, size = gy.shape
    first, last, whole = _share(part, parts, rows)
    gates = np.zeros((whole, 3 * size), gy.dtype)
    back = np.empty((whole, panel.shape[0] * panel.shape[2]), gy.dtype)
    gh[first:last] = 0
    for n in range(steps - 1, -1, -1):
        t, before, _ = _step(n, steps, reverse)
        for row in range(first, last):
            g, total, into = gy[t, row], gh[row], gates[row - first]
            for k in range(size):
                total[k] += g[k]
            _gru_row_grad(total, active[t, row], projected[t, row], states[before, row], flow[t, row], into)
            flow_hidden[t, row] = into
        _multiply(gates, panel, back)
        for row in range(first, last):
            total, b = gh[row], back[row - first]
            for k in range(size):
                total[k] += b[k]


@parallel
def gru_grad(
    gy: Any,
    w: Any,
    reverse: bool,
    panel: Any,
    active: Any,
    projected: Any,
    states: Any,
    flow: Any,
    flow_hidden: Any,
    gh: Any,
    lanes: int,
    parts: int,
) -> None:
    """The gradients of the gates (T, N, 3 H), of the hidden states' part of them, and of the first hidden state."""
    for_each(panel.shape[0], _pack, w.reshape(-1), w.shape[1], 1, w.shape[1], panel, lanes)
    for_each(parts, _gru_part_grad, parts, gy, panel, reverse, active, projected, states, flow, flow_hidden, gh)
