"""The main loops of products on tensor cores, in their disassembly, next to a twin in CUDA C++. No GPU is needed.

    pip install 'tinynet-gpu[cuda13,sass]'
    python bench/tensor_cores.py [--arch 80 90] [--all] [--json]

The measure is instructions per HMMA, of which there are as many in any program for the same tile.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ["NUMBA_ENABLE_CUDASIM"] = "0"  # kernels are compiled, not run

sys.path.insert(0, str(Path(__file__).parents[1]))
from bench import sass

TWIN = Path(__file__).parent / "twins" / "float16_matmul.cu"


def kernels(everything: bool) -> Iterator[tuple[str, Any, str]]:
    """Name, kernel and dtype of its operands: of matrices as they lie, or all that training uses."""
    from tinynet_kernels.matmul.tensor_cores import AS_IT_LIES, IMAGE, LARGE, PIXELS, SMALL, product
    from tinynet_kernels.runtime.packing import BFLOAT16, FLOAT16, TF32

    for kind, name in ((FLOAT16, "float16"), (BFLOAT16, "bfloat16"), (TF32, "TF32")):
        dtype, half = "uint32" if kind == TF32 else "uint16", kind == FLOAT16
        yield f"matmul {name}", product(kind, LARGE, True, kind == TF32, AS_IT_LIES, half), dtype
        if everything:
            yield f"matmul {name} small", product(kind, SMALL, True, kind == TF32, AS_IT_LIES, half), dtype
            for tile, size in ((LARGE, ""), (SMALL, " small")):
                yield f"conv2d {name}{size}", product(kind, tile, True, True, IMAGE, half), dtype
                yield f"conv2d weight gradient {name}{size}", product(kind, tile, False, False, PIXELS), dtype
    if everything:
        yield "matmul float16 transposed", product(FLOAT16, LARGE, False, True, AS_IT_LIES, True), "uint16"


def examine(name: str, ptx: str, arch: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        source, cubin = Path(folder, "k.ptx"), Path(folder, "k.cubin")
        source.write_text(ptx)
        log = sass._run("ptxas", "-v", f"-arch=sm_{arch}", str(source), "-o", str(cubin))
        loop = sass._instructions(sass._run("nvdisasm", "-c", str(cubin)))[1]
    counts = {kind: sum(op.startswith(kind) for op in loop) for kind in ("HMMA", "LDSM", "LDGSTS")}
    spills = sass._number(r"(\d+) bytes spill stores", log) + sass._number(r"(\d+) bytes stack frame", log)
    registers = sass._number(r"Used (\d+) registers", log)
    return {"kernel": name, "sm": arch, "registers": registers, "spills": spills, "loop": len(loop), **counts}


def compiled(kernel: Any, dtype: str, arch: int) -> str:
    from tinynet_kernels.runtime.cuda import cuda

    signature, capability = kernel.signature(dtype), divmod(min(arch, 90), 10)
    options = {"device": False, "abi": "numba", "cc": capability, "launch_bounds": kernel.launch_bounds}
    return str(cuda.compile(kernel.function, signature, **options)[0])


def twin(arch: int) -> str:
    with tempfile.TemporaryDirectory() as folder:
        ptx = Path(folder, "twin.ptx")
        sass._run("nvcc", "-O3", "-ptx", f"-arch=compute_{min(arch, 90)}", str(TWIN), "-o", str(ptx))
        return ptx.read_text()


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/tensor_cores.py", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--arch", type=int, nargs="+", default=[80, 90], help="architectures, such as 80 for sm_80")
    parser.add_argument("--all", action="store_true", help="all kernels, not only the matrix product's large tile")
    parser.add_argument("--json", action="store_true", help="a line of JSON for each instead of a table")
    options = parser.parse_args()
    problem = sass.missing() or (None if sass._tool("nvcc") else "nvcc was not found: install the extra sass")
    if problem:
        print(problem, file=sys.stderr)
        return 1
    if not options.json:
        print("| kernel | sm | registers | spills | loop | HMMA | LDSM | LDGSTS | instructions per HMMA |")
        print("|---|---|---|---|---|---|---|---|---|")
    for arch in options.arch:
        rows = [examine("nvcc, matmul float16", twin(arch), arch)]
        for name, kernel, dtype in kernels(options.all):
            blocks = {"shared": kernel.shared, "threads": kernel.threads, "min_blocks": kernel.min_blocks}
            rows.append(examine(name, compiled(kernel, dtype, arch), arch) | blocks)
        for row in rows:
            columns = ("kernel", "sm", "registers", "spills", "loop", "HMMA", "LDSM", "LDGSTS")
            table = " | ".join(str(row[column]) for column in columns)
            print(json.dumps(row) if options.json else f"| {table} | {row['loop'] / row['HMMA']:.2f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
