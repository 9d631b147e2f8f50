"""The functions of `nn.functional`: against NumPy in float64, finite differences, and PyTorch where it is installed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import tinynet
from tests.cases import (
    Case,
    apart,
    check_forward,
    check_slopes,
    check_torch,
    index,
    mask,
    named,
    normal,
    positive,
    sign,
    unit,
    whole,
)


def f(name: str, *args: Any, **kwargs: Any) -> Any:
    """A call of nn.functional.name with further arguments."""
    return lambda t, *tensors: getattr(t.nn.functional, name)(*tensors, *args, **kwargs)


def softplus(x: Any) -> Any:
    return np.log1p(np.exp(x))


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def elu(x: Any, a: float = 1.0) -> Any:
    return np.where(x > 0, x, a * np.expm1(x))


def phi(x: Any) -> Any:
    return 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def standard(x: Any, axes: tuple[int, ...]) -> Any:
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + 1e-5)


def windows(x: Any, k: int, s: int, reduce: Any) -> Any:
    """Pooling of the last two dimensions."""
    rows, columns = ((n - k) // s + 1 for n in x.shape[-2:])
    y = np.zeros((*x.shape[:-2], rows, columns))
    for i, j in np.ndindex(rows, columns):
        y[..., i, j] = reduce(x[..., i * s : i * s + k, j * s : j * s + k], axis=(-2, -1))
    return y


def overhanging(x: Any, own: bool) -> Any:
    """Means of windows of 3, stride 2, padding 1, the last of which hang over; `own`: over the image's pixels only."""
    n = x.shape[-1]
    count = math.ceil((n - 1) / 2) + 1 - (math.ceil((n - 1) / 2) * 2 >= n + 1)
    y = np.zeros((*x.shape[:-2], count, count))
    for i, j in np.ndindex(count, count):
        rows, columns = (range(2 * k - 1, min(2 * k + 2, n + 1)) for k in (i, j))
        inside = [x[..., r, c] for r in rows for c in columns if 0 <= r < n and 0 <= c < n]
        y[..., i, j] = sum(inside) / (len(inside) if own else len(rows) * len(columns))
    return y


def adaptive(x: Any, rows: int, columns: int, reduce: Any) -> Any:
    h, w = x.shape[-2:]
    y = np.zeros((*x.shape[:-2], rows, columns))
    for i, j in np.ndindex(rows, columns):
        part = x[
            ..., i * h // rows : math.ceil((i + 1) * h / rows), j * w // columns : math.ceil((j + 1) * w / columns)
        ]
        y[..., i, j] = reduce(part, axis=(-2, -1))
    return y


A, N, W, P = apart(3, 4), normal(3, 4), whole(3, 5), positive(3, 4)
IMAGE, ROWS = normal(2, 3, 5, 6), normal(2, 3, 7)

ACTIVATIONS: list[tuple[str, dict[str, Any], Any]] = [
    ("relu", {}, lambda x: np.maximum(x, 0)),
    ("leaky_relu", {"negative_slope": 0.2}, lambda x: np.where(x > 0, x, 0.2 * x)),
    ("threshold", {"threshold": 0.5, "value": 7.0}, lambda x: np.where(x > 0.5, x, 7.0)),
    ("elu", {"alpha": 1.5}, lambda x: elu(x, 1.5)),
    ("selu", {}, lambda x: 1.0507009873554805 * elu(x, 1.6732632423543772)),
    ("celu", {"alpha": 2.0}, lambda x: np.maximum(x, 0) + np.minimum(0, 2 * np.expm1(x / 2))),
    ("gelu", {}, lambda x: x * phi(x)),
    ("gelu", {"approximate": "tanh"}, lambda x: x * sigmoid(math.sqrt(8 / math.pi) * (x + 0.044715 * x**3))),
    ("silu", {}, lambda x: x * sigmoid(x)),
    ("mish", {}, lambda x: x * np.tanh(softplus(x))),
    ("softplus", {"beta": 2.0, "threshold": 3.0}, lambda x: np.where(2 * x > 3, x, softplus(2 * x) / 2)),
    ("hardtanh", {"min_val": -2.0, "max_val": 1.0}, lambda x: np.clip(x, -2, 1)),
    ("relu6", {}, lambda x: np.clip(x, 0, 6)),
    ("hardsigmoid", {}, lambda x: np.clip(x / 6 + 0.5, 0, 1)),
    ("hardswish", {}, lambda x: x * np.clip(x / 6 + 0.5, 0, 1)),
    ("hardshrink", {"lambd": 1.0}, lambda x: np.where(np.abs(x) > 1, x, 0)),
    ("softshrink", {"lambd": 1.0}, lambda x: np.sign(x) * np.maximum(np.abs(x) - 1, 0)),
    ("tanhshrink", {}, lambda x: x - np.tanh(x)),
    ("softsign", {}, lambda x: x / (1 + np.abs(x))),
    ("logsigmoid", {}, lambda x: -softplus(-x)),
    ("rrelu", {}, lambda x: np.where(x >= 0, x, x * 11 / 48)),
    ("softmin", {"dim": 1}, lambda x: np.exp(-x) / np.exp(-x).sum(1, keepdims=True)),
]

