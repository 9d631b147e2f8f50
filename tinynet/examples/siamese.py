"""A siamese network maps digits to the plane, equal ones close together (Hadsell, Chopra and LeCun 2006).

python -m tinynet.examples.siamese --epochs 3 --output siamese.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tqdm import trange

import tinynet
from tinynet import Tensor, nn, optim
from tinynet.datasets import MNIST


def tower(dimensions: int) -> nn.Sequential:
    """Images (N, 1, 28, 28) -> points (N, dimensions); both images of a pair go through the same one."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 5, stride=2),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 5 * 5, 64),
        nn.ReLU(),
        nn.Linear(64, dimensions),
    )


def contrastive_loss(a: Tensor, b: Tensor, same: Tensor, margin: float = 1.0) -> Tensor:
    """Half the squared distance of equal pairs; of others, half the square of what is missing to the margin (eq. 4)."""
    distance = ((a - b).square().sum(1) + 1e-9).sqrt()
    apart = (margin - distance).clamp(min=0)
    return 0.5 * (same * distance.square() + (1 - same) * apart.square()).mean()


def points(model: nn.Module, images: Tensor) -> Tensor:
    model.eval()
    with tinynet.no_grad():
        return tinynet.cat([model(part) for part in images.split(500)])


def nearest_neighbour_accuracy(model: nn.Module, known: tuple[Tensor, Tensor], asked: tuple[Tensor, Tensor]) -> float:
    """How often the nearest known image has the right label."""
    a, b = points(model, asked[0]), points(model, known[0])
    distance = a.square().sum(1, keepdim=True) - 2 * a @ b.t() + b.square().sum(1)
    return float((known[1][distance.argmin(1)] == asked[1]).float().mean())


def balanced_pairs(labels: Tensor, count: int, digits: Tensor) -> tuple[Tensor, Tensor]:
    """Places of `count` pairs, about half of them of one digit; `digits` are all places sorted by label."""
    first = tinynet.randint(0, len(labels), (count,))
    second = tinynet.randint(0, len(labels), (count,))
    alike = tinynet.rand(count) < 0.5
    sizes, label = tinynet.bincount(labels), labels[first]
    within = (sizes.cumsum(0) - sizes)[label] + (tinynet.rand(count) * sizes[label]).long()
    return first, tinynet.where(alike, digits[within], second)


def main(argv: list[str] | None = None) -> float:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--epochs", type=int, default=3)
    p.add_argument("--batch-size", type=int, default=128)
    p.add_argument("--dimensions", type=int, default=2)
    p.add_argument("--limit", type=int, help="use so many images")
    p.add_argument("--output", type=Path, help="a picture of 2,000 test digits in the plane")
    p.add_argument("--device", default="cpu")
    p.add_argument("--seed", type=int, default=0)
    args = p.parse_args(argv)

    tinynet.manual_seed(args.seed)
    train, test = ((d.data[: args.limit], d.targets[: args.limit]) for d in (MNIST(train=True), MNIST(train=False)))
    images, held = (data[0].to(args.device).float()[:, None] / 255 for data in (train, test))
    model = tower(args.dimensions).to(args.device)
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    digits = train[1].argsort()
    progress = trange(args.epochs * len(images) // args.batch_size, unit="step")
    for step in progress:
        i, j = balanced_pairs(train[1], args.batch_size, digits)
        same = (train[1][i] == train[1][j]).float().to(args.device)
        optimizer.zero_grad()
        loss = contrastive_loss(model(images[i.to(args.device)]), model(images[j.to(args.device)]), same)
        loss.backward()
        optimizer.step()
        if step % 20 == 0:
            progress.set_postfix_str(f"loss {loss.item():.4f}")
    known = images[:5000], train[1][:5000].to(args.device)
    accuracy = nearest_neighbour_accuracy(model, known, (held[:2000], test[1][:2000].to(args.device)))
    print(f"nearest neighbour in {args.dimensions} dimensions: {accuracy:.2%} of the test digits are right")
    if args.output is not None:
        from matplotlib.figure import Figure

        xy = points(model, held[:2000]).cpu().numpy()
        axes = (figure := Figure(figsize=(7, 6), layout="constrained")).subplots()
        for digit in range(10):
            of_digit = xy[test[1][:2000].numpy() == digit]
            axes.scatter(of_digit[:, 0], of_digit[:, 1], s=6, label=str(digit), color=f"C{digit}")
        axes.legend(title="digit", markerscale=2, loc="center left", bbox_to_anchor=(1, 0.5))
        figure.savefig(args.output, dpi=120)
    return accuracy


if __name__ == "__main__":
    main()
