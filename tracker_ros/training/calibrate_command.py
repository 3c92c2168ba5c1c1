"""`tracker_ros calibrate`: choose a model's thresholds for lost targets, and write its card."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tracker_ros.errors import DataError, ModelError
from tracker_ros.evaluation.absences import KINDS as ABSENCES
from tracker_ros.evaluation.honesty_command import as_table
from tracker_ros.evaluation.options import not_negative, opencv_threads, progress, write_whole
from tracker_ros.models.card import read_card
from tracker_ros.sot.model import load_model
from tracker_ros.training.calibration import (
    ABSENT_TRACKING,
    CALIBRATED,
    DOUBTED,
    EXCESS,
    KINDS,
    Calibration,
    calibrate,
    film_of_track,
    frames_of,
)
from tracker_ros.training.pictures import FrameTrack
from tracker_ros.training.reading import read_tracks, track_names
from tracker_ros.training.recipe import is_famnet, read_recipe, recipe_names, recipe_path
from tracker_ros.training.tracking_values import choose_tracking

_MOST = f"{ABSENT_TRACKING:.0%}"
DESCRIPTION = f"""\
Choose the thresholds by which the monitor tells that a target is lost, for one model.

The tracker follows the held-out tracks of a collection (docs/training.md), which are also cut,
covered and turned away from, so that it is known when the target is absent. Chosen are those
thresholds with the lowest cost: the share of visible frames that are LOST, plus that of absent ones
that are not, plus {DOUBTED:g} of the share of visible ones in doubt, plus {EXCESS:g} times what the
share of absent frames TRACKING is over {_MOST}. They go into the section 'monitor' of the card; the
rest of it stays as it is.

With --tracking the tracking values are chosen before, one at a time, on the same tracks followed
forwards and backwards: those of the highest success AUC, mean over footages.
"""

EPILOG = """\
examples:
  tracker_ros calibrate siamrpnpp --data ../data/train
  tracker_ros calibrate runs/mine/mine.yaml --data recorded --held-out corridor lift stairs
  tracker_ros calibrate atom --data sets.yaml --held-out corridor lift --tracking --out my/CARD.yaml
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `tracker_ros calibrate`."""
    parser.description = DESCRIPTION
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "card", help="a tracker, a model card's name, or the path of a card (.yaml)"
    )
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="the collection: video.json"
    )
    parser.add_argument(
        "--held-out", nargs="+", metavar="TRACK",
        help="tracks that the model was not trained on (default: those of the recipe of its name)",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="write the card there instead of over itself"
    )
    parser.add_argument(
        "--kinds", nargs="+", choices=tuple(ABSENCES), default=KINDS, metavar="KIND",
        help=f"kinds of absence, as of `eval honesty` (default: {' '.join(KINDS)})",
    )  # fmt: skip
    parser.add_argument(
        "--tracking", action="store_true", help="choose the tracking values of the card as well"
    )
    parser.add_argument(
        "--threads", type=not_negative, default=0, metavar="N",
        help="CPU threads of the tracker (default: what the engine and OpenCV choose)",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Check everything, then calibrate, print what was tried and write the card."""
    model = load_model(args.card, threads=args.threads)
    card = model.card.folder / f"{model.card.name}.yaml"
    if args.card.endswith((".yaml", ".yml")):
        card = Path(args.card)
    out: Path = args.out or card
    text = read_text(card)
    with_section(text, "monitor", {"lost_score": 0.5}, card)  # what cannot be changed is told now
    if out.is_dir() or not out.absolute().parent.is_dir():
        raise DataError(f"--out {out} cannot be written: its folder must exist")
    if out.name != f"{model.card.name}.yaml":
        raise DataError(f"--out {out}: a card is a file of its name, {model.card.name}.yaml")
    names = args.held_out or held_out_of(model.card.name, args.data)
    tracks = chosen_tracks(args.data, names)
    if args.tracking:
        with opencv_threads(args.threads):
            tracking, auc = choose_tracking(model, tracks)
        model = model.with_tracking(tracking)
        text = with_section(text, "tracking", tracking, card)
        print(f"tracking: {tracking}, AUC {auc:.3f}")
    films = [film_of_track(track) for track in tracks]
    with opencv_threads(args.threads), progress(frames_of(films, args.kinds)) as (say, tick):
        calibration = calibrate(model, films, kinds=args.kinds, say=say, tick=tick)
    print(report(calibration))
    try:
        write_whole(out, with_section(text, "monitor", calibration.monitor, card))
    except OSError as error:
        raise DataError(
            f"{out} cannot be written: {error}; name another place with --out"
        ) from None
    print(f"{out}: monitor: {calibration.monitor}")
    return 0


def held_out_of(name: str, data: Path) -> list[str]:
    """The held-out tracks of the recipe that a model comes from.

    Raises ModelError where none makes it, naming the tracks of the collection `data`.
    """
    own = (recipe for recipe in recipe_names() if not is_famnet(recipe_path(recipe)))
    for recipe in map(read_recipe, own):
        if recipe.name == name and recipe.held_out:
            return recipe.held_out
    raise ModelError(
        f"no recipe makes '{name}': name the tracks that the model was not trained on with "
        f"--held-out; {data} has {', '.join(track_names(data))}"
    )


def chosen_tracks(data: Path, names: list[str]) -> list[FrameTrack]:
    """Those tracks of a collection. Raises DataError when one is not there."""
    tracks = read_tracks(data, names)
    for track in tracks:
        if len(track.visible) < 3:
            raise DataError(
                f"track '{track.name}' shows its target in {len(track.visible)} frames; three are "
                "needed: to start on, to follow to, and to come back in"
            )
    return tracks


def report(calibration: Calibration) -> str:
    """What was tried: a line for each trial, for each film of the chosen one, and validated."""
    rows = {}
    for trial in calibration.trials:
        t = trial.thresholds
        mark = "*" if trial is calibration.chosen else " "
        values = tuple(getattr(t, name) for name in CALIBRATED)
        rows[f"{mark} {' '.join(f'{value:g}' for value in values)}"] = trial.honesty
    films = {f"  {name}": counts for name, counts in calibration.chosen.films.items()}
    rows |= films | {"  chosen by the others": calibration.validated}
    return f"Tried: {', '.join(CALIBRATED)}\n" + as_table(rows)


def read_text(path: Path) -> str:
    """A card's text. Raises ModelError."""
    read_card(str(path))
    return path.read_text()


def with_section(text: str, name: str, values: Mapping[str, Any], path: Path) -> str:
    """The card's text with these values in a section of it, all else as it was.

    Values of the section that are not among them stay. Raises ModelError where the text cannot
    be changed so.
    """
    content = yaml.safe_load(text)
    merged = {**(content.get(name) or {}), **values}
    block = yaml.safe_dump({name: merged}, sort_keys=False)
    section = re.compile(rf"^{name}:.*\n?(?:(?:[ \t]+.*|[ \t]*)\n?)*", re.MULTILINE)
    if section.search(text):
        changed = section.sub(lambda match: block, text, count=1)
    else:
        changed = text.rstrip("\n") + "\n" + block
    try:
        done = yaml.safe_load(changed) == {**content, name: merged}
    except yaml.YAMLError:
        done = False
    if not done:
        raise ModelError(
            f"the card {path} is written in a way that cannot be changed in place; write its "
            f"section '{name}' in lines of its own"
        )
    return changed
