"""The pictures of a report: matplotlib figures of what was found, each for a light and for a dark page."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from .findings import Findings, Images

WIDTH, DPI = 10.0, 160  # inches, and pixels to the inch, of every picture
SIDE = 1.25  # inches beside a grid of images for the names of its rows
FOR, AGAINST = "#e69f00", "#56b4e9"  # of one lightness, told apart with any kind of colour vision (Okabe and Ito 2008)
HEAT = "inferno"  # perceptually uniform, from black


@dataclass(frozen=True)
class Theme:
    """Colours of a page. `first` and `second` are Okabe and Ito's; `sequential` is perceptually uniform, from about the
    brightness of the page."""

    page: str
    text: str
    muted: str
    lines: str
    first: str
    second: str
    sequential: str


LIGHT = Theme("#ffffff", "#1a1d21", "#5c6370", "#d9dce1", "#0072b2", "#d55e00", "magma_r")
DARK = Theme("#15181c", "#e8eaed", "#9aa1ab", "#3a3f47", "#56b4e9", "#e69f00", "magma")


@dataclass
class Picture:
    """A PNG file for each theme, and what it shows, in words for those who cannot see it."""

    light: bytes
    dark: bytes
    alt: str


def draw(found: Findings) -> dict[str, Picture]:
    """All pictures that this run can have, by file name."""
    names = found.classes
    plots: dict[str, tuple[Callable[..., Any], str]] = {}
    if found.history:
        plots["curves"] = partial(curves, found.history), _curves_in_words(found.history)
    plots["confusion"] = partial(_confusion, found.confusion, names), _confusion_in_words(found)
    if len(found.hardest.labels):
        titles = [mistake(found.hardest, i, names) for i in range(len(found.hardest.labels))]
        rows = [[shown(p) for p in found.hardest.pixels[i : i + 10]] for i in range(0, len(titles), 10)]
        alt = f"The {len(titles)} hardest test images, label → prediction: {_listed(titles)}."
        plots["hardest"] = partial(_grid, rows, titles), alt
    for name, images in (("explanations", found.examples), ("mistakes", found.explained_mistakes)):
        if len(images.labels):
            titles = [mistake(images, i, names) for i in range(len(images.labels))]
            if name == "explanations":
                titles = [names[label] for label in images.labels]
            layers = overlays(images)
            alt = f"{', '.join(layers)} of test images of the classes {_listed(titles)}."
            plots[name] = partial(_grid, list(layers.values()), titles, sides=list(layers)), alt
    if found.weights is not None:
        filters = filter_images(found.weights)
        columns = 16 if filters[0].shape[0] <= 11 else 8
        rows = [filters[i : i + columns] for i in range(0, len(filters), columns)]
        alt = f"{len(filters)} weight images of {filters[0].shape[0]} by {filters[0].shape[1]} of layer {found.weights_layer}."
        plots["weights"] = partial(_grid, rows, []), alt
    return {name: Picture(png(plot, LIGHT), png(plot, DARK), alt) for name, (plot, alt) in plots.items()}


# images as arrays of colours


def shown(pixels: Any) -> Any:
    """A stored image (C, H, W) as (H, W, 3) in [0, 1]; of other than three channels their mean. Bytes are from 0 to 255,
    other numbers from their least to their greatest."""
    image = np.asarray(pixels, np.float64)
    low, high = (0.0, 255.0) if pixels.dtype == np.uint8 else (image.min(), image.max())
    image = (image - low) / (high - low or 1.0)
    if len(image) != 3:
        image = np.broadcast_to(image.mean(axis=0), (3, *image.shape[1:]))
    return np.clip(image.transpose(1, 2, 0), 0, 1)


def overlays(images: Images) -> dict[str, list[Any]]:
    """By name, the images themselves and each attribution in colour over the dimmed image."""
    from matplotlib import colormaps
    from matplotlib.colors import to_rgb

    bases = [shown(p) for p in images.pixels]
    heat = colormaps[HEAT]
    result = {"Image": bases}
    result["Saliency"] = [
        _over(base, strength := _scaled(values), heat(strength)[..., :3])
        for base, values in zip(bases, images.saliency)
    ]
    sides = np.array([to_rgb(AGAINST), to_rgb(FOR)])
    result["Integrated gradients"] = [
        _over(base, _scaled(np.abs(values)), sides[(values > 0).astype(int)])
        for base, values in zip(bases, images.integrated)
    ]
    if images.cam is not None:
        result["Grad-CAM"] = [
            _over(base, 0.7 * (strength := _stretched(_scaled(values), base.shape[:2])), heat(strength)[..., :3])
            for base, values in zip(bases, images.cam)
        ]
    return result


def filter_images(weights: Any) -> list[Any]:
    """Weights (N, C, h, w) as images: three channels as colours around grey, others by their mean's sign and size."""
    from matplotlib.colors import to_rgb

    if weights.shape[1] == 3:
        return list(np.clip(0.5 + 0.5 * weights.transpose(0, 2, 3, 1) / np.abs(weights).max(), 0, 1))
    mean = weights.mean(axis=1)
    sides = np.array([to_rgb(AGAINST), to_rgb(FOR)])
    return list(sides[(mean > 0).astype(int)] * _scaled(np.abs(mean))[..., None])


