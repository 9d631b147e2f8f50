"""The command line, run as a user runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

SHORT = ("--device", "cpu", "--limit-train", "640", "--limit-test", "200", "--epochs", "1")


def run(*args: str) -> Any:
    return subprocess.run([sys.executable, "-m", "tinynet.train", *args], capture_output=True, text=True, timeout=300)


def test_json_and_outputs(tmp_path: Path) -> None:
    args = (
        *SHORT,
        "--validation-split",
        "0.2",
        "--batch-size",
        "16",
        "--seed",
        "3",
        "--json",
        "--output",
        str(tmp_path),
    )
    done = run(*args)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert set(report) == {
        "test_accuracy",
        "test_loss",
        "epochs",
        "seconds",
        "samples_per_second",
        "device",
        "seed",
        "parameters",
    }
    assert report["device"] == "cpu"
    assert report["seed"] == 3
    assert report["parameters"] == 93322
    assert report["test_accuracy"] > 0.3
    assert (tmp_path / "metrics.csv").read_text().startswith("epoch,train_loss,train_accuracy")
    assert json.loads((tmp_path / "config.json").read_text())["limit_train"] == 640
    weights = load_file(tmp_path / "model.safetensors")
    assert weights["0.weight"].shape == (32, 1, 3, 3)
    assert "test accuracy" in done.stdout


def test_one_seed_one_result(tmp_path: Path) -> None:
    for name in ("a", "b"):
        done = run(*SHORT, "--seed", "7", "--quiet", "--output", str(tmp_path / name))
        assert done.returncode == 0
        assert [line.split("  ")[0] for line in done.stdout.splitlines()] == ["test loss", "test accuracy"]
    first, second = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("a", "b"))
    assert first == second
    assert run(*SHORT, "--seed", "8", "--quiet", "--output", str(tmp_path / "c")).returncode == 0
    assert (tmp_path / "c" / "model.safetensors").read_bytes() != first


@pytest.mark.parametrize(
    "args, message",
    [
        (("--epochs", "0"), "--epochs: 0 is out of range"),
        (("--epochs", "many"), "--epochs: 'many' is not a whole number"),
        (("--seed", "1.5"), "--seed: '1.5' is not a whole number"),
        (("--seed", "-1"), "of at least 0 and below 18446744073709551616"),
        (("--lr", "-1"), "--lr: -1 is out of range"),
        (("--lr", "nan"), "--lr: nan is out of range"),
        (("--validation-split", "1"), "--validation-split: 1 is out of range"),
        (("--model", "alexnet"), "--model: invalid choice: 'alexnet'"),
        (("--dropout", "1"), "--dropout: 1 is out of range"),
        (("--ema", "1.5"), "--ema: 1.5 is out of range"),
        (("--l1", "-0.1"), "--l1: -0.1 is out of range"),
        (("--clip-norm", "0"), "--clip-norm: 0 is out of range"),
        (("--accumulate", "0"), "--accumulate: 0 is out of range"),
        (("--patience", "half"), "--patience: 'half' is not a whole number"),
        (("--label-smoothing", "nan"), "--label-smoothing: nan is out of range"),
        (("--rotate", "200"), "--rotate: 200 is out of range"),
        (("--schedule", "sometimes"), "--schedule: 'sometimes' is no schedule"),
        (("--schedule", "step:gama=2"), "--schedule: 'gama' is no option of the schedule step"),
        (("--schedule", "step:gamma=x"), "--schedule: gamma is 'x', expected a number of at least 0"),
        (("--schedule", "step:gamma=-1"), "--schedule: gamma is '-1', expected a number of at least 0"),
        (("--schedule", "exponential:gamma=nan"), "--schedule: gamma is 'nan', expected a number of at least 0"),
        (
            ("--schedule", "multistep:milestones=2+-3"),
            "--schedule: milestones is '2+-3', expected whole numbers like 3+8",
        ),
        (("--schedule", "cosine:warmup=9", "--quiet"), "--schedule: warmup is"),
        (("--checkpoint-every", "5"), "--checkpoint-every needs --output"),
        (("--report",), "--report needs --output"),
        (("--output", __file__), "test_train.py is a file, expected a folder"),
        (("--profile", "/nowhere/profile.json"), "--profile /nowhere/profile.json: there is no folder /nowhere"),
        (("--nonsense",), "unrecognized arguments: --nonsense"),
        (("--device", "tpu"), "device is 'tpu', expected 'cpu', 'cuda' or 'cuda:N'"),
        (("--data-dir", "/nowhere"), "/nowhere is neither a folder nor an npz file"),
    ],
)
def test_bad_values_are_one_line(args: tuple[str, ...], message: str) -> None:
    done = run(*args)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert message in done.stderr


def test_no_cuda_device() -> None:
    code = "import sys; sys.modules['cupy'] = None; from tinynet.train import main; main(['--device', 'cuda'])"
    env = {k: v for k, v in os.environ.items() if k != "NUMBA_ENABLE_CUDASIM"} | {"CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, timeout=60)
    assert done.returncode == 2
    assert "no CUDA device" in done.stderr
    assert "--device cpu" in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_interrupt_saves_the_weights(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tinynet.train", "--device", "cpu", "--epochs", "50", "--limit-train", "320"]
    with subprocess.Popen([*command, "--output", str(tmp_path)], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "epoch 1/50" in process.stderr.readline()
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert load_file(tmp_path / "model.safetensors")["11.bias"].shape == (10,)


def test_every_option_of_training_at_once(tmp_path: Path) -> None:
    options = (
        "--l1 1e-5 --l2 1e-5 --weight-decay 0.01 --dropout 0.5 --label-smoothing 0.1 --max-norm 3 --ema 0.9 --clip-norm 1 "
        "--clip-value 0.1 --accumulate 2 --patience 1 --schedule cosine:warmup=0.5,final=0.1 --validation-split 0.25"
    )
    done = run(*SHORT, *options.split(), "--optimizer", "adamw", "--json", "--output", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["test_accuracy"] > 0.1
    row = json.loads((tmp_path / "metrics.jsonl").read_text())
    assert row["lr"] == pytest.approx(1e-4)
    assert set(load_file(tmp_path / "model.safetensors")) == {
        f"{i}.{k}" for i in (0, 3, 6, 9, 11) for k in ("weight", "bias")
    }


def test_a_loss_that_is_no_number_ends_the_run() -> None:
    done = run(*SHORT, "--optimizer", "sgd", "--lr", "1e20", "--quiet")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("tinynet.train: the loss is nan in epoch 1, step ")
