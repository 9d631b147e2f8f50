"""A character language model: learns a text file, then writes on in its manner.

python -m tinynet.examples.charlm input.txt --model lstm --epochs 5
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import trange

import tinynet
from tinynet import Tensor, nn, optim
from tinynet.nn import functional as F
from tinynet.optim.lr_scheduler import OneCycleLR


class LSTMModel(nn.Module):
    """Embedding, LSTM layers, and the logits of the next character at every place."""

    def __init__(self, characters: int, width: int, layers: int, length: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(characters, 64)
        self.lstm = nn.LSTM(64, width, layers, batch_first=True, dropout=0.2)
        self.head = nn.Linear(width, characters)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.dropout(self.lstm(self.embed(x))[0], 0.3, self.training))  # type: ignore[no-any-return]


class TransformerModel(nn.Module):
    """The same with self-attention to the places before; positions are learned (Radford et al. 2018)."""

    def __init__(self, characters: int, width: int, layers: int, length: int) -> None:
        super().__init__()
        self.embed, self.positions = nn.Embedding(characters, width), nn.Embedding(length, width)
        layer = nn.TransformerEncoderLayer(width, 4, 4 * width, 0.1, "gelu", batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(layer, layers, nn.LayerNorm(width), enable_nested_tensor=False)
        self.head = nn.Linear(width, characters)

    def forward(self, x: Tensor) -> Tensor:
        places = tinynet.arange(x.shape[1], device=x.device)
        h = self.embed(x) + self.positions(places)
        return self.head(self.blocks(h, mask=places > places[:, None], is_causal=True))  # type: ignore[no-any-return]


MODELS: dict[str, Any] = {"lstm": LSTMModel, "transformer": TransformerModel}


def loss_of(model: nn.Module, text: Tensor, starts: Any, length: int) -> Tensor:
    """The mean of -log p(next character) over pieces of the text, in nats."""
    pieces = text[tinynet.as_tensor(np.asarray(starts)[:, None] + np.arange(length + 1), device=text.device)]
    logits = model(pieces[:, :-1])
    return F.cross_entropy(logits.reshape(-1, logits.shape[-1]), pieces[:, 1:].reshape(-1))


def evaluate(model: nn.Module, text: Tensor, length: int, batch: int) -> float:
    """The loss over the whole text, cut into pieces one after the other."""
    starts = np.arange(0, len(text) - length, length)
    batches = [starts[i : i + batch] for i in range(0, len(starts), batch)]
    model.eval()
    with tinynet.no_grad():
        return float(sum(len(b) * loss_of(model, text, b, length).item() for b in batches) / len(starts))


def write(model: nn.Module, text: Tensor, count: int, length: int, temperature: float) -> list[int]:
    """`count` characters after `text`, each drawn from the model's distribution."""
    model.eval()
    with tinynet.no_grad():
        for _ in range(count):
            chances = F.softmax(model(text[None, -length:])[0, -1] / temperature, 0)
            text = tinynet.cat([text, tinynet.multinomial(chances, 1)])
    return text.tolist()[-count:]  # type: ignore[no-any-return]


def main(argv: list[str] | None = None) -> float:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("file", type=Path, help="a text; its last tenth is held out")
    p.add_argument("--model", choices=MODELS, default="lstm")
    p.add_argument("--width", type=int, default=256)
    p.add_argument("--layers", type=int, default=1)
    p.add_argument("--length", type=int, default=128, help="characters the model sees at a time")
    p.add_argument("--batch-size", type=int, default=64)
    p.add_argument("--epochs", type=float, default=5)
    p.add_argument("--lr", type=float, default=4e-3)
    p.add_argument("--device", default="cpu")
    p.add_argument("--seed", type=int, default=0)
    args = p.parse_args(argv)

    tinynet.manual_seed(args.seed)
    characters, codes = np.unique(list(args.file.read_text(encoding="utf-8")), return_inverse=True)
    text = tinynet.from_numpy(codes).to(args.device)
    train, held = text[: len(text) * 9 // 10], text[len(text) * 9 // 10 :]
    if len(held) < 10 * args.length:
        p.error(f"{args.file} has {len(codes)} characters, expected at least {100 * args.length}")
    model = MODELS[args.model](len(characters), args.width, args.layers, args.length).to(args.device)
    optimizer = optim.AdamW(model.parameters(), lr=args.lr, weight_decay=0.01)
    steps = 1 + int(args.epochs * len(train) / (args.batch_size * args.length))
    schedule = OneCycleLR(optimizer, args.lr, total_steps=steps, pct_start=0.1, cycle_momentum=False)
    for _ in (progress := trange(steps, unit="step")):
        starts = tinynet.randint(0, len(train) - args.length, (args.batch_size,)).numpy()
        optimizer.zero_grad()
        loss = loss_of(model, train, starts, args.length)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        progress.set_postfix_str(f"loss {loss.item():.3f}", refresh=False)
    length = args.length * (8 if args.model == "lstm" else 1)  # an LSTM can go on for longer than it was trained for
    print(f"held-out loss {(result := evaluate(model, held, length, args.batch_size)):.4f} nats per character")
    print("".join(characters[write(model, held[: args.length], 500, length, 0.8)]))
    return result


if __name__ == "__main__":
    main()