POOLS = [
    Case("max_pool1d", f("max_pool1d", 3, 2, 1, 2, True), None, (apart(2, 3, 8),)),
    Case("max_pool1d_indices", f("max_pool1d", 2, return_indices=True), None, (apart(3, 7),)),
    Case("avg_pool1d", f("avg_pool1d", 3, 2, 1, True, False), None, (ROWS,)),
    Case("avg_pool2d", f("avg_pool2d", 2), lambda x: windows(x, 2, 2, np.mean), (IMAGE,)),
    Case("avg_pool2d_step", f("avg_pool2d", 3, 1), lambda x: windows(x, 3, 1, np.mean), (normal(3, 5, 6),)),
    Case("avg_pool2d_pad", f("avg_pool2d", (3, 2), (2, 1), 1), None, (IMAGE,)),
    Case("avg_pool2d_ceil", f("avg_pool2d", 2, 2, 0, True), None, (normal(1, 2, 5, 7),)),
    Case(
        "avg_pool2d_ceil_pad",
        f("avg_pool2d", 3, 2, 1, True, True),
        lambda x: overhanging(x, False),
        (normal(1, 2, 6, 6),),
    ),
    Case(
        "avg_pool2d_ceil_own",
        f("avg_pool2d", 3, 2, 1, True, False),
        lambda x: overhanging(x, True),
        (normal(1, 2, 6, 6),),
    ),
    Case("avg_pool2d_divisor", f("avg_pool2d", 2, divisor_override=3), None, (IMAGE,)),
    Case("lp_pool1d", f("lp_pool1d", 2, 3), None, (ROWS,)),
    Case("lp_pool2d", f("lp_pool2d", 3.0, 2, 1), None, (positive(1, 2, 4, 4),)),
    Case("adaptive_avg_pool1d", f("adaptive_avg_pool1d", 3), None, (ROWS,)),
    Case("adaptive_avg_pool2d", f("adaptive_avg_pool2d", (3, 4)), lambda x: adaptive(x, 3, 4, np.mean), (IMAGE,)),
    Case("adaptive_avg_pool2d_even", f("adaptive_avg_pool2d", (5, 3)), lambda x: adaptive(x, 5, 3, np.mean), (IMAGE,)),
    Case("adaptive_avg_pool2d_one", f("adaptive_avg_pool2d", 1), lambda x: adaptive(x, 1, 1, np.mean), (IMAGE,)),
    Case("adaptive_avg_pool2d_none", f("adaptive_avg_pool2d", (None, 4)), None, (normal(3, 5, 6),)),
    Case("adaptive_avg_pool2d_more", f("adaptive_avg_pool2d", 7), None, (normal(1, 1, 3, 4),)),
    Case("adaptive_max_pool1d", f("adaptive_max_pool1d", 3, True), None, (apart(2, 7),)),
    Case(
        "adaptive_max_pool2d",
        f("adaptive_max_pool2d", (3, 4)),
        lambda x: adaptive(x, 3, 4, np.max),
        (apart(1, 2, 5, 6),),
    ),
    Case("adaptive_max_pool2d_indices", f("adaptive_max_pool2d", (2, 4), True), None, (apart(1, 2, 5, 6),)),
    Case("adaptive_max_pool2d_ties", f("adaptive_max_pool2d", (2, 4), True), None, (whole(1, 2, 5, 6),), smooth=False),
]

