"""Kills training runs at random instants, resumes them, and compares their final bits with those of an uninterrupted run.

python tests/end_to_end/kill_and_resume.py --runs 50 [--device cuda] [--seed 0]
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

OPTIONS = """--epochs 2 --limit-train 800 --limit-test 100 --batch-size 16 --validation-split 0.2 --checkpoint-every 3 --seed 5
--ema 0.99 --dropout 0.5 --l1 1e-5 --clip-norm 1 --max-norm 3 --patience 1 --accumulate 2 --schedule cosine:warmup=0.5
--optimizer adamw --quiet"""


def command(device: str, *more: str) -> list[str]:
    return [sys.executable, "-m", "tinynet.train", "--device", device, *OPTIONS.split(), *more]


def run_to_the_end(device: str, *more: str) -> str:
    """What it said on stderr."""
    return subprocess.run(command(device, *more), check=True, timeout=600, stderr=subprocess.PIPE, text=True).stderr


def killed(device: str, after: float, *more: str) -> bool:
    """Whether SIGKILL came before the end of the run."""
    with subprocess.Popen(command(device, *more), stderr=subprocess.DEVNULL) as process:
        try:
            process.wait(after)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.returncode != 0


def has_checkpoint(folder: Path) -> bool:
    return any((folder / "checkpoints").glob("step-*"))


def _start(folder: Path) -> tuple[str, str]:
    """The options that go on with the run in `folder`, or begin it if it was killed before its first checkpoint."""
    return "--resume" if has_checkpoint(folder) else "--output", str(folder)


def compare(runs: int, device: str = "cpu", seed: int = 0) -> list[str]:
    """One line about each run; AssertionError for one that ends otherwise."""
    dice = random.Random(seed)
    lines = []
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        run_to_the_end(device, "--output", str(root / "whole"))  # compiles the kernels, if they are not in the cache
        start = time.perf_counter()
        run_to_the_end(device, "--output", str(root / "whole"))
        seconds = time.perf_counter() - start
        expected = (root / "whole" / "model.safetensors").read_bytes()
        for number in range(runs):
            folder, moments = root / str(number), []
            for kill in range(1 if number % 3 else 2):
                moment = dice.uniform(0.15, 1.0) * seconds
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
