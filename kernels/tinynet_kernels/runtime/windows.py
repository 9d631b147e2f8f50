"""A filter and the windows of the pooling behind it, in registers, for Numba: one vector of the result's channels at a time.

A window is SIZE x SIZE results of TAPS x TAPS filters, of few input channels. What they see of the image is a square of
SIZE + TAPS - 1 pixels, whose numbers are copied to all lanes of a register, one after the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .simd import constant
from .transforms import Emitter

TAPS, SIZE = 3, 2

_N = types.int64
_I64 = ir.IntType(64)
_TAPS = [(r, s) for r in range(TAPS) for s in range(TAPS)]
_ELEMENTS = [(i, j) for i in range(SIZE) for j in range(SIZE)]


def _square(emit: Emitter, data: Any, start: Any, line: Any, step: Any) -> Iterator[tuple[int, int, Any]]:
    """(p, q, pixel) of the square that begins at `start`: `line` numbers from row to row, `step` from column to column."""
    build = emit.build
    for p in range(SIZE + TAPS - 1):
        row = build.gep(data, [build.add(start, build.mul(line, constant(p)))])
        for q in range(SIZE + TAPS - 1):
            yield p, q, emit.splat(build.load(build.gep(row, [build.mul(step, constant(q))])))


def _sees(p: int, q: int) -> Iterator[tuple[int, int]]:
    """(tap, element) for the elements of the window that see a pixel of the square, and the taps they see it by."""
    for t, (r, s) in enumerate(_TAPS):
        if (p - r, q - s) in _ELEMENTS:
            yield t, _ELEMENTS.index((p - r, q - s))


def _array(context: Any, build: Any, kind: Any, value: Any) -> Any:
    return context.make_array(kind)(context, build, value).data


@intrinsic
def pool_windows(
    typing: Any,
    x: Any,
    x_start: Any,
    x_line: Any,
    inputs: Any,
    w: Any,
    w_start: Any,
    w_step: Any,
    init: Any,
    channel: Any,
    floor: Any,
    y: Any,
    where: Any,
    start: Any,
    step: Any,
    here: Any,
    width: Any,
    count: Any,
) -> Any:
    """A row of `count` windows, `inputs` channels to a pixel of x, whose lines are x_line numbers apart.

    y[start:], a vector of channels, `step` further for each window, = the largest max(floor, init[channel:] + sum of x * w), or
    the last that is NaN; where[start:], of int32, its place: here + i * width + j, and SIZE more for each window. w has a row
    of w_step numbers for each tap and input channel. Flat arrays; nothing is checked.
    """

    def generate(context: Any, build: Any, signature: Any, values: Any) -> Any:
        emit = Emitter(context, build, x.dtype)
        image = _array(context, build, x, values[0])
        weights, shift = emit.row(w, values[4], values[5]), emit.row(init, values[7], values[8])
        best_at, place_at = emit.row(y, values[10], values[12]), emit.row(where, values[11], values[12])
        least = emit.splat(values[9])
        sums = [cgutils.alloca_once(build, emit.vector) for _ in _ELEMENTS]
        with cgutils.for_range(build, values[16], intp=_I64) as window:
            first = build.load(shift(constant(0)), align=emit.size)
            for total in sums:
                build.store(first, total)
            left = build.mul(window.index, constant(SIZE))
            corner = build.add(values[1], build.mul(left, values[3]))
            with cgutils.for_range(build, values[3], intp=_I64) as channel:
                factors = [
                    build.load(
                        weights(build.mul(build.add(build.mul(values[3], constant(t)), channel.index), values[6])),
                        align=emit.size,
                    )
                    for t in range(len(_TAPS))
                ]
                for p, q, pixel in _square(emit, image, build.add(corner, channel.index), values[2], values[3]):
                    for t, element in _sees(p, q):
                        total = sums[element]
                        build.store(build.call(emit.fma, [pixel, factors[t], build.load(total)]), total)
            elements = ((i, j, build.load(total)) for (i, j), total in zip(_ELEMENTS, sums))
            best, found = emit.largest(elements, least, build.add(values[14], left), values[15])
            at = build.mul(window.index, values[13])
            build.store(best, best_at(at), align=emit.size)
            build.store(found, place_at(at), align=4)
        return context.get_dummy_value()

    return types.void(x, _N, _N, _N, w, _N, _N, init, _N, x.dtype, y, where, _N, _N, _N, _N, _N), generate


@intrinsic
def window_gradients(
    typing: Any,
    gy: Any,
    y: Any,
    where: Any,
    start: Any,
    step: Any,
    active: Any,
    here: Any,
    width: Any,
    count: Any,
    x: Any,
    x_start: Any,
    x_line: Any,
    inputs: Any,
    sums: Any,
) -> Any:
    """The gradients of a row of windows: sums gets those of the taps, a vector each, and that of what is added to the result.

    gy[start:], y and `where`, see `pool_windows`; if `active`, gy counts where y > 0 only. x_start is the place of the first
    pixel's number in one of the `inputs` channels.
    """

    def generate(context: Any, build: Any, signature: Any, values: Any) -> Any:
        emit = Emitter(context, build, x.dtype)
        arrays = enumerate((gy, y, where))
        grads, maxima, places = (emit.row(kind, values[n], values[3]) for n, kind in arrays)
        image, result = _array(context, build, x, values[9]), emit.row(sums, values[13])
        totals = [cgutils.alloca_once(build, emit.vector) for _ in range(len(_TAPS) + 1)]
        for t, total in enumerate(totals):
            build.store(build.load(result(constant(t * emit.lanes)), align=emit.size), total)
        none = ir.Constant(emit.vector, [0.0] * emit.lanes)
        always = emit.splat(build.not_(values[5]))
        with cgutils.for_range(build, values[8], intp=_I64) as window:
            at, left = build.mul(window.index, values[4]), build.mul(window.index, constant(SIZE))
            positive = build.fcmp_ordered(">", build.load(maxima(at), align=emit.size), none)
            grad = build.select(build.or_(positive, always), build.load(grads(at), align=emit.size), none)
            build.store(build.fadd(build.load(totals[-1]), grad), totals[-1])
            found, begin = build.load(places(at), align=4), build.add(values[6], left)
            masks = [build.icmp_signed("==", found, emit.index(begin, values[7], i, j)) for i, j in _ELEMENTS]
            spread = [build.select(mask, grad, none) for mask in masks]
            corner = build.add(values[10], build.mul(left, values[12]))
            for p, q, pixel in _square(emit, image, corner, values[11], values[12]):
                for t, element in _sees(p, q):
                    build.store(build.call(emit.fma, [pixel, spread[element], build.load(totals[t])]), totals[t])
        for t, total in enumerate(totals):
            build.store(build.load(total), result(constant(t * emit.lanes)), align=emit.size)
        return context.get_dummy_value()

    return types.void(gy, y, where, _N, _N, types.boolean, _N, _N, _N, x, _N, _N, _N, sums), generate