NORMS = [
    Case("normalize", f("normalize"), lambda x: x / np.linalg.norm(x, axis=1, keepdims=True), (N,)),
    Case("layer_norm", f("layer_norm", (4,)), lambda x: standard(x, (1,)), (N,)),
    Case(
        "layer_norm_affine",
        lambda t, x, w, b: t.nn.functional.layer_norm(x, (3, 4), w, b, 1e-5),
        lambda x, w, b: standard(x, (1, 2)) * w + b,
        (normal(2, 3, 4), N, N),
    ),
    Case("layer_norm_one", f("layer_norm", (1,)), lambda x: 0 * x, (normal(3, 1),)),
    Case(
        "group_norm",
        lambda t, x, w, b: t.nn.functional.group_norm(x, 2, w, b),
        lambda x, w, b: (
            standard(x.reshape(2, 2, 2, 3, 2), (2, 3, 4)).reshape(x.shape) * w[:, None, None] + b[:, None, None]
        ),
        (normal(2, 4, 3, 2), normal(4), normal(4)),
    ),
    Case("group_norm_rows", f("group_norm", 2), None, (normal(3, 4),)),
    Case("instance_norm", f("instance_norm"), lambda x: standard(x, (2, 3)), (IMAGE,)),
    Case("instance_norm_rows", lambda t, x, w: t.nn.functional.instance_norm(x, weight=w), None, (ROWS, normal(3))),
    Case("rms_norm", f("rms_norm", (4,), eps=0.1), lambda x: x / np.sqrt((x**2).mean(1, keepdims=True) + 0.1), (N,)),
    Case("rms_norm_default", lambda t, x, w: t.nn.functional.rms_norm(x, (4,), w), None, (N, normal(4))),
    Case("local_response_norm", f("local_response_norm", 3, 0.5), None, (normal(2, 4, 3),)),
    Case("local_response_norm_even", f("local_response_norm", 2, 0.5, 0.6, 2.0), None, (normal(2, 4, 3, 2),)),
    Case(
        "batch_norm_eval",
        lambda t, x, m, v, w, b: t.nn.functional.batch_norm(x, m, v, w, b),
        lambda x, m, v, w, b: (x - m) / np.sqrt(v + 1e-5) * w + b,
        (N, normal(4), positive(4), normal(4), normal(4)),
        fixed=(1, 2),
    ),
]