def _scaled(values: Any) -> Any:
    """From 0 to 1, where the largest half percent are 1."""
    top = np.quantile(values, 0.995)
    return np.clip(values / top, 0, 1) if top > 0 else np.zeros_like(values)


def _over(base: Any, alpha: Any, colours: Any) -> Any:
    """Colours with opacity alpha (H, W) over the image in dimmed grey."""
    dimmed = np.repeat(base.mean(axis=2, keepdims=True) * 0.45, 3, axis=2)
    return np.clip(dimmed * (1 - alpha[..., None]) + colours * alpha[..., None], 0, 1)


def _stretched(values: Any, size: tuple[int, int]) -> Any:
    """A coarse map at the size of the image, bilinearly; its cells cover the image evenly."""
    for axis, length in enumerate(size):
        cells = values.shape[axis]
        places = np.clip((np.arange(length) + 0.5) * cells / length - 0.5, 0, cells - 1)
        low = np.floor(places).astype(int)
        share = (places - low).reshape(-1, *[1] * (1 - axis))
        high = np.minimum(low + 1, cells - 1)
        values = values.take(low, axis) * (1 - share) + values.take(high, axis) * share
    return values


# plots


def png(plot: Callable[..., Any], theme: Theme = LIGHT) -> bytes:
    """The file of what `plot(theme=theme)` draws."""
    import matplotlib

    style = {
        "axes.axisbelow": True,
        "axes.edgecolor": theme.lines,
        "axes.facecolor": theme.page,
        "axes.labelcolor": theme.muted,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlecolor": theme.text,
        "axes.titlelocation": "left",
        "axes.titlepad": 12,
        "axes.titlesize": 11,
        "figure.facecolor": theme.page,
        "font.size": 10,
        "grid.color": theme.lines,
        "grid.linewidth": 0.6,
        "legend.frameon": False,
        "text.color": theme.text,
        "xtick.color": theme.lines,
        "xtick.labelcolor": theme.muted,
        "ytick.color": theme.lines,
        "ytick.labelcolor": theme.muted,
    }
    file = io.BytesIO()
    with matplotlib.rc_context(style):
        plot(theme=theme).savefig(file, format="png", dpi=DPI)
    return file.getvalue()


def curves(history: list[dict[str, Any]], theme: Theme) -> Any:
    """Loss and accuracy over the epochs."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    figure = Figure(figsize=(WIDTH, 3.5), layout="constrained")
    epochs = [row["epoch"] for row in history]
    for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy")):
        lines = (("train", "training", theme.first, "o-"), ("validation", "validation", theme.second, "s--"))
        for part, label, colour, style in lines:
            values = [row.get(f"{part}_{name}") for row in history]
            if None not in values:
                axes.plot(epochs, values, style, color=colour, label=label, linewidth=2, markersize=5)
        axes.set(title=name.capitalize(), xlabel="epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(axis="y")
        axes.tick_params(length=0)
        axes.margins(x=0.04, y=0.1)
        if name == "accuracy":
            axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.legend(loc="best")
    return figure


def _confusion(counts: Any, names: Sequence[str], theme: Theme) -> Any:
    """Mistakes in colour, by their share of the label's images; what is right in grey."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    n = len(counts)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    mistakes = np.ma.masked_where((counts == 0) | np.eye(n, dtype=bool), shares)
    top = float(mistakes.max()) if mistakes.count() else 0.01
    colours = ListedColormap(colormaps[theme.sequential](np.linspace(0.15, 0.95, 256)))
    figure = Figure(figsize=(WIDTH, 6.6), layout="compressed")
    axes = figure.add_subplot()
    picture = axes.imshow(mistakes, cmap=colours, vmin=0, vmax=top)
    for i in range(n):
        axes.add_patch(_square(i, i, theme.lines))
    if n <= 20:
        size = 10 if n <= 10 else 6
        for (i, j), count in np.ndenumerate(counts):
            if count:
                red, green, blue, _ = colours(shares[i, j] / top) if i != j else (0, 0, 0, 1)
                bright = 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.4
                colour = theme.text if i == j else "#000000" if bright else "#ffffff"
                axes.text(j, i, f"{count:,}", ha="center", va="center", color=colour, fontsize=size)
    upright = max(map(len, names)) <= 4
    axes.set_xticks(range(n), names, rotation=0 if upright else 45, ha="center" if upright else "right")
    axes.set_yticks(range(n), names)
    axes.set(xlabel="prediction", ylabel="label")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(picture, ax=axes, shrink=0.6, aspect=25, pad=0.02, format=PercentFormatter(1.0, decimals=1))
    bar.set_label("mistakes, of the label's images")
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0)
    return figure


