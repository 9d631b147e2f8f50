"""tinynet: a deep-learning framework small enough to read in a weekend.

The names, argument orders and defaults are PyTorch's. A multilayer perceptron with sigmoids, 10 inputs, 5 hidden units
and 3 outputs, where x = 1, 2, ..., 10 and every weight matrix counts 0.1, 0.2, 0.3, ... row by row:

>>> import tinynet
>>> x = tinynet.arange(1, 11, dtype=tinynet.float64)
>>> w1 = tinynet.arange(1, 51, dtype=tinynet.float64).reshape(5, 10) / 10
>>> w2 = tinynet.arange(1, 16, dtype=tinynet.float64).reshape(3, 5) / 10
>>> w1 @ x  # 0.1 * (1*1 + 2*2 + ... + 10*10) = 0.1 * 385; each further row adds 1.0 * (1 + 2 + ... + 10) = 55
tensor([ 38.5000,  93.5000, 148.5000, 203.5000, 258.5000], dtype=float64)
>>> hidden = tinynet.sigmoid(w1 @ x)  # 1 / (1 + exp(-38.5)) = 1 - 2e-17: all five are 1 to double precision
>>> w2 @ hidden  # the row sums of w2: 0.1 * (1 + ... + 5), 0.1 * (6 + ... + 10), 0.1 * (11 + ... + 15)
tensor([1.5000, 4.0000, 6.5000], dtype=float64)
>>> tinynet.sigmoid(w2 @ hidden)  # 1 / (1 + exp(-1.5)), 1 / (1 + exp(-4)), 1 / (1 + exp(-6.5))
tensor([0.8176, 0.9820, 0.9985], dtype=float64)
"""

from __future__ import annotations

import importlib
import math
from typing import TYPE_CHECKING, Any

from .tensor import Size, Tensor, as_tensor, from_dlpack, from_numpy, tensor

# isort: split
from . import autograd, cuda, ops
from .autograd import enable_grad, is_grad_enabled, no_grad, set_grad_enabled
from .autograd import no_grad as inference_mode
from .device import DeviceUnavailableError, device, get_default_device, set_default_device
from .dtypes import (
    bfloat16,
    bool,
    can_cast,
    double,
    finfo,
    float,
    float16,
    float32,
    float64,
    get_default_dtype,
    half,
    iinfo,
    int,
    int8,
    int16,
    int32,
    int64,
    long,
    promote_types,
    result_type,
    set_default_dtype,
    short,
    uint8,
)
from .ops import *  # noqa: F403 - its __all__ is for this
from .precision import get_float32_matmul_precision, set_float32_matmul_precision
from .printing import set_printoptions
from .random import (
    Generator,
    bernoulli,
    default_generator,
    get_rng_state,
    initial_seed,
    manual_seed,
    multinomial,
    normal,
    poisson,
    rand,
    rand_like,
    randint,
    randint_like,
    randn,
    randn_like,
    randperm,
    seed,
    set_rng_state,
)
from .serialization import load, save
from .tensor_types import ON_CPU, set_default_tensor_type

if TYPE_CHECKING:
    from . import (
        accelerator,
        amp,
        backends,
        callbacks,
        checkpoint,
        datasets,
        distributions,
        explain,
        linalg,
        metrics,
        models,
        nn,
        onnx,
        optim,
        preprocessing,
        transforms,
        utils,
    )
    from .amp import GradScaler, autocast, is_autocast_enabled
    from .trainer import Trainer

__version__ = "0.1.0"

e, inf, nan, newaxis, pi = math.e, math.inf, math.nan, None, math.pi

BoolTensor, ByteTensor, CharTensor = ON_CPU["BoolTensor"], ON_CPU["ByteTensor"], ON_CPU["CharTensor"]
ShortTensor, IntTensor, LongTensor = ON_CPU["ShortTensor"], ON_CPU["IntTensor"], ON_CPU["LongTensor"]
HalfTensor, FloatTensor, DoubleTensor = ON_CPU["HalfTensor"], ON_CPU["FloatTensor"], ON_CPU["DoubleTensor"]