VISION = [
    Case(
        "pixel_shuffle",
        f("pixel_shuffle", 2),
        lambda x: np.einsum("ncrshw->nchrws", x.reshape(2, 3, 2, 2, 2, 3)).reshape(2, 3, 4, 6),
        (normal(2, 12, 2, 3),),
    ),
    Case(
        "pixel_unshuffle",
        lambda t, x: t.nn.functional.pixel_unshuffle(t.nn.functional.pixel_shuffle(x, 2), 2),
        lambda x: x,
        (normal(12, 2, 3),),
    ),
    Case(
        "channel_shuffle",
        f("channel_shuffle", 2),
        lambda x: x[:, [0, 3, 1, 4, 2, 5]],
        (normal(2, 6, 2, 2),),
    ),
    Case("nearest", f("interpolate", scale_factor=2), lambda x: x.repeat(2, -1).repeat(2, -2), (IMAGE,)),
    Case("nearest_size", f("interpolate", (7, 4)), None, (IMAGE,)),
    Case("nearest_scale", f("interpolate", scale_factor=(1.7, 0.6)), None, (IMAGE,)),
    Case("nearest_recompute", f("interpolate", scale_factor=1.7, recompute_scale_factor=True), None, (ROWS,)),
    Case("nearest_exact", f("interpolate", (7, 4), mode="nearest-exact"), None, (IMAGE,)),
    Case("linear", f("interpolate", 11, mode="linear"), None, (ROWS,)),
    Case("bilinear", f("interpolate", (8, 3), mode="bilinear"), None, (IMAGE,)),
    Case("bilinear_corners", f("interpolate", (8, 3), mode="bilinear", align_corners=True), None, (IMAGE,)),
    Case("bilinear_scale", f("interpolate", scale_factor=1.3, mode="bilinear"), None, (IMAGE,)),
    Case("bilinear_one", f("interpolate", (1, 1), mode="bilinear", align_corners=True), None, (normal(1, 1, 3, 1),)),
    Case("bicubic", f("interpolate", (8, 3), mode="bicubic"), None, (IMAGE,)),
    Case("bicubic_corners", f("interpolate", (8, 4), mode="bicubic", align_corners=True), None, (IMAGE,)),
    Case("area", f("interpolate", (3, 4), mode="area"), lambda x: adaptive(x, 3, 4, np.mean), (IMAGE,)),
    Case("unfold", f("unfold", (2, 3), 1, 1, 2), None, (normal(2, 2, 4, 5),)),
    Case("unfold_dilated", f("unfold", 2, 2), None, (normal(2, 4, 5),)),
    Case("fold", f("fold", (4, 5), (2, 3), 1, 1, 2), None, (normal(2, 12, 9),)),
    Case("affine_grid", f("affine_grid", [2, 1, 3, 4]), None, (normal(2, 2, 3),)),
    Case(
        "grid_sample",
        lambda t, x, g: t.nn.functional.grid_sample(x, g, align_corners=False),
        None,
        (normal(2, 2, 4, 5), lambda rng: rng.uniform(-1.2, 1.2, (2, 3, 2, 2))),
    ),
    Case(
        "grid_sample_border",
        lambda t, x, g: t.nn.functional.grid_sample(x, g, padding_mode="border", align_corners=True),
        None,
        (normal(1, 2, 4, 5), lambda rng: rng.uniform(-1.2, 1.2, (1, 3, 2, 2))),
        smooth=False,
    ),
    Case(
        "grid_sample_nearest",
        lambda t, x, g: t.nn.functional.grid_sample(x, g, "nearest", align_corners=True),
        None,
        (normal(1, 2, 4, 5), unit(1, 3, 2, 2)),
        smooth=False,
        fixed=(1,),
    ),
]


def bce(x: Any, y: Any) -> Any:
    return -(y * np.log(x) + (1 - y) * np.log(1 - x))


def cosine(x: Any, y: Any) -> Any:
    return (x * y).sum(-1) / np.linalg.norm(x, axis=-1) / np.linalg.norm(y, axis=-1)


PROBABILITIES = lambda rng: rng.uniform(0.05, 0.95, (3, 4))  # noqa: E731 - a maker like the others

