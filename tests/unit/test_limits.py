"""What happens at the limits: infinities, NaN, integers, no elements, one element. The answers are PyTorch's."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import tinynet
from tinynet.nn import functional as F

INF = math.inf


@pytest.mark.parametrize("name", ["floor", "ceil", "round", "trunc", "sign"])
def test_steps_of_infinity(name: str, on_device: str) -> None:
    """The value is the function's, and the gradient 0, where x * 0 would be NaN."""
    x = tinynet.tensor([INF, -INF, 1.5], requires_grad=True)
    y = getattr(tinynet, name)(x)
    numpy = {"round": np.rint, "sign": np.sign}.get(name) or getattr(np, name)
    np.testing.assert_array_equal(y.detach().cpu().numpy(), numpy(np.array([INF, -INF, 1.5], np.float32)))
    y.backward(tinynet.ones_like(y))
    assert x.grad is not None
    assert x.grad.tolist() == [0, 0, 0]


def test_rounding_keeps_integers(on_device: str) -> None:
    for dtype in (tinynet.uint8, tinynet.int64):
        x = tinynet.tensor([3, 0, 7], dtype=dtype)
        for result in (x.round(), x.floor(), x.ceil(), x.trunc(), x.nan_to_num()):
            assert result.dtype == dtype
            assert result.tolist() == [3, 0, 7]
            assert result.data_ptr() != x.data_ptr()
    assert tinynet.tensor([True, False]).sign().tolist() == [True, False]


@pytest.mark.parametrize("dtype", [tinynet.float16, tinynet.float32, tinynet.float64])
def test_inverse_hyperbolic_functions_far_out(dtype: Any, on_device: str) -> None:
    """Where x * x overflows, and below the domain."""
    x = np.array([0, 1e-3, 3, 50, 99, 101, 3e4, INF, -1e-3, -99, -101, -INF], dtype)
    for name in ("asinh", "acosh"):
        with np.errstate(invalid="ignore"):
            expected = getattr(np, "arc" + name[1:])(x.astype(np.float64))
        result = getattr(tinynet, name)(tinynet.tensor(x)).cpu().numpy()
        np.testing.assert_allclose(result, expected, rtol=4 * np.finfo(dtype).eps, atol=np.finfo(dtype).eps)
    if dtype != tinynet.float16:
        big = tinynet.tensor([1e30, -1e30], dtype=dtype, requires_grad=True)
        tinynet.asinh(big).sum().backward()
        assert big.grad is not None
        np.testing.assert_allclose(big.grad.cpu().numpy(), [1e-30, 1e-30], rtol=1e-5)


def test_masked_fill_keeps_the_dtype(on_device: str) -> None:
    flags, numbers = tinynet.tensor([True, False]), tinynet.tensor([1, 2])
    assert flags.masked_fill(flags, 0).tolist() == [False, False]
    assert flags.masked_fill(flags, 0).dtype == tinynet.bool
    assert numbers.masked_fill(flags, 7.0).tolist() == [7, 2]
    assert numbers.masked_fill(flags, 7.0).dtype == tinynet.int64
    assert numbers.masked_fill(flags, tinynet.tensor(7.0)).dtype == tinynet.int64


def test_numbers_as_operands(on_device: str) -> None:
    x = tinynet.tensor([1.0, math.nan, 5.0])
    assert tinynet.fmax(x, 3.0).tolist() == [3, 3, 5]
    assert tinynet.fmin(x, 3).tolist() == [1, 3, 3]
    with pytest.raises(TypeError, match="other is a float, expected a Tensor"):
        tinynet.isclose(x, 3.0)  # type: ignore[arg-type]


def test_where_of_a_scalar(on_device: str) -> None:
    (found,) = tinynet.where(tinynet.tensor(3))
    assert found.tolist() == [0]


def test_no_elements_can_be_modified_in_place(on_device: str) -> None:
    x = tinynet.arange(6.0).reshape(2, 3)
    x[x > 9] *= 2
    x[:0] += 1
    nothing = tinynet.tensor([], dtype=tinynet.int64)
    x[None, nothing] *= 2  # whose memory has strides of 0
    x[x.sum() < 0] += 1
    x[nothing] = 3.0
    assert x.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_one_element_is_assigned_to_one_place(on_device: str) -> None:
    x = tinynet.zeros(2, 3)
    value = tinynet.tensor([[4.0]], requires_grad=True)
    x[1, -1] = tinynet.tensor([3.0])
    x[0, 0] = value
    x[1] = tinynet.ones(1, 3) * tinynet.tensor([1.0, 2.0, 3.0])
    assert x.tolist() == [[4, 0, 0], [1, 2, 3]]
    x.sum().backward()
    assert value.grad is not None
    assert value.grad.tolist() == [[1]]


