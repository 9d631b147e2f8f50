"""The shapes and the parameters of a convolution and of its pooling."""

from __future__ import annotations

from typing import Any

from ..conv2d.geometry import Geometry, geometry
from ..max_pool2d.geometry import Geometry as PoolGeometry
from ..max_pool2d.geometry import geometry as pool_geometry
from ..spec import Array


def geometries(
    x: Array,
    w: Array,
    pool_size: Any,
    *,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    pool_stride: Any = None,
    pool_padding: Any = 0,
    pool_dilation: Any = 1,
    ceil_mode: bool = False,
) -> tuple[Geometry, PoolGeometry]:
    """The checked geometries of the convolution and of the pooling."""
    g = geometry(x.shape, w.shape, stride, padding, dilation, groups)
    return g, pool_geometry(g.y_shape, pool_size, pool_stride, pool_padding, pool_dilation, ceil_mode)


def split(params: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters of the convolution, and those of the pooling under its own names for them."""
    names = {"pool_stride": "stride", "pool_padding": "padding", "pool_dilation": "dilation", "ceil_mode": "ceil_mode"}
    of_conv = {name: value for name, value in params.items() if name not in names}
    return of_conv, {own: params[name] for name, own in names.items() if name in params}
