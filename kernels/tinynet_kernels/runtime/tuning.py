"""Which tile a product is computed with, and into how many parts its sum is cut: by a model, or by measurement.

A product has m x n results, each a sum of k terms, for each of some batches (or groups). A plan cuts it into blocks; the
model says how many clock cycles the busiest multiprocessor needs for its share of them. What it counts:

    multiply-adds     128 per cycle.
    shared memory     one wavefront of 128 bytes per cycle; 16-byte reads take four per warp.
    global memory     32 bytes per cycle, from the level-2 cache.
    waiting           a slice takes LATENCY cycles however little it holds, and as many blocks as fit share the wait.
    FILL              cycles in which a block fetches its first slice and stores its result.
    ADDING            what it costs that the last block of a tile adds the parts, besides the bytes it moves.

Few results therefore get small tiles, and long sums of few results are cut into parts, until every multiprocessor has work.
The choice depends on shapes and device alone, so results do not change from run to run.

With the environment variable TINYNET_AUTOTUNE=1, on a device, the plans that the model likes best are timed instead at the
first call of each shape; the fastest is kept in a file (TINYNET_AUTOTUNE_CACHE, or tinynet/autotune.json in the user's cache
folder) and used from then on. Another plan may add in another order, and differ in the last bits.
"""

from __future__ import annotations

import functools
import json
import os
import statistics
import tempfile
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from . import tiles
from .tiles import Tile

LATENCY, FILL, ADDING = 700, 1500, 3000  # cycles
CANDIDATES_TIMED = 6
MOST_SWEEPS = 16  # of the cache before something is timed
MAX_SPLITS = 64
MOST_PARTS = (1 << 31) - 1  # elements of all parts: kernels count in 32 bits
COUNTERS = 1 << 14  # of tiles whose parts are counted at a time


class Plan(NamedTuple):
    """A tile, and the number of parts that each sum over k is cut into, of `length` terms (the last may be shorter)."""

    tile: Tile
    splits: int
    length: int

    def __str__(self) -> str:
        return f"{self.tile} in {self.splits}"


