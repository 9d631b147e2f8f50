"""Runs of the command line that are killed, stopped, damaged and resumed."""

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

from tests.end_to_end.kill_and_resume import compare

SHORT = ("--device", "cpu", "--limit-train", "320", "--limit-test", "100", "--epochs", "3", "--checkpoint-every", "2")


def run(*args: str) -> Any:
    return subprocess.run([sys.executable, "-m", "tinynet.train", *args], capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an uninterrupted run."""
    folder = tmp_path_factory.mktemp("whole")
    done = run(*SHORT, "--quiet", "--output", str(folder))
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.skipif(os.name != "posix", reason="sends SIGKILL")
def test_killed_runs_end_with_the_same_bits() -> None:
    assert len(compare(2, "cpu", seed=int(time.time()))) == 2


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_ctrl_c_saves_what_resume_goes_on_with(tmp_path: Path, whole: Path) -> None:
    command = [sys.executable, "-m", "tinynet.train", *SHORT, "--output", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "epoch 1/3" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped by Ctrl-C" in output
    assert "Traceback" not in errors
    done = run("--resume", str(tmp_path), "--json")
    assert done.returncode == 0, done.stderr
    assert "resumed     after 1 epochs and" in done.stdout
    assert json.loads(done.stdout.splitlines()[-1])["epochs"] == 3
    for name in ("model.safetensors", "checkpoints/best.safetensors"):
        assert (tmp_path / name).read_bytes() == (whole / name).read_bytes()
    rows, others = ((p / "metrics.csv").read_text().splitlines() for p in (tmp_path, whole))
    assert [row.split(",")[:4] for row in rows] == [row.split(",")[:4] for row in others]
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 3


def test_a_damaged_checkpoint_is_passed_over_and_named(tmp_path: Path) -> None:
    assert run(*SHORT, "--quiet", "--output", str(tmp_path)).returncode == 0
    expected = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").unlink()
    newest, before = sorted((tmp_path / "checkpoints").glob("step-*"), reverse=True)
    newest.write_bytes(newest.read_bytes()[:-100])
    done = run("--resume", str(tmp_path), "--quiet")
    assert done.returncode == 0, done.stderr
    assert f"{newest.name} is" in done.stderr
    assert "going on from the one before" in done.stderr
    assert (tmp_path / "model.safetensors").read_bytes() == expected
    for path in (newest, before, *(tmp_path / "checkpoints").glob("step-*")):
        path.write_bytes(b"\0" * 50)
    done = run("--resume", str(tmp_path))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "no checkpoint that is whole" in done.stderr


def test_resume_keeps_the_options_of_the_run(whole: Path) -> None:
    done = run("--resume", str(whole), "--lr", "0.5")
    assert done.returncode == 2
    assert "--lr is not that of the run" in done.stderr
    assert run("--resume", str(whole), "--epochs", "3", "--quiet").returncode == 0


def test_resume_of_nothing(tmp_path: Path) -> None:
    done = run("--resume", str(tmp_path / "nowhere"))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "has no checkpoint" in done.stderr
