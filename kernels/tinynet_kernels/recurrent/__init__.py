"""Recurrent layers over whole sequences, in one direction: what is left when the inputs have been multiplied by their weight.

States are kept in one array with the first one: (T + 1, N, H), in the order of the sequence; in reverse, the first one is the
last of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import check_float, check_ndim, check_shape
from ..spec import Array, BadSample, Cost, KernelSpec, Outputs, Sample


def _sizes(number: int, sequence: Array, w: Array, bias: Array | None = None) -> tuple[int, int, int]:
    """T, N and H of a (T, N, ...) array and the weight of so many gates."""
    check_ndim(3, "(T, N, ...)", gates=sequence)
    check_ndim(2, "(gates * H, H)", w=w)
    size = w.shape[1]
    check_shape("w", w, (number * size, size))
    if bias is not None:
        check_shape("bias", bias, (number * size,))
    return sequence.shape[0], sequence.shape[1], size


def _check_lstm(
    gates: Array, h: Array, c: Array, w: Array, bias: Array | None = None, *, reverse: bool = False
) -> Outputs:
    dtype = check_float(gates=gates, h=h, c=c, w=w, bias=bias)
    steps, rows, size = _sizes(4, gates, w, bias)
    check_shape("gates", gates, (steps, rows, 4 * size))
    check_shape("h", h, (rows, size))
    check_shape("c", c, (rows, size))
    kept = (steps + 1, rows, size)
    return [(kept, dtype), (kept, dtype), (tuple(gates.shape), dtype)]


def _check_lstm_grad(gy: Array, gc: Array, active: Array, cells: Array, w: Array, *, reverse: bool = False) -> Outputs:
    dtype = check_float(gy=gy, gc=gc, active=active, cells=cells, w=w)
    steps, rows, size = _sizes(4, active, w)
    check_shape("gy", gy, (steps, rows, size))
    check_shape("gc", gc, (rows, size))
    check_shape("active", active, (steps, rows, 4 * size))
    check_shape("cells", cells, (steps + 1, rows, size))
    return [(tuple(active.shape), dtype), ((rows, size), dtype), ((rows, size), dtype)]


def _check_gru(gates: Array, h: Array, w: Array, bias: Array | None = None, *, reverse: bool = False) -> Outputs:
    dtype = check_float(gates=gates, h=h, w=w, bias=bias)
    steps, rows, size = _sizes(3, gates, w, bias)
    check_shape("gates", gates, (steps, rows, 3 * size))
    check_shape("h", h, (rows, size))
    return [((steps + 1, rows, size), dtype), (tuple(gates.shape), dtype), ((steps, rows, size), dtype)]


def _check_gru_grad(
    gy: Array, active: Array, projected: Array, states: Array, w: Array, *, reverse: bool = False
) -> Outputs:
    dtype = check_float(gy=gy, active=active, projected=projected, states=states, w=w)
    steps, rows, size = _sizes(3, active, w)
    check_shape("gy", gy, (steps, rows, size))
    check_shape("active", active, (steps, rows, 3 * size))
    check_shape("projected", projected, (steps, rows, size))
    check_shape("states", states, (steps + 1, rows, size))
    return [(tuple(active.shape), dtype), (tuple(active.shape), dtype), ((rows, size), dtype)]


def _cost(sequence: Array, *arrays: Any, **params: Any) -> Cost:
    """One of the arrays that follow is the weight; there are T N times its products."""
    given = [a for a in arrays if a is not None]
    w = next(a for a in given if a.ndim == 2 and a.shape[0] in (3 * a.shape[1], 4 * a.shape[1]))
    steps, rows, _ = sequence.shape
    numbers = sum(a.size for a in (sequence, *given)) + 2 * steps * rows * w.shape[0]
    return Cost(flops=2 * steps * rows * w.size, bytes=numbers * w.dtype.itemsize)


SHAPES = [  # steps, sequences, hidden size, reverse, bias
    ("plain", 3, 2, 5, False, True, False),
    ("reverse", 2, 9, 3, True, False, False),
    ("one", 1, 1, 1, False, True, False),
    ("no_steps", 0, 2, 3, False, True, False),
    ("no_sequences", 2, 0, 3, False, True, False),
    ("layer", 28, 32, 128, False, True, True),
    ("odd", 7, 21, 37, True, True, True),
]


def _samples(make: Any) -> list[Sample]:
    def sample(name: str, steps: int, rows: int, size: int, reverse: bool, biased: bool, bench: bool) -> Sample:
        def call(rng: np.random.Generator, dtype: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
            def normal(*shape: int) -> Any:
                return rng.standard_normal(shape).astype(dtype)

            def gate(*shape: int) -> Any:
                return rng.uniform(0.1, 0.9, shape).astype(dtype)

            return make(normal, gate, steps, rows, size, biased), {"reverse": reverse}

        return Sample(name, call, bench)

    return [sample(*case) for case in SHAPES]


def _weights(normal: Any, number: int, size: int, biased: bool) -> tuple[Any, Any]:
    w = normal(number * size, size)
    w /= w.dtype.type(size**0.5)
    return w, normal(number * size) if biased else None


def _lstm_arrays(normal: Any, gate: Any, steps: int, rows: int, size: int, biased: bool) -> tuple[Any, ...]:
    return normal(steps, rows, 4 * size), normal(rows, size), normal(rows, size), *_weights(normal, 4, size, biased)


def _lstm_grad_arrays(normal: Any, gate: Any, steps: int, rows: int, size: int, biased: bool) -> tuple[Any, ...]:
    kept = gate(steps, rows, 4 * size), normal(steps + 1, rows, size)
    return normal(steps, rows, size), normal(rows, size), *kept, _weights(normal, 4, size, biased)[0]


def _gru_arrays(normal: Any, gate: Any, steps: int, rows: int, size: int, biased: bool) -> tuple[Any, ...]:
    return normal(steps, rows, 3 * size), normal(rows, size), *_weights(normal, 3, size, biased)


def _gru_grad_arrays(normal: Any, gate: Any, steps: int, rows: int, size: int, biased: bool) -> tuple[Any, ...]:
    kept = gate(steps, rows, 3 * size), normal(steps, rows, size), normal(steps + 1, rows, size)
    return normal(steps, rows, size), *kept, _weights(normal, 3, size, biased)[0]


def _bad(name: str, error: type[Exception], match: str, *shapes: tuple[int, ...]) -> BadSample:
    return BadSample(name, lambda rng: (tuple(np.ones(shape) for shape in shapes), {}), error, match)


def _spec(name: str, check: Any, arrays: Any, bad: list[BadSample]) -> KernelSpec:
    return KernelSpec(
        name=name,
        check=check,
        reference=f"tinynet_kernels.recurrent.reference:{name}",
        cpu={"default": f"tinynet_kernels.recurrent.cpu:{name}"},
        cuda={"composed": f"tinynet_kernels.recurrent.composed:{name}"},
        samples=_samples(arrays),
        bad_samples=bad,
        cost=_cost,
    )


_LSTM = _spec(
    "lstm",
    _check_lstm,
    _lstm_arrays,
    [
        _bad("weight", ValueError, r"w has shape \(9, 3\)", (2, 2, 12), (2, 3), (2, 3), (9, 3)),
        _bad("gates", ValueError, r"gates has shape \(2, 2, 9\)", (2, 2, 9), (2, 3), (2, 3), (12, 3)),
        _bad("rank", ValueError, "expected 3 dimensions", (2, 12), (2, 3), (2, 3), (12, 3)),
        _bad("cell", ValueError, r"c has shape \(1, 3\)", (2, 2, 12), (2, 3), (1, 3), (12, 3)),
        _bad("bias", ValueError, r"bias has shape \(3,\)", (2, 2, 12), (2, 3), (2, 3), (12, 3), (3,)),
    ],
)
_LSTM_GRAD = _spec(
    "lstm_grad",
    _check_lstm_grad,
    _lstm_grad_arrays,
    [
        _bad("gy", ValueError, r"gy has shape", (2, 2, 4), (2, 3), (2, 2, 12), (3, 2, 3), (12, 3)),
        _bad("cells", ValueError, r"cells has shape", (2, 2, 3), (2, 3), (2, 2, 12), (2, 2, 3), (12, 3)),
    ],
)
_GRU = _spec(
    "gru",
    _check_gru,
    _gru_arrays,
    [
        _bad("weight", ValueError, r"w has shape \(12, 3\)", (2, 2, 9), (2, 3), (12, 3)),
        _bad("hidden", ValueError, r"h has shape \(3, 3\)", (2, 2, 9), (3, 3), (9, 3)),
    ],
)
_GRU_GRAD = _spec(
    "gru_grad",
    _check_gru_grad,
    _gru_grad_arrays,
    [
        _bad("states", ValueError, r"states has shape", (2, 2, 3), (2, 2, 9), (2, 2, 3), (2, 2, 3), (9, 3)),
        _bad("projected", ValueError, r"projected has shape", (2, 2, 3), (2, 2, 9), (2, 3, 3), (3, 2, 3), (9, 3)),
    ],
)


def lstm(
    gates: Array,
    h: Array,
    c: Array,
    w: Array,
    bias: Array | None = None,
    *,
    reverse: bool = False,
    out: Any = None,
) -> tuple[Array, Array, Array]:
    """(states, cells, active) of a long short-term memory: after each step, from gates = gates + h @ w.T + bias,

        i, f, g, o = sigmoid, sigmoid, tanh, sigmoid of the four parts;  c = f * c + i * g;  h = o * tanh(c)

    gates    (T, N, 4 H), float32 or float64: the part that does not depend on h.
    h, c     (N, H), the states before the first step; w (4 H, H), bias (4 H,).
    reverse  from the last step to the first.

    The results are h and c before and after all steps, (T + 1, N, H), and i, f, g, o, (T, N, 4 H). Raises TypeError for dtypes
    and devices, ValueError for shapes that do not fit.
    """
    results: tuple[Array, Array, Array] = _LSTM(gates, h, c, w, bias, reverse=reverse, out=out)
    return results


def lstm_grad(
    gy: Array, gc: Array, active: Array, cells: Array, w: Array, *, reverse: bool = False, out: Any = None
) -> tuple[Array, Array, Array]:
    """The gradients of gates, h and c, given those of the hidden state after each step, gy (T, N, H), and of the last cell
    state, gc (N, H). The others are those of `lstm` and its results. Errors as `lstm`.
    """
    results: tuple[Array, Array, Array] = _LSTM_GRAD(gy, gc, active, cells, w, reverse=reverse, out=out)
    return results


def gru(
    gates: Array, h: Array, w: Array, bias: Array | None = None, *, reverse: bool = False, out: Any = None
) -> tuple[Array, Array, Array]:
    """(states, active, projected) of gated recurrent units: after each step, with the three parts of gates and h @ w.T + bias,

        r, z = sigmoid of the sums of the first two;  n = tanh(gates' + r * projected);  h = n + z * (h - n)

    gates (T, N, 3 H), h (N, H), w (3 H, H), bias (3 H,), float32 or float64. The results are h before and after all steps,
    (T + 1, N, H), r, z, n, (T, N, 3 H), and the last part of h @ w.T + bias, (T, N, H). Otherwise as `lstm`.
    """
    results: tuple[Array, Array, Array] = _GRU(gates, h, w, bias, reverse=reverse, out=out)
    return results


def gru_grad(
    gy: Array, active: Array, projected: Array, states: Array, w: Array, *, reverse: bool = False, out: Any = None
) -> tuple[Array, Array, Array]:
    """The gradients of gates, of h @ w.T + bias at all steps, both (T, N, 3 H), and of h, given that of the hidden state after
    each step, gy (T, N, H). The others are those of `gru` and its results. Errors as `lstm`.
    """
    results: tuple[Array, Array, Array] = _GRU_GRAD(gy, active, projected, states, w, reverse=reverse, out=out)
    return results