class Product(NamedTuple):
    """The shape of a product: see the module's docstring. `allowed` are the tiles that its kernel comes in.
    `splittable`: whether its sums may be cut into parts."""

    m: int
    n: int
    k: int
    batches: int
    itemsize: int
    allowed: tuple[Tile, ...]
    splittable: bool = True

    def plans(self) -> list[Plan]:
        found = []
        for tile in self.allowed:
            tiles_of_all = _ceil(self.m, tile.rows) * _ceil(self.n, tile.columns) * self.batches
            splits, most = 1, MAX_SPLITS if self.splittable and tiles_of_all <= COUNTERS else 1
            most = min(most, max(1, MOST_PARTS // max(1, self.m * self.n * self.batches)))
            while splits <= most and (splits == 1 or splits * 2 * tile.depth <= self.k):
                length = _ceil(_ceil(self.k, splits), tile.depth) * tile.depth
                if _ceil(self.k, length) == splits:
                    found.append(Plan(tile, splits, length))
                splits *= 2
        return found


def cycles(product: Product, plan: Plan, multiprocessors: int) -> float:
    """What the model expects the product to take."""
    tile, warps = plan.tile, plan.tile.threads // 32
    blocks = _ceil(product.m, tile.rows) * _ceil(product.n, tile.columns) * product.batches * plan.splits
    slices = _ceil(plan.length, tile.depth)
    most = _ceil(blocks, multiprocessors)  # blocks of the busiest multiprocessor
    wide = product.itemsize // 4
    multiply = tile.rows * tile.columns * tile.depth / 128 * (1 if wide == 1 else 2)
    share = warps * tile.depth * (tile.thread_rows + tile.thread_columns) * wide
    fetch = (tile.rows + tile.columns) * tile.depth * product.itemsize / 32
    rounds = _ceil(most, tile.min_blocks)
    total = max(most * slices * max(multiply, share, fetch), rounds * slices * LATENCY) + rounds * FILL
    if plan.splits > 1:
        moved = 2 * plan.splits * product.m * product.n * product.batches * product.itemsize
        total += ADDING + moved / (32 * multiprocessors)
    return total


def best(product: Product, multiprocessors: int) -> list[Plan]:
    """The plans, those the model likes best first."""
    return sorted(product.plans(), key=lambda plan: cycles(product, plan, multiprocessors))


class Tuner:
    """Finds the fastest plan by trying, and keeps what it found in a JSON file, which several processes may share.

    path   the file; one that cannot be read counts as empty.
    timer  `timer(run)` returns seconds that `run()` takes on the device.
    """

    def __init__(self, path: Path, timer: Callable[[Callable[[], None]], float]) -> None:
        self.path, self.timer = path, timer
        self.found = self._read()

    def choose(self, key: str, plans: Sequence[Plan], trial: Callable[[Plan], Callable[[], None]]) -> Plan:
        """The plan kept for `key`, or else the one whose `trial(plan)` takes the shortest, which is then kept."""
        named = {str(plan): plan for plan in plans}
        if self.found.get(key) not in named:
            seconds = {name: self.timer(trial(plan)) for name, plan in named.items()}
            self.found[key] = min(seconds, key=lambda name: seconds[name])
            self._save()
        return named[self.found[key]]

    def _read(self) -> dict[str, str]:
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _save(self) -> None:
        """Writes a file beside the old one and puts it in its place. What others have found since stays; of two that write
        at once the first may have to be found again.
        """
        self.found = {**self._read(), **self.found}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self.path.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(self.found, file, indent=1, sort_keys=True)
        os.replace(name, self.path)


def cold_time(run: Callable[[], None], repeats: int = 5) -> float:
    """The median of the seconds that `run()` takes on the current device, each time with nothing useful in the L2 cache."""
    run()  # compiles
    return statistics.median(device_time(run) for _ in range(repeats))


def device_time(run: Callable[[], None], calls: int = 1, warm: bool = False) -> float:
    """Seconds of the device alone for so many calls in a row, after something has swept the L2 cache; `warm`: and one more
    call, which is not counted.

    What sweeps the cache also keeps the device busy until the host has launched what is timed. If the host was late, because
    the device had come by then to where the time begins, it is all done again with more of that.
    """
    import cupy

    size = cupy.cuda.Device().attributes["L2CacheSize"]
    sweep = cupy.empty(max(4 * size, 1 << 27), "uint8")
    begin, end = cupy.cuda.Event(), cupy.cuda.Event()
    sweeps = 1
    while True:
        for _ in range(sweeps):
            sweep.fill(0)
        if warm:
            run()
        begin.record()
        for _ in range(calls):
            run()
        end.record()
        late = begin.done
        end.synchronize()
        if not late or sweeps >= MOST_SWEEPS:
            return float(cupy.cuda.get_elapsed_time(begin, end)) / 1e3
        sweeps *= 4


def plan(kernel: str, product: Product, trial: Callable[[Plan], Callable[[], None]]) -> Plan:
    """The plan for a product on the current device. Should plans have to be timed, `trial(plan)` gives what launches it."""
    if autotuning() and settled():
        name, count = _device()
        key = f"{kernel} {product.m}x{product.n}x{product.k}x{product.batches} in {8 * product.itemsize} bits"
        if len(product.allowed) < len(allowed(product.itemsize)):
            key += ", narrow"
        return _tuner().choose(f"{name}, {_versions()}: {key}", _best(product, count)[:CANDIDATES_TIMED], trial)
    return _best(product, multiprocessors())[0]


def multiprocessors() -> int:
    """How many the current device has."""
    return _device()[1]


def settled() -> bool:
    """Whether `plan` answers for good: not while it should time plans but cannot, because launches are recorded."""
    return not autotuning() or not _capturing()


@functools.cache
def autotuning() -> bool:
    return os.environ.get("TINYNET_AUTOTUNE") == "1" and not _simulated()


def allowed(itemsize: int, wide: bool = True) -> tuple[Tile, ...]:
    """The tiles for elements of so many bytes; `wide`: fetched four at a time. Others would not fit into the registers."""
    if _simulated():
        return (tiles.SMALL,)  # a thread of Python for each of its threads
    if itemsize == 8:
        return tiles.MEDIUM_FLOAT64, tiles.SMALL_FLOAT64
    if wide:
        return tiles.HUGE, tiles.LARGE, tiles.FLAT, tiles.MEDIUM, tiles.SMALL
    return tiles.HUGE, tiles.FLAT, tiles.MEDIUM, tiles.SMALL


def allowed_by_gathers(itemsize: int) -> tuple[Tile, ...]:
    """The tiles for products that gather one factor at a time from both sides."""
    if _simulated() or itemsize == 8:
        return allowed(itemsize)
    return tiles.HUGE, tiles.FLAT_SHALLOW, tiles.MEDIUM, tiles.SMALL


_best = functools.lru_cache(maxsize=4096)(best)


@functools.cache
def _tuner() -> Tuner:
    default = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "tinynet", "autotune.json")
    return Tuner(Path(os.environ.get("TINYNET_AUTOTUNE_CACHE", default)), cold_time)


@functools.cache
def _simulated() -> bool:
    return os.environ.get("NUMBA_ENABLE_CUDASIM") == "1"


def _device() -> tuple[str, int]:
    """The current device's name and its number of multiprocessors."""
    if _simulated():
        return "simulator", 1
    import cupy

    return _properties(cupy.cuda.runtime.getDevice())


@functools.cache
def _properties(device: int) -> tuple[str, int]:
    import cupy

    properties = cupy.cuda.runtime.getDeviceProperties(device)
    return properties["name"].decode(), properties["multiProcessorCount"]


@functools.cache
def _versions() -> str:
    """Of what makes the device's code."""
    import cupy

    return f"driver {cupy.cuda.runtime.driverGetVersion()}, numba-cuda {metadata.version('numba-cuda')}"


def _capturing() -> bool:
    import cupy

    return bool(cupy.cuda.get_current_stream().is_capturing())


def _ceil(a: int, b: int) -> int:
    return -(-a // b)
