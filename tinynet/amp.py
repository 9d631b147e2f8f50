"""Mixed precision, as `torch.amp`: `autocast` runs operations in fewer bits, `GradScaler` keeps small gradients from vanishing.

    scaler = tinynet.amp.GradScaler()
    for x, y in loader:
        optimizer.zero_grad()
        with tinynet.autocast("cuda", dtype=tinynet.float16):
            loss = F.cross_entropy(model(x), y)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()

Parameters stay float32, and so do their gradients and the optimizer's state. With float16, products take float16 tensors
and give them. NumPy and CuPy have no bfloat16: with bfloat16, products round their float32 factors to it and their results
are float32, where PyTorch's are bfloat16; nothing else changes, so no GradScaler is needed.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from . import capture, dtypes
from .autograd import Op
from .device import device as _Device
from .device import device_of, xp
from .grad_mode import _mode
from .ops import cast
from .optim import Optimizer
from .tensor import Tensor

# By operation, as in PyTorch's "Autocast Op Reference". What is in neither list runs in the dtypes of its inputs, of which
# NumPy's promotion takes the widest. Losses and normalisations are sums, which are float32.
_LOW = frozenset(("MatMul", "Linear", "Conv2d", "Conv2dInputGrad"))
_SINGLE = frozenset(
    (
        "Arccos",
        "Arcsin",
        "BinaryCrossEntropy",
        "Cosh",
        "CumSum",
        "Erf",
        "Exp",
        "Expm1",
        "LayerNorm",
        "Log",
        "Log10",
        "Log1p",
        "Log2",
        "LogAddExp",
        "LogSoftmax",
        "Pow",
        "Prod",
        "Reciprocal",
        "Sinh",
        "Softmax",
        "SoftmaxCrossEntropy",
        "Softplus",
        "Square",
        "Sum",
        "Tan",
    )
)
_FLOATS = (dtypes.float16, dtypes.float32)


class autocast:
    """A context, or decorator, in which operations on tensors of `device_type` choose their precision, as `torch.autocast`.

    device_type    "cuda" or "cpu".
    dtype          tinynet.float16 or tinynet.bfloat16 (see the module); default float16 on CUDA, bfloat16 on the CPU.
    enabled        False: operations run in the dtypes of their inputs, even within an enabled region.
    cache_enabled  a parameter is cast once in the outermost region, not at each use; default True.

    Matrix products and convolutions run in `dtype`; sums, losses, softmax, exponentials and logarithms in float32; the rest
    in the dtypes of their inputs. float64 tensors are left alone. Gradients are computed in the dtypes of the forward
    operations and arrive at float32 parameters as float32. Raises ValueError for other devices and dtypes.
    """

    def __init__(
        self, device_type: str, dtype: Any = None, enabled: bool = True, cache_enabled: bool | None = None
    ) -> None:
        if device_type not in ("cuda", "cpu"):
            raise ValueError(f"device_type is {device_type!r}, expected 'cuda' or 'cpu'")
        if dtype is None:
            dtype = dtypes.float16 if device_type == "cuda" else dtypes.bfloat16
        if dtype is not dtypes.bfloat16 and dtype != dtypes.float16:
            raise ValueError(f"dtype is {dtype}, expected tinynet.float16 or tinynet.bfloat16")
        self.device_type, self.dtype, self.enabled = device_type, dtype, enabled
        self.cache_enabled = True if cache_enabled is None else cache_enabled
        self._before: list[_Region | None] = []

    def __enter__(self) -> autocast:
        outer = _mode.autocast
        self._before.append(outer)
        chosen = {} if outer is None else dict(outer.dtypes)
        chosen[self.device_type] = self.dtype if self.enabled else None
        cached = {} if outer is None else outer.cached
        _mode.autocast = _Region(chosen, cached if self.cache_enabled else None)
        return self

    def __exit__(self, *error: object) -> None:
        _mode.autocast = self._before.pop()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return wrapper


class _Region:
    """What autocast does now: the dtype by type of device, and the casts that the outermost region has made."""

    def __init__(self, chosen: Mapping[str, Any], cached: dict[Any, tuple[Tensor, int, Tensor]] | None) -> None:
        self.dtypes, self.cached = chosen, cached

    def __call__(self, op: type[Op], args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments of an operation, cast."""
        name = op.__name__
        if name not in _LOW and name not in _SINGLE:
            return args
        place = next((device_of(a._array).type for a in args if isinstance(a, Tensor)), "cpu")
        low = self.dtypes.get(place)
        if low is None:
            return args
        wanted = dtypes.float16 if name in _LOW and low is not dtypes.bfloat16 else dtypes.float32
        return tuple(self._cast(a, wanted) if isinstance(a, Tensor) else a for a in args)

    def _cast(self, tensor: Tensor, dtype: Any) -> Tensor:
        if tensor.dtype == dtype or tensor.dtype not in _FLOATS:
            return tensor
        if self.cached is None or not (tensor.is_leaf and tensor.requires_grad and dtype == dtypes.float16):
            return cast(tensor, dtype)
        key = id(tensor), _mode.enabled  # a cast made without gradients must not serve with them
        found = self.cached.get(key)
        if found is None or found[1] != tensor._version[0]:
            found = self.cached[key] = (tensor, tensor._version[0], cast(tensor, dtype))
        return found[2]

    def without_cache(self) -> _Region:
        """The same, with a cast at each use: what runs again then makes the same operations."""
        return _Region(self.dtypes, None)

    def rounds_to_bfloat16(self, place: str) -> bool:
        return self.dtypes.get(place) is dtypes.bfloat16


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Whether this thread is in an enabled autocast region for this type of device."""
    return _mode.autocast is not None and _mode.autocast.dtypes.get(device_type) is not None


class GradScaler:
    """Multiplies the loss so that float16 gradients do not underflow, and finds the factor by itself, as `torch.amp.GradScaler`
    (Micikevicius et al. 2018, "Mixed Precision Training").

    device            accepted for PyTorch's sake: the factor lives where the losses do.
    init_scale        the first factor.
    growth_factor     what it is multiplied by after `growth_interval` steps in a row without inf or NaN.
    backoff_factor    what it is multiplied by when gradients have inf or NaN; that step is skipped.
    enabled           False: `scale` returns its argument and `step` just steps.

    Each `step` waits once for the device, to learn whether the gradients are finite; nothing else does. In a step captured by
    `tinynet.cuda.graph` nothing waits: the device skips the update by itself. Raises ValueError for factors out of range.
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 65536.0,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        _Device(device)  # raises for what is no device; the factor goes where the losses are
        if not growth_factor > 1.0:
            raise ValueError(f"growth_factor is {growth_factor}, expected more than 1")
        if not 0.0 < backoff_factor < 1.0:
            raise ValueError(f"backoff_factor is {backoff_factor}, expected a number between 0 and 1")
        if not init_scale > 0.0 or not math.isfinite(init_scale):
            raise ValueError(f"init_scale is {init_scale}, expected a number above 0")
        self._enabled, self._initial, self._initial_steps = enabled, float(init_scale), 0
        self._growth, self._backoff, self._interval = growth_factor, backoff_factor, growth_interval
        self._scale: Any = None  # arrays () on the device of the losses, once one is known
        self._steps: Any = None  # without inf or NaN since the factor last changed
        self._found: dict[int, Any] = {}  # whether an optimizer's gradients had inf or NaN, since the last update
        self._stepped: set[int] = set()

    def is_enabled(self) -> bool:
        return self._enabled

    def scale(self, outputs: Any) -> Any:
        """A tensor, or a list or tuple of tensors, times the factor."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, (list, tuple)):
            return type(outputs)(self.scale(o) for o in outputs)
        if self._scale is None:
            m = xp(outputs._array)
            capture.refuse("GradScaler.scale makes its factor", "scale a loss before, in the calls that warm up")
            self._scale = m.asarray(self._initial, np.float32)
            self._steps = m.asarray(self._initial_steps, np.int32)
        return outputs * Tensor._make(self._scale.reshape(()))

    def unscale_(self, optimizer: Optimizer) -> None:
        """Divides the optimizer's gradients by the factor, to clip them before `step`. RuntimeError if that was done."""
        if not self._enabled:
            return
        if id(optimizer) in self._stepped:
            raise RuntimeError("unscale_() is being called after step()")
        if id(optimizer) in self._found:
            raise RuntimeError("unscale_() has already been called on this optimizer since the last update()")
        if self._scale is None:
            raise RuntimeError("unscale_() needs the factor of a loss: call scale() first")
        m = xp(self._scale)
        inverse = 1.0 / self._scale
        found = m.zeros((), bool)
        for grads in optimizer.flat_grads():
            grads *= inverse
            found |= ~m.isfinite(grads).all()
        self._found[id(optimizer)] = found

    def step(self, optimizer: Optimizer, *args: Any, **kwargs: Any) -> Any:
        """Unscales the gradients if `unscale_` has not; then `optimizer.step()`, unless they have inf or NaN."""
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs or args:
            raise RuntimeError("step() takes no closure: the gradients must be there and scaled")
        if id(optimizer) in self._stepped:
            raise RuntimeError("step() has already been called on this optimizer since the last update()")
        if id(optimizer) not in self._found:
            self.unscale_(optimizer)
        self._stepped.add(id(optimizer))
        found, recording = self._found[id(optimizer)], capture.current()
        if recording is None:
            return optimizer.allocate() if bool(found) else optimizer.step()
        recording.found = found
        try:
            return optimizer.step()
        finally:
            recording.found = None

    def update(self, new_scale: float | Tensor | None = None) -> None:
        """Finds the next factor, or takes `new_scale`. Once after the steps of all optimizers; RuntimeError without any."""
        if not self._enabled:
            return
        if self._scale is None:
            raise RuntimeError("update() needs the factor of a loss: call scale() first")
        if new_scale is not None:
            self._scale[...] = new_scale._array if isinstance(new_scale, Tensor) else new_scale
        elif not self._found:
            raise RuntimeError("update() needs the gradients of a step: call step() or unscale_() first")
        else:
            m = xp(self._scale)
            found = functools.reduce(m.logical_or, self._found.values())
            steps = m.where(found, 0, self._steps + 1)
            grow = steps == self._interval
            grown = self._scale * np.float32(self._growth)
            grown = m.where(m.isfinite(grown), grown, self._scale)
            self._scale[...] = m.where(
                found, self._scale * np.float32(self._backoff), m.where(grow, grown, self._scale)
            )
            self._steps[...] = m.where(grow, 0, steps)
        self._found, self._stepped = {}, set()

    def get_scale(self) -> float:
        """The factor; waits for the device."""
        if not self._enabled:
            return 1.0
        return self._initial if self._scale is None else float(self._scale)

    def get_growth_factor(self) -> float:
        return self._growth

    def get_backoff_factor(self) -> float:
        return self._backoff

    def get_growth_interval(self) -> int:
        return self._interval

    def state_dict(self) -> dict[str, Any]:
        """The factor, the numbers that change it and how many steps it has lasted; {} if disabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self.get_scale(),
            "growth_factor": self._growth,
            "backoff_factor": self._backoff,
            "growth_interval": self._interval,
            "_growth_tracker": self._initial_steps if self._steps is None else int(self._steps),
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes up a state that `state_dict` gave. RuntimeError for an empty one, of a disabled scaler."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError("the state is empty: it is of a GradScaler that was disabled")
        self._initial, self._initial_steps = float(state_dict["scale"]), int(state_dict["_growth_tracker"])
        self._growth, self._backoff = float(state_dict["growth_factor"]), float(state_dict["backoff_factor"])
        self._interval = int(state_dict["growth_interval"])
        if self._scale is not None:  # in place: a captured step may use them
            self._scale[...], self._steps[...] = self._initial, self._initial_steps
        self._found, self._stepped = {}, set()