LOSSES = [
    Case("mse_loss", f("mse_loss"), lambda x, y: ((x - y) ** 2).mean(), (N, N)),
    Case("mse_loss_sum", f("mse_loss", reduction="sum"), lambda x, y: ((x - y) ** 2).sum(), (N, normal(3, 4))),
    Case(
        "mse_loss_weight",
        lambda t, x, y, w: t.nn.functional.mse_loss(x, y, weight=w),
        lambda x, y, w: (w * (x - y) ** 2).sum() / w.sum(),
        (N, N, P),
        fixed=(2,),
    ),
    Case("l1_loss", f("l1_loss"), lambda x, y: np.abs(x - y).mean(), (A, N)),
    Case(
        "smooth_l1_loss",
        f("smooth_l1_loss", beta=0.7),
        lambda x, y: np.where(np.abs(x - y) < 0.7, (x - y) ** 2 / 1.4, np.abs(x - y) - 0.35).mean(),
        (A, N),
    ),
    Case("smooth_l1_loss_zero", f("smooth_l1_loss", beta=0.0), lambda x, y: np.abs(x - y).mean(), (A, N)),
    Case(
        "huber_loss",
        f("huber_loss", delta=1.5, reduction="none"),
        lambda x, y: np.where(np.abs(x - y) < 1.5, (x - y) ** 2 / 2, 1.5 * (np.abs(x - y) - 0.75)),
        (A, N),
    ),
    Case("binary_cross_entropy", f("binary_cross_entropy"), lambda x, y: bce(x, y).mean(), (PROBABILITIES,) * 2),
    Case(
        "binary_cross_entropy_weight",
        lambda t, x, y, w: t.nn.functional.binary_cross_entropy(x, y, w, reduction="sum"),
        lambda x, y, w: (w * bce(x, y)).sum(),
        (PROBABILITIES, PROBABILITIES, P),
        fixed=(1, 2),
    ),
    Case(
        "binary_cross_entropy_ends",
        lambda t, x, y: t.nn.functional.binary_cross_entropy(x, y),
        None,
        (lambda rng: rng.integers(0, 2, (3, 4)).astype(float),) * 2,
        smooth=False,
        fixed=(1,),
    ),
    Case(
        "binary_cross_entropy_with_logits",
        lambda t, x, y, p: t.nn.functional.binary_cross_entropy_with_logits(x, y, pos_weight=p),
        lambda x, y, p: (-p * y * np.log(sigmoid(x)) - (1 - y) * np.log(1 - sigmoid(x))).mean(),
        (N, PROBABILITIES, positive(4)),
        fixed=(2,),
    ),
    Case("kl_div", f("kl_div"), lambda x, y: (y * (np.log(y) - x)).mean(), (N, PROBABILITIES)),
    Case("kl_div_batch", f("kl_div", reduction="batchmean"), lambda x, y: (y * (np.log(y) - x)).sum() / 3, (N, P)),
    Case("kl_div_log", f("kl_div", log_target=True, reduction="sum"), lambda x, y: (np.exp(y) * (y - x)).sum(), (N, N)),
    Case("poisson_nll_loss", f("poisson_nll_loss"), lambda x, y: (np.exp(x) - y * x).mean(), (N, P)),
    Case(
        "poisson_nll_loss_full", f("poisson_nll_loss", False, True), None, (P, lambda rng: rng.uniform(1.2, 4, (3, 4)))
    ),
    Case(
        "gaussian_nll_loss",
        f("gaussian_nll_loss", full=True),
        lambda x, y, v: 0.5 * (np.log(2 * np.pi * v) + (x - y) ** 2 / v).mean(),
        (N, N, P),
    ),
    Case("gaussian_nll_loss_row", f("gaussian_nll_loss"), None, (N, N, positive(3, 1))),
    Case("gaussian_nll_loss_small", f("gaussian_nll_loss", eps=1.0), None, (N, N, P), smooth=False),
    Case("cosine_similarity", f("cosine_similarity"), cosine, (N, N)),
    Case(
        "cosine_embedding_loss",
        lambda t, x, y, s: t.nn.functional.cosine_embedding_loss(x, y, s, 0.1),
        lambda x, y, s: np.where(s > 0, 1 - cosine(x, y), np.maximum(cosine(x, y) - 0.1, 0)).mean(),
        (N, N, sign(3)),
        fixed=(2,),
    ),
    Case("pairwise_distance", f("pairwise_distance", 3.0), None, (N, N)),
    Case("triplet_margin_loss", f("triplet_margin_loss", 2.0), None, (N, N, N)),
    Case("triplet_margin_loss_swap", f("triplet_margin_loss", p=1.0, swap=True, reduction="none"), None, (N, N, A)),
    Case(
        "triplet_margin_with_distance_loss",
        lambda t, x, y, z: t.nn.functional.triplet_margin_with_distance_loss(
            x, y, z, distance_function=lambda a, b: 1 - t.nn.functional.cosine_similarity(a, b), margin=0.5
        ),
        lambda x, y, z: np.maximum(0.5 - cosine(x, y) + cosine(x, z), 0).mean(),
        (N, N, N),
    ),
    Case(
        "margin_ranking_loss",
        lambda t, x, y, s: t.nn.functional.margin_ranking_loss(x, y, s, 0.3),
        lambda x, y, s: np.maximum(-s * (x - y) + 0.3, 0).mean(),
        (N, N, sign(3, 4)),
        fixed=(2,),
    ),
    Case(
        "hinge_embedding_loss",
        lambda t, x, s: t.nn.functional.hinge_embedding_loss(x, s, 1.2),
        lambda x, s: np.where(s > 0, x, np.maximum(1.2 - x, 0)).mean(),
        (N, sign(3, 4)),
        fixed=(1,),
    ),
    Case(
        "soft_margin_loss",
        lambda t, x, s: t.nn.functional.soft_margin_loss(x, s),
        lambda x, s: softplus(-s * x).mean(),
        (N, sign(3, 4)),
        fixed=(1,),
    ),
    Case(
        "multilabel_soft_margin_loss",
        lambda t, x, y: t.nn.functional.multilabel_soft_margin_loss(x, y, reduction="none"),
        lambda x, y: bce(sigmoid(x), y).mean(1),
        (N, PROBABILITIES),
        fixed=(1,),
    ),
    Case("multi_margin_loss", f("multi_margin_loss"), None, (N, index(4, 3))),
    Case(
        "multi_margin_loss_weight",
        lambda t, x, y, w: t.nn.functional.multi_margin_loss(x, y, 2, 0.7, w, reduction="sum"),
        None,
        (N, index(4, 3), positive(4)),
        fixed=(2,),
    ),
    Case(
        "multilabel_margin_loss",
        f("multilabel_margin_loss", reduction="none"),
        None,
        (N, lambda rng: np.array([[3, 0, -1, 1], [0, 1, 2, 3], [-1, 0, 1, 2]])),
    ),
    Case("nll_loss", f("nll_loss", ignore_index=1), None, (N, index(4, 3))),
    Case(
        "nll_loss_weight",
        lambda t, x, y, w: t.nn.functional.nll_loss(x, y, w, reduction="none"),
        lambda x, y, w: -x[np.arange(3), y] * w[y],
        (N, index(4, 3), positive(4)),
        fixed=(2,),
    ),
    Case("nll_loss_images", f("nll_loss"), None, (normal(2, 4, 3, 2), index(4, 2, 3, 2))),
    Case(
        "cross_entropy_one",
        f("cross_entropy"),
        lambda x, y: np.log(np.exp(x).sum()) - x[y],
        (normal(4), lambda rng: np.array(2)),
    ),
    Case("cross_entropy_images", f("cross_entropy", reduction="none"), None, (normal(2, 4, 3), index(4, 2, 3))),
    Case(
        "cross_entropy_weight",
        lambda t, x, y, w: t.nn.functional.cross_entropy(x, y, w, ignore_index=2, label_smoothing=0.1),
        None,
        (normal(6, 4), index(4, 6), positive(4)),
        fixed=(2,),
    ),
    Case(
        "cross_entropy_probabilities",
        lambda t, x, y, w: t.nn.functional.cross_entropy(x, y, w, label_smoothing=0.1),
        None,
        (N, PROBABILITIES, positive(4)),
        fixed=(2,),
    ),
]

