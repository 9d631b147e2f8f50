"""How exact products on CUDA are, as `torch.backends.cuda`."""

from __future__ import annotations

from .. import precision


class _Products:
    """The products, of convolutions as well."""

    @property
    def allow_tf32(self) -> bool:
        """Whether factors of products on CUDA may be rounded to TF32; `set_float32_matmul_precision` is for the CPU too."""
        return precision.tf32_on_cuda

    @allow_tf32.setter
    def allow_tf32(self, allowed: bool) -> None:
        precision.tf32_on_cuda = bool(allowed)


matmul = _Products()


def is_built() -> bool:
    """True: whether there is a device is what `tinynet.cuda.is_available()` says."""
    return True
