"""exp, sigmoid, tanh and erf for compiled loops: for float32 without a call or a branch, so that a loop around them computes
whole vectors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

_f = np.float32
_ROUND = _f(3 << 22)  # added to a small number, leaves it rounded in the last bits of the mantissa
_OFFSET = np.int32(_ROUND.view(np.int32) - 127)  # what these bits are more than the exponent of the result
_LEAST, _MOST = _f(-87.3), _f(88.37)  # beyond these, the result is 0 or infinity
_LOG2E, _LN2_HIGH, _LN2_LOW = _f(math.log2(math.e)), _f(0.693359375), _f(math.log(2) - 0.693359375)
_NONE, _ONE, _INFINITE = _f(0), _f(1), _f(np.inf)
# S. Moshier's Cephes library, expf: exp(r) = 1 + r + r^2 p(r) for |r| <= log(2) / 2
_P5, _P4, _P3 = _f(1.9875691500e-4), _f(1.3981999507e-3), _f(8.3334519073e-3)
_P2, _P1, _P0 = _f(4.1665795894e-2), _f(1.6666665459e-1), _f(5.0000001201e-1)


def _cast(source: Any, target: Any, kind: Any) -> Any:
    """The intrinsic that reads the bits of a number as those of another type of its size."""

    @intrinsic
    def cast(typing: Any, value: Any) -> Any:
        def generate(context: Any, build: Any, signature: Any, values: Any) -> Any:
            return build.bitcast(values[0], kind)

        return target(source), generate

    return cast


_bits, _number = _cast(types.float32, types.int32, ir.IntType(32)), _cast(types.int32, types.float32, ir.FloatType())


def exp(x: Any) -> Any:
    """e ** x, for compiled code; of float32 within 2 units in the last place, 0 where it is no normal number."""
    return math.exp(x)


@overload(exp)
def _exp(x: Any) -> Any:
    def double(x: Any) -> Any:
        return math.exp(x)

    def single(x: Any) -> Any:
        rounded = x * _LOG2E + _ROUND
        n = rounded - _ROUND
        r = (x - n * _LN2_HIGH) - n * _LN2_LOW
        p = ((((_P5 * r + _P4) * r + _P3) * r + _P2) * r + _P1) * r + _P0
        value = (r * r * p + (r + _ONE)) * _number(np.int32((_bits(rounded) - _OFFSET) << np.int32(23)))
        value = _NONE if x < _LEAST else value
        return _INFINITE if x > _MOST else value

    return single if x is types.float32 else double


def sigmoid(x: Any) -> Any:
    """1 / (1 + e ** -x), for code compiled with NumPy's error model."""
    return 1 / (1 + math.exp(-x))


@overload(sigmoid)
def _sigmoid(x: Any) -> Any:
    def double(x: Any) -> Any:
        return 1 / (1 + math.exp(-x))

    def single(x: Any) -> Any:
        return _ONE / (_ONE + exp(-x))

    return single if x is types.float32 else double


_SMALL, _TWO = (
    _f(0.625),
    _f(2),
)  # tanhf of the same library: for |x| < 0.625, where 1 - 2 / (e^2x + 1) has few digits left
_T4, _T3, _T2 = _f(-5.70498872745e-3), _f(2.06390887954e-2), _f(-5.37397155531e-2)
_T1, _T0 = _f(1.33314422036e-1), _f(-3.33332819422e-1)


def tanh(x: Any) -> Any:
    """The hyperbolic tangent, for code compiled with NumPy's error model; of float32 within 3 units in the last place."""
    return math.tanh(x)


@overload(tanh)
def _tanh(x: Any) -> Any:
    def double(x: Any) -> Any:
        return math.tanh(x)

    def single(x: Any) -> Any:
        z = x * x
        small = ((((_T4 * z + _T3) * z + _T2) * z + _T1) * z + _T0) * z * x + x
        large = _ONE - _TWO / (exp(x + x) + _ONE)
        return small if abs(x) < _SMALL else large

    return single if x is types.float32 else double


# the rational approximation of Eigen and XLA, for |x| <= 4: beyond, erf is 1 in float32
_END = _f(4)
_N13, _N11, _N9, _N7 = (
    _f(-2.72614225801306e-10),
    _f(2.77068142495902e-8),
    _f(-2.10102402082508e-6),
    _f(-5.69250639462346e-5),
)
_N5, _N3, _N1 = _f(-7.34990630326855e-4), _f(-2.95459980854025e-3), _f(-1.60960333262415e-2)
_D8, _D6, _D4 = _f(-1.45660718464996e-5), _f(-2.13374055278905e-4), _f(-1.68282697438203e-3)
_D2, _D0 = _f(-7.37332916720468e-3), _f(-1.42647390514189e-2)


def erf(x: Any) -> Any:
    """The error function, for code compiled with NumPy's error model; of float32 within 8 units in the last place."""
    return math.erf(x)


@overload(erf)
def _erf(x: Any) -> Any:
    def double(x: Any) -> Any:
        return math.erf(x)

    def single(x: Any) -> Any:
        x = _END if x > _END else x
        x = -_END if x < -_END else x
        z = x * x
        p = (((((_N13 * z + _N11) * z + _N9) * z + _N7) * z + _N5) * z + _N3) * z + _N1
        q = (((_D8 * z + _D6) * z + _D4) * z + _D2) * z + _D0
        return x * p / q

    return single if x is types.float32 else double
