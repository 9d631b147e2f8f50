"""Runs kernels in Numba's simulator and prints what they move through global memory, and the least that they must, as JSON.

Memory moves sectors of 32 bytes. Counted are those that each access of a warp touches, anew at every access: no cache is
assumed. An access is the n-th time that threads of a warp come by one place in the kernel.
"""

from __future__ import annotations

import json
import sys
import threading
from collections import Counter, defaultdict
from typing import Any, ClassVar

import numpy as np

import tinynet_kernels
from tinynet_kernels.runtime import primitives, simulator

SECTOR = 32


class Counting(simulator.Pointer):
    """Elements that note which sectors are touched."""

    touched: ClassVar[defaultdict[Any, set[int]]] = defaultdict(set)  # by access
    visits: ClassVar[Counter[Any]] = Counter()  # of a thread to a place
    made: ClassVar[list[Counting]] = []  # all of them, so that no two share an id

    def __init__(self, array: Any) -> None:
        super().__init__(array)
        self.made.append(self)

    def note(self, i: int, count: int = 1) -> None:
        self.check(i, count)
        thread: Any = threading.current_thread()
        frame: Any = sys._getframe(1)
        while frame.f_code.co_filename in (simulator.__file__, primitives.__file__, __file__):
            frame = frame.f_back
        place = id(self), tuple(thread.blockIdx), thread.thread_id // 32, frame.f_code, frame.f_lasti
        visit = *place, thread.thread_id
        size = self.elements.itemsize
        self.touched[(*place, self.visits[visit])].update(
            range(int(i) * size // SECTOR, -(-(int(i) + count) * size // SECTOR))
        )
        self.visits[visit] += 1

    def __getitem__(self, i: int) -> Any:
        self.note(i)
        return super().__getitem__(i)

    def __setitem__(self, i: int, value: Any) -> None:
        self.note(i)
        super().__setitem__(i, value)


def load4(p: Any, i: int) -> Any:
    if isinstance(p, Counting):
        p.note(i, 4)
    return tuple(getattr(p, "elements", p)[i : i + 4])


def store4(p: Any, i: int, values: Any) -> None:
    if isinstance(p, Counting):
        p.note(i, 4)
    getattr(p, "elements", p)[i : i + 4] = values


simulator.Pointer = Counting  # type: ignore[misc]
primitives.load4 = primitives.load4_constant = load4  # before the kernels import them
primitives.store4 = store4

_rng = np.random.default_rng(0)
_STEP = {"step": 3, "weight_decay": 0.0, "eps": 1e-8, "lr": 1e-3}


def _normal(*shape: int) -> Any:
    return _rng.standard_normal(shape).astype("float32")


def cases() -> dict[str, tuple[str, tuple[Any, ...], dict[str, Any]]]:
    """Name -> (kernel, arguments, parameters)."""
    found: dict[str, tuple[str, tuple[Any, ...], dict[str, Any]]] = {}
    for name, shape, window in (
        ("even", (2, 4, 16, 16), {"kernel_size": 2}),
        ("odd", (2, 3, 13, 12), {"kernel_size": 3, "stride": 2, "padding": 1}),
    ):
        x = _normal(*shape)
        y, indices = tinynet_kernels.max_pool2d(x, **window)  # type: ignore[arg-type]
        found[f"max_pool2d {name}"] = "max_pool2d", (x,), window
        found[f"max_pool2d_grad {name}"] = "max_pool2d_grad", (y, indices, shape), window
    for rows, classes in ((128, 10), (64, 128), (9, 1000), (9, 1025)):
        logits, labels = _normal(rows, classes), _rng.integers(0, classes, rows)
        _, lse = tinynet_kernels.softmax_cross_entropy(logits, labels)
        found[f"softmax_cross_entropy {rows}x{classes}"] = "softmax_cross_entropy", (logits, labels), {}
        gradient = logits, labels, lse, np.ones(rows, "f")
        found[f"softmax_cross_entropy_grad {rows}x{classes}"] = "softmax_cross_entropy_grad", gradient, {}
    for classes in (10, 128):
        logits, labels = _normal(64, classes), _rng.integers(0, classes, 64)
        found[f"mean_cross_entropy 64x{classes}"] = "mean_cross_entropy", (logits, labels), {}
    found["counted_mean"] = "counted_mean", (_normal(2048), _rng.integers(0, 5, 2048)), {}
    flat = [_normal(2000) for _ in range(2)] + [np.abs(_normal(2000)) for _ in range(2)]
    adam = {**_STEP, "beta1": 0.9, "beta2": 0.999, "decoupled": False}
    sgd = {"lr": 0.1, "momentum": 0.9, "dampening": 0.0, "weight_decay": 0.0, "nesterov": False, "first_step": False}
    rmsprop = {"lr": 0.1, "alpha": 0.9, "eps": 1e-8, "weight_decay": 0.0, "momentum": 0.9}
    found |= {"adam": ("adam", tuple(flat), adam), "sgd": ("sgd", tuple(flat[:3]), sgd)}
    found["rmsprop"] = "rmsprop", tuple(flat), rmsprop
    counter = {"seed": 1, "offset": 0}
    found["dropout"] = "dropout", (_normal(2001),), {"p": 0.4, **counter}
    found["philox_uniform"] = "philox_uniform", (_normal(2001),), counter
    found["philox_normal"] = "philox_normal", (_normal(2001),), counter
    for name, shape in (("", (20, 3, 8, 8)), (" of odd planes", (9, 5, 7, 9)), (" of rows", (64, 64))):
        x, gy, channels = _normal(*shape), _normal(*shape), [np.abs(_normal(shape[1])) for _ in range(4)]
        found[f"channel_sum{name}"] = "channel_sum", (x,), {}
        found[f"relu_grad{name}"] = "relu_grad", (gy, x), {}
        found[f"batch_norm_stats{name}"] = "batch_norm_stats", (x,), {}
        found[f"batch_norm{name}"] = "batch_norm", (x, *channels), {"eps": 1e-5}
        found[f"batch_norm_grad{name}"] = "batch_norm_grad", (gy, x, *channels), {"eps": 1e-5}
    return found


def count(kernel: str, args: tuple[Any, ...], params: dict[str, Any]) -> tuple[int, int]:
    """Bytes moved, and bytes of the inputs and outputs."""
    Counting.touched.clear()
    Counting.visits.clear()
    Counting.made.clear()
    moved = [a.view(simulator.SimArray) if isinstance(a, np.ndarray) else a for a in args]
    outputs = getattr(tinynet_kernels, kernel)(*moved, **params)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    inputs = () if kernel.startswith("philox") else args  # that one is for its shape
    arrays = [a for a in (*inputs, *outputs) if isinstance(a, np.ndarray)]
    return SECTOR * sum(map(len, Counting.touched.values())), sum(-(-a.nbytes // SECTOR) * SECTOR for a in arrays)


if __name__ == "__main__":
    print(json.dumps({name: count(*case) for name, case in cases().items()}))
