"""A recommender by matrix factorisation with biases (Koren, Bell and Volinsky 2009), on a CSV file of ratings.

python -m tinynet.examples.recommender ratings.csv --user user_id --item movie_id --rating rating
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
from tqdm import trange

import tinynet
from tinynet import Tensor, nn, optim
from tinynet.utils.data import DataLoader, TensorDataset


class Factors(nn.Module):
    """rating = mean + bias of the user + bias of the item + product of their factors."""

    def __init__(self, users: int, items: int, factors: int, mean: float) -> None:
        super().__init__()
        self.mean = mean
        self.user, self.item = nn.Embedding(users, factors), nn.Embedding(items, factors)
        self.user_bias, self.item_bias = nn.Embedding(users, 1), nn.Embedding(items, 1)
        for table in (self.user, self.item):
            nn.init.normal_(table.weight, std=0.1)
        for table in (self.user_bias, self.item_bias):
            nn.init.zeros_(table.weight)

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        product = (self.user(user) * self.item(item)).sum(-1)
        return self.mean + (self.user_bias(user) + self.item_bias(item)).squeeze(-1) + product  # type: ignore[no-any-return]


def read(path: Path, names: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Users and items as numbers from 0 on, and the ratings. ValueError if a column is missing or a rating no number."""
    with path.open(newline="", encoding="utf-8") as file:
        table = csv.DictReader(file)
        missing = [name for name in names if name not in (table.fieldnames or ())]
        if missing:
            raise ValueError(f"{path} has no column {missing[0]!r}, but {', '.join(table.fieldnames or ())}")
        rows = [tuple(row[name] for name in names) for row in table]
    if not rows:
        raise ValueError(f"{path} has no ratings")
    users, items = (np.unique(column, return_inverse=True)[1] for column in list(zip(*rows))[:2])
    return users, items, np.array([row[2] for row in rows], np.float32)


def baseline(train: TensorDataset, test: TensorDataset, damping: float = 5.0) -> float:
    """The error of mean + item's bias + user's bias, each a damped mean of what the ones before leave over."""
    user, item, rating = (t.cpu().numpy() for t in train.tensors)
    test_user, test_item, wanted = (t.cpu().numpy() for t in test.tensors)
    mean = rating.mean()
    guess, rest = np.full(len(wanted), mean), rating - mean
    for index, test_index in ((item, test_item), (user, test_user)):
        size = max(index.max(), test_index.max()) + 1
        bias = np.bincount(index, rest, size) / (np.bincount(index, minlength=size) + damping)
        guess, rest = guess + bias[test_index], rest - bias[index]
    return float(np.sqrt(np.mean((guess - wanted) ** 2)))


def error(model: Factors, data: TensorDataset) -> float:
    """The root of the mean square of what the predictions miss."""
    user, item, rating = data.tensors
    with tinynet.no_grad():
        return (model(user, item) - rating).square().mean().sqrt().item()  # type: ignore[no-any-return]


def main(argv: list[str] | None = None) -> tuple[float, float]:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("file", type=Path, help="a CSV file with a line of names; a tenth of the ratings is held out")
    p.add_argument("--user", default="user", help="the column of users, default: user")
    p.add_argument("--item", default="item", help="the column of items, default: item")
    p.add_argument("--rating", default="rating", help="the column of ratings, default: rating")
    p.add_argument("--factors", type=int, default=32)
    p.add_argument("--epochs", type=int, default=10)
    p.add_argument("--batch-size", type=int, default=1024)
    p.add_argument("--lr", type=float, default=5e-3)
    p.add_argument("--l2", type=float, default=0.05, help="weight of the squares of what a rating looks up")
    p.add_argument("--device", default="cpu")
    p.add_argument("--seed", type=int, default=0)
    args = p.parse_args(argv)

    tinynet.manual_seed(args.seed)
    try:
        users, items, ratings = read(args.file, [args.user, args.item, args.rating])
    except (OSError, ValueError) as problem:
        p.error(str(problem))
    order, cut = tinynet.randperm(len(ratings)).to(args.device), len(ratings) // 10
    columns = [tinynet.from_numpy(column).to(args.device) for column in (users, items, ratings)]
    train, test = (TensorDataset(*(column[part] for column in columns)) for part in (order[cut:], order[:cut]))
    model = Factors(users.max() + 1, items.max() + 1, args.factors, train.tensors[2].mean().item()).to(args.device)
    optimizer = optim.Adam(model.parameters(), lr=args.lr)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, args.epochs)
    for _ in (progress := trange(args.epochs, unit="epoch")):
        for user, item, rating in DataLoader(train, args.batch_size, shuffle=True):
            optimizer.zero_grad()
            looked_up = [model.user(user), model.item(item), model.user_bias(user), model.item_bias(item)]
            penalty = sum(part.square().sum() for part in looked_up)  # of the rows in the batch, as often as they occur
            loss = (model(user, item) - rating).square().mean() + args.l2 * penalty / len(rating)
            loss.backward()
            optimizer.step()
        schedule.step()
        progress.set_postfix_str(f"held-out error {error(model, test):.4f}")
    simple, ours = baseline(train, test), error(model, test)
    print(f"held-out RMSE {ours:.4f}; of means of users and items {simple:.4f}")
    return ours, simple


if __name__ == "__main__":
    main()
