"""`tracker_ros eval convert`: a data set in the form of another benchmark."""

from __future__ import annotations

import argparse
from pathlib import Path

from tracker_ros.evaluation.conversion import WRITERS, write_sequences
from tracker_ros.evaluation.formats import FORMATS, load_sequences
from tracker_ros.evaluation.options import at_least_two, progress

DESCRIPTION = """\
Write a data set in the form of another benchmark, images and truth, so that its toolkit, or a
tracker made for it, can use it. Images are linked where the disk allows it, else copied; they keep
their encoding and are numbered from 1.

A form keeps what it has words for: only vot and pysot keep polygons (others get the upright box
that VOT starts trackers on), only vot keeps anchors, and a target that is not visible is absent in
all, without the difference between covered and out of view.
"""

EPILOG = """\
examples:
  tracker_ros eval convert --data OTB100 --to got10k --out OTB100-as-got10k/val
  tracker_ros eval convert --data recorded --sequences corridor --to vot --out recorded-as-vot
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `eval convert`."""
    parser.description = DESCRIPTION
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="folder of the sequences"
    )
    parser.add_argument(
        "--format", choices=("auto", *FORMATS), default="auto", help="its form (default: auto)"
    )
    parser.add_argument("--to", choices=tuple(WRITERS), required=True, help="the form to write")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="a folder that is not there yet"
    )
    parser.add_argument(
        "--sequences", nargs="+", default=(), metavar="NAME", help="only these (default: all)"
    )
    parser.add_argument(
        "--limit", type=at_least_two, metavar="N", help="first N frames of each sequence"
    )


def run(args: argparse.Namespace) -> int:
    """Check everything, then write."""
    data = load_sequences(args.data, args.format, args.sequences, args.limit)
    with progress(len(data.sequences), "sequences") as (say, tick):
        say(f"{data.form.name} to {args.to}")
        write_sequences(args.out, args.to, data.sequences, tick)
    print(f"{len(data.sequences)} sequences, {data.form.name} to {args.to}: {args.out}")
    return 0