def _square(column: int, row: int, colour: str) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=colour, edgecolor="none")


def _grid(rows: list[list[Any]], titles: list[str], theme: Theme, sides: Sequence[str] = ()) -> Any:
    """Images in rows. A title for each image stands above it; if rows have names beside them, one for each column."""
    from matplotlib.figure import Figure

    columns, line = max(map(len, rows)), 0.18
    gap = 0.08 if titles else 0.2
    left = SIDE if sides else 0.0
    cell = min((WIDTH - left + gap) / columns, 1.3) - gap
    aspect = rows[0][0].shape[0] / rows[0][0].shape[1]
    above = line * max((title.count("\n") + 1 for title in titles), default=0) + (0.1 if titles else 0.0)
    longest = max((len(text) for title in titles for text in title.split("\n")), default=1)
    size = min(9.0, cell / longest / 0.6 * 72)  # points: a letter is about 0.6 of its size wide
    headed = range(len(rows)) if titles and not sides else range(1)
    height = sum(cell * aspect + gap + (above if r in headed else 0.0) for r in range(len(rows))) + 0.05
    figure = Figure(figsize=(WIDTH, height))
    y = height
    for r, row in enumerate(rows):
        y -= above if r in headed else 0.0
        for c, image in enumerate(row):
            x = left + c * (cell + gap)
            axes = figure.add_axes(
                (x / WIDTH, (y - cell * aspect) / height, cell / WIDTH, cell * aspect / height), xticks=[], yticks=[]
            )
            axes.imshow(image, interpolation="nearest", aspect="auto")
            axes.spines[:].set_visible(False)
            if titles and r in headed:
                number = c if sides else sum(map(len, rows[:r])) + c
                figure.text(
                    (x + cell / 2) / WIDTH,
                    (y + 0.06) / height,
                    titles[number],
                    ha="center",
                    va="bottom",
                    fontsize=size,
                    linespacing=1.15,
                )
        if sides:
            name = sides[r].replace(" ", "\n")
            figure.text(0, (y - cell * aspect / 2) / height, name, ha="left", va="center", color=theme.muted)
        y -= cell * aspect + gap
    return figure


# words


def mistake(images: Images, i: int, names: Sequence[str]) -> str:
    """Label, prediction and the probability of the prediction, in two lines, or three for long names."""
    label, prediction = names[images.labels[i]], names[images.predictions[i]]
    between = " " if len(label) + len(prediction) <= 6 else "\n"
    return f"{label}{between}→ {prediction}\n{images.confidences[i]:.0%}"


def _listed(titles: Sequence[str]) -> str:
    return ", ".join(title.replace("\n", " ") for title in titles)


def _curves_in_words(history: list[dict[str, Any]]) -> str:
    first, last = history[0], history[-1]
    parts = []
    for part, label in (("train", "training"), ("validation", "validation")):
        if f"{part}_loss" in first:
            text = f"{label} loss from {first[f'{part}_loss']:.3f} to {last[f'{part}_loss']:.3f}"
            if f"{part}_accuracy" in first:
                text += f", accuracy from {first[f'{part}_accuracy']:.1%} to {last[f'{part}_accuracy']:.1%}"
            parts.append(text)
    return f"Learning curves over {len(history)} epochs: {'; '.join(parts)}."


def _confusion_in_words(found: Findings) -> str:
    pairs = [(int(n), i, j) for (i, j), n in np.ndenumerate(found.confusion) if i != j and n]
    pairs.sort(key=lambda pair: -pair[0])
    most = ", ".join(f"{found.classes[i]} as {found.classes[j]} {n} times" for n, i, j in pairs[:5])
    return (
        f"Confusion matrix of {found.confusion.sum():,} test images; {f'most often {most}' if most else 'no mistakes'}."
    )
