"""The optimizers. Names, defaults and formulas are those of `torch.optim`; each update is one kernel."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import tinynet_kernels as kernels

from .optimizer import Optimizer


class SGD(Optimizer):
    """Stochastic gradient descent with momentum (Sutskever et al. 2013) and Nesterov's variant."""

    state_names = ("momentum_buffer",)
    capturable = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        options = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
        }
        super().__init__(params, options)

    def _check(self, group: Mapping[str, Any]) -> None:
        super()._check(group)
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise ValueError("nesterov needs a momentum above 0 and no dampening")

    def update(self, group: dict[str, Any], step: int, param: Any, grad: Any, *states: Any) -> None:
        (buffer,) = states
        kernels.sgd(
            param,
            grad,
            buffer,
            lr=group["lr"],
            momentum=group["momentum"],
            dampening=group["dampening"],
            weight_decay=group["weight_decay"],
            nesterov=group["nesterov"],
            first_step=step == 1,
            maximize=group["maximize"],
            out=(param, buffer),
            **self._recorded,
        )


class Adam(Optimizer):
    """Kingma and Ba 2015; `weight_decay` is added to the gradient."""

    state_names = ("exp_avg", "exp_avg_sq")
    capturable = True
    decoupled = False

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, options)

    def _check(self, group: Mapping[str, Any]) -> None:
        super()._check(group)
        if not all(0.0 <= beta < 1.0 for beta in group["betas"]):
            raise ValueError(f"betas is {group['betas']}, expected two numbers from 0 to below 1")

    def update(self, group: dict[str, Any], step: int, param: Any, grad: Any, *states: Any) -> None:
        exp_avg, exp_avg_sq = states
        kernels.adam(
            param,
            grad,
            exp_avg,
            exp_avg_sq,
            lr=group["lr"],
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            eps=group["eps"],
            weight_decay=group["weight_decay"],
            decoupled=self.decoupled,
            step=step,
            maximize=group["maximize"],
            out=(param, exp_avg, exp_avg_sq),
            **self._recorded,
        )


class AdamW(Adam):
    """Loshchilov and Hutter 2019; `weight_decay` shrinks the parameters themselves."""

    decoupled = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, maximize=maximize)


class RMSprop(Optimizer):
    """Tieleman and Hinton 2012: the gradient over a running root mean square."""

    state_names = ("square_avg", "momentum_buffer")
    capturable = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        options = {
            "lr": lr,
            "alpha": alpha,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "maximize": maximize,
        }
        super().__init__(params, options)

    def update(self, group: dict[str, Any], step: int, param: Any, grad: Any, *states: Any) -> None:
        square_avg, buffer = states
        kernels.rmsprop(
            param,
            grad,
            square_avg,
            buffer,
            lr=group["lr"],
            alpha=group["alpha"],
            eps=group["eps"],
            weight_decay=group["weight_decay"],
            momentum=group["momentum"],
            maximize=group["maximize"],
            out=(param, square_avg, buffer),
            **self._recorded,
        )
