"""Every model of `--model`, trained on MNIST: parameters, accuracy, time. Writes the README's table.

    python bench/models.py [--epochs 1] [--models cnn mlp] [--write]

Each model is trained by `python -m tinynet.train` with its defaults, in a process of its own, one after the other.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from bench.sass import write_between
from tinynet.models import MODELS

README = Path(__file__).parents[1] / "README.md"


def train(model: str, epochs: int, device: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tinynet.train", "--model", model, "--epochs", str(epochs), "--device", device]
    done = subprocess.run([*command, "--quiet", "--json"], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def table(results: dict[str, dict[str, Any]], epochs: int) -> str:
    lines = ["| `--model` | parameters | test accuracy | seconds | samples/s |", "| --- | ---: | ---: | ---: | ---: |"]
    for name, r in results.items():
        lines.append(
            f"| {name} | {r['parameters']:,} | {100 * r['test_accuracy']:.2f} % | {r['seconds']:.0f} | "
            f"{r['samples_per_second']:,.0f} |"
        )
    device = next(iter(results.values()))["device"]
    machine = f"{platform.machine()}, {os.cpu_count()} cores"
    return "\n".join([*lines, "", f"`python bench/models.py --epochs {epochs}`, seed 0, {device} ({machine})."])


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--epochs", type=int, default=1)
    p.add_argument("--device", default="cpu")
    p.add_argument("--models", nargs="+", choices=tuple(MODELS), default=tuple(MODELS))
    p.add_argument("--write", action="store_true", help="put the table into the README")
    args = p.parse_args()
    results = {}
    for name in args.models:
        results[name] = train(name, args.epochs, args.device)
        print(name, results[name], flush=True)
    text = table(results, args.epochs)
    print(text)
    if args.write:
        write_between(README, "models", text)


if __name__ == "__main__":
    main()
