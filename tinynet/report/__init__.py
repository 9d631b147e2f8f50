"""`python -m tinynet.report DIR`: a page with pictures of a run that `python -m tinynet.train --output DIR` has finished.

It writes DIR/report/index.html, which needs no other file, and its pictures beside it as PNG, for light and for dark screens.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def main(argv: list[str] | None = None) -> int:
    """The command line; 2 for a folder that has no finished run, damaged files, a missing package or device."""
    parser = argparse.ArgumentParser(prog="python -m tinynet.report", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR", help="the --output of the run")
    parser.add_argument("--device", default="auto", metavar="{auto,cpu,cuda,cuda:N}", help="default: auto")
    args = parser.parse_args(argv)
    try:
        page = write(args.folder, args.device)
    except (ValueError, OSError, ImportError, RuntimeError) as error:
        print(f"tinynet.report: {str(error).splitlines()[0]}", file=sys.stderr)
        return 2
    print(f"report      {page}")
    return 0


def write(folder: str | Path, device: str = "auto") -> Path:
    """Writes the report of the run in this folder and returns the path of its page.

    Raises ImportError without matplotlib, FileNotFoundError or ValueError if there is no finished run or its files are
    damaged, DeviceUnavailableError.
    """
    require_matplotlib()
    from ..checkpoint import write_atomically
    from . import figures, page
    from .findings import find

    found = find(Path(folder), device)
    target = Path(folder) / "report"
    target.mkdir(exist_ok=True)
    pictures = figures.draw(found)
    for name, picture in pictures.items():
        write_atomically(target / f"{name}.png", picture.light)
        write_atomically(target / f"{name}-dark.png", picture.dark)
    write_atomically(target / "index.html", page.render(found, pictures).encode())
    return target / "index.html"


def require_matplotlib() -> None:
    """ImportError that says what to install, if matplotlib is missing."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise ImportError("the report needs matplotlib: pip install 'tinynet-gpu[plot]'") from None
