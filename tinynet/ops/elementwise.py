"""Operations on each element by itself, with broadcasting."""

from __future__ import annotations

import math
from typing import Any, overload

import numpy as np

import tinynet_kernels as kernels

from .. import dtypes
from ..autograd import Node, Op
from ..device import device as Device
from ..device import device_of, move, xp
from ..tensor import Tensor, tensor
from ._common import as_float, operands, unbroadcast
from .comparison import eq, floor_divide, isinf, isnan, sign, trunc


def _fit(ctx: Node, i: int, grad: Any) -> Tensor | None:
    """The gradient of operand i, computed if it is wanted and summed to the operand's shape."""
    return unbroadcast(grad(), ctx.input_shape(i)) if ctx.needs(i) else None


_LARGE = 1 << 16  # elements, of which the kernel's sum is faster than NumPy's


def _added(a: Any, b: Any) -> Any:
    """a + b: of large arrays on the CPU that lie alike, as images with their channels last do too, in parallel."""
    alike = type(a) is np.ndarray and type(b) is np.ndarray and a.size >= _LARGE
    if not alike or a.strides != b.strides or a.shape != b.shape or a.dtype != b.dtype or a.dtype.char not in "fd":
        return a + b
    if a.flags.c_contiguous:
        return kernels.add(a, b)
    last = (0, *range(2, a.ndim), 1)
    if not a.transpose(last).flags.c_contiguous:
        return a + b
    return kernels.add(a.transpose(last), b.transpose(last)).transpose(0, a.ndim - 1, *range(1, a.ndim - 1))


class Add(Op):
    @staticmethod
    def forward(ctx: Node, a: Any, b: Any) -> Any:
        return _added(a, b)

    @staticmethod
    def backward(ctx: Node, gy: Tensor) -> Any:
        return _fit(ctx, 0, lambda: gy), _fit(ctx, 1, lambda: gy)


class Sub(Op):
    @staticmethod
    def forward(ctx: Node, a: Any, b: Any) -> Any:
        return a - b

    @staticmethod
    def backward(ctx: Node, gy: Tensor) -> Any:
        return _fit(ctx, 0, lambda: gy), _fit(ctx, 1, lambda: -gy)


class Mul(Op):
    saves = (0, 1)

    @staticmethod
    def forward(ctx: Node, a: Any, b: Any) -> Any:
        return a * b

    @staticmethod
    def backward(ctx: Node, gy: Tensor) -> Any:
        return _fit(ctx, 0, lambda: gy * ctx.input(1)), _fit(ctx, 1, lambda: gy * ctx.input(0))


class Div(Op):
    saves = (0, 1)

    @staticmethod
    def forward(ctx: Node, a: Any, b: Any) -> Any:
        with np.errstate(all="ignore"):
            return a / b

    @staticmethod
    def backward(ctx: Node, gy: Tensor) -> Any:
        b = ctx.input(1)
        return _fit(ctx, 0, lambda: gy / b), _fit(ctx, 1, lambda: -gy * ctx.input(0) / (b * b))


class Pow(Op):
    saves = (0, 1)

    @staticmethod
    def forward(ctx: Node, a: Any, b: Any) -> Any:
        with np.errstate(all="ignore"):
            return a * a if not hasattr(b, "dtype") and b == 2 else a**b

    @staticmethod
    def backward(ctx: Node, gy: Tensor) -> Any:
        def base() -> Tensor:
            a, b = ctx.input(0), ctx.input(1)
            if isinstance(b, Tensor):
                return where(eq(b, 0), zero(gy), gy * b * pow(a, b - 1))
            return gy * (b * pow(a, b - 1)) if b != 0 else gy * 0

        def exponent() -> Tensor:
            a, b = ctx.input(0), ctx.input(1)
            if isinstance(a, Tensor):
                flat = (a == 0) & (b >= 0)  # where 0 ** b is constant
                return gy * where(flat, 0.0, pow(a, b) * log(where(flat, 1.0, a)))
            return gy * pow(a, b) * (math.log(a) if a > 0 else 0.0 if a == 0 else math.nan)

        return _fit(ctx, 0, base), _fit(ctx, 1, exponent)