_LAZY = (
    "accelerator",
    "amp",
    "backends",
    "callbacks",
    "checkpoint",
    "datasets",
    "distributions",
    "explain",
    "linalg",
    "metrics",
    "models",
    "nn",
    "onnx",
    "optim",
    "preprocessing",
    "transforms",
    "utils",
)


def __getattr__(name: str) -> Any:
    """Subpackages are imported when they are first used."""
    if name in _LAZY:
        return importlib.import_module(f"{__name__}.{name}")
    if name in ("GradScaler", "autocast", "is_autocast_enabled"):
        return getattr(importlib.import_module(f"{__name__}.amp"), name)
    if name in ("cholesky", "det", "inverse", "logdet", "slogdet"):
        return getattr(Tensor, name)
    if name == "Trainer":
        return importlib.import_module(f"{__name__}.trainer").Trainer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def is_tensor(value: Any) -> Any:
    """Whether a value is a Tensor."""
    return isinstance(value, Tensor)


def is_floating_point(input: Tensor) -> Any:
    """Whether a tensor holds floating-point numbers."""
    return input.is_floating_point()


def is_complex(input: Tensor) -> Any:
    """False: there are no complex tensors."""
    return False


def use_deterministic_algorithms(mode: Any, *, warn_only: Any = False) -> None:
    """Changes nothing: everything here is deterministic."""


def are_deterministic_algorithms_enabled() -> Any:
    """True: everything here is deterministic."""
    return True


def is_nonzero(input: Tensor) -> Any:
    """Whether the only element is not 0. RuntimeError if there is not exactly one."""
    return input.__bool__()


def numel(input: Tensor) -> Any:
    """How many elements a tensor has."""
    return input.numel()


__all__ = [
    "BoolTensor",
    "ByteTensor",
    "CharTensor",
    "DeviceUnavailableError",
    "DoubleTensor",
    "FloatTensor",
    "Generator",
    "GradScaler",
    "HalfTensor",
    "IntTensor",
    "LongTensor",
    "ShortTensor",
    "Size",
    "Tensor",
    "Trainer",
    "accelerator",
    "amp",
    "are_deterministic_algorithms_enabled",
    "as_tensor",
    "autocast",
    "autograd",
    "backends",
    "bernoulli",
    "bfloat16",
    "bool",
    "callbacks",
    "can_cast",
    "checkpoint",
    "cuda",
    "datasets",
    "default_generator",
    "device",
    "distributions",
    "double",
    "e",
    "enable_grad",
    "explain",
    "finfo",
    "float",
    "float16",
    "float32",
    "float64",
    "from_dlpack",
    "from_numpy",
    "get_default_device",
    "get_default_dtype",
    "get_float32_matmul_precision",
    "get_rng_state",
    "half",
    "iinfo",
    "inf",
    "inference_mode",
    "initial_seed",
    "int",
    "int8",
    "int16",
    "int32",
    "int64",
    "is_autocast_enabled",
    "is_complex",
    "is_floating_point",
    "is_grad_enabled",
    "is_nonzero",
    "is_tensor",
    "linalg",
    "load",
    "long",
    "manual_seed",
    "metrics",
    "models",
    "multinomial",
    "nan",
    "newaxis",
    "nn",
    "no_grad",
    "normal",
    "numel",
    "onnx",
    "optim",
    "pi",
    "poisson",
    "preprocessing",
    "promote_types",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "randperm",
    "result_type",
    "save",
    "seed",
    "set_default_device",
    "set_default_dtype",
    "set_default_tensor_type",
    "set_float32_matmul_precision",
    "set_grad_enabled",
    "set_printoptions",
    "set_rng_state",
    "short",
    "tensor",
    "transforms",
    "uint8",
    "use_deterministic_algorithms",
    "utils",
]
__all__ += ops.__all__
