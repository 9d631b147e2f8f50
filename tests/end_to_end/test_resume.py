"""Runs of the command line that are killed, stopped, damaged and resumed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.kill_and_resume import ONE_THREAD, compare, write_data
from tinynet import train
from tinynet.checkpoint import Checkpoints

SHORT = "--device cpu --data-dir data.npz --batch-size 16 --epochs 3 --checkpoint-every 20 --output"
ENVIRONMENT = os.environ | ONE_THREAD


def run(*args: str, cwd: Path | None = None) -> Any:
    command = [sys.executable, "-m", "tinynet.train", *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=cwd, env=ENVIRONMENT)


@pytest.fixture(scope="module", autouse=True)
def importable() -> Iterator[None]:
    """The package, also from another folder when it is not installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ENVIRONMENT, "PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an uninterrupted run; the data is beside it."""
    folder = tmp_path_factory.mktemp("whole")
    write_data(folder.parent / "data.npz", 1600, 50)
    done = run(*SHORT.split(), str(folder), "--quiet", cwd=folder.parent)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def copied(tmp_path: Path, whole: Path) -> Path:
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.mark.skipif(os.name != "posix", reason="sends SIGKILL")
def test_killed_runs_end_with_the_same_bits() -> None:
    assert len(compare(2, "cpu", seed=int(time.time()))) == 2


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_ctrl_c_saves_what_resume_goes_on_with(tmp_path: Path, whole: Path) -> None:
    command = [sys.executable, "-m", "tinynet.train", *SHORT.split(), str(tmp_path)]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=whole.parent, env=ENVIRONMENT, **pipes) as process:
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


def test_a_damaged_checkpoint_is_passed_over_and_named(copied: Path) -> None:
    expected = (copied / "model.safetensors").read_bytes()
    (copied / "model.safetensors").unlink()
    newest, before = sorted((copied / "checkpoints").glob("step-*"), reverse=True)
    newest.write_bytes(newest.read_bytes()[:-100])
    done = run("--resume", str(copied), "--quiet")
    assert done.returncode == 0, done.stderr
    assert f"{newest.name} is" in done.stderr
    assert "going on from the one before" in done.stderr
    assert (copied / "model.safetensors").read_bytes() == expected
    for path in (newest, before, *(copied / "checkpoints").glob("step-*")):
        path.write_bytes(b"\0" * 50)
    done = run("--resume", str(copied))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "no checkpoint that is whole" in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="limits the size of files")
def test_a_full_disk_loses_nothing(copied: Path, whole: Path) -> None:
    """The system refuses files larger than 200,000 bytes, such as states and weights, but takes the logs."""
    max((copied / "checkpoints").glob("step-*")).unlink()
    for name in ("model.safetensors", "metrics.jsonl", "curves.png"):
        (copied / name).unlink()
    kept = {p.name: p.read_bytes() for p in (copied / "checkpoints").iterdir()}
    script = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY)); "
    script += "from tinynet.train import main; main()"
    command = [sys.executable, "-c", script, "--resume", str(copied), "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=ENVIRONMENT)
    assert done.returncode == 2
    *first, last = done.stderr.splitlines()
    assert all("no checkpoint was written" in line for line in first)
    assert first
    assert last.startswith("tinynet.train: [Errno")
    assert {p.name: p.read_bytes() for p in (copied / "checkpoints").iterdir()} == kept
    assert len((copied / "metrics.jsonl").read_text().splitlines()) == 3
    done = run("--resume", str(copied))  # with progress this time, which --quiet had not
    assert done.returncode == 0, done.stderr
    for name in ("model.safetensors", "checkpoints/best.safetensors"):
        assert (copied / name).read_bytes() == (whole / name).read_bytes()


def test_resume_keeps_the_options_of_the_run(whole: Path) -> None:
    done = run("--resume", str(whole), "--lr", "0.5")
    assert done.returncode == 2
    assert "--lr is not that of the run" in done.stderr
    assert run("--resume", str(whole), "--epochs", "3", "--quiet").returncode == 0


def test_resume_of_a_run_from_before_an_option(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoints = Checkpoints(copied / "checkpoints")
    state, _ = checkpoints.load()
    del state["config"]["erase"]
    checkpoints.save(state["trainer"]["step"], state)
    assert train.main(["--resume", str(copied), "--quiet"]) == 0
    checkpoints.save(state["trainer"]["step"], state)
    with pytest.raises(SystemExit):
        train.main(["--resume", str(copied), "--erase", "0.5"])
    assert "--erase is not that of the run" in capsys.readouterr().err


def test_resume_of_nothing(tmp_path: Path) -> None:
    done = run("--resume", str(tmp_path / "nowhere"))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "has no checkpoint" in done.stderr
