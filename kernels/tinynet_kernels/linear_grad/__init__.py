"""The gradients of a dense layer, activation(x @ w.T + bias), all at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import check_activation, check_float, check_ndim, check_shape
from ..spec import Array, BadSample, Cost, KernelSpec, Outputs, Sample


def _check(
    gy: Array, x: Array, w: Array, y: Array, *, activation: str | None = None, input_grad: bool = True
) -> Outputs:
    dtype = check_float(gy=gy, x=x, w=w, y=y)
    check_ndim(2, "(N, in)", x=x)
    check_ndim(2, "(out, in)", w=w)
    if x.shape[1] != w.shape[1]:
        raise ValueError(f"x has shape {tuple(x.shape)}, expected rows of {w.shape[1]} for w of shape {tuple(w.shape)}")
    for name, array in (("gy", gy), ("y", y)):
        check_shape(name, array, (x.shape[0], w.shape[0]))
    check_activation(activation)
    outputs = [(tuple(w.shape), dtype), ((w.shape[0],), dtype)]
    return [*outputs, (tuple(x.shape), dtype)] if input_grad else outputs


def _cost(gy: Array, x: Array, w: Array, y: Array, *, input_grad: bool = True, **params: Any) -> Cost:
    numbers = 2 * gy.size + (1 + input_grad) * (x.size + w.size) + w.shape[0]
    return Cost(flops=2 * (1 + input_grad) * gy.size * x.shape[1], bytes=numbers * gy.dtype.itemsize)


def _sample(name: str, rows: int, inputs: int, outputs: int, bench: bool = False, **params: Any) -> Sample:
    def make(rng: np.random.Generator, dtype: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        shapes = (rows, outputs), (rows, inputs), (outputs, inputs), (rows, outputs)
        gy, x, w, y = (rng.standard_normal(shape).astype(dtype) for shape in shapes)
        return (gy, x, w, np.maximum(y, 0)), params

    return Sample(name, make, bench)


def _bad(name: str, error: type[Exception], match: str, *shapes: tuple[int, ...], **params: Any) -> BadSample:
    return BadSample(name, lambda rng: (tuple(np.ones(shape) for shape in shapes), params), error, match)


_SPEC = KernelSpec(
    name="linear_grad",
    check=_check,
    reference="tinynet_kernels.linear_grad.reference:linear_grad",
    cpu={"default": "tinynet_kernels.linear_grad.cpu:linear_grad"},
    cuda={"composed": "tinynet_kernels.linear_grad.composed:linear_grad"},
    samples=[
        _sample("plain", 5, 16, 3),
        _sample("relu", 7, 32, 9, activation="relu"),
        _sample("odd", 6, 7, 5, activation="relu"),
        _sample("no_input_grad", 4, 16, 5, activation="relu", input_grad=False),
        _sample("one", 1, 1, 1),
        _sample("empty_batch", 0, 16, 3),
        _sample("dense", 133, 208, 70, True, activation="relu"),
        _sample("wide", 70, 1024, 150, True, activation="relu"),
        _sample("many_rows", 700, 64, 33, True),
    ],
    bad_samples=[
        _bad("inner", ValueError, "expected rows of 6", (3, 4), (3, 5), (4, 6), (3, 4)),
        _bad("gy", ValueError, "gy has shape", (2, 4), (3, 5), (4, 5), (3, 4)),
        _bad("y", ValueError, "y has shape", (3, 4), (3, 5), (4, 5), (3, 5)),
        _bad("rank", ValueError, "expected 2 dimensions", (3, 4), (3, 5, 1), (4, 5), (3, 4)),
        _bad("activation", ValueError, "activation is 'tanh'", (3, 4), (3, 5), (4, 5), (3, 4), activation="tanh"),
    ],
    cost=_cost,
)


def linear_grad(
    gy: Array,
    x: Array,
    w: Array,
    y: Array,
    *,
    activation: str | None = None,
    input_grad: bool = True,
    out: Any = None,
) -> tuple[Array, ...]:
    """The gradients (gw, gb, gx) of y = activation(x @ w.T + bias), given gy: of the weight, the bias and x.

    gy, y       (N, out), float32 or float64; y is read where the activation is "relu": nothing flows where it is not above 0.
    x, w        (N, in) and (out, in), the dtype of gy.
    activation  None or "relu".
    input_grad  without it, the result is (gw, gb).
    out         arrays to write, (out, in), (out,) and (N, in); None for any of them.

    Sums are taken as those of `matmul` and `channel_sum`. Raises TypeError for dtypes and devices, ValueError for shapes that
    do not fit.
    """
    results: tuple[Array, ...] = _SPEC(gy, x, w, y, activation=activation, input_grad=input_grad, out=out)
    return results
