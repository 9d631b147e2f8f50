"""What the compilers make of each kernel: registers, shared memory, spills and the main loop's mix. No GPU is needed.

    pip install 'tinynet-gpu[cuda13,sass]'
    python bench/sass.py [--arch 80 90] [--kernel matmul] [--readme kernels/README.md]

Numba compiles a kernel to PTX, ptxas assembles it for the architecture and nvdisasm takes that apart again. The main loop
is the loop with the most multiply-adds. Occupancy is what registers and shared memory allow on a multiprocessor. Where a
kernel has a twin in CUDA C++ (`twins/`), nvcc compiles it and the same ptxas assembles it, in the row above. Products on
tensor cores are measured by instructions per HMMA, of which any program for the same tile has as many.
"""

from __future__ import annotations

import argparse
import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

TWINS = Path(__file__).parent / "twins"
FLOAT32, FLOAT64 = np.dtype("float32"), np.dtype("float64")
# Threads, KiB of shared memory and bytes of it that each block costs besides its own: CUDA C++ Programming Guide, table
# "Technical Specifications per Compute Capability". All have 65,536 registers.
MULTIPROCESSORS = {75: (1024, 64, 0), 80: (2048, 164, 1024), 90: (2048, 228, 1024)}


@dataclass(frozen=True)
class Form:
    """A kernel as it is launched, with its compile-time choices made; or its twin, compiled from a file in `twins/`."""

    name: str
    make: Callable[[], Any]
    dtype: Any = FLOAT32
    source: str | None = None
    needs_tensor_cores: bool = False

    @functools.cached_property
    def kernel(self) -> Any:
        return self.make()


