"""Operations on each element by itself, with broadcasting."""

from __future__ import annotations

import builtins
import math
from typing import Any

import numpy as np

from .. import dtypes
from ..autograd import Node, Op
from ..device import device as Device
from ..device import move, xp
from ..tensor import Tensor, tensor
from ._common import as_float, operands, shape_of, unbroadcast


def _is_scalar(a: Any) -> bool:
    return not isinstance(a, Tensor)


class _Binary(Op):
    """Remembers the shapes, so that gradients can be summed back to them."""

    @staticmethod
    def shapes(ctx: Node, a: Any, b: Any) -> None:
        ctx.shape_a, ctx.shape_b = shape_of(a), shape_of(b)  # type: ignore[attr-defined]

    @staticmethod
    def reduce(ctx: Any, ga: Any, gb: Any) -> tuple[Tensor | None, Tensor | None]:
        return (
            unbroadcast(ga(), ctx.shape_a) if ctx.needs(0) else None,
            unbroadcast(gb(), ctx.shape_b) if ctx.needs(1) else None,
        )


class Add(_Binary):
    @staticmethod
    def forward(ctx: Node, a: Any, b: Any) -> Any:
        Add.shapes(ctx, a, b)
        return a + b

    @staticmethod
    def backward(ctx: Node, gy: Tensor) -> Any:
        return Add.reduce(ctx, lambda: gy, lambda: gy)


class Sub(_Binary):
    @staticmethod
    def forward(ctx: Node, a: Any, b: Any) -> Any:
        Sub.shapes(ctx, a, b)
        return a - b

    @staticmethod
    def backward(ctx: Node, gy: Tensor) -> Any:
        return Sub.reduce(ctx, lambda: gy, lambda: -gy)


class Mul(_Binary):
    saves = (0, 1)

    @staticmethod
    def forward(ctx: Any, a: Any, b: Any) -> Any:
        Mul.shapes(ctx, a, b)
        ctx.numbers = tuple(None if hasattr(x, "dtype") else x for x in (a, b))
        return a * b

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        return Mul.reduce(ctx, lambda: gy * _factor(ctx, 1), lambda: gy * _factor(ctx, 0))


def _factor(ctx: Any, i: int) -> Any:
    return ctx.input(i) if ctx.numbers[i] is None else ctx.numbers[i]


class Div(_Binary):
    saves = (0, 1)

    @staticmethod
    def forward(ctx: Any, a: Any, b: Any) -> Any:
        Div.shapes(ctx, a, b)
        ctx.numbers = tuple(None if hasattr(x, "dtype") else x for x in (a, b))
        return xp(a if hasattr(a, "dtype") else b).true_divide(a, b)

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        b = _factor(ctx, 1)
        return Div.reduce(ctx, lambda: gy / b, lambda: -gy * _factor(ctx, 0) / (b * b))


class Pow(_Binary):
    saves = (0, 1)

    @staticmethod
    def forward(ctx: Any, a: Any, b: Any) -> Any:
        Pow.shapes(ctx, a, b)
        ctx.numbers = tuple(None if hasattr(x, "dtype") else x for x in (a, b))
        return a * a if not hasattr(b, "dtype") and b == 2 else a**b

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        a, b = _factor(ctx, 0), _factor(ctx, 1)

        def base() -> Tensor:
            if _is_scalar(b):
                return gy * (b * pow(a, b - 1)) if b != 0 else gy * 0
            return where(b == 0, zero(gy), gy * b * pow(a, b - 1))

        def exponent() -> Tensor:
            logarithm = math.log(a) if _is_scalar(a) else log(where(a > 0, a, 1))
            result = gy * pow(a, b) * logarithm
            return where((a == 0) & (b >= 0), zero(gy), result) if not _is_scalar(a) else result

        return Pow.reduce(ctx, base, exponent)


def zero(like: Tensor) -> Tensor:
    return Tensor._make(xp(like._array).zeros((), like._array.dtype))


class Maximum(_Binary):
    """Of equal elements each takes half of the gradient, as in PyTorch."""

    saves = (0, 1)
    name, order = "maximum", staticmethod(lambda a, b: a > b)

    @staticmethod
    def forward(ctx: Any, a: Any, b: Any) -> Any:
        Maximum.shapes(ctx, a, b)
        return getattr(xp(a), ctx.op.name)(a, b)

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        a, b = ctx.input(0), ctx.input(1)
        half = (a == b).to(dtype=gy.dtype) * 0.5
        return Maximum.reduce(
            ctx,
            lambda: gy * (ctx.op.order(a, b).to(dtype=gy.dtype) + half),
            lambda: gy * (ctx.op.order(b, a).to(dtype=gy.dtype) + half),
        )


