"""Optimizer updates over flat arrays: one call updates a whole model.

On the CPU, what would be a denormal number in a buffer or a mean is zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..arguments import check_float, check_ndim, check_shape
from ..spec import Array, BadSample, Cost, KernelSpec, Outputs, Sample, device_kind

_WORDS = {"state": 3, "skip": 2}  # parameters that are arrays of so many int64


def _flat(params: Mapping[str, Any], **arrays: Any) -> list[tuple[tuple[int, ...], Any]]:
    """Checks that all arrays are flat and alike; the outputs are every array but `grad`."""
    if "skip" in params and "state" not in params:
        raise TypeError("skip is for updates with a state")
    dtype = check_float(**arrays)
    shape = tuple(arrays["param"].shape)
    check_ndim(1, "(elements,)", param=arrays["param"])
    for name, array in arrays.items():
        check_shape(name, array, shape)
    for name, count in _WORDS.items():
        if name not in params:
            continue
        array = params[name]
        if device_kind(arrays["param"]) != "cuda" or device_kind(array) != "cuda":
            raise TypeError(f"{name} is for updates on CUDA, and must be there")
        if array.dtype != np.int64:
            raise TypeError(f"{name} has dtype {array.dtype}, expected int64")
        check_shape(name, array, (count,))
    return [(shape, dtype)] * (len(arrays) - 1)


def _check_sgd(param: Array, grad: Array, momentum_buffer: Array, **params: Any) -> Outputs:
    return _flat(params, param=param, grad=grad, momentum_buffer=momentum_buffer)


def _check_adam(param: Array, grad: Array, exp_avg: Array, exp_avg_sq: Array, **params: Any) -> Outputs:
    if params["step"] < 1:
        raise ValueError(f"step is {params['step']}, expected at least 1")
    return _flat(params, param=param, grad=grad, exp_avg=exp_avg, exp_avg_sq=exp_avg_sq)


def _check_rmsprop(param: Array, grad: Array, square_avg: Array, momentum_buffer: Array, **params: Any) -> Outputs:
    return _flat(params, param=param, grad=grad, square_avg=square_avg, momentum_buffer=momentum_buffer)


def _samples(states: int, *cases: dict[str, Any]) -> list[Sample]:
    """Every case over a few lengths; all states but the last one's signs are free, squares are positive."""

    def maker(size: int, params: dict[str, Any]) -> Any:
        def make(rng: np.random.Generator, dtype: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
            arrays = [rng.standard_normal(size) for _ in range(2)]
            arrays += [np.abs(rng.standard_normal(size)) + 0.1 for _ in range(states)]
            return tuple(a.astype(dtype) for a in arrays), params

        return make

    result = [Sample(f"case{i}", maker(37, case), False) for i, case in enumerate(cases)]
    result += [
        Sample(f"size{size}", maker(size, cases[0]), bench) for size, bench in ((0, False), (1, False), (93322, True))
    ]
    return result


def _bad(states: int, params: dict[str, Any]) -> list[BadSample]:
    def make(*shapes: tuple[int, ...], dtype: Any = "float32") -> Any:
        return lambda rng: (tuple(np.ones(shape, dtype) for shape in shapes), params)

    same = ((4,),) * states
    return [
        BadSample("length", make((4,), (5,), *same), ValueError, "grad has shape .5,., expected .4,."),
        BadSample("rank", make((4, 1), (4, 1), *((4, 1),) * states), ValueError, "param has shape"),
        BadSample("integer", make((4,), (4,), *same, dtype="int64"), TypeError, "param has dtype int64"),
    ]


def _spec(name: str, check: Any, states: int, flops: int, *cases: dict[str, Any]) -> KernelSpec:
    def cost(param: Array, *arrays: Any, **params: Any) -> Cost:
        return Cost(flops=flops * param.size, bytes=(2 * states + 3) * param.size * param.dtype.itemsize)

    return KernelSpec(
        name=name,
        repeats=False,  # its numbers change with every call
        check=check,
        reference=f"tinynet_kernels.optimizer.reference:{name}",
        cpu={"default": f"tinynet_kernels.optimizer.cpu:{name}"},
        cuda={"default": f"tinynet_kernels.optimizer.cuda:{name}"},
        samples=_samples(states, *cases),
        bad_samples=_bad(states, cases[0]),
        cost=cost,
    )


_SGD_CASE = {
    "lr": 0.1,
    "momentum": 0.9,
    "dampening": 0.0,
    "weight_decay": 0.0,
    "nesterov": False,
    "first_step": False,
    "maximize": False,
}
_ADAM_CASE = {
    "lr": 1e-3,
    "beta1": 0.9,
    "beta2": 0.999,
    "eps": 1e-8,
    "weight_decay": 0.0,
    "decoupled": False,
    "step": 3,
    "maximize": False,
}
_RMSPROP_CASE = {"lr": 0.01, "alpha": 0.99, "eps": 1e-8, "weight_decay": 0.0, "momentum": 0.0, "maximize": False}

_SGD = _spec(
    "sgd",
    _check_sgd,
    1,
    4,
    _SGD_CASE,
    _SGD_CASE | {"first_step": True, "dampening": 0.5},
    _SGD_CASE | {"nesterov": True, "weight_decay": 0.1},
    _SGD_CASE | {"momentum": 0.0, "maximize": True},
    _SGD_CASE | {"dampening": 0.3},
)
_ADAM = _spec(
    "adam",
    _check_adam,
    2,
    12,
    _ADAM_CASE,
    _ADAM_CASE | {"step": 1, "weight_decay": 0.1},
    _ADAM_CASE | {"step": 10000, "weight_decay": 0.1, "decoupled": True, "lr": 0.05},
    _ADAM_CASE | {"maximize": True, "beta1": 0.5, "eps": 1e-3},
)
_RMSPROP = _spec(
    "rmsprop",
    _check_rmsprop,
    2,
    9,
    _RMSPROP_CASE,
    _RMSPROP_CASE | {"momentum": 0.9, "weight_decay": 0.1},
    _RMSPROP_CASE | {"maximize": True, "alpha": 0.5, "eps": 0.1},
)


def _recorded(state: Array | None, skip: Array | None) -> dict[str, Any]:
    return {name: words for name, words in (("state", state), ("skip", skip)) if words is not None}


def sgd(
    param: Array,
    grad: Array,
    momentum_buffer: Array,
    *,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    first_step: bool,
    maximize: bool = False,
    state: Array | None = None,
    skip: Array | None = None,
    out: tuple[Array, Array] | None = None,
) -> tuple[Array, Array]:
    """One step of stochastic gradient descent as `torch.optim.SGD` documents it; returns (param, momentum_buffer).

    All arrays are flat, of one dtype (float32 or float64) and length. Passing the inputs as `out` updates in place.
    On the first step the momentum buffer is set to the gradient; without momentum it is left alone.

    `state`, on CUDA only, takes the place of lr, of the step's number and of the momentum (for adam: beta1), which may then
    differ each time a recorded launch is replayed: three int64 in the memory of the device, where lr and momentum are the
    bits of a float64. With it, `skip` makes the update conditional: two int64 there, of which the second is how many updates
    were skipped so far, and is subtracted from the step's number; if the first is not 0, this one is skipped: it changes
    nothing but that count.
    """
    param, momentum_buffer = _SGD(
        param,
        grad,
        momentum_buffer,
        lr=lr,
        momentum=momentum,
        dampening=dampening,
        weight_decay=weight_decay,
        nesterov=nesterov,
        first_step=first_step,
        maximize=maximize,
        out=out,
        **_recorded(state, skip),
    )
    return param, momentum_buffer


def adam(
    param: Array,
    grad: Array,
    exp_avg: Array,
    exp_avg_sq: Array,
    *,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
    step: int,
    maximize: bool = False,
    state: Array | None = None,
    skip: Array | None = None,
    out: tuple[Array, Array, Array] | None = None,
) -> tuple[Array, Array, Array]:
    """One step of Adam (Kingma and Ba 2015), or of AdamW (Loshchilov and Hutter 2019) if `decoupled`.

    Returns (param, exp_avg, exp_avg_sq). All arrays are flat, of one dtype (float32 or float64) and length. Passing the
    inputs as `out` updates in place. `step` counts from 1 and sets the bias correction. `state` and `skip` as in `sgd`.
    """
    param, exp_avg, exp_avg_sq = _ADAM(
        param,
        grad,
        exp_avg,
        exp_avg_sq,
        lr=lr,
        beta1=beta1,
        beta2=beta2,
        eps=eps,
        weight_decay=weight_decay,
        decoupled=decoupled,
        step=step,
        maximize=maximize,
        out=out,
        **_recorded(state, skip),
    )
    return param, exp_avg, exp_avg_sq


def rmsprop(
    param: Array,
    grad: Array,
    square_avg: Array,
    momentum_buffer: Array,
    *,
    lr: float,
    alpha: float,
    eps: float,
    weight_decay: float,
    momentum: float,
    maximize: bool = False,
    state: Array | None = None,
    skip: Array | None = None,
    out: tuple[Array, Array, Array] | None = None,
) -> tuple[Array, Array, Array]:
    """One step of RMSprop (Tieleman and Hinton 2012) as `torch.optim.RMSprop` documents it.

    Returns (param, square_avg, momentum_buffer). All arrays are flat, of one dtype (float32 or float64) and length.
    Passing the inputs as `out` updates in place. Without momentum the momentum buffer is left alone. `state` and `skip` as
    in `sgd`.
    """
    param, square_avg, momentum_buffer = _RMSPROP(
        param,
        grad,
        square_avg,
        momentum_buffer,
        lr=lr,
        alpha=alpha,
        eps=eps,
        weight_decay=weight_decay,
        momentum=momentum,
        maximize=maximize,
        out=out,
        **_recorded(state, skip),
    )
    return param, square_avg, momentum_buffer
