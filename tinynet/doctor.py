"""`python -m tinynet.doctor`: what this machine has, what is missing for CUDA, and the command that mends it.

Every fact is found without importing the package it is about, so a broken installation is described, not hit. Then each
kernel runs once on every device that works and is compared with its NumPy reference. The exit code is 0 when everything
works on the CPU and on CUDA, 1 when something that CUDA needs is missing or broken, 2 when the CPU side itself is broken.
"""

from __future__ import annotations

import argparse
import ctypes
import ctypes.util
import importlib
import json
import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Any

import numpy as np

from tinynet_kernels import registry
from tinynet_kernels.spec import KernelSpec

CUPY_DISTRIBUTIONS = {"cupy-cuda11x": 11, "cupy-cuda12x": 12, "cupy-cuda13x": 13, "cupy": None}


@dataclass(frozen=True)
class Check:
    """One finding: `needed_by` is "cpu" or "cuda"; `mend` is a command or an instruction, empty when all is well."""

    name: str
    ok: bool
    found: str
    needed_by: str
    mend: str = ""


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tinynet.doctor", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    as_json = parser.parse_args(argv).json
    checks = []
    for check in examine():
        checks.append(check)
        if not as_json:
            print(_line(check), flush=True)
    broken = {check.needed_by for check in checks if not check.ok}
    if as_json:
        print(json.dumps({"cpu": "cpu" not in broken, "cuda": not broken, "checks": [asdict(c) for c in checks]}))
    else:
        print(_verdict(broken))
    return 2 if "cpu" in broken else 1 if broken else 0


def examine() -> Iterator[Check]:
    """All checks, in an order where the first that fails is usually the cause of the ones after it."""
    yield Check("python", sys.version_info >= (3, 10), f"{platform.python_version()} on {platform.platform()}", "cpu")
    yield Check("tinynet-gpu", True, _version("tinynet-gpu") or "run from a source tree, not installed", "cpu")
    for name in ("numpy", "numba", "safetensors", "tqdm"):
        yield _package(name, needed_by="cpu", mend=f"pip install {name}")
    yield from _kernels("cpu")
    if os.environ.get("NUMBA_ENABLE_CUDASIM") == "1":
        yield Check("simulator", True, "NUMBA_ENABLE_CUDASIM=1: CUDA kernels run in Numba's simulator", "cuda")
        yield from _kernels("cuda")
        return
    cuda = list(_cuda_installation())
    yield from cuda
    if all(check.ok for check in cuda):
        gpus = _gpus()
        yield gpus
        if gpus.ok:
            yield from _kernels("cuda")


def _cuda_installation() -> Iterator[Check]:
    driver = driver_version()
    if driver is None:
        yield Check("driver", False, f"{_driver_library()} not found", "cuda", "install NVIDIA's driver for your GPU")
    else:
        yield Check("driver", True, f"supports CUDA {driver[0]}.{driver[1]}", "cuda")
    extra = "cuda12" if driver is not None and driver[0] < 13 else "cuda13"
    install = "pip install " + " ".join(f'"{requirement}"' for requirement in extra_requirements(extra))

    installed = {name: version for name in CUPY_DISTRIBUTIONS if (version := _version(name)) is not None}
    found = ", ".join(f"{name} {version}" for name, version in installed.items()) or "not installed"
    majors = [CUPY_DISTRIBUTIONS[name] for name in installed]
    cupy_major = None  # of a CuPy that may stay
    if not installed:
        yield Check("cupy", False, found, "cuda", install)
    elif len(installed) > 1:
        yield Check(
            "cupy", False, f"{found} overwrite each other", "cuda", f"pip uninstall {' '.join(installed)}; {install}"
        )
    elif driver is not None and majors[0] is not None and majors[0] > driver[0]:
        mend = f"pip uninstall {found.split()[0]}; {install}"
        yield Check("cupy", False, f"{found} needs a driver for CUDA {majors[0]}", "cuda", mend)
    else:
        cupy_major = majors[0]
        yield _imports("cupy", found, install)

    numba_cuda = _version("numba-cuda")
    if numba_cuda is None:
        yield Check("numba-cuda", False, "not installed", "cuda", install)
    else:
        bindings = _version("cuda-bindings")
        major = int(bindings.split(".")[0]) if bindings else None
        found = f"{numba_cuda} with cuda-bindings {bindings}"
        if major is None or (driver is not None and major > driver[0]):
            yield Check("numba-cuda", False, f"{found}, which the driver does not support", "cuda", install)
        elif cupy_major is not None and cupy_major != major:
            mend = "pip install " + " ".join(f'"{r}"' for r in extra_requirements(f"cuda{cupy_major}"))
            yield Check("numba-cuda", False, f"{found}, but CuPy is built for CUDA {cupy_major}", "cuda", mend)
        else:
            yield _imports("tinynet_kernels.runtime.cuda", found, install)