def zero(like: Tensor) -> Tensor:
    return Tensor._make(xp(like._array).zeros((), like._array.dtype))


class Maximum(Op):
    """Of equal elements each takes half of the gradient, as in PyTorch."""

    saves = (0, 1)

    @staticmethod
    def forward(ctx: Node, a: Any, b: Any) -> Any:
        return xp(a).maximum(a, b)

    @staticmethod
    def backward(ctx: Node, gy: Tensor) -> Any:
        a, b = ctx.input(0), ctx.input(1)
        return _fit(ctx, 0, lambda: gy * _share(a > b, a == b, gy)), _fit(
            ctx, 1, lambda: gy * _share(b > a, a == b, gy)
        )


class Minimum(Op):
    """As Maximum."""

    saves = (0, 1)

    @staticmethod
    def forward(ctx: Node, a: Any, b: Any) -> Any:
        return xp(a).minimum(a, b)

    @staticmethod
    def backward(ctx: Node, gy: Tensor) -> Any:
        a, b = ctx.input(0), ctx.input(1)
        return _fit(ctx, 0, lambda: gy * _share(a < b, a == b, gy)), _fit(
            ctx, 1, lambda: gy * _share(b < a, a == b, gy)
        )


def _share(chosen: Tensor, equal: Tensor, like: Tensor) -> Tensor:
    return cast(chosen, like.dtype) + cast(equal, like.dtype) * 0.5


class Atan2(Op):
    saves = (0, 1)

    @staticmethod
    def forward(ctx: Node, a: Any, b: Any) -> Any:
        return xp(a).arctan2(a, b)

    @staticmethod
    def backward(ctx: Node, gy: Tensor) -> Any:
        a, b = ctx.input(0), ctx.input(1)
        scaled = gy / (a * a + b * b)
        return _fit(ctx, 0, lambda: scaled * b), _fit(ctx, 1, lambda: -scaled * a)


class Remainder(Op):
    saves = (0, 1)

    @staticmethod
    def forward(ctx: Node, a: Any, b: Any) -> Any:
        with np.errstate(all="ignore"):
            return xp(b if hasattr(b, "dtype") else a).remainder(a, b)

    @staticmethod
    def backward(ctx: Node, gy: Tensor) -> Any:
        return _fit(ctx, 0, lambda: gy), _fit(ctx, 1, lambda: -gy * floor_divide(ctx.input(0), ctx.input(1)))


class Fmod(Op):
    saves = (0, 1)

    @staticmethod
    def forward(ctx: Node, a: Any, b: Any) -> Any:
        with np.errstate(all="ignore"):
            return xp(a).fmod(a, b)

    @staticmethod
    def backward(ctx: Node, gy: Tensor) -> Any:
        return _fit(ctx, 0, lambda: gy), _fit(ctx, 1, lambda: -gy * trunc(ctx.input(0) / ctx.input(1)))


class LogAddExp(Op):
    """log(exp(a) + exp(b)) without overflow."""

    saves = (0, 1)

    @staticmethod
    def forward(ctx: Node, a: Any, b: Any) -> Any:
        return xp(a).logaddexp(a, b)

    @staticmethod
    def backward(ctx: Node, gy: Tensor) -> Any:
        a, b = ctx.input(0), ctx.input(1)
        difference = where((a == b) & isinf(a), 0.0, a - b)  # infinities that are equal share alike
        return _fit(ctx, 0, lambda: gy * sigmoid(difference)), _fit(ctx, 1, lambda: gy * sigmoid(-difference))


class Hypot(Op):
    """The root of the sum of two squares, without overflow."""

    saves = (0, 1)
    saves_output = True

    @staticmethod
    def forward(ctx: Node, a: Any, b: Any) -> Any:
        return xp(a).hypot(a, b)

    @staticmethod
    def backward(ctx: Node, gy: Tensor) -> Any:
        scaled = gy / ctx.output()
        return _fit(ctx, 0, lambda: scaled * ctx.input(0)), _fit(ctx, 1, lambda: scaled * ctx.input(1))


