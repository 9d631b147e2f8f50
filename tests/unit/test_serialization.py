"""`save` and `load`: what goes in comes out, in a safetensors file."""

from __future__ import annotations

import io
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinynet
from tinynet import nn, optim


def same(a: Any, b: Any) -> bool:
    if isinstance(a, tinynet.Tensor):
        return isinstance(b, tinynet.Tensor) and a.dtype == b.dtype and tinynet.equal(a, b)
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


@pytest.mark.parametrize(
    "value",
    [
        tinynet.arange(6).reshape(2, 3),
        {"a": tinynet.tensor(1.5), "b": {"c": [1, 2.5, None, True, "x", (1, tinynet.zeros(0, 3))]}},
        {0: {"step": 3}, 1: {"exp_avg": tinynet.ones(2).half()}},
        {"a.b": tinynet.zeros(1), "a": {"b": tinynet.ones(1)}},
        {"$tensor": "not one", "x": tinynet.ones(1)},
        [tinynet.ones(2, dtype=tinynet.bool), tinynet.ones(2).double().t()],
        OrderedDict(w=tinynet.ones(2)),
        3.5,
        {},
    ],
    ids=range(9),
)
def test_round_trip(value: Any, tmp_path: Path) -> None:
    tinynet.save(value, tmp_path / "x.pt")
    assert same(dict(value) if isinstance(value, OrderedDict) else value, tinynet.load(tmp_path / "x.pt"))
    buffer = io.BytesIO()
    tinynet.save(value, buffer)
    buffer.seek(0)
    assert same(dict(value) if isinstance(value, OrderedDict) else value, tinynet.load(buffer))


def test_training_goes_on_from_a_file(tmp_path: Path) -> None:
    """Model and optimizer in one file, as PyTorch's tutorials keep them."""
    model, again = (nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)) for _ in range(2))
    x, y = tinynet.randn(8, 3), tinynet.randn(8, 1)

    def steps(model: Any, optimizer: Any) -> None:
        for _ in range(3):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()

    optimizer = optim.NAdam(model.parameters(), lr=0.01)
    steps(model, optimizer)
    tinynet.save({"epoch": 2, "model": model.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / "c.pt")
    state = tinynet.load(tmp_path / "c.pt", map_location="cpu", weights_only=True)
    again.load_state_dict(state["model"])
    resumed = optim.NAdam(again.parameters())
    resumed.load_state_dict(state["optimizer"])
    steps(model, optimizer)
    steps(again, resumed)
    assert state["epoch"] == 2
    assert all(tinynet.equal(p.detach(), q.detach()) for p, q in zip(model.parameters(), again.parameters()))


def test_state_dicts_are_plain_safetensors(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.numpy")
    model = nn.Linear(3, 2)
    tinynet.save(model.state_dict(), tmp_path / "w.safetensors")
    arrays = safetensors.load_file(tmp_path / "w.safetensors")
    assert set(arrays) == {"weight", "bias"}
    np.testing.assert_array_equal(arrays["weight"], model.weight.detach().numpy())
    safetensors.save_file({"x": np.arange(3)}, tmp_path / "other.safetensors")
    assert tinynet.load(tmp_path / "other.safetensors")["x"].tolist() == [0, 1, 2]


def test_errors(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="Linear"):
        tinynet.save(nn.Linear(1, 1), tmp_path / "x")
    assert not list(tmp_path.iterdir())
    tinynet.save({"a": tinynet.ones(100), "n": 1}, tmp_path / "x")
    data = bytearray((tmp_path / "x").read_bytes())
    data[-5] ^= 1
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(ValueError, match="damaged"):
        tinynet.load(tmp_path / "x")
    with pytest.raises(FileNotFoundError):
        tinynet.load(tmp_path / "y")


def test_map_location_as_programs_write_it(tmp_path: Path) -> None:
    tinynet.save({"w": tinynet.ones(2)}, tmp_path / "w.pt")
    for where in ("cpu", tinynet.device("cpu"), {"cuda:0": "cpu"}, {"cuda:0": "cuda:1"}, lambda storage, loc: storage):
        assert tinynet.load(tmp_path / "w.pt", map_location=where)["w"].device.type == "cpu"
    doubled = tinynet.load(tmp_path / "w.pt", map_location=lambda storage, loc: storage.double())
    assert doubled["w"].dtype == tinynet.float64


def test_arrays_stay_arrays_and_modules_are_refused(tmp_path: Path) -> None:
    tinynet.save({"curve": np.arange(3.0), "rest": [np.ones((2, 1), np.int32)]}, tmp_path / "c.pt")
    state = tinynet.load(tmp_path / "c.pt")
    assert isinstance(state["curve"], np.ndarray)
    np.testing.assert_array_equal(state["curve"], np.arange(3.0))
    assert (state["rest"][0].shape, state["rest"][0].dtype) == ((2, 1), np.int32)
    with pytest.raises(TypeError, match=r"state_dict\(\)"):
        tinynet.save(nn.Linear(1, 1), tmp_path / "m.pt")
    with pytest.raises(TypeError, match="names is a ndarray"):
        tinynet.save({"names": np.array(["a"])}, tmp_path / "n.pt")
