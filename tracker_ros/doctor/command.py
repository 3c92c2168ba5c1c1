"""`tracker_ros doctor`: what this machine has, what of it goes wrong, and what to do about it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tracker_ros.doctor.collect import collect
from tracker_ros.doctor.pairs import PAIRS
from tracker_ros.doctor.private import names_here, without_names
from tracker_ros.doctor.report import as_json, as_text
from tracker_ros.doctor.rule import judge
from tracker_ros.doctor.surroundings import SURROUNDINGS
from tracker_ros.errors import DataError

DESCRIPTION = """\
Look at this machine, this Python and this ROS 2: versions, the GPU and its driver, middleware,
models, the cache of built engines, and what runs the networks here. What is known to go wrong is
named, with what to do about it and where others met it.

Every library is tried in a process of its own, so that one which crashes or hangs is told like any
other finding. Nothing is changed and nothing is sent anywhere.
"""

EPILOG = """\
examples:
  tracker_ros doctor                       some seconds
  tracker_ros doctor --out report.txt      the file to attach to a bug report
  tracker_ros doctor --json                for programs

In the report `~` stands for home folders, and the name of this machine is left out.
Exit code: 1 if there is an error, 0 otherwise; warnings do not count.
"""
FAILED = 1
"""Exit code when a rule of the level `error` found something."""
RULES = (*PAIRS, *SURROUNDINGS)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `doctor`."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="write the report there, too, with every fact"
    )
    parser.add_argument("--json", action="store_true", help="print every fact as JSON instead")


def run(args: argparse.Namespace) -> int:
    """Look, judge, print and write. Raises DataError when the file cannot be written."""
    if args.out is not None and (args.out.is_dir() or not args.out.absolute().parent.is_dir()):
        raise DataError(f"--out {args.out} cannot be written: its folder must exist")
    if sys.stderr.isatty():
        print("looking at this machine ...", file=sys.stderr)
    facts = without_names(collect(), names_here())
    findings = judge(facts, RULES)
    text, document = as_text(facts, findings, rules=len(RULES)), as_json(facts, findings)
    _print(document if args.json else text)
    if args.out is not None:
        whole = document if args.json else f"{text}\n\nevery fact, for programs\n{document}"
        _write(args.out, whole)
        print(f"written to {args.out}: attach it to a bug report", file=sys.stderr)
    return FAILED if any(finding.level == "error" for finding in findings) else 0


def _print(text: str) -> None:
    """Print, also to a terminal that knows only ASCII."""
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "replace").decode(encoding))


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise DataError(f"--out {path} cannot be written: {error.strerror or error}") from None
