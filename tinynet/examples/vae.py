"""A variational autoencoder of MNIST's digits (Kingma and Welling 2013, arXiv 1312.6114).

python -m tinynet.examples.vae --epochs 10 --output vae.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tqdm import tqdm

import tinynet
from tinynet import Tensor, nn, optim
from tinynet.datasets import MNIST
from tinynet.nn import functional as F
from tinynet.utils.data import DataLoader, TensorDataset

from .pictures import save_grid


class VAE(nn.Module):
    """784 pixels -> 400 -> mean and log variance of `latent` numbers -> 400 -> the logits of 784 pixels."""

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.latent = latent
        self.encoder = nn.Sequential(nn.Linear(784, 400), nn.ReLU(), nn.Linear(400, 2 * latent))
        self.decoder = nn.Sequential(nn.Linear(latent, 400), nn.ReLU(), nn.Linear(400, 784))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean, log_variance = self.encoder(x).chunk(2, -1)
        z = mean + (0.5 * log_variance).exp() * tinynet.randn_like(mean)  # the reparametrisation: gradients pass z
        return self.decoder(z), mean, log_variance


def negative_elbo(model: VAE, x: Tensor) -> Tensor:
    """Minus the evidence lower bound (the paper's equation 10), summed over the batch, in nats."""
    logits, mean, log_variance = model(x)
    reconstruction = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
    divergence = -0.5 * (1 + log_variance - mean * mean - log_variance.exp()).sum()
    return reconstruction + divergence  # type: ignore[no-any-return]


def evaluate(model: VAE, images: Tensor) -> float:
    model.eval()
    with tinynet.no_grad():
        total = sum(negative_elbo(model, x).item() for x in images.split(500))
    model.train()
    return float(total) / len(images)


def main(argv: list[str] | None = None) -> float:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--epochs", type=int, default=10)
    p.add_argument("--batch-size", type=int, default=128)
    p.add_argument("--latent", type=int, default=20)
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--limit", type=int, help="train on so many images")
    p.add_argument("--output", type=Path, help="a picture: digits, their reconstructions, and new ones")
    p.add_argument("--device", default="cpu")
    p.add_argument("--seed", type=int, default=0)
    args = p.parse_args(argv)

    tinynet.manual_seed(args.seed)
    train, test = (MNIST(train=part).data[: args.limit].to(args.device) for part in (True, False))
    train, test = ((images.float() / 255).reshape(-1, 784) for images in (train, test))
    model = VAE(args.latent).to(args.device)
    optimizer = optim.Adam(model.parameters(), lr=args.lr)
    loader = DataLoader(TensorDataset(train), args.batch_size, shuffle=True)
    for epoch in range(args.epochs):
        for (x,) in tqdm(loader, desc=f"epoch {epoch + 1}/{args.epochs}"):
            optimizer.zero_grad()
            (negative_elbo(model, x) / len(x)).backward()
            optimizer.step()
    bound = evaluate(model, test)
    print(f"test: -ELBO {bound:.2f} nats per image")
    if args.output is not None:
        model.eval()
        with tinynet.no_grad():
            again = model(test[:16])[0].sigmoid()
            new = model.decoder(tinynet.randn(64, args.latent, device=args.device)).sigmoid()
        save_grid(tinynet.cat([test[:16], again, new]).reshape(-1, 28, 28), args.output, columns=16)
    return bound


if __name__ == "__main__":
    main()
