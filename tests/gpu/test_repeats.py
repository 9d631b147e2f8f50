"""Calls that are made again: what is remembered of the first must serve those that lie like it, and no others."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinynet_kernels
from tests.conftest import NO_CUDA
from tests.kernels.test_kernels import SPECS, arguments, backwards, host, poisoned, strided, to, transposed
from tinynet.device import simulated
from tinynet_kernels import spec as dispatch
from tinynet_kernels.runtime import tuning
from tinynet_kernels.spec import KernelSpec

pytestmark = pytest.mark.skipif(NO_CUDA is not None or simulated(), reason=NO_CUDA or "the simulator remembers nothing")


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "_known", {})


def unaligned(array: Any) -> Any:
    """Where no 16 bytes can be moved at a time."""
    import cupy

    view = cupy.empty(array.size + 1, array.dtype)[1:].reshape(array.shape)
    view[...] = array
    return view


LAYOUTS: list[Callable[[Any], Any]] = [lambda array: array, transposed, strided, backwards, unaligned]


@pytest.mark.parametrize("spec", [pytest.param(s, id=n) for n, s in SPECS.items() if s.repeats])
def test_every_kernel(spec: KernelSpec) -> None:
    """Of all samples, with arrays that lie otherwise from call to call: the bits are those of the first such call."""
    samples = [s for s in spec.samples if not s.bench]
    found: dict[tuple[str, str, int], list[bytes]] = {}
    for turn in range(3):
        for sample in samples:
            for dtype in spec.dtypes:
                args, params = arguments(spec, sample, dtype)
                for i, layout in enumerate(LAYOUTS):
                    moved = [layout(to("cuda", a)) if hasattr(a, "dtype") else a for a in args]
                    outputs = tuple(layout(o) for o in poisoned(spec, args, params, "cuda"))
                    spec(*moved, out=outputs, **params)
                    bits = [host(o).tobytes() for o in outputs]
                    assert bits == found.setdefault((sample.name, dtype, i), bits), (sample.name, dtype, i, turn)


def test_signatures() -> None:
    """Calls that differ in one thing, be it what equals the other's, have signatures of their own."""
    import cupy

    x, other = (cupy.ones((4, 4), "float32") for _ in range(2))
    flat = cupy.ones(20, "float32")

    def signature(
        *args: Any, name: str = "f", out: Any = None, variant: Any = None, precision: str = "highest", **params: Any
    ) -> Any:
        return dispatch._signature(name, args, out, variant, precision, params)

    assert signature(x, x) == signature(x, other) == signature(other, x)
    assert signature(x, out=x) == signature(x, out=(other,))
    calls = [
        signature(x),
        signature(x, name="g"),
        signature(x, None),
        signature(x, x),
        signature(x, x, x),
        signature(x.T),
        signature(x[::-1]),
        signature(x.reshape(2, 8)),
        signature(x.view("int32")),
        signature(x.astype("float64")),
        signature(flat[1:17].reshape(4, 4)),
        signature(x, out=x),
        signature(x, out=x.T),
        signature(x, out=(None, x)),
        signature(x, out=(x, None)),
        signature(x, variant="naive"),
        signature(x, precision="high"),
        *(signature(x, value) for value in (1, 1.0, True, "1", (1, 1), (1.0, 1), [1, 1], 0.0, -0.0)),
        *(signature(x, k=value) for value in (None, 1, 1.0, True, False, "1", "None", (1, 1), (1, True), x)),
        signature(x, l=None),
        signature(x, k=None, l=None),
    ]
    assert None not in calls
    assert len(set(calls)) == len(calls)
    with cupy.cuda.Stream(non_blocking=True):
        assert signature(x) == calls[0]  # the launch asks for the stream
    assert signature(x, x.get()) is None
    assert signature(x, k=x.get()) is None
    assert signature(x, np.float32(1)) is None


def test_current_stream() -> None:
    """A known call, too, goes to the stream that is current: recorded there, it does not run."""
    import cupy

    a, y = cupy.ones((40, 40), "float32"), cupy.zeros((40, 40), "float32")
    for _ in range(2):
        tinynet_kernels.matmul(a, a, out=y)
    y.fill(0)
    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        stream.begin_capture()
        tinynet_kernels.matmul(a, a, out=y)
        graph = stream.end_capture()
    assert not y.any()
    graph.launch(stream)
    stream.synchronize()
    assert (y == 40).all()


