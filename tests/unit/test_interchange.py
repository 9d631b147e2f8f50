"""Memory shared with other libraries, and weights that travel to PyTorch and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinynet
from tests.conftest import NO_CUDA
from tinynet import nn
from tinynet.checkpoint import load_weights, save_weights
from tinynet.device import simulated

DATA = Path(__file__).parent / "data"


def test_numpy_shares_memory() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    tensor = tinynet.from_numpy(array)
    tensor[0, 0] = 7
    assert array[0, 0] == 7
    assert tensor.numpy() is array
    assert np.shares_memory(np.asarray(tensor), array)
    assert np.asarray(tensor, np.float64).dtype == np.float64
    assert not np.shares_memory(np.array(tensor), array)
    np.testing.assert_array_equal(np.add(array, tensor), array * 2)


def test_dlpack_shares_memory() -> None:
    tensor = tinynet.arange(6.0).reshape(2, 3).t()
    array = np.from_dlpack(tensor)
    np.testing.assert_array_equal(array, tensor.numpy())
    tensor[2, 1] = -1
    assert array[2, 1] == -1
    back = tinynet.from_dlpack(array)
    assert back.data_ptr() == tensor.data_ptr()
    assert back.stride() == tensor.stride()


def test_dlpack_copies_when_told() -> None:
    array = np.ones(3, np.float32)
    assert tinynet.from_dlpack(array, device="cpu", copy=False).data_ptr() == array.ctypes.data
    assert tinynet.from_dlpack(array, copy=True).data_ptr() != array.ctypes.data


DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_pytorch_shares_memory(dtype: str) -> None:
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    ours = tinynet.ones(3, 4, dtype=dtype).t()[1:]
    theirs = torch.ones(3, 4, dtype=getattr(torch, dtype)).t()[1:]
    for a, b in (
        (ours, torch.from_dlpack(ours)),
        (theirs, tinynet.from_dlpack(theirs)),
        (theirs, tinynet.as_tensor(theirs)),
    ):
        assert (a.data_ptr(), tuple(a.stride()), tuple(a.shape)) == (b.data_ptr(), tuple(b.stride()), tuple(b.shape))
        assert str(b.dtype).split(".")[-1] == dtype
    copied = tinynet.tensor(theirs)
    assert copied.data_ptr() != theirs.data_ptr()
    np.testing.assert_array_equal(copied.numpy(), theirs.numpy())


def test_dlpack_errors() -> None:
    with pytest.raises(BufferError, match="requires a gradient"):
        np.from_dlpack(tinynet.ones(2, requires_grad=True))
    with pytest.raises(TypeError, match="ext_tensor is a list"):
        tinynet.from_dlpack([1.0])
    with pytest.raises(TypeError, match="complex64"):
        tinynet.from_dlpack(np.ones(2, np.complex64))
    if NO_CUDA is None:
        with pytest.raises(ValueError, match="copy is False, but ext_tensor is on cpu, not on cuda"):
            tinynet.from_dlpack(np.ones(2), device="cuda", copy=False)


@pytest.mark.skipif(NO_CUDA is not None or simulated(), reason=NO_CUDA or "needs CuPy arrays")
def test_cuda_arrays_share_memory() -> None:
    import cupy

    array = cupy.arange(6, dtype="float32").reshape(2, 3)
    for tensor in (tinynet.from_dlpack(array), tinynet.from_numpy(array), tinynet.as_tensor(array)):
        assert tensor.is_cuda
        assert tensor.data_ptr() == array.data.ptr
    assert cupy.from_dlpack(tensor).data.ptr == array.data.ptr
    assert cupy.asarray(tensor).data.ptr == array.data.ptr
    assert tensor.__cuda_array_interface__["shape"] == (2, 3)
    with pytest.raises(AttributeError, match="on the CPU"):
        tinynet.ones(1).__cuda_array_interface__  # noqa: B018 - reading it is what raises


class Net(nn.Module):
    """The network whose weights are in the test data."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(2, 6, 3, padding=1, groups=2), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2)
        )
        self.norm = nn.LayerNorm(6)
        self.rnn = nn.LSTM(6, 5, num_layers=2, batch_first=True, bidirectional=True)
        self.head = nn.Linear(10, 3)

    def forward(self, x: Any) -> Any:
        y = self.features(x).flatten(2).transpose(1, 2)
        return self.head(self.rnn(self.norm(y))[0][:, -1])


def test_weights_from_pytorch() -> None:
    """The files were written by PyTorch 2.13 with safetensors.torch.save_file: a state_dict, an input, its output."""
    net = Net().eval()
    assert net.load_state_dict(load_weights(DATA / "torch_net.safetensors")) == ([], [])
    values = load_weights(DATA / "torch_net_values.safetensors")
    np.testing.assert_allclose(net(values["x"]).detach().numpy(), values["y"].numpy(), rtol=1e-4, atol=1e-5)


def test_weights_to_pytorch(tmp_path: Path) -> None:
    """Written here, the file holds what PyTorch's own has: names, order, shapes, dtypes and bytes."""
    from safetensors.numpy import load_file

    net = Net()
    net.load_state_dict(load_weights(DATA / "torch_net.safetensors"))
    save_weights(net, tmp_path / "net.safetensors")
    ours, theirs = load_file(tmp_path / "net.safetensors"), load_file(DATA / "torch_net.safetensors")
    assert set(ours) == set(theirs)
    for name, array in theirs.items():
        assert (ours[name].dtype, ours[name].shape) == (array.dtype, array.shape), name
        assert ours[name].tobytes() == array.tobytes(), name


def test_weights_in_pytorch(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    from safetensors.torch import load_file

    tinynet.manual_seed(3)
    net = Net()
    save_weights(net, tmp_path / "net.safetensors")

    class TorchNet(torch.nn.Module):  # type: ignore[misc, name-defined]
        forward = Net.forward

        def __init__(self) -> None:
            super().__init__()
            layers = torch.nn
            self.features = layers.Sequential(
                layers.Conv2d(2, 6, 3, padding=1, groups=2), layers.BatchNorm2d(6), layers.ReLU(), layers.MaxPool2d(2)
            )
            self.norm = layers.LayerNorm(6)
            self.rnn = layers.LSTM(6, 5, num_layers=2, batch_first=True, bidirectional=True)
            self.head = layers.Linear(10, 3)

    other = TorchNet()
    other.load_state_dict(load_file(tmp_path / "net.safetensors"))
    x = tinynet.randn(3, 2, 6, 6)
    wanted = other.eval()(torch.from_dlpack(x)).detach().numpy()
    np.testing.assert_allclose(net.eval()(x).detach().numpy(), wanted, rtol=1e-4, atol=1e-5)
