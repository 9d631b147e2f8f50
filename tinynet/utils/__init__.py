"""What stands around training: `tinynet.utils.data`."""

from . import data

__all__ = ["data"]
