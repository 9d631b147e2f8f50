"""Training in mixed precision: the CNN on digits learns as in float32, by the trainer and from the command line."""

from __future__ import annotations

import json
from collections.abc import Sequence
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


class Run:
    """One epoch of the CNN over some digits: the loss of each batch, and which updates a GradScaler left out.

    skipped  updates to leave out, as a GradScaler would.
    moved    the seed of changes of the weights before it, of 2**-11 of each at most, as rounding to float16 makes them.
    """

    def __init__(
        self, device: str, amp: str | None, digits: int, skipped: Sequence[int] = (), moved: int | None = None
    ) -> None:
        tinynet.manual_seed(0)
        data = MNIST(train=True)
        images, labels = (data.data[:digits, None].float() / 255.0 - 0.13) / 0.31, data.targets[:digits]
        model = models.create("cnn", 10, 1, 28)
        rng = np.random.default_rng(moved)
        for p in model.parameters():
            assert p.dtype == tinynet.float32
            if moved is not None:
                factors = 1 + 2.0**-11 * rng.uniform(-1, 1, p.shape)
                p.data.mul_(tinynet.from_numpy(factors.astype("float32")))
        model.to(device)
        optimizer = optim.Adam(model.parameters(), lr=1e-3)
        self.losses: list[float] = []
        self.updates: list[int] = []
        update = optimizer.step

        def step(closure: Any = None) -> Any:
            number = len(self.losses) - 1
            if number not in skipped:
                self.updates.append(number)
                update(closure)

        def loss(outputs: Any, targets: Any) -> Any:
            value = F.cross_entropy(outputs, targets)
            assert outputs.dtype == (tinynet.float16 if amp == "fp16" else tinynet.float32)
            assert value.dtype == tinynet.float32
            self.losses.append(value.item())
            return value

        optimizer.step = step  # type: ignore[method-assign]
        self.trainer = Trainer(model, optimizer, loss, amp=amp)
        self.trainer.fit(DataLoader(TensorDataset(images.to(device), labels.to(device)), 64))
        assert all(p.dtype == tinynet.float32 for p in model.parameters())

    @property
    def skipped(self) -> list[int]:
        return sorted(set(range(len(self.losses))) - set(self.updates))

    def distance(self, other: Run) -> float:
        """The root mean square of the differences of the losses."""
        return float(np.sqrt(np.mean(np.square(np.subtract(self.losses, other.losses)))))


def no_simulator(device: str) -> None:
    if device == "cuda" and simulated():
        pytest.skip("the simulator takes hours for the network and has no tensor cores")


@pytest.mark.parametrize("amp", ["fp16", "bf16", "tf32"])
def test_cnn_follows_float32(device: str, amp: str) -> None:
    no_simulator(device)
    digits = 512 if device == "cpu" else 192
    exact, reduced = Run(device, None, digits), Run(device, amp, digits)
    assert reduced.losses != exact.losses
    np.testing.assert_allclose(reduced.losses, exact.losses, rtol=0, atol=0.03)
    if amp == "fp16":
        assert reduced.trainer.scaler is not None
        assert reduced.trainer.scaler.get_scale() == 65536.0


@pytest.mark.slow
@pytest.mark.parametrize("amp", ["fp16", "bf16", "tf32"])
def test_cnn_follows_float32_for_an_epoch(device: str, amp: str) -> None:
    """No farther from float32 than twice as far as chance carries float32 itself.

    Training carries differences on: weights moved by 2**-11 once, at the start, are what chance is measured by. With the first
    factor of 65536, gradients of float16 overflow about once in this time, as they do in PyTorch, and the update is left out;
    so it is left out in float32 too.
    """
    no_simulator(device)
    reduced = Run(device, amp, 2048)
    assert len(reduced.skipped) <= (3 if amp == "fp16" else 0)
    exact, *moved = (Run(device, None, 2048, reduced.skipped, seed) for seed in (None, 0, 1, 2))
    assert reduced.distance(exact) <= 2 * max(run.distance(exact) for run in moved)
    assert np.mean(reduced.losses[-8:]) < 0.35 * np.mean(reduced.losses[:8])


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
