"""A training loop as in any PyTorch tutorial, with only the import lines changed."""

from __future__ import annotations

from typing import Any

import tinynet as torch
import tinynet.nn as nn
import tinynet.nn.functional as F
import tinynet.optim as optim
from tinynet.datasets import MNIST
from tinynet.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self) -> None:
        super(Net, self).__init__()  # noqa: UP008 - as the tutorials write it
        self.conv1 = nn.Conv2d(1, 10, kernel_size=5)
        self.conv2 = nn.Conv2d(10, 20, kernel_size=5)
        self.conv2_drop = nn.Dropout2d()
        self.fc1 = nn.Linear(320, 50)
        self.fc2 = nn.Linear(50, 10)

    def forward(self, x: Any) -> Any:
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.relu(F.max_pool2d(self.conv2_drop(self.conv2(x)), 2))
        x = x.view(-1, 320)
        x = F.relu(self.fc1(x))
        x = F.dropout(x, training=self.training)
        x = self.fc2(x)
        return F.log_softmax(x, dim=1)


def train(model: Any, device: Any, train_loader: Any, optimizer: Any) -> None:
    model.train()
    for _, (data, target) in enumerate(train_loader):
        data, target = data.to(device), target.to(device)
        optimizer.zero_grad()
        output = model(data)
        loss = F.nll_loss(output, target)
        loss.backward()
        optimizer.step()


def test(model: Any, device: Any, test_loader: Any) -> float:
    model.eval()
    test_loss = 0.0
    correct = 0
    with torch.no_grad():
        for data, target in test_loader:
            data, target = data.to(device), target.to(device)
            output = model(data)
            test_loss += F.nll_loss(output, target, reduction="sum").item()
            pred = output.argmax(dim=1, keepdim=True)
            correct += pred.eq(target.view_as(pred)).sum().item()
    return correct / len(test_loader.dataset)


test.__test__ = False  # type: ignore[attr-defined]  # the tutorial's name for its evaluation


def loader(train: bool, count: int, batch_size: int, shuffle: bool) -> DataLoader:
    digits = MNIST(train=train)
    images = ((digits.data[:count].unsqueeze(1).float() / 255) - 0.1307) / 0.3081
    return DataLoader(TensorDataset(images, digits.targets[:count]), batch_size=batch_size, shuffle=shuffle)


def test_tutorial_loop_learns() -> None:
    torch.manual_seed(1)
    device = torch.device("cpu")
    model = Net().to(device)
    optimizer = optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    train_loader, test_loader = loader(True, 4000, 32, True), loader(False, 1000, 500, False)
    for _ in range(2):
        train(model, device, train_loader, optimizer)
    assert test(model, device, test_loader) > 0.9
