"""Transfers, streams, devices and memory, on a device; and what is said where there is none."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import tinynet
from tests.conftest import NO_CUDA
from tinynet import cuda, models, nn, optim
from tinynet.device import simulated

on_a_device = pytest.mark.skipif(NO_CUDA is not None or simulated(), reason=NO_CUDA or "needs CuPy arrays")


def test_round_trip(device: str) -> None:
    """Every dtype, sizes 0 and 1 and strided memory arrive as they left; the copy is not the original."""
    for dtype in (np.float16, np.float32, np.float64, np.int8, np.int16, np.int32, np.int64, np.uint8, np.bool_):
        for array in (np.arange(24).reshape(4, 6), np.arange(12).reshape(3, 4)[:, ::2].T, np.ones(()), np.ones((0, 3))):
            there = tinynet.from_numpy(array.astype(dtype)).to(device)
            assert str(there.device).startswith(device)
            back = there.t().cpu().t() if array.ndim == 2 else there.cpu()
            assert back.dtype == dtype
            np.testing.assert_array_equal(back.numpy(), array.astype(dtype))
    x = tinynet.ones(3)
    there = x.to(device, copy=True)
    x.zero_()
    assert there.tolist() == [1.0, 1.0, 1.0]


@on_a_device
def test_host_memory_is_page_locked() -> None:
    x = tinynet.arange(1000, dtype=tinynet.float32)
    assert not x.is_pinned()
    pinned = x.pin_memory()
    assert pinned.is_pinned()
    assert pinned.pin_memory() is pinned
    there = pinned.to("cuda", non_blocking=True)
    back = there.to("cpu", non_blocking=True)
    cuda.synchronize()
    assert back.is_pinned()
    assert there.cpu().is_pinned()
    assert tinynet.equal(back, x)
    with pytest.raises(RuntimeError, match="this one is on cuda:0"):
        there.pin_memory()


@on_a_device
def test_blocking_copy_of_page_locked_memory_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the device could read it after the caller has changed it."""
    import cupy

    asked: list[bool] = []
    asarray = cupy.asarray
    monkeypatch.setattr(cupy, "asarray", lambda a, blocking: asked.append(blocking) or asarray(a, blocking=blocking))
    pinned = tinynet.ones(5).pin_memory()
    pinned.to("cuda")
    pinned.to("cuda", non_blocking=True)
    tinynet.ones(5).to("cuda")  # staged: the copy has left when the call returns
    assert asked == [True, False, False]


@on_a_device
def test_streams() -> None:
    import cupy

    assert cuda.current_stream() == cuda.default_stream()
    a, b = cuda.Stream(), cuda.Stream()
    assert a != b
    with cuda.stream(a):
        assert cuda.current_stream() == a
        assert cupy.cuda.get_current_stream().ptr == a.cuda_stream
        x = tinynet.ones(8, 8, device="cuda") @ tinynet.ones(8, 8, device="cuda")
    b.wait_stream(a)
    with cuda.stream(b), cuda.stream(None):
        y = x + 1
    b.synchronize()
    assert b.query()
    assert (y == 9).all()
    assert cuda.current_stream() == cuda.default_stream()


@on_a_device
def test_second_device() -> None:
    if cuda.device_count() < 2:
        with pytest.raises(tinynet.DeviceUnavailableError, match=r"device is cuda:7, but there are 1 CUDA devices"):
            tinynet.ones(1, device="cuda:7")
        pytest.skip("there is one device")
    assert cuda.current_device() == 0
    with cuda.device(1):
        assert tinynet.ones(1, device="cuda").device == tinynet.device("cuda:1")
    cuda.set_device(1)
    assert tinynet.ones(1).cuda().device.index == 1
    cuda.set_device("cuda:0")
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(32, 3)).to("cuda:1")
    optimizer = optim.Adam(model.parameters())
    loss = nn.functional.cross_entropy(
        model(tinynet.ones(4, 1, 6, 6, device="cuda:1")), tinynet.zeros(4, dtype=tinynet.int64, device="cuda:1")
    )
    loss.backward()
    optimizer.step()
    assert loss.device.index == 1
    assert all(p.device.index == 1 and p.grad is not None and p.grad.device.index == 1 for p in model.parameters())
    assert model[0].weight.to("cuda:0").device.index == 0
    with pytest.raises((RuntimeError, TypeError), match="device"):
        model(tinynet.ones(4, 1, 6, 6, device="cuda:0"))


@on_a_device
def test_memory_report() -> None:
    cuda.empty_cache()  # what other tests hold may leave gaps, but none of this size
    before = cuda.memory_allocated()
    x = tinynet.zeros(1 << 24, device="cuda")
    assert cuda.memory_allocated() - before == 4 << 24
    free, total = cuda.mem_get_info()
    assert 0 < free < total
    assert f"{cuda.memory_allocated():,} bytes" in cuda.memory_summary()
    reserved = cuda.memory_reserved()
    del x
    cuda.empty_cache()
    assert cuda.memory_reserved() <= reserved - (4 << 24)


