"""The devices that tests run on, from one source: the CPU always, CUDA as a real device or as Numba's simulator."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

if (
    "PYTEST_XDIST_WORKER" in os.environ
):  # the cores are shared, so threads that wait must not spin; read by numba's, once
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import tinynet
from tinynet.device import cuda_problem, simulated

_NO_DEVICE = cuda_problem()
if _NO_DEVICE is not None:  # before anything imports numba, which looks at the variable once
    os.environ.setdefault("NUMBA_ENABLE_CUDASIM", "1")
NO_CUDA = cuda_problem()  # why CUDA tests are skipped; None if they run, on a device or in the simulator


def pytest_report_header() -> str:
    if simulated():
        return f"cuda: Numba's simulator, small shapes only ({_NO_DEVICE or 'NUMBA_ENABLE_CUDASIM=1'})"
    if NO_CUDA is not None:
        return f"cuda: skipped, {NO_CUDA}"
    from tinynet import cuda

    return f"cuda: {cuda.get_device_name()}"


@pytest.fixture(params=["cpu", "cuda"])
def device(request: pytest.FixtureRequest) -> str:
    """ "cpu" and "cuda"; the latter is skipped, with the reason, where NUMBA_ENABLE_CUDASIM=0 forbids the simulator."""
    if request.param == "cuda" and NO_CUDA is not None:
        pytest.skip(NO_CUDA)
    return str(request.param)


@pytest.fixture
def on_device(device: str) -> Iterator[str]:
    """Runs the test once on each device: where it names none, tensors are made there."""
    tinynet.set_default_device(device)
    yield device
    tinynet.set_default_device(None)


def needs_solver() -> None:
    """Skips, with the reason, where CuPy cannot load cuSOLVER."""
    try:
        tinynet.linalg.inv(tinynet.eye(2, device="cuda"))
    except ImportError as error:
        pytest.skip(str(error))
