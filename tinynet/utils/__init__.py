"""What stands around training: data, and memory for time."""

from . import checkpoint, data

__all__ = ["checkpoint", "data"]
