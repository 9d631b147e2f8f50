"""What the kernels that memory limits read and write, against their inputs read once and their outputs written once."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

# At most 1.2 times that, but for these, which read some sectors again and find them in a cache.
REREAD = {
    # Neighbouring warps share the sector in which one ends and the next begins: in L1.
    "channel_sum of odd planes": 1.35,
    "relu_grad of odd planes": 1.35,
    "batch_norm_stats of odd planes": 1.4,
    # Every warp reads the numbers of its channels: in L1.
    "batch_norm_stats of rows": 1.25,
    "batch_norm of odd planes": 1.55,
    "batch_norm of rows": 1.5,
    # Every result needs sums over its channel, so both images are read twice, 5 / 3 of the least: the second time from L2,
    # if they fit there.
    "batch_norm_grad": 1.9,
    "batch_norm_grad of odd planes": 2.6,
    "batch_norm_grad of rows": 2.5,
}


@pytest.fixture(scope="module")
def counted() -> dict[str, tuple[int, int]]:
    """(moved, least) by case, from another process: the simulator has to be chosen before anything is imported."""
    command = [sys.executable, "-m", "tests.kernels.count_bytes"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "NUMBA_ENABLE_CUDASIM": "1"})
    assert done.returncode == 0, done.stderr
    found: dict[str, tuple[int, int]] = json.loads(done.stdout)
    assert REREAD.keys() <= found.keys()
    return found


def test_near_the_least(counted: dict[str, tuple[int, int]]) -> None:
    for moved, least in counted.values():
        assert moved >= 0.99 * least
    far = {name: moved / least for name, (moved, least) in counted.items() if moved > REREAD.get(name, 1.2) * least}
    assert not far
