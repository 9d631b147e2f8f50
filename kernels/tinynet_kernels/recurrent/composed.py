"""The recurrent kernels of products and elementwise functions, step by step, for CUDA."""

from __future__ import annotations

from typing import Any

from ..matmul import matmul
from ..runtime.cuda import module
from .reference import steps


def _sigmoid(m: Any, a: Any, out: Any) -> None:
    """In terms of tanh, which neither overflows nor needs a division."""
    m.multiply(a, 0.5, out=out)
    m.tanh(out, out=out)
    out += 1
    out *= 0.5


def _parts(array: Any, count: int) -> list[Any]:
    size = array.shape[1] // count
    return [array[:, k * size : (k + 1) * size] for k in range(count)]


def lstm(outputs: Any, gates: Any, h: Any, c: Any, w: Any, bias: Any = None, *, reverse: bool = False) -> None:
    states, cells, active = outputs
    m = module()
    first = len(gates) if reverse else 0
    states[first], cells[first] = h, c
    for t, before, after in steps(gates, reverse):
        a = active[t]
        matmul(states[before], w, bias, transpose_b=True, out=a)
        a += gates[t]
        i, f, g, o = _parts(a, 4)
        candidate = m.tanh(g)
        _sigmoid(m, a, a)
        g[...] = candidate
        m.multiply(f, cells[before], out=cells[after])
        cells[after] += i * g
        m.multiply(o, m.tanh(cells[after]), out=states[after])


def lstm_grad(outputs: Any, gy: Any, gc: Any, active: Any, cells: Any, w: Any, *, reverse: bool = False) -> None:
    flow, back_h, back_c = outputs
    m = module()
    back_h[...] = 0
    for t, before, after in reversed(steps(gy, reverse)):
        i, f, g, o = _parts(active[t], 4)
        into_i, into_f, into_g, into_o = _parts(flow[t], 4)
        squashed = m.tanh(cells[after])
        gh = gy[t] + back_h
        gc = gc + gh * o * (1 - squashed * squashed)
        m.multiply(gc * g, i * (1 - i), out=into_i)
        m.multiply(gc * cells[before], f * (1 - f), out=into_f)
        m.multiply(gc * i, 1 - g * g, out=into_g)
        m.multiply(gh * squashed, o * (1 - o), out=into_o)
        gc = gc * f
        matmul(flow[t], w, out=back_h)
    back_c[...] = gc


def gru(outputs: Any, gates: Any, h: Any, w: Any, bias: Any = None, *, reverse: bool = False) -> None:
    states, active, projected = outputs
    m, size = module(), w.shape[1]
    states[len(gates) if reverse else 0] = h
    for t, before, after in steps(gates, reverse):
        product = matmul(states[before], w, bias, transpose_b=True)
        projected[t] = product[:, 2 * size :]
        r, z, new = _parts(active[t], 3)
        both = active[t][:, : 2 * size]
        m.add(gates[t][:, : 2 * size], product[:, : 2 * size], out=both)
        _sigmoid(m, both, both)
        m.multiply(r, projected[t], out=new)
        new += gates[t][:, 2 * size :]
        m.tanh(new, out=new)
        m.multiply(z, states[before] - new, out=states[after])
        states[after] += new


def gru_grad(outputs: Any, gy: Any, active: Any, projected: Any, states: Any, w: Any, *, reverse: bool = False) -> None:
    flow, flow_hidden, back = outputs
    m, size = module(), w.shape[1]
    back[...] = 0
    for t, before, _ in reversed(steps(gy, reverse)):
        r, z, new = _parts(active[t], 3)
        into_r, into_z, into_n = _parts(flow[t], 3)
        gh = gy[t] + back
        m.multiply(gh * (1 - z), 1 - new * new, out=into_n)
        m.multiply(into_n * projected[t], r * (1 - r), out=into_r)
        m.multiply(gh * (states[before] - new), z * (1 - z), out=into_z)
        flow_hidden[t] = flow[t]
        m.multiply(into_n, r, out=flow_hidden[t][:, 2 * size :])
        back[...] = gh * z + matmul(flow_hidden[t], w)
