"""Files from the network: from the first mirror that has them, resumed where they broke off, checked, and kept."""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any

TIMEOUT = 30  # seconds without a byte
CHUNK = 1 << 18


class DownloadError(OSError):
    """No mirror gave the file; the message says what each of them answered and what to do without a network."""


def cache_dir() -> Path:
    """Where data sets are kept: $TINYNET_CACHE, or tinynet/ in the user's folder for caches."""
    if "TINYNET_CACHE" in os.environ:
        return Path(os.environ["TINYNET_CACHE"])
    base = os.environ.get("XDG_CACHE_HOME") or (os.environ.get("LOCALAPPDATA") if os.name == "nt" else None)
    return Path(base or Path.home() / ".cache") / "tinynet"


def fetch(name: str, md5: str, mirrors: Iterable[str], folder: str | Path) -> Path:
    """The path of the file `name` in `folder`, downloaded if it is not there with this checksum.

    mirrors  addresses that end in "/" and are followed by the name. What one of them sends before it breaks off is kept as
             name.part, and the next, or the next call, goes on from there.

    Raises DownloadError (an OSError) if no mirror gives a file with the checksum, OSError if `folder` is not writable.
    """
    path = Path(folder) / name
    if path.is_file() and md5_of(path) == md5:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(name + ".part")
    problems = []
    for mirror in mirrors:
        try:
            resumed = _receive(mirror + name, part)
            if resumed and md5_of(part) != md5:  # what was there was not the start of this file
                part.unlink()
                _receive(mirror + name, part)
        except (OSError, http.client.HTTPException) as error:
            problems.append(f"{mirror}: {getattr(error, 'reason', None) or error or type(error).__name__}")
            continue
        found = md5_of(part)
        if found == md5:
            os.replace(part, path)
            return path
        part.unlink()
        problems.append(f"{mirror}: sent a file with MD5 {found}, expected {md5}")
    raise DownloadError(
        f"{name} could not be downloaded ({'; '.join(problems)}). Without a network, put the file into {path.parent}"
    )


def md5_of(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _receive(url: str, part: Path) -> bool:
    """Adds to `part` what it lacks of the file at `url`; whether it began with what was there."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "tinynet"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != 416:  # nothing left to send: the file may be whole, or longer than the mirror's
            raise
        return True
    with response:
        resumed = response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        if not resumed:
            have = 0
        _copy(response, part, have)
    return have > 0


def _copy(response: Any, part: Path, have: int) -> None:
    from tqdm import tqdm

    length = response.headers.get("Content-Length")
    total = None if length is None else have + int(length)
    with (
        part.open("ab" if have else "wb") as file,
        tqdm(desc=part.stem, total=total, initial=have, unit="B", unit_scale=True, disable=None) as bar,
    ):  # no bar where stderr is no terminal
        while chunk := response.read(CHUNK):
            file.write(chunk)
            bar.update(len(chunk))
    size = part.stat().st_size
    if total is not None and size != total:
        raise ConnectionError(f"broke off after {size} of {total} bytes")
