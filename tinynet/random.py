"""Random numbers: the same ones on every device, from a seed and a count of what has been drawn.

A generator's whole state is (seed, offset). Every draw is a pure function of the two and moves the offset on, so saving
two numbers resumes the sequence exactly. The numbers are Philox's (see `tinynet_kernels.random`).

In a captured step the two are in the memory of the device (see `tinynet.cuda.graph`), so that each replay draws the numbers
that come next. Operations see no difference if they pass `Generator.draw(count)` on to the kernel.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

import tinynet_kernels as kernels
from tinynet_kernels.random import blocks

from . import capture, dtypes, ops
from .device import device as Device
from .tensor import Tensor, tensor


class Generator:
    """A sequence of random numbers. `Generator().manual_seed(7)` is where it starts over."""

    def __init__(self, device: Any = "cpu") -> None:
        self.device = Device(device)
        self.key, self.offset = 0, 0

    def manual_seed(self, seed: int) -> Generator:
        """Starts the sequence that belongs to `seed`, any integer (taken modulo 2**64)."""
        if not isinstance(seed, (int, np.integer)):
            raise TypeError(f"seed is {seed!r}, expected an int")
        self.key, self.offset = int(seed) % (1 << 64), 0
        return self

    def seed(self) -> int:
        """Starts a sequence that cannot be repeated: from a seed of the operating system's, which is returned."""
        self.manual_seed(int.from_bytes(os.urandom(8), "little"))
        return self.key

    def initial_seed(self) -> int:
        return self.key

    def get_state(self) -> Tensor:
        """The state as a tensor of two uint64 bit patterns in int64."""
        return Tensor._make(np.array([self.key, self.offset], np.uint64).view(np.int64))

    def set_state(self, state: Tensor) -> None:
        """Takes up a state that `get_state` gave."""
        array = np.asarray(state)
        if array.shape != (2,) or array.dtype != np.int64:
            raise ValueError(f"state has shape {array.shape} and dtype {array.dtype}, expected (2,) and int64")
        self.key, self.offset = (int(v) for v in array.view(np.uint64))

    def draw(self, count: int) -> dict[str, Any]:
        """Reserves `count` numbers: what `tinynet_kernels.philox_uniform` and its like take to draw them."""
        recording = capture.current()
        if recording is not None:
            return recording.draw(self, blocks(count))
        offset = self.offset
        self.offset += blocks(count)
        return {"seed": self.key, "offset": offset}

    def numpy(self) -> np.random.Generator:
        """A NumPy generator for what needs one, such as permutations; each call gives a different one."""
        capture.refuse("the CPU draws random numbers", "draw them before, or with rand() and randn() on the device")
        offset = self.offset
        self.offset += 1
        return np.random.Generator(np.random.Philox(key=[self.key, 1], counter=[offset, 0, 0, 0]))


default_generator = Generator()


class _Thread(threading.local):
    generator: Generator | None = None


_thread = _Thread()


@contextmanager
def drawing_from(generator: Generator) -> Iterator[None]:
    """What this thread draws without naming a generator comes from this one."""
    before, _thread.generator = _thread.generator, generator
    try:
        yield
    finally:
        _thread.generator = before


def chosen(generator: Generator | None) -> Generator:
    """The generator itself, or the one to draw from if it is None."""
    return generator or _thread.generator or default_generator


def manual_seed(seed: int) -> Generator:
    """Makes everything random from here on repeatable: initialisation, dropout, shuffling."""
    return default_generator.manual_seed(seed)


def seed() -> int:
    """Makes everything random from here on unrepeatable: a seed from the operating system, which is returned."""
    return default_generator.seed()


def initial_seed() -> int:
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    return default_generator.get_state()


def set_rng_state(state: Tensor) -> None:
    default_generator.set_state(state)


def _draw(kind: str, shape: tuple[int, ...], dtype: Any, device: Any, generator: Generator | None) -> Tensor:
    """Uniform or normal numbers; half precision is drawn in single."""
    wanted = dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)
    if wanted.kind != "f":
        raise TypeError(f"dtype is {wanted}, expected a floating-point dtype")
    drawn = dtypes.float32 if wanted == dtypes.float16 else wanted
    out = ops.empty(shape, dtype=drawn, device=device)
    position = chosen(generator).draw(out.numel())
    (kernels.philox_uniform if kind == "uniform" else kernels.philox_normal)(out._array, **position)
    return out.to(dtype=wanted)


