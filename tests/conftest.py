"""The devices that tests run on, from one source: the CPU always, CUDA as a real device or as Numba's simulator."""

from __future__ import annotations

import os

import pytest

from tinynet.device import cuda_problem, simulated

NO_CUDA = cuda_problem()


def pytest_report_header() -> str:
    if simulated():
        return "cuda: Numba's simulator (NUMBA_ENABLE_CUDASIM=1), small shapes only"
    if NO_CUDA is not None:
        return f"cuda: skipped, {NO_CUDA}"
    from tinynet import cuda

    return f"cuda: {cuda.get_device_name()}"


@pytest.fixture(params=["cpu", "cuda"])
def device(request: pytest.FixtureRequest) -> str:
    """ "cpu" and "cuda"; the latter is skipped, with the reason, where there is neither a device nor the simulator."""
    if request.param == "cuda" and NO_CUDA is not None:
        pytest.skip(NO_CUDA)
    return str(request.param)


@pytest.fixture(scope="session")
def slow_device() -> bool:
    """Whether CUDA kernels run in the simulator, where large shapes would take hours."""
    return os.environ.get("NUMBA_ENABLE_CUDASIM") == "1"
