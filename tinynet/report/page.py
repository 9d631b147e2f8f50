"""The page of a report: one HTML file with everything inside, for light and dark screens and for paper."""

from __future__ import annotations

import argparse
import base64
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from .figures import AGAINST, FOR, Picture
from .findings import STEPS, Findings

NONE = "\N{EN DASH}"  # in place of a figure there is not
STYLE = """
:root { color-scheme: light dark; --page: #fff; --text: #1a1d21; --muted: #5c6370; --lines: #d9dce1; --panel: #f5f6f8;
  --accent: #0072b2 }
@media screen and (prefers-color-scheme: dark) { :root { --page: #15181c; --text: #e8eaed; --muted: #9aa1ab;
  --lines: #3a3f47; --panel: #1e2228; --accent: #56b4e9 } }
* { box-sizing: border-box }
body { margin: 0; background: var(--page); color: var(--text);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif }
main { max-width: 62rem; margin: 0 auto; padding: 2.5rem 1.5rem 4rem }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 .25rem; letter-spacing: -.01em }
h2 { font-size: 1.3rem; line-height: 1.3; margin: 3rem 0 .5rem; padding-top: 1.25rem; border-top: 1px solid var(--lines) }
p { margin: .5rem 0 1rem; max-width: 46rem }
.muted, figcaption, caption { color: var(--muted) }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(12rem, 1fr)); gap: .75rem; margin: 1.75rem 0 0 }
dl div { background: var(--panel); border-radius: .5rem; padding: .75rem 1rem }
dt { color: var(--muted); font-size: .85rem }
dd { margin: 0; font-size: 1.35rem; font-weight: 600; line-height: 1.3; font-variant-numeric: tabular-nums;
  overflow-wrap: anywhere }
figure { margin: 1rem 0 1.5rem }
img { display: block; width: 100%; height: auto }
figcaption { font-size: .9rem; margin-top: .6rem; max-width: 46rem }
.scroll { overflow-x: auto }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; margin: .75rem 0 }
caption { text-align: left; font-size: .9rem; padding-bottom: .4rem }
th, td { padding: .3rem .9rem .3rem 0; text-align: right; border-bottom: 1px solid var(--lines); white-space: nowrap }
th { font-weight: 600 } tbody th { font-weight: 400 }
th:first-child, td:first-child, .words td, .words th, td.words { text-align: left }
.words td { white-space: normal; overflow-wrap: anywhere }
pre { background: var(--panel); border-radius: .5rem; padding: .9rem 1rem; white-space: pre-wrap; overflow-wrap: anywhere;
  font: .9rem/1.5 ui-monospace, "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace }
summary { cursor: pointer; color: var(--accent); padding: .25rem 0 }
summary:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px }
.key { white-space: nowrap }
.key span { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin: 0 .3em 0 0; vertical-align: -.05em;
  print-color-adjust: exact; -webkit-print-color-adjust: exact }
@media print { @page { margin: 15mm } body { font-size: 10.5pt } main { max-width: none; padding: 0 }
  h2 { break-after: avoid; margin-top: 1.5rem } figure, tr, dl div { break-inside: avoid }
  dl div, pre { border: 1px solid var(--lines) } dl { grid-template-columns: repeat(4, 1fr) } }
"""


def render(found: Findings, pictures: dict[str, Picture]) -> str:
    """The whole page."""
    options = found.options
    title = f"{options.model} on {Path(options.data_dir).name if options.data_dir else options.dataset}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="muted">{_amount(len(found.classes), "class", "es")}, '
        f"{_amount(int(found.confusion.sum()), 'test image')}</p>",
        _tiles(found),
        _section("Learning curves", _curves(found, pictures)),
        _section("Confusion matrix", _confusion(found, pictures)),
        _section("Hardest images", _hardest(pictures)),
        _section("What the model looks at", _explanations(found, pictures)),
        _section("First layer", _weights(found, pictures)),
        _section("The run", _run(found)),
    ]
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{escape(title)} · tinynet</title>\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n<main>\n" + "\n".join(parts) + "\n</main>\n</body>\n</html>\n"
    )


def command(options: argparse.Namespace) -> str:
    """The command line of the run: the options that are not their defaults."""
    from ..train.options import NOT_OF_THE_RUN, parser

    words = ["python -m tinynet.train"]
    for action in parser()._actions:
        value = getattr(options, action.dest, None)
        if action.dest in NOT_OF_THE_RUN or action.dest == "help" or value == action.default:
            continue
        words.append(action.option_strings[-1] if value is True else f"{action.option_strings[-1]} {value}")
    return " ".join(words)


def _tiles(found: Findings) -> str:
    seconds = sum(row["train_seconds"] for row in found.history)
    samples = sum(row["train_samples"] for row in found.history)
    wrong = round((1 - found.accuracy) * int(found.confusion.sum()))
    figures = {
        "Test accuracy": f"{found.accuracy:.2%}",
        "Test loss": f"{found.loss:.4f}",
        "Mistakes": f"{wrong:,}",
        "Epochs": str(len(found.history)),
        "Training time": _duration(seconds),
        "Images per second": f"{samples / seconds:,.0f}" if seconds else NONE,
        "Parameters": f"{found.parameters:,}",
        "Trained on": str(found.config.get("device", NONE)),
    }
    return "<dl>" + "".join(f"<div><dt>{k}</dt><dd>{escape(v)}</dd></div>" for k, v in figures.items()) + "</dl>"


