"""L-BFGS: a quasi-Newton method for losses that are the same function at each call."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..autograd import enable_grad
from ..device import xp
from ..tensor import Tensor
from .arena import Arena
from .optimizer import Optimizer

Objective = Callable[[float], "Point"]  # of the step along the direction


@dataclass
class Point:
    """A place on a line: the step to it, the loss, the gradient there, and the slope along the line."""

    step: float
    loss: float
    grad: Any
    slope: float


class LBFGS(Optimizer):
    """Limited-memory BFGS (Liu and Nocedal 1989), with a line search for the strong Wolfe conditions on request.

    `step(closure)` calls the closure, which clears gradients, computes the loss, calls backward and returns the loss, up to
    max_eval times (default: 1.25 * max_iter). It ends when no gradient is above tolerance_grad, or when parameters and loss
    change by less than tolerance_change. All parameters are one group on one device and of one dtype: otherwise ValueError.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        options = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        self._state: dict[str, Any] = {}
        super().__init__(params, options)
        if len(self._arenas) != 1:
            raise ValueError("params has several groups, dtypes or devices, which LBFGS does not support")

    def _check(self, group: Mapping[str, Any]) -> None:
        super()._check(group)
        if group["line_search_fn"] not in (None, "strong_wolfe"):
            raise ValueError(f"line_search_fn is {group['line_search_fn']!r}, expected None or 'strong_wolfe'")

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Up to max_iter iterations; returns the loss before them. TypeError without a closure."""
        if closure is None:
            raise TypeError("LBFGS.step() needs a closure that computes the loss and its gradients")
        self._rebuild()
        group, arena = self._arenas[0]
        self._words(group, arena, slice(0, arena.size))
        evaluations = 0

        def evaluate() -> tuple[Any, float, Any]:
            nonlocal evaluations
            evaluations += 1
            with enable_grad():
                loss = closure()
            return loss, float(loss), _gradients(arena)

        first, loss, grad = evaluate()
        m, state = xp(grad), self._state
        if not _largest(m, grad) > group["tolerance_grad"]:
            return first
        for iteration in range(group["max_iter"]):
            direction = self._direction(group, grad)
            state["prev_flat_grad"], state["prev_loss"], before = grad, loss, loss
            state["t"] = group["lr"] if state["n_iter"] > 1 else min(1.0, 1.0 / float(m.abs(grad).sum())) * group["lr"]
            slope = _dot(grad, direction)
            if slope > -group["tolerance_change"]:
                break
            if group["line_search_fn"] is None:
                self._move(arena, state["t"], direction)
                if iteration + 1 < group["max_iter"]:  # the last one needs no further evaluation
                    _, loss, grad = evaluate()
            else:
                start = arena.values.copy()

                def along(t: float, start: Any = start, direction: Any = direction) -> Point:
                    self._move(arena, t, direction)
                    _, found, flat = evaluate()
                    arena.values[...] = start
                    return Point(t, found, flat, _dot(flat, direction))

                origin = Point(0.0, loss, grad, slope)
                limit = group["max_eval"] - evaluations
                end = _strong_wolfe(along, origin, state["t"], _largest(m, direction), group["tolerance_change"], limit)
                state["t"], loss, grad = end.step, end.loss, end.grad
                self._move(arena, end.step, direction)
            if iteration + 1 == group["max_iter"] or evaluations >= group["max_eval"]:
                break
            if not _largest(m, grad) > group["tolerance_grad"]:
                break
            if _largest(m, direction) * state["t"] <= group["tolerance_change"]:
                break
            if abs(loss - before) < group["tolerance_change"]:
                break
        state["func_evals"] = state.get("func_evals", 0) + evaluations
        for p in arena.params:
            self.count(p)
        return first

    def _move(self, arena: Arena, step: float, direction: Any) -> None:
        arena.values += step * direction
        for p in arena.params:
            p._version[0] += 1

    def _direction(self, group: Mapping[str, Any], grad: Any) -> Any:
        """Minus the gradient times the approximated inverse Hessian, by the two-loop recursion; kept in the state."""
        state = self._state
        state["n_iter"] = state.get("n_iter", 0) + 1
        if state["n_iter"] == 1:
            state |= {"old_dirs": [], "old_stps": [], "ro": [], "H_diag": 1.0, "d": -grad}
            return state["d"]
        changes, moves, weights = state["old_dirs"], state["old_stps"], state["ro"]
        change, move = grad - state["prev_flat_grad"], state["t"] * state["d"]
        curvature = _dot(change, move)
        if curvature > 1e-10:
            if len(changes) == group["history_size"]:
                for kept in (changes, moves, weights):
                    kept.pop(0)
            changes.append(change)
            moves.append(move)
            weights.append(1.0 / curvature)
            state["H_diag"] = curvature / _dot(change, change)
        q, parts = -grad, [0.0] * len(moves)
        for i in reversed(range(len(moves))):
            parts[i] = _dot(moves[i], q) * weights[i]
            q -= parts[i] * changes[i]
        q *= state["H_diag"]
        for i in range(len(moves)):
            q += (parts[i] - _dot(changes[i], q) * weights[i]) * moves[i]
        state["d"] = q
        return q

    # A flat array has gaps between the parameters; in a saved state it has none, as in PyTorch's.

    def state_dict(self) -> dict[str, Any]:
        """As PyTorch's: the state, which is of all parameters together, is under the first one's index."""
        result = super().state_dict()
        _, arena = self._arenas[0]

        def pack(value: Any) -> Any:
            if isinstance(value, list):
                return [pack(v) for v in value]
            if getattr(value, "ndim", 0) != 1:
                return value
            return Tensor._make(xp(value).concatenate([value[slot] for slot in arena.slots]))

        result["state"] = {0: {name: pack(value) for name, value in self._state.items()}} if self._state else {}
        return result

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes up a state that `state_dict` gave. ValueError if it does not fit; then nothing changes."""
        _, arena = self._arenas[0]
        entry = {int(i): e for i, e in state_dict["state"].items()}.get(0, {})
        count = sum(p.numel() for p in arena.params)

        def unpack(value: Any) -> Any:
            if isinstance(value, (list, tuple)):
                return [unpack(v) for v in value if v is not None]
            if not hasattr(value, "shape") or len(value.shape) == 0:
                return value if isinstance(value, int) else float(value)
            if tuple(value.shape) != (count,):
                raise ValueError(f"the state has a vector of shape {tuple(value.shape)}, expected {(count,)}")
            flat, start = arena.zeros(), 0
            moved = value.to(arena.device).to(arena.dtype)._array
            for slot in arena.slots:
                length = slot.stop - slot.start
                flat[slot] = moved[start : start + length]
                start += length
            return flat

        state = {name: unpack(value) for name, value in entry.items() if name != "al" and value is not None}
        super().load_state_dict({**state_dict, "state": {}})
        self._state = state


