"""The path from an array to a running kernel: streams, devices, layouts and limits."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import tinynet_kernels
from tests.conftest import NO_CUDA
from tinynet.device import simulated

pytestmark = pytest.mark.skipif(NO_CUDA is not None or simulated(), reason=NO_CUDA or "needs CuPy arrays")


def random(*shape: int) -> Any:
    import cupy

    return cupy.asarray(np.random.default_rng(0).standard_normal(shape, dtype=np.float32))


def test_kernels_alone() -> None:
    """Bare CuPy arrays, and no framework."""
    code = """
import sys, cupy, numpy as np, tinynet_kernels as K
x, w = cupy.ones((2, 3, 8, 8), "float32"), cupy.ones((4, 3, 3, 3), "float32")
y = K.conv2d(x, w, padding=1, activation="relu")
assert isinstance(y, cupy.ndarray) and float(y[0, 0, 4, 4]) == 27
p, i = K.max_pool2d(y, 2)
loss, lse = K.softmax_cross_entropy(p.reshape(2, -1), cupy.zeros(2, "int64"))
assert np.isfinite(loss.get()).all() and not any(m.split(".")[0] == "tinynet" for m in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_current_stream() -> None:
    """A launch inside a capture is recorded, not run: so it goes to CuPy's current stream."""
    import cupy

    a, b, y = random(40, 40), random(40, 40), cupy.zeros((40, 40), "float32")
    wanted = tinynet_kernels.matmul(a, b).get()
    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        stream.begin_capture()
        tinynet_kernels.matmul(a, b, out=y)
        graph = stream.end_capture()
    assert not y.any()
    graph.launch(stream)
    stream.synchronize()
    np.testing.assert_array_equal(y.get(), wanted)


def test_unaligned_view() -> None:
    """A view that starts between two 16-byte blocks takes the narrow loads, after aligned arrays of the same shape too."""
    tinynet_kernels.matmul(random(64, 64), random(64, 64))
    flat = random(64 * 64 + 1)
    a, b = flat[1:].reshape(64, 64), random(64, 64)
    assert a.data.ptr % 16
    np.testing.assert_allclose(tinynet_kernels.matmul(a, b).get(), a.get() @ b.get(), rtol=1e-4, atol=1e-4)


def test_known_launches_are_told_apart() -> None:
    """Products of one shape that differ in anything else, one after the other: each is what it should be."""
    a, b, bias = random(24, 24), random(24, 24), random(24)
    x, y = a.get().astype(np.float64), b.get().astype(np.float64)
    for _ in range(2):
        for dtype in ("float32", "float64"):
            for transpose_a, transpose_b in ((False, False), (True, False), (False, True)):
                wanted = (x.T if transpose_a else x) @ (y.T if transpose_b else y)
                for given, activation in ((None, None), (bias, None), (None, "relu")):
                    got = tinynet_kernels.matmul(
                        *(p if p is None else p.astype(dtype) for p in (a, b, given)),
                        transpose_a=transpose_a,
                        transpose_b=transpose_b,
                        activation=activation,
                    )
                    expected = wanted if given is None else wanted + bias.get()
                    expected = np.maximum(expected, 0) if activation else expected
                    np.testing.assert_allclose(got.get(), expected, rtol=1e-4, atol=1e-4)


def test_checks_are_remembered_for_what_lies_alike() -> None:
    """The same call again and again, with arrays that lie differently between: each is what it should be, or still refused."""
    import cupy

    x, w, flat = random(2, 4, 9, 9), random(6, 4, 3, 3), random(24 * 24 + 1)
    square, unaligned, columns = random(24, 24), flat[1:].reshape(24, 24), random(24, 48)[:, ::2]
    for _ in range(4):
        for a in (square, unaligned, square.T, columns):
            for b in (square, unaligned.T):
                wanted = a.get().astype(np.float64) @ b.get()
                np.testing.assert_allclose(tinynet_kernels.matmul(a, b).get(), wanted, rtol=1e-4, atol=1e-4)
                out = cupy.full((24, 48), np.nan, "float32")
                tinynet_kernels.matmul(a, b, out=out[:, ::2])
                np.testing.assert_allclose(out[:, ::2].get(), wanted, rtol=1e-4, atol=1e-4)
                assert cupy.isnan(out[:, 1::2]).all()
        for padding in (0, 1, (1, 0)):
            for image in (x, cupy.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)):
                y = tinynet_kernels.conv2d(image, w, padding=padding)
                wanted = tinynet_kernels.conv2d(image.get(), w.get(), padding=padding)
                np.testing.assert_allclose(y.get(), wanted, rtol=1e-4, atol=1e-4)
                for name, args in (("input", (y, w, x.shape)), ("weight", (image, y, w.shape))):
                    gradient = getattr(tinynet_kernels, f"conv2d_{name}_grad")
                    wanted = gradient(*(a if type(a) is tuple else a.get() for a in args), padding=padding)
                    np.testing.assert_allclose(gradient(*args, padding=padding).get(), wanted, rtol=1e-4, atol=1e-3)
        with pytest.raises(TypeError):
            tinynet_kernels.conv2d(x, w, padding=1.0)
        with pytest.raises(ValueError):
            tinynet_kernels.matmul(square, square, out=cupy.empty((24, 23), "float32"))
        with pytest.raises(TypeError):
            tinynet_kernels.matmul(square, square.get())


