"""Files of weights and states: what goes in comes out, damage is noticed, a failed write loses nothing."""

from __future__ import annotations

import errno
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import tinynet
from tinynet.checkpoint import CheckpointError, Checkpoints, load_state, load_weights, save_state, save_weights

STATE: dict[str, Any] = {
    "epoch": 3,
    "lr": 0.1 + 0.2,
    "best": float("inf"),
    "worst": float("nan"),
    "name": "sha256=not a checksum",
    "none": None,
    "flag": True,
    "betas": (0.9, 0.999),
    "by_index": {0: {"step": 5, "exp_avg": tinynet.arange(6).float().reshape(2, 3)}, 7: {}},
    "list": [1, [2, (3, tinynet.tensor(2.5))]],
    "empty": tinynet.zeros(0, 4),
}


def same(a: Any, b: Any) -> bool:
    if isinstance(a, tinynet.Tensor):
        return bool(a.shape == b.shape and a.dtype == b.dtype and a.numpy().tobytes() == b.numpy().tobytes())
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and (a == b or a != a)


def test_a_state_comes_back(tmp_path: Path) -> None:
    save_state(STATE, tmp_path / "state.safetensors")
    assert same(load_state(tmp_path / "state.safetensors"), STATE)


def test_what_json_cannot_hold_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"a\.0 is a set"):
        save_state({"a": [{1, 2}]}, tmp_path / "state.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_weights_are_plain_safetensors_both_ways(tmp_path: Path) -> None:
    model = tinynet.nn.Sequential(tinynet.nn.Linear(3, 2), tinynet.nn.BatchNorm1d(2))
    save_weights(model, tmp_path / "ours.safetensors")
    theirs = load_file(tmp_path / "ours.safetensors")
    assert set(theirs) == set(model.state_dict())
    np.testing.assert_array_equal(theirs["0.weight"], model[0].weight.detach().numpy())
    save_file({"0.weight": np.ones((2, 3), np.float32)}, tmp_path / "theirs.safetensors")
    np.testing.assert_array_equal(load_weights(tmp_path / "theirs.safetensors")["0.weight"].numpy(), np.ones((2, 3)))


@pytest.mark.parametrize("read, write", [(load_state, save_state), (load_weights, None)])
def test_any_changed_byte_is_noticed(tmp_path: Path, read: Any, write: Any) -> None:
    path = tmp_path / "file.safetensors"
    if write is None:
        save_weights({"w": tinynet.arange(24).float(), "b": tinynet.zeros(3)}, path)
    else:
        write(STATE, path)
    whole = path.read_bytes()
    dice = random.Random(0)
    header = int.from_bytes(whole[:8], "little") + 8
    places = [*range(header), *(dice.randrange(len(whole)) for _ in range(200))]
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= dice.randrange(1, 256)
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match=r"file\.safetensors"):
            read(path)
    for length in (0, 1, 7, 8, 20, header, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match=r"file\.safetensors"):
            read(path)
    path.write_bytes(whole + b"\0")
    with pytest.raises(CheckpointError):
        read(path)
    path.write_bytes(whole)
    read(path)


def test_the_one_before_a_damaged_file_is_used(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    for step in (5, 10, 200):
        checkpoints.save(step, {"step": step})
    assert [p.name for p in checkpoints.files()] == ["step-00000200.safetensors", "step-00000010.safetensors"]
    assert checkpoints.load() == ({"step": 200}, [])
    newest = checkpoints.files()[0]
    newest.write_bytes(newest.read_bytes()[:-3])
    state, problems = checkpoints.load()
    assert state == {"step": 10}
    assert len(problems) == 1
    assert "step-00000200" in problems[0]
    checkpoints.save(15, {"step": 15})  # the run goes on from step 10: the damaged file must not push a whole one out
    assert [p.name for p in checkpoints.files()] == ["step-00000015.safetensors", "step-00000010.safetensors"]
    checkpoints.files()[0].write_bytes(b"torn")
    assert checkpoints.load()[0] == {"step": 10}
    checkpoints.files()[0].unlink()
    (tmp_path / "step-00000030.safetensors").mkdir()  # as unreadable as a bad sector, for whoever runs this
    state, problems = checkpoints.load()
    assert state == {"step": 10}
    assert "step-00000030" in problems[0]
    (tmp_path / "step-00000030.safetensors").rmdir()
    checkpoints.files()[0].write_bytes(b"")
    with pytest.raises(CheckpointError, match="no checkpoint that is whole"):
        checkpoints.load()
    with pytest.raises(FileNotFoundError, match="has no checkpoint"):
        Checkpoints(tmp_path / "nowhere").load()


@pytest.mark.skipif(os.name != "posix", reason="limits the size of files")
@pytest.mark.parametrize("room", [0, 1, 4096, 100_000])
def test_a_full_disk_loses_nothing(tmp_path: Path, room: int) -> None:
    """The system itself refuses the bytes of a file beyond `room`, in the midst of writing."""
    script = """if True:
        import resource, sys, tinynet
        from tinynet.checkpoint import Checkpoints, save_weights
        folder, room = sys.argv[1], int(sys.argv[2])
        checkpoints = Checkpoints(folder)
        checkpoints.save(1, {"step": 1})
        checkpoints.save(2, {"step": 2})
        save_weights({"w": tinynet.ones(3)}, folder + "/best.safetensors")
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
        large = {"w": tinynet.zeros(50_000)}
        for write in (lambda: checkpoints.save(3, large, only=True),
                      lambda: save_weights(large, folder + "/best.safetensors")):
            try:
                write()
            except OSError as error:
                print(error.errno)
    """
    command = [sys.executable, "-c", script, str(tmp_path), str(room)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.stdout.split() == [str(errno.EFBIG)] * 2, done.stderr
    names = ["best.safetensors", "step-00000001.safetensors", "step-00000002.safetensors"]
    assert sorted(p.name for p in tmp_path.iterdir()) == names
    assert Checkpoints(tmp_path).load() == ({"step": 2}, [])
    np.testing.assert_array_equal(load_weights(tmp_path / "best.safetensors")["w"].numpy(), np.ones(3))


def test_what_a_killed_run_left_half_written_is_swept_up(tmp_path: Path) -> None:
    (tmp_path / ".step-00000001.safetensors.x7").write_bytes(b"half")
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(2, {"step": 2})
    assert [p.name for p in tmp_path.iterdir()] == ["step-00000002.safetensors"]
