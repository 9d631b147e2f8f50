"""Exported models, run by onnxruntime, give the model's own results for any size of the batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinynet
from tinynet import models, nn
from tinynet.nn import functional as F

onnx = pytest.importorskip("onnx", reason="needs the package onnx")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs the package onnxruntime")


def check(model: nn.Module, path: Path, *examples: Any, batches: tuple[int, ...] = (1, 4)) -> None:
    tinynet.onnx.export(model, examples, path, [f"in{i}" for i in range(len(examples))])
    assert model.training
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    model.eval()
    for batch in batches:
        inputs = [tinynet.from_numpy(np.resize(e.numpy()[::-1], (batch, *e.shape[1:]))) for e in examples]
        (got,) = session.run(None, {f"in{i}": x.numpy() for i, x in enumerate(inputs)})
        with tinynet.no_grad():
            wanted = model(*inputs).numpy()
        assert got.shape == wanted.shape
        np.testing.assert_allclose(got, wanted, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("name", models.MODELS)
def test_shipped_models(name: str, tmp_path: Path) -> None:
    tinynet.manual_seed(0)
    check(models.create(name), tmp_path / "model.onnx", tinynet.rand(5, 1, 28, 28))


class Operations(nn.Module):
    """Indexing, reductions, comparisons and shapes that no shipped model has."""

    def forward(self, x: Any, token: Any) -> Any:
        a = x[:, 1:, ::2].sum(-1) + x[..., -1][:, 1:] + x[:, None, 0].mean(-1).expand(-1, 3)
        b = F.leaky_relu(x.flip(2), 0.1).amax(2) + F.elu(x).cumsum(1)[:, :, 3]
        c = tinynet.cat([x.transpose(1, 2).reshape(-1, 4).tril(), x.new_ones(x.shape[0] * 6, 4)], 0)
        d = c.reshape(2, -1, 24).sum(0).clamp(-2, 2) * tinynet.where(token != 1, 1.0, 0.5).mean(1, keepdim=True)
        e = F.pad(a, (1, 0)) + b + F.gelu(b) + F.gelu(a[:, :1], "tanh") + F.softplus(b) ** 2
        f = tinynet.stack([a, b[:, 1:]], -1).flatten(1)
        return tinynet.cat([tinynet.log_softmax(d, 1), e, f, tinynet.sqrt(b * b)], 1)


def test_operations(tmp_path: Path) -> None:
    tinynet.manual_seed(1)
    check(Operations(), tmp_path / "model.onnx", tinynet.randn(3, 4, 6), tinynet.tensor([[1, 2], [0, 1], [3, 4]]))


class Steps(nn.Module):
    """Steps of all kinds, and batch normalisation without weights or before a sum."""

    def __init__(self) -> None:
        super().__init__()
        self.plain, self.added = nn.BatchNorm1d(4, affine=False), nn.BatchNorm1d(4)
        for norm in (self.plain, self.added):
            assert norm.running_mean is not None
            assert norm.running_var is not None
            norm.running_mean.uniform_(-1, 1)
            norm.running_var.uniform_(0.5, 2)

    def forward(self, x: Any) -> Any:
        steps = x.floor() + 2 * x.ceil() + 3 * x.round() + 4 * x.sign()
        return steps + self.plain(x) + self.added(x, "relu", x * 0.5)


def test_steps_and_running_statistics(tmp_path: Path) -> None:
    tinynet.manual_seed(2)
    check(Steps(), tmp_path / "model.onnx", tinynet.randn(3, 4) * 3)


class Transposed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(9, 4)
        self.up = nn.ConvTranspose2d(4, 3, 3, stride=2, padding=1, output_padding=1)
        self.norm = nn.GroupNorm(3, 3)

    def forward(self, token: Any) -> Any:
        return self.norm(self.up(self.table(token).permute(0, 3, 1, 2)))


def test_embedding_and_transposed_convolution(tmp_path: Path) -> None:
    check(Transposed(), tmp_path / "model.onnx", tinynet.randint(0, 9, (2, 5, 4)))


def test_names_of_weights(tmp_path: Path) -> None:
    model = models.create("lenet5")
    tinynet.onnx.export(model, tinynet.rand(1, 1, 28, 28), tmp_path / "m.onnx", ["image"], ["logits"])
    made = onnx.load(tmp_path / "m.onnx")
    assert {t.name for t in made.graph.initializer} >= set(model.state_dict())
    assert [v.name for v in (*made.graph.input, *made.graph.output)] == ["image", "logits"]
    assert made.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"


class ReadsAValue(nn.Module):
    def forward(self, x: Any) -> Any:
        return x * x.sum().item()


class Rolls(nn.Module):
    def forward(self, x: Any) -> Any:
        return x.roll(1, 1)


@pytest.mark.parametrize("model, match", [(ReadsAValue(), "computes with"), (Rolls(), "Roll has no rule")])
def test_what_cannot_be_exported(model: nn.Module, match: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=match):
        tinynet.onnx.export(model, tinynet.rand(2, 3), tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())
    y = tinynet.rand(3, requires_grad=True) * 2  # operations are recorded by autograd alone again
    y.sum().backward()


def test_wrong_names(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="input_names has 2 names, expected 1"):
        tinynet.onnx.export(nn.ReLU(), tinynet.rand(2), tmp_path / "m.onnx", ["a", "b"])
    with pytest.raises(ValueError, match="output_names has 2 names, expected 1"):
        tinynet.onnx.export(nn.ReLU(), tinynet.rand(2), tmp_path / "m.onnx", ["a"], ["b", "c"])