class Minimum(Maximum):
    name, order = "minimum", staticmethod(lambda a, b: a < b)


class Where(Op):
    @staticmethod
    def forward(ctx: Any, condition: Any, a: Any, b: Any) -> Any:
        ctx.condition, ctx.shape_a, ctx.shape_b = condition, shape_of(a), shape_of(b)
        return xp(condition).where(condition, a, b)

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        condition = Tensor._make(ctx.condition)
        return (
            None,
            unbroadcast(where(condition, gy, zero(gy)), ctx.shape_a) if ctx.needs(1) else None,
            unbroadcast(where(condition, zero(gy), gy), ctx.shape_b) if ctx.needs(2) else None,
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
        return a.astype(dtype)

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        return cast(gy, ctx.dtype), None


class ToDevice(Op):
    @staticmethod
    def forward(ctx: Any, a: Any, device: Any) -> Any:
        ctx.device = Tensor._make(a).device
        return move(a, device)

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        return to_device(gy, ctx.device), None


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
_sinh = _unary("sinh", lambda x: cosh(x))
_cosh = _unary("cosh", lambda x: sinh(x))
_tanh = _unary("tanh", lambda y: 1 - y * y, of_output=True)


class Sigmoid(Op):
    saves_output = True

    @staticmethod
    def forward(ctx: Node, a: Any) -> Any:
        m = xp(a)
        return (1 + m.tanh(a * 0.5)) * 0.5  # no exponential that could overflow

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


class Erf(Op):
    saves = (0,)

    @staticmethod
    def forward(ctx: Node, a: Any) -> Any:
        if type(a) is not np.ndarray and not isinstance(a, np.ndarray):
            from cupyx.scipy.special import erf as device_erf

            return device_erf(a)
        from ._erf import erf as host_erf

        return np.asarray(host_erf(np.asarray(a))).view(type(a))

    @staticmethod
    def backward(ctx: Node, gy: Tensor) -> Any:
        x = ctx.input(0)
        return gy * (exp(-x * x) * (2 / math.sqrt(math.pi)))


class Clamp(Op):
    saves = (0, 1, 2)

    @staticmethod
    def forward(ctx: Any, a: Any, low: Any, high: Any) -> Any:
        m = xp(a)
        ctx.low, ctx.high = (None if hasattr(v, "dtype") else v for v in (low, high))
        ctx.shape_low, ctx.shape_high = shape_of(low), shape_of(high)
        a = a if low is None else m.maximum(a, low)
        return a if high is None else m.minimum(a, high)

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        x = ctx.input(0)
        low, high = ctx.low, ctx.high
        saved = {i: t for i, t, _ in ctx.saved_inputs}
        low, high = saved.get(1, low), saved.get(2, high)
        inside: Any = True
        if low is not None:
            inside = x >= low
        if high is not None:
            inside = (x <= high) if inside is True else inside & (x <= high)
        gx = unbroadcast(where(inside, gy, zero(gy)), x.shape) if ctx.needs(0) else None
        g_low = unbroadcast(where(x < low, gy, zero(gy)), ctx.shape_low) if ctx.needs(1) else None
        g_high = unbroadcast(where(x > high, gy, zero(gy)), ctx.shape_high) if ctx.needs(2) else None
        return gx, g_low, g_high


def add(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    a, b = operands(input, other if alpha == 1 else other * alpha)
    return Add.apply(a, b)  # type: ignore[no-any-return]


def sub(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    a, b = operands(input, other if alpha == 1 else other * alpha)
    return Sub.apply(a, b)  # type: ignore[no-any-return]


def mul(input: Any, other: Any) -> Tensor:
    return Mul.apply(*operands(input, other))  # type: ignore[no-any-return]


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
    return Pow.apply(a, b)  # type: ignore[no-any-return]


def maximum(input: Any, other: Any) -> Tensor:
    return Maximum.apply(*_both(input, other))  # type: ignore[no-any-return]


def minimum(input: Any, other: Any) -> Tensor:
    return Minimum.apply(*_both(input, other))  # type: ignore[no-any-return]


def _both(a: Any, b: Any) -> tuple[Tensor, Tensor]:
    a, b = operands(a, b)
    if not isinstance(a, Tensor):
        a = tensor(a, dtype=b.dtype, device=b.device)
    if not isinstance(b, Tensor):
        b = tensor(b, dtype=a.dtype, device=a.device)
    return a, b


def where(condition: Any, input: Any = None, other: Any = None) -> Any:
    """Elements of `input` where the condition is true, of `other` elsewhere; with one argument, the indices of the true."""
    if input is None:
        from .indexing import nonzero

        return tuple(column for column in nonzero(condition).unbind(1))
    condition = condition if isinstance(condition, Tensor) else tensor(condition)
    if condition.dtype != dtypes.bool:
        raise TypeError(f"condition has dtype {condition.dtype}, expected bool")
    if not isinstance(input, Tensor) and not isinstance(other, Tensor):
        input = tensor(input, device=condition.device)
    a, b = operands(input, other)
    return Where.apply(condition, a, b)


def cast(input: Tensor, dtype: Any) -> Tensor:
    return input if input._array.dtype == dtype else Cast.apply(input, dtype)


def to_device(input: Tensor, device: Device) -> Tensor:
    return ToDevice.apply(input, device)  # type: ignore[no-any-return]


def clone(input: Tensor) -> Tensor:
    return Clone.apply(input)  # type: ignore[no-any-return]


def neg(input: Tensor) -> Tensor:
    if input.dtype == dtypes.bool:
        raise TypeError("neg() of a boolean tensor: use ~ or logical_not()")
    return Neg.apply(input)  # type: ignore[no-any-return]


def exp(input: Tensor) -> Tensor:
    return _exp.apply(as_float(input))  # type: ignore[no-any-return]


def expm1(input: Tensor) -> Tensor:
    return _expm1.apply(as_float(input))  # type: ignore[no-any-return]


def log(input: Tensor) -> Tensor:
    with np.errstate(divide="ignore", invalid="ignore"):
        return _log.apply(as_float(input))  # type: ignore[no-any-return]


def log1p(input: Tensor) -> Tensor:
    with np.errstate(divide="ignore", invalid="ignore"):
        return _log1p.apply(as_float(input))  # type: ignore[no-any-return]


def log2(input: Tensor) -> Tensor:
    with np.errstate(divide="ignore", invalid="ignore"):
        return _log2.apply(as_float(input))  # type: ignore[no-any-return]


def log10(input: Tensor) -> Tensor:
    with np.errstate(divide="ignore", invalid="ignore"):
        return _log10.apply(as_float(input))  # type: ignore[no-any-return]


def sqrt(input: Tensor) -> Tensor:
    with np.errstate(invalid="ignore"):
        return _sqrt.apply(as_float(input))  # type: ignore[no-any-return]


def rsqrt(input: Tensor) -> Tensor:
    return reciprocal(sqrt(input))


def square(input: Tensor) -> Tensor:
    return _square.apply(input)  # type: ignore[no-any-return]


def reciprocal(input: Tensor) -> Tensor:
    with np.errstate(divide="ignore"):
        return _reciprocal.apply(as_float(input))  # type: ignore[no-any-return]


def abs(input: Tensor) -> Tensor:
    return _abs.apply(input)  # type: ignore[no-any-return]


def sin(input: Tensor) -> Tensor:
    return _sin.apply(as_float(input))  # type: ignore[no-any-return]


def cos(input: Tensor) -> Tensor:
    return _cos.apply(as_float(input))  # type: ignore[no-any-return]


def tan(input: Tensor) -> Tensor:
    return _tan.apply(as_float(input))  # type: ignore[no-any-return]


def asin(input: Tensor) -> Tensor:
    return _arcsin.apply(as_float(input))  # type: ignore[no-any-return]


def acos(input: Tensor) -> Tensor:
    return _arccos.apply(as_float(input))  # type: ignore[no-any-return]


def atan(input: Tensor) -> Tensor:
    return _arctan.apply(as_float(input))  # type: ignore[no-any-return]


def sinh(input: Tensor) -> Tensor:
    return _sinh.apply(as_float(input))  # type: ignore[no-any-return]


def cosh(input: Tensor) -> Tensor:
    return _cosh.apply(as_float(input))  # type: ignore[no-any-return]


def tanh(input: Tensor) -> Tensor:
    return _tanh.apply(as_float(input))  # type: ignore[no-any-return]


def sigmoid(input: Tensor) -> Tensor:
    return Sigmoid.apply(as_float(input))  # type: ignore[no-any-return]


def relu(input: Tensor) -> Tensor:
    return Relu.apply(input)  # type: ignore[no-any-return]


def relu_mask(grad: Tensor, y: Tensor) -> Tensor:
    """The gradient of ReLU: grad where its output y is positive, else 0."""
    return ReluMask.apply(grad, y)  # type: ignore[no-any-return]


def softplus(input: Tensor) -> Tensor:
    return Softplus.apply(as_float(input))  # type: ignore[no-any-return]


def erf(input: Tensor) -> Tensor:
    """The error function."""
    return Erf.apply(as_float(input))  # type: ignore[no-any-return]


def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """Each element raised to `min` and lowered to `max`: numbers, tensors or None. ValueError if both are None."""
    if min is None and max is None:
        raise ValueError("min and max are both None, expected at least one of them")
    if isinstance(min, float) or isinstance(max, float):
        input = as_float(input)
    return Clamp.apply(input, min, max)  # type: ignore[no-any-return]


clip = clamp


def lerp(input: Tensor, end: Tensor, weight: Any) -> Tensor:
    """input + weight * (end - input)"""
    return input + weight * (end - input)


def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """`value` where the mask is true, `input` elsewhere."""
    if not isinstance(mask, Tensor) or mask.dtype != dtypes.bool:
        raise TypeError(f"mask is {getattr(mask, 'dtype', type(mask).__name__)}, expected a boolean tensor")
    return where(mask, value, input)  # type: ignore[no-any-return]


# without gradients


def _plain(name: str, input: Any, *others: Any) -> Tensor:
    arrays = [t._array if isinstance(t, Tensor) else t for t in (input, *others)]
    first = next(a for a in arrays if hasattr(a, "dtype"))
    return Tensor._make(getattr(xp(first), name)(*arrays))


def _flat(name: str, input: Tensor) -> Tensor:
    """A step function: its gradient is 0 everywhere, which PyTorch also records."""
    result = _plain(name, input)
    return result + input * 0 if input.requires_grad else result


def sign(input: Tensor) -> Tensor:
    return _flat("sign", input)


def floor(input: Tensor) -> Tensor:
    return _flat("floor", input)


def ceil(input: Tensor) -> Tensor:
    return _flat("ceil", input)


def round(input: Tensor) -> Tensor:
    return _flat("rint", input)


def trunc(input: Tensor) -> Tensor:
    return _flat("trunc", input)


def isnan(input: Tensor) -> Tensor:
    return _plain("isnan", input)


def isinf(input: Tensor) -> Tensor:
    return _plain("isinf", input)


def isfinite(input: Tensor) -> Tensor:
    return _plain("isfinite", input)


def floor_divide(input: Any, other: Any) -> Tensor:
    a, b = operands(input, other)
    return _plain("floor_divide", a, b)


def remainder(input: Any, other: Any) -> Tensor:
    """input - other * floor(input / other): the sign of `other`, as Python's %."""
    a, b = operands(input, other)
    result = _plain("remainder", a, b)
    if (isinstance(a, Tensor) and a.requires_grad) or (isinstance(b, Tensor) and b.requires_grad):
        return a - b * floor_divide(a, b)  # type: ignore[no-any-return]
    return result


def eq(input: Any, other: Any) -> Tensor:
    a, b = operands(input, other)
    return _plain("equal", a, b)


def ne(input: Any, other: Any) -> Tensor:
    a, b = operands(input, other)
    return _plain("not_equal", a, b)


def lt(input: Any, other: Any) -> Tensor:
    a, b = operands(input, other)
    return _plain("less", a, b)


def le(input: Any, other: Any) -> Tensor:
    a, b = operands(input, other)
    return _plain("less_equal", a, b)


def gt(input: Any, other: Any) -> Tensor:
    a, b = operands(input, other)
    return _plain("greater", a, b)


def ge(input: Any, other: Any) -> Tensor:
    a, b = operands(input, other)
    return _plain("greater_equal", a, b)


def logical_not(input: Tensor) -> Tensor:
    return _plain("logical_not", input)


def logical_and(input: Tensor, other: Tensor) -> Tensor:
    return _plain("logical_and", input, other)


def logical_or(input: Tensor, other: Tensor) -> Tensor:
    return _plain("logical_or", input, other)


def logical_xor(input: Tensor, other: Tensor) -> Tensor:
    return _plain("logical_xor", input, other)


def bitwise_not(input: Tensor) -> Tensor:
    return _plain("invert", input)


def bitwise_and(input: Tensor, other: Any) -> Tensor:
    return _plain("bitwise_and", input, other)


def bitwise_or(input: Tensor, other: Any) -> Tensor:
    return _plain("bitwise_or", input, other)


def bitwise_xor(input: Tensor, other: Any) -> Tensor:
    return _plain("bitwise_xor", input, other)


def isclose(
    input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: builtins.bool = False
) -> Tensor:
    return Tensor._make(xp(input._array).isclose(input._array, other._array, rtol, atol, equal_nan))


def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: builtins.bool = False
) -> builtins.bool:
    """Whether |input - other| <= atol + rtol * |other| everywhere."""
    return builtins.bool(isclose(input, other, rtol, atol, equal_nan).all().item())


def equal(input: Tensor, other: Tensor) -> builtins.bool:
    """Whether both have the same shape and elements."""
    return input.shape == other.shape and builtins.bool((input == other).all().item())
