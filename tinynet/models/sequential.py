"""Networks that read an image (N, channels, size, size) row by row, as a sequence of `size` vectors."""

from __future__ import annotations

from .. import zeros
from ..nn import GRU, LSTM, Linear, Module, Parameter, TransformerEncoder, TransformerEncoderLayer, init
from ..tensor import Tensor


def rows(images: Tensor) -> Tensor:
    """Images (N, C, H, W) as sequences (N, H, C * W)."""
    n, c, h, w = images.shape
    return images.transpose(1, 2).reshape(n, h, c * w)


class RecurrentClassifier(Module):
    """A recurrent layer over the rows, and a dense layer on its last output."""

    def __init__(self, kind: type[LSTM] | type[GRU], inputs: int, hidden: int, num_classes: int) -> None:
        super().__init__()
        self.rnn = kind(inputs, hidden, batch_first=True)
        self.head = Linear(hidden, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        outputs, _ = self.rnn(rows(images))
        return self.head(outputs[:, -1])  # type: ignore[no-any-return]


def lstm(num_classes: int = 10, in_channels: int = 1, image_size: int = 28) -> Module:
    """An LSTM (Hochreiter and Schmidhuber 1997) of 128 units: 82,186 parameters on MNIST."""
    return RecurrentClassifier(LSTM, in_channels * image_size, 128, num_classes)


def gru(num_classes: int = 10, in_channels: int = 1, image_size: int = 28) -> Module:
    """A GRU (Cho et al. 2014) of 128 units: 61,962 parameters on MNIST."""
    return RecurrentClassifier(GRU, in_channels * image_size, 128, num_classes)


class TransformerClassifier(Module):
    """Rows as tokens with learned positions, an encoder, and a dense layer on the mean of its outputs."""

    def __init__(self, length: int, inputs: int, width: int, heads: int, depth: int, num_classes: int) -> None:
        super().__init__()
        self.embed = Linear(inputs, width)
        self.positions = Parameter(init.normal_(zeros(length, width), std=0.02))
        layer = TransformerEncoderLayer(width, heads, 4 * width, dropout=0.0, batch_first=True, norm_first=True)
        self.encoder = TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.head = Linear(width, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.embed(rows(images)) + self.positions
        return self.head(self.encoder(tokens).mean(1))  # type: ignore[no-any-return]


def transformer(num_classes: int = 10, in_channels: int = 1, image_size: int = 28) -> Module:
    """Two layers of width 64 with 4 heads (Vaswani et al. 2017), normalising first: 104,266 parameters on MNIST."""
    return TransformerClassifier(image_size, in_channels * image_size, 64, 4, 2, num_classes)
