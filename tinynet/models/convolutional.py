"""Convolutional networks for images (N, channels, size, size)."""

from __future__ import annotations

from ..nn import (
    AdaptiveAvgPool2d,
    BatchNorm2d,
    Conv2d,
    Dropout,
    Flatten,
    Linear,
    MaxPool2d,
    Module,
    ReLU,
    Sequential,
    Tanh,
    init,
)
from ..tensor import Tensor


def cnn(num_classes: int = 10, in_channels: int = 1, image_size: int = 28) -> Module:
    """Conv 32 3x3, pool, Conv 64, pool, Conv 64, Dense 64, Dense classes: 93,322 parameters on MNIST."""
    size = ((image_size - 2) // 2 - 2) // 2 - 2
    if size < 1:
        raise ValueError(f"image_size is {image_size}, expected at least 18")
    return Sequential(
        Conv2d(in_channels, 32, 3),
        ReLU(),
        MaxPool2d(2),
        Conv2d(32, 64, 3),
        ReLU(),
        MaxPool2d(2),
        Conv2d(64, 64, 3),
        ReLU(),
        Flatten(),
        Linear(64 * size * size, 64),
        ReLU(),
        Linear(64, num_classes),
    )


def simple_convnet(num_classes: int = 10, in_channels: int = 1, image_size: int = 28) -> Module:
    """The network of Keras' "Simple MNIST convnet" (Chollet 2015): 34,826 parameters on MNIST, dropout of one half.

    The weights start as Keras' do: by `xavier_uniform_`, biases at zero.
    """
    size = ((image_size - 2) // 2 - 2) // 2
    if size < 1:
        raise ValueError(f"image_size is {image_size}, expected at least 10")
    model = Sequential(
        Conv2d(in_channels, 32, 3),
        ReLU(),
        MaxPool2d(2),
        Conv2d(32, 64, 3),
        ReLU(),
        MaxPool2d(2),
        Flatten(),
        Dropout(0.5),
        Linear(64 * size * size, num_classes),
    )
    for p in model.parameters():
        if p.ndim == 1:
            init.zeros_(p)
        else:
            init.xavier_uniform_(p)
    return model


def lenet5(num_classes: int = 10, in_channels: int = 1, image_size: int = 28) -> Module:
    """LeCun, Bottou, Bengio and Haffner 1998, with max-pooling and a softmax output: 61,706 parameters on MNIST.

    The paper's images are 32 x 32; smaller ones are padded by 2 in the first convolution, as is usual for MNIST's 28.
    """
    padding = 2 if image_size < 32 else 0
    size = ((image_size + 2 * padding - 4) // 2 - 4) // 2
    if size < 1:
        raise ValueError(f"image_size is {image_size}, expected at least 12")
    return Sequential(
        Conv2d(in_channels, 6, 5, padding=padding),
        Tanh(),
        MaxPool2d(2),
        Conv2d(6, 16, 5),
        Tanh(),
        MaxPool2d(2),
        Flatten(),
        Linear(16 * size * size, 120),
        Tanh(),
        Linear(120, 84),
        Tanh(),
        Linear(84, num_classes),
    )


def vgg_small(num_classes: int = 10, in_channels: int = 1, image_size: int = 28) -> Module:
    """Three pairs of 3x3 convolutions with batch normalisation, each followed by a pool, after Simonyan and Zisserman 2014.

    32, 64 and 128 channels: 288,170 parameters on MNIST. Its parts are `features` and `classifier`.
    """
    if image_size < 8:
        raise ValueError(f"image_size is {image_size}, expected at least 8")
    layers: list[Module] = []
    channels = in_channels
    for width in (32, 64, 128):
        for _ in range(2):
            layers += [Conv2d(channels, width, 3, padding=1, bias=False), BatchNorm2d(width), ReLU()]
            channels = width
        layers.append(MaxPool2d(2))
    return Sequential(
        {
            "features": Sequential(*layers),
            "avgpool": AdaptiveAvgPool2d(1),
            "flatten": Flatten(),
            "classifier": Linear(channels, num_classes),
        }
    )


class BasicBlock(Module):
    """Two 3x3 convolutions beside a shortcut (He, Zhang, Ren and Sun 2016); a 1x1 convolution fits the shortcut's shape."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = Conv2d(in_channels, channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = BatchNorm2d(channels)
        self.conv2 = Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = BatchNorm2d(channels)
        self.downsample: Module | None = None
        if stride != 1 or in_channels != channels:
            self.downsample = Sequential(
                Conv2d(in_channels, channels, 1, stride=stride, bias=False), BatchNorm2d(channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.bn1(self.conv1(x), activation="relu")
        return self.bn2(self.conv2(y), activation="relu", residual=shortcut)  # type: ignore[no-any-return]


def resnet20(num_classes: int = 10, in_channels: int = 1, image_size: int = 28) -> Module:
    """The 20-layer residual network for small images of He et al. 2016: 272,186 parameters on MNIST.

    Three stages of three blocks with 16, 32 and 64 channels, then the mean over the image. Parts and parameters have
    torchvision's names: `conv1`, `bn1`, `layer1` to `layer3`, `fc`.
    """
    if image_size < 4:
        raise ValueError(f"image_size is {image_size}, expected at least 4")
    parts: dict[str, Module] = {
        "conv1": Conv2d(in_channels, 16, 3, padding=1, bias=False),
        "bn1": BatchNorm2d(16),
        "relu": ReLU(),
    }
    channels = 16
    for stage, width in enumerate((16, 32, 64), 1):
        first = BasicBlock(channels, width, 1 if stage == 1 else 2)
        parts[f"layer{stage}"] = Sequential(first, BasicBlock(width, width, 1), BasicBlock(width, width, 1))
        channels = width
    parts |= {"avgpool": AdaptiveAvgPool2d(1), "flatten": Flatten(), "fc": Linear(channels, num_classes)}
    return Sequential(parts)