def test_time_of_the_device() -> None:
    """What is timed runs as often as asked, each time anew if the host was late; a longer kernel takes longer."""
    from tinynet_kernels.runtime.tuning import device_time

    short, long, ran = random(32, 32), random(512, 512), []
    assert device_time(lambda: ran.append(tinynet_kernels.matmul(short, short)), calls=3, warm=True) >= 0
    assert len(ran) >= 4
    assert len(ran) % 4 == 0
    assert device_time(lambda: tinynet_kernels.matmul(long, long)) > device_time(
        lambda: tinynet_kernels.matmul(short, short)
    )


def test_too_large() -> None:
    import cupy

    one = cupy.zeros(1, "float32")
    huge = cupy.ndarray((1 << 31,), "float32", memptr=one.data)  # never read: refused before the launch
    with pytest.raises(ValueError, match=r"2147483648 elements, kernels take less than 2\*\*31"):
        tinynet_kernels.dropout(huge, p=0.5, seed=0, offset=0, out=huge)


def test_devices_do_not_mix() -> None:
    with pytest.raises(TypeError, match="all arrays must be on one device"):
        tinynet_kernels.matmul(random(3, 3), np.ones((3, 3), np.float32))


def test_second_device() -> None:
    import cupy

    if cupy.cuda.runtime.getDeviceCount() < 2:
        pytest.skip("there is one device")
    with cupy.cuda.Device(1):
        a = random(33, 20)
    y = tinynet_kernels.matmul(a, a, transpose_b=True)  # launched while device 0 is current
    assert y.device.id == 1
    np.testing.assert_allclose(y.get(), a.get() @ a.get().T, rtol=1e-4, atol=1e-5)
    with pytest.raises(TypeError, match="one device"):
        tinynet_kernels.matmul(a, random(20, 20))


def test_launch_is_thin() -> None:
    """The launcher passes addresses: it does not describe arrays, which would make each launch wait for tens of µs."""
    from tinynet_kernels.optimizer import cuda

    p = random(8)
    tinynet_kernels.sgd(
        p,
        p,
        p.copy(),
        lr=0.1,
        momentum=0.0,
        dampening=0.0,
        weight_decay=0.0,
        nesterov=False,
        first_step=True,
    )
    from tinynet_kernels.runtime.cuda import types

    assert all(not isinstance(t, types.Array) for t in cuda._sgd.signature(np.dtype("float32")))


def test_launch_that_the_device_refuses() -> None:
    from tinynet_kernels.optimizer import cuda
    from tinynet_kernels.runtime.cuda import Kernel

    p = random(8)
    too_many = Kernel(cuda._sgd.function, 2048, None)
    with pytest.raises(
        RuntimeError, match=r"_sgd: 1 x 1 x 1 blocks of 2048 threads did not start: CUDA_ERROR_INVALID_VALUE"
    ):
        too_many(1, *([p] * too_many._pointers), *([0] * (len(too_many.annotations) - too_many._pointers)))


def test_first_act_of_a_thread() -> None:
    """A thread of the host that has asked nothing of the device yet, and thus has no context, launches a known kernel."""
    import threading

    import cupy

    a, y = random(40, 40), cupy.zeros((40, 40), "float32")
    wanted = tinynet_kernels.matmul(a, a).get()
    thread = threading.Thread(target=lambda: tinynet_kernels.matmul(a, a, out=y))
    thread.start()
    thread.join()
    np.testing.assert_array_equal(y.get(), wanted)


def test_counters_of_streams() -> None:
    """The handle of the default stream of a thread is the same in all threads; their counters must not be."""
    from concurrent.futures import ThreadPoolExecutor
    from threading import Barrier

    import cupy

    from tinynet_kernels.runtime.last_block import counters

    both = Barrier(2)

    def own(_: int) -> int:
        with cupy.cuda.Stream.ptds:
            both.wait()
            return int(counters().data.ptr)

    with ThreadPoolExecutor(2) as pool:
        places = set(pool.map(own, range(2)))
    with cupy.cuda.Stream(non_blocking=True):
        assert counters() is counters()
        places.add(int(counters().data.ptr))
    assert len(places | {int(counters().data.ptr)}) == 4


def test_counters_first_needed_by_a_recorded_launch() -> None:
    """They are 0 at once, for launches on the stream that are not recorded."""
    import cupy

    x = random(40, 3, 8, 8)  # several blocks to a channel
    wanted = tinynet_kernels.channel_sum(x).get()
    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        stream.begin_capture()
        recorded = tinynet_kernels.channel_sum(x)
        graph = stream.end_capture()
        np.testing.assert_array_equal(tinynet_kernels.channel_sum(x).get(), wanted)
        graph.launch(stream)
        np.testing.assert_array_equal(recorded.get(), wanted)


