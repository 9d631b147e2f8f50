"""The definitions of the recurrent kernels: a step, and the derivative of each of its lines."""

from __future__ import annotations

from typing import Any

import numpy as np


def sigmoid(x: Any) -> Any:
    return (1 + np.tanh(x / 2)) / 2


def steps(gates: Any, reverse: bool) -> list[tuple[int, int, int]]:
    """Of each step: its place in the sequence, and where the states before and after it are kept."""
    places = range(len(gates))
    return [(t, t + 1, t) for t in reversed(places)] if reverse else [(t, t, t + 1) for t in places]


def lstm(gates: Any, h: Any, c: Any, w: Any, bias: Any = None, *, reverse: bool = False) -> Any:
    states, cells = (np.empty((len(gates) + 1, *h.shape), h.dtype) for _ in range(2))
    active = np.empty_like(gates)
    first = len(gates) if reverse else 0
    states[first], cells[first] = h, c
    for t, before, after in steps(gates, reverse):
        i, f, g, o = np.split(gates[t] + states[before] @ w.T + (0 if bias is None else bias), 4, axis=1)
        i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
        active[t] = np.concatenate([i, f, g, o], axis=1)
        cells[after] = f * cells[before] + i * g
        states[after] = o * np.tanh(cells[after])
    return states, cells, active


def lstm_grad(gy: Any, gc: Any, active: Any, cells: Any, w: Any, *, reverse: bool = False) -> Any:
    flow, gh = np.empty_like(active), np.zeros_like(gc)
    for t, before, after in reversed(steps(gy, reverse)):
        i, f, g, o = np.split(active[t], 4, axis=1)
        gh, squashed = gh + gy[t], np.tanh(cells[after])
        gc = gc + gh * o * (1 - squashed**2)
        into_i, into_f = gc * g * i * (1 - i), gc * cells[before] * f * (1 - f)
        into_g, into_o = gc * i * (1 - g**2), gh * squashed * o * (1 - o)
        flow[t] = np.concatenate([into_i, into_f, into_g, into_o], axis=1)
        gh, gc = flow[t] @ w, gc * f
    return flow, gh, gc


def gru(gates: Any, h: Any, w: Any, bias: Any = None, *, reverse: bool = False) -> Any:
    states = np.empty((len(gates) + 1, *h.shape), h.dtype)
    active, projected = np.empty_like(gates), np.empty((len(gates), *h.shape), h.dtype)
    states[len(gates) if reverse else 0] = h
    for t, before, after in steps(gates, reverse):
        xr, xz, xn = np.split(gates[t], 3, axis=1)
        hr, hz, projected[t] = np.split(states[before] @ w.T + (0 if bias is None else bias), 3, axis=1)
        r, z = sigmoid(xr + hr), sigmoid(xz + hz)
        new = np.tanh(xn + r * projected[t])
        active[t] = np.concatenate([r, z, new], axis=1)
        states[after] = new + z * (states[before] - new)
    return states, active, projected


def gru_grad(gy: Any, active: Any, projected: Any, states: Any, w: Any, *, reverse: bool = False) -> Any:
    flow, flow_hidden = (np.empty_like(active) for _ in range(2))
    gh = np.zeros_like(states[0])
    for t, before, _ in reversed(steps(gy, reverse)):
        r, z, new = np.split(active[t], 3, axis=1)
        gh = gh + gy[t]
        gn = gh * (1 - z) * (1 - new**2)
        gr, gz = gn * projected[t] * r * (1 - r), gh * (states[before] - new) * z * (1 - z)
        flow[t], flow_hidden[t] = np.concatenate([gr, gz, gn], axis=1), np.concatenate([gr, gz, gn * r], axis=1)
        gh = gh * z + flow_hidden[t] @ w
    return flow, flow_hidden, gh
