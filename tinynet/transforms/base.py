"""What the transforms share: images in batches of arrays, draws for each image, and sampling between pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

from .. import random
from ..device import on, xp
from ..tensor import Tensor


class InterpolationMode(Enum):
    """How pixels between pixels are read. Transforms take these or their values."""

    NEAREST = "nearest"
    BILINEAR = "bilinear"


class Compose:
    """Transforms one after the other."""

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        self.transforms = transforms

    def __call__(self, img: Any) -> Any:
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self) -> str:
        return "\n".join(["Compose(", *(f"    {t}" for t in self.transforms), ")"])


class ImageTransform:
    """A transform of a tensor (N, C, H, W), (C, H, W) or (H, W). Raises TypeError for what is no tensor, ValueError for
    another number of dimensions."""

    def __call__(self, img: Tensor) -> Tensor:
        if not isinstance(img, Tensor):
            raise TypeError(f"img is a {type(img).__name__}, expected a Tensor; ToTensor makes one")
        if not 2 <= img.ndim <= 4:
            raise ValueError(f"img has shape {img.shape}, expected (N, C, H, W), (C, H, W) or (H, W)")
        with on(img.device):
            result = self.apply(img._array.reshape((1,) * (4 - img.ndim) + img.shape))
        return Tensor._make(result.reshape(result.shape[4 - img.ndim :]))

    def apply(self, images: Any) -> Any:
        """Of an array (N, C, H, W)."""
        raise TypeError(f"{type(self).__name__} does not define apply()")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value}' for name, value in vars(self).items())})"


def draw(images: Any, *shape: int) -> Any:
    """Uniform numbers in [0, 1) for each image, float64 (N, *shape); products with small integers are exact."""
    numbers = random.rand(len(images), *shape, dtype="float32", device=Tensor._make(images).device)
    return numbers._array.astype("float64")


def between(numbers: Any, bounds: tuple[float, float]) -> Any:
    """Draws in [0, 1) moved to between these bounds."""
    return bounds[0] + (bounds[1] - bounds[0]) * numbers


def pair(name: str, value: Any) -> tuple[int, int]:
    """(height, width) of one number or two. ValueError if they are not above 0."""
    sizes = (value, value) if isinstance(value, int) else tuple(value)
    if len(sizes) == 1:
        sizes *= 2
    if len(sizes) != 2 or not all(isinstance(s, int) and s > 0 for s in sizes):
        raise ValueError(f"{name} is {value}, expected one or two integers above 0")
    return sizes


def bounds(name: str, value: Any, *, least: float | None = None) -> tuple[float, float]:
    """(low, high) of a sequence of two numbers. ValueError if they are none, in the wrong order, or below `least`."""
    ends = tuple(float(v) for v in value) if isinstance(value, (tuple, list)) else ()
    if len(ends) != 2 or not ends[0] <= ends[1] or (least is not None and ends[0] < least):
        wanted = "two numbers in rising order" + ("" if least is None else f", at least {least:g}")
        raise ValueError(f"{name} is {value}, expected {wanted}")
    return ends


def probability(value: float) -> float:
    if not 0 <= value <= 1:
        raise ValueError(f"p is {value}, expected a probability between 0 and 1")
    return value


def filled(images: Any, shape: tuple[int, ...], fill: Any) -> Any:
    """An array of `shape` with the images' dtype: one value, or one for each channel."""
    result = xp(images).empty(shape, images.dtype)
    values = [fill] if isinstance(fill, (int, float)) else list(fill)
    if len(values) not in (1, shape[1]):
        raise ValueError(f"fill has {len(values)} values, expected one or one for each of the {shape[1]} channels")
    if len(values) == 1:
        result[...] = values[0]
    else:
        for channel, value in enumerate(values):
            result[:, channel] = value
    return result


def take(images: Any, index: Any) -> Any:
    """The pixels at `index` (N, H', W'), numbers within an image (H, W), of every channel: (N, C, H', W')."""
    n, c, h, w = images.shape
    starts = xp(images).arange(n * c, dtype="int64").reshape(n, c, 1, 1) * (h * w)
    return images.reshape(-1).take(starts + index[:, None])
