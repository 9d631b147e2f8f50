"""The error function, and 1 less it, on NumPy arrays."""

from __future__ import annotations

import math
from typing import Any

from numba import vectorize

_vectorize: Any = vectorize
_TYPES = ["float32(float32)", "float64(float64)"]
erf = _vectorize(_TYPES, cache=True)(lambda x: math.erf(x))
erfc = _vectorize(_TYPES, cache=True)(lambda x: math.erfc(x))
