"""How often the main loops on tensor cores pass over the banks of shared memory, counted from the kernels' own arithmetic.

A kernel is run as Python, one thread after the other, with functions in the place of its primitives that note the addresses:
these depend on shapes alone. The float32 tiles are counted in `tests/kernels/test_tiles.py`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.conftest import NO_CUDA
from tinynet.device import simulated

pytestmark = pytest.mark.skipif(
    NO_CUDA is not None or simulated(), reason=NO_CUDA or "the simulator has no tensor cores"
)
FLOAT16, BFLOAT16, TF32 = range(3)
# that are served at a time
LANES = {"load_matrices": 8, "load_matrices_transposed": 8, "copy_async_if": 8, "load_word": 32}
LAYOUTS = [  # of a, of b, whether b is gathered, as in IMAGE and PIXELS
    pytest.param((True, False, 0), id="matmul"),
    pytest.param((False, True, 0), id="matmul-transposed"),
    pytest.param((True, True, 0), id="matmul-along-k"),
    pytest.param((True, True, 1), id="conv2d"),
    pytest.param((False, False, 2), id="conv2d_weight_grad"),
]


class EndOfTurn(Exception):
    """A thread has come once around its main loop."""


def addresses(kernel: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, list[int]]]:
    """For each thread of a block: the elements of shared memory that a turn of the main loop touches, by primitive."""
    from tinynet_kernels.matmul import tensor_cores

    found: dict[str, list[int]] = {}
    turns = 0

    def noting(name: str) -> Callable[..., Any]:
        def note(array: Any, index: Any, *rest: Any) -> Any:
            if turns == 1:
                found[name].append(int(index))
            return 0 if name == "load_word" else (0,) * 4

        return note

    def wait(groups: int) -> None:
        nonlocal turns
        turns += 1
        if turns == 2:
            raise EndOfTurn

    replaced = {name: noting(name) for name in LANES}
    replaced |= {f"mma_{kind}": lambda sums, *parts: sums for kind in ("float16", "bfloat16", "tf32")}
    replaced |= {"commit_copies": lambda: None, "wait_copies": wait}
    replaced |= {"load_if": lambda array, index, inside: np.int32(array[index]) if inside else np.int32(0)}
    thread = SimpleNamespace(x=0)
    replaced["cuda"] = SimpleNamespace(
        threadIdx=thread,
        blockIdx=SimpleNamespace(x=0, y=0),
        syncthreads=lambda: None,
        shared=SimpleNamespace(array=lambda *shape, **options: None),
        local=SimpleNamespace(array=np.zeros),
    )
    for name, function in replaced.items():
        monkeypatch.setattr(tensor_cores, name, function)
    edge, depth = 128, 1024
    tables = np.zeros(depth, np.int32), np.full(depth, -1, np.int32), None, np.zeros(depth, np.int32)
    numbers = edge, edge, depth, depth, depth, 0, 0, 0, 1, 1, depth, 0, edge, 0, 0, 0, 0, 0, 0
    for thread.x in range(kernel.threads):
        found, turns = defaultdict(list), 0
        with pytest.raises(EndOfTurn):
            kernel.function(None, None, None, None, *tables, *numbers)
        yield found


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("block", ["LARGE", "SMALL"])
@pytest.mark.parametrize("kind", [FLOAT16, BFLOAT16, TF32], ids=["float16", "bfloat16", "TF32"])
def test_main_loop(kind: int, block: str, layout: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """At most 1.1 times the wavefronts of 128 bytes that a loop without conflicts would take."""
    from tinynet_kernels.matmul import tensor_cores

    bytes_of = 4 if kind == TF32 else 2
    kernel = tensor_cores.product(kind, getattr(tensor_cores, block), *layout)
    threads = list(addresses(kernel, monkeypatch))
    taken = least = 0
    for name, lanes in LANES.items():
        words = 32 // lanes  # of an access
        for first in range(0, kernel.threads, lanes):
            for access in zip(*(threads[t][name] for t in range(first, first + lanes)), strict=True):
                touched = {at * bytes_of // 4 + word for at in access for word in range(words)}
                taken += max(Counter(word % 32 for word in touched).values())
                least += 1
    assert 0 < taken <= 1.1 * least
