"""Muon: momentum, orthogonalised. For the matrices inside a network; other parameters need another optimizer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import tinynet_kernels as kernels

from ..autograd import enable_grad
from ..device import xp
from .formulas import follow
from .optimizer import Optimizer


class Muon(Optimizer):
    """Jordan et al. 2024: each matrix moves along the nearest orthogonal matrix to its momentum, found by Newton-Schulz.

    adjust_lr_fn  None or "original" scales the step by sqrt(max(1, rows / columns)), "match_rms_adamw" by 0.2 times
                  sqrt(max(rows, columns)) (Liu et al. 2025).

    The iteration is in the parameters' own dtype, where PyTorch's is in bfloat16. Raises ValueError for parameters that are
    no matrices.
    """

    state_names = ("momentum_buffer",)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        options = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_coefficients": ns_coefficients,
            "eps": eps,
            "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
        }
        super().__init__(params, options)

    def _check(self, group: Mapping[str, Any]) -> None:
        super()._check(group)
        if group["adjust_lr_fn"] not in (None, "original", "match_rms_adamw"):
            raise ValueError(
                f"adjust_lr_fn is {group['adjust_lr_fn']!r}, expected None, 'original' or 'match_rms_adamw'"
            )
        if len(group["ns_coefficients"]) != 3 or not 0 <= group["ns_steps"] < 100:
            raise ValueError("ns_coefficients must be three numbers and ns_steps below 100")
        for p in group["params"]:
            if p.ndim != 2:
                raise ValueError(f"params has a tensor of shape {p.shape}, expected matrices")

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One update of all matrices that have a gradient; returns what `closure` returns, which is called first."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        self._rebuild()
        for group, arena in self._arenas:
            arena.collect()
            for p, slot in zip(arena.params, arena.slots):
                if p.grad is not None:
                    self._words(group, arena, slot)
                    flat = (arena.values, arena.grads, arena.state("momentum_buffer"))
                    self.update(group, self.steps(p) + 1, *(a[slot].reshape(p.shape) for a in flat))
                    self.count(p)
        return loss

    def update(self, group: dict[str, Any], step: int, param: Any, grad: Any, *states: Any) -> None:
        (buffer,) = states
        momentum, (rows, columns) = group["momentum"], param.shape
        follow(buffer, grad, momentum)
        direction = (1 - momentum) * grad + momentum * buffer if group["nesterov"] else buffer
        direction = _orthogonal(direction, group["ns_coefficients"], group["ns_steps"], group["eps"])
        if group["adjust_lr_fn"] == "match_rms_adamw":
            scale = 0.2 * math.sqrt(max(rows, columns))
        else:
            scale = math.sqrt(max(1.0, rows / columns))
        param *= 1 - group["lr"] * group["weight_decay"]
        param -= group["lr"] * scale * direction


def _orthogonal(matrix: Any, coefficients: tuple[float, float, float], steps: int, eps: float) -> Any:
    """Nearly U V^T for a matrix U S V^T: each step maps every singular value s to a s + b s^3 + c s^5."""
    a, b, c = coefficients
    m, tall = xp(matrix), matrix.shape[0] > matrix.shape[1]
    x = m.ascontiguousarray(matrix.T if tall else matrix)
    x = x / m.maximum(m.sqrt((x * x).sum()), eps)
    for _ in range(steps):
        gram = kernels.matmul(x, x, transpose_b=True)
        x = a * x + kernels.matmul(b * gram + c * kernels.matmul(gram, gram), x)
    return x.T if tall else x
