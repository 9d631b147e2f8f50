"""Turning, shifting, scaling and shearing images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..device import xp
from .base import ImageTransform, InterpolationMode, between, bounds, draw, filled


class RandomAffine(ImageTransform):
    """Turns, shifts, scales and shears each image about its centre.

    degrees    angles are between -degrees and degrees, or (low, high); positive turns clockwise.
    translate  largest shifts (of the width, of the height) as fractions; whole pixels, either way.
    scale      (low, high).
    shear      as degrees, along x; or (low x, high x, low y, high y).
    interpolation  default "nearest"; "bilinear".
    fill       value outside the image, or one for each channel.
    center     (x, y) in pixels from the upper left corner; default: the middle.

    Raises ValueError for options out of range.
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: float | Sequence[float] | None = None,
        interpolation: InterpolationMode | str = InterpolationMode.NEAREST,
        fill: float | Sequence[float] = 0,
        center: Sequence[float] | None = None,
    ) -> None:
        self.degrees = _either_way("degrees", degrees)
        if translate is not None and (len(translate) != 2 or not all(0 <= t <= 1 for t in translate)):
            raise ValueError(f"translate is {translate}, expected two numbers from 0 to 1")
        self.translate = translate
        self.scale = None if scale is None else bounds("scale", scale, least=0)
        if self.scale is not None and self.scale[0] == 0:
            raise ValueError(f"scale is {scale}, expected numbers above 0")
        self.shear: tuple[tuple[float, float], tuple[float, float]] | None = None
        if isinstance(shear, (tuple, list)) and len(shear) == 4:
            self.shear = bounds("shear", shear[:2]), bounds("shear", shear[2:])
        elif shear is not None:
            self.shear = _either_way("shear", shear), (0.0, 0.0)
        self.interpolation, self.fill = InterpolationMode(interpolation), fill
        self.center = _center(center)

    def apply(self, images: Any) -> Any:
        np = xp(images)
        h, w = images.shape[2:]
        numbers = draw(images, 6)
        angle = between(numbers[:, 0], self.degrees)
        shift_x, shift_y = (
            np.rint(between(numbers[:, i], (-t * n, t * n)))
            for i, t, n in zip((1, 2), self.translate or (0.0, 0.0), (w, h))
        )
        scale = between(numbers[:, 3], self.scale or (1.0, 1.0))
        shear_x, shear_y = (between(numbers[:, i], s) for i, s in zip((4, 5), self.shear or ((0.0, 0.0), (0.0, 0.0))))
        matrix = _inverse(np, angle, (shift_x, shift_y), scale, (shear_x, shear_y), _offset(self.center, h, w))
        return sample(images, matrix, self.interpolation, self.fill)