@on_a_device
def test_more_memory_than_there_is() -> None:
    _, total = cuda.mem_get_info()
    with pytest.raises(cuda.OutOfMemoryError, match=r"allocating [\d,]+ bytes"):
        tinynet.zeros(total // 4 + 1, device="cuda")
    assert tinynet.ones(3, device="cuda").sum().item() == 3


@on_a_device
def test_training_that_needs_more_memory() -> None:
    command = [
        *["-m", "tinynet.train", "--device", "cuda", "--quiet", "--epochs", "1"],
        "--limit-train",
        "640",
        "--batch-size",
        "640",
    ]
    env = os.environ | {"CUPY_GPU_MEMORY_LIMIT": str(20 << 20)}
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, env=env, timeout=120)
    assert done.returncode == 1, done.stderr
    assert re.search(
        r"allocating [\d,]+ bytes .* limit set to: 20,971,520 bytes.*; a smaller --batch-size", done.stderr
    )
    assert "Traceback" not in done.stderr


@on_a_device
def test_a_training_step_uses_no_library_of_nvidia() -> None:
    """CuPy refuses cuBLAS and cuRAND while a graph is captured: a step that is captured whole uses neither."""
    import cupy

    matrix, stream = cupy.ones((4, 4), "float32"), cupy.cuda.Stream(non_blocking=True)
    for library, use in (("cuBLAS", lambda: matrix @ matrix), ("cuRAND", lambda: cupy.random.rand(3))):
        with stream:
            stream.begin_capture()
            try:
                with pytest.raises(Exception, match=library):  # else the test below would show nothing
                    use()
            finally:
                stream.end_capture()
    model = nn.Sequential(*models.create("cnn"), nn.Dropout(0.5)).to("cuda")
    optimizer = optim.Adam(model.parameters())

    @cuda.graph
    def step(images: Any, labels: Any) -> Any:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        return loss

    images, labels = tinynet.rand(2, 1, 28, 28, device="cuda"), tinynet.tensor([1, 2], device="cuda")
    losses = [step(images, labels).item() for _ in range(4)]
    assert np.isfinite(losses).all()


@pytest.mark.parametrize(
    "missing, said",
    [
        (("cupy",), "CuPy is not installed"),
        pytest.param(
            ("numba_cuda",),
            "numba-cuda is not installed",
            marks=pytest.mark.skipif(importlib.util.find_spec("cupy") is None, reason="CuPy is not installed either"),
        ),
        (("cupy", "numba_cuda", "cuda"), "CuPy is not installed"),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, tuple) else None,
)
def test_without_the_packages(missing: tuple[str, ...], said: str) -> None:
    """The CPU works, `--device cuda` explains and exits with 2, the doctor names the command that mends it."""
    code = f"""
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
import importlib.util, importlib.metadata
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name.partition(".")[0] in {missing!r} else found(name, package)
version = importlib.metadata.version
def absent(name):
    if name.startswith({tuple(m.replace("_", "-") for m in missing)!r}):
        raise importlib.metadata.PackageNotFoundError(name)
    return version(name)
importlib.metadata.version = absent
import tinynet, tinynet.doctor, tinynet.train
assert not tinynet.cuda.is_available() and tinynet.cuda.device_count() == 0
tinynet.cuda.manual_seed_all(1)
tinynet.cuda.empty_cache()
assert tinynet.cuda.memory_allocated() == tinynet.cuda.memory_reserved() == 0
x = tinynet.ones(2, 2, requires_grad=True)
(x @ x).sum().backward()
assert x.grad.tolist() == [[4.0, 4.0], [4.0, 4.0]]
checks = {{c.name: c for c in tinynet.doctor._cuda_installation()}}
assert not checks["{missing[0].replace("_", "-")}"].ok and "pip install" in checks["{missing[0].replace("_", "-")}"].mend
tinynet.train.main(["--device", "cuda"])
"""
    done = run_without_the_simulator(code)
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1
    for part in (said, "no CUDA device", "tinynet-gpu[cuda13]", "--device cpu", "NUMBA_ENABLE_CUDASIM=1"):
        assert part in done.stderr


def test_without_a_device() -> None:
    """CuPy and numba-cuda are there, and no device is."""
    pytest.importorskip("cupy", exc_type=ImportError)
    code = """
import tinynet, tinynet.train
assert not tinynet.cuda.is_available()
assert tinynet.ones(3).sum().item() == 3 and str(tinynet.device("cuda")) == "cuda:0"
try:
    tinynet.ones(3, device="cuda")
except tinynet.DeviceUnavailableError as error:
    print(error)
tinynet.train.main(["--device", "cuda"])
"""
    done = run_without_the_simulator(code, CUDA_VISIBLE_DEVICES="-1")
    assert done.returncode == 2, done.stderr
    assert "no CUDA device" in done.stdout
    assert "no CUDA device" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def run_without_the_simulator(code: str, **settings: str) -> Any:
    env = {k: v for k, v in os.environ.items() if k != "NUMBA_ENABLE_CUDASIM"} | settings
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, timeout=120)
