"""There is no cuDNN here. The switches are those of `torch.backends.cudnn` and may be set; convolutions are deterministic, and
their tiles are chosen by a model of the device, whatever they say."""

from __future__ import annotations

enabled = True
benchmark = False
deterministic = True
allow_tf32 = False  # `backends.cuda.matmul.allow_tf32` decides for convolutions too


def is_available() -> bool:
    """False."""
    return False


def version() -> None:
    """None: there is none."""
    return None
