"""Optimizers that adapt the step of each element, other than Adam and RMSprop; formulas and defaults are `torch.optim`'s.

An update is a few operations on the flat arrays of the arena: as many for a model of any depth.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from ..device import xp
from .formulas import descent, follow
from .optimizer import Optimizer


class Adagrad(Optimizer):
    """Duchi, Hazan and Singer 2011: the gradient over the root of the sum of all its squares so far."""

    state_names = ("sum",)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        options = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "maximize": maximize,
        }
        super().__init__(params, options)

    def update(self, group: dict[str, Any], step: int, param: Any, grad: Any, *states: Any) -> None:
        (total,) = states
        grad = descent(group, param, grad)
        if step == 1:
            total += group["initial_accumulator_value"]
        total += grad * grad
        rate = group["lr"] / (1 + (step - 1) * group["lr_decay"])
        param -= rate * grad / (xp(param).sqrt(total) + group["eps"])


class Adadelta(Optimizer):
    """Zeiler 2012: steps in the units of the parameters, the ratio of running root mean squares."""

    state_names = ("square_avg", "acc_delta")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
    ) -> None:
        options = {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, options)

    def _check(self, group: Mapping[str, Any]) -> None:
        super()._check(group)
        if not 0.0 <= group["rho"] <= 1.0:
            raise ValueError(f"rho is {group['rho']}, expected a number from 0 to 1")

    def update(self, group: dict[str, Any], step: int, param: Any, grad: Any, *states: Any) -> None:
        square_avg, acc_delta = states
        m, eps = xp(param), group["eps"]
        grad = descent(group, param, grad)
        follow(square_avg, grad * grad, group["rho"])
        delta = m.sqrt(acc_delta + eps) / m.sqrt(square_avg + eps) * grad
        follow(acc_delta, delta * delta, group["rho"])
        param -= group["lr"] * delta


class Adamax(Optimizer):
    """Kingma and Ba 2015, section 7.1: Adam with the infinity norm."""

    state_names = ("exp_avg", "exp_inf")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
    ) -> None:
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, options)

    def update(self, group: dict[str, Any], step: int, param: Any, grad: Any, *states: Any) -> None:
        exp_avg, exp_inf = states
        m, (beta1, beta2) = xp(param), group["betas"]
        grad = descent(group, param, grad)
        follow(exp_avg, grad, beta1)
        exp_inf *= beta2
        m.maximum(exp_inf, m.abs(grad) + group["eps"], out=exp_inf)
        param -= group["lr"] / (1 - beta1**step) * exp_avg / exp_inf


class NAdam(Optimizer):
    """Dozat 2016: Adam with Nesterov's momentum, which grows with the steps as `momentum_decay` says."""

    state_names = ("exp_avg", "exp_avg_sq")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        options = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
        }
        self._products: dict[tuple[float, float], list[float]] = {}
        super().__init__(params, options)

    def _scalars(self, group: Mapping[str, Any], step: int) -> dict[str, float]:
        """The product of all momenta up to this step: a function of its number, kept as it grows."""
        key = group["betas"][0], group["momentum_decay"]
        products = self._products.setdefault(key, [1.0])
        while len(products) <= step:
            products.append(products[-1] * _momentum(*key, len(products)))
        return {"mu_product": products[step]}

    def update(self, group: dict[str, Any], step: int, param: Any, grad: Any, *states: Any) -> None:
        exp_avg, exp_avg_sq = states
        (beta1, beta2), lr, decay = group["betas"], group["lr"], group["momentum_decay"]
        grad = descent(group, param, grad)
        follow(exp_avg, grad, beta1)
        follow(exp_avg_sq, grad * grad, beta2)
        now, following = (_momentum(beta1, decay, t) for t in (step, step + 1))
        product = self._scalars(group, step)["mu_product"]
        moved = lr * (1 - now) / (1 - product) * grad + lr * following / (1 - product * following) * exp_avg
        param -= moved / (xp(param).sqrt(exp_avg_sq / (1 - beta2**step)) + group["eps"])


def _momentum(beta1: float, decay: float, step: int) -> float:
    return float(beta1 * (1 - 0.5 * 0.96 ** (step * decay)))


class RAdam(Optimizer):
    """Liu et al. 2020: Adam that goes without the adaptive step until its variance is known."""

    state_names = ("exp_avg", "exp_avg_sq")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        options = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, options)

    def update(self, group: dict[str, Any], step: int, param: Any, grad: Any, *states: Any) -> None:
        exp_avg, exp_avg_sq = states
        beta1, beta2 = group["betas"]
        grad = descent(group, param, grad)
        follow(exp_avg, grad, beta1)
        follow(exp_avg_sq, grad * grad, beta2)
        unbias = 1 - beta2**step
        longest = 2 / (1 - beta2) - 1  # the length of the approximated moving average, at last and now
        length = longest - 2 * step * beta2**step / unbias
        rate = group["lr"] / (1 - beta1**step)
        if length <= 5:
            param -= rate * exp_avg
            return
        rectified = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
        param -= rate * math.sqrt(rectified * unbias) * exp_avg / (xp(param).sqrt(exp_avg_sq) + group["eps"])
