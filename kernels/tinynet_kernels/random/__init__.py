"""Counter-based random numbers: the same ones on every device, from a seed and an offset, with no state.

Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011) turns the counter
(offset + i, 0) under the key `seed` into the words 4 i to 4 i + 3. `blocks` says how many counters a call consumes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import check_float, check_shape
from ..spec import Array, BadSample, Cost, KernelSpec, Outputs, Sample, device_kind


def _check(out: Array, *, seed: int, offset: int, state: Array | None = None) -> Outputs:
    dtype = check_float(out=out)
    if not 0 <= seed < 1 << 64:
        raise ValueError(f"seed is {seed}, expected a number from 0 to 2**64 - 1")
    if not 0 <= offset < 1 << 63:
        raise ValueError(f"offset is {offset}, expected a number from 0 to 2**63 - 1")
    if state is not None:
        if state.dtype != np.int64:
            raise TypeError(f"state has dtype {state.dtype}, expected int64")
        check_shape("state", state, (2,))
        if device_kind(state) != device_kind(out):
            raise TypeError(f"state is on {device_kind(state)}, expected {device_kind(out)}")
    return [(tuple(out.shape), dtype)]


def _check_dropout(x: Array, *, p: float, **params: Any) -> Outputs:
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"p is {p}, expected a probability between 0 and 1")
    return _check(x, **params)


def _samples(first: dict[str, Any], *cases: dict[str, Any]) -> list[Sample]:
    def make(shape: tuple[int, ...], params: dict[str, Any]) -> Any:
        return lambda rng, dtype: ((rng.standard_normal(shape).astype(dtype),), params)

    shapes: list[tuple[int, ...]] = [(1,), (2,), (3,), (4,), (5,), (7, 9), (0,), (2, 0, 3), ()]
    result = [Sample(f"shape{'x'.join(map(str, shape))}", make(shape, first)) for shape in shapes]
    result += [Sample(f"case{i}", make((6, 11), case)) for i, case in enumerate(cases)]
    return [*result, Sample("large", make((300, 1001), first), bench=True)]


def _bad(**params: Any) -> list[BadSample]:
    def make(dtype: Any, **change: Any) -> Any:
        return lambda rng: ((np.ones(4, dtype),), params | change)

    return [
        BadSample("seed", make("float32", seed=-1), ValueError, "seed is -1"),
        BadSample("offset", make("float32", offset=-1), ValueError, "offset is -1"),
        BadSample("integer", make("int64"), TypeError, "dtype int64"),
    ]


def _spec(name: str, check: Any, arrays: int, samples: list[Sample], bad: list[BadSample], **kwargs: Any) -> KernelSpec:
    return KernelSpec(
        name=name,
        repeats=False,  # its numbers change with every call
        check=check,
        reference=f"tinynet_kernels.random.reference:{name}",
        cpu={"default": f"tinynet_kernels.random.cpu:{name}"},
        cuda={"default": f"tinynet_kernels.random.cuda:{name}"},
        samples=samples,
        bad_samples=bad,
        cost=lambda x, **params: Cost(flops=x.size, bytes=arrays * x.size * x.dtype.itemsize),
        **kwargs,
    )


_LARGE = {"seed": 2**64 - 3, "offset": 2**32 - 5}  # the counter's low word overflows on the way
_UNIFORM = _spec(
    "philox_uniform",
    _check,
    1,
    _samples({"seed": 1, "offset": 0}, {"seed": 0, "offset": 7}, _LARGE),
    _bad(seed=0, offset=0),
    tolerance={"float32": (0.0, 2.0**-24), "float64": (0.0, 0.0)},
)
_NORMAL = _spec(
    "philox_normal",
    _check,
    1,
    _samples({"seed": 1, "offset": 0}, {"seed": 0, "offset": 7}, _LARGE),
    _bad(seed=0, offset=0),
)
_DROPOUT = _spec(
    "dropout",
    _check_dropout,
    2,
    _samples(
        {"p": 0.4, "seed": 1, "offset": 0},
        {"p": 0.0, "seed": 1, "offset": 0},
        {"p": 1.0, "seed": 1, "offset": 0},
        {"p": 0.5, **_LARGE},
    ),
    [
        *_bad(p=0.5, seed=0, offset=0),
        BadSample(
            "p", lambda rng: ((np.ones(4, "float32"),), {"p": 1.5, "seed": 0, "offset": 0}), ValueError, "p is 1.5"
        ),
    ],
)


def blocks(size: int) -> int:
    """How many counters a call for `size` random numbers consumes: one for four numbers."""
    return -(-size // 4)


def philox_uniform(out: Array, *, seed: int, offset: int, state: Array | None = None) -> Array:
    """Fills `out` (any shape, float32 or float64) with numbers uniform in [0, 1) and returns it.

    Number i is made of word i: float32 of its upper 24 bits, float64 of all 32. Consumes `blocks(out.size)` counters
    from `offset`. `state`, two int64 on the device of `out`, is added to seed and offset (modulo 2**64) when the numbers
    are drawn: a recorded launch gives other numbers each time if the two are changed in between. Raises TypeError for
    other dtypes and devices, ValueError for a seed or offset out of range.
    """
    return _UNIFORM(out, seed=seed, offset=offset, state=state, out=out)


def philox_normal(out: Array, *, seed: int, offset: int, state: Array | None = None) -> Array:
    """Fills `out` (any shape, float32 or float64) with standard normal numbers and returns it.

    Box and Muller (1958): words 2 i and 2 i + 1 give numbers 2 i and 2 i + 1, with 24 bits each. Consumes
    `blocks(out.size)` counters from `offset`. Errors as `philox_uniform`.
    """
    return _NORMAL(out, seed=seed, offset=offset, state=state, out=out)


def dropout(x: Array, *, p: float, seed: int, offset: int, state: Array | None = None, out: Any = None) -> Array:
    """x with each element set to 0 with probability p, and divided by 1 - p otherwise.

    The mask depends on seed, offset and the element's index alone, so the gradient is this function applied to gy. The
    probability is rounded to a multiple of 2**-24. Consumes `blocks(x.size)` counters. Raises ValueError for p outside
    [0, 1]; otherwise as `philox_uniform`.
    """
    return _DROPOUT(x, p=p, seed=seed, offset=offset, state=state, out=out)
