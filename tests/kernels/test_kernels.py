"""Every registered kernel, over its samples, dtypes, devices and variants, against its float64 NumPy reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinynet_kernels
from tinynet.device import device as Device
from tinynet.device import move, simulated
from tinynet_kernels.spec import KernelSpec, Sample, load

SPECS = dict(tinynet_kernels.registry())


def cases() -> list[Any]:
    return [
        pytest.param(spec, sample, dtype, id=f"{name}-{sample.name}-{dtype}")
        for name, spec in SPECS.items()
        for sample in spec.samples
        for dtype in spec.dtypes
    ]


def arguments(spec: KernelSpec, sample: Sample, dtype: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return sample.make(np.random.default_rng(1), np.dtype(dtype))


def to(device: str, value: Any) -> Any:
    return move(value, Device(device)) if hasattr(value, "dtype") else value


def host(value: Any) -> Any:
    return move(value, Device("cpu"))


def expected(spec: KernelSpec, args: tuple[Any, ...], params: dict[str, Any]) -> tuple[Any, ...]:
    exact = [a.astype(np.float64) if hasattr(a, "dtype") and a.dtype.kind == "f" else a for a in args]
    result = load(spec.reference)(*exact, **params)
    return result if isinstance(result, tuple) else (result,)


def poisoned(spec: KernelSpec, args: tuple[Any, ...], params: dict[str, Any], device: str) -> tuple[Any, ...]:
    """Outputs full of NaN, or of a number that is no result."""
    made = spec.check(*args, **params)
    return tuple(to(device, np.full(shape, np.nan if np.dtype(dt).kind == "f" else -77, dt)) for shape, dt in made)


def compare(spec: KernelSpec, dtype: str, results: tuple[Any, ...], wanted: tuple[Any, ...]) -> None:
    rtol, atol = spec.tolerance[dtype]
    for result, want in zip(results, wanted, strict=True):
        got = host(result)
        assert got.shape == want.shape
        finite = want[np.isfinite(want)]
        size = float(np.sqrt(np.mean(np.square(finite)))) if finite.size else 0.0
        np.testing.assert_allclose(got, want, rtol=rtol, atol=atol * max(1.0, size))


def skip_large(sample: Sample, device: str) -> None:
    if sample.bench and device == "cuda" and simulated():
        pytest.skip("a large sample would take too long in Numba's simulator")


@pytest.mark.parametrize("spec, sample, dtype", cases())
def test_matches_reference(spec: KernelSpec, sample: Sample, dtype: str, device: str) -> None:
    skip_large(sample, device)
    args, params = arguments(spec, sample, dtype)
    wanted = expected(spec, args, params)
    before = [a.copy() if hasattr(a, "dtype") else a for a in args]
    for variant in (None, *list(spec.cpu if device == "cpu" else spec.cuda)[dtype != "float16" :]):  # None: the first
        moved = tuple(to(device, a) for a in args)
        runs = []
        for _ in range(2):
            outputs = poisoned(spec, args, params, device)
            spec(*moved, out=outputs, variant=variant, **params)
            runs.append([host(o) for o in outputs])
        compare(spec, dtype, outputs, wanted)
        for first, second in zip(*runs):
            assert first.tobytes() == second.tobytes(), "two runs differ"
        for a, b in zip(moved, before):
            if hasattr(b, "dtype"):
                np.testing.assert_array_equal(host(a), b, "an input was modified")


@pytest.mark.parametrize("spec, sample, dtype", [c for c in cases() if not c.values[1].bench])
def test_non_contiguous(spec: KernelSpec, sample: Sample, dtype: str, device: str) -> None:
    """Inputs and outputs in transposed, strided and reversed memory."""
    args, params = arguments(spec, sample, dtype)
    wanted = expected(spec, args, params)
    for layout in (transposed, strided, backwards):
        moved = tuple(layout(to(device, a)) if hasattr(a, "dtype") else a for a in args)
        outputs = tuple(layout(o) for o in poisoned(spec, args, params, device))
        spec(*moved, out=outputs, **params)
        compare(spec, dtype, outputs, wanted)


def transposed(array: Any) -> Any:
    return array.T.copy().T


def strided(array: Any) -> Any:
    wide = array.repeat(2, axis=-1) if array.ndim else array
    view = wide[..., ::2] if array.ndim else array
    view[...] = array
    return view


def backwards(array: Any) -> Any:
    return array[..., ::-1].copy()[..., ::-1] if array.ndim else array


@pytest.mark.parametrize(
    "spec, bad", [pytest.param(s, b, id=f"{n}-{b.name}") for n, s in SPECS.items() for b in s.bad_samples]
)
def test_bad_arguments(spec: KernelSpec, bad: Any, device: str) -> None:
    args, params = bad.make(np.random.default_rng(1))
    with pytest.raises(bad.error, match=bad.match):
        spec(*(to(device, a) for a in args), **params)


@pytest.mark.parametrize("spec", [pytest.param(s, id=n) for n, s in SPECS.items()])
def test_out(spec: KernelSpec) -> None:
    args, params = arguments(spec, spec.samples[0], "float32")
    outputs = poisoned(spec, args, params, "cpu")
    result = spec(*args, out=outputs, **params)
    given = result if isinstance(result, tuple) else (result,)
    assert all(a is b for a, b in zip(given, outputs, strict=True))
    wrong_shape = (np.empty((*outputs[0].shape, 1), outputs[0].dtype), *outputs[1:])
    with pytest.raises(ValueError, match="out has shape"):
        spec(*args, out=wrong_shape, **params)
    with pytest.raises(TypeError, match="out has dtype int8"):
        spec(*args, out=(outputs[0].astype(np.int8), *outputs[1:]), **params)
    with pytest.raises(ValueError, match=f"out has {len(outputs) + 1} arrays"):
        spec(*args, out=(*outputs, outputs[0]), **params)
    with pytest.raises(ValueError, match="variant 'nonsense'"):
        spec(*args, variant="nonsense", **params)


def test_not_an_array() -> None:
    with pytest.raises(TypeError, match="expected NumPy or CuPy arrays"):
        tinynet_kernels.matmul([[1.0]], [[1.0]])


@pytest.mark.parametrize("labels", [[0, 3], [0, -1], [7, 0]])
def test_label_out_of_range(labels: list[int]) -> None:
    loss = np.full(2, 5.0, np.float32)
    with pytest.raises(IndexError, match=r"label .* is out of range: expected 0 to 2"):
        tinynet_kernels.softmax_cross_entropy(np.ones((2, 3), np.float32), np.array(labels), out=(loss, loss.copy()))
    assert (loss == 5.0).all()


@pytest.mark.parametrize("classes", [3, 65, 1030])
def test_logits_not_finite(classes: int, device: str) -> None:
    """As the definition has it: -inf is a probability of 0; a row with inf or NaN has neither loss nor gradient."""
    logits = np.random.default_rng(0).standard_normal((7, classes)).astype(np.float32)
    logits[0, 1] = logits[1, 0] = logits[1, 2] = logits[2, -1] = np.inf
    logits[3, 2] = np.nan
    logits[4, 0] = logits[5, 1] = -np.inf
    labels = np.array([0, 1, classes - 1, 0, 1, 1, 2])
    with np.errstate(invalid="ignore"):
        args, exact = (logits, labels), (logits.astype(np.float64), labels)
        losses = load(SPECS["softmax_cross_entropy"].reference)(*exact)
        mean, share, grad = load(SPECS["mean_cross_entropy"].reference)(*exact)
    assert np.isnan(losses[0][:4]).all()
    assert np.isnan(grad[:4]).all()
    assert np.isfinite(grad[4:]).all()
    *moved, gy = (to(device, a) for a in (*args, share.astype(np.float32)))
    with np.errstate(invalid="ignore"):
        for variant in SPECS["softmax_cross_entropy"].cuda if device == "cuda" else (None,):
            loss, lse = tinynet_kernels.softmax_cross_entropy(*moved, variant=variant)
            compare(SPECS["softmax_cross_entropy"], "float32", (loss, lse), losses)
            result = tinynet_kernels.softmax_cross_entropy_grad(*moved, lse, gy, variant=variant)
            compare(SPECS["softmax_cross_entropy_grad"], "float32", (result,), (grad,))
        results = tinynet_kernels.mean_cross_entropy(*moved)
    compare(SPECS["mean_cross_entropy"], "float32", results, (mean, share, grad))


def test_optimizers_in_place(device: str) -> None:
    for name in ("sgd", "adam", "rmsprop"):
        spec = SPECS[name]
        args, params = arguments(spec, spec.samples[0], "float64")
        wanted = expected(spec, args, params)
        moved = tuple(to(device, a) for a in args)
        spec(*moved, out=(moved[0], *moved[2:]), **params)
        compare(spec, "float64", (moved[0], *moved[2:]), wanted)


def test_relu_grad_of_mixed_layouts() -> None:
    """The gradient as a reshaped matrix leaves it, the output as a convolution on the CPU does."""
    rng = np.random.default_rng(0)
    gy, y = rng.standard_normal((8, 64, 3, 3)), rng.standard_normal((8, 3, 3, 64)).transpose(0, 3, 1, 2)
    gx, sums = tinynet_kernels.relu_grad(gy, y)
    np.testing.assert_array_equal(gx, np.where(y > 0, gy, 0))
    np.testing.assert_allclose(sums, gx.sum(axis=(0, 2, 3)), rtol=1e-12)