def _gradients(arena: Arena) -> Any:
    """A copy of all gradients, zeros where there is none."""
    arena.collect()
    flat = arena.grads.copy()
    for p, slot in zip(arena.params, arena.slots):
        if p.grad is None:
            flat[slot] = 0
    return flat


def _dot(a: Any, b: Any) -> float:
    return float((a * b).sum())


def _largest(m: Any, flat: Any) -> float:
    return float(m.abs(flat).max())


def _cubic_minimum(a: Point, b: Point, low: float, high: float) -> float:
    """Where the cubic through two points with their slopes is least, kept within [low, high] (Nocedal and Wright, 3.59)."""
    a, b = (a, b) if a.step <= b.step else (b, a)
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.step - b.step)
    square = d1 * d1 - a.slope * b.slope
    if square < 0:
        return (low + high) / 2
    d2 = math.sqrt(square)
    least = b.step - (b.step - a.step) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2))
    return min(max(least, low), high)


def _strong_wolfe(
    along: Objective,
    origin: Point,
    step: float,
    size: float,
    tolerance: float,
    limit: int,
    c1: float = 1e-4,
    c2: float = 0.9,
) -> Point:
    """A point where the loss has fallen enough and is flat enough (Nocedal and Wright 2006, algorithms 3.5 and 3.6).

    size   the largest element of the direction; brackets narrower than tolerance / size are not searched.
    limit  how many evaluations are allowed after the first.
    """

    def too_high(point: Point) -> bool:
        return point.loss > origin.loss + c1 * point.step * origin.slope

    def flat(point: Point) -> bool:
        return abs(point.slope) <= -c2 * origin.slope

    previous, point, count = origin, along(step), 0
    bracket: tuple[Point, Point] | None = None
    while count < limit and bracket is None:
        if too_high(point) or (count > 1 and point.loss >= previous.loss):
            bracket = previous, point
        elif flat(point):
            return point
        elif point.slope >= 0:
            bracket = previous, point
        else:
            low, high = point.step + 0.01 * (point.step - previous.step), point.step * 10
            previous, point = point, along(_cubic_minimum(previous, point, low, high))
            count += 1
    low_point, high_point = bracket or (origin, point)
    if low_point.loss > high_point.loss:
        low_point, high_point = high_point, low_point
    close_before = False
    while count < limit and abs(high_point.step - low_point.step) * size >= tolerance:
        start, end = sorted((low_point.step, high_point.step))
        step = _cubic_minimum(low_point, high_point, start, end)
        margin = 0.1 * (end - start)
        close = min(end - step, step - start) < margin
        if close and (close_before or step >= end or step <= start):  # no progress: away from the nearer end
            step = end - margin if abs(step - end) < abs(step - start) else start + margin
            close = False
        close_before = close
        point = along(step)
        count += 1
        if too_high(point) or point.loss >= low_point.loss:
            high_point = point
            if low_point.loss > high_point.loss:
                low_point, high_point = high_point, low_point
            continue
        if flat(point):
            return point
        if point.slope * (high_point.step - low_point.step) >= 0:
            high_point = low_point
        low_point = point
    return low_point
