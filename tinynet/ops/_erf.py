"""The error function on NumPy arrays."""

from __future__ import annotations

import math
from typing import Any

from numba import vectorize

_vectorize: Any = vectorize
erf = _vectorize(["float32(float32)", "float64(float64)"], cache=True)(lambda x: math.erf(x))
