"""Data to train on."""

from .idx import load_folder, parse_idx, read_idx
from .mnist import MNIST

__all__ = ["MNIST", "load_folder", "parse_idx", "read_idx"]
