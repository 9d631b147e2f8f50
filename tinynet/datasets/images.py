"""What all sets of images with classes share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..tensor import Tensor
from ..utils.data import Dataset


class ImageDataset(Dataset):
    """Arrays of uint8 images (N, H, W) or (N, C, H, W) and of labels; an item is a float image (C, H, W) in [0, 1] and an int.

    Both pass through `transform` and `target_transform`. Attributes: data, uint8; targets, int64 (N,).
    """

    def __init__(
        self,
        images: Any,
        labels: Any,
        transform: Callable[[Tensor], Any] | None = None,
        target_transform: Callable[[int], Any] | None = None,
    ) -> None:
        self.data, self.targets = Tensor._make(images), Tensor._make(labels.astype("int64"))
        self.transform, self.target_transform = transform, target_transform

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image: Any = self.data[index].float() / 255.0
        if image.ndim == 2:
            image = image.unsqueeze(0)
        label: Any = int(self.targets[index])
        return (
            image if self.transform is None else self.transform(image),
            label if self.target_transform is None else self.target_transform(label),
        )

    def __len__(self) -> int:
        return len(self.data)