class Where(Op):
    saves = (0,)

    @staticmethod
    def forward(ctx: Node, condition: Any, a: Any, b: Any) -> Any:
        return xp(condition).where(condition, a, b)

    @staticmethod
    def backward(ctx: Node, gy: Tensor) -> Any:
        condition, nothing = ctx.input(0), zero(gy)
        return (
            None,
            _fit(ctx, 1, lambda: where(condition, gy, nothing)),
            _fit(ctx, 2, lambda: where(condition, nothing, gy)),
        )


class Neg(Op):
    @staticmethod
    def forward(ctx: Node, a: Any) -> Any:
        return -a

    @staticmethod
    def backward(ctx: Node, gy: Tensor) -> Any:
        return -gy


class Cast(Op):
    @staticmethod
    def forward(ctx: Any, a: Any, dtype: Any) -> Any:
        ctx.dtype = a.dtype
        with np.errstate(invalid="ignore", over="ignore"):
            return a.astype(dtype)

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        return cast(gy, ctx.dtype), None


class ToDevice(Op):
    @staticmethod
    def forward(ctx: Any, a: Any, device: Any, non_blocking: bool) -> Any:
        ctx.device = device_of(a)
        return move(a, device, non_blocking)

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        return to_device(gy, ctx.device), None, None


class Clone(Op):
    @staticmethod
    def forward(ctx: Node, a: Any) -> Any:
        return a.copy()

    @staticmethod
    def backward(ctx: Node, gy: Tensor) -> Any:
        return gy


class _Unary(Op):
    """A NumPy function of one argument; `derivative(x, y)` of input and output, whichever the subclass saves."""

    function = ""

    @staticmethod
    def forward(ctx: Any, a: Any) -> Any:
        with np.errstate(all="ignore"):
            return getattr(xp(a), ctx.op.function)(a)

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        op = ctx.op
        return gy * op.derivative(ctx.output() if op.saves_output else ctx.input(0))


def _unary(function: str, derivative: Any, of_output: bool = False) -> type[Op]:
    """An Op for xp.function whose derivative is given in terms of its input, or of its output."""
    body = {
        "function": function,
        "derivative": staticmethod(derivative),
        "saves": () if of_output else (0,),
        "saves_output": of_output,
    }
    return type(function.capitalize(), (_Unary,), body)


_exp = _unary("exp", lambda y: y, of_output=True)
_expm1 = _unary("expm1", lambda y: y + 1, of_output=True)
_log = _unary("log", lambda x: 1 / x)
_log1p = _unary("log1p", lambda x: 1 / (1 + x))
_log2 = _unary("log2", lambda x: 1 / (x * math.log(2)))
_log10 = _unary("log10", lambda x: 1 / (x * math.log(10)))
_sqrt = _unary("sqrt", lambda y: 0.5 / y, of_output=True)
_square = _unary("square", lambda x: 2 * x)
_reciprocal = _unary("reciprocal", lambda y: -y * y, of_output=True)
_abs = _unary("abs", lambda x: sign(x))
_sin = _unary("sin", lambda x: cos(x))
_cos = _unary("cos", lambda x: -sin(x))
_tan = _unary("tan", lambda y: 1 + y * y, of_output=True)
_arctan = _unary("arctan", lambda x: 1 / (1 + x * x))
_arcsin = _unary("arcsin", lambda x: rsqrt(1 - x * x))
_arccos = _unary("arccos", lambda x: -rsqrt(1 - x * x))
_arccosh = _unary("arccosh", lambda x: rsqrt(x * x - 1))
_sinh = _unary("sinh", lambda x: cosh(x))
_cosh = _unary("cosh", lambda x: sinh(x))
_tanh = _unary("tanh", lambda y: 1 - y * y, of_output=True)


class Sigmoid(Op):
    saves_output = True

    @staticmethod
    def forward(ctx: Node, a: Any) -> Any:
        with np.errstate(over="ignore"):  # exp may be infinite: the result is then 0, as it should be
            return 1 / (1 + xp(a).exp(-a))

    @staticmethod
    def backward(ctx: Node, gy: Tensor) -> Any:
        y = ctx.output()
        return gy * (y * (1 - y))


