"""A character language model: learns a text file, then writes on in its manner.

python -m tinynet.examples.charlm input.txt --model lstm --epochs 5
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

import tinynet
from tinynet import Tensor, nn, optim
from tinynet.nn import functional as F
from tinynet.optim.lr_scheduler import OneCycleLR


class LSTMModel(nn.Module):
    """Embedding, LSTM layers, and the logits of the next character at every place; goes on from the state it is given."""

    def __init__(self, characters: int, width: int, layers: int, length: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(characters, 64)
        self.lstm = nn.LSTM(64, width, layers, batch_first=True, dropout=0.2)
        self.head = nn.Linear(width, characters)

    def forward(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        h, state = self.lstm(self.embed(x), state)
        return self.head(F.dropout(h, 0.3, self.training)), state


class TransformerModel(nn.Module):
    """The same with self-attention to the places before; positions are learned (Radford et al. 2018). It keeps no state."""

    def __init__(self, characters: int, width: int, layers: int, length: int) -> None:
        super().__init__()
        self.embed, self.positions = nn.Embedding(characters, width), nn.Embedding(length, width)
        layer = nn.TransformerEncoderLayer(width, 4, 4 * width, 0.1, "gelu", batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(layer, layers, nn.LayerNorm(width), enable_nested_tensor=False)
        self.head = nn.Linear(width, characters)

    def forward(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        places = tinynet.arange(x.shape[1], device=x.device)
        h = self.embed(x) + self.positions(places)
        return self.head(self.blocks(h, mask=places > places[:, None], is_causal=True)), None


MODELS: dict[str, Any] = {"lstm": LSTMModel, "transformer": TransformerModel}


def losses(model: nn.Module, text: Tensor, batch: int, length: int) -> Iterator[Tensor]:
    """The mean of -log p(next character), in nats, piece after piece; `batch` stretches of the text are read side by side."""
    rows, state = text[: len(text) // batch * batch].reshape(batch, -1), None
    for i in range(0, rows.shape[1] - length, length):
        logits, state = model(rows[:, i : i + length], state)
        state = state and tuple(s.detach() for s in state)  # gradients end here (Williams and Peng 1990)
        yield F.cross_entropy(logits.flatten(0, 1), rows[:, i + 1 : i + length + 1].flatten())


def write(model: nn.Module, text: Tensor, count: int, length: int) -> list[int]:
    """`count` characters after `text`, each drawn from the model's distribution, sharpened a little."""
    state, new = None, text[-length:]
    with tinynet.no_grad():
        for _ in range(count):
            logits, state = model(new[None], state)
            text = tinynet.cat([text, tinynet.multinomial(F.softmax(logits[0, -1] / 0.8, 0), 1)])
            new = text[-1:] if state else text[-length:]
    return text.tolist()[-count:]  # type: ignore[no-any-return]


def main(argv: list[str] | None = None) -> float:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("file", type=Path, help="a text; its last tenth is held out")
    p.add_argument("--model", choices=MODELS, default="lstm")
    p.add_argument("--width", type=int, default=512)
    p.add_argument("--layers", type=int, default=1)
    p.add_argument("--length", type=int, default=64, help="characters from one step of the optimizer to the next")
    p.add_argument("--batch-size", type=int, default=32)
    p.add_argument("--epochs", type=int, default=5)
    p.add_argument("--lr", type=float, default=3e-3)
    p.add_argument("--device", default="cpu")
    p.add_argument("--seed", type=int, default=0)
    args = p.parse_args(argv)
    tinynet.manual_seed(args.seed)
    characters, codes = np.unique(list(args.file.read_text(encoding="utf-8")), return_inverse=True)
    text = tinynet.from_numpy(codes).to(args.device)
    train, held = text[: len(text) * 9 // 10], text[len(text) * 9 // 10 :]
    if len(held) // args.batch_size <= args.length:
        p.error(f"{args.file} has {len(text)} characters, expected at least {10 * args.batch_size * (args.length + 1)}")
    model = MODELS[args.model](len(characters), args.width, args.layers, args.length).to(args.device)
    optimizer = optim.AdamW(model.parameters(), lr=args.lr, weight_decay=0.01)
    steps = ((len(train) - args.length) // args.batch_size - 1) // args.length
    schedule = OneCycleLR(optimizer, args.lr, total_steps=args.epochs * steps, pct_start=0.1, cycle_momentum=False)
    for epoch in range(args.epochs):
        start = int(tinynet.randint(args.length, ()).item())  # so that pieces are cut elsewhere than in the last epoch
        part = train[start : len(train) - args.length + start]
        model.train()
        progress = tqdm(losses(model, part, args.batch_size, args.length), f"epoch {epoch + 1}", steps)
        for loss in progress:
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            progress.set_postfix_str(f"loss {loss.item():.3f}", refresh=False)
        model.eval()
        with tinynet.no_grad():
            result = float(np.mean([loss.item() for loss in losses(model, held, args.batch_size, args.length)]))
        print(f"held-out loss {result:.4f} nats per character")
    print("".join(characters[write(model, held[: args.length], 500, args.length)]))
    return result


if __name__ == "__main__":
    main()
