"""Making tensors of images, and changing the values of pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy

from .. import ops, random
from ..device import xp
from ..tensor import Tensor, tensor
from .base import ImageTransform, bounds, draw, probability
from .crop import first_fit, rectangles


class ToTensor:
    """A float32 tensor (C, H, W) of a Pillow image or an array (H, W, C) or (H, W); (N, C, H, W) of (N, H, W, C).

    uint8 values are divided by 255, booleans become 0 and 1, other types keep their values and dtype. A Tensor, which is
    what the data sets here give, stays as it is, but for being scaled if it is uint8.
    """

    def __call__(self, pic: Any) -> Tensor:
        if isinstance(pic, Tensor):
            return pic.float() / 255.0 if pic.dtype == numpy.uint8 else pic
        array = numpy.asarray(pic)
        if array.dtype.kind not in "biuf" or not 2 <= array.ndim <= 4:
            raise TypeError(f"pic is a {type(pic).__name__}, expected an image, an array (H, W, C) or a Tensor")
        if array.ndim == 2:
            array = array[..., None]
        result = tensor(numpy.moveaxis(array, -1, -3))
        if array.dtype == numpy.uint8:
            return result.float() / 255.0
        return result.float() if array.dtype.kind == "b" else result

    def __repr__(self) -> str:
        return "ToTensor()"


class Normalize:
    """(img - mean) / std, with one value or one for each channel, of floating-point images (..., C, H, W).

    Raises ValueError for a std of 0 or as many values as there are not channels, TypeError for integer images.
    """

    def __init__(self, mean: float | Sequence[float], std: float | Sequence[float], inplace: bool = False) -> None:
        self.mean, self.std = (
            [float(v)] if isinstance(v, (int, float)) else [float(x) for x in v] for v in (mean, std)
        )
        if 0.0 in self.std:
            raise ValueError(f"std is {std}, expected no 0")
        if len(self.mean) != len(self.std):
            raise ValueError(f"mean has {len(self.mean)} values and std {len(self.std)}, expected one number of them")
        self.inplace = inplace
        self._constants: dict[Any, tuple[Tensor, Tensor]] = {}  # by dtype and device: a captured step cannot copy them

    def __call__(self, img: Tensor) -> Tensor:
        if not isinstance(img, Tensor) or not img.is_floating_point():
            kind = img.dtype if isinstance(img, Tensor) else type(img).__name__
            raise TypeError(f"img is {kind}, expected a floating-point Tensor; ToTensor makes one")
        if img.ndim < 3 or len(self.mean) not in (1, img.shape[-3]):
            raise ValueError(f"img has shape {img.shape}, expected {len(self.mean)} channels in (..., C, H, W)")
        key = img.dtype, img.device
        if key not in self._constants:
            mean, std = (tensor(v, dtype=img.dtype, device=img.device).view(-1, 1, 1) for v in (self.mean, self.std))
            self._constants[key] = mean, std
        mean, std = self._constants[key]
        return img.sub_(mean).div_(std) if self.inplace else ops.div(ops.sub(img, mean), std)

    def __repr__(self) -> str:
        return f"Normalize(mean={self.mean}, std={self.std})"


class RandomErasing(ImageTransform):
    """Overwrites a rectangle in each image with probability `p` (Zhong et al. 2020).

    scale  (low, high) of the share of the area; ratio: of height to width.
    value  what with: a number, one for each channel, or "random" for normal numbers.

    Ten draws of area and ratio are made; an image into which none fits stays. Raises ValueError for options out of range.
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: float | Sequence[float] | str = 0,
        inplace: bool = False,
    ) -> None:
        self.p = probability(p)
        self.scale, self.ratio = bounds("scale", scale, least=0), bounds("ratio", ratio, least=1e-6)
        if self.scale[1] > 1:
            raise ValueError(f"scale is {scale}, expected at most 1")
        if isinstance(value, str) and value != "random":
            raise ValueError(f"value is {value!r}, expected 'random' or numbers")
        self.value, self.inplace = value, inplace

    def apply(self, images: Any) -> Any:
        np = xp(images)
        h, w = images.shape[2:]
        width, height = rectangles(np, draw(images, 10, 2), h, w, self.scale, self.ratio)
        height, width, found = first_fit(np, height, width, (height < h) & (width < w))
        chance, row, column = (v.reshape(-1, 1, 1, 1) for v in draw(images, 3).T)
        height, width, found = (v.reshape(-1, 1, 1, 1) for v in (height, width, found))
        top, left = np.floor(row * (h - height + 1)), np.floor(column * (w - width + 1))
        y, x = np.arange(h)[:, None], np.arange(w)
        erased = found & (chance < self.p) & (y >= top) & (y < top + height) & (x >= left) & (x < left + width)
        result = images if self.inplace else images.copy()
        for channel in range(images.shape[1]):
            result[:, channel] = np.where(erased[:, 0], self._value(images, channel), result[:, channel])
        return result

    def _value(self, images: Any, channel: int) -> Any:
        if self.value == "random":
            shape = images.shape[0], *images.shape[2:]
            return random.randn(shape, dtype="float32", device=Tensor._make(images).device)._array.astype(images.dtype)
        values = [self.value] if isinstance(self.value, (int, float)) else self.value
        if len(values) not in (1, images.shape[1]):
            raise ValueError(f"value has {len(values)} numbers, expected one or one for each of the channels")
        return images.dtype.type(values[channel if len(values) > 1 else 0])
