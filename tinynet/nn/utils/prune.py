"""Pruning: elements of parameters held at 0 by masks, as `torch.nn.utils.prune`.

A pruned parameter is kept as `weight_orig`, its mask as `weight_mask`, and their product is `weight`, until `remove`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, TypeVar

from ...ops import abs, cat, norm, ones_like, topk
from ...random import rand
from ...tensor import Tensor
from ..module import Module
from .recomputed import Recomputed, attached, found, parameter

M = TypeVar("M", bound=Module)


class _Masked(Recomputed):
    def compute(self, module: Any) -> Tensor:
        mask = getattr(module, f"{self.name}_mask")
        result: Tensor = mask.to(dtype=getattr(module, f"{self.name}_orig").dtype) * getattr(
            module, f"{self.name}_orig"
        )
        return result


def _count(amount: float, size: int) -> int:
    """How many of `size` an amount is: a number of them, or a fraction."""
    if isinstance(amount, int) and not isinstance(amount, bool):
        if not 0 <= amount <= size:
            raise ValueError(f"amount is {amount}, expected 0 to {size}, or a fraction")
        return amount
    if not 0.0 <= amount <= 1.0:
        raise ValueError(f"amount is {amount}, expected a fraction from 0 to 1, or a number of elements")
    return round(amount * size)


class BasePruningMethod:
    """What is pruned: `compute_mask(t, default_mask)` gives the new mask of a tensor, of ones and zeros.

    PRUNING_TYPE  "unstructured": is asked about the elements left by earlier pruning, as a vector; "structured": about the
                  slices left along `dim`; "global": about all elements.
    """

    PRUNING_TYPE: ClassVar[str] = "global"
    dim = 0

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} does not define compute_mask()")

    def mask(self, t: Tensor, before: Tensor) -> Tensor:
        """The mask that follows on one from before."""
        if self.PRUNING_TYPE == "global":
            return self.compute_mask(t, before)
        if self.PRUNING_TYPE == "unstructured":
            kept: Any = before == 1
        elif self.PRUNING_TYPE == "structured":
            others = tuple(i for i in range(t.ndim) if i != self.dim % t.ndim)
            slices = (before.sum(others) if others else before) != 0
            kept = (*(slice(None),) * (self.dim % t.ndim), slices)
        else:
            raise ValueError(
                f"PRUNING_TYPE is {self.PRUNING_TYPE!r}, expected 'unstructured', 'structured' or 'global'"
            )
        result = before.clone()
        result[kept] = self.compute_mask(t[kept], before[kept])
        return result

    def prune(self, t: Tensor, default_mask: Tensor | None = None, importance_scores: Tensor | None = None) -> Tensor:
        """The tensor with 0 where it would be pruned."""
        before = ones_like(t) if default_mask is None else default_mask
        return t * self.mask(t if importance_scores is None else importance_scores, before)

    @classmethod
    def apply(
        cls, module: Module, name: str, *args: Any, importance_scores: Tensor | None = None, **kwargs: Any
    ) -> BasePruningMethod:
        """Prunes a parameter by this method made with `args`; by scores of its shape, or else by itself."""
        method = cls(*args, **kwargs)
        again = attached(_Masked, module, name)
        weight = parameter(module, name if again is None else f"{name}_orig")
        if importance_scores is not None and importance_scores.shape != weight.shape:
            raise ValueError(f"importance_scores has shape {importance_scores.shape}, expected {weight.shape}")
        scores = (weight if importance_scores is None else importance_scores).detach()
        mask = method.mask(scores, ones_like(scores) if again is None else getattr(module, f"{name}_mask"))
        if again is None:
            _Masked(name).attach(module, orig=weight, mask=mask)
        else:
            setattr(module, f"{name}_mask", mask)
            again(module, ())
        return method


class Identity(BasePruningMethod):
    """Prunes nothing: a mask of ones."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        return default_mask


class CustomFromMask(BasePruningMethod):
    """Prunes where a mask is 0."""

    PRUNING_TYPE = "global"

    def __init__(self, mask: Tensor) -> None:
        self.given = mask

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        return default_mask * self.given.to(default_mask.device, default_mask.dtype)


class _ByAmount(BasePruningMethod):
    """Prunes what scores least: elements, or slices."""

    def __init__(self, amount: float) -> None:
        _count(amount, int(max(amount, 1)))
        self.amount = amount

    def least(self, scores: Tensor, default_mask: Tensor) -> Tensor:
        mask = default_mask.clone().reshape(-1)
        mask[topk(scores.reshape(-1), _count(self.amount, scores.numel()), largest=False).indices] = 0
        return mask.reshape(default_mask.shape)


