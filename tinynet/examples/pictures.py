"""Many small grey images as one picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tinynet import Tensor


def save_grid(images: Tensor, path: Path, columns: int) -> None:
    """Writes images (N, H, W) with values in [0, 1], `columns` to a row, to a file of any format that Matplotlib knows."""
    from matplotlib.image import imsave

    tiles = images.detach().cpu().numpy()
    n, h, w = tiles.shape
    rows = -(-n // columns)
    grid = np.ones((rows * (h + 2) + 2, columns * (w + 2) + 2), np.float32)
    for i, tile in enumerate(tiles):
        y, x = (i // columns) * (h + 2) + 2, (i % columns) * (w + 2) + 2
        grid[y : y + h, x : x + w] = 1 - tile  # dark strokes on white
    imsave(path, grid.repeat(2, 0).repeat(2, 1), cmap="gray", vmin=0, vmax=1)
