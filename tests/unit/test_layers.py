"""Every layer: its output against NumPy in float64, its gradients against finite differences along random directions, on
each device; and against PyTorch's layer of the same name with the same state dict, where that is installed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import tinynet
from tests.directions import check_directions

State = dict[str, Any]


@dataclass
class Layer:
    name: str
    make: Callable[[Any], Any]  # of nn, being tinynet.nn or torch.nn
    inputs: tuple[Any, ...]  # shapes, or arrays that are no floating-point input
    numpy: Callable[..., Any] | None = None  # of the state dict and the arrays; None if only PyTorch judges
    options: dict[str, Any] = field(default_factory=dict)  # of the call; arrays become tensors
    smooth: bool = True  # whether the gradient exists near random inputs

    def arrays(self, seed: int = 0) -> list[Any]:
        rng = np.random.default_rng(seed)
        return [rng.standard_normal(i) if isinstance(i, tuple) else i for i in self.inputs]


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def recurrence(kind: str) -> Callable[..., Any]:
    """A recurrent layer's output and last states, from its state dict: one step after the other, in PyTorch's formulas."""

    def step(w: Callable[[str], Any], x: Any, h: Any, c: Any) -> tuple[Any, Any]:
        a, b = w("weight_ih") @ x + w("bias_ih"), w("weight_hh") @ h + w("bias_hh")
        n = len(h)
        if kind == "rnn":
            return np.tanh(a + b), c
        if kind == "lstm":
            i, f, g, o = (a + b).reshape(4, n)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            return sigmoid(o) * np.tanh(c), c
        (ar, az, an), (br, bz, bn) = a.reshape(3, n), b.reshape(3, n)
        z = sigmoid(az + bz)
        return (1 - z) * np.tanh(an + sigmoid(ar + br) * bn) + z * h, c

    def run(state: State, x: Any) -> Any:
        layers = sum(k.startswith("weight_hh") and not k.endswith("reverse") for k in state)
        directions = 1 + any(k.endswith("reverse") for k in state)
        size = state["weight_hh_l0"].shape[1]
        steps, batch = x.shape[:2]
        last_h, last_c = [], []
        for layer in range(layers):
            y = np.zeros((steps, batch, directions * size))
            for d in range(directions):
                suffix = f"_l{layer}{'_reverse' if d else ''}"
                h_n, c_n = np.zeros((batch, size)), np.zeros((batch, size))
                for n in range(batch):
                    h, c = np.zeros(size), np.zeros(size)
                    for t in range(steps)[:: -1 if d else 1]:
                        h, c = step(lambda name, s=suffix: state[name + s], x[t, n], h, c)
                        y[t, n, d * size : (d + 1) * size] = h
                    h_n[n], c_n[n] = h, c
                last_h.append(h_n)
                last_c.append(c_n)
            x = y
        return (x, np.stack(last_h), np.stack(last_c)) if kind == "lstm" else (x, np.stack(last_h))

    return run


def attend(q: Any, k: Any, v: Any, mask: Any = 0.0) -> tuple[Any, Any]:
    scores = q @ k.T / np.sqrt(q.shape[1]) + mask
    e = np.exp(scores - scores.max(1, keepdims=True))
    weights = e / e.sum(1, keepdims=True)
    return weights @ v, weights


def heads(state: State, prefix: str, x: Any, y: Any, z: Any, count: int, mask: Any = 0.0) -> tuple[Any, Any]:
    """Queries (L, N, E), keys and values (S, N, E): the output and the mean weights (N, L, S)."""
    wq, wk, wv = np.split(state[f"{prefix}in_proj_weight"], 3)
    bq, bk, bv = np.split(state[f"{prefix}in_proj_bias"], 3)
    out, weights = np.zeros_like(x), np.zeros((x.shape[1], x.shape[0], y.shape[0]))
    size = x.shape[2] // count
    for n in range(x.shape[1]):
        q, k, v = x[:, n] @ wq.T + bq, y[:, n] @ wk.T + bk, z[:, n] @ wv.T + bv
        for h in range(count):
            part = slice(h * size, (h + 1) * size)
            out[:, n, part], w = attend(q[:, part], k[:, part], v[:, part], mask)
            weights[n] += w / count
    return out @ state[f"{prefix}out_proj.weight"].T + state[f"{prefix}out_proj.bias"], weights


def layer_norm(state: State, name: str, x: Any) -> Any:
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    return x * state[f"{name}.weight"] + state[f"{name}.bias"]


def encoder_layer(state: State, x: Any) -> Any:
    x = layer_norm(state, "norm1", x + heads(state, "self_attn.", x, x, x, 2)[0])
    hidden = np.maximum(x @ state["linear1.weight"].T + state["linear1.bias"], 0)
    return layer_norm(state, "norm2", x + hidden @ state["linear2.weight"].T + state["linear2.bias"])


def conv1d(state: State, x: Any) -> Any:
    """Stride 2, padding 1, dilation 2, two groups."""
    w, b = state["weight"], state["bias"]
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1)))
    length = (padded.shape[2] - 2 * (w.shape[2] - 1) - 1) // 2 + 1
    y = np.zeros((len(x), len(w), length))
    for o in range(len(w)):
        group = o // (len(w) // 2)
        part = padded[:, group * w.shape[1] : (group + 1) * w.shape[1]]
        for t in range(length):
            y[:, o, t] = (part[:, :, 2 * t : 2 * t + 2 * w.shape[2] - 1 : 2] * w[o]).sum((1, 2)) + b[o]
    return y


def conv_transpose(state: State, x: Any) -> Any:
    """Two dimensions, stride 2, padding 1, output_padding 1."""
    w = state["weight"]
    n, _, height, width = x.shape
    kh, kw = w.shape[2:]
    full = np.zeros((n, w.shape[1], (height - 1) * 2 + kh + 1, (width - 1) * 2 + kw + 1))
    for i, j in np.ndindex(height, width):
        full[:, :, 2 * i : 2 * i + kh, 2 * j : 2 * j + kw] += np.einsum("nc,cokl->nokl", x[:, :, i, j], w)
    return full[:, :, 1:-1, 1:-1] + state["bias"][:, None, None]


SEQUENCE = (3, 2, 2)

LAYERS = [
    Layer("RNN", lambda nn: nn.RNN(2, 3), (SEQUENCE,), recurrence("rnn")),
    Layer("LSTM", lambda nn: nn.LSTM(2, 3, 2, bidirectional=True), (SEQUENCE,), recurrence("lstm")),
    Layer("GRU", lambda nn: nn.GRU(2, 3, 2, bidirectional=True), (SEQUENCE,), recurrence("gru")),
    Layer("RNN_relu", lambda nn: nn.RNN(2, 3, 1, "relu", False), (SEQUENCE,), smooth=False),
    Layer("LSTM_batch_first", lambda nn: nn.LSTM(2, 3, batch_first=True), ((2, 3, 2),)),
    Layer("GRU_unbatched", lambda nn: nn.GRU(2, 3, bias=False), ((3, 2),)),
    Layer("GRU_state", lambda nn: nn.GRU(2, 3), (SEQUENCE, (1, 2, 3))),
    Layer("RNN_dropout", lambda nn: nn.RNN(2, 3, 2, dropout=0.5).eval(), (SEQUENCE,), recurrence("rnn")),
    Layer("LSTM_one_step", lambda nn: nn.LSTM(2, 3), ((1, 1, 2),), recurrence("lstm")),
    Layer("RNNCell", lambda nn: nn.RNNCell(2, 3), ((2, 2), (2, 3))),
    Layer("LSTMCell", lambda nn: nn.LSTMCell(2, 3), ((2, 2),)),
    Layer("GRUCell", lambda nn: nn.GRUCell(2, 3), ((2,), (3,))),
    Layer(
        "MultiheadAttention",
        lambda nn: nn.MultiheadAttention(4, 2),
        ((3, 2, 4), (5, 2, 4), (5, 2, 4)),
        lambda s, q, k, v: heads(s, "", q, k, v, 2),
    ),
    Layer(
        "MultiheadAttention_masks",
        lambda nn: nn.MultiheadAttention(4, 2, add_bias_kv=True, add_zero_attn=True, batch_first=True),
        ((2, 3, 4), (2, 5, 4), (2, 5, 4)),
        options={
            "attn_mask": np.triu(np.ones((3, 5), bool), 2),
            "key_padding_mask": np.array([[0, 0, 0, 1, 1], [0, 0, 0, 0, 1]], bool),
            "average_attn_weights": False,
        },
    ),
    Layer("MultiheadAttention_sizes", lambda nn: nn.MultiheadAttention(4, 2, kdim=3, vdim=5), ((3, 4), (2, 3), (2, 5))),
    Layer("TransformerEncoderLayer", lambda nn: nn.TransformerEncoderLayer(4, 2, 5, 0.0), ((3, 2, 4),), encoder_layer),
    Layer(
        "TransformerEncoderLayer_norm_first",
        lambda nn: nn.TransformerEncoderLayer(4, 2, 5, 0.0, "gelu", batch_first=True, norm_first=True, bias=False),
        ((2, 3, 4),),
        options={"src_mask": np.triu(np.full((3, 3), -np.inf), 1), "is_causal": True},
    ),
    Layer("TransformerDecoderLayer", lambda nn: nn.TransformerDecoderLayer(4, 2, 5, 0.0), ((3, 2, 4), (2, 2, 4))),
    Layer("Transformer", lambda nn: nn.Transformer(4, 2, 2, 1, 5, 0.0, norm_first=True), ((3, 2, 4), (2, 2, 4))),
    Layer("Conv1d", lambda nn: nn.Conv1d(2, 4, 3, 2, 1, 2, 2), ((2, 2, 9),), conv1d),
    Layer("Conv1d_same", lambda nn: nn.Conv1d(2, 3, 4, padding="same", padding_mode="circular"), ((2, 6),)),
    Layer("Conv2d_reflect", lambda nn: nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect"), ((1, 2, 4, 5),)),
    Layer("ConvTranspose1d", lambda nn: nn.ConvTranspose1d(2, 4, 3, 2, 1, 1, 2, False, 2), ((2, 2, 4),)),
    Layer("ConvTranspose2d", lambda nn: nn.ConvTranspose2d(2, 3, 3, 2, 1, 1), ((2, 2, 3, 2),), conv_transpose),
    Layer(
        "ConvTranspose2d_size", lambda nn: nn.ConvTranspose2d(2, 3, 3, 2), ((2, 3, 2),), options={"output_size": (8, 6)}
    ),
    Layer("BatchNorm1d", lambda nn: nn.BatchNorm1d(3), ((4, 3),)),
    Layer("BatchNorm1d_rows", lambda nn: nn.BatchNorm1d(3, affine=False, track_running_stats=False), ((2, 3, 2),)),
    Layer("BatchNorm2d", lambda nn: nn.BatchNorm2d(2, momentum=None), ((2, 2, 2, 3),)),
    Layer("BatchNorm2d_eval", lambda nn: nn.BatchNorm2d(2).eval(), ((2, 2, 2, 3),)),
    Layer("InstanceNorm1d", lambda nn: nn.InstanceNorm1d(3, affine=True), ((3, 4),)),
    Layer("InstanceNorm2d", lambda nn: nn.InstanceNorm2d(3, track_running_stats=True), ((2, 3, 2, 2),)),
    Layer("InstanceNorm2d_eval", lambda nn: nn.InstanceNorm2d(3, track_running_stats=True).eval(), ((2, 3, 2, 2),)),
    Layer("GroupNorm", lambda nn: nn.GroupNorm(2, 4), ((2, 4, 3),)),
    Layer("LayerNorm", lambda nn: nn.LayerNorm((3, 2), bias=False), ((2, 3, 2),)),
    Layer("RMSNorm", lambda nn: nn.RMSNorm(3), ((2, 3),)),
    Layer("LocalResponseNorm", lambda nn: nn.LocalResponseNorm(2), ((2, 3, 2, 2),)),
    Layer("Bilinear", lambda nn: nn.Bilinear(2, 3, 4), ((5, 2), (5, 3))),
    Layer("Embedding", lambda nn: nn.Embedding(4, 3, padding_idx=1), (np.array([[0, 1], [3, 3]]),), smooth=False),
    Layer("PReLU", lambda nn: nn.PReLU(3), ((2, 3, 2),), smooth=False),
    Layer("Upsample", lambda nn: nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True), ((1, 2, 3, 2),)),
    Layer("UpsamplingNearest2d", lambda nn: nn.UpsamplingNearest2d(scale_factor=2), ((1, 2, 3, 2),)),
    Layer("PixelShuffle", lambda nn: nn.Sequential(nn.PixelShuffle(2), nn.PixelUnshuffle(3)), ((1, 4, 3, 3),)),
    Layer("Fold", lambda nn: nn.Sequential(nn.Unfold(2), nn.Fold((3, 4), 2)), ((1, 2, 3, 4),)),
    Layer("ZeroPad2d", lambda nn: nn.Sequential(nn.ZeroPad2d((1, 0, 2, 1)), nn.ConstantPad2d(1, 0.5)), ((2, 3, 2),)),
    Layer("ReflectionPad2d", lambda nn: nn.Sequential(nn.ReflectionPad2d(1), nn.ReplicationPad2d(2)), ((1, 2, 3, 2),)),
    Layer("CircularPad1d", lambda nn: nn.Sequential(nn.CircularPad1d((1, 2)), nn.ReflectionPad1d(1)), ((2, 3),)),
    Layer("AdaptiveMaxPool2d", lambda nn: nn.AdaptiveMaxPool2d((2, 1), return_indices=True), ((1, 2, 3, 4),)),
    Layer("AdaptiveAvgPool1d", lambda nn: nn.AdaptiveAvgPool1d(2), ((2, 5),)),
    Layer("AvgPool1d", lambda nn: nn.AvgPool1d(3, 2, 1, ceil_mode=True), ((1, 2, 6),)),
    Layer("MaxPool1d", lambda nn: nn.Sequential(nn.MaxPool1d(2), nn.LPPool1d(2, 2)), ((1, 2, 8),)),
    Layer("Softmax2d", lambda nn: nn.Sequential(nn.Softmax2d(), nn.Softmin(), nn.Tanhshrink()), ((1, 3, 2, 2),)),
    Layer(
        "Activations",
        lambda nn: nn.Sequential(
            nn.CELU(2.0), nn.ReLU(True), nn.Threshold(-0.1, 0.2), nn.RReLU(0.1, 0.2).eval(), nn.GLU(0)
        ),
        ((4, 3),),
        smooth=False,
    ),
]


def by_name(wanted: Callable[[Layer], Any]) -> Any:
    return pytest.mark.parametrize("layer", [c for c in LAYERS if wanted(c)], ids=lambda c: c.name)


def build(layer: Layer, device: str) -> Any:
    tinynet.manual_seed(3)
    module = layer.make(tinynet.nn).double().to(device)
    with tinynet.no_grad():  # parameters that start at zero or one would hide mistakes
        for param in module.parameters():
            param.add_(0.3 * tinynet.randn_like(param))
    return module


def tensors(layer: Layer, device: str) -> list[tinynet.Tensor]:
    made = [tinynet.tensor(a, device=device) for a in layer.arrays()]
    return [t.requires_grad_() if t.is_floating_point() else t for t in made]


def options(layer: Layer, tensor: Callable[[Any], Any]) -> dict[str, Any]:
    return {k: tensor(v) if isinstance(v, np.ndarray) else v for k, v in layer.options.items()}


def flat(result: Any) -> list[Any]:
    return [f for r in result for f in flat(r)] if isinstance(result, (tuple, list)) else [result]


@by_name(lambda layer: layer.numpy)
def test_forward(layer: Layer, device: str) -> None:
    assert layer.numpy is not None
    module, given = build(layer, device), tensors(layer, device)
    state = {k: v.detach().cpu().numpy() for k, v in module.state_dict().items()}
    found = flat(module(*given, **options(layer, lambda a: tinynet.tensor(a, device=device))))
    expected = flat(layer.numpy(state, *layer.arrays()))
    assert len(found) == len(expected)
    for f, e in zip(found, expected):
        assert f.shape == e.shape
        np.testing.assert_allclose(f.detach().cpu().numpy(), e, rtol=1e-10, atol=1e-12)


@by_name(lambda layer: layer.smooth)
@pytest.mark.parametrize("second", [False, True], ids=["first", "second"])
def test_gradients(layer: Layer, device: str, second: bool) -> None:
    module, given = build(layer, device), tensors(layer, device)
    given_options = options(layer, lambda a: tinynet.tensor(a, device=device))
    inputs = [t for t in given if t.requires_grad] + list(module.parameters())
    check_directions(lambda: module(*given, **given_options), inputs, second=second, count=1)


@by_name(lambda layer: True)
def test_torch(layer: Layer) -> None:
    """A state dict of PyTorch's layer loads, and gives its outputs and gradients."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(1)
    theirs, ours = layer.make(torch.nn), layer.make(tinynet.nn)
    state = {k: tinynet.from_numpy(v.numpy()) for k, v in theirs.state_dict().items()}
    assert list(ours.state_dict()) == list(state)
    ours.load_state_dict(state)
    arrays = [a.astype(np.float32) if a.dtype.kind == "f" else a for a in layer.arrays(1)]
    results = []
    for module, tensor in ((ours, tinynet.tensor), (theirs, torch.tensor)):
        given = [tensor(a) for a in arrays]
        given = [t.requires_grad_() if t.is_floating_point() else t for t in given]
        call = {
            k: v.astype(np.float32) if getattr(v, "dtype", None) == np.float64 else v for k, v in layer.options.items()
        }
        call = {k: tensor(v) if isinstance(v, np.ndarray) else v for k, v in call.items()}
        outputs = [t for t in flat(module(*given, **call)) if t is not None]
        sum((t.float() ** 2 * 0.5 + t).sum() for t in outputs).backward()
        grads = [t.grad for t in (*given, *module.parameters())]
        results.append([None if t is None else t.detach().numpy() for t in (*outputs, *grads)])
    assert len(results[0]) == len(results[1])
    for f, e in zip(*results):
        assert (f is None) == (e is None)
        if f is not None:
            assert f.shape == e.shape
            assert f.dtype == e.dtype
            np.testing.assert_allclose(f, e, rtol=1e-4, atol=2e-5)


def test_a_dtype_that_numbers_were_promoted_to() -> None:
    steps, frequencies = tinynet.arange(3), tinynet.ones(4)
    layer = tinynet.nn.Linear(4, 2)
    with pytest.raises(TypeError, match="input has dtype float64 and weight float32"):
        layer(steps[:, None] * frequencies[None, :])
    assert layer(steps[:, None].float() * frequencies[None, :]).dtype == tinynet.float32
