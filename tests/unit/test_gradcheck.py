"""The gradient checker accepts right gradients and says where wrong ones are."""

from __future__ import annotations

from typing import Any

import pytest

import tinynet
from tinynet import Tensor
from tinynet.autograd import Function, GradcheckError, gradcheck, gradgradcheck

pytestmark = pytest.mark.usefixtures("on_device")


class WrongSquare(Function):
    """Right value, right shape, gradient off by a factor in one place."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        factor = tinynet.tensor([2.0, 2.0, 2.01], dtype=tinynet.float64)
        return factor * x * gy


class RightThenWrong(Function):
    """The first gradient is right, but its own gradient is lost: it is computed from detached values."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return 2 * x.detach() * gy


def inputs() -> Tensor:
    return tinynet.tensor([0.5, -1.0, 2.0], dtype=tinynet.float64, requires_grad=True)


def test_finds_a_wrong_gradient() -> None:
    with pytest.raises(
        GradcheckError, match=r"output 0 with respect to inputs\[0\].*element 2, input element 2.*4\.02"
    ):
        gradcheck(WrongSquare.apply, inputs())
    assert not gradcheck(WrongSquare.apply, inputs(), raise_exception=False)


def test_finds_a_wrong_second_gradient() -> None:
    assert gradcheck(RightThenWrong.apply, inputs())
    with pytest.raises(GradcheckError):
        gradgradcheck(RightThenWrong.apply, inputs())


def test_finds_nan() -> None:
    with pytest.raises(GradcheckError):
        gradcheck(lambda x: (x * 0).sqrt() * 0 + x, inputs())


def test_several_inputs_and_outputs() -> None:
    a, b = inputs(), inputs().detach()

    def function(a: Tensor, b: Tensor, n: int) -> tuple[Tensor, ...]:
        return a * b * n, (a.argmax()), a.sum()

    assert gradcheck(function, (a, b, 3))
    assert gradgradcheck(lambda a, b: a * a * b, (a, b))
    assert a.grad is None


def test_refuses_what_it_cannot_check() -> None:
    with pytest.raises(ValueError, match="no input requires a gradient"):
        gradcheck(lambda x: x, inputs().detach())
    with pytest.raises(TypeError, match=r"inputs\[0\] has dtype float32, expected float64"):
        gradcheck(lambda x: x, tinynet.ones(2, requires_grad=True))
