"""Training in mixed precision: the CNN on digits learns as in float32, by the trainer and from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinynet
from tinynet import Trainer, callbacks, models, optim
from tinynet.checkpoint import Checkpoints
from tinynet.datasets import MNIST
from tinynet.device import simulated
from tinynet.nn import functional as F
from tinynet.train import main
from tinynet.utils.data import DataLoader, TensorDataset


def losses(device: str, amp: str | None, digits: int) -> tuple[list[float], Trainer]:
    """The loss of each batch of one epoch."""
    tinynet.manual_seed(0)
    data = MNIST(train=True)
    images, labels = (data.data[:digits, None].float() / 255.0 - 0.13) / 0.31, data.targets[:digits]
    model = models.create("cnn", 10, 1, 28).to(device)
    seen: list[float] = []

    def loss(outputs: Any, targets: Any) -> Any:
        value = F.cross_entropy(outputs, targets)
        assert outputs.dtype == (tinynet.float16 if amp == "fp16" else tinynet.float32)
        assert value.dtype == tinynet.float32
        seen.append(value.item())
        return value

    trainer = Trainer(model, optim.Adam(model.parameters(), lr=1e-3), loss, amp=amp)
    trainer.fit(DataLoader(TensorDataset(images.to(device), labels.to(device)), 64))
    assert all(p.dtype == tinynet.float32 for p in model.parameters())
    return seen, trainer


def no_simulator(device: str) -> None:
    if device == "cuda" and simulated():
        pytest.skip("the simulator takes hours for the network and has no tensor cores")


@pytest.mark.parametrize("amp", ["fp16", "bf16", "tf32"])
def test_cnn_follows_float32(device: str, amp: str) -> None:
    no_simulator(device)
    digits = 512 if device == "cpu" else 192
    exact, _ = losses(device, None, digits)
    reduced, trainer = losses(device, amp, digits)
    assert reduced != exact
    np.testing.assert_allclose(reduced, exact, rtol=0, atol=0.03)
    if amp == "fp16":
        assert trainer.scaler is not None
        assert trainer.scaler.get_scale() == 65536.0


@pytest.mark.slow
@pytest.mark.parametrize("amp", ["fp16", "bf16", "tf32"])
def test_cnn_follows_float32_for_an_epoch(device: str, amp: str) -> None:
    """Training carries differences on: that of weights rounded to float16 once, at the start, grows to 0.025 in this time."""
    no_simulator(device)
    (exact, _), (reduced, _) = (losses(device, kind, 2048) for kind in (None, amp))
    smooth = [np.convolve(values, np.full(8, 1 / 8), "valid") for values in (reduced, exact)]
    np.testing.assert_allclose(*smooth, rtol=0, atol=0.12)
    assert smooth[0][-1] < 0.35 * smooth[0][0]


def test_command_line_resumes_the_scale(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--device", "cpu", "--amp", "fp16", "--limit-train", "256", "--limit-test", "100", "--quiet"]
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert main([*options, "--epochs", "2", "--output", str(whole), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert figures["test_loss"] < 2.3
    assert json.loads((whole / "config.json").read_text())["amp"] == "fp16"
    state, _ = Checkpoints(whole / "checkpoints").load()
    assert state["trainer"]["scaler"]["scale"] == 65536.0
    assert state["trainer"]["scaler"]["_growth_tracker"] == 8

    def stop(callback: Any, trainer: Any) -> None:
        if trainer.step == 5:
            trainer.stop()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(callbacks.LearningRateMonitor, "on_step", stop)
        assert main([*options, "--epochs", "2", "--output", str(stopped)]) == 130
    assert main(["--resume", str(stopped), "--quiet"]) == 0
    assert (whole / "model.safetensors").read_bytes() == (stopped / "model.safetensors").read_bytes()


def test_bad_options(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--amp", "int8"])
    assert "argument --amp: invalid choice: 'int8'" in capsys.readouterr().err
    model = models.create("mlp", 10, 1, 28)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(ValueError, match="amp is 'int8'"):
        Trainer(model, optimizer, F.cross_entropy, amp="int8")
    plain, scaled = (Trainer(model, optimizer, F.cross_entropy, amp=amp) for amp in (None, "fp16"))
    with pytest.raises(ValueError, match="the state has no scaler"):
        scaled.load_state_dict(plain.state_dict())
    with pytest.raises(ValueError, match="the state has a scaler"):
        plain.load_state_dict(scaled.state_dict())
