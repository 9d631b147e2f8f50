"""What `import tinynet` costs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_import_is_light(tmp_path: Path) -> None:
    code = """
import time, numpy
start = time.thread_time()  # what else the machine does is not counted
import tinynet
took = time.thread_time() - start
import sys
print(took, [m for m in ("numba", "cupy", "tqdm", "matplotlib", "safetensors") if m in sys.modules])
"""
    # As for users, the bytecode is kept after the first import, whatever this process does with its own.
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    env = kept | {"PYTHONPYCACHEPREFIX": str(tmp_path)}
    command = [sys.executable, "-c", code]
    runs = [subprocess.run(command, env=env, capture_output=True, text=True, check=True) for _ in range(6)]
    assert all("[]" in r.stdout for r in runs), runs[0].stdout
    assert min(float(r.stdout.split()[0]) for r in runs[1:]) < 0.15


def test_callbacks_import_nothing_of_their_own() -> None:
    code = "import sys, tinynet; assert tinynet.callbacks.TensorBoard; print('tensorboardX' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
