"""What `eval sot` and `eval mot` share on the command line: options, threads, progress, JSON."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import cv2
from tqdm import tqdm

from tracker_ros.errors import DataError


def add_shared_options(parser: argparse.ArgumentParser, *, data_required: bool = True) -> None:
    """Declare the options that both evaluations have."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--data", type=Path, required=data_required, metavar="DIR", help="folder of the sequences"
    )
    parser.add_argument(
        "--sequences", nargs="+", default=(), metavar="NAME", help="only these (default: all)"
    )
    parser.add_argument(
        "--limit", type=at_least_two, metavar="N", help="first N frames of each sequence"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    parser.add_argument(
        "--threads",
        type=not_negative,
        default=0,
        metavar="N",
        help="CPU threads of every tracker (default: what the engine and OpenCV choose)",
    )


def where_the_truth_is(args: argparse.Namespace, **given: bool) -> Path:
    """Of --data, --truth and --results: what to score by.

    given: which options are there that only runs of trackers have, besides --tracker. Raises
    DataError when the options contradict each other.
    """
    if args.results is None and (args.data is None or args.truth is not None):
        raise DataError(
            "--data DIR is needed to run trackers; or --results DIR with --truth PATH or "
            "--data DIR to score results"
        )
    if args.results is not None:
        if (args.data is None) == (args.truth is None):
            raise DataError("--results needs one of --truth PATH and --data DIR: what is right")
        for option, is_given in {"tracker": bool(args.tracker), **given}.items():
            if is_given:
                raise DataError(f"--results runs no tracker; leave out --results or --{option}")
    path = args.data if args.truth is None else args.truth
    assert isinstance(path, Path)
    return path


def require_writable_json(path: Path | None) -> None:
    """Raise DataError before anything runs when the figures could not be written there."""
    if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
        raise DataError(f"--json {path} cannot be written: its folder must exist")


def write_json(path: Path | None, document: Mapping[str, Any]) -> None:
    """Write the figures, where a path is given. Raises DataError when that is not possible."""
    if path is None:
        return
    try:
        path.write_text(json.dumps(document, indent=2) + "\n")
    except OSError as error:
        raise DataError(f"--json {path} cannot be written: {error}") from None


def without_nan(document: Any) -> Any:
    """A JSON document with null for every nan, which JSON does not know."""
    if isinstance(document, Mapping):
        return {key: without_nan(value) for key, value in document.items()}
    if isinstance(document, list | tuple):
        return [without_nan(value) for value in document]
    return None if isinstance(document, float) and math.isnan(document) else document


def is_file_name(name: object) -> bool:
    """Whether a file or folder of this name lies where it is put: no path, no odd characters."""
    if not isinstance(name, str) or name in ("", ".", "..") or "/" in name:
        return False
    # File systems take 255 bytes; something may be appended.
    return name.isprintable() and len(name.encode()) <= 200


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is never there in part. Raises OSError."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(text)
    os.replace(new, path)


@contextmanager
def opencv_threads(threads: int) -> Iterator[None]:
    """Hold OpenCV to a number of threads, 0 for its own choice; afterwards it is as before."""
    before = cv2.getNumThreads()
    if threads:
        cv2.setNumThreads(threads)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


@contextmanager
def progress(
    count: int, unit: str = "frames"
) -> Iterator[tuple[Callable[[str], None], Callable[[], object]]]:
    """A bar on stderr over so many frames: say what runs, and that a frame is done."""
    with tqdm(
        total=count,
        unit=f" {unit}",
        # A log gets a line now and then, not ten a second.
        mininterval=0.1 if sys.stderr.isatty() else 10.0,
    ) as bar:
        # Nor a line for every sequence.
        yield partial(bar.set_description, refresh=sys.stderr.isatty()), bar.update


def at_least_two(text: str) -> int:
    """Read an option that is a number of frames to run over."""
    if not text.isdecimal() or int(text) < 2:
        raise argparse.ArgumentTypeError(
            f"'{text}' is not a whole number of at least 2: a frame to start on and one to score"
        )
    return int(text)


def at_least_one(text: str) -> int:
    """Read an option that is a whole number of 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of 1 or more")
    return int(text)


def not_negative(text: str) -> int:
    """Read an option that is a whole number of 0 or more."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of 0 or more")
    return int(text)
