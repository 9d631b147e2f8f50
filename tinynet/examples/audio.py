"""Classifies short recordings by their spectrograms: WAV files LABEL_anything.wav in a folder, such as spoken digits.

python -m tinynet.examples.audio fsdd --test '_[0-4]\\.wav$'
"""

from __future__ import annotations

import argparse
import re
import wave
from pathlib import Path

import numpy as np
from tqdm import trange

import tinynet
from tinynet import nn, optim
from tinynet.utils.data import DataLoader, TensorDataset

WINDOW, HOP, BANDS = 256, 128, 40


def read(path: Path) -> tuple[np.ndarray, int]:
    """The samples of a 16-bit WAV file in [-1, 1), its channels averaged, and how many there are in a second."""
    with wave.open(str(path)) as file:
        if file.getsampwidth() != 2:
            raise ValueError(f"{path} has {8 * file.getsampwidth()}-bit samples, expected 16-bit ones")
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels())
        return samples.mean(1) / 32768, file.getframerate()


def mel_bands(rate: int) -> np.ndarray:
    """Triangular filters (BANDS, frequencies), evenly spaced in mel, 2595 log10(1 + f / 700) (O'Shaughnessy 1987)."""
    frequencies = np.fft.rfftfreq(WINDOW, 1 / rate)
    mels = np.linspace(0, 2595 * np.log10(1 + rate / 2 / 700), BANDS + 2)
    edges = 700 * (10 ** (mels / 2595) - 1)
    rising = (frequencies - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - frequencies) / (edges[2:] - edges[1:-1])[:, None]
    return np.clip(np.minimum(rising, falling), 0, None)


def spectrogram(path: Path, frames: int) -> np.ndarray:
    """Log mel energies (BANDS, frames) at mean 0 and deviation 1, cut or padded with silence at the end."""
    samples, rate = read(path)
    samples = np.pad(samples, (0, max(0, WINDOW + (frames - 1) * HOP - len(samples))))
    pieces = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP][:frames] * np.hanning(WINDOW)
    energy = np.abs(np.fft.rfft(pieces)) ** 2 @ mel_bands(rate).T
    logs = np.log(energy + 1e-6).T
    return np.asarray((logs - logs.mean()) / (logs.std() + 1e-6))


def network(classes: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels, width in ((1, 16), (16, 32), (32, 64)):
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d((1, 4)), nn.Flatten(), nn.Dropout(0.3), nn.Linear(256, classes))


def nearest_mean(x: np.ndarray, y: np.ndarray, asked: np.ndarray, wanted: np.ndarray) -> float:
    """The accuracy of the simplest classifier: the class whose mean spectrogram is nearest."""
    means = np.stack([x[y == label].mean(0).ravel() for label in np.unique(y)])
    distances = ((asked.reshape(len(asked), 1, -1) - means) ** 2).sum(-1)
    return float((distances.argmin(1) == wanted).mean())


def main(argv: list[str] | None = None) -> tuple[float, float]:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder", type=Path)
    p.add_argument("--test", required=True, help="a regular expression for the names of the files to test on")
    p.add_argument("--frames", type=int, default=48, help=f"of {HOP} samples each; the rest of a recording is left out")
    p.add_argument("--epochs", type=int, default=40)
    p.add_argument("--device", default="cpu")
    p.add_argument("--seed", type=int, default=0)
    args = p.parse_args(argv)

    tinynet.manual_seed(args.seed)
    files = sorted(args.folder.glob("*.wav"))
    tested = np.array([re.search(args.test, file.name) is not None for file in files], bool)
    if tested.all() or not tested.any():
        p.error(f"{args.test!r} matches {tested.sum()} of {len(files)} WAV files in {args.folder}, expected a part")
    labels, y = np.unique([file.name.split("_")[0] for file in files], return_inverse=True)
    x = np.stack([spectrogram(file, args.frames) for file in files]).astype(np.float32)
    inputs, targets = tinynet.from_numpy(x[:, None]).to(args.device), tinynet.from_numpy(y).to(args.device)
    kept, held = tinynet.from_numpy(~tested), tinynet.from_numpy(tested)
    model = network(len(labels)).to(args.device)
    optimizer = optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, args.epochs)
    for _ in (progress := trange(args.epochs, unit="epoch")):
        for batch, target in DataLoader(TensorDataset(inputs[kept], targets[kept]), 32, shuffle=True):
            shift = int(tinynet.randint(-4, 5, (1,)))  # speech begins earlier or later
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(batch.roll(shift, 3)), target, label_smoothing=0.1)
            loss.backward()
            optimizer.step()
        schedule.step()
        progress.set_postfix_str(f"loss {loss.item():.3f}")
    model.eval()
    with tinynet.no_grad():
        right = (model(inputs[held]).argmax(1) == targets[held]).float().mean().item()
    simple = nearest_mean(x[~tested], y[~tested], x[tested], y[tested])
    print(f"{len(labels)} classes, {tested.sum()} test recordings: {right:.2%} right; by the nearest mean {simple:.2%}")
    return right, simple


if __name__ == "__main__":
    main()