class RandomUnstructured(_ByAmount):
    """Prunes elements by chance."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        return self.least(rand(t.shape, device=t.device), default_mask)


class L1Unstructured(_ByAmount):
    """Prunes the smallest elements."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        return self.least(abs(t), default_mask)


class _Slices(_ByAmount):
    PRUNING_TYPE = "structured"

    def __init__(self, amount: float, dim: int = -1) -> None:
        super().__init__(amount)
        self.dim = dim

    def pruned(self, t: Tensor, scores: Tensor, default_mask: Tensor) -> Tensor:
        kept = self.least(scores, ones_like(scores))
        shape = [1] * t.ndim
        shape[self.dim] = -1
        return default_mask * kept.to(dtype=default_mask.dtype).reshape(shape)


class RandomStructured(_Slices):
    """Prunes slices along `dim` by chance."""

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        return self.pruned(t, rand(t.shape[self.dim], device=t.device), default_mask)


class LnStructured(_Slices):
    """Prunes the slices along `dim` of the smallest n-norms."""

    def __init__(self, amount: float, n: float | str, dim: int = -1) -> None:
        super().__init__(amount, dim)
        self.n = n

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        others = tuple(i for i in range(t.ndim) if i != self.dim % t.ndim)
        return self.pruned(t, norm(t, self.n, others) if others else abs(t), default_mask)


def identity(module: M, name: str) -> M:
    """A mask of ones for a parameter. Returns the module, as all of these do."""
    Identity.apply(module, name)
    return module


def random_unstructured(module: M, name: str, amount: float) -> M:
    """Prunes a fraction, or a number, of a parameter's elements by chance."""
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(module: M, name: str, amount: float, importance_scores: Tensor | None = None) -> M:
    """Prunes the fraction, or number, of a parameter's elements that are smallest, or whose scores are."""
    L1Unstructured.apply(module, name, amount, importance_scores=importance_scores)
    return module


def random_structured(module: M, name: str, amount: float, dim: int) -> M:
    """Prunes a fraction, or a number, of a parameter's slices along `dim` by chance."""
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(
    module: M, name: str, amount: float, n: float | str, dim: int, importance_scores: Tensor | None = None
) -> M:
    """Prunes the fraction, or number, of a parameter's slices along `dim` whose n-norms are smallest."""
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def custom_from_mask(module: M, name: str, mask: Tensor) -> M:
    """Prunes a parameter where the mask is 0."""
    CustomFromMask.apply(module, name, mask)
    return module


def global_unstructured(
    parameters: Sequence[tuple[Module, str]],
    pruning_method: type[BasePruningMethod],
    importance_scores: dict[tuple[Module, str], Tensor] | None = None,
    **kwargs: Any,
) -> None:
    """Prunes parameters, (module, name) pairs, by an unstructured method as if they were one; `kwargs` make the method."""
    if pruning_method.PRUNING_TYPE != "unstructured":
        raise TypeError(f"pruning_method is {pruning_method.PRUNING_TYPE}, expected an unstructured one")
    given = importance_scores or {}
    weights = [parameter(m, name if not is_masked(m, name) else f"{name}_orig").detach() for m, name in parameters]
    masks = [getattr(m, f"{name}_mask", ones_like(w)).reshape(-1) for (m, name), w in zip(parameters, weights)]
    scores = [given.get(pair, w).reshape(-1) for pair, w in zip(parameters, weights)]
    whole = pruning_method(**kwargs).mask(cat(scores), cat(masks))
    for (module, name), weight, mask in zip(parameters, weights, whole.split([w.numel() for w in weights])):
        custom_from_mask(module, name, mask.reshape(weight.shape))


def remove(module: M, name: str) -> M:
    """Makes the pruned parameter a parameter again, with its zeros. ValueError if it is not pruned."""
    found(_Masked, module, name).detach(module, "orig", "mask")
    return module


def is_masked(module: Module, name: str) -> bool:
    return attached(_Masked, module, name) is not None


def is_pruned(module: Module) -> bool:
    """Whether a module or one of its submodules has a pruned parameter."""
    return any(isinstance(hook, _Masked) for m in module.modules() for hook, _ in m._forward_pre_hooks)
