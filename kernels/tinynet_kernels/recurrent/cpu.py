"""Recurrent layers on the CPU: all steps in one compiled call."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import config

from ..runtime.memory import empty, finish, writable
from ..runtime.simd import BLOCK_ROWS, BLOCK_VECTORS, REGISTER
from . import loops

THREADS = config.NUMBA_NUM_THREADS


def lstm(outputs: Any, gates: Any, h: Any, c: Any, w: Any, bias: Any = None, *, reverse: bool = False) -> None:
    states, cells, active = written = [writable(o) for o in outputs]
    first = len(gates) if reverse else 0
    states[first], cells[first] = h, c
    panel = _panel(w.shape[1], w.shape[0], w.dtype)
    loops.lstm(*_contiguous(gates, w, _shift(bias, w)), reverse, panel, states, cells, active, *_rest(gates))
    _finish(outputs, written)


def lstm_grad(outputs: Any, gy: Any, gc: Any, active: Any, cells: Any, w: Any, *, reverse: bool = False) -> None:
    flow, back_h, back_c = written = [writable(o) for o in outputs]
    back_c[...] = gc
    gy, w, active, cells = _contiguous(gy, w, active, cells)
    panel = _panel(w.shape[0], w.shape[1], w.dtype)
    loops.lstm_grad(gy, w, reverse, panel, active, cells, flow, back_h, back_c, *_rest(gy))
    _finish(outputs, written)


def gru(outputs: Any, gates: Any, h: Any, w: Any, bias: Any = None, *, reverse: bool = False) -> None:
    states, active, projected = written = [writable(o) for o in outputs]
    states[len(gates) if reverse else 0] = h
    panel = _panel(w.shape[1], w.shape[0], w.dtype)
    loops.gru(*_contiguous(gates, w, _shift(bias, w)), reverse, panel, states, active, projected, *_rest(gates))
    _finish(outputs, written)


def gru_grad(outputs: Any, gy: Any, active: Any, projected: Any, states: Any, w: Any, *, reverse: bool = False) -> None:
    flow, flow_hidden, back = written = [writable(o) for o in outputs]
    gy, w, active, projected, states = _contiguous(gy, w, active, projected, states)
    panel = _panel(w.shape[0], w.shape[1], w.dtype)
    loops.gru_grad(gy, w, reverse, panel, active, projected, states, flow, flow_hidden, back, *_rest(gy))
    _finish(outputs, written)


def _panel(depth: int, columns: int, dtype: Any) -> Any:
    width = BLOCK_VECTORS * REGISTER // dtype.itemsize
    return empty((-(-columns // width), depth, width), dtype)


def _shift(bias: Any, w: Any) -> Any:
    return np.zeros(len(w), w.dtype) if bias is None else bias


def _rest(gates: Any) -> tuple[int, int]:
    """The lanes of a vector, and how many parts the sequences are cut into: whole tiles."""
    return REGISTER // gates.itemsize, min(THREADS, -(-gates.shape[1] // BLOCK_ROWS))


def _contiguous(*arrays: Any) -> list[Any]:
    return [np.ascontiguousarray(array) for array in arrays]


def _finish(outputs: Any, written: Any) -> None:
    for output, result in zip(outputs, written):
        finish(output, result)
