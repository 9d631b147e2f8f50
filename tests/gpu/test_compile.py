"""What the compilers make of the kernels, checked in their disassembly; no GPU is needed."""

from __future__ import annotations

from typing import Any

import pytest

from bench import sass
from tinynet.device import simulated

MISSING = "kernels are not compiled in Numba's simulator: set NUMBA_ENABLE_CUDASIM=0" if simulated() else sass.missing()
FORMS = [] if MISSING else list(sass.forms())
MULTIPLY_ADDS = {
    "matmul 256x128": 0.92,
    "matmul 128x128": 0.90,
    "matmul 64x64": 0.80,
    "conv2d 128x128": 0.87,
    "conv2d 128x128 padded": 0.85,
    "conv2d weight gradient 64x128": 0.80,
    "conv2d weight gradient 64x128 padded": 0.79,
}


@pytest.mark.skipif(MISSING is None, reason="the tools are there")
def test_tools() -> None:
    pytest.skip(f"{MISSING}")


@pytest.mark.slow
@pytest.mark.parametrize("arch", [75, 80, 90, 100])
@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_resources(form: Any, arch: int) -> None:
    report = sass.examine(form, arch)
    assert report.spills == 0
    assert not [op for op in report.opcodes if op.startswith(("LDL", "STL"))], "local memory"
    if form.dtype == sass.FLOAT32:
        wide = [op for op in report.opcodes if op.startswith(("DADD", "DMUL", "DFMA", "DSETP")) or ".F64" in op]
        assert not wide, "float64 in a float32 kernel"
    assert report.shared <= 48 * 1024
    assert report.occupancy(form.kernel.threads) >= (form.kernel.min_blocks or 1)
    if arch != 75:
        assert report.share("FFMA") >= MULTIPLY_ADDS.get(form.name, 0.0)
    if form.name in MULTIPLY_ADDS:
        assert any(op.startswith("LDS") and "128" in op for op in report.loop)
        assert not any(op.startswith("LDS") and "128" not in op for op in report.loop)