@dataclass(frozen=True)
class Report:
    """Of one kernel on one architecture. `loop` and `opcodes` list the main loop's and all of its opcodes; `shared` are
    bytes of shared memory, `min_blocks` the blocks that the kernel declares to share a multiprocessor.
    """

    arch: int
    threads: int
    min_blocks: int
    registers: int
    shared: int
    spills: int
    opcodes: list[str]
    loop: list[str]

    def count(self, kind: str) -> int:
        """How many instructions of a kind, such as "FFMA", the main loop has."""
        return sum(op.split(".")[0] == kind for op in self.loop)

    def share(self, kind: str) -> float:
        """The part of the main loop's instructions that are of this kind."""
        return self.count(kind) / max(len(self.loop), 1)

    def widths(self, kind: str) -> str:
        """The main loop's accesses of a kind, such as "LDS", by their width in bits: "64 x 128, 8 x 32"."""
        found = [parts for op in self.loop if (parts := op.split("."))[0] == kind]
        bits = Counter(128 if op[0] == "LDSM" and op[-1] == "4" else _width(op) for op in found)
        return ", ".join(f"{count} x {width}" for width, count in sorted(bits.items(), reverse=True)) or "-"

    @property
    def occupancy(self) -> int:
        """How many blocks share a multiprocessor: as many as fit into its registers, its threads and its shared memory."""
        per_warp = -(-self.registers * 32 // 256) * 256
        threads, shared, reserved = MULTIPROCESSORS[max(arch for arch in MULTIPROCESSORS if arch <= self.arch)]
        by_registers = 65536 // (per_warp * -(-self.threads // 32))
        return min(by_registers, threads // self.threads, (shared << 10) // max(self.shared + reserved, 1))


def _width(parts: list[str]) -> int:
    return next((int(part) for part in parts if part in ("64", "128")), 32)


def missing() -> str | None:
    """Why kernels cannot be taken apart on this machine; None if they can."""
    for tool in ("ptxas", "nvdisasm"):
        if _tool(tool) is None:
            return f"{tool} was not found: pip install 'tinynet-gpu[cuda13,sass]'"
    try:
        import numba_cuda  # noqa: F401
    except ImportError:
        return "numba-cuda is not installed: pip install 'tinynet-gpu[cuda13,sass]'"
    return None


def forms() -> Iterator[Form]:
    """Every kernel in the forms that training uses."""
    from tinynet_kernels.batch_norm import cuda as batch_norm
    from tinynet_kernels.channel_sum import cuda as channel_sum
    from tinynet_kernels.conv2d import direct, naive, tiled
    from tinynet_kernels.counted_mean import cuda as counted_mean
    from tinynet_kernels.counted_mean import fused
    from tinynet_kernels.matmul import naive as matmul_naive
    from tinynet_kernels.matmul import tensor_cores
    from tinynet_kernels.matmul import tiled as matmul
    from tinynet_kernels.max_pool2d import bands
    from tinynet_kernels.max_pool2d import cuda as max_pool2d
    from tinynet_kernels.max_pool2d import naive as pool_naive
    from tinynet_kernels.optimizer import cuda as optimizer
    from tinynet_kernels.random import cuda as random
    from tinynet_kernels.runtime import tiles
    from tinynet_kernels.runtime.packing import BFLOAT16, FLOAT16, TF32
    from tinynet_kernels.softmax_cross_entropy import cuda as loss

    for tile in (tiles.HUGE, tiles.LARGE, tiles.FLAT, tiles.MEDIUM, tiles.SMALL):
        make = functools.partial(matmul.product, FLOAT32, tile, True, False, True)
        if tile == tiles.LARGE:
            yield Form(f"nvcc, matmul {tile}", make, source="matmul.cu")
        yield Form(f"matmul {tile}", make)
    for tile in (tiles.HUGE, tiles.LARGE, tiles.FLAT, tiles.MEDIUM, tiles.SMALL):
        yield Form(f"conv2d {tile}", functools.partial(tiled.gathered_product, FLOAT32, tile, False, True))
        yield Form(f"conv2d {tile} padded", functools.partial(tiled.gathered_product, FLOAT32, tile, True, True))
    for tile in (tiles.HUGE, tiles.FLAT_SHALLOW, tiles.MEDIUM, tiles.SMALL):
        yield Form(f"conv2d weight gradient {tile}", functools.partial(tiled.weight_grad, FLOAT32, tile, False))
        yield Form(f"conv2d weight gradient {tile} padded", functools.partial(tiled.weight_grad, FLOAT32, tile, True))
    yield Form("conv2d of 9 products", lambda: direct.few_products(FLOAT32, 9, False))
    yield Form("matmul 128x128 transposed", lambda: matmul.product(FLOAT32, tiles.LARGE, False, True, True))
    yield Form("matmul 256x128 unaligned", lambda: matmul.product(FLOAT32, tiles.HUGE, True, False, False))
    for tile in (tiles.MEDIUM_FLOAT64, tiles.SMALL_FLOAT64):
        make = functools.partial(matmul.product, FLOAT64, tile, True, False, True)
        yield Form(f"matmul {tile} float64", make, FLOAT64)
        make = functools.partial(tiled.gathered_product, FLOAT64, tile, True, True)
        yield Form(f"conv2d {tile} float64 padded", make, FLOAT64)
        make = functools.partial(tiled.weight_grad, FLOAT64, tile, True)
        yield Form(f"conv2d weight gradient {tile} float64 padded", make, FLOAT64)
    AS_IT_LIES, IMAGE, PIXELS = tensor_cores.AS_IT_LIES, tensor_cores.IMAGE, tensor_cores.PIXELS
    for kind, name in ((FLOAT16, "float16"), (BFLOAT16, "bfloat16"), (TF32, "TF32")):
        dtype, half = np.dtype("uint32" if kind == TF32 else "uint16"), kind == FLOAT16
        for block in (tensor_cores.LARGE, tensor_cores.SMALL):
            for operation, layout in (
                ("matmul", (True, kind == TF32, AS_IT_LIES, half)),
                ("conv2d", (True, True, IMAGE, half)),
                ("conv2d weight gradient", (False, False, PIXELS)),
            ):
                make = functools.partial(tensor_cores.product, kind, block, *layout)
                full = f"{operation} {block} {name}"
                if full == "matmul 128x128 float16":
                    yield Form(f"nvcc, {full}", make, dtype, "float16_matmul.cu", needs_tensor_cores=True)
                yield Form(full, make, dtype, needs_tensor_cores=True)
    make = functools.partial(tensor_cores.product, FLOAT16, tensor_cores.LARGE, False, True, AS_IT_LIES, True)
    yield Form("matmul 128x128 float16 transposed", make, np.dtype("uint16"), needs_tensor_cores=True)
    yield Form("matmul naive", lambda: matmul_naive.matmul)
    yield Form("conv2d naive", lambda: naive.forward)
    yield Form("conv2d input gradient naive", lambda: naive.input_grad)
    yield Form("conv2d weight gradient naive", lambda: naive.weight_grad)
    yield Form("max_pool2d", lambda: bands.pool(FLOAT32, True))
    yield Form("max_pool2d gradient", lambda: bands.pool_grad(FLOAT32, True))
    yield Form("max_pool2d gradient, ReLU and sums", lambda: bands.pool_grad(FLOAT32, True, True, True))
    yield Form("max_pool2d naive", lambda: pool_naive.pool)
    yield Form("max_pool2d gradient naive", lambda: pool_naive.pool_grad)
    yield Form("max_pool2d gather", lambda: max_pool2d._gather)
    yield Form("softmax_cross_entropy thread", lambda: loss.tiny_rows(FLOAT32, True))
    yield Form("softmax_cross_entropy warp", lambda: loss.long_rows(FLOAT32, 32, True))
    yield Form("softmax_cross_entropy block", lambda: loss.long_rows(FLOAT32, 256, True))
    yield Form("softmax_cross_entropy gradient", lambda: loss.gradient(FLOAT32, True))
    yield Form("softmax_cross_entropy naive", lambda: loss.naive.forward)
    yield Form("softmax_cross_entropy gradient naive", lambda: loss.naive.grad)
    yield Form("channel_sum", lambda: channel_sum._kernel(FLOAT32, 1, False))
    yield Form("counted_mean", lambda: counted_mean._kernel(FLOAT32))
    yield Form("mean_cross_entropy", lambda: fused._kernel(FLOAT32, fused.WARP))
    yield Form("relu_grad", lambda: channel_sum._kernel(FLOAT32, 1, True))
    yield Form("batch_norm_stats", lambda: batch_norm._statistics(FLOAT32, 1))
    yield Form("batch_norm", lambda: batch_norm._normalisation(FLOAT32, 1, True))
    yield Form("batch_norm gradient, sums", lambda: batch_norm._sums(FLOAT32, 1, True))
    yield Form("batch_norm gradient", lambda: batch_norm._gradient(FLOAT32, 1, True))
    yield Form("sgd", lambda: optimizer._sgd)
    yield Form("adam", lambda: optimizer._adam)
    yield Form("rmsprop", lambda: optimizer._rmsprop)
    yield Form("philox", lambda: random._kernel(FLOAT32, True))


def examine(form: Form, arch: int) -> Report:
    """Compiles and disassembles one form for sm_`arch`."""
    ptx = _ptx(form, min(arch, 90)) if form.source is None else _ptx_of_twin(form.source, min(arch, 90))
    with tempfile.TemporaryDirectory() as folder:
        source, cubin = Path(folder, "k.ptx"), Path(folder, "k.cubin")
        source.write_text(ptx)
        log = _run("ptxas", "-v", f"-arch=sm_{arch}", str(source), "-o", str(cubin))
        listing = _run("nvdisasm", "-c", str(cubin))
    opcodes, loop = _instructions(listing)
    return Report(
        arch=arch,
        threads=form.kernel.threads,
        min_blocks=form.kernel.min_blocks or 1,
        registers=_number(r"Used (\d+) registers", log),
        shared=_number(r"(\d+) bytes smem", log) + form.kernel.shared,
        spills=_number(r"(\d+) bytes spill stores", log) + _number(r"(\d+) bytes spill loads", log),
        opcodes=opcodes,
        loop=loop,
    )


def examine_all(names: Sequence[str] | None, arch: Sequence[int]) -> dict[tuple[str, int], Report]:
    """The reports of forms (None: of all), by name and architecture, in as many processes as there are processors.

    Without those that cannot be had: tensor cores before sm_80, twins without nvcc and its host compiler. They compile for
    devices even where this process runs kernels in Numba's simulator.
    """
    with ProcessPoolExecutor(min(os.cpu_count() or 1, 8), get_context("spawn"), _leave_simulator) as pool:
        wanted = list(names or pool.submit(_names).result())
        found = zip(wanted, pool.map(_examine_named, wanted, repeat(list(arch))))
        return {(name, report.arch): report for name, reports in found for report in reports}


def _leave_simulator() -> None:
    os.environ["NUMBA_ENABLE_CUDASIM"] = "0"


def _names() -> list[str]:
    return [form.name for form in forms()]


def _examine_named(name: str, arch: list[int]) -> list[Report]:
    form = next(form for form in forms() if form.name == name)
    if form.source is not None and (_tool("nvcc") and _tool("g++")) is None:
        return []
    return [examine(form, a) for a in arch if a >= 80 or not form.needs_tensor_cores]


@functools.cache
def _ptx(form: Form, arch: int) -> str:
    from tinynet_kernels.runtime.cuda import cuda

    kernel = form.kernel
    ptx, _ = cuda.compile(
        kernel.function,
        kernel.signature(form.dtype),
        device=False,
        abi="numba",
        cc=divmod(arch, 10),
        launch_bounds=kernel.launch_bounds,
    )
    return str(ptx)


def _ptx_of_twin(source: str, arch: int) -> str:
    with tempfile.TemporaryDirectory() as folder:
        ptx = Path(folder, "twin.ptx")
        _run("nvcc", "-O3", "-ptx", f"-arch=compute_{arch}", str(TWINS / source), "-o", str(ptx))
        return ptx.read_text()


def _instructions(listing: str) -> tuple[list[str], list[str]]:
    """All opcodes, and those between the target and the branch of the backward jump with the most multiply-adds."""
    opcodes: list[str] = []
    labels: dict[str, int] = {}
    jumps: list[tuple[str, int]] = []
    for line in listing.splitlines():
        label = re.match(r"\s*(\.L_\w+):", line)
        if label:
            labels[label[1]] = len(opcodes)
        found = re.match(r"\s*/\*[0-9a-f]+\*/\s+(?:@!?U?P\w+\s+)?([A-Z][\w.]*)(.*)", line)
        if found:
            opcodes.append(found[1])
            target = re.search(r"\((\.L_\w+)\)", found[2])
            if found[1].startswith("BRA") and target:
                jumps.append((target[1], len(opcodes)))
    loops = [opcodes[labels[to] : at] for to, at in jumps if labels.get(to, at) < at]
    work = [sum(op.startswith(("FFMA", "DFMA", "HMMA", "FADD")) for op in body) for body in loops]
    most = max(range(len(loops)), key=lambda i: work[i] / (len(loops[i]) + 16), default=None)
    return opcodes, loops[most] if most is not None and work[most] else []


def _number(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    return int(found[1]) if found else 0


def _tool(name: str) -> str | None:
    import importlib.util

    spec = importlib.util.find_spec("nvidia")
    for root in (spec.submodule_search_locations or []) if spec else []:
        for path in Path(root).glob(f"*/bin/{name}"):
            return str(path)
    return shutil.which(name)


def _run(tool: str, *args: str) -> str:
    path = _tool(tool)
    assert path is not None, missing()
    done = subprocess.run([path, *args], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{tool} failed: {done.stderr}")
    return done.stdout + done.stderr


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/sass.py", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--arch", type=int, nargs="+", default=[80, 90], help="architectures, such as 80 for sm_80")
    parser.add_argument("--readme", type=Path, help="also put the table between the sass markers of this file")
    parser.add_argument("--kernel", default="", help="only kernels whose name contains this")
    options = parser.parse_args()
    problem = missing()
    if problem:
        print(problem, file=sys.stderr)
        return 1
    chosen = [form for form in forms() if options.kernel in form.name]
    if not chosen:
        parser.error(f"no kernel's name contains {options.kernel!r}")
    reports = examine_all([form.name for form in chosen], options.arch)
    rows = [HEADER, "|---" * HEADER.count(" | ") + "|---|"]
    rows += [_row(form.name, found) for form in chosen if (found := [reports[k] for k in reports if k[0] == form.name])]
    print("\n".join(rows))
    if options.readme:
        write_between(options.readme, "sass", "\n".join(rows))
    return 0


HEADER = "| kernel | registers | shared | spills | blocks/SM | loop | FFMA, HMMA | per HMMA | LDS, LDSM | STS | LDG, LDGSTS |"


def _row(name: str, reports: list[Report]) -> str:
    """A row of the table: what differs between the architectures as "80's / 90's"."""
    cells = zip(*map(_cells, reports))
    return f"| {name} | {' | '.join(found[0] if len(set(found)) == 1 else ' / '.join(found) for found in cells)} |"


def _cells(report: Report) -> list[str]:
    mix = ", ".join(f"{report.share(kind):.1%}" for kind in ("FFMA", "DFMA", "HMMA") if report.count(kind)) or "-"
    per_product = f"{len(report.loop) / report.count('HMMA'):.2f}" if report.count("HMMA") else "-"
    read, fetched = (
        "; ".join(widths for kind in kinds if (widths := report.widths(kind)) != "-") or "-"
        for kinds in (("LDS", "LDSM"), ("LDG", "LDGSTS"))
    )
    numbers = report.registers, report.shared, report.spills, report.occupancy, len(report.loop) or "-"
    return [*map(str, numbers), mix, per_product, read, report.widths("STS"), fetched]


def write_between(path: Path, name: str, text: str) -> None:
    """Puts text between the lines <!-- name: begin --> and <!-- name: end --> of a file that has them."""
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    before, rest = path.read_text(encoding="utf-8").split(begin)
    path.write_text(before + begin + text + "\n" + end + rest.split(end)[1], encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
