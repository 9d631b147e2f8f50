"""The optimizers. Names, defaults and formulas are those of `torch.optim`; each update is one kernel, but for the
options that say otherwise."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import tinynet_kernels as kernels

from ..device import xp
from .formulas import descent, follow
from .optimizer import Optimizer


class SGD(Optimizer):
    """Stochastic gradient descent with momentum (Sutskever et al. 2013) and Nesterov's variant."""

    state_names = ("momentum_buffer",)
    capturable = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
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
    """Kingma and Ba 2015; `weight_decay` is added to the gradient, or shrinks the parameters if it is decoupled.

    amsgrad  divide by the root of the largest average of squares so far (Reddi et al. 2018); not one kernel then.
    """

    state_names: tuple[str, ...] = ("exp_avg", "exp_avg_sq")
    capturable = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
    ) -> None:
        options = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, options)

    def _check(self, group: Mapping[str, Any]) -> None:
        super()._check(group)
        if group["amsgrad"]:
            self.state_names, self.capturable = (*Adam.state_names, "max_exp_avg_sq"), False

    def update(self, group: dict[str, Any], step: int, param: Any, grad: Any, *states: Any) -> None:
        exp_avg, exp_avg_sq, *largest = states
        if group["amsgrad"]:
            self._update_with_largest(group, step, param, grad, exp_avg, exp_avg_sq, largest[0])
            return
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
            decoupled=group["decoupled_weight_decay"],
            step=step,
            maximize=group["maximize"],
            out=(param, exp_avg, exp_avg_sq),
            **self._recorded,
        )

    def _update_with_largest(
        self, group: Mapping[str, Any], step: int, param: Any, grad: Any, exp_avg: Any, exp_avg_sq: Any, largest: Any
    ) -> None:
        m, (beta1, beta2) = xp(param), group["betas"]
        grad = descent(group, param, grad)
        follow(exp_avg, grad, beta1)
        follow(exp_avg_sq, grad * grad, beta2)
        m.maximum(largest, exp_avg_sq, out=largest)
        root = m.sqrt(largest) / math.sqrt(1 - beta2**step) + group["eps"]
        param -= group["lr"] / (1 - beta1**step) * exp_avg / root


class AdamW(Adam):
    """Loshchilov and Hutter 2019: Adam with weight decay that shrinks the parameters themselves."""

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize, decoupled_weight_decay=True)


class RMSprop(Optimizer):
    """Tieleman and Hinton 2012: the gradient over a running root mean square.

    centered  over a running standard deviation instead (Graves 2013); not one kernel then.
    """

    state_names: tuple[str, ...] = ("square_avg", "momentum_buffer")
    capturable = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        options = {
            "lr": lr,
            "alpha": alpha,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "centered": centered,
            "maximize": maximize,
        }
        super().__init__(params, options)

    def _check(self, group: Mapping[str, Any]) -> None:
        super()._check(group)
        if group["centered"]:
            self.state_names, self.capturable = (*RMSprop.state_names, "grad_avg"), False

    def update(self, group: dict[str, Any], step: int, param: Any, grad: Any, *states: Any) -> None:
        square_avg, buffer, *average = states
        if group["centered"]:
            self._update_centred(group, param, grad, square_avg, buffer, average[0])
            return
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

    def _update_centred(
        self, group: Mapping[str, Any], param: Any, grad: Any, square_avg: Any, buffer: Any, average: Any
    ) -> None:
        grad = descent(group, param, grad)
        follow(square_avg, grad * grad, group["alpha"])
        follow(average, grad, group["alpha"])
        moved = grad / (xp(param).sqrt(square_avg - average * average) + group["eps"])
        if group["momentum"] > 0:
            buffer *= group["momentum"]
            buffer += moved
            moved = buffer
        param -= group["lr"] * moved