def test_devices() -> None:
    """The same call on two devices in turn, whichever is current."""
    import cupy

    if cupy.cuda.runtime.getDeviceCount() < 2:
        pytest.skip("there is one device")
    rng, matrices = np.random.default_rng(0), []
    for device in range(2):
        with cupy.cuda.Device(device):
            matrices.append(cupy.asarray(rng.standard_normal((33, 33))))
    for _ in range(3):
        for current in range(2):
            with cupy.cuda.Device(current):
                for device, a in enumerate(matrices):
                    y = tinynet_kernels.matmul(a, a)
                    assert y.device.id == device
                    np.testing.assert_allclose(y.get(), a.get() @ a.get(), rtol=1e-12, atol=1e-12)
                    with pytest.raises(TypeError, match="out is on"):
                        tinynet_kernels.matmul(a, a, out=matrices[1 - device])
    with pytest.raises(TypeError, match="one device"):
        tinynet_kernels.matmul(*matrices)


def test_output_over_an_input() -> None:
    """A strided output that is part of an input: what is read is what was there before the call."""
    import cupy

    rng = np.random.default_rng(0)
    for _ in range(3):
        memory = cupy.asarray(rng.standard_normal((24, 48)))
        a, b = memory[:, ::2], cupy.asarray(rng.standard_normal((24, 24)))
        wanted, rest = a.get() @ b.get(), memory[:, 1::2].get()
        tinynet_kernels.matmul(a, b, out=a)
        np.testing.assert_allclose(a.get(), wanted, rtol=1e-12, atol=1e-12)
        np.testing.assert_array_equal(memory[:, 1::2].get(), rest)


def test_bad_calls_of_a_known_shape() -> None:
    """What differs from a good call is checked as ever, and nothing is written."""
    import cupy

    a, y = cupy.ones((8, 8), "float32"), cupy.zeros((8, 8), "float32")
    x, w = cupy.ones((1, 8, 8, 8), "float32"), cupy.ones((8, 8, 3, 3), "float32")
    for _ in range(2):
        tinynet_kernels.matmul(a, a, out=y)
        tinynet_kernels.conv2d(x, w, padding=1)
    y.fill(0)
    for error, call in [
        (TypeError, lambda: tinynet_kernels.matmul(a, a.astype("float64"), out=y)),
        (TypeError, lambda: tinynet_kernels.matmul(a, a, out=y.astype("float64"))),
        (TypeError, lambda: tinynet_kernels.matmul(a, a.get(), out=y)),
        (TypeError, lambda: tinynet_kernels.matmul(a, a, out=y.get())),
        (ValueError, lambda: tinynet_kernels.matmul(a, a[:4], out=y)),
        (ValueError, lambda: tinynet_kernels.matmul(a, a, out=(y, y))),
        (ValueError, lambda: tinynet_kernels.matmul(a, a, out=y, activation="tanh")),
        (ValueError, lambda: tinynet_kernels.matmul(a, a, out=y, precision="low")),
        (ValueError, lambda: tinynet_kernels.matmul(a, a, out=y, variant="fast")),
        (TypeError, lambda: tinynet_kernels.conv2d(x, w, padding=1.0)),
        (ValueError, lambda: tinynet_kernels.conv2d(x, w, padding=-1)),
        (ValueError, lambda: tinynet_kernels.conv2d(x, w, padding=1, groups=2)),
    ]:
        for _ in range(2):
            with pytest.raises(error):
                call()
    assert not y.any()


def test_nothing_is_kept_alive() -> None:
    """What is remembered of a call holds none of its arrays."""
    import cupy

    x, w, bias = (cupy.ones(s, "float32") for s in ((2, 8, 8, 8), (8, 8, 3, 3), 8))
    a, columns = cupy.ones((8, 8), "float32"), cupy.ones((8, 16), "float32")[:, ::2]
    made = [
        tinynet_kernels.conv2d(x, w, bias, padding=1),
        tinynet_kernels.matmul(a, columns.T),
        *tinynet_kernels.max_pool2d(x, 2),
        *tinynet_kernels.batch_norm_stats(x),
    ]
    assert len(dispatch._known) == 4
    references = [weakref.ref(array) for array in (x, w, bias, a, columns, *made)]
    del x, w, bias, a, columns, made
    assert not [r() for r in references if r() is not None]


def test_plan_that_is_not_final(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was planned while plans could not be timed, because launches were recorded, is planned again."""
    import cupy

    asked = []

    def plan(*args: Any) -> Any:
        asked.append(args[0])
        return tuning._best(args[1], tuning.multiprocessors())[0]

    a = cupy.ones((16, 16), "float32")
    monkeypatch.setattr(tuning, "plan", plan)
    monkeypatch.setattr(tuning, "settled", lambda: False)
    for _ in range(2):
        tinynet_kernels.matmul(a, a)
    assert asked == ["matmul"] * 2
    monkeypatch.setattr(tuning, "settled", lambda: True)
    for _ in range(3):
        tinynet_kernels.matmul(a, a)
    assert asked == ["matmul"] * 3