@pytest.mark.parametrize(
    "shape, wrap", [((3, 3), False), ((2, 4), False), ((7, 3), False), ((7, 3), True), ((2,) * 3, False)]
)
def test_fill_diagonal(shape: tuple[int, ...], wrap: bool, on_device: str) -> None:
    expected = np.zeros(shape)
    np.fill_diagonal(expected, 5, wrap)
    np.testing.assert_array_equal(tinynet.zeros(*shape).fill_diagonal_(5, wrap).cpu().numpy(), expected)


def test_fill_diagonal_needs_one() -> None:
    for shape in ((3,), (2, 2, 3)):
        with pytest.raises(ValueError, match="expected a matrix, or equal sizes"):
            tinynet.zeros(*shape).fill_diagonal_(1)


def test_padding_with_negative_numbers(on_device: str) -> None:
    """Cut off after what is added on the other side was taken from the whole."""
    x = tinynet.tensor([[1.0, 2.0, 3.0]])
    for mode, expected in (("reflect", [2, 3, 2, 1]), ("replicate", [2, 3, 3, 3]), ("circular", [2, 3, 1, 2])):
        assert F.pad(x, (-1, 2), mode).tolist() == [expected]
    for pads, mode in (((3, 0), "reflect"), ((0, 4), "circular")):
        with pytest.raises(ValueError, match=f"too much of mode '{mode}'"):
            F.pad(x, pads, mode)
    for mode in ("constant", "replicate"):
        with pytest.raises(ValueError, match="takes more away than an input"):
            F.pad(x, (-2, -2), mode)


def test_average_pooling_of_a_window_larger_than_the_input(on_device: str) -> None:
    x = tinynet.tensor([[[1.0, 3.0]]])
    assert F.avg_pool1d(x, 3, 2, ceil_mode=True).tolist() == [[[2]]]
    with pytest.raises(ValueError, match="kernel_size is 3, larger than the input's 2"):
        F.avg_pool1d(x, 3, 2)


def test_transposed_convolution_whose_output_padding_exceeds_the_stride(on_device: str) -> None:
    """A dilation of 3 allows 2 further places behind; the full correlation has them where padding cut them off."""
    x, w = tinynet.tensor([[[1.0, 2.0, 3.0]]]), tinynet.tensor([[[1.0, 10.0]]])
    full = np.zeros(3 + 3)
    full[:3] += [1, 2, 3]
    full[3:] += [10, 20, 30]
    result = F.conv_transpose1d(x, w, padding=2, output_padding=2, dilation=3)
    assert result.tolist() == [[full[2:6].tolist()]]
    with pytest.raises(ValueError, match=r"output_padding is .*expected less than stride"):
        F.conv_transpose1d(x, w, output_padding=3, dilation=3)


def test_sampling_with_mirrors(on_device: str) -> None:
    """A place is where a walk along the mirrored row ends; what is not finite is at its start."""
    row = tinynet.arange(4.0).reshape(1, 1, 1, 4)
    xs = [-2.2, -1.1, 0.3, 1.4, 3.7, math.nan, INF]
    grid = tinynet.tensor([[[[x, 0.0] for x in xs]]])
    for corners, mirrored in ((True, [0, 1, 2, 3, 2, 1]), (False, [0, 1, 2, 3, 3, 2, 1, 0])):
        expected = []
        for x in xs[:-2]:
            at = (x + 1) * 3 / 2 if corners else ((x + 1) * 4 - 1) / 2
            low = math.floor(at)
            a, b = (mirrored[i % len(mirrored)] for i in (low, low + 1))
            expected.append(a + (at - low) * (b - a))
        result = F.grid_sample(row, grid, padding_mode="reflection", align_corners=corners)
        np.testing.assert_allclose(result.flatten().cpu().numpy(), [*expected, 0, 0], atol=1e-5)


def test_scale_factors_for_each_dimension() -> None:
    with pytest.raises(ValueError, match=r"scale_factor is .*expected a number or 1 of them"):
        F.interpolate(tinynet.ones(1, 1, 4), scale_factor=(2.0, 3.0))


def test_activations_of_nan(on_device: str) -> None:
    x = tinynet.tensor([math.nan, 1.0])
    assert math.isnan(F.threshold(x, 2.0, 5.0).tolist()[0])
    assert F.prelu(tinynet.tensor(-2.0), tinynet.tensor([0.25])).shape == ()


@pytest.mark.parametrize("name", ["running_mean", "running_var", "weight", "bias"])
def test_statistics_for_each_channel(name: str) -> None:
    given: dict[str, Any] = {"running_mean": tinynet.zeros(3), "running_var": tinynet.ones(3)}
    given[name] = tinynet.ones(1)
    with pytest.raises(ValueError, match=rf"{name} has shape \(1,\), expected \(3,\)"):
        F.batch_norm(tinynet.ones(2, 3), **given)


