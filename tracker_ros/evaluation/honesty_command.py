"""`tracker_ros eval honesty`: what targets are said to be while they are away."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass

from tracker_ros.errors import DataError
from tracker_ros.evaluation.absences import AWAY, KINDS, Episode, Film, episodes, pairs
from tracker_ros.evaluation.datasets import VideoSequence
from tracker_ros.evaluation.formats import FORMATS, load_sequences
from tracker_ros.evaluation.honesty import FOUND, WRONG, Honesty, judge, total, watch
from tracker_ros.evaluation.options import (
    add_shared_options,
    opencv_threads,
    progress,
    require_writable_json,
    without_nan,
    write_json,
)
from tracker_ros.evaluation.report import describe_cpu, library_versions
from tracker_ros.geometry import Box
from tracker_ros.sot import TRACKERS, LoadedModel, load_model, trackers_with_weights

_KINDS = "\n".join(f"  {kind:<10} {words}" for kind, words in KINDS.items())
DESCRIPTION = f"""\
Follow targets as the node does, through sequences in which they go away, and count what was said.

Every sequence is run as it is and with absences that are made of it:

{_KINDS}

Those of cut and departure show another sequence of the data, which is to be of other objects.
A sequence without room beside its target cannot be covered, and one alone cannot be cut.
"""

EPILOG = """\
examples:
  tracker_ros eval honesty --data sequences
  tracker_ros eval honesty --data sequences --tracker siamrpnpp --limit 300 --json honesty.json
  tracker_ros eval honesty --data recorded --sequences corridor --kinds filmed
"""


@dataclass(frozen=True)
class Column:
    """A figure of the table."""

    key: str
    title: str
    about: str
    share: bool = True


COLUMNS = (
    Column("absent_frames", "absent", "frames that do not show the target", share=False),
    Column("absent_tracking", "absent TRACKING", "of those, said to be TRACKING, in percent"),
    Column("absent_shown", "shown", "of those, in any state but LOST"),
    Column("visible_frames", "visible", "frames that show the target", share=False),
    Column("visible_tracking", "visible TRACKING", "of those, TRACKING"),
    Column("visible_uncertain", "doubted", "of those, TENTATIVE, UNCERTAIN or REACQUIRED"),
    Column("visible_lost", "LOST", "of those, wrongly LOST"),
    Column("tracking_wrong_place", "wrong", f"of visible TRACKING ones, with an IoU under {WRONG}"),
    Column("returns", "returns", "of a target that was away", share=False),
    Column("regained", "regained", f"of those, followed again with an IoU over {FOUND}"),
    Column("frames_to_regain", "frames", "from the return until then, median", share=False),
)  # fmt: skip
ALL = "all"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `eval honesty`."""
    parser.description = DESCRIPTION
    parser.epilog = EPILOG
    add_shared_options(parser)
    parser.add_argument(
        "--format", choices=("auto", *FORMATS), default="auto", help="form of the data"
    )
    parser.add_argument(
        "--tracker", action="append", metavar="NAME",
        help=f"{', '.join(TRACKERS)}, a model card's name, or the path of a card (.yaml); repeat "
        "it to compare (default: the trackers whose weights are here)",
    )  # fmt: skip
    parser.add_argument(
        "--kinds", nargs="+", choices=tuple(KINDS), default=tuple(KINDS), metavar="KIND",
        help=f"only these kinds of absence: {', '.join(KINDS)}",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Check everything, then run, print a table for each tracker and write the JSON."""
    require_writable_json(args.json)
    data = load_sequences(args.data, args.format, args.sequences, args.limit)
    played = [
        episode
        for film, other in pairs([film_of(sequence) for sequence in data.sequences])
        for episode in episodes(film, other, args.kinds)
    ]
    if not played:
        raise DataError(
            f"{args.data}: no sequence in it allows any of {', '.join(args.kinds)}; cut and "
            f"departure need a second sequence, covered needs room beside the target"
        )
    models = {
        name: load_model(name, threads=args.threads)
        for name in dict.fromkeys(args.tracker or trackers_with_weights())
    }
    results = {}
    with opencv_threads(args.threads), progress(_frames(played) * len(models)) as (say, tick):
        for name, model in models.items():
            say(name)
            results[name] = measure(model, played, tick)
    for name, rows in results.items():
        print(f"{name}: {models[name].model}, {models[name].backend} {models[name].precision}")
        print(as_table(rows))
    for column in COLUMNS:
        print(f"{column.title}: {column.about}")
    document = {
        "trackers": {
            name: {row: counts.figures() for row, counts in rows.items()}
            for name, rows in results.items()
        },
        "run": {
            "data": str(data.path), "format": data.form.name, "limit": args.limit,
            "kinds": list(args.kinds), "away": AWAY, "versions": library_versions(),
            "cpu": describe_cpu(),
            "thresholds": {name: asdict(model.thresholds) for name, model in models.items()},
        },
    }  # fmt: skip
    plain = without_nan(document)
    assert isinstance(plain, dict)
    write_json(args.json, plain)
    return 0


def film_of(sequence: VideoSequence) -> Film:
    """A sequence on disk as a film."""
    boxes = [
        Box(*row.tolist()) if seen else None
        for row, seen in zip(sequence.truth, sequence.visible, strict=True)
    ]
    return Film(sequence.name, tuple(boxes), sequence.read)


def measure(
    model: LoadedModel,
    played: Iterable[Episode],
    tick: Callable[[], object] = lambda: None,
) -> dict[str, Honesty]:
    """Counts by kind of absence, by sequence and of all; judged by the card's thresholds."""
    rows: dict[str, list[Honesty]] = {}
    for episode in played:
        counts = judge(watch(model.new_target("1"), episode, lambda track: tick()))
        for row in (episode.kind, f"sequence {episode.film}", ALL):
            rows.setdefault(row, []).append(counts)
    order = [*(row for row in KINDS if row in rows), *sorted(r for r in rows if " " in r), ALL]
    return {row: total(rows[row]) for row in order}


def as_table(rows: Mapping[str, Honesty]) -> str:
    """A line for every kind of absence, every sequence, and all; shares in percent."""
    first = max(len(row) for row in rows)
    widths = [max(len(column.title), 7) for column in COLUMNS]
    titles = (f"{c.title:>{width}}" for c, width in zip(COLUMNS, widths, strict=True))
    lines = [" ".join([" " * first, *titles])]
    for row, counts in rows.items():
        figures = counts.figures()
        cells = (
            f"{_cell(figures[c.key], c):>{width}}" for c, width in zip(COLUMNS, widths, strict=True)
        )
        lines.append(" ".join([f"{row:<{first}}", *cells]))
    return "\n".join(lines)


def _cell(value: float, column: Column) -> str:
    if math.isnan(value):
        return "-"
    return f"{100 * value:.1f}" if column.share else f"{value:.0f}"


def _frames(played: Iterable[Episode]) -> int:
    return sum(episode.length - 1 for episode in played)
