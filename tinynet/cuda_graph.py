"""A step recorded once as a CUDA graph and replayed with one launch: `tinynet.cuda.graph`.

Launching the hundred small kernels of a small network's step takes the host longer than running them takes the device. A
graph holds them all, with their arguments. What changes from step to step therefore must not be an argument: the position of
the random numbers, learning rates, momenta and the numbers of the steps are words in the memory of the device. Recorded
kernels read them, the graph's last node moves them on, and before a launch the host writes them anew if they are not what
they should be: after a schedule's step, say, or a resume.
"""

from __future__ import annotations

import contextlib
import functools
import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from . import capture
from .device import device as Device
from .device import on, require, simulated
from .tensor import Tensor

if TYPE_CHECKING:
    from .optim import Optimizer
    from .random import Generator

WORDS = 1024
_recordings: weakref.WeakSet[Recording] = weakref.WeakSet()


class Recording:
    """The words of a graph, and whom they belong to on the host."""

    def __init__(self) -> None:
        import cupy

        self.words, self.moves = cupy.zeros(WORDS, np.int64), cupy.zeros(WORDS, np.int64)
        self.skips = cupy.zeros((WORDS // 3, 2), np.int64)  # the device's own, see `skip` of the kernels; by update
        self.after = np.zeros(WORDS, np.int64)  # what the words will be after the last launch
        self.deltas = np.zeros(WORDS, np.int64)
        self.draws: dict[int, _Draws] = {}
        self.updates: list[_Update] = []
        self.used = 0
        self.found: Any = None  # while a GradScaler steps an optimizer: whether its gradients have inf or NaN

    def take(self, count: int) -> slice:
        """So many words."""
        if self.used + count > WORDS:
            raise RuntimeError(f"the step has more generators and updates than {WORDS} words hold, too many to capture")
        self.used += count
        return slice(self.used - count, self.used)

    def draw(self, generator: Generator, count: int) -> dict[str, Any]:
        """So many counters of the generator: where they begin is told by its words, and the count of those before."""
        draws = self.draws.get(id(generator))
        if draws is None:
            draws = self.draws[id(generator)] = _Draws(generator, self.take(2))
        before, draws.count = draws.count, draws.count + count
        return {"seed": 0, "offset": before, "state": self.words[draws.place]}

    def update(self, optimizer: Optimizer, group: dict[str, Any], params: list[Tensor]) -> dict[str, Any]:
        """What the update of some parameters of a group reads: words with learning rate, step number and momentum, and if it
        depends on the gradients, words of its own that tell whether to skip it.
        """
        place, skip = self.take(3), None
        if self.found is not None:
            skip = self.skips[len(self.updates)]
            skip[0] = self.found
        self.updates.append(_Update(optimizer, group, params, place, skip))
        return {"state": self.words[place]} | ({} if skip is None else {"skip": skip})

    def now(self) -> Any:
        """The words as the next launch must find them."""
        words = self.after.copy()
        for update in self.updates:
            update.optimizer.settle(but=self.updates)
        for draws in self.draws.values():
            words[draws.place] = draws.words()
        for update in self.updates:
            words[update.place] = update.words()
        return words

    def launched(self) -> None:
        """Moves the host's numbers on as the graph does those of the device."""
        for draws in self.draws.values():
            draws.generator.offset += draws.count
        for update in self.updates:
            update.advance()
        self.doubt()

    def doubt(self) -> None:
        """Tells the optimizers which updates of a launch may have been skipped."""
        for update in self.updates:
            if update.skip is not None and update not in update.optimizer._doubtful:
                update.optimizer._doubtful.append(update)

    def settle(self) -> None:
        """Has the optimizers ask the device which were."""
        for update in self.updates:
            update.optimizer.settle()

    def end(self) -> None:
        """Records the move of the words; to be called last."""
        for draws in self.draws.values():
            self.deltas[draws.place] = 0, draws.count
        for update in self.updates:
            self.deltas[update.place] = 0, 1, 0
        used = slice(self.used)
        self.words[used] += self.moves[used]


class _Draws:
    """Of a generator: its seed and offset."""

    def __init__(self, generator: Generator, place: slice) -> None:
        self.generator, self.place, self.count = generator, place, 0

    def words(self) -> Any:
        return np.array([self.generator.key, self.generator.offset], np.uint64).view(np.int64)


class _Update:
    """Of an optimizer's parameters that are updated at once: the learning rate and momentum of their group and the next step's
    number. `skip`: None, or in the memory of the device whether to skip the update and how often it was.

    The host counts what it launches; only the device knows what was skipped of that, and subtracts it.
    """

    def __init__(
        self, optimizer: Optimizer, group: dict[str, Any], params: list[Tensor], place: slice, skip: Any
    ) -> None:
        self.optimizer, self.group, self.params, self.place = optimizer, group, params, place
        self.skip = skip
        self.arrays = [p._array for p in params]
        self.options = self._options()

    def _options(self) -> dict[str, Any]:
        """Those that must not change."""
        changing = "lr", "initial_lr", "momentum", "betas", "params"
        options = {name: value for name, value in self.group.items() if name not in changing}
        return options | {"the second of betas": self.group["betas"][1]} if "betas" in self.group else options

    def words(self) -> tuple[Any, int, Any]:
        momentum = self.group["betas"][0] if "betas" in self.group else self.group["momentum"]
        bits = np.array([self.group["lr"], momentum], np.float64).view(np.int64)
        return bits[0], self.optimizer._steps.get(id(self.params[0]), 0) + 1, bits[1]

    def skipped(self) -> int:
        """How many launches skipped the update since the last call: waits for the device."""
        count = int(self.skip[1])
        self.skip[1] = 0
        return count

    def check(self) -> None:
        for name, value in self._options().items():
            if value != self.options.get(name):
                raise RuntimeError(
                    f"{name} of the optimizer is {value}, but was {self.options.get(name)} when the step was captured; only "
                    "learning rate and momentum may change: capture the step again"
                )
        if any(p._array is not array for p, array in zip(self.params, self.arrays)):
            raise RuntimeError("a parameter has moved since the step was captured; capture it again")

    def advance(self, steps: int = 1) -> None:
        for p in self.params:
            self.optimizer.count(p, steps)


class Graph:
    """A step on CUDA that is recorded and replayed: see `tinynet.cuda.graph`, which makes it."""

    def __init__(self, step: Callable[..., Any], warmup: int = 2) -> None:
        if warmup < 1:
            raise ValueError(f"warmup is {warmup}, expected at least 1: kernels are compiled in the first call")
        if simulated():
            raise RuntimeError("Numba's simulator has no CUDA graphs; call the step itself")
        require(Device("cuda"))
        self.step, self.warmup = step, warmup
        self.captured = False
        functools.update_wrapper(self, step, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """One step. Arguments that are tensors are copied to where the graph reads them."""
        given: dict[int | str, Any] = dict(enumerate(args))
        given.update(kwargs)
        if self.captured:
            with on(self._device):
                self._follow()
                self._fill(given)
                self._launch()
            return self._outputs
        if self.warmup > 0:
            outputs = self.step(*args, **kwargs)
            self.warmup -= 1
            return outputs
        self._capture(given, len(args))
        return self._outputs

    def _capture(self, given: dict[int | str, Any], positional: int) -> None:
        import cupy

        from tinynet_kernels.runtime.last_block import counters

        for name, value in given.items():
            if isinstance(value, Tensor) and value.device.type != "cuda":
                raise RuntimeError(
                    f"{_named(name)} is a tensor on {value.device}; a captured step takes tensors on CUDA"
                )
        self._device = next((v.device for v in given.values() if isinstance(v, Tensor)), Device("cuda"))
        with on(self._device):
            # Buffers of the graph come from a pool of their own: nothing else may reuse what a replay writes to.
            self._pool = cupy.cuda.MemoryPool()
            # Kept as long as the graph, which uses the counters of this stream: see `last_block` of the kernels.
            self._stream = stream = cupy.cuda.Stream(non_blocking=True)
            with cupy.cuda.using_allocator(self._pool.malloc):
                self._given = {k: v.clone() if isinstance(v, Tensor) else v for k, v in given.items()}
                self._recording = recording = Recording()
            with stream:
                counters()  # which kernels on the stream share is made before they are recorded
            for other in list(_recordings):
                other.settle()  # which could not be done while recording
            cupy.cuda.get_current_stream().synchronize()
            stream.synchronize()
            arguments = [self._given[i] for i in range(positional)]
            named = {k: v for k, v in self._given.items() if isinstance(k, str)}
            with stream, cupy.cuda.using_allocator(self._pool.malloc):
                self._graph, outputs = self._record(stream, recording, arguments, named)
            self._outputs = _detached(outputs)
            recording.moves.set(recording.deltas)
            recording.words.set(self._first)
            self.captured = True
            self._last = cupy.cuda.get_current_stream()
            self._graph.launch(self._last)
            recording.after = self._first + recording.deltas
            recording.doubt()
            _recordings.add(recording)
            for draws in recording.draws.values():  # the updates have been counted while they were recorded
                draws.generator.offset += draws.count

    def _record(self, stream: Any, recording: Recording, args: list[Any], kwargs: dict[str, Any]) -> Any:
        from cupy.cuda.runtime import CUDARuntimeError

        capture.set_current(recording)
        stream.begin_capture()
        try:
            outputs = self.step(*args, **kwargs)
            recording.end()
            self._first = recording.now()
            for update in recording.updates:
                self._first[update.place] -= (0, 1, 0)  # they have been counted already
            return stream.end_capture(), outputs
        except BaseException as error:
            for update in recording.updates:
                update.advance(-1)
            with contextlib.suppress(CUDARuntimeError):  # the reason is in `error`
                stream.end_capture()
            if isinstance(error, CUDARuntimeError):
                raise RuntimeError(
                    f"the step cannot be captured: {error}. Something in it waits for the device, or copies to or from the "
                    "host; the call is in the traceback above"
                ) from error
            raise
        finally:
            capture.set_current(None)

    def _follow(self) -> None:
        """Has the current stream wait for the one that the graph was launched on last: both use the graph's buffers."""
        import cupy

        stream = cupy.cuda.get_current_stream()
        if stream != self._last:
            stream.wait_event(self._last.record())
            self._last = stream

    def _fill(self, given: Mapping[int | str, Any]) -> None:
        """Takes over the arguments, which must be like those that the step was captured with."""
        if given.keys() != self._given.keys():
            raise TypeError(f"the arguments are {list(given)}, but were {list(self._given)} when the step was captured")
        for name, value in given.items():
            own = self._given[name]
            if isinstance(own, Tensor):
                if not isinstance(value, Tensor):
                    raise TypeError(f"{_named(name)} is a {type(value).__name__}, expected a tensor as when captured")
                if value.shape != own.shape or value.dtype != own.dtype:
                    raise ValueError(
                        f"{_named(name)} has shape {value.shape} and dtype {value.dtype}, but {own.shape} and {own.dtype} "
                        "when the step was captured; call the step itself for it, or capture another graph"
                    )
            elif value != own:
                raise ValueError(
                    f"{_named(name)} is {value!r}, but was {own!r} when the step was captured, which is part of the graph; "
                    "pass it as a tensor"
                )
        for update in self._recording.updates:
            update.check()
        for name, value in given.items():
            if isinstance(value, Tensor) and value is not self._given[name]:
                target, source = self._given[name]._array, value._array
                if isinstance(source, np.ndarray):
                    target.set(source)
                else:
                    target[...] = source

    def _launch(self) -> None:
        import cupy

        recording, stream = self._recording, cupy.cuda.get_current_stream()
        words = recording.now()
        if not np.array_equal(words, recording.after):
            recording.words.set(words, stream)
        self._graph.launch(stream)
        recording.after = words + recording.deltas
        recording.launched()


def _named(name: int | str) -> str:
    return f"argument {name + 1}" if isinstance(name, int) else name


def _detached(outputs: Any) -> Any:
    """The outputs without the history of their computation, which was walked while it was recorded."""
    if isinstance(outputs, Tensor):
        return outputs.detach()
    if isinstance(outputs, (tuple, list)):
        return type(outputs)(_detached(value) for value in outputs)
    if isinstance(outputs, dict):
        return {name: _detached(value) for name, value in outputs.items()}
    return outputs