OTHERS = [
    Case("glu", f("glu", 1), lambda x: x[:, :2] * sigmoid(x[:, 2:]), (N,)),
    Case("prelu", f("prelu"), lambda x, w: np.where(x > 0, x, w * x), (A, normal(4))),
    Case("prelu_one", f("prelu"), lambda x, w: np.where(x > 0, x, w * x), (apart(2, 3, 2), normal(1))),
    Case("softmax_default", f("softmax"), None, (normal(2, 3, 4),)),
    Case("log_softmax_default", f("log_softmax"), None, (N,)),
    Case("bilinear", f("bilinear"), None, (normal(3, 2), normal(3, 4), normal(5, 2, 4), normal(5))),
    Case("one_hot", f("one_hot", 4), lambda i: np.eye(4, dtype=int)[i], (index(4, 3),), False),
    Case(
        "embedding_padding",
        lambda t, w, i: t.nn.functional.embedding(i, w, -1),
        None,
        (N, index(3, 2, 4)),
        smooth=False,
    ),
    Case(
        "attention",
        lambda t, q, k, v: t.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True),
        None,
        (normal(2, 3, 4), normal(2, 5, 4), normal(2, 5, 2)),
    ),
    Case(
        "attention_mask",
        lambda t, q, k, v, m: t.nn.functional.scaled_dot_product_attention(q, k, v, m, scale=0.3),
        None,
        (normal(2, 3, 4), normal(2, 5, 4), normal(2, 5, 2), mask(3, 5)),
    ),
    Case(
        "attention_groups",
        lambda t, q, k: t.nn.functional.scaled_dot_product_attention(q, k, k, enable_gqa=True),
        None,
        (normal(4, 3, 4), normal(2, 5, 4)),
    ),
    Case("conv1d", f("conv1d", padding="same"), None, (normal(2, 6), normal(3, 2, 4), normal(3))),
    Case("conv_transpose1d", f("conv_transpose1d", None, 2, 1, 1, 2, 2), None, (normal(2, 4, 5), normal(4, 3, 3))),
    Case(
        "conv_transpose2d_groups",
        f("conv_transpose2d", None, (2, 1), 1, (1, 0), 2),
        None,
        (normal(4, 3, 4), normal(4, 1, 3, 2)),
    ),
    Case("dropout_eval", f("dropout", 0.5, False), lambda x: x, (N,)),
    Case("alpha_dropout_eval", f("alpha_dropout", 0.5, False), lambda x: x, (N,)),
]

