from __future__ import annotations

import json
from pathlib import Path

import pytest

import tinynet
from tinynet import nn, optim, profiler, train


def test_counts_and_times(tmp_path: Path, device: str) -> None:
    model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)).to(device)
    optimizer = optim.Adam(model.parameters())
    x, y = tinynet.randn(4, 6, device=device), tinynet.tensor([0, 1, 2, 0], device=device)
    with profiler.profile() as measured:
        for _ in range(3):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
    assert measured.ops["Linear", "forward"].calls == measured.ops["Linear", "backward"].calls == 6
    assert measured.kernels["adam"].calls == 3
    products = measured.kernels["matmul"]
    assert products.calls == 3 * (2 + 2 + 1)  # forward, weights, and the one input that needs a gradient
    assert products.flops == 3 * 2 * 4 * (6 * 5 + 5 * 3 + 6 * 5 + 2 * 5 * 3)
    assert 0 < sum(row.seconds for row in measured.ops.values()) < measured.seconds
    table = measured.table()
    assert all(word in table for word in ("Linear", "backward", "matmul", "adam", "host memory"))

    measured.save(tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    outer = next(e for e in events if e["name"] == "Linear" and e["cat"] == "backward")
    inside = [e for e in events if e["cat"] == "kernel" and outer["ts"] <= e["ts"] < outer["ts"] + outer["dur"]]
    assert {"matmul"} <= {e["name"] for e in inside}
    assert all(e["ts"] + e["dur"] <= outer["ts"] + outer["dur"] for e in inside)


def test_nothing_is_watched_afterwards() -> None:
    with pytest.raises(ZeroDivisionError), profiler.profile() as measured:
        raise ZeroDivisionError
    assert tinynet.ones(3).exp().shape == (3,)
    assert not measured.ops
    with profiler.profile(), pytest.raises(RuntimeError, match="a profile is being made"), profiler.profile():
        pass


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--device", "cpu", "--model", "mlp", "--epochs", "1", "--limit-train", "64", "--limit-test", "10"]
    assert train.main([*options, "--profile", str(tmp_path / "here.json")]) == 0
    assert "of sgemm" in capsys.readouterr().out
    assert json.loads((tmp_path / "here.json").read_text())["traceEvents"]
