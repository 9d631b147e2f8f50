"""Kills training runs at random instants, resumes them, and compares their final bits with those of an uninterrupted run.

python tests/end_to_end/kill_and_resume.py --runs 50 [--device cuda] [--seed 0]
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

OPTIONS = """--epochs 3 --batch-size 8 --validation-split 0.2 --checkpoint-every 3 --seed 5 --ema 0.99 --dropout 0.5 --l1 1e-5
--clip-norm 1 --max-norm 3 --patience 2 --accumulate 2 --schedule cosine:warmup=0.5 --optimizer adamw --quiet"""
# quicker for runs so small
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
IMAGES = {"cpu": (320, 40), "cuda": (40, 8)}  # for training and testing: they are few where kernels are slow


def write_data(path: Path, *sizes: int) -> None:
    """So many images to train and to test, by chance, of the smallest size the network takes: what is learnt does not
    matter here."""
    dice = np.random.default_rng(0)
    train, test = ((dice.integers(0, 256, (n, 18, 18), np.uint8), dice.integers(0, 10, n)) for n in sizes)
    np.savez(path, x_train=train[0], y_train=train[1], x_test=test[0], y_test=test[1])


def command(device: str, *more: str) -> list[str]:
    return [sys.executable, "-m", "tinynet.train", "--device", device, *OPTIONS.split(), *more]


def run_to_the_end(device: str, *more: str) -> None:
    done = subprocess.run(
        command(device, *more),
        timeout=900,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | ONE_THREAD,
    )
    assert done.returncode == 0, done.stderr


def killed(device: str, after: float, *more: str) -> bool:
    """Whether SIGKILL came before the end of the run."""
    silent: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command(device, *more), **silent, env=os.environ | ONE_THREAD) as process:
        try:
            process.wait(after)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.returncode != 0


def has_checkpoint(folder: Path) -> bool:
    return any((folder / "checkpoints").glob("step-*"))


def _start(folder: Path) -> tuple[str, ...]:
    """The options that go on with the run in `folder`, or begin it if it was killed before its first checkpoint."""
    if has_checkpoint(folder):
        return "--resume", str(folder)
    return "--data-dir", str(folder.parent / "data.npz"), "--output", str(folder)


def compare(runs: int, device: str = "cpu", seed: int = 0) -> list[str]:
    """One line about each run; AssertionError for one that ends otherwise."""
    dice = random.Random(seed)
    lines = []
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        write_data(root / "data.npz", *IMAGES[device])
        run_to_the_end(device, *_start(root / "first"))  # compiles the kernels, if they are not in the cache
        start = time.time()
        run_to_the_end(device, *_start(root / "whole"))
        seconds = time.time() - start
        begun = (root / "whole" / "config.json").stat().st_mtime - start  # when it had started up
        expected = (root / "whole" / "model.safetensors").read_bytes()
        assert (root / "first" / "model.safetensors").read_bytes() == expected, "two whole runs differ"
        for number in range(runs):
            folder, moments = root / str(number), []
            for kill in range(1 if number % 3 else 2):
                moment = dice.uniform(begun, seconds)
                while not killed(device, moment, *_start(folder)):
                    moment *= 0.9
                    if not kill:  # it was over before: not what is to be shown
                        seconds = moment
                        shutil.rmtree(folder)
                moments.append(f"{moment:.2f} s")
            place = sorted(p.stem for p in (folder / "checkpoints").glob("step-*"))[-1:]
            run_to_the_end(device, *_start(folder))
            assert (folder / "model.safetensors").read_bytes() == expected, f"run {number + 1}, killed at {moments}"
            lines.append(f"run {number + 1}: killed after {' and '.join(moments)}, resumed from {place}: same bits")
            print(lines[-1], flush=True)
    return lines


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    compare(args.runs, args.device, args.seed)
