"""What the compilers make of the kernels, checked in their disassembly; no GPU is needed."""

from __future__ import annotations

import re
from typing import Any

import pytest

from bench import sass

MISSING = sass.missing()
# The least share of multiply-adds among the instructions of the main loop.
SHARES = {
    "matmul 256x128": 0.92,
    "matmul 128x128": 0.90,
    "matmul 128x128 transposed": 0.90,
    "conv2d 128x128": 0.87,
    "conv2d 128x128 padded": 0.85,  # the input gradient, and any convolution with padding
    "conv2d 64x128": 0.85,
    "conv2d 64x128 padded": 0.83,
    "conv2d weight gradient 256x128": 0.85,
    "conv2d weight gradient 64x128": 0.80,
    "conv2d weight gradient 64x128 padded": 0.79,
}
ARCHITECTURES = [80, 90]
TENSOR_CORES = ["matmul 128x128 float16", "matmul 128x128 bfloat16", "matmul 128x128 TF32"]
TWIN = "nvcc, matmul 128x128 float16"
QUICK = {  # the others with the slow tests
    "matmul 256x128",
    "matmul 128x128",
    "conv2d 128x128",
    "conv2d 128x128 padded",
    "conv2d weight gradient 64x128",
    "conv2d weight gradient 64x128 padded",
}

pytestmark = pytest.mark.skipif(MISSING is not None, reason=MISSING or "")


@pytest.fixture(scope="module")
def reports() -> dict[tuple[str, int], sass.Report]:
    return sass.examine_all([*sorted(QUICK), TWIN, *TENSOR_CORES], ARCHITECTURES)


def check(name: str, report: sass.Report) -> None:
    assert report.spills == 0
    assert not [op for op in report.opcodes if op.startswith(("LDL", "STL"))], "local memory"
    if "float64" not in name:
        wide = [op for op in report.opcodes if op.startswith(("DADD", "DMUL", "DFMA", "DSETP")) or ".F64" in op]
        assert not wide, "float64 in a float32 kernel"
    # sm_75 has less than half the shared memory that the kernels are laid out for, and holds fewer blocks.
    assert report.occupancy >= (report.min_blocks if report.arch >= 80 else 1)


def check_main_loop(name: str, report: sass.Report) -> None:
    assert report.share("FFMA") >= SHARES[name]
    assert re.fullmatch(r"\d+ x 128", report.widths("LDS"))
    if name.startswith("matmul"):
        assert re.fullmatch(r"\d+ x 128", report.widths("LDG"))


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("name", sorted(QUICK))
def test_main_loop(name: str, arch: int, reports: Any) -> None:
    check(name, reports[name, arch])
    check_main_loop(name, reports[name, arch])


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("name", TENSOR_CORES)
def test_tensor_cores(name: str, arch: int, reports: Any) -> None:
    """The same products as nvcc's code for the same design, and at most a twentieth more instructions around them."""
    check(name, reports[name, arch])
    if (TWIN, arch) not in reports:
        pytest.skip("nvcc and its host compiler g++ were not found: pip install 'tinynet-gpu[cuda13,sass]'")
    twin, report = reports[TWIN, arch], reports[name, arch]
    for found in (twin, report):
        assert [found.count(kind) for kind in ("HMMA", "LDSM", "LDGSTS")] == [32, 12, 4]
    assert len(report.loop) <= 1.05 * len(twin.loop)


@pytest.mark.slow
@pytest.mark.parametrize("arch", [75, 80, 90, 100])
def test_resources(arch: int) -> None:
    """Every kernel, on every architecture: minutes."""
    wrong = {}
    for (name, _), report in sass.examine_all(None, [arch]).items():
        try:
            if name.startswith("nvcc"):
                continue
            check(name, report)
            if name in SHARES and arch in ARCHITECTURES:
                check_main_loop(name, report)
        except AssertionError as error:
            wrong[name] = str(error).splitlines()[0]
    assert not wrong