@pytest.mark.parametrize("loss", [F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.huber_loss])
def test_losses_warn_of_broadcasting(loss: Any) -> None:
    """(N, 1) against (N,) is (N, N), seldom what was meant."""
    with pytest.warns(UserWarning, match=r"target has shape \(3,\), and input \(3, 1\)"):
        loss(tinynet.ones(3, 1), tinynet.ones(3))


def test_logcumsumexp_of_what_is_far_apart(on_device: str) -> None:
    """Elements that vanish beside the largest one still count before it comes."""
    x = tinynet.tensor([-1000.0, -INF, -1000.0, 0.0, 800.0, 1.0], requires_grad=True)
    y = tinynet.logcumsumexp(x, 0)
    expected = np.logaddexp.accumulate(np.array(x.tolist()))
    np.testing.assert_allclose(y.detach().cpu().numpy(), expected, rtol=1e-6)
    y[2].backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.cpu().numpy(), [0.5, 0, 0.5, 0, 0, 0], rtol=1e-6)
    assert tinynet.logcumsumexp(tinynet.tensor([INF, 1.0]), 0).tolist() == [INF, INF]


def test_hypot_does_not_overflow(on_device: str) -> None:
    x = tinynet.tensor([3e30, 3e-30], requires_grad=True)
    y = tinynet.hypot(x, 4 * x.detach())
    np.testing.assert_allclose(y.detach().cpu().numpy(), np.array([3e30, 3e-30]) * math.sqrt(17), rtol=1e-6)
    y.sum().backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.cpu().numpy(), [17**-0.5] * 2, rtol=1e-6)


def test_roll_names_the_dimension(on_device: str) -> None:
    x = tinynet.arange(6).reshape(2, 3)
    assert x.roll(1, -1).tolist() == x.roll((1,), (1,)).tolist() == [[2, 0, 1], [5, 3, 4]]
    assert tinynet.tensor(3).roll(2).item() == 3
    with pytest.raises(IndexError, match="dims is 0, expected none"):
        tinynet.tensor(3).roll(2, 0)
    with pytest.raises(IndexError, match="dims is 2, expected -2 to 1"):
        x.roll(1, 2)
    with pytest.raises(ValueError, match="expected as many of the one as of the other"):
        x.roll((1, 2), 0)


def test_gradient_of_acosh_outside_its_domain(on_device: str) -> None:
    """1 / sqrt(x * x - 1), below -1 too, as PyTorch has it."""
    x = tinynet.tensor([2.0, -2.0, 0.5], requires_grad=True)
    tinynet.acosh(x).sum().backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.cpu().numpy(), [3**-0.5, 3**-0.5, math.nan], rtol=1e-6)


@pytest.mark.parametrize("equation", ["ij->ik", "ij->ii", "ij->iij"])
def test_einsum_with_a_result_that_cannot_be(equation: str) -> None:
    with pytest.raises(ValueError, match="result must name indices"):
        tinynet.einsum(equation, tinynet.ones(2, 3))


def test_statistics_of_integers(on_device: str) -> None:
    numbers = np.array([[1, 2, 4], [3, 3, 1]])
    np.testing.assert_allclose(tinynet.tensor(numbers).cov().cpu().numpy(), np.cov(numbers), rtol=1e-6)
    assert tinynet.logsumexp(tinynet.tensor([1, 2]), 0).dtype == tinynet.float32
    assert tinynet.tensor([True, False, False]).diff().tolist() == [True, False]
    assert tinynet.tensor([1.0, INF, 3.0]).quantile(tinynet.tensor([0.0, 0.5])).tolist() == [1, 3]


def test_none_equals_no_tensor(on_device: str) -> None:
    x = tinynet.ones(2)
    assert (x == None) is False  # noqa: E711 - this is about ==
    assert (x != None) is True  # noqa: E711


def test_numpy_functions_of_tensors() -> None:
    x = tinynet.tensor([[1.0, 2.0], [3.0, 5.0]])
    assert np.sum(x).item() == 11
    assert np.mean(x, axis=0).tolist() == [2, 3.5]
    assert np.argmax(x) == 3


def test_infinity_on_a_diagonal(on_device: str) -> None:
    """Beside it are zeros, not NaN."""
    assert tinynet.diag_embed(tinynet.tensor([INF, 1.0])).tolist() == [[INF, 0], [0, 1]]
    assert tinynet.diag_embed(tinynet.tensor([2, 3]), 1).tolist() == [[0, 2, 0], [0, 0, 3], [0, 0, 0]]