class RandomRotation(ImageTransform):
    """Turns each image, counter-clockwise for positive angles, and keeps its size.

    degrees    angles are between -degrees and degrees, or (low, high).
    expand     True, larger results, is a ValueError here: the images of a batch have one size.
    interpolation, center, fill  as in RandomAffine.
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        interpolation: InterpolationMode | str = InterpolationMode.NEAREST,
        expand: bool = False,
        center: Sequence[float] | None = None,
        fill: float | Sequence[float] = 0,
    ) -> None:
        if expand:
            raise ValueError("expand is True, expected False: the images of a batch have one size")
        self.degrees = _either_way("degrees", degrees)
        self.interpolation, self.center, self.fill = InterpolationMode(interpolation), _center(center), fill

    def apply(self, images: Any) -> Any:
        angle = between(draw(images, 1)[:, 0], self.degrees)
        matrix = _inverse(xp(images), -angle, (0.0, 0.0), 1.0, (0.0, 0.0), _offset(self.center, *images.shape[2:]))
        return sample(images, matrix, self.interpolation, self.fill)


def sample(images: Any, matrix: Sequence[Any], interpolation: InterpolationMode, fill: Any) -> Any:
    """Images (N, C, H, W) read where a matrix says: output pixel (x, y), from the middle, is input pixel
    (m0 x + m1 y + m2, m3 x + m4 y + m5), for arrays m of N numbers.

    Coordinates are float32, made by operations that are exact to the last bit everywhere: all devices read the same pixels.
    """
    np = xp(images)
    n, c, h, w = images.shape
    m = [np.asarray(v).astype("float32").reshape(-1, 1, 1) for v in matrix]
    x = np.arange(w, dtype="float32") - (w - 1) / 2
    y = np.arange(h, dtype="float32")[:, None] - (h - 1) / 2
    # a frame of `fill`, one pixel wide (two on the far sides, for the neighbour of a pixel in it), stands for all outside
    at_x = np.clip(m[0] * x + (m[1] * y + m[2]) + (w - 1) / 2, -1, w)
    at_y = np.clip(m[3] * x + (m[4] * y + m[5]) + (h - 1) / 2, -1, h)
    framed = filled(images, (n, c, h + 3, w + 3), fill)
    framed[:, :, 1:-2, 1:-2] = images
    starts = np.arange(n * c).reshape(n, c, 1, 1) * ((h + 3) * (w + 3)) + (w + 4)
    pixels = framed.reshape(-1)

    def place(x: Any, y: Any) -> Any:
        return (y.astype("int64") * (w + 3) + x.astype("int64"))[:, None]

    if interpolation is InterpolationMode.NEAREST:
        return pixels.take(starts + place(np.rint(at_x), np.rint(at_y)))
    left, top = np.floor(at_x), np.floor(at_y)
    first = starts + place(left, top)
    kind = images.dtype if images.dtype in ("float32", "float64") else np.float32
    right_share, bottom_share = ((at - whole)[:, None].astype(kind) for at, whole in ((at_x, left), (at_y, top)))
    # the neighbours to the right and below are the same places of arrays that begin later
    a, b, below_a, below_b = (pixels[shift:].take(first).astype(kind) for shift in (0, 1, w + 3, w + 4))
    upper = a + (b - a) * right_share
    lower = below_a + (below_b - below_a) * right_share
    result = upper + (lower - upper) * bottom_share
    return (np.rint(result) if images.dtype.kind in "iu" else result).astype(images.dtype)


def _inverse(np: Any, angle: Any, shift: Any, scale: Any, shear: Any, center: tuple[float, float]) -> tuple[Any, ...]:
    """Where to read, for images turned clockwise by `angle` degrees after being sheared and scaled, then shifted.

    The inverse of T(center) T(shift) R(angle) Shear(shear) Scale(scale) T(-center), as in torchvision.
    """
    turn, shear_x, shear_y = (v * (math.pi / 180) for v in (angle, *shear))
    cos, sin = np.cos(turn - shear_y) / np.cos(shear_y), np.sin(turn - shear_y) / np.cos(shear_y)
    a, b = cos, -cos * np.tan(shear_x) - np.sin(turn)
    c, d = sin, -sin * np.tan(shear_x) + np.cos(turn)
    m0, m1, m3, m4 = d / scale, -b / scale, -c / scale, a / scale
    from_x, from_y = center[0] + shift[0], center[1] + shift[1]
    return m0, m1, center[0] - m0 * from_x - m1 * from_y, m3, m4, center[1] - m3 * from_x - m4 * from_y


def _either_way(name: str, value: float | Sequence[float]) -> tuple[float, float]:
    if isinstance(value, (tuple, list)):
        return bounds(name, value)
    if not isinstance(value, (int, float)) or not value >= 0:
        raise ValueError(f"{name} is {value}, expected at least 0, or two numbers")
    return -float(value), float(value)


def _center(center: Sequence[float] | None) -> Sequence[float] | None:
    if center is not None and len(center) != 2:
        raise ValueError(f"center is {center}, expected two numbers")
    return center


def _offset(center: Sequence[float] | None, h: int, w: int) -> tuple[float, float]:
    """A centre in pixels from the corner, as seen from the middle."""
    return (0.0, 0.0) if center is None else (center[0] - w / 2, center[1] - h / 2)