def _gpus() -> Check:
    import cupy

    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        return Check(
            "gpu",
            False,
            str(error),
            "cuda",
            "check that `nvidia-smi` lists a GPU and CUDA_VISIBLE_DEVICES does not hide it",
        )
    found = []
    for index in range(count):
        properties = cupy.cuda.runtime.getDeviceProperties(index)
        with cupy.cuda.Device(index):
            free, total = cupy.cuda.runtime.memGetInfo()
        name = properties["name"].decode()
        capability = f"{properties['major']}.{properties['minor']}"
        found.append(f"cuda:{index} {name}, compute capability {capability}, {free >> 20} of {total >> 20} MiB free")
    return Check("gpu", count > 0, "; ".join(found) or "none", "cuda", "" if count else "no GPU is visible to CUDA")


def _kernels(device: str) -> Iterator[Check]:
    for spec in registry().values():
        try:
            error, limit = _compare(spec, device)
        except Exception as failure:  # whatever a broken installation raises is the finding
            yield Check(f"{device} {spec.name}", False, f"{type(failure).__name__}: {failure}", device)
        else:
            found = f"largest error {error:.1e} (allowed {limit:.0e})"
            yield Check(f"{device} {spec.name}", error <= limit, found, device)


def _compare(spec: KernelSpec, device: str) -> tuple[float, float]:
    """The largest error of the spec's first sample in float32, relative to 1 + |reference|, and the allowed one."""
    from tinynet_kernels.spec import load

    args, params = spec.samples[0].make(np.random.default_rng(0), np.float32)
    exact = load(spec.reference)(*(_float64(a) for a in args), **params)
    result = spec(*(_to(device, a) for a in args), **params)
    exact, result = (value if isinstance(value, tuple) else (value,) for value in (exact, result))
    errors = [np.abs(_to("cpu", r) - e) / (1 + np.abs(e)) for r, e in zip(result, exact)]
    return max(float(e.max(initial=0.0)) for e in errors), sum(spec.tolerance["float32"])


def _float64(value: Any) -> Any:
    return value.astype(np.float64) if isinstance(value, np.ndarray) and value.dtype.kind == "f" else value


def _to(device: str, value: Any) -> Any:
    if not hasattr(value, "dtype"):
        return value
    from tinynet import from_numpy

    return (
        from_numpy(value).to(device)._array if device == "cuda" else np.asarray(getattr(value, "get", lambda: value)())
    )


def driver_version() -> tuple[int, int] | None:
    """The newest CUDA version that the installed NVIDIA driver supports, or None without a driver."""
    try:
        library = ctypes.CDLL(_driver_library())
    except OSError:
        return None
    version = ctypes.c_int()
    if library.cuDriverGetVersion(ctypes.byref(version)) != 0:
        return None
    return version.value // 1000, version.value % 1000 // 10


def extra_requirements(extra: str) -> list[str]:
    """What `pip install tinynet-gpu[extra]` adds, as requirement strings."""
    wanted = f'extra == "{extra}"'
    try:
        lines = metadata.requires("tinynet-gpu") or []
    except metadata.PackageNotFoundError:  # run from a source tree that is not installed
        return [f"tinynet-gpu[{extra}]"]
    return [line.split(";")[0].strip() for line in lines if wanted in line.replace("'", '"')]


def _driver_library() -> str:
    return "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _package(name: str, needed_by: str, mend: str) -> Check:
    version = _version(name)
    return Check(name, version is not None, version or "not installed", needed_by, "" if version else mend)


def _imports(module: str, found: str, mend: str) -> Check:
    try:
        importlib.import_module(module)
    except (ImportError, OSError, RuntimeError) as error:
        return Check(module, False, f"{found} does not import: {error}", "cuda", mend)
    return Check(module, True, found, "cuda")


def _line(check: Check) -> str:
    line = f"{'ok    ' if check.ok else 'BROKEN'}  {check.name:<34} {check.found}"
    return line + (f"\n        mend it with: {check.mend}" if check.mend else "")


def _verdict(broken: set[str]) -> str:
    if "cpu" in broken:
        return "The CPU side is broken: see above."
    return "CUDA cannot be used; the CPU works." if broken else "Everything works, on the CPU and on CUDA."


if __name__ == "__main__":
    sys.exit(main())
