"""The switches of `torch.backends` that programs set: `cuda.matmul.allow_tf32` counts, the others have nothing to change."""

from . import cuda, cudnn, mps

__all__ = ["cuda", "cudnn", "mps"]