CASES = [
    *(Case(f"{n}{i}", f(n, **o), numpy, (A,)) for i, (n, o, numpy) in enumerate(ACTIVATIONS)),
    *(Case(f"{n}{i}_whole", f(n, **o), numpy, (W,), smooth=False) for i, (n, o, numpy) in enumerate(ACTIVATIONS)),
    *POOLS,
    *NORMS,
    *VISION,
    *LOSSES,
    *OTHERS,
]


@named(CASES, lambda case: case.numpy)
def test_forward(case: Case, device: str) -> None:
    check_forward(case, device)


@named(CASES, lambda case: case.differentiable and case.smooth)
def test_gradients(case: Case, device: str) -> None:
    check_slopes(case, device)


@named(CASES, lambda case: case.torch)
@pytest.mark.parametrize("layout", ["contiguous", "strided"])
def test_torch(case: Case, layout: str) -> None:
    check_torch(case, layout)


@pytest.mark.parametrize("name", ["relu_", "leaky_relu_", "elu_", "selu_", "celu_", "hardtanh_"])
def test_in_place(name: str, device: str) -> None:
    x = tinynet.tensor([-2.0, 0.5, 3.0], device=device)
    y = getattr(tinynet.nn.functional, name)(x)
    assert y is x
    expected = getattr(tinynet.nn.functional, name[:-1])(tinynet.tensor([-2.0, 0.5, 3.0], device=device))
    assert tinynet.equal(x, expected)


@pytest.mark.parametrize("name, shape, expected", [("dropout", (40, 50), 1), ("dropout1d", (40, 5, 8), 8)])
def test_dropout(name: str, shape: tuple[int, ...], expected: int, device: str) -> None:
    """The share of zeros is p, the rest is scaled; channels fall together."""
    tinynet.manual_seed(0)
    y = getattr(tinynet.nn.functional, name)(tinynet.ones(*shape, device=device), 0.25).cpu().numpy()
    assert set(np.unique(y)) == {0.0, np.float32(1 / 0.75)}
    dropped = y.reshape(-1, expected) == 0
    assert (dropped.all(1) == dropped.any(1)).all()
    assert abs(dropped[:, 0].mean() - 0.25) < 0.1


