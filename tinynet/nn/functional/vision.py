"""Images: pixel shuffling, resampling, and their patches as columns."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...ops import IndexPut, abs, fmod, matmul, pad, where
from ...ops import stack as _stack
from ...tensor import Tensor
from .pooling import _like, _two, adaptive_avg_pool1d, adaptive_avg_pool2d


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """(..., C * r * r, H, W) as (..., C, H * r, W * r) (Shi et al. 2016)."""
    r = upscale_factor
    if r < 1 or input.ndim < 3 or input.shape[-3] % (r * r):
        raise ValueError(f"upscale_factor is {r}, whose square does not divide the channels of {input.shape}")
    *lead, c, h, w = input.shape
    x = input.reshape(-1, c // (r * r), r, r, h, w).permute(0, 1, 4, 2, 5, 3)
    return x.reshape(*lead, c // (r * r), h * r, w * r)


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """(..., C, H * r, W * r) as (..., C * r * r, H, W): undoes `pixel_shuffle`."""
    r = downscale_factor
    if r < 1 or input.ndim < 3 or input.shape[-2] % r or input.shape[-1] % r:
        raise ValueError(f"downscale_factor is {r}, which does not divide the height and width of {input.shape}")
    *lead, c, h, w = input.shape
    x = input.reshape(-1, c, h // r, r, w // r, r).permute(0, 1, 3, 5, 2, 4)
    return x.reshape(*lead, c * r * r, h // r, w // r)


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """The channels of input (N, C, ...) in `groups` groups, taken from each in turn (Zhang et al. 2018)."""
    n, c, *rest = input.shape
    if groups < 1 or c % groups:
        raise ValueError(f"groups is {groups}, which does not divide {c} channels")
    return input.reshape(n, groups, c // groups, *rest).transpose(1, 2).reshape(input.shape)


def interpolate(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """input (N, C, L) or (N, C, H, W) resampled to `size`, or to its own size times `scale_factor`.

    mode           "nearest", "nearest-exact", "linear" (of rows), "bilinear" and "bicubic" (of images), "area".
    align_corners  the centres of the corner pixels stay where they are, rather than the corners of the image; for the linear
                   and cubic modes only.
    recompute_scale_factor  use the ratio of the sizes, which were rounded down, rather than scale_factor.
    `antialias` is not supported: ValueError.
    """
    dims = input.ndim - 2
    modes = {
        "nearest": (1, 2),
        "nearest-exact": (1, 2),
        "area": (1, 2),
        "linear": (1,),
        "bilinear": (2,),
        "bicubic": (2,),
    }
    if mode not in modes or dims not in modes[mode]:
        raise ValueError(
            f"mode is {mode!r} for an input of shape {input.shape}, expected one of {sorted(modes)} that fits"
        )
    if (size is None) == (scale_factor is None):
        raise ValueError("size and scale_factor are both given or both None, expected one of them")
    smooth = mode in ("linear", "bilinear", "bicubic")
    if align_corners is not None and not smooth:
        raise ValueError(f"align_corners is for the linear and cubic modes, not for {mode!r}")
    if antialias:
        raise ValueError("antialias is True, which interpolate does not support")
    before = input.shape[2:]
    if 0 in input.shape[1:]:
        raise ValueError(f"input has shape {input.shape}, expected sizes above 0, but for the batch")
    if size is not None:
        after = tuple(int(s) for s in size) if isinstance(size, (tuple, list)) else (int(size),) * dims
        scales: tuple[float | None, ...] = (None,) * dims
    else:
        given = tuple(scale_factor) if isinstance(scale_factor, (tuple, list)) else (scale_factor,) * dims
        if len(given) != dims:
            raise ValueError(f"scale_factor is {scale_factor!r}, expected a number or {dims} of them")
        after = tuple(math.floor(n * s) for n, s in zip(before, given))
        scales = (None,) * dims if recompute_scale_factor else tuple(float(s) for s in given)
    if len(after) != dims or len(scales) != dims or min(after) < 1:
        raise ValueError(f"the size would be {after}, expected {dims} numbers of at least 1")
    if mode == "area":
        return adaptive_avg_pool1d(input, after[0]) if dims == 1 else adaptive_avg_pool2d(input, after)
    for axis, (n, m, scale) in enumerate(zip(before, after, scales)):
        if not smooth:
            input = _nearest(input, axis - dims, n, m, scale, mode == "nearest-exact")
            continue
        if n == m and scale in (None, 1.0):
            continue
        weights = (_cubic if mode == "bicubic" else _linear)(n, m, scale, bool(align_corners))
        matrix = _like(weights, input)
        input = matmul(input, matrix.t()) if axis == dims - 1 else matmul(matrix, input)
    return input


def _nearest(input: Tensor, dim: int, n: int, m: int, scale: float | None, exact: bool) -> Tensor:
    ratio = np.float32(n / m) if scale is None else np.float32(1.0 / scale)
    offset = np.float32(0.5 if exact else 0.0)
    places = np.minimum(((np.arange(m, dtype=np.float32) + offset) * ratio).astype(np.int64), n - 1)
    if m % n == 0 and (places == np.arange(m) // (m // n)).all():  # a repetition, which needs no gathering
        at = dim % input.ndim
        shape = (*input.shape[: at + 1], m // n, *input.shape[at + 1 :])
        return input.unsqueeze(at + 1).expand(shape).flatten(at, at + 1)
    return input.index_select(dim, _like(places, input))


def _sources(n: int, m: int, scale: float | None, align_corners: bool) -> Any:
    """Where in the input each element of the output lies."""
    if align_corners:
        return np.arange(m) * ((n - 1) / (m - 1) if m > 1 else 0.0)
    return (np.arange(m) + 0.5) * (n / m if scale is None else 1.0 / scale) - 0.5


def _linear(n: int, m: int, scale: float | None, align_corners: bool) -> Any:
    """The matrix (m, n) of linear interpolation."""
    at = np.maximum(_sources(n, m, scale, align_corners), 0)
    low = np.minimum(at.astype(np.int64), n - 1)
    part = np.where(low < n - 1, at - low, 0.0)
    matrix = np.zeros((m, n))
    matrix[np.arange(m), low] += 1 - part
    matrix[np.arange(m), np.minimum(low + 1, n - 1)] += part
    return matrix


def _cubic(n: int, m: int, scale: float | None, align_corners: bool) -> Any:
    """The matrix (m, n) of cubic convolution with a = -0.75 (Keys 1981)."""
    at = _sources(n, m, scale, align_corners)
    low = np.floor(at).astype(np.int64)
    a, matrix = -0.75, np.zeros((m, n))
    for step in (-1, 0, 1, 2):
        x = np.abs(at - low - step)
        near = (a + 2) * x**3 - (a + 3) * x**2 + 1
        far = a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
        np.add.at(matrix, (np.arange(m), np.clip(low + step, 0, n - 1)), np.where(x <= 1, near, far))
    return matrix


def upsample(
    input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None
) -> Tensor:
    """`interpolate`, under its older name."""
    return interpolate(input, size, scale_factor, mode, align_corners)


def _patches(
    size: tuple[int, int], kernel: Any, dilation: Any, padding: Any, stride: Any
) -> tuple[Any, Any, tuple[int, ...]]:
    """The rows (KH, 1, OH, 1) and columns (1, KW, 1, OW) of all patches in the padded image, and that image's size."""
    places, padded = [], []
    for n, k, d, p, s in zip(size, _two(kernel), _two(dilation), _two(padding), _two(stride)):
        count = (n + 2 * p - d * (k - 1) - 1) // s + 1
        if count < 1:
            raise ValueError(f"kernel_size is {kernel} with dilation {dilation}, larger than the padded image {size}")
        places.append(np.arange(k)[:, None] * d + np.arange(count) * s)
        padded.append(n + 2 * p)
    return places[0][:, None, :, None], places[1][None, :, None, :], tuple(padded)