def rand(
    *shape: Any,
    size: Any = None,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Uniform numbers in [0, 1)."""
    return _draw("uniform", ops.sizes(shape, size), dtype, device, generator).requires_grad_(requires_grad)


def randn(
    *shape: Any,
    size: Any = None,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Standard normal numbers."""
    return _draw("normal", ops.sizes(shape, size), dtype, device, generator).requires_grad_(requires_grad)


def rand_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    return rand(input.shape, dtype=dtype or input.dtype, device=device or input.device, requires_grad=requires_grad)


def randn_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    return randn(input.shape, dtype=dtype or input.dtype, device=device or input.device, requires_grad=requires_grad)


def randint(
    low: int,
    high: Any = None,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
) -> Tensor:
    """Integers from low to high - 1; `randint(high, size)` starts at 0. ValueError for an empty range."""
    if size is None:
        low, high, size = 0, low, high
    if not low < high:
        raise ValueError(f"low is {low} and high {high}, expected low < high")
    values = chosen(generator).numpy().integers(low, high, ops.sizes((size,)))
    return tensor(values, dtype=dtype or dtypes.int64, device=device)


def randint_like(input: Tensor, low: int, high: Any = None, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Integers from low to high - 1, or from 0 to low - 1, in the shape of `input`, and its dtype unless told otherwise."""
    low, high = (0, low) if high is None else (low, high)
    return randint(low, high, input.shape, dtype=dtype or input.dtype, device=device or input.device)


def poisson(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Poisson counts with the rates in `input`, in its dtype. ValueError for negative rates."""
    rates = np.asarray(input.detach().cpu(), np.float64)
    if (rates < 0).any():
        raise ValueError("input has negative elements, expected rates")
    return tensor(chosen(generator).numpy().poisson(rates), dtype=input.dtype, device=input.device)


def randperm(n: int, *, generator: Generator | None = None, dtype: Any = None, device: Any = None) -> Tensor:
    """0 to n - 1 in random order."""
    if n < 0:
        raise ValueError(f"n is {n}, expected at least 0")
    order = chosen(generator).numpy().permutation(n)
    return tensor(order, dtype=dtype or dtypes.int64, device=device)


def bernoulli(input: Tensor, *, generator: Generator | None = None) -> Tensor:
    """Ones with the probabilities in `input`, zeros otherwise."""
    drawn = rand(input.shape, dtype=input.dtype, device=input.device, generator=generator)
    return ops.cast(drawn < input.detach(), input.dtype)


def normal(
    mean: Any,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Normal numbers with this mean and standard deviation: tensors, or numbers with a size.

    dtype, device  for numbers; tensors have their own.
    """
    like = mean if isinstance(mean, Tensor) else std if isinstance(std, Tensor) else None
    shape = ops.sizes((size,)) if like is None else np.broadcast_shapes(*(getattr(v, "shape", ()) for v in (mean, std)))
    place = {"dtype": dtype, "device": device} if like is None else {"dtype": like.dtype, "device": like.device}
    drawn = randn(shape, generator=generator, **place)
    result = ops.add(ops.mul(drawn, std), mean)
    return result.requires_grad_() if requires_grad else result


def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, *, generator: Generator | None = None
) -> Tensor:
    """Indices drawn with the weights in the rows of `input`: (..., num_samples) int64."""
    weights = np.asarray(input.detach().cpu()).astype(np.float64)
    rows = weights.reshape(-1, weights.shape[-1])
    if (rows < 0).any() or not np.isfinite(rows).all() or (rows.sum(axis=1) <= 0).any():
        raise ValueError("input has a row that is not weights: they must be finite, at least 0 and not all 0")
    if not replacement and (np.count_nonzero(rows, axis=1) < num_samples).any():
        raise ValueError(
            f"num_samples is {num_samples}, more than a row has positive weights; or pass replacement=True"
        )
    source = chosen(generator).numpy()
    drawn = [source.choice(len(row), num_samples, replace=replacement, p=row / row.sum()) for row in rows]
    return tensor(np.asarray(drawn, np.int64).reshape(*weights.shape[:-1], num_samples), device=input.device)


def uniform(shape: tuple[int, ...], a: float, b: float, dtype: Any, device: Any, generator: Generator | None) -> Tensor:
    """Uniform numbers in [a, b)."""
    return rand(shape, dtype=dtype, device=device, generator=generator) * (b - a) + a


def normal_like(like: Tensor, mean: float, std: float, generator: Generator | None) -> Tensor:
    return randn(like.shape, dtype=like.dtype, device=like.device, generator=generator) * std + mean