def test_alpha_dropout_keeps_mean_and_variance() -> None:
    tinynet.manual_seed(0)
    x = tinynet.nn.functional.selu(tinynet.randn(200, 200))
    y = tinynet.nn.functional.alpha_dropout(x, 0.2, True)
    assert y.mean().item() == pytest.approx(x.mean().item(), abs=0.03)
    assert y.var().item() == pytest.approx(x.var().item(), rel=0.06)


def test_gumbel_softmax_draws_from_the_categories() -> None:
    tinynet.manual_seed(0)
    logits = tinynet.tensor([0.5, 0.3, 0.2]).log().expand(4000, 3)
    drawn = tinynet.nn.functional.gumbel_softmax(logits, hard=True)
    assert set(np.unique(drawn.numpy())) == {0.0, 1.0}
    np.testing.assert_allclose(drawn.mean(0).numpy(), [0.5, 0.3, 0.2], atol=0.03)


def test_max_norm_shortens_rows() -> None:
    w = tinynet.tensor([[3.0, 4.0], [0.3, 0.4], [6.0, 8.0]])
    y = tinynet.nn.functional.embedding(tinynet.tensor([0, 1, 0]), w, max_norm=1.0)
    np.testing.assert_allclose(y.numpy(), [[0.6, 0.8], [0.3, 0.4], [0.6, 0.8]], rtol=1e-5)
    assert w[2].tolist() == [6.0, 8.0]


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda F, x: F.gelu(x, "none at all"), "approximate is 'none at all'"),
        (lambda F, x: F.glu(x[:, :3]), "even size"),
        (lambda F, x: F.hardtanh(x, 1.0, 0.0), "min_val <= max_val"),
        (lambda F, x: F.softshrink(x, -1.0), "lambd is -1.0"),
        (lambda F, x: F.mse_loss(x, x, "average"), "reduction is 'average'"),
        (lambda F, x: F.huber_loss(x, x, delta=0.0), "delta is 0.0"),
        (lambda F, x: F.smooth_l1_loss(x, x, beta=-1.0), "beta is -1.0"),
        (lambda F, x: F.triplet_margin_loss(x, x, x, margin=0.0), "margin is 0.0"),
        (lambda F, x: F.multi_margin_loss(x, x[:, 0].long(), p=3), "p is 3"),
        (lambda F, x: F.binary_cross_entropy(x, x[:, :3]), "target has shape"),
        (lambda F, x: F.binary_cross_entropy(x + 5, x), "outside"),
        (lambda F, x: F.cosine_embedding_loss(x, x, x), "do not fit"),
        (lambda F, x: F.interpolate(x, 3), "mode is 'nearest'"),
        (lambda F, x: F.interpolate(x[None], 3, 2.0), "expected one of them"),
        (lambda F, x: F.interpolate(x[None], 3, align_corners=True), "align_corners is for"),
        (lambda F, x: F.pixel_shuffle(x[None], 2), "upscale_factor is 2"),
        (lambda F, x: F.layer_norm(x, (3,)), "expected it to end in"),
        (lambda F, x: F.group_norm(x, 3), "does not divide"),
        (lambda F, x: F.instance_norm(x[:, :, None]), "more than one value"),
        (lambda F, x: F.avg_pool2d(x[None], 2, 2, 2), "padding is 2"),
        (lambda F, x: F.avg_pool2d(x[None], 9), "kernel_size is 9"),
        (lambda F, x: F.avg_pool2d(x, 2), "expected 3 or 4 dimensions"),
        (lambda F, x: F.conv1d(x, x), "conv1d"),
        (lambda F, x: F.scaled_dot_product_attention(x, x, x, x, is_causal=True), "is_causal and attn_mask"),
        (lambda F, x: F.dropout(x, 1.5), "p is 1.5"),
        (lambda F, x: F.embedding(x.long(), x, sparse=True), "not supported"),
    ],
)
def test_errors(call: Any, message: str) -> None:
    x = tinynet.zeros(3, 4)
    with pytest.raises(ValueError, match=message):
        call(tinynet.nn.functional, x)
