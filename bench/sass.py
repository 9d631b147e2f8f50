"""What the compilers make of each kernel: registers, shared memory, spills and the main loop's mix. No GPU is needed.

    pip install 'tinynet-gpu[cuda13,sass]'
    python bench/sass.py [--arch 80 90] [--kernel matmul]

Numba compiles a kernel to PTX, ptxas assembles it for the architecture and nvdisasm takes that apart again. The main loop
is the loop with the most multiply-adds. Occupancy is what registers and shared memory allow on a multiprocessor.
"""

from __future__ import annotations

import argparse
import functools
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

FLOAT32, FLOAT64 = np.dtype("float32"), np.dtype("float64")


@dataclass(frozen=True)
class Form:
    """A kernel as it is launched: with its compile-time choices made."""

    name: str
    kernel: Any
    dtype: Any = FLOAT32


@dataclass(frozen=True)
class Report:
    """Of one kernel on one architecture. `loop` and `opcodes` list the main loop's and all of its opcodes."""

    registers: int
    shared: int
    spills: int
    opcodes: list[str]
    loop: list[str]

    def share(self, *prefixes: str) -> float:
        """The part of the main loop's instructions whose opcode starts with one of these."""
        return sum(op.startswith(prefixes) for op in self.loop) / max(len(self.loop), 1)

    def occupancy(self, threads: int) -> int:
        """Blocks per multiprocessor of 65,536 registers and 100 KiB of shared memory."""
        per_warp = -(-self.registers * 32 // 256) * 256
        by_registers = 65536 // (per_warp * -(-threads // 32))
        return min(by_registers, 2048 // threads, 100 * 1024 // (self.shared + 1024))


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
    from tinynet_kernels.matmul import naive as matmul_naive
    from tinynet_kernels.matmul import tiled as matmul
    from tinynet_kernels.max_pool2d import bands
    from tinynet_kernels.max_pool2d import cuda as max_pool2d
    from tinynet_kernels.max_pool2d import naive as pool_naive
    from tinynet_kernels.optimizer import cuda as optimizer
    from tinynet_kernels.random import cuda as random
    from tinynet_kernels.runtime import parts, tiles
    from tinynet_kernels.softmax_cross_entropy import cuda as loss

    for tile in (tiles.HUGE, tiles.LARGE, tiles.FLAT, tiles.MEDIUM, tiles.SMALL):
        yield Form(f"matmul {tile}", matmul.product(FLOAT32, tile, True, False, True))
    for tile in (tiles.HUGE, tiles.LARGE, tiles.FLAT, tiles.MEDIUM, tiles.SMALL):
        yield Form(f"conv2d {tile}", tiled.gathered_product(FLOAT32, tile, False, True))
        yield Form(f"conv2d {tile} padded", tiled.gathered_product(FLOAT32, tile, True, True))
    for tile in (tiles.HUGE, tiles.FLAT_SHALLOW, tiles.MEDIUM, tiles.SMALL):
        yield Form(f"conv2d weight gradient {tile}", tiled.weight_grad(FLOAT32, tile, False))
        yield Form(f"conv2d weight gradient {tile} padded", tiled.weight_grad(FLOAT32, tile, True))
    yield Form("conv2d of 9 products", direct.few_products(FLOAT32, 9, False))
    yield Form("matmul 128x128 transposed", matmul.product(FLOAT32, tiles.LARGE, False, True, True))
    yield Form("matmul 256x128 unaligned", matmul.product(FLOAT32, tiles.HUGE, True, False, False))
    yield Form("matmul 64x64 float64", matmul.product(FLOAT64, tiles.MEDIUM, True, False, True), FLOAT64)
    yield Form("conv2d 64x64 float64", tiled.gathered_product(FLOAT64, tiles.MEDIUM, True, True), FLOAT64)
    yield Form("matmul naive", matmul_naive.matmul)
    yield Form("conv2d naive", naive.forward)
    yield Form("conv2d input gradient naive", naive.input_grad)
    yield Form("conv2d weight gradient naive", naive.weight_grad)
    yield Form("sum of parts", parts._sum_of_parts)
    yield Form("max_pool2d", bands.pool(FLOAT32, True))
    yield Form("max_pool2d gradient", bands.pool_grad(FLOAT32, True))
    yield Form("max_pool2d naive", pool_naive.pool)
    yield Form("max_pool2d gradient naive", pool_naive.pool_grad)
    yield Form("max_pool2d gather", max_pool2d._gather)
    yield Form("softmax_cross_entropy thread", loss.tiny_rows(FLOAT32, True))
    yield Form("softmax_cross_entropy warp", loss.long_rows(FLOAT32, 32, True))
    yield Form("softmax_cross_entropy block", loss.long_rows(FLOAT32, 256, True))
    yield Form("softmax_cross_entropy gradient", loss.gradient(FLOAT32, True))
    yield Form("channel_sum", channel_sum._kernel(FLOAT32, 1, False))
    yield Form("counted_mean", counted_mean._kernel(FLOAT32))
    yield Form("relu_grad", channel_sum._kernel(FLOAT32, 1, True))
    yield Form("batch_norm_stats", batch_norm._kernel(FLOAT32))
    yield Form("sgd", optimizer._sgd)
    yield Form("adam", optimizer._adam)
    yield Form("rmsprop", optimizer._rmsprop)
    yield Form("philox", random._kernel(FLOAT32))


def examine(form: Form, arch: int) -> Report:
    """Compiles and disassembles one form for sm_`arch`."""
    ptx = _ptx(form, min(arch, 90))
    with tempfile.TemporaryDirectory() as folder:
        source, cubin = Path(folder, "k.ptx"), Path(folder, "k.cubin")
        source.write_text(ptx)
        log = _run("ptxas", "-v", f"-arch=sm_{arch}", str(source), "-o", str(cubin))
        listing = _run("nvdisasm", "-c", str(cubin))
    opcodes, loop = _instructions(listing)
    return Report(
        registers=_number(r"Used (\d+) registers", log),
        shared=_number(r"(\d+) bytes smem", log),
        spills=_number(r"(\d+) bytes spill stores", log) + _number(r"(\d+) bytes spill loads", log),
        opcodes=opcodes,
        loop=loop,
    )


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
    work = ("FFMA", "DFMA", "HMMA", "FADD")
    return opcodes, max(loops, key=lambda body: sum(op.startswith(work) for op in body) / (len(body) + 16), default=[])


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
    parser.add_argument("--kernel", default="", help="only kernels whose name contains this")
    options = parser.parse_args()
    problem = missing()
    if problem:
        print(problem, file=sys.stderr)
        return 1
    print("| kernel | sm | registers | shared | spills | blocks/SM | instructions | loop | FMA | wide LDS | wide LDG |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for form in forms():
        if options.kernel not in form.name:
            continue
        for arch in options.arch:
            r = examine(form, arch)
            lds, ldg = (
                "/".join(str(sum(op.startswith(kind) and w == ("128" in op) for op in r.loop)) for w in (True, False))
                for kind in ("LDS", "LDG")
            )
            fma = f"{r.share('FFMA', 'DFMA'):.1%}" if r.share("FFMA", "DFMA") else "-"
            print(
                f"| {form.name} | {arch} | {r.registers} | {r.shared} | {r.spills} | {r.occupancy(form.kernel.threads)} "
                f"| {len(r.opcodes)} | {len(r.loop)} | {fma} | {lds} | {ldg} |",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
