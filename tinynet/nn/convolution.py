"""Convolutions and transposed convolutions, over one or two dimensions."""

from __future__ import annotations

from typing import Any

from .. import ops
from ..tensor import Tensor
from . import functional as F
from .linear import _reset
from .module import Module
from .parameter import Parameter
from .pooling import MaxPool2d

_MODES = ("zeros", "reflect", "replicate", "circular")


def _sizes(value: Any, count: int) -> tuple[int, ...]:
    """One number for each dimension."""
    given = tuple(int(v) for v in value) if isinstance(value, (tuple, list)) else (int(value),) * count
    if len(given) != count:
        raise ValueError(f"got {value!r}, expected an int or {count} of them")
    return given


class _Convolution(Module):
    """What convolutions share; `dims` is the number of dimensions of the images."""

    dims = 0
    transposed = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        output_padding: Any,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any,
        dtype: Any,
    ) -> None:
        super().__init__()
        modes = _MODES[:1] if self.transposed else _MODES
        if padding_mode not in modes:
            raise ValueError(f"padding_mode is {padding_mode!r}, expected one of {modes}")
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ValueError(f"groups is {groups}, which does not divide {in_channels} and {out_channels} channels")
        if isinstance(padding, str) and padding not in ("valid", "same"):
            raise ValueError(f"padding is {padding!r}, expected numbers, 'valid' or 'same'")
        self.kernel_size = _sizes(kernel_size, self.dims)
        self.stride, self.dilation = _sizes(stride, self.dims), _sizes(dilation, self.dims)
        if min(self.kernel_size) < 1:
            raise ValueError(f"kernel_size is {kernel_size!r}, expected at least 1")
        if padding == "same" and max(self.stride) > 1:
            raise ValueError(f"padding 'same' needs a stride of 1, got {stride}")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.padding = padding if isinstance(padding, str) else _sizes(padding, self.dims)
        self.output_padding, self.padding_mode = _sizes(output_padding, self.dims), padding_mode
        first, second = (in_channels, out_channels) if self.transposed else (out_channels, in_channels)
        self.weight = Parameter(ops.empty(first, second // groups, *self.kernel_size, dtype=dtype, device=device))
        self.bias = Parameter(ops.empty(out_channels, dtype=dtype, device=device)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        _reset(self.weight, self.bias, self.weight[0].numel() if self.weight.shape[0] else 0)

    def _padded(self, input: Tensor) -> tuple[Tensor, Any]:
        """The input with what `padding_mode` pads, and what is left to the convolution."""
        if self.padding_mode == "zeros":
            return input, self.padding
        if self.padding == "valid":
            return input, 0
        if self.padding == "same":
            total = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size)]
            pairs = [(t // 2, t - t // 2) for t in total]
        else:
            pairs = [(int(p), int(p)) for p in self.padding]
        return F.pad(input, [width for pair in reversed(pairs) for width in pair], self.padding_mode), 0

    def extra_repr(self) -> str:
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        zero, one = (0,) * self.dims, (1,) * self.dims
        if self.padding != zero:
            text += f", padding={self.padding}"
        if self.dilation != one:
            text += f", dilation={self.dilation}"
        if self.output_padding != zero:
            text += f", output_padding={self.output_padding}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        text += "" if self.bias is not None else ", bias=False"
        return text if self.padding_mode == "zeros" else f"{text}, padding_mode={self.padding_mode}"


class _Forward(_Convolution):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            0,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )


class Conv1d(_Forward):
    """Convolution of (N, in_channels, L) or (in_channels, L); weight (out_channels, in_channels // groups, K).

    The options are those of `Conv2d`.
    """

    dims = 1

    def forward(self, input: Tensor) -> Tensor:
        x, padding = self._padded(input)
        return F.conv1d(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


class Conv2d(_Forward):
    """Convolution of (N, in_channels, H, W) or (in_channels, H, W); weight (out_channels, in_channels // groups, KH, KW).

    `padding` is an int, a pair, "valid" or "same"; `padding_mode` "zeros", "reflect", "replicate" or "circular". Weight and
    bias are uniform within 1 / sqrt(fan_in).
    """

    dims = 2

    def forward(self, input: Tensor, activation: str | None = None) -> Tensor:
        x, padding = self._padded(input)
        return F.conv2d(
            x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups, activation=activation
        )

    def forward_pooled(self, input: Tensor, pool: MaxPool2d, activation: str | None) -> Tensor:
        """`pool(self(input))` of a batch of images, in one operation; `padding` must be numbers."""
        x, padding = self._padded(input)
        return ops.conv2d_max_pool2d(
            x,
            self.weight,
            self.bias,
            pool.kernel_size,
            activation=activation,
            stride=self.stride,
            padding=padding,
            dilation=self.dilation,
            groups=self.groups,
            pool_stride=pool.stride or None,
            pool_padding=pool.padding,
            pool_dilation=pool.dilation,
            ceil_mode=pool.ceil_mode,
        )


class _Transposed(_Convolution):
    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            output_padding,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _output_padding(self, input: Tensor, output_size: Any) -> tuple[int, ...]:
        """What must be added for the output to have `output_size`; ValueError if no padding below the stride does it."""
        if output_size is None:
            return self.output_padding
        wanted = tuple(output_size)[-self.dims :]
        result = []
        for i, n in enumerate(input.shape[-self.dims :]):
            span = self.dilation[i] * (self.kernel_size[i] - 1) + 1
            extra = wanted[i] - ((n - 1) * self.stride[i] - 2 * int(self.padding[i]) + span)
            if not 0 <= extra < self.stride[i]:
                raise ValueError(
                    f"output_size is {tuple(output_size)}, expected size {i} from {wanted[i] - extra} to "
                    f"{wanted[i] - extra + self.stride[i] - 1}"
                )
            result.append(extra)
        return tuple(result)


class ConvTranspose1d(_Transposed):
    """Transposed convolution of (N, in_channels, L) or (in_channels, L); weight (in_channels, out_channels // groups, K)."""

    dims = 1

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        extra = self._output_padding(input, output_size)
        return F.conv_transpose1d(
            input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation
        )


class ConvTranspose2d(_Transposed):
    """Transposed convolution of (N, in_channels, H, W) or (in_channels, H, W).

    weight (in_channels, out_channels // groups, KH, KW); `output_size`, an argument of the call, chooses among the sizes that
    a stride above 1 leaves open.
    """

    dims = 2

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        extra = self._output_padding(input, output_size)
        return F.conv_transpose2d(
            input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation
        )
