"""What a kernel is to everything around it: one dispatch, its samples, its cost.

A `KernelSpec` names an operation, checks its arguments once for all devices, allocates the outputs and calls the
implementation for the device that the arrays live on. Tests, benchmarks and the compile checks iterate over
`registry()`, so an operation that registers a spec is tested and timed without another line.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from .precision import check_precision, in_single
from .runtime import memory, threads

Array = Any  # numpy.ndarray, cupy.ndarray or a simulated device array
Outputs = Sequence[tuple[tuple[int, ...], Any]]  # (shape, dtype) of each output


@dataclass(frozen=True)
class Sample:
    """One valid call. `make(rng, dtype)` returns `(args, kwargs)` with NumPy arrays; arrays of floats have `dtype`.

    Samples marked `bench` are large: they are timed and compared with the reference, never simulated.
    """

    name: str
    make: Callable[[np.random.Generator, Any], tuple[tuple[Any, ...], dict[str, Any]]]
    bench: bool = False


@dataclass(frozen=True)
class BadSample:
    """One invalid call: it must raise `error` with a message that matches the regular expression `match`."""

    name: str
    make: Callable[[np.random.Generator], tuple[tuple[Any, ...], dict[str, Any]]]
    error: type[Exception]
    match: str


@dataclass(frozen=True)
class Cost:
    """The least work a call can do: floating-point operations, and bytes read once plus bytes written once."""

    flops: int
    bytes: int


@dataclass(frozen=True)
class KernelSpec:
    """An operation and its implementations.

    name        registry key and public name.
    check       `check(*args, **params)` validates everything before anything is touched, and returns the
                `(shape, dtype)` of each output. It sees arrays of any device and may use only their metadata.
    reference   "module:function", NumPy only, any float dtype: `f(*args, **params)` returns new output(s).
    cpu, cuda   variant name -> "module:function". An implementation is called as `f(outputs, *args, **params)`
                with a tuple of preallocated arrays that it must fill completely, and not at all if they are all
                empty; the first variant is the default. On CUDA it may return a function `f(outputs, *args)` that does the
                same at once for arrays that lie alike: on the same device, of the same shapes, strides and dtypes, as far
                from a multiple of 16 bytes.
                Modules are imported at the first call, so importing the package imports neither numba nor cupy.
    cost        `cost(*args, **params)` -> Cost.
    tensor_cores  "module:function" that computes on CUDA with float16 arrays, and float32 ones at a lower precision:
                `f(outputs, *args, precision=..., **params)`, False if it cannot here. None for operations that have not
                these. Where it cannot, and on the CPU, they are computed by the others (see `precision`).
    channels_last  whether outputs (N, C, H, W) are laid out with their channels side by side on the CPU.
    repeats     whether calls come again with the same parameters. On CUDA, where checks take longer than a launch, those that
                have passed are remembered then.
    dtypes      dtypes the samples are run in; tolerance maps each to (rtol, atol) against the float64 reference.
    """

    name: str
    check: Callable[..., Outputs]
    reference: str
    cpu: Mapping[str, str]
    cuda: Mapping[str, str]
    samples: Sequence[Sample]
    bad_samples: Sequence[BadSample]
    cost: Callable[..., Cost]
    tensor_cores: str | None = None
    channels_last: bool = False
    repeats: bool = True
    dtypes: Sequence[str] = ("float32", "float64")
    tolerance: Mapping[str, tuple[float, float]] = field(
        default_factory=lambda: {"float32": (1e-4, 1e-5), "float64": (1e-10, 1e-12)}
    )

    def __post_init__(self) -> None:
        if self.name in _REGISTRY:
            raise ValueError(f"kernel {self.name!r} is registered twice")
        _REGISTRY[self.name] = self

    def __call__(
        self, *args: Any, out: Any = None, variant: str | None = None, precision: str = "highest", **params: Any
    ) -> Any:
        """Check the arguments, allocate what `out` does not give, run, and return the output (or tuple of outputs).

        `precision` is that of float32 products (see the module of that name). `out` may be an array (one output) or a
        tuple, in which None stands for an output to allocate. Raises TypeError for arrays on different devices, of
        unsupported type or `out` of the wrong dtype; ValueError for shapes and parameters that do not fit, or an
        unknown `variant`.
        """
        key = None
        if self.repeats and args and type(args[0]) is not np.ndarray:
            key = _signature(self.name, args, out, variant, precision, params)
            known = _known.get(key)
            if known is not None:
                return known(self, args, out, params)
        kind, like = self._device(args)
        if not isinstance(like, np.ndarray) and like.data.device_id != load("cupy.cuda.runtime:getDevice")():
            with like.device:
                return self(*args, out=out, variant=variant, precision=precision, **params)
        if kind == "cpu" and _TEAM is not None:
            _TEAM.look()
        wanted = self.check(*args, **params)
        if out is None:
            outputs = tuple([self._empty(shape, dtype, kind, like) for shape, dtype in wanted])
        else:
            outputs = self._given(out, wanted, kind, like)
        run = self.implementation(kind, variant)
        if precision != "highest" or outputs[0].dtype == _HALF:
            run = partial(self._narrow, run, kind, variant, precision)
        if any([output.size for output in outputs]):
            launch = self._start(run, outputs, args, params)
            if key is not None:
                if len(_known) >= MOST_KNOWN:
                    _known.clear()
                _known[key] = _Known(run, wanted, launch)
        return outputs if len(outputs) > 1 else outputs[0]

    def _start(self, run: Callable[..., Any], outputs: Any, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        """Runs an implementation, watched if kernels are, and returns what it returns."""
        if _watch is None:
            return run(outputs, *args, **params)
        return _watch(self, args, params, partial(run, outputs, *args, **params))

    def implementation(self, kind: str, variant: str | None = None) -> Callable[..., Any]:
        """The function behind `variant` (default: the first) on device kind "cpu" or "cuda"."""
        table = self.cpu if kind == "cpu" else self.cuda
        if variant is None:
            variant = next(iter(table))
        elif variant not in table:
            raise ValueError(f"{self.name}: variant {variant!r} is not one of {list(table)} on {kind}")
        return load(table[variant])

    def _narrow(
        self, implementation: Any, kind: str, variant: Any, precision: str, outputs: Any, *args: Any, **params: Any
    ) -> None:
        """float16, or a lower precision: on tensor cores if a device has them and no variant was asked for."""
        check_precision(precision)
        simulated = hasattr(type(outputs[0]), "__tinynet_device__")  # without tensor cores
        usable = kind == "cuda" and not simulated and variant is None and outputs[0].dtype != np.float64
        tensor_cores = load(self.tensor_cores) if usable and self.tensor_cores is not None else None
        if tensor_cores is None or not tensor_cores(outputs, *args, precision=precision, **params):
            in_single(implementation, outputs, args, precision, **params)

    def _device(self, args: tuple[Any, ...]) -> tuple[str, Array]:
        if args and type(args[0]) is np.ndarray and _ON_HOST.issuperset(map(type, args)):  # without looking at each
            return "cpu", args[0]
        kinds: set[Any] = set(map(type, args)) - _NOT_ARRAYS
        if len(kinds) == 1:
            (kind,) = kinds
            arrays = [a for a in args if type(a) is kind]
            if kind.__module__ == "cupy" and len({a.data.device_id for a in arrays}) == 1:
                return "cuda", arrays[0]
        arrays = [a for a in args if hasattr(a, "__array_interface__") or hasattr(a, "__cuda_array_interface__")]
        if not arrays:
            raise TypeError(f"{self.name}: expected NumPy or CuPy arrays, got {[type(a).__name__ for a in args]}")
        places = {_place(a) for a in arrays}
        if len(places) > 1:
            names = " and ".join(sorted(f"{kind}:{n}" if kind == "cuda" else kind for kind, n in places))
            raise TypeError(f"{self.name}: all arrays must be on one device, got arrays on {names}")
        return places.pop()[0], arrays[0]

    def _given(self, out: Any, wanted: Outputs, kind: str, like: Array) -> tuple[Array, ...]:
        """The arrays of `out`, checked, and new ones where it has None."""
        given = out if isinstance(out, tuple) else (out,)
        if len(given) != len(wanted):
            raise ValueError(f"{self.name}: out has {len(given)} arrays, expected {len(wanted)}")
        outputs = []
        for o, (shape, dtype) in zip(given, wanted):
            if o is None:
                o = self._empty(shape, dtype, kind, like)
            elif not (kind == "cpu" and type(o) is np.ndarray) and _place(o) != _place(like):
                raise TypeError(f"{self.name}: out is on {_place(o)}, expected {_place(like)}")
            elif o.dtype != dtype:
                raise TypeError(f"{self.name}: out has dtype {o.dtype}, expected {np.dtype(dtype)}")
            elif o.shape != tuple(shape):
                raise ValueError(f"{self.name}: out has shape {tuple(o.shape)}, expected {tuple(shape)}")
            outputs.append(o)
        return tuple(outputs)

    def _empty(self, shape: Sequence[int], dtype: Any, kind: str, like: Array) -> Array:
        if kind == "cpu" and self.channels_last and len(shape) == 4:
            n, c, h, w = shape
            return memory.empty((n, h, w, c), dtype).transpose(0, 3, 1, 2)
        return empty(shape, dtype, like)


_NOT_ARRAYS = frozenset((type(None), int, float, bool, str, tuple, list))
_ON_HOST = _NOT_ARRAYS | {np.ndarray}
_HALF = np.dtype(np.float16)
_REGISTRY: dict[str, KernelSpec] = {}
_LOADED: dict[str, Callable[..., Any]] = {}
_TEAM = threads.make()


MOST_KNOWN = 4096
_known: dict[Any, _Known] = {}  # calls that have passed their checks, by their signature


class _Known:
    """A call that has passed its checks, made again with arrays that lie alike: its outputs are allocated, and it runs."""

    def __init__(self, run: Callable[..., Any], wanted: Outputs, launch: Callable[..., None] | None) -> None:
        self.run, self.wanted = run, wanted
        self.launch = launch  # what the implementation has returned

    def __call__(self, spec: KernelSpec, args: tuple[Any, ...], out: Any, params: dict[str, Any]) -> Any:
        if out is None:
            outputs = tuple([load("cupy:empty")(shape, dtype) for shape, dtype in self.wanted])
        elif type(out) is not tuple:
            outputs = (out,)
        else:
            outputs = tuple([load("cupy:empty")(*w) if o is None else o for o, w in zip(out, self.wanted)])
        if self.launch is None:
            self.launch = spec._start(self.run, outputs, args, params)
        elif _watch is None:
            self.launch(outputs, *args)
        else:
            _watch(spec, args, params, partial(self.launch, outputs, *args))
        return outputs if len(outputs) > 1 else outputs[0]


def _signature(
    name: str, args: tuple[Any, ...], out: Any, variant: str | None, precision: str, params: dict[str, Any]
) -> tuple[Any, ...] | None:
    """All that the checks and the launch of a call depend on, if its arrays are CuPy's; else None.

    What is no array is told apart by how it is written, because 1 equals 1.0 and True.
    """
    array = type(args[0])
    if array.__module__ != "cupy":
        return None
    given = out if type(out) is tuple else (out,)
    found: list[Any] = [name, variant, precision, load("cupy.cuda.runtime:getDevice")(), len(args), *params]
    for a in (*args, *given, *params.values()):
        if type(a) is array:
            memory = a.data
            found += a.shape, a.strides, a.dtype, memory.device_id, memory.ptr % 16
        elif a is None or a is True or a is False:
            found.append(a)
        elif type(a) in _NOT_ARRAYS:
            found.append(repr(a))
        else:
            return None
    return tuple(found)


_watch: Callable[[KernelSpec, Any, Any, Callable[[], Any]], Any] | None = None


def set_watch(watch: Callable[[KernelSpec, Any, Any, Callable[[], Any]], Any] | None) -> None:
    """Has `watch(spec, args, params, run)` called for every kernel, which is to return `run()`; None: no longer."""
    global _watch
    _watch = watch


def registry() -> Mapping[str, KernelSpec]:
    """Every registered kernel by name."""
    return _REGISTRY


def load(path: str) -> Callable[..., Any]:
    """The function named by "package.module:function", imported on first use."""
    function = _LOADED.get(path)
    if function is None:
        module, _, name = path.partition(":")
        function = _LOADED[path] = getattr(importlib.import_module(module), name)
    return function


def device_kind(array: Array) -> str:
    """ "cpu" for a NumPy array, "cuda" for a CuPy array or a simulated device array; TypeError for anything else."""
    kind = getattr(type(array), "__tinynet_device__", None)  # set by the simulator's array class
    if kind is not None:
        return str(kind)
    if isinstance(array, np.ndarray):
        return "cpu"
    if type(array).__module__.partition(".")[0] == "cupy":
        return "cuda"
    raise TypeError(f"expected a NumPy or CuPy array, got {type(array).__name__}")


def _place(array: Array) -> tuple[str, int]:
    """The kind of device and its number."""
    if type(array) is np.ndarray:
        return "cpu", 0
    if type(array).__module__ == "cupy":
        return "cuda", array.data.device_id
    kind = device_kind(array)
    return kind, 0 if isinstance(array, np.ndarray) else array.data.device_id


def empty(shape: Sequence[int], dtype: Any, like: Array) -> Array:
    """An uninitialised C-contiguous array on the current device, of the kind of `like`."""
    if type(like) is np.ndarray:
        return memory.empty(shape, dtype)
    if isinstance(like, np.ndarray):  # a simulated device array, or a subclass such as memmap
        return np.empty(shape, dtype).view(type(like)) if device_kind(like) == "cuda" else memory.empty(shape, dtype)
    return load("cupy:empty")(shape, dtype)