def unfold(input: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Tensor:
    """The patches of input (N, C, H, W) or (C, H, W) as columns: (N, C * KH * KW, count)."""
    if input.ndim == 3:
        return unfold(input.unsqueeze(0), kernel_size, dilation, padding, stride).squeeze(0)
    if input.ndim != 4:
        raise ValueError(f"input has shape {input.shape}, expected 3 or 4 dimensions")
    n, c, h, w = input.shape
    rows, columns, _ = _patches((h, w), kernel_size, dilation, padding, stride)
    ph, pw = _two(padding)
    patches = pad(input, (pw, pw, ph, ph))[:, :, _like(rows, input), _like(columns, input)]
    kh, kw, oh, ow = patches.shape[2:]
    return patches.reshape(n, c * kh * kw, oh * ow)


def fold(
    input: Tensor, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    """Columns (N, C * KH * KW, count) added up as the patches of an image (N, C, H, W): the adjoint of `unfold`."""
    if input.ndim == 2:
        return fold(input.unsqueeze(0), output_size, kernel_size, dilation, padding, stride).squeeze(0)
    (h, w), (kh, kw), (ph, pw) = _two(output_size), _two(kernel_size), _two(padding)
    rows, columns, padded = _patches((h, w), kernel_size, dilation, padding, stride)
    oh, ow = rows.shape[2], columns.shape[3]
    if input.ndim != 3 or input.shape[1] % (kh * kw) or input.shape[2] != oh * ow:
        raise ValueError(f"input has shape {input.shape}, expected (N, C * {kh * kw}, {oh * ow})")
    n, c = input.shape[0], input.shape[1] // (kh * kw)
    index = (slice(None), slice(None), _like(rows, input)._array, _like(columns, input)._array)
    image: Tensor = IndexPut.apply(input.reshape(n, c, kh, kw, oh, ow), index, (n, c, *padded))
    return image[:, :, ph : ph + h, pw : pw + w]


def affine_grid(theta: Tensor, size: Any, align_corners: bool = False) -> Tensor:
    """Sampling places (N, H, W, 2) for `grid_sample` from maps theta (N, 2, 3); size is (N, C, H, W)."""
    n, _, h, w = size
    if theta.shape != (n, 2, 3):
        raise ValueError(f"theta has shape {theta.shape}, expected {(n, 2, 3)}")
    axes = [np.linspace(-1, 1, k) if k > 1 else np.zeros(1) for k in (h, w)]
    if not align_corners:
        axes = [axis * (k - 1) / k for axis, k in zip(axes, (h, w))]
    y, x = np.meshgrid(*axes, indexing="ij")
    base = _like(np.stack([x, y, np.ones_like(x)], -1).reshape(h * w, 3), theta)
    return matmul(base, theta.transpose(1, 2)).reshape(n, h, w, 2)


def _reflected(at: Tensor, start: float, span: int) -> Tensor:
    """Places thrown back by mirrors at start and start + span, as often as it takes; what is not finite is at the start."""
    if span == 0:
        return where(at.isfinite(), at * 0, 0.0)
    distance = abs(where(at.isfinite(), at - start, 0.0))
    beyond = fmod(distance, span)
    odd = (distance.detach() / span).floor() % 2 == 1
    return where(odd, span - beyond, beyond) + start


def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """input (N, C, H, W) at the places grid (N, OH, OW, 2): (x, y) from -1 to 1 (Jaderberg et al. 2015).

    mode is "bilinear" or "nearest"; padding_mode, for places outside, "zeros", "border" or "reflection". NaN is a place
    before the first one.
    """
    if mode not in ("bilinear", "nearest"):
        raise ValueError(f"mode is {mode!r}, expected 'bilinear' or 'nearest'")
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ValueError(f"padding_mode is {padding_mode!r}, expected 'zeros', 'border' or 'reflection'")
    n, _, h, w = input.shape
    if grid.ndim != 4 or grid.shape[0] != n or grid.shape[3] != 2:
        raise ValueError(f"grid has shape {grid.shape}, expected ({n}, OH, OW, 2)")
    places = []
    for i, size in enumerate((w, h)):
        at = grid[..., i]
        at = (at + 1) * ((size - 1) / 2) if align_corners else ((at + 1) * size - 1) / 2
        if padding_mode == "reflection":
            at = _reflected(at, 0.0 if align_corners else -0.5, size - 1 if align_corners else size)
        else:
            at = where(at.isnan(), -1.0, at)
        places.append(at if padding_mode == "zeros" else at.clamp(0, size - 1))
    x, y = places
    batch = _like(np.arange(n).reshape(n, 1, 1), input)

    def look_up(column: Tensor, row: Tensor) -> Tensor:
        """(N, OH, OW, C), zeros outside."""
        inside = (column >= 0) & (column < w) & (row >= 0) & (row < h)
        values = input.permute(0, 2, 3, 1)[batch, row.clamp(0, h - 1).long(), column.clamp(0, w - 1).long()]
        return values * inside.to(dtype=input.dtype).unsqueeze(-1)

    if mode == "nearest":
        return look_up(x.detach().round(), y.detach().round()).permute(0, 3, 1, 2)
    left, top = x.detach().floor(), y.detach().floor()
    right_part, bottom_part = (x - left).unsqueeze(-1), (y - top).unsqueeze(-1)
    corners = _stack(
        [
            look_up(left, top) * (1 - right_part) * (1 - bottom_part),
            look_up(left + 1, top) * right_part * (1 - bottom_part),
            look_up(left, top + 1) * (1 - right_part) * bottom_part,
            look_up(left + 1, top + 1) * right_part * bottom_part,
        ]
    )
    return corners.sum(0).permute(0, 3, 1, 2)
