"""Convolution on CUDA as its definition says: one thread per element of the result."""

from __future__ import annotations

from numpy import int32

from ..runtime.cuda import Pointer, cuda, kernel
from ..runtime.primitives import zero

THREADS = 256


@kernel(threads=THREADS)
def forward(
    x: Pointer,
    w: Pointer,
    bias: Pointer,
    y: Pointer,
    channels: int32,
    outputs: int32,
    group_channels: int32,
    group_outputs: int32,
    h: int32,
    width: int32,
    oh: int32,
    ow: int32,
    kernel_h: int32,
    kernel_w: int32,
    stride_h: int32,
    stride_w: int32,
    padding_h: int32,
    padding_w: int32,
    dilation_h: int32,
    dilation_w: int32,
    has_bias: int32,
    relu: int32,
    size: int32,
) -> None:
    """y[n, o, p, q]: the sum over c, r, s of x[n, c, p * stride + r * dilation - padding, ...] times w[o, c, r, s]."""
    i = cuda.grid(1)
    if i >= size:
        return
    n = i // (ow * oh * outputs)
    o = i // (ow * oh) % outputs
    top = i // ow % oh * stride_h - padding_h
    left = i % ow * stride_w - padding_w
    first = o // group_outputs * group_channels  # the first input channel of this output's group
    total = zero(y)
    for c in range(group_channels):
        for r in range(kernel_h):
            row = top + r * dilation_h
            if row >= 0 and row < h:
                for s in range(kernel_w):
                    column = left + s * dilation_w
                    if column >= 0 and column < width:
                        pixel = x[((n * channels + first + c) * h + row) * width + column]
                        total += pixel * w[((o * group_channels + c) * kernel_h + r) * kernel_w + s]
    if has_bias:
        total += bias[o]
    if relu and total < zero(y):
        total = zero(y)
    y[i] = total


@kernel(threads=THREADS)
def input_grad(
    gy: Pointer,
    w: Pointer,
    gx: Pointer,
    channels: int32,
    outputs: int32,
    group_channels: int32,
    group_outputs: int32,
    h: int32,
    width: int32,
    oh: int32,
    ow: int32,
    kernel_h: int32,
    kernel_w: int32,
    stride_h: int32,
    stride_w: int32,
    padding_h: int32,
    padding_w: int32,
    dilation_h: int32,
    dilation_w: int32,
    size: int32,
) -> None:
    """gx at a pixel: the sum over the outputs whose window holds it, of gy there times the weight that it meets."""
    i = cuda.grid(1)
    if i >= size:
        return
    n = i // (width * h * channels)
    channel = i // (width * h) % channels
    first = channel // group_channels * group_outputs  # the first output channel of this input's group
    c = channel % group_channels
    total = zero(gx)
    for r in range(kernel_h):
        below = i // width % h + padding_h - r * dilation_h  # row of y times the stride
        if below >= 0 and below % stride_h == 0 and below // stride_h < oh:
            for s in range(kernel_w):
                right = i % width + padding_w - s * dilation_w
                if right >= 0 and right % stride_w == 0 and right // stride_w < ow:
                    for o in range(first, first + group_outputs):
                        at = ((n * outputs + o) * oh + below // stride_h) * ow + right // stride_w
                        total += gy[at] * w[((o * group_channels + c) * kernel_h + r) * kernel_w + s]
    gx[i] = total


@kernel(threads=THREADS)
def weight_grad(
    x: Pointer,
    gy: Pointer,
    gw: Pointer,
    channels: int32,
    outputs: int32,
    group_channels: int32,
    group_outputs: int32,
    h: int32,
    width: int32,
    oh: int32,
    ow: int32,
    kernel_h: int32,
    kernel_w: int32,
    stride_h: int32,
    stride_w: int32,
    padding_h: int32,
    padding_w: int32,
    dilation_h: int32,
    dilation_w: int32,
    images: int32,
    size: int32,
) -> None:
    """gw[o, c, r, s]: the sum over all images and outputs of gy there times the pixel that the weight meets."""
    i = cuda.grid(1)
    if i >= size:
        return
    o = i // (kernel_w * kernel_h * group_channels)
    channel = o // group_outputs * group_channels + i // (kernel_w * kernel_h) % group_channels
    top = i // kernel_w % kernel_h * dilation_h - padding_h
    left = i % kernel_w * dilation_w - padding_w
    total = zero(gw)
    for n in range(images):
        for p in range(oh):
            row = top + p * stride_h
            if row >= 0 and row < h:
                for q in range(ow):
                    column = left + q * stride_w
                    if column >= 0 and column < width:
                        pixel = x[((n * channels + channel) * h + row) * width + column]
                        total += pixel * gy[((n * outputs + o) * oh + p) * ow + q]
    gw[i] = total