class Relu(Op):
    saves_output = True

    @staticmethod
    def forward(ctx: Node, a: Any) -> Any:
        return xp(a).maximum(a, 0)

    @staticmethod
    def backward(ctx: Node, gy: Tensor) -> Any:
        return relu_mask(gy, ctx.output())


class ReluMask(Op):
    """gy where y > 0, else 0: linear in gy, and constant in y almost everywhere."""

    saves = (1,)

    @staticmethod
    def forward(ctx: Node, gy: Any, y: Any) -> Any:
        return gy * (y > 0)

    @staticmethod
    def backward(ctx: Node, ggx: Tensor) -> Any:
        return relu_mask(ggx, ctx.input(1)), None


class Softplus(Op):
    """log(1 + exp(x)) = max(x, 0) + log1p(exp(-|x|))"""

    saves = (0,)

    @staticmethod
    def forward(ctx: Node, a: Any) -> Any:
        m = xp(a)
        return m.maximum(a, 0) + m.log1p(m.exp(-m.abs(a)))

    @staticmethod
    def backward(ctx: Node, gy: Tensor) -> Any:
        return gy * sigmoid(ctx.input(0))


def _special(name: str, a: Any) -> Any:
    """A function that NumPy lacks, of an array."""
    if isinstance(a, np.ndarray):
        from . import _erf

        return np.asarray(getattr(_erf, name)(np.asarray(a))).astype(a.dtype, copy=False).view(type(a))
    from cupyx.scipy import special

    return getattr(special, name)(a)


class Root(Op):
    """The square root, whose gradient at 0 is 0, not infinite: that of norms and standard deviations."""

    saves_output = True

    @staticmethod
    def forward(ctx: Node, a: Any) -> Any:
        with np.errstate(all="ignore"):
            return xp(a).sqrt(a)

    @staticmethod
    def backward(ctx: Node, gy: Tensor) -> Any:
        y = ctx.output()
        none = y == 0
        return where(none, zero(y), 0.5 * gy) / where(none, zero(y) + 1, y)


class Erf(Op):
    saves = (0,)

    @staticmethod
    def forward(ctx: Node, a: Any) -> Any:
        return _special("erf", a)

    @staticmethod
    def backward(ctx: Node, gy: Tensor) -> Any:
        x = ctx.input(0)
        return gy * (exp(-x * x) * (2 / math.sqrt(math.pi)))


class Erfc(Op):
    saves = (0,)

    @staticmethod
    def forward(ctx: Node, a: Any) -> Any:
        return _special("erfc", a)

    @staticmethod
    def backward(ctx: Node, gy: Tensor) -> Any:
        x = ctx.input(0)
        return gy * (exp(-x * x) * (-2 / math.sqrt(math.pi)))


class Clamp(Op):
    saves = (0, 1, 2)

    @staticmethod
    def forward(ctx: Node, a: Any, low: Any, high: Any) -> Any:
        m = xp(a)
        a = a if low is None else m.maximum(a, low)
        return a if high is None else m.minimum(a, high)

    @staticmethod
    def backward(ctx: Node, gy: Tensor) -> Any:
        x, low, high = ctx.input(0), ctx.input(1), ctx.input(2)
        below = x < low if low is not None else None
        above = x > high if high is not None else None
        outside = below | above if below is not None and above is not None else below if above is None else above
        nothing = zero(gy)
        return (
            _fit(ctx, 0, lambda: where(outside, nothing, gy)),
            _fit(ctx, 1, lambda: where(below if above is None else below & ~above, gy, nothing)),
            _fit(ctx, 2, lambda: where(above, gy, nothing)),
        )


