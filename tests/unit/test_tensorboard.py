"""utils.tensorboard writes what tensors hold."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinynet


def events(folder: Path) -> list[Any]:
    from tensorboardX.proto.event_pb2 import Event

    (file,) = folder.iterdir()
    data, found, at = file.read_bytes(), [], 0
    while at < len(data):  # length, its checksum, the event, its checksum
        (length,) = struct.unpack_from("<Q", data, at)
        found.append(Event.FromString(data[at + 12 : at + 12 + length]))
        at += 16 + length
    return [value for event in found for value in event.summary.value]


def test_tensors_are_written(device: str, tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    from tinynet.utils.tensorboard import SummaryWriter

    x = tinynet.arange(6.0, device=device).requires_grad_()
    with SummaryWriter(str(tmp_path)) as writer:
        writer.add_scalar("loss", x.sum(), 3)
        writer.add_scalar(tag="rate", scalar_value=tinynet.tensor(0.5, device=device), global_step=1)
        writer.add_histogram("x", x, 3)
        writer.add_image("image", tinynet.zeros(3, 4, 5, device=device), 3)
    loss, rate, histogram, image = events(tmp_path)
    assert (loss.tag, loss.simple_value) == ("loss", 15.0)
    assert (rate.tag, rate.simple_value) == ("rate", 0.5)
    np.testing.assert_allclose([histogram.histo.num, histogram.histo.sum], [6, 15])
    assert (image.image.height, image.image.width) == (4, 5)


def test_what_is_missing_is_named() -> None:
    code = "import sys; sys.modules['tensorboardX'] = None; import tinynet.utils.tensorboard"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "pip install tensorboardX" in done.stderr.splitlines()[-1]
