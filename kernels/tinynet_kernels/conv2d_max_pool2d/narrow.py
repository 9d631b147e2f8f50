"""The pooled convolution of images with few channels, the first of a network: the sums of a window never leave the registers.

For filters of 3 x 3 and windows of 2 x 2. The gradients are those of weight and bias alone: a first layer needs no more.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from ..conv2d.cpu import channels_last, filters, lanes, start_and_floor, target_of
from ..conv2d.geometry import Geometry
from ..max_pool2d.geometry import Geometry as PoolGeometry
from ..runtime.simd import REGISTER
from ..runtime.windows import SIZE, TAPS
from . import narrow_loops as loops

MOST = 4  # channels of an image


@lru_cache(maxsize=256)
def fits(g: Geometry, pool: PoolGeometry, dtype: Any) -> bool:
    """Whether a pooled convolution is of the form that this computes: the channels of the result are whole vectors, too."""
    o, c, *kernel = g.w_shape
    plain = kernel == [TAPS, TAPS] and g.stride == g.dilation == (1, 1) and g.groups == 1 and 0 < c <= MOST
    windows = pool.kernel == pool.stride == (SIZE, SIZE) and pool.padding == (0, 0) and pool.dilation == (1, 1)
    whole = all(SIZE * count <= length for count, length in zip(pool.y_shape[2:], g.y_shape[2:]))
    return plain and windows and whole and o % (REGISTER // dtype.itemsize) == 0


def pooled(outputs: Any, g: Geometry, x: Any, w: Any, bias: Any, activation: str | None) -> None:
    init, floor = start_and_floor(w.shape[0], x.dtype, bias, activation)
    (y, y_target), (indices, indices_target) = map(target_of, outputs)
    loops.pooled(channels_last(x, g.padding), filters(w), init, floor, y_target, indices_target, g.y_shape[3], lanes(x))
    for given, target in ((y, y_target), (indices, indices_target)):
        if target is not given:
            given[...] = target


def gradients(g: Geometry, gy: Any, x: Any, y: Any, indices: Any, active: bool, parts: Any) -> Any:
    """Those of the weight in `parts`, a share of the images to each, as `loops.gradients` says; that of the bias likewise."""
    rows = (channels_last(a, (0, 0)) for a in (gy, y, indices))
    return loops.gradients(*rows, active, channels_last(x, g.padding), g.y_shape[3], lanes(x), parts)
