"""The base of all optimizers: parameter groups, the arena, and saving."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from .. import capture
from ..autograd import enable_grad
from ..tensor import Tensor
from .arena import Arena

_AT_LEAST_0 = ("lr", "eps", "weight_decay", "momentum", "lr_decay", "initial_accumulator_value", "momentum_decay")


class Optimizer:
    """Changes parameters by their gradients.

    `params` is an iterable of tensors, or of dictionaries ("groups") with a "params" entry and options of their own.
    Subclasses give the default options and `update`; or, as those of PyTorch, a `step` of their own, which keeps what it
    wants in `state[parameter]`. Raises ValueError for no parameters or one given twice, TypeError for
    what is no leaf tensor.
    """

    state_names: tuple[str, ...] = ()
    capturable = False  # whether `update` passes `self._recorded` on to a kernel that takes `state`
    _recorded: Mapping[str, Any] = MappingProxyType({})

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self.param_groups: list[dict[str, Any]] = []
        self._arenas: list[tuple[dict[str, Any], Arena]] = []
        self._members: list[tuple[int, int]] = []  # the groups' lists of parameters that the arenas were made of
        self._steps: dict[int, int] = {}  # by the identity of the parameter
        self._own: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)  # of a `step` without `update`
        self._doubtful: list[Any] = []  # recorded updates that may have been skipped since they were counted
        if isinstance(params, Tensor):
            raise TypeError("params is a Tensor, expected an iterable of tensors or of groups")
        given = list(params)
        if not given:
            raise ValueError("params is empty, expected at least one parameter")
        for group in given if isinstance(given[0], dict) else [{"params": given}]:
            self.add_param_group(group)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Adds a dictionary with "params" and options; those it lacks are the defaults."""
        params = param_group["params"]
        params = [params] if isinstance(params, Tensor) else list(params)
        params = [p[1] if isinstance(p, tuple) else p for p in params]
        known = {id(p) for group in self.param_groups for p in group["params"]}
        for p in params:
            if not isinstance(p, Tensor):
                raise TypeError(f"params has a {type(p).__name__}, expected tensors")
            if not p.is_leaf:
                raise ValueError("params has a tensor that was computed from others, expected leaves")
            if id(p) in known:
                raise ValueError("params has a tensor twice")
            known.add(id(p))
        group = {**self.defaults, **param_group, "params": params}
        self._check(group)
        self.param_groups.append(group)
        self._arenas.extend((group, arena) for arena in _arenas(params))
        self._members.append((id(params), len(params)))

    def _check(self, group: Mapping[str, Any]) -> None:
        """Raises ValueError for options out of range: those that several optimizers have; they check their own besides."""
        for name in _AT_LEAST_0:
            if name in group and not group[name] >= 0:
                raise ValueError(f"{name} is {group[name]}, expected at least 0")
        betas = group.get("betas", (0.0, 0.0))
        if len(betas) != 2 or not all(0.0 <= beta < 1.0 for beta in betas):
            raise ValueError(f"betas is {betas}, expected two numbers from 0 to below 1")

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forgets all gradients, or sets them to zero."""
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none:
                    p.grad = None
                elif p.grad is not None:
                    p.grad.zero_()

    def flat_grads(self) -> Iterator[Any]:
        """The gradients of all parameters that have one, as few flat arrays; writing to them changes the gradients."""
        self._rebuild()
        for _, arena in self._arenas:
            arena.collect()
            yield from (arena.grads[run] for run in arena.runs([p.grad is not None for p in arena.params]))

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One update of all parameters that have a gradient; returns what `closure` returns, which is called first."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        if capture.current() is None:
            self.settle()
        self._rebuild()
        for group, arena in self._arenas:
            arena.collect()
            steps = [None if p.grad is None else self._steps.get(id(p), 0) + 1 for p in arena.params]
            for count in sorted({s for s in steps if s is not None}):
                chosen = [s == count for s in steps]
                for run in arena.runs(chosen):
                    states = [arena.state(name)[run] for name in self.state_names]
                    self._recorded = self._words(group, arena, run)
                    self.update(group, count, arena.values[run], arena.grads[run], *states)
            for p, s in zip(arena.params, steps):
                if s is not None:
                    self._steps[id(p)] = s
                    p._version[0] += 1
        return loss

    def allocate(self) -> None:
        """Makes the states that the first update would make: where that is skipped, a captured one may come first."""
        self._rebuild()
        for _, arena in self._arenas:
            for name in self.state_names:
                arena.state(name)

    def steps(self, param: Tensor) -> int:
        """How many updates a parameter has seen."""
        self.settle()
        return self._steps.get(id(param), 0)

    def count(self, param: Tensor, steps: int = 1) -> None:
        """Counts an update, or takes one back."""
        self._steps[id(param)] = self._steps.get(id(param), 0) + steps
        param._version[0] += 1

    def settle(self, but: Sequence[Any] = ()) -> None:
        """Takes back the counts of updates in replayed graphs, but those named, that a GradScaler skipped: waits for the
        device, if there may be some.
        """
        for update in [u for u in self._doubtful if u not in but]:
            self._doubtful.remove(update)
            skipped = update.skipped()
            for p in update.params:
                if id(p) in self._steps:
                    self._steps[id(p)] -= skipped

    def _words(self, group: dict[str, Any], arena: Arena, run: slice) -> dict[str, Any]:
        """In a step that is captured, where the kernel finds learning rate, step number and momentum, and whether to do
        anything: the kernels' `state` and `skip`.
        """
        recording = capture.current()
        if recording is None:
            return {}
        if not self.capturable:
            raise RuntimeError(f"{type(self).__name__} cannot be captured in a graph")
        members = [p for p, slot in zip(arena.params, arena.slots) if run.start <= slot.start < run.stop]
        return recording.update(self, group, members)

    def update(self, group: dict[str, Any], step: int, param: Any, grad: Any, *states: Any) -> None:
        """Changes flat arrays in place: the parameters and each of `state_names`. `step` counts from 1."""
        raise TypeError(f"{type(self).__name__} does not define update()")

    def _scalars(self, group: Mapping[str, Any], step: int) -> dict[str, float]:
        """What PyTorch keeps for each parameter though it follows from the number of the step: for the saved state."""
        return {}

    def _rebuild(self) -> None:
        """New arenas where parameters have been moved since, or groups have others; their states move along.

        That of a parameter which is in no group any more is forgotten.
        """
        members = [(id(group["params"]), len(group["params"])) for group in self.param_groups]
        if members == self._members and all(arena.intact() for _, arena in self._arenas):
            return
        self._members = members
        saved = self._states_by_param()
        self._arenas = [(group, arena) for group in self.param_groups for arena in _arenas(group["params"])]
        present = {id(p) for _, arena in self._arenas for p in arena.params}
        self._steps = {key: steps for key, steps in self._steps.items() if key in present}
        self._restore(saved)

    def _states_by_param(self) -> dict[int, dict[str, Tensor]]:
        result = {}
        for _, arena in self._arenas:
            for p, slot in zip(arena.params, arena.slots):
                result[id(p)] = {n: Tensor._make(a[slot].reshape(p.shape)) for n, a in arena.states.items()}
        return result

    def _restore(self, states: Mapping[int, Mapping[str, Tensor]]) -> None:
        for _, arena in self._arenas:
            for p, slot in zip(arena.params, arena.slots):
                for name, value in states.get(id(p), {}).items():
                    arena.state(name)[slot] = value.to(arena.device).to(arena.dtype)._array.reshape(-1)

    @property
    def state(self) -> dict[Tensor, dict[str, Any]]:
        """{parameter: {"step": n, name: tensor}} for those that have been updated; writing to the tensors changes the state.

        Of an optimizer without `update`: what its `step` keeps, a dictionary for each parameter, empty at first.
        """
        if type(self).update is Optimizer.update:
            return self._own
        self.settle()
        states = self._states_by_param()
        params = (p for group in self.param_groups for p in group["params"])
        return {p: {"step": self.steps(p), **states.get(id(p), {})} for p in params if id(p) in self._steps}

    def state_dict(self) -> dict[str, Any]:
        """{"state": {index: {"step": n, name: tensor}}, "param_groups": [...]}, as PyTorch's."""
        self.settle()
        states = self._states_by_param()
        indices: dict[int, int] = {}
        options: dict[int, Mapping[str, Any]] = {}
        groups = []
        for group in self.param_groups:
            for p in group["params"]:
                indices.setdefault(id(p), len(indices))
                options[id(p)] = group
            groups.append({**group, "params": [indices[id(p)] for p in group["params"]]})
        state = {
            index: {
                "step": self._steps[key],
                **self._scalars(options[key], self._steps[key]),
                **{n: t.clone() for n, t in states.get(key, {}).items()},
            }
            for key, index in indices.items()
            if key in self._steps
        }
        state |= {indices[id(p)]: dict(entry) for p, entry in self._own.items() if id(p) in indices}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes up a state that `state_dict` gave. ValueError if the groups or shapes do not fit; then nothing changes."""
        groups = state_dict["param_groups"]
        if [len(g["params"]) for g in groups] != [len(g["params"]) for g in self.param_groups]:
            raise ValueError("state_dict has other parameter groups than this optimizer")
        options = [{k: copy.deepcopy(v) for k, v in group.items() if k != "params"} for group in groups]
        for group, saved in zip(self.param_groups, options):
            self._check({**group, **saved})
        params = [p for group in self.param_groups for p in group["params"]]
        state = {int(index): entry for index, entry in state_dict["state"].items()}
        for index, entry in state.items():
            for name in self.state_names:
                if name in entry and entry[name] is not None and tuple(entry[name].shape) != params[index].shape:
                    raise ValueError(
                        f"{name} of parameter {index} has shape {tuple(entry[name].shape)}, expected {params[index].shape}"
                    )
        for group, saved in zip(self.param_groups, options):
            group.update(saved)
        if type(self).update is Optimizer.update:
            self._own.clear()
            for i, entry in state.items():
                for name, value in entry.items():
                    own = value.to(params[i].device, copy=True) if isinstance(value, Tensor) else copy.deepcopy(value)
                    self._own[params[i]][name] = own
            return
        self._rebuild()
        self.settle()
        # PyTorch's SGD keeps no number of the step; that it was not the first is all that matters there
        self._steps = {id(params[i]): int(entry.get("step", 1)) for i, entry in state.items() if entry}
        self._restore(
            {
                id(params[i]): {n: entry[n] for n in self.state_names if entry.get(n) is not None}
                for i, entry in state.items()
            }
        )

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines += [f"Parameter Group {i}", *(f"    {k}: {v}" for k, v in sorted(group.items()) if k != "params")]
        return "\n".join([*lines, ")"])


def _arenas(params: list[Tensor]) -> list[Arena]:
    kinds: dict[Any, list[Tensor]] = {}
    for p in params:
        kinds.setdefault((p.dtype, p.device), []).append(p)
    return [Arena(members) for members in kinds.values()]
