"""Preparing images, under the names of `torchvision.transforms`: of whole batches, on the device they are on.

An image is (C, H, W) or (H, W); a batch (N, C, H, W), of which every image gets a draw of its own (torchvision makes one draw
for all). Random numbers are those of `tinynet.manual_seed`, the same ones on every device. Nothing waits for the device and
no shape depends on a draw, so that a captured step can hold transforms. Results carry no gradient.
"""

from .affine import RandomAffine, RandomRotation
from .base import Compose, InterpolationMode
from .crop import RandomCrop, RandomHorizontalFlip, RandomResizedCrop
from .values import Normalize, RandomErasing, ToTensor

__all__ = [
    "Compose",
    "InterpolationMode",
    "Normalize",
    "RandomAffine",
    "RandomCrop",
    "RandomErasing",
    "RandomHorizontalFlip",
    "RandomResizedCrop",
    "RandomRotation",
    "ToTensor",
]
