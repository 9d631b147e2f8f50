"""Data to train on."""

from .download import DownloadError, cache_dir
from .downloaded import CIFAR10, KMNIST, FashionMNIST
from .folder import ImageFolder, load_csv, load_folder
from .idx import parse_idx, read_idx
from .images import ImageDataset
from .mnist import MNIST

__all__ = [
    "CIFAR10",
    "KMNIST",
    "MNIST",
    "DownloadError",
    "FashionMNIST",
    "ImageDataset",
    "ImageFolder",
    "cache_dir",
    "load_csv",
    "load_folder",
    "parse_idx",
    "read_idx",
]
