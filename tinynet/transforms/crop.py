"""Cutting out parts of images, and mirroring them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .. import ops
from ..device import xp
from ..tensor import Tensor
from .base import ImageTransform, InterpolationMode, between, bounds, draw, filled, pair, probability, take


class RandomCrop(ImageTransform):
    """A part of `size` (one number, or height and width) of each image, after padding.

    padding        on every side; or (left and right, top and bottom); or (left, top, right, bottom).
    pad_if_needed  on both sides, of images that are smaller than `size`.
    fill           value of the padding, for `padding_mode` "constant", the default; others: "edge", "reflect", "symmetric".

    Raises ValueError for options out of range, and for images that are too small.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] | None = None,
        pad_if_needed: bool = False,
        fill: float | Sequence[float] = 0,
        padding_mode: str = "constant",
    ) -> None:
        self.size = pair("size", size)
        if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
            raise ValueError(f"padding_mode is {padding_mode!r}, expected 'constant', 'edge', 'reflect' or 'symmetric'")
        self.padding = _sides(padding)
        self.pad_if_needed, self.fill, self.padding_mode = pad_if_needed, fill, padding_mode

    def apply(self, images: Any) -> Any:
        np = xp(images)
        images = self._pad(images, *self.padding)
        height, width = self.size
        if self.pad_if_needed:
            more_h, more_w = (max(0, wanted - n) for wanted, n in zip(self.size, images.shape[2:]))
            images = self._pad(images, more_w, more_h, more_w, more_h)
        h, w = images.shape[2:]
        if h < height or w < width:
            raise ValueError(f"img is {h} x {w} after padding, expected at least {height} x {width}")
        numbers = draw(images, 2)
        top, left = (
            np.floor(numbers[:, i] * choices).astype("int64").reshape(-1, 1, 1)
            for i, choices in ((0, h - height + 1), (1, w - width + 1))
        )
        return take(images, (top + np.arange(height)[:, None]) * w + left + np.arange(width))

    def _pad(self, images: Any, left: int, top: int, right: int, bottom: int) -> Any:
        if not (left or top or right or bottom):
            return images
        if self.padding_mode != "constant":
            return xp(images).pad(images, ((0, 0), (0, 0), (top, bottom), (left, right)), mode=self.padding_mode)
        n, c, h, w = images.shape
        result = filled(images, (n, c, top + h + bottom, left + w + right), self.fill)
        result[:, :, top : top + h, left : left + w] = images
        return result


class RandomResizedCrop(ImageTransform):
    """A part of each image, of random area and shape, scaled to `size` (Szegedy et al. 2015).

    size   height and width of the result, or one number for both.
    scale  (low, high) of the share of the area; ratio: of width to height.
    interpolation  default "bilinear"; "nearest".
    antialias      with "bilinear", average over all pixels of the part that a pixel of a smaller result stands for.

    Ten draws of area and ratio are made; if no part of the first that fits the image exists, the part is the largest in the
    middle with a ratio in range. Integer images are rounded. Raises ValueError for options out of range.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: InterpolationMode | str = InterpolationMode.BILINEAR,
        antialias: bool = True,
    ) -> None:
        self.size = pair("size", size)
        self.scale, self.ratio = bounds("scale", scale, least=0), bounds("ratio", ratio, least=1e-6)
        self.interpolation, self.antialias = InterpolationMode(interpolation), antialias

    def apply(self, images: Any) -> Any:
        np = xp(images)
        h, w = images.shape[2:]
        height, width = rectangles(np, draw(images, 10, 2), h, w, self.scale, self.ratio)
        fits = (height > 0) & (height <= h) & (width > 0) & (width <= w)
        least, most = self.ratio
        whole = (round(w / least), w) if w / h < least else (h, round(h * most)) if w / h > most else (h, w)
        height, width, found = first_fit(np, height, width, fits)
        height, width = np.where(found, height, whole[0]), np.where(found, width, whole[1])
        numbers = draw(images, 2)
        top = np.where(found, np.floor(numbers[:, 0] * (h - height + 1)), np.floor((h - height) / 2))
        left = np.where(found, np.floor(numbers[:, 1] * (w - width + 1)), np.floor((w - width) / 2))
        kind = images.dtype if images.dtype in ("float32", "float64") else np.float32
        rows, columns = (
            Tensor._make(self._weights(np, *part).astype(kind)[:, None])
            for part in ((top, height, h, self.size[0]), (left, width, w, self.size[1]))
        )
        result = ops.matmul(ops.matmul(rows, Tensor._make(images.astype(kind))), columns.transpose(-1, -2))._array
        return (np.rint(result) if images.dtype.kind in "iu" else result).astype(images.dtype)

    def _weights(self, np: Any, start: Any, length: Any, size: int, out: int) -> Any:
        """(N, out, size): the weights of the pixels of a line of which so many from `start` on are scaled to `out`."""
        start, length = start.reshape(-1, 1, 1), length.reshape(-1, 1, 1)
        step = length / out
        place = np.arange(size) - start  # of each pixel in the part
        wanted = np.arange(out)[:, None]
        if self.interpolation is InterpolationMode.NEAREST:
            return (place == np.floor(wanted * step)).astype("float64")
        reach = np.maximum(step, 1.0) if self.antialias else 1.0
        weights = np.clip(1 - np.abs(place + 0.5 - (wanted + 0.5) * step) / reach, 0, None)
        weights = weights * ((place >= 0) & (place < length))
        return weights / weights.sum(axis=2, keepdims=True)


class RandomHorizontalFlip(ImageTransform):
    """Mirrors each image left to right with probability `p`."""

    def __init__(self, p: float = 0.5) -> None:
        self.p = probability(p)

    def apply(self, images: Any) -> Any:
        flipped = draw(images, 1).reshape(-1, 1, 1, 1) < self.p
        return xp(images).where(flipped, images[..., ::-1], images)


def rectangles(np: Any, numbers: Any, h: int, w: int, scale: Any, ratio: Any) -> tuple[Any, Any]:
    """(heights, widths) of rectangles of random area, a share of h w, and ratio, by draws (N, tries, 2)."""
    area = between(numbers[..., 0], scale) * (h * w)
    shape = np.exp(between(numbers[..., 1], (math.log(ratio[0]), math.log(ratio[1]))))
    return np.rint(np.sqrt(area / shape)), np.rint(np.sqrt(area * shape))


def first_fit(np: Any, height: Any, width: Any, fits: Any) -> tuple[Any, Any, Any]:
    """The first height and width (N,) of each row of tries that fits, and whether there is one."""
    first = fits.argmax(axis=1)[:, None]
    return (*(np.take_along_axis(v, first, 1)[:, 0] for v in (height, width)), fits.any(axis=1))


def _sides(padding: int | Sequence[int] | None) -> tuple[int, int, int, int]:
    """(left, top, right, bottom)."""
    values = (0,) if padding is None else (padding,) if isinstance(padding, int) else tuple(padding)
    if len(values) not in (1, 2, 4) or not all(isinstance(v, int) and v >= 0 for v in values):
        raise ValueError(f"padding is {padding}, expected one, two or four integers of at least 0")
    left, top, right, bottom = values * (4 // len(values))
    return left, top, right, bottom