def add(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    a, b = operands(input, other if alpha == 1 else other * alpha)
    return Add.apply(a, b)


def sub(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    a, b = operands(input, other if alpha == 1 else other * alpha)
    return Sub.apply(a, b)


def mul(input: Any, other: Any) -> Tensor:
    return Mul.apply(*operands(input, other))


def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """input / other; integers give the default dtype. rounding_mode: None, "trunc" or "floor"."""
    if rounding_mode == "floor":
        return floor_divide(input, other)
    a, b = operands(input, other)
    a, b = (as_float(t) if isinstance(t, Tensor) else t for t in (a, b))
    result: Tensor = Div.apply(a, b)
    if rounding_mode == "trunc":
        return trunc(result)
    if rounding_mode is not None:
        raise ValueError(f"rounding_mode is {rounding_mode!r}, expected None, 'trunc' or 'floor'")
    return result


def pow(input: Any, exponent: Any) -> Tensor:
    a, b = operands(input, exponent)
    if not isinstance(b, Tensor) and isinstance(b, int) and b < 0 and a._array.dtype.kind in "iu":
        raise ValueError(f"exponent is {b}: integers to negative integer powers are not allowed")
    return Pow.apply(a, b)


def remainder(input: Any, other: Any) -> Tensor:
    """input - other * floor(input / other): the sign of `other`, as Python's %."""
    return Remainder.apply(*operands(input, other))


def fmod(input: Any, other: Any) -> Tensor:
    """input - other * trunc(input / other): the sign of `input`, as C's fmod."""
    return Fmod.apply(*operands(input, other))


def maximum(input: Any, other: Any) -> Tensor:
    return Maximum.apply(*both(input, other))


def minimum(input: Any, other: Any) -> Tensor:
    return Minimum.apply(*both(input, other))


def atan2(input: Any, other: Any) -> Tensor:
    """The angle of the point (other, input), from -pi to pi."""
    a, b = both(input, other)
    return Atan2.apply(as_float(a), as_float(b))


def logaddexp(input: Any, other: Any) -> Tensor:
    """log(exp(input) + exp(other)), without overflow."""
    return LogAddExp.apply(*both(input, other))


def hypot(input: Any, other: Any) -> Tensor:
    """sqrt(input^2 + other^2), without overflow."""
    a, b = both(input, other)
    return Hypot.apply(as_float(a), as_float(b))


def both(a: Any, b: Any) -> tuple[Tensor, Tensor]:
    """Two operands as Tensors, a number in the other's dtype."""
    a, b = operands(a, b)
    if not isinstance(a, Tensor):
        a = tensor(a, dtype=b.dtype, device=b.device)
    if not isinstance(b, Tensor):
        b = tensor(b, dtype=a.dtype, device=a.device)
    return a, b


@overload
def where(condition: Any) -> tuple[Tensor, ...]: ...
@overload
def where(condition: Any, input: Any, other: Any) -> Tensor: ...
def where(condition: Any, input: Any = None, other: Any = None) -> Tensor | tuple[Tensor, ...]:
    """Elements of `input` where the condition is true, of `other` elsewhere; with one argument, the indices of the true."""
    if input is None:
        from .indexing import nonzero

        return nonzero(condition, as_tuple=True)  # type: ignore[no-any-return]  # it is one, so asked
    condition = condition if isinstance(condition, Tensor) else tensor(condition)
    if condition.dtype != dtypes.bool:
        raise TypeError(f"condition has dtype {condition.dtype}, expected bool")
    if not isinstance(input, Tensor) and not isinstance(other, Tensor):
        input = tensor(input, device=condition.device)
    a, b = operands(input, other)
    return Where.apply(condition, a, b)


def cast(input: Tensor, dtype: Any) -> Tensor:
    return input if input._array.dtype == dtype else Cast.apply(input, dtype)


def to_device(input: Tensor, device: Device, non_blocking: bool = False) -> Tensor:
    return ToDevice.apply(input, device, non_blocking)


def clone(input: Tensor) -> Tensor:
    return Clone.apply(input)


def neg(input: Tensor) -> Tensor:
    if input.dtype == dtypes.bool:
        raise TypeError("neg() of a boolean tensor: use ~ or logical_not()")
    return Neg.apply(input)


def exp(input: Tensor) -> Tensor:
    return _exp.apply(as_float(input))


def expm1(input: Tensor) -> Tensor:
    return _expm1.apply(as_float(input))


def log(input: Tensor) -> Tensor:
    return _log.apply(as_float(input))


def log1p(input: Tensor) -> Tensor:
    return _log1p.apply(as_float(input))


def log2(input: Tensor) -> Tensor:
    return _log2.apply(as_float(input))


def log10(input: Tensor) -> Tensor:
    return _log10.apply(as_float(input))


def sqrt(input: Tensor) -> Tensor:
    return _sqrt.apply(as_float(input))


def rsqrt(input: Tensor) -> Tensor:
    return reciprocal(sqrt(input))


def square(input: Tensor) -> Tensor:
    return _square.apply(input)


def reciprocal(input: Tensor) -> Tensor:
    return _reciprocal.apply(as_float(input))


def abs(input: Tensor) -> Tensor:
    return _abs.apply(input)


def sin(input: Tensor) -> Tensor:
    return _sin.apply(as_float(input))


def cos(input: Tensor) -> Tensor:
    return _cos.apply(as_float(input))


def tan(input: Tensor) -> Tensor:
    return _tan.apply(as_float(input))


def asin(input: Tensor) -> Tensor:
    return _arcsin.apply(as_float(input))


def acos(input: Tensor) -> Tensor:
    return _arccos.apply(as_float(input))


def atan(input: Tensor) -> Tensor:
    return _arctan.apply(as_float(input))


def sinh(input: Tensor) -> Tensor:
    return _sinh.apply(as_float(input))


def cosh(input: Tensor) -> Tensor:
    return _cosh.apply(as_float(input))


def tanh(input: Tensor) -> Tensor:
    return _tanh.apply(as_float(input))


def acosh(input: Tensor) -> Tensor:
    return _arccosh.apply(as_float(input))


def sigmoid(input: Tensor) -> Tensor:
    return Sigmoid.apply(as_float(input))


def relu(input: Tensor) -> Tensor:
    return Relu.apply(input)


def relu_mask(grad: Tensor, y: Tensor) -> Tensor:
    """The gradient of ReLU: grad where its output y is positive, else 0."""
    return ReluMask.apply(grad, y)


def softplus(input: Tensor) -> Tensor:
    return Softplus.apply(as_float(input))


def erf(input: Tensor) -> Tensor:
    """The error function."""
    return Erf.apply(as_float(input))


def erfc(input: Tensor) -> Tensor:
    """1 - erf(input), as precise where that is nearly 0."""
    return Erfc.apply(as_float(input))


def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """Each element raised to `min` and lowered to `max`: numbers, tensors or None. ValueError if both are None."""
    if min is None and max is None:
        raise ValueError("min and max are both None, expected at least one of them")
    if isinstance(min, float) or isinstance(max, float):
        input = as_float(input)
    return Clamp.apply(input, min, max)


clip = clamp


def clamp_min(input: Tensor, min: Any) -> Tensor:
    return clamp(input, min)


def clamp_max(input: Tensor, max: Any) -> Tensor:
    return clamp(input, None, max)


def lerp(input: Tensor, end: Tensor, weight: Any) -> Tensor:
    """input + weight * (end - input)"""
    return add(input, mul(end - input, weight))


def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1) -> Tensor:
    """input + value * tensor1 * tensor2"""
    return add(input, mul(tensor1 * tensor2, value))


def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1) -> Tensor:
    """input + value * tensor1 / tensor2"""
    return add(input, mul(tensor1 / tensor2, value))


def nan_to_num(input: Tensor, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Tensor:
    """NaN replaced by `nan`, infinities by `posinf` and `neginf`: by default the largest numbers of the dtype."""
    if not input.is_floating_point():
        return input.clone()
    limits = np.finfo(input.dtype)
    high = float(limits.max) if posinf is None else posinf
    low = float(limits.min) if neginf is None else neginf
    result = where(isnan(input), nan, input)
    result = where(input == float("inf"), high, result)
    return where(input == float("-inf"), low, result)


def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """`value` where the mask is true, `input` elsewhere, in the dtype of the input."""
    if not isinstance(mask, Tensor) or mask.dtype != dtypes.bool:
        raise TypeError(f"mask is {getattr(mask, 'dtype', type(mask).__name__)}, expected a boolean tensor")
    if isinstance(value, Tensor):
        return where(mask, cast(value, input.dtype), input)
    number = {"b": bool, "f": float}.get(input.dtype.kind, int)
    return where(mask, number(value), input)
