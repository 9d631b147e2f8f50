"""Convolution on tensor cores: the kernel of `matmul.tensor_cores` with one factor gathered from an image.

Inside, images are channels last: the eight channels (TF32: four) that a copy of 16 bytes brings are then one tap's, and lie
inside the image or outside it together. `pack` brings them into that order, with the rounding that is due anyway; results
are written in NCHW. The tables are those of `tables` for an image of one channel, its offsets multiplied by the channels, and
with a bit of the masks for each tap, set where it falls inside: an offset shares a word with the number of its tap.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy import float32, int32, uint32

from ..matmul.tensor_cores import IMAGE, KINDS, PIXELS, available, choose, product
from ..runtime.cuda import (
    Float32Pointer,
    Pointer,
    blocks_for,
    contiguous,
    cuda,
    finish,
    kernel,
    lasting,
    module,
    writable,
)
from ..runtime.packing import FLOAT16, chunk, pack
from ..runtime.primitives import load_if, store_if
from ..runtime.tensor_core_primitives import store_float16
from ..runtime.tuning import multiprocessors
from . import tables
from .geometry import Geometry, geometry

ABSENT = 31  # the table's entry of no chunk: bit 31 of a mask is never set
MAX_OFFSET = 1 << 25  # an offset shares 32 bits with its tap


@dataclass(frozen=True)
class ChunkTables:
    """As `tables.Tables`, with `factors` (offset * 32 + number of the tap) for chunks of channels instead of products."""

    base: Any
    mask: Any
    position: Any
    factors: Any
    products: int
    taps: tuple[tuple[int, int], ...]


def conv2d(
    outputs: Any,
    x: Any,
    w: Any,
    bias: Any = None,
    *,
    precision: str = "highest",
    activation: str | None = None,
    **params: Any,
) -> bool:
    (y,) = outputs
    g = geometry(x.shape, w.shape, **params)
    if not _fits(g) or not available(y):
        return False
    kind = _kind(y, precision)
    o, c, kh, kw = g.w_shape
    weights = pack(contiguous(w), kind, (o, kh * kw, 1), (c * kh * kw, 1, 0), c, kh * kw)
    y_out = writable(y)
    t = _forward_tables(g, kind, int(x.data.device_id))
    _windows_times(t, weights, x, contiguous(bias), y_out, g.groups, kind, activation == "relu")
    finish(y, y_out)
    return True


def conv2d_input_grad(
    outputs: Any, gy: Any, w: Any, input_shape: Sequence[int], *, precision: str = "highest", **params: Any
) -> bool:
    (gx,) = outputs
    g = geometry(input_shape, w.shape, **params)
    if not _fits(g) or not available(gx):
        return False
    kind = _kind(gx, precision)
    o, c, *_ = g.w_shape
    o //= g.groups
    gx_out, w = writable(gx), contiguous(w)
    for phase in np.ndindex(*g.stride):
        channels = _channels(g.groups, o, kind)
        t = _tables("input_grad", _one_channel(g), (phase[0], phase[1]), *channels, int(gy.data.device_id))
        if t is None:
            continue
        taps = len(t.taps)
        used = contiguous(tables.used(w, t.taps))
        weights = pack(used, kind, (g.groups, c, taps), (o * c * taps, taps, 1), o, c * taps)
        _windows_times(t, weights, gy, None, gx_out, g.groups, kind, False)
    finish(gx, gx_out)
    return True


def conv2d_weight_grad(
    outputs: Any, x: Any, gy: Any, weight_shape: Sequence[int], *, precision: str = "highest", **params: Any
) -> bool:
    (gw,) = outputs
    g = geometry(x.shape, weight_shape, **params)
    if not _fits(g) or not available(gw):
        return False
    kind = _kind(gw, precision)
    (images, _, oh, ow), (o, c, kh, kw) = g.y_shape, g.w_shape
    m, pixels, taps = o // g.groups, images * oh * ow, kh * kw
    packed_x, packed_gy = channels_last(x, g.groups, kind), channels_last(gy, g.groups, kind)
    c_padded, o_padded = packed_x.shape[-1], packed_gy.shape[-1]
    n = taps * c_padded
    device = int(x.data.device_id)
    t = _forward_tables(g, kind, device)
    base, mask = _all_images(g, kind, packed_x[0].size, device)
    tile = choose(m, n, g.groups)
    tiles_m, tiles_n = blocks_for(m, tile.rows), blocks_for(n, tile.columns)
    parts, length = _parts(pixels, tiles_m * tiles_n * g.groups)
    partial = module().empty((parts, g.groups, m, n), np.float32)
    product(kind, tile, False, False, PIXELS, False)(
        (tiles_m * tiles_n * g.groups, parts, 1),
        packed_gy,
        packed_x,
        None,
        partial,
        base,
        mask,
        None,
        t.factors,
        m,
        n,
        pixels,
        g.groups * o_padded,
        0,
        o_padded,
        c_padded,
        m * n,
        tiles_m,
        tiles_n,
        length,
        partial[0].size,
        *(0, 0, 0),
        n,
        *(0, 0, 0),
    )
    gw_out = writable(gw)
    sum_of_parts(
        blocks_for(gw.size, 256),
        partial,
        gw_out,
        parts,
        partial[0].size,
        c,
        taps,
        c_padded,
        kind == FLOAT16,
        gw.size,
    )
    finish(gw, gw_out)
    return True


@kernel(threads=256)
def sum_of_parts(
    partial: Pointer,
    gw: Float32Pointer,
    parts: int32,
    step: int32,
    channels: int32,
    taps: int32,
    channels_padded: int32,
    half: int32,
    size: int32,
) -> None:
    """gw (O, C, taps), float16 if `half`, from sums (parts, O, taps, C padded), added in the order of the parts."""
    i = uint32(cuda.grid(1))
    if i >= uint32(size):
        return
    row = uint32(i // uint32(taps))
    tap = uint32(i - row * uint32(taps))
    o = uint32(row // uint32(channels))
    c = uint32(row - o * uint32(channels))
    at = int32((o * uint32(taps) + tap) * uint32(channels_padded) + c)
    total = float32(0)
    for _ in range(parts):
        total += load_if(partial, at, True)
        at = int32(at + step)
    if half:
        store_float16(gw, i, total)
    else:
        store_if(gw, i, total, True)


def channels_last(x: Any, groups: int, kind: int) -> Any:
    """x (N, C, H, W) as packed (N, H * W, groups, channels of a group up to whole chunks)."""
    n, c, h, w = x.shape
    per_group, plane = c // groups, h * w
    return pack(contiguous(x), kind, (n, plane, groups), (c * plane, 1, per_group * plane), per_group, plane)


def _windows_times(t: ChunkTables, weights: Any, x: Any, bias: Any, y: Any, groups: int, kind: int, relu: bool) -> None:
    """y[o, pixel] = sum of weights[o] times the window of the pixel, for the pixels of the tables, in either direction."""
    packed = channels_last(x, groups, kind)
    pixels, plane, rows = len(t.base), y.shape[2] * y.shape[3], y.shape[1] // groups
    n = y.shape[0] * pixels
    k = t.products
    tile = choose(rows, n, groups)
    tiles_m, tiles_n = blocks_for(rows, tile.rows), blocks_for(n, tile.columns)
    product(kind, tile, True, True, IMAGE, kind == FLOAT16)(
        tiles_m * tiles_n * groups,
        weights,
        packed,
        bias,
        y,
        t.base,
        t.mask,
        t.position,
        t.factors,
        rows,
        n,
        k,
        k,
        0,
        rows * k,
        packed.shape[-1],
        rows * plane,
        tiles_m,
        tiles_n,
        k,
        0,
        pixels,
        packed[0].size,
        y.shape[1] * plane,
        plane,
        rows,
        bias is not None,
        relu,
    )


def _kind(output: Any, precision: str) -> int:
    return FLOAT16 if output.dtype == np.float16 else KINDS[precision]


def _fits(g: Geometry) -> bool:
    """Whether the tables can describe this convolution with channels that may be padded to eight times as many. The padded
    image is as far as a tap may lie from its pixel.
    """
    if not tables.fits(g) or g.w_shape[2] * g.w_shape[3] > ABSENT:
        return False
    (_, c, h, w), (_, o, _, _) = g.x_shape, g.y_shape
    pixel = 8 * g.groups + max(c, o)
    padded = (h + 2 * g.padding[0]) * (w + 2 * g.padding[1])
    return g.flops > 0 and padded * pixel < MAX_OFFSET


def _channels(groups: int, per_group: int, kind: int) -> tuple[int, int, int]:
    """The padded channels of a group, those of a pixel, and those of a chunk."""
    padded = blocks_for(per_group, chunk(kind)) * chunk(kind)
    return padded, groups * padded, chunk(kind)


def _one_channel(g: Geometry) -> Geometry:
    """The same convolution of one image with one channel in and out for each group."""
    _, _, h, w = g.x_shape
    return replace(g, x_shape=(1, g.groups, h, w), w_shape=(g.groups, 1, *g.w_shape[2:]))


@functools.cache  # never given back: a captured graph may read them as long as the process lives
def _tables(
    kind: str, one: Geometry, phase: tuple[int, int], padded: int, pitch: int, step: int, device: int
) -> ChunkTables | None:
    """The tables of an image channels last, in the memory of the device, which is the current one."""
    host = tables.forward(one) if kind == "forward" else tables.input_grad(one, phase)
    if host is None:
        return None
    tap = np.arange(len(host.taps))
    mask = np.zeros_like(host.mask)
    for number, bits in enumerate(host.tap):
        mask |= (host.mask & bits == 0).astype(np.int32) << number
    chunks = host.offset[:, None] * pitch + np.arange(0, padded, step)
    factors = np.full(chunks.size + 8, ABSENT, np.int32)  # the kernel looks a slice ahead
    factors[: chunks.size] = (chunks * 32 + tap[:, None]).reshape(-1)
    moved = map(module().asarray, (host.base * pitch, mask, host.position, factors))
    base, mask, position, factors = lasting(*moved)
    return ChunkTables(base, mask, position, factors, tap.size * padded, host.taps)


def _forward_tables(g: Geometry, kind: int, device: int) -> ChunkTables:
    channels = _channels(g.groups, g.w_shape[1], kind)
    found = _tables("forward", _one_channel(g), (0, 0), *channels, device)
    assert found is not None
    return found


@functools.cache  # as `_tables`
def _all_images(g: Geometry, kind: int, image: int, device: int) -> tuple[Any, Any]:
    """Base and mask of the pixels of all images, of `image` elements each, and of the slice that the kernel looks ahead."""
    xp, t, images = module(), _forward_tables(g, kind, device), g.x_shape[0]
    base, mask = (xp.zeros(images * len(t.base) + 64, np.int32) for _ in range(2))
    base[:-64] = (xp.arange(images, dtype=np.int32)[:, None] * image + t.base).reshape(-1)
    mask[:-64] = xp.broadcast_to(t.mask, (images, len(t.mask))).reshape(-1)
    base, mask = lasting(base, mask)
    return base, mask


def _parts(pixels: int, blocks: int) -> tuple[int, int]:
    """Into how many parts the sum over the pixels is cut so that all multiprocessors have work, and the pixels of a part."""
    wanted = max(1, min(2 * multiprocessors() // blocks, pixels // 256))
    length = blocks_for(blocks_for(pixels, wanted), 32) * 32
    return blocks_for(pixels, length), length