def _curves(found: Findings, pictures: dict[str, Picture]) -> str:
    if not found.history:
        return "<p>No epoch was finished.</p>"
    note = (
        "The training figures are means over the epoch, of the network as it was then, with augmentation and dropout where "
        "there are any."
    )
    names = [name for name, value in found.history[-1].items() if isinstance(value, (int, float))]
    rows = [[_number(name, row.get(name)) for name in names] for row in found.history]
    table = _table([name.replace("_", " ") for name in names], rows)
    return _figure(pictures["curves"], note) + f"<details><summary>The figures of each epoch</summary>{table}</details>"


def _confusion(found: Findings, pictures: dict[str, Picture]) -> str:
    counts = found.confusion
    rows = []
    for i, name in enumerate(found.classes):
        wrong = np.where(np.arange(len(counts)) == i, 0, counts[i])
        worst = int(wrong.argmax())
        taken = f"{found.classes[worst]} ({wrong[worst]:,})" if wrong[worst] else NONE
        figures = [f"{values[i]:.2%}" for values in found.by_class.values()]
        rows.append([name, f"{counts[i].sum():,}", *figures, taken])
    headings = ["Class", "Images", *(name.capitalize() for name in found.by_class), "Most often taken for"]
    caption = "Precision: of those predicted as the class. Recall: of those labelled as the class."
    note = "Rows are labels, columns predictions. The colour of a mistake is its share of the label's images."
    return _figure(pictures["confusion"], note) + _table(headings, rows, caption)


def _hardest(pictures: dict[str, Picture]) -> str:
    if "hardest" not in pictures:
        return "<p>The model makes no mistake on the test images.</p>"
    return _figure(
        pictures["hardest"],
        "Label → prediction, and the probability the model gives its prediction. The highest losses come first.",
    )


def _explanations(found: Findings, pictures: dict[str, Picture]) -> str:
    lines = [
        "<strong>Saliency</strong> is how fast the score of the prediction changes with each pixel.",
        "<strong>Integrated gradients</strong> share the score's difference to that of a black image out among the pixels: "
        f"{_key(FOR, 'orange')} adds to it, {_key(AGAINST, 'blue')} takes away ({STEPS} steps).",
    ]
    if found.cam_layer:
        lines.append(
            f"<strong>Grad-CAM</strong> is where in the feature maps of layer <code>{escape(found.cam_layer)}</code> the score "
            "comes from, the brighter the more."
        )
    else:
        lines.append(f"There is no <strong>Grad-CAM</strong>, as the model {found.options.model} has no feature maps.")
    parts = [f"<p>{' '.join(lines)}</p>"]
    for name, note in (
        (
            "explanations",
            "The first test image of each class that the model gets right, and what speaks for the prediction.",
        ),
        ("mistakes", "The hardest images: label → prediction, and what speaks for the wrong prediction."),
    ):
        if name in pictures:
            parts.append(_figure(pictures[name], note))
    return "".join(parts)


def _weights(found: Findings, pictures: dict[str, Picture]) -> str:
    if "weights" not in pictures:
        return f"<p>The model {found.options.model} has no layer whose weights can be seen as images.</p>"
    count, total = len(found.weights), found.weights_total
    which = f"All {total}" if count == total else f"{count} of {total}"
    kinds = "filters" if "Conv" in found.weights_layer else "units, those with the largest weights"
    colours = (
        "grey is zero"
        if found.weights.shape[1] == 3
        else f"{_key(FOR, 'orange')} is positive, {_key(AGAINST, 'blue')} negative, black zero, on one scale"
    )
    layer = f"<code>{escape(found.weights_layer)}</code>"
    return _figure(pictures["weights"], f"{which} {kinds} of layer {layer}: {colours}.")


def _run(found: Findings) -> str:
    versions = found.config.get("versions", {})
    known = ", ".join(f"{escape(name)} {escape(version)}" for name, version in versions.items())
    options = [
        [name.replace("_", "-"), NONE if value is None else str(value)]
        for name, value in found.config.items()
        if name not in ("device", "versions")
    ]
    return (
        f"<pre><code>{escape(command(found.options))}</code></pre>"
        f'<p class="muted">Trained with {known or "unknown versions"}. Evaluated for this page on {escape(found.device)}.</p>'
        f"<details><summary>All options</summary>{_table(['Option', 'Value'], options, words=True)}</details>"
    )


# pieces of HTML


def _section(heading: str, content: str) -> str:
    return f"<section>\n<h2>{heading}</h2>\n{content}\n</section>"


def _figure(picture: Picture, caption: str) -> str:
    """Both themes of a picture; paper takes the light one. `caption` is HTML."""
    light, dark = (f"data:image/png;base64,{base64.b64encode(data).decode()}" for data in (picture.light, picture.dark))
    return (
        f'<figure><picture><source media="screen and (prefers-color-scheme: dark)" srcset="{dark}">'
        f'<img src="{light}" alt="{escape(picture.alt)}"></picture><figcaption>{caption}</figcaption></figure>'
    )


def _key(colour: str, name: str) -> str:
    return f'<span class="key"><span style="background:{colour}"></span>{name}</span>'


def _table(headings: list[str], rows: list[list[str]], caption: str = "", words: bool = False) -> str:
    """The first cell of each row is its heading; `words` puts all columns to the left."""
    head = "".join(f'<th scope="col">{escape(h)}</th>' for h in headings)
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in row[1:])}</tr>'
        for row in rows
    )
    above = f"<caption>{escape(caption)}</caption>" if caption else ""
    kind = ' class="words"' if words else ""
    return f'<div class="scroll"><table{kind}>{above}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _number(name: str, value: Any) -> str:
    if value is None:
        return NONE
    if "accuracy" in name:
        return f"{value:.2%}"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.1f}" if "seconds" in name else f"{value:.2e}" if name.startswith("lr") else f"{value:.4f}"


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _amount(count: int, one: str, ending: str = "s") -> str:
    return f"{count:,} {one}{'' if count == 1 else ending}"
