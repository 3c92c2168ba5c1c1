"""`tracker_ros data`: check data sets, prepare them for a GPU, look at their pairs."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from tracker_ros.training.cutting import REACH, Square
from tracker_ros.training.datasets.declaration import declared_sets
from tracker_ros.training.datasets.formats import FORMATS
from tracker_ros.training.datasets.sound import Sound
from tracker_ros.training.datasets.survey import survey
from tracker_ros.training.prepared import prepare
from tracker_ros.training.reading import read_collection
from tracker_ros.training.sampling import EXEMPLAR

DROPPED = 1
"""Exit status where something was left out."""
LEAST_REACH, MOST_REACH = 1.0, 50.0
"""A template crop shows 1; 50 is as good as everything."""

DATA = """\
DATA is a declaration of data sets (.yaml), or a folder with video.json, still.json or unlabelled/,
or a prepared one. A declaration is a list; paths are relative to it:

  sets:
    - name: yard
      format: folder
      root: footage/yard
      licence: our own

Further keys: weight (2: drawn twice as often), max_gap (frames from template to search), names
(videos to take: a list, or a file with one a line). Formats, and what root holds:

"""

CHECK = """\
Look at every picture and every box before hours are spent on them: pictures that are missing, cut
short or damaged; boxes that are not finite, empty or outside; lines with the wrong number of
values. The first faults are shown with file and line, then there are counts. What is wrong is left
out of training, which does the same check; files are not changed. A picture is decoded once: which
ones were is kept in $XDG_CACHE_HOME/tracker_ros (~/.cache/tracker_ros).

Exit status: 0 where all is kept, 1 where something is left out, 2 where nothing can be used.
"""

PREPARE = """\
Cut out beforehand what pairs are drawn from, as raw pixels: drawing them then decodes no JPEG file,
and a GPU does not wait for it. Give the folder to 'train --data'. Held-out tracks have to be named
here, too: they are kept whole, because a tracker has to run through them.

The folder is written under another name and renamed at the end; a killed run is started again.
"""

SHEET = """\
Draw pairs as a recipe does and show them: each of its augmentations alone, beside the same pair
without it, and pairs as training sees them, with the box of the target.
"""

EPILOG = """\
examples:
  tracker_ros data check sets.yaml
  tracker_ros data prepare sets.yaml --out prepared --held-out yard_3 yard_7
  tracker_ros train siamrpnpp --data prepared --held-out yard_3 yard_7
  tracker_ros data sheet siamrpnpp sets.yaml --out sheet.jpg
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `tracker_ros data`."""
    raw = argparse.RawDescriptionHelpFormatter
    parser.formatter_class, parser.epilog = raw, EPILOG
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    width = max(len(name) for name in FORMATS)
    formats = "".join(f"  {name:<{width}}  {form.holds}\n" for name, form in FORMATS.items())

    check = actions.add_parser(
        "check", help="what is wrong with data, and what is kept", formatter_class=raw,
        description=CHECK, epilog=DATA + formats,
    )  # fmt: skip
    check.add_argument("data", type=Path, metavar="DATA", help="declaration (.yaml) or folder")
    check.add_argument(
        "--headers",
        action="store_true",
        help="look at the headers of pictures alone: quicker, misses damage inside a file",
    )

    cut = actions.add_parser(
        "prepare", help="cut out crops beforehand", formatter_class=raw,
        description=PREPARE, epilog=DATA + formats,
    )  # fmt: skip
    cut.add_argument("data", type=Path, metavar="DATA", help="declaration (.yaml) or folder")
    cut.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="a folder that is not there yet"
    )
    cut.add_argument(
        "--reach", type=_reach, default=REACH, metavar="SIDES",
        help="side of the square that is kept around an object, in its context sides (default "
        "%(default).2f; a recipe whose search crops show more, as ATOM's, says how much)",
    )  # fmt: skip
    cut.add_argument(
        "--size", type=_side, metavar="PX",
        help="longest side of a crop (default 127 times the reach: template crops of 127 px lose "
        "nothing)",
    )  # fmt: skip
    cut.add_argument(
        "--held-out", nargs="+", default=[], metavar="TRACK", help="tracks that are kept whole"
    )

    sheet = actions.add_parser(
        "sheet", help="a picture of the pairs that a recipe draws", formatter_class=raw,
        description=SHEET, epilog=DATA + formats,
    )  # fmt: skip
    sheet.add_argument("recipe", metavar="RECIPE", help="a recipe's name, or its path (.yaml)")
    sheet.add_argument("data", type=Path, metavar="DATA", help="declaration (.yaml) or folder")
    sheet.add_argument("--out", type=Path, required=True, metavar="FILE", help="a file (.jpg)")
    sheet.add_argument(
        "--only", nargs="+", default=[], metavar="WORD",
        help="draw from tracks with one of these words in their name, and pictures with one in "
        "their path (default: from all)",
    )  # fmt: skip
    sheet.add_argument("--seed", type=int, default=0, help="of the pairs (default %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Do what was asked. Raises DataError where nothing can be used."""
    if args.action == "check":
        return _check(args)
    return _sheet(args) if args.action == "sheet" else _prepare(args)


def _check(args: argparse.Namespace) -> int:
    with Sound() as sound:
        checked = survey(declared_sets(args.data), read=None if args.headers else sound.require)
    checked.require_usable(args.data)
    print(checked.table())
    if checked.clean:
        return 0
    print(checked.complaints())
    return DROPPED


def _prepare(args: argparse.Namespace) -> int:
    collection = read_collection(args.data, memory=0, decode=False)
    square = Square(args.reach, args.size or round(EXEMPLAR * args.reach))
    done = prepare(collection, args.out, square=square, whole=args.held_out)
    for fault in done.faults.first:
        print(f"{fault.kind.value}: {fault.message}")
    print(f"{args.out}: {done.pictures} pictures, {done.bytes / 1e9:.2f} GB")
    return 0


def _sheet(args: argparse.Namespace) -> int:
    # Not above: all else here needs no torch.
    from tracker_ros.training import contact_sheet

    contact_sheet.require_jpeg(args.out)
    sampling = contact_sheet.sampling_of(args.recipe)
    collection = read_collection(args.data, decode=False)
    if args.only:
        collection = contact_sheet.only(collection, args.only)
    sheet = contact_sheet.contact_sheet(collection, sampling, seed=args.seed)
    contact_sheet.write_sheet(sheet, args.out)
    print(args.out)
    return 0


def _reach(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not LEAST_REACH <= value <= MOST_REACH:
        raise argparse.ArgumentTypeError(
            f"'{text}' is not a number from {LEAST_REACH:g} to {MOST_REACH:g}"
        )
    return value


def _side(text: str) -> int:
    if not text.isdecimal() or int(text) < 127:
        raise argparse.ArgumentTypeError(
            f"'{text}' is not a whole number of at least 127, the side of a template"
        )
    return int(text)
