"""Fetches a file over HTTP: goes on where it was cut off, and keeps it only if its sha256 is right.

What has come lies in NAME.part, with what the server called that version of it (its ETag or date)
in NAME.part.version beside it; the name itself is given when all is there and verified.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import IO, Any

from tqdm import tqdm

import tracker_ros
from tracker_ros.errors import ModelError, program
from tracker_ros.models.card import file_sha256

TIMEOUT = 30.0
"""Seconds without a byte after which a connection counts as lost."""
ATTEMPTS = 5
"""Connections that may break off, each having brought something, before the user is asked."""
LARGEST = 4 << 30
"""Bytes of the largest file that is fetched; official checkpoints have some hundred million."""
BLOCK = 1 << 16


class _CutOff(Exception):
    """The connection ended before the file did."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows to HTTP only, and from https nowhere that is not."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str,
        headers: http.client.HTTPMessage, newurl: str,
    ) -> urllib.request.Request | None:  # fmt: skip
        """Refuse what is less safe than what was asked for."""
        before = urllib.parse.urlsplit(req.full_url).scheme
        after = urllib.parse.urlsplit(newurl).scheme
        if after not in ("http", "https") or (before == "https" and after != "https"):
            fp.close()
            raise ModelError(
                f"{req.full_url} sends on to {newurl}, which is refused: {before} to {after}"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    """HTTP and nothing else: urllib's own opener also reads file: and ftp:."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler, urllib.request.HTTPHandler, urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler, _Redirects, urllib.request.HTTPErrorProcessor,
        urllib.request.UnknownHandler,
    ):  # fmt: skip
        opener.add_handler(handler())
    return opener


def fetch(url: str, sha256: str, target: Path) -> None:
    """Bring the file of `url` to `target`, going on with what an earlier try has left.

    A bar on stderr tells how far it is. A target that is there with the right content stays.
    Raises ModelError when the address is none, the server cannot be reached or refuses, sends less
    than it said, the content is not that of `sha256` (it is then removed), or the folder cannot be
    written.
    """
    part = target.with_name(f"{target.name}.part")
    version = target.with_name(f"{target.name}.part.version")
    try:
        if target.is_file() and file_sha256(target) == sha256:
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        _fetch_all(url, part, version)
        found = file_sha256(part)
        if found != sha256:
            part.unlink()
            version.unlink(missing_ok=True)
            raise ModelError(
                f"{url} is not the file that the card names: sha256 expected {sha256}, got "
                f"{found}; what was fetched is removed"
            )
        os.replace(part, target)
        version.unlink(missing_ok=True)
    except urllib.error.HTTPError as error:
        error.close()
        words = " ".join(str(error.reason).split())
        raise ModelError(
            f"{url} cannot be fetched: the server says {error.code} {words}"
        ) from error
    except urllib.error.URLError as error:
        raise ModelError(
            f"{url} cannot be fetched: {error.reason}; is this machine online? Fetched elsewhere, "
            f"the file is imported with `{program()} models import FILE --model NAME`"
        ) from error
    except (http.client.HTTPException, TimeoutError, ConnectionError) as error:
        words = str(error) or type(error).__name__
        raise ModelError(f"{url} cannot be fetched: {words}") from error
    except OSError as error:
        words = error.strerror or str(error)
        raise ModelError(f"{target} cannot be written: {words}") from error
    except ValueError as error:  # of a card, or what a server sends on to
        raise ModelError(
            f"{url} cannot be fetched: it is, or leads to, no address ({error})"
        ) from error


def _fetch_all(url: str, part: Path, version: Path) -> None:
    """Connect until all is there. Raises ModelError when several connections in a row break off."""
    for attempt in range(1, ATTEMPTS + 1):
        before = _size(part)
        try:
            return _fetch_some(url, part, version)
        except _CutOff as error:
            came = _size(part)
            if attempt == ATTEMPTS or came <= before:
                raise ModelError(
                    f"{url} was cut off after {came} bytes ({error}); the same command goes on "
                    "from there"
                ) from error


def _fetch_some(url: str, part: Path, version: Path) -> None:
    """One connection: bring what is missing. Raises _CutOff when it ends early."""
    had = _size(part)
    request = urllib.request.Request(url)
    request.add_header("User-Agent", f"tracker_ros/{tracker_ros.__version__}")
    request.add_header("Accept-Encoding", "identity")
    if had:
        request.add_header("Range", f"bytes={had}-")
        with contextlib.suppress(OSError, ValueError):
            request.add_header("If-Range", version.read_text())
    try:
        response = _opener().open(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and had:  # nothing beyond what is here, which is all or too much
            if error.headers.get("Content-Range", "").strip() == f"bytes */{had}":
                return
            part.unlink()
            return _fetch_some(url, part, version)
        raise
    with response:
        total = _total(response, had)
        goes_on = response.status == 206 and _begin(response) == had and had > 0
        if response.status == 206 and not goes_on:
            part.unlink(missing_ok=True)
            raise ModelError(
                f"{url}: the server sent another part than was asked for; the same command "
                "begins anew"
            )
        _remember(version, response)
        _receive(response, part, total, had if goes_on else 0)


def _receive(response: Any, part: Path, total: int | None, had: int) -> None:
    if total is not None and total > LARGEST:
        raise ModelError(f"{response.url} has {total} bytes; a checkpoint has at most {LARGEST}")
    with (  # fmt: skip
        part.open("ab" if had else "wb") as file,
        tqdm(
            total=total,
            initial=had,
            unit="B",
            unit_scale=True,
            desc=part.stem,
            # A log gets a line now and then, not ten a second.
            mininterval=0.1 if sys.stderr.isatty() else 10.0,
        ) as bar,
    ):
        done = had
        while True:
            try:
                block = response.read(BLOCK)
            except (http.client.HTTPException, TimeoutError, ConnectionError) as error:
                raise _CutOff(str(error) or type(error).__name__) from error
            if not block:
                break
            file.write(block)
            done += len(block)
            bar.update(len(block))
            if done > LARGEST:
                part.unlink()
                raise ModelError(f"{response.url} does not end after {done} bytes; refused")
    if total is not None and done < total:
        raise _CutOff(f"of {total}")


def _total(response: Any, had: int) -> int | None:
    """Bytes of the whole file, where the server says so."""
    whole = re.fullmatch(r"bytes \d+-\d+/(\d+)", response.headers.get("Content-Range", "").strip())
    if whole:
        return int(whole[1])
    length = response.headers.get("Content-Length", "")
    if not length.isdecimal():
        return None
    return int(length) + (had if response.status == 206 else 0)


def _begin(response: Any) -> int | None:
    """First byte of a part that the server sends."""
    begin = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", "").strip())
    return int(begin[1]) if begin else None


def _remember(version: Path, response: Any) -> None:
    """Keep what the server calls this version of the file, to go on with no other."""
    tag = response.headers.get("ETag", "")
    # A weak tag (W/...) promises the same meaning, not the same bytes.
    name = tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified", "")
    if name and name.isascii() and name.isprintable():
        version.write_text(name)
    else:
        version.unlink(missing_ok=True)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
