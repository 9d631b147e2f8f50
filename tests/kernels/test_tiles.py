"""The tiles of products: each computes the right thing, the model's choice among them, the timed choice, and what they cost
the memories. Counts are taken in Numba's simulator, where every access of every thread can be seen.
"""

from __future__ import annotations

import json
import threading
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinynet_kernels
from tests.conftest import NO_CUDA
from tinynet.device import simulated
from tinynet_kernels import spec
from tinynet_kernels.runtime import tiles, tuning
from tinynet_kernels.runtime.tuning import Plan, Product, Tuner

needs_cuda = pytest.mark.skipif(NO_CUDA is not None and not simulated(), reason=NO_CUDA or "")
needs_simulator = pytest.mark.skipif(not simulated(), reason="counts accesses in Numba's simulator")
ALL = (tiles.HUGE, tiles.LARGE, tiles.FLAT, tiles.MEDIUM, tiles.SMALL)
GATHERING = (tiles.HUGE, tiles.FLAT_SHALLOW, tiles.MEDIUM, tiles.SMALL)


def on_device(array: Any) -> Any:
    from tinynet_kernels.runtime.cuda import module

    return module().asarray(array)


def host(array: Any) -> Any:
    return np.asarray(array.get() if hasattr(array, "get") else array)


@pytest.fixture
def forced(monkeypatch: pytest.MonkeyPatch) -> Callable[[tiles.Tile, int], None]:
    """Makes every product use a tile, with its sums cut into so many parts."""

    def force(tile: tiles.Tile, splits: int) -> None:
        def plan(kernel: str, product: Product, run: Any) -> Plan:
            length = -(-product.k // splits // tile.depth) * tile.depth
            return Plan(tile, splits, length)

        monkeypatch.setattr(tuning, "plan", plan)
        monkeypatch.setattr(spec, "_known", {})

    return force


@needs_cuda
@pytest.mark.parametrize("layout", ["plain", "transpose_a", "transpose_b", "both"])
@pytest.mark.parametrize("tile", ALL, ids=str)
def test_matmul(tile: tiles.Tile, layout: str, forced: Any) -> None:
    """Sizes that no tile divides; and in one layout, multiples of four, which take the wide kernel."""
    if tile == tiles.LARGE and layout != "plain":
        pytest.skip("this tile has wide kernels only")
    forced(tile, 2 if tile == tiles.SMALL else 1)
    rng = np.random.default_rng(0)
    m, n, k = (tile.rows + 4, 36, 44) if layout == "plain" else (33, tile.columns + 3, 37)
    a, b, bias = (rng.standard_normal(s).astype("float32") for s in ((m, k), (k, n), (n,)))
    transpose_a, transpose_b = layout in ("transpose_a", "both"), layout in ("transpose_b", "both")
    given = (np.ascontiguousarray(a.T) if transpose_a else a, np.ascontiguousarray(b.T) if transpose_b else b, bias)
    params = {"transpose_a": transpose_a, "transpose_b": transpose_b, "activation": "relu"}
    y = tinynet_kernels.matmul(*map(on_device, given), **params)
    wanted = np.maximum(a.astype("float64") @ b + bias, 0)
    np.testing.assert_allclose(host(y), wanted, rtol=1e-4, atol=1e-4)


@needs_cuda
@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("tile", list(dict.fromkeys((*ALL, *GATHERING))), ids=lambda t: f"{t}x{t.depth}")
def test_conv2d(tile: tiles.Tile, padding: int, forced: Any) -> None:
    forced(tile, 2)
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((3, 4, 7, 6)).astype("float32"), rng.standard_normal((9, 4, 3, 3)).astype("float32")
    y = tinynet_kernels.conv2d(x, w, padding=padding)
    gy = rng.standard_normal(y.shape).astype("float32")
    calls: list[tuple[Any, tuple[Any, ...]]] = []
    if tile in ALL:
        calls += [(tinynet_kernels.conv2d, (x, w)), (tinynet_kernels.conv2d_input_grad, (gy, w, x.shape))]
    if tile in GATHERING:
        calls += [(tinynet_kernels.conv2d_weight_grad, (x, gy, w.shape))]
    for function, args in calls:
        moved = [on_device(a) if isinstance(a, np.ndarray) else a for a in args]
        got, wanted = function(*moved, padding=padding), function(*args, padding=padding)
        np.testing.assert_allclose(host(got), wanted, rtol=1e-4, atol=1e-4)


def product(m: int, n: int, k: int, itemsize: int = 4, **options: Any) -> Product:
    return Product(m, n, k, 1, itemsize, ALL, **options)


def test_model() -> None:
    """Large results take large tiles, small ones small tiles, and long sums of few results are cut."""
    large = tuning.best(product(8192, 8192, 8192), 108)[0]
    assert large.splits == 1
    assert large.tile.rows * large.tile.columns >= 64 * 128
    small = tuning.best(product(32, 32, 64), 108)[0]
    assert small.tile == tiles.SMALL
    long = tuning.best(product(64, 64, 65536), 108)[0]
    assert long.splits >= 16
    assert tuning.best(product(64, 64, 65536, splittable=False), 108)[0].splits == 1
    for m, n, k in ((64, 576, 1152), (1, 1, 1), (1000, 3, 17)):
        for plan in product(m, n, k).plans():
            assert (plan.splits - 1) * plan.length < k <= plan.splits * plan.length
            assert plan.length % plan.tile.depth == 0 or plan.splits == 1


def test_parts_are_counted_in_32_bits() -> None:
    """All parts of a product together have less than 2**31 elements: more would be written beyond their end."""
    for m, n, k in ((8192, 4096, 200_000), (32768, 40_000, 4096), (46340, 46340, 32)):
        assert all(plan.splits * m * n < 2**31 for plan in product(m, n, k).plans())
    assert max(plan.splits for plan in product(8192, 4096, 200_000).plans()) == 32


def test_more_multiprocessors_never_take_longer() -> None:
    shapes = product(512, 512, 512), product(64, 15488, 288)
    for shape in shapes:
        times = [tuning.cycles(shape, tuning.best(shape, count)[0], count) for count in (16, 64, 108, 132)]
        assert times == sorted(times, reverse=True)


def test_tuner(tmp_path: Path) -> None:
    """The fastest plan is found, kept, and not timed again; a damaged file is as good as none."""
    clock, ran = 0.0, []
    plans = product(512, 512, 512).plans()
    seconds = {plan: 1.0 + 0.1 * i for i, plan in enumerate(plans)} | {plans[2]: 0.5}

    def run(plan: Plan) -> Callable[[], None]:
        def launch() -> None:
            nonlocal clock
            ran.append(plan)
            clock += seconds[plan]

        return launch

    def timer(call: Callable[[], None]) -> float:
        begin = clock
        call()
        return clock - begin

    path = tmp_path / "cache" / "autotune.json"
    assert Tuner(path, timer).choose("key", plans, run) == plans[2]
    assert ran == plans
    assert json.loads(path.read_text()) == {"key": str(plans[2])}
    ran.clear()
    assert Tuner(path, timer).choose("key", plans, run) == plans[2]
    assert Tuner(path, timer).choose("key", plans[:2], run) == plans[0]  # what was kept is no longer offered
    assert ran == plans[:2]
    for damage in ("{", "[1]", "\0"):
        path.write_text(damage)
        assert Tuner(path, timer).choose("key", plans, run) == plans[2]
    # two processes: neither takes from the file what the other found
    one, other = Tuner(path, timer), Tuner(path, timer)
    one.choose("one", plans, run), other.choose("other", plans, run)
    assert json.loads(path.read_text()) == dict.fromkeys(("key", "one", "other"), str(plans[2]))


class Recorder:
    """Shared-memory accesses of each thread, in the thread's order."""

    def __init__(self) -> None:
        self.found: dict[tuple[str, int], list[int]] = defaultdict(list)

    def wrap(self, kind: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def access(p: Any, i: Any, *rest: Any) -> Any:
            if isinstance(p, np.ndarray):
                self.found[kind, threading.current_thread().thread_id].append(int(i))  # type: ignore[attr-defined]
            return function(p, i, *rest)

        return access

    def wavefronts(self, kind: str, elements: int, threads: int) -> tuple[int, int]:
        """Passes over the 32 banks that the accesses take, and would take without conflicts: 16 bytes by quarter warps."""
        lanes = 32 // elements
        taken = least = 0
        for first in range(0, threads, lanes):
            for access in zip(*(self.found[kind, t] for t in range(first, first + lanes)), strict=True):
                words = {word for i in access for word in range(i, i + elements)}
                taken += max(Counter(word % 32 for word in words).values())
                least += 1
        return taken, least


@pytest.fixture
def bank_conflicts(monkeypatch: pytest.MonkeyPatch, forced: Any) -> Callable[..., None]:
    """Checks that a product in one tile takes at most 1.1 times the wavefronts of one without conflicts.

    module  of the kernels; made  their makers; run  computes what fills the tile and no more.
    """

    def check(tile: tiles.Tile, module: Any, made: list[Any], run: Callable[[], Any]) -> None:
        recorder = Recorder()
        for name in ("load4", "store4", "store"):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, recorder.wrap(name, getattr(module, name)))
        forced(tile, 1)
        for maker in made:
            maker.cache_clear()
        run()
        for maker in made:
            maker.cache_clear()
        widths = (("load4", 4), ("store4", 4), ("store", 1))
        counts = [recorder.wavefronts(kind, width, tile.threads) for kind, width in widths]
        assert counts[0][0] == counts[0][1] > 0
        assert sum(taken for taken, _ in counts) <= 1.1 * sum(least for _, least in counts)

    return check


@needs_simulator
@pytest.mark.parametrize("tile", ALL, ids=str)
def test_bank_conflicts_of_matmul(tile: tiles.Tile, bank_conflicts: Any) -> None:
    from tinynet_kernels.matmul import tiled

    a, b = np.ones((tile.rows, 2 * tile.depth), "float32"), np.ones((2 * tile.depth, tile.columns), "float32")
    bank_conflicts(tile, tiled, [tiled.product], lambda: tinynet_kernels.matmul(on_device(a), on_device(b)))


@needs_simulator
@pytest.mark.parametrize("tile", [tiles.LARGE, tiles.FLAT, tiles.MEDIUM, tiles.SMALL], ids=str)
def test_bank_conflicts_of_conv2d(tile: tiles.Tile, bank_conflicts: Any) -> None:
    from tinynet_kernels.conv2d import tiled

    x, w = np.ones((1, 4, 6, tile.columns // 4 + 2), "float32"), np.ones((tile.rows, 4, 3, 3), "float32")
    made = [tiled.gathered_product]
    bank_conflicts(tile, tiled, made, lambda: tinynet_kernels.conv2d(on_device(x), on_device(w)))


@needs_simulator
@pytest.mark.parametrize("tile", GATHERING, ids=str)
def test_bank_conflicts_of_the_weight_gradient(tile: tiles.Tile, bank_conflicts: Any) -> None:
    from tinynet_kernels.conv2d import tiled

    x, gy = (np.ones((1, channels, 4, tile.depth // 2), "float32") for channels in (tile.columns, tile.rows))
    weights = (tile.rows, tile.columns, 1, 1)

    def run() -> None:
        tinynet_kernels.conv2d_weight_grad(on_device(x), on_device(gy), weights)

    bank_conflicts(tile, tiled, [tiled.weight_grad], run)