def test_more_groups_than_blocks_in_y() -> None:
    x, w = random(1, 65536, 1, 1), random(65536, 1, 1, 1)
    product = x.get().reshape(-1) * w.get().reshape(-1)
    np.testing.assert_array_equal(tinynet_kernels.conv2d(x, w, groups=65536).get().reshape(-1), product)
    found = tinynet_kernels.conv2d_input_grad(x, w, x.shape, groups=65536).get().reshape(-1)
    np.testing.assert_array_equal(found, product)
    found = tinynet_kernels.conv2d_weight_grad(x, w.reshape(x.shape), w.shape, groups=65536).get().reshape(-1)
    np.testing.assert_array_equal(found, product)


def test_filters_of_many_taps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to 32 rows and columns together are gathered by tables; more take the plain kernels."""
    from tinynet_kernels.conv2d import cuda

    taken = []
    for name in "conv2d", "conv2d_input_grad", "conv2d_weight_grad":
        plain = getattr(cuda, f"{name}_naive")
        monkeypatch.setattr(cuda, f"{name}_naive", lambda *a, _plain=plain, **b: taken.append(1) or _plain(*a, **b))

    def check(height: int, width: int) -> None:
        x, w, params = random(1, 2, 7, 9), random(3, 2, height, width), {"padding": (height // 2, width // 2)}
        y = tinynet_kernels.conv2d(x, w, **params)
        gx = tinynet_kernels.conv2d_input_grad(y, w, x.shape, **params)
        gw = tinynet_kernels.conv2d_weight_grad(x, y, w.shape, **params)
        padded = np.pad(x.get().astype("float64"), [(0, 0), (0, 0), *((p, p) for p in params["padding"])])
        windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), (2, 3))
        np.testing.assert_allclose(y.get(), np.einsum("nchwrs,ocrs->nohw", windows, w.get()), rtol=1e-4, atol=1e-3)
        np.testing.assert_allclose(gw.get(), np.einsum("nchwrs,nohw->ocrs", windows, y.get()), rtol=1e-4, atol=1e-3)
        # y is linear in x, whose gradient is gx
        total = float((y.astype("float64") ** 2).sum())
        assert float((gx.astype("float64") * x).sum()) == pytest.approx(total, rel=1e-5)

    for shape in (7, 7), (11, 11), (16, 16), (1, 31), (29, 3):
        check(*shape)
    assert not taken
    check(17, 16)
    assert len(taken) == 3


def test_taps_farther_than_tables_of_tensor_cores_reach() -> None:
    """Taps so far apart that an image of one pixel meets but the one in the middle."""
    x, w, far = random(1, 8, 1, 1).astype("float16"), random(8, 8, 3, 1).astype("float16"), 1 << 23
    y = tinynet_kernels.conv2d(x, w, padding=(far, 0), dilation=(far, 1)).get().reshape(-1)
    exact = w.get()[:, :, 1, 0].astype("float64") @ x.get().reshape(-1).astype("float64")
    np.testing.assert_allclose(y, exact, rtol=1e-3, atol=2e-3)


def test_pooling_gather_stays_inside() -> None:
    """An index that no pooling gives is not followed out of the array."""
    import cupy

    x, indices = random(1, 2, 2, 2), cupy.array([4, 1 << 30, -1, -7], "int32").reshape(1, 2, 2, 1)
    found = tinynet_kernels.max_pool2d_gather(x, indices).get().reshape(-1)
    np.testing.assert_array_equal(found, [x[0, 0, 1, 1].get()] * 2 + [0, 0])


def test_tables_are_complete_on_every_stream() -> None:
    """A convolution's tables serve all streams: the one that they are made on is waited for, once for each shape."""
    import cupy

    from tinynet_kernels.runtime.cuda import lasting

    waited = []

    class Stream(cupy.cuda.Stream):  # type: ignore[misc]
        def synchronize(self) -> None:
            waited.append(self)
            super().synchronize()

    x, w = random(2, 3, 9, 11), random(4, 3, 3, 3)
    with Stream(non_blocking=True):
        y = tinynet_kernels.conv2d(x, w)
        assert len(waited) == 1
        tinynet_kernels.conv2d(x, w, out=y)
    assert len(waited) == 1
    stream = Stream(non_blocking=True)
    with stream:
        stream.begin_capture()
        with pytest.raises(RuntimeError, match="tables of a shape that is new"):
            lasting(w)  # it would be complete after a replay only
        stream.end_capture()


def test_threads_launch_side_by_side() -> None:
    """Several threads of the host start one kernel with arguments of their own."""
    from concurrent.futures import ThreadPoolExecutor

    def product(n: int) -> bool:
        a = random(n, 40)
        return all(np.allclose(tinynet_kernels.matmul(a, a.T).get(), a.get() @ a.get().T, atol=1e-3) for _ in range(5))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(product, range(33, 41)))
