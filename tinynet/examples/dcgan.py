"""A generative adversarial network of convolutions draws digits (Radford et al. 2015, arXiv 1511.06434).

python -m tinynet.examples.dcgan --epochs 5 --output dcgan.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tqdm import tqdm

import tinynet
from tinynet import nn, optim
from tinynet.datasets import MNIST
from tinynet.nn import functional as F
from tinynet.utils.data import DataLoader, TensorDataset

from .pictures import save_grid


def generator(latent: int) -> nn.Sequential:
    """Noise (N, latent) -> images (N, 1, 28, 28) in [-1, 1]."""
    return nn.Sequential(
        nn.Linear(latent, 64 * 7 * 7, bias=False),
        nn.Unflatten(1, (64, 7, 7)),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.ConvTranspose2d(32, 1, 4, stride=2, padding=1),
        nn.Tanh(),
    )


def discriminator() -> nn.Sequential:
    """Images -> the logit of being real (N, 1)."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(32, 64, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(64),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(64 * 7 * 7, 1),
    )


def draw_weights(module: nn.Module) -> None:
    """The paper's initialisation: standard deviation 0.02."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)  # type: ignore[arg-type]  # it is affine


def main(argv: list[str] | None = None) -> tuple[float, float]:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--epochs", type=int, default=5)
    p.add_argument("--batch-size", type=int, default=64)
    p.add_argument("--latent", type=int, default=64)
    p.add_argument("--lr", type=float, default=5e-4)
    p.add_argument("--limit", type=int, help="train on so many images")
    p.add_argument("--output", type=Path, help="a picture of 64 digits that the generator draws")
    p.add_argument("--device", default="cpu")
    p.add_argument("--seed", type=int, default=0)
    args = p.parse_args(argv)

    tinynet.manual_seed(args.seed)
    images = MNIST(train=True).data[: args.limit].to(args.device).float()[:, None] / 127.5 - 1
    loader = DataLoader(TensorDataset(images), args.batch_size, shuffle=True, drop_last=True)
    g, d = (net.to(args.device).apply(draw_weights) for net in (generator(args.latent), discriminator()))
    g_optimizer, d_optimizer = (optim.Adam(net.parameters(), lr=args.lr, betas=(0.5, 0.999)) for net in (g, d))
    ones = tinynet.ones(args.batch_size, 1, device=args.device)
    bce = F.binary_cross_entropy_with_logits
    for epoch in range(args.epochs):
        progress = tqdm(loader, desc=f"epoch {epoch + 1}/{args.epochs}")
        for step, (real,) in enumerate(progress):
            fake = g(tinynet.randn(args.batch_size, args.latent, device=args.device))

            d_optimizer.zero_grad()
            # One-sided smoothing of the labels (Salimans et al. 2016): real images are so to 90 %.
            d_loss = bce(d(real), 0.9 * ones) + bce(d(fake.detach()), 0 * ones)
            d_loss.backward()
            d_optimizer.step()

            g_optimizer.zero_grad()
            g_loss = bce(d(fake), ones)  # the loss that does not saturate
            g_loss.backward()
            g_optimizer.step()
            if step % 20 == 0:
                progress.set_postfix_str(f"discriminator {d_loss.item():.3f}, generator {g_loss.item():.3f}")
    if args.output is not None:
        g.eval()
        with tinynet.no_grad():
            drawn = g(tinynet.randn(64, args.latent, device=args.device))
        save_grid((drawn.squeeze(1) + 1) / 2, args.output, columns=16)
    return d_loss.item(), g_loss.item()


if __name__ == "__main__":
    main()
