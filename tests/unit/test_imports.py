"""What `import tinynet` costs."""

from __future__ import annotations

import subprocess
import sys


def test_import_is_light() -> None:
    code = """
import time, numpy
start = time.thread_time()  # what else the machine does is not counted
import tinynet
took = time.thread_time() - start
import sys
print(took, [m for m in ("numba", "cupy", "tqdm", "matplotlib", "safetensors") if m in sys.modules])
"""
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(5)]
    assert all("[]" in r.stdout for r in runs), runs[0].stdout
    assert min(float(r.stdout.split()[0]) for r in runs) < 0.15
