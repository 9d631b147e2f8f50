"""Forecasts a column of a CSV file with a GRU, and says whether that beats repeating the last season.

python -m tinynet.examples.forecast co2.csv --column co2 --season 52 --horizon 26
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import trange

import tinynet
from tinynet import Tensor, nn, optim
from tinynet.utils.data import DataLoader, TensorDataset


def read(path: Path, column: str) -> np.ndarray:
    """The column as float64; gaps are filled in a straight line. ValueError if it is not there or is no numbers."""
    with path.open(newline="", encoding="utf-8") as file:
        table = csv.DictReader(file)
        if column not in (table.fieldnames or ()):
            raise ValueError(f"{path} has no column {column!r}, but {', '.join(table.fieldnames or ())}")
        values = np.array([row[column] or "nan" for row in table], np.float64)
    known = np.flatnonzero(~np.isnan(values))
    if not known.size:
        raise ValueError(f"{path} has no numbers in the column {column!r}")
    return np.interp(np.arange(known[0], len(values)), known, values[known])


class Forecaster(nn.Module):
    """A GRU reads differences to the value a season before; its last output gives those of the next `horizon` steps."""

    def __init__(self, width: int, horizon: int) -> None:
        super().__init__()
        self.gru = nn.GRU(1, width, batch_first=True)
        self.head = nn.Linear(width, horizon)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.gru(x.unsqueeze(-1))[0][:, -1])  # type: ignore[no-any-return]


def windows(series: np.ndarray, season: int, length: int, horizon: int) -> tuple[np.ndarray, ...]:
    """For each moment: the last `length` seasonal differences, the next `horizon` values, and those a season before them.

    Where the horizon is longer than the season, the season before is the last one known, again and again.
    """
    change = series[season:] - series[:-season]
    moments = np.arange(season + length, len(series) - horizon + 1)
    ahead = np.arange(horizon)
    past = change[moments[:, None] - season + np.arange(-length, 0)]
    return past, series[moments[:, None] + ahead], series[moments[:, None] - season + ahead % season]


def main(argv: list[str] | None = None) -> tuple[float, float]:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("file", type=Path, help="a CSV file with a line of names, evenly spaced; its last fifth is held out")
    p.add_argument("--column", required=True)
    p.add_argument("--season", type=int, default=12, help="steps to a season")
    p.add_argument("--horizon", type=int, default=12, help="steps to forecast")
    p.add_argument("--length", type=int, default=52, help="steps the network sees")
    p.add_argument("--width", type=int, default=32)
    p.add_argument("--epochs", type=int, default=30)
    p.add_argument("--output", type=Path, help="a picture of the last forecast")
    p.add_argument("--device", default="cpu")
    p.add_argument("--seed", type=int, default=0)
    args = p.parse_args(argv)

    tinynet.manual_seed(args.seed)
    place: dict[str, Any] = {"dtype": tinynet.float32, "device": args.device}
    try:
        series = read(args.file, args.column)
    except (OSError, ValueError) as problem:
        p.error(str(problem))
    split = int(0.8 * len(series))
    needed = args.season + args.length + args.horizon
    if split <= needed:
        p.error(f"{args.file} has {len(series)} values, expected more than {int(needed / 0.8)} for these options")
    past, future, before = windows(series[:split], args.season, args.length, args.horizon)
    shift, scale = past.mean(), past.std()
    pairs = [tinynet.tensor((a - shift) / scale, **place) for a in (past, future - before)]
    model = Forecaster(args.width, args.horizon).to(args.device)
    optimizer = optim.Adam(model.parameters(), lr=3e-3)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, args.epochs)
    for _ in (progress := trange(args.epochs, unit="epoch")):
        for x, y in DataLoader(TensorDataset(*pairs), 32, shuffle=True):
            optimizer.zero_grad()
            loss = nn.functional.huber_loss(model(x), y)
            loss.backward()
            optimizer.step()
        schedule.step()
        progress.set_postfix_str(f"loss {loss.item():.4f}")

    past, future, before = windows(series[split - args.season - args.length :], args.season, args.length, args.horizon)
    model.eval()
    with tinynet.no_grad():
        change = model(tinynet.tensor((past - shift) / scale, **place)).cpu().numpy()
    forecast = before + change * scale + shift
    ours, naive = (float(np.abs(guess - future).mean()) for guess in (forecast, before))
    print(f"held-out mean absolute error {ours:.4g}; of the last season again {naive:.4g}")
    if args.output is not None:
        from matplotlib.figure import Figure

        axes = (figure := Figure(figsize=(8, 4), layout="constrained")).subplots()
        shown, last = 3 * args.season + args.horizon, len(series) - args.horizon
        axes.plot(range(len(series) - shown, len(series)), series[-shown:], "k", label=args.column)
        axes.plot(range(last, len(series)), before[-1], "C1--", label="the last season again")
        axes.plot(range(last, len(series)), forecast[-1], "C0", label="forecast")
        axes.set_xlabel("step")
        axes.legend()
        figure.savefig(args.output, dpi=120)
    return ours, naive


if __name__ == "__main__":
    main()
