"""What the compilers make of the product on tensor cores, next to its twin in CUDA C++; no GPU is needed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).parents[2] / "bench" / "tensor_cores.py"


def examined(*options: str) -> list[dict[str, Any]]:
    """The rows of bench/tensor_cores.py, in a process of its own: this one may be in Numba's simulator."""
    done = subprocess.run([sys.executable, str(BENCH), "--json", *options], capture_output=True, text=True)
    if (done.returncode and "not found" in done.stderr) or "not installed" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def check_resources(row: dict[str, Any]) -> None:
    """No spills, and the declared blocks fit on a multiprocessor of 65,536 registers and 164 KiB of shared memory."""
    assert row["spills"] == 0
    registers = -(-row["registers"] // 8) * 8
    assert registers * row["threads"] * row["min_blocks"] <= 65536
    assert (row["shared"] + 1024) * row["min_blocks"] <= 164 * 1024


@pytest.mark.parametrize("arch", [80, 90])
def test_instructions_per_product_are_those_of_the_twin(arch: int) -> None:
    twin, *rows = examined("--arch", str(arch))
    assert {row["kernel"] for row in rows} == {"matmul float16", "matmul bfloat16", "matmul TF32"}
    assert twin["kernel"] == "nvcc, matmul float16"
    for row in (twin, *rows):
        assert (row["HMMA"], row["LDSM"], row["LDGSTS"]) == (32, 12, 4)
        assert row["loop"] <= 1.05 * twin["loop"]
    for row in rows:
        check_resources(row)


@pytest.mark.slow
def test_resources() -> None:
    for row in examined("--all", "--arch", "80", "90", "100"):
        assert row["HMMA"] >= 8, row
        if "nvcc" not in row["kernel"]:
            check_resources(row)
