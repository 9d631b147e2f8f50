"""The doctor: what it finds here, and what it says to installations that do not fit."""

from __future__ import annotations

import json
from typing import Any

import pytest

import tinynet_kernels
from tests.conftest import NO_CUDA
from tinynet import doctor


def test_this_machine(capsys: pytest.CaptureFixture[str]) -> None:
    if NO_CUDA is not None:
        pytest.skip(NO_CUDA)
    assert doctor.main(["--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["cpu"]
    assert report["cuda"]
    names = {check["name"] for check in report["checks"] if check["ok"]}
    assert names >= {f"{device} {kernel}" for device in ("cpu", "cuda") for kernel in tinynet_kernels.registry()}


def test_broken_kernel_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def compare(spec: Any, device: str) -> tuple[float, float]:
        if spec.name == "conv2d":
            raise RuntimeError("no such instruction")
        return (1.0, 0.5) if spec.name == "adam" else (0.0, 0.5)

    monkeypatch.setattr(doctor, "_compare", compare)
    assert doctor.main([]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1:3] for line in lines if line.startswith("BROKEN  cpu")] == [
        ["cpu", "conv2d"],
        ["cpu", "adam"],
    ]
    assert any("RuntimeError: no such instruction" in line for line in lines)
    assert lines[-1] == "The CPU side is broken: see above."


def having(**versions: str) -> dict[str, str]:
    return {name.replace("_", "-"): version for name, version in versions.items()}


@pytest.mark.parametrize(
    "driver, installed, broken, mend",
    [
        (None, having(cupy_cuda13x="14.2", numba_cuda="0.30", cuda_bindings="13.1"), "driver", "NVIDIA's driver"),
        ((13, 1), having(numba_cuda="0.30", cuda_bindings="13.1"), "cupy", "pip install [cuda13]"),
        (
            (12, 4),
            having(cupy_cuda13x="14.2", numba_cuda="0.30", cuda_bindings="12.9"),
            "cupy",
            "pip uninstall cupy-cuda13x; pip install [cuda12]",
        ),
        (
            (13, 1),
            having(cupy_cuda12x="14.2", cupy_cuda13x="14.2", numba_cuda="0.30", cuda_bindings="13.1"),
            "cupy",
            "pip uninstall cupy-cuda12x cupy-cuda13x; pip install [cuda13]",
        ),
        ((13, 1), having(cupy_cuda13x="14.2"), "numba-cuda", "pip install [cuda13]"),
        (
            (12, 4),
            having(cupy_cuda12x="14.2", numba_cuda="0.30", cuda_bindings="13.1"),
            "numba-cuda",
            "pip install [cuda12]",
        ),
        (
            (13, 1),
            having(cupy_cuda12x="14.2", numba_cuda="0.30", cuda_bindings="13.1"),
            "numba-cuda",
            "pip install [cuda12]",
        ),
    ],
)
def test_what_does_not_fit(
    driver: Any, installed: dict[str, str], broken: str, mend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drivers, CuPy and numba-cuda of different CUDA versions, or absent: one finding, and the command for the driver."""
    monkeypatch.setattr(doctor, "driver_version", lambda: driver)
    monkeypatch.setattr(doctor, "_version", installed.get)
    monkeypatch.setattr(doctor, "_imports", lambda module, found, mend: doctor.Check(module, True, found, "cuda"))
    monkeypatch.setattr(doctor, "extra_requirements", lambda extra: [f"[{extra}]"])
    wrong = [check for check in doctor._cuda_installation() if not check.ok]
    assert [check.name for check in wrong] == [broken]
    assert mend in wrong[0].mend.replace('"', "")
