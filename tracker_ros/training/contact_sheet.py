"""A contact sheet: a recipe's pairs with each augmentation alone, and as they are drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from tracker_ros.drawing import FONT
from tracker_ros.errors import DataError, ModelError
from tracker_ros.geometry import UInt8Image
from tracker_ros.training.pairs import Pair, PairSampler
from tracker_ros.training.pictures import Collection
from tracker_ros.training.recipe import is_famnet, read_recipe, recipe_path
from tracker_ros.training.sampling import AUGMENTATIONS, PLAIN, SHARES, Sampling, sampling_in

WIDTH = 1400
SEARCH, TEMPLATE = 88, 42
"""Sides of the crops on the sheet, in pixels: two template crops are as high as a search crop."""
GAP, BETWEEN = 4, 14
"""Pixels between the crops of a pair, and between pairs."""
LABEL = 206
EXAMPLES, PAIRS, LINES = 2, 8, 3
"""Examples of each augmentation, pairs in a line of the whole recipe, and lines of it."""
PAIR = TEMPLATE + GAP + SEARCH + BETWEEN
EXAMPLE = PAIR + GAP + SEARCH
BLOCK = LABEL + EXAMPLES * EXAMPLE
LINE = SEARCH + BETWEEN
MARGIN = (WIDTH - 2 * BLOCK + BETWEEN) // 2
TOP = 3 * BETWEEN
TRIED = 40
"""Pairs that are drawn to find some that an augmentation changes."""
VISIBLE, UNLIKE = 2.0, 25.0
"""Mean difference of the pixels, in grey levels, that can be seen on the sheet, and that pairs of
different targets have."""
INK, FAINT, WHITE = (45, 40, 35), (125, 115, 110), (255, 255, 255)
GREEN, RED = (70, 215, 90), (60, 60, 235)
QUALITY = 80
CAPTION = (
    "Template and search crop. Of two, one above or beside the other, the first is without the "
    "augmentation, the second with it. Green: target. Red: not the target."
)
WORDS = {
    "negative": "another object",
    "hard_negative": "... of its label, or beside it",
    "template_shift": "template off its middle",
    "template_scale": "template larger, smaller",
    "shift": "target anywhere",
    "scale": "larger, smaller",
    "scale_spread": "much larger, smaller",
    "stretch": "wider, higher",
    "flip": "both crops mirrored",
    "rotate": "videos: turned",
    "perspective": "videos: seen from the side",
    "still_rotate": "stills, patches: turned",
    "still_perspective": "stills: seen from the side",
    "mirror": "beyond the border",
    "colour": "gain, offset, gamma of both",
    "own_colour": "... of each crop",
    "dark": "night",
    "blur": "out of focus",
    "motion_blur": "moved while exposed",
    "low_resolution": "little detail",
    "jpeg": "strong compression",
    "noise": "of the sensor",
    "grey": "no colour",
    "paste": "cut out by its mask",
    "distractor": "another object beside it",
    "look_alike": "itself recoloured, its like",
    "occluder": "a strip before it",
    "occluding_object": "an object before it",
}


class Example(NamedTuple):
    """A pair without an augmentation, and with it."""

    before: Pair
    after: Pair


def contact_sheet(collection: Collection, sampling: Sampling, *, seed: int = 0) -> UInt8Image:
    """What a recipe's pairs look like, (height, 1400, 3) BGR.

    First each augmentation that `sampling` has, alone and in every pair, beside the same pair
    without it; then pairs as they are drawn. In search crops stands the box: green, or red where
    it is not the target's. Raises DataError where there is nothing to draw.
    """
    on = [name for name in AUGMENTATIONS if getattr(sampling, name) > 0]
    lines = (len(on) + 1) // 2 + LINES
    sheet = np.full((TOP + lines * LINE + BETWEEN, WIDTH, 3), WHITE, np.uint8)
    _write(sheet, CAPTION, (MARGIN, 24), 0.42, FAINT)
    for number, name in enumerate(on):
        left, top = MARGIN + number % 2 * BLOCK, TOP + number // 2 * LINE
        _label(sheet, left, top, name, _value(sampling, name), WORDS[name])
        left += LABEL
        for example in _examples(collection, sampling, name, seed + TRIED * number):
            _show(sheet, left, top, example.before)
            _show(sheet, left, top, example.after, second=True)
            left += EXAMPLE
    top = TOP + (lines - LINES) * LINE
    _label(sheet, MARGIN, top, "all together", "", "as the recipe draws them")
    sampler = PairSampler(collection, sampling)
    for number in range(LINES * PAIRS):
        left, down = MARGIN + LABEL + number % PAIRS * PAIR, number // PAIRS * LINE
        _show(sheet, left, top + down, sampler.draw(np.random.default_rng((seed, number))))
    return sheet


def only(collection: Collection, words: Sequence[str]) -> Collection:
    """What has one of these words in the name of its track or the path of its file.

    Raises DataError when nothing has.
    """

    def named(name: str) -> bool:
        return any(word in name for word in words)

    tracks = [track for track in collection.tracks if named(track.name)]
    stills, unlabelled = (
        [still for still in part if named(still.path)]
        for part in (collection.stills, collection.unlabelled)
    )
    if not (tracks or stills or unlabelled):
        raise DataError(f"no track and no picture of the data has {' or '.join(words)} in its name")
    return replace(collection, tracks=tracks, stills=stills, unlabelled=unlabelled)


def sampling_of(recipe: str) -> Sampling:
    """How a recipe draws pairs. Raises ModelError, also for a recipe without pairs."""
    path = recipe_path(recipe)
    if is_famnet(path):
        raise ModelError(f"the recipe {path} trains on films, not on pairs; name another one")
    read = read_recipe(recipe)
    return sampling_in(read.sampling, read.where)


def require_jpeg(path: Path) -> None:
    """Raises DataError for a name that is not a JPEG file's, before pictures are read."""
    if path.suffix.lower() not in (".jpg", ".jpeg"):
        raise DataError(f"{path}: a contact sheet is a JPEG file; name one that ends in .jpg")


def write_sheet(sheet: UInt8Image, path: Path) -> None:
    """Write a sheet as a JPEG file. Raises DataError where it cannot be written."""
    small = [cv2.IMWRITE_JPEG_OPTIMIZE, 1, cv2.IMWRITE_JPEG_PROGRESSIVE, 1]
    _, data = cv2.imencode(".jpg", sheet, [cv2.IMWRITE_JPEG_QUALITY, QUALITY, *small])
    try:
        path.write_bytes(data.tobytes())
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error}; name another place") from None


def _examples(collection: Collection, sampling: Sampling, name: str, seed: int) -> list[Example]:
    """Pairs in which an augmentation can be seen, of different targets if there are some."""
    without = {**PLAIN, "negative": 1.0} if name == "hard_negative" else PLAIN
    value = 1.0 if name in SHARES else getattr(sampling, name)
    before, after = (
        PairSampler(collection, _changed(sampling, {**without, **more}))
        for more in ({}, {name: value})
    )
    chosen: list[Example] = []
    others: list[Example] = []
    for i in range(TRIED):
        example = Example(*(s.draw(np.random.default_rng(seed + i)) for s in (before, after)))
        new = all(_apart(example.before, other.before) > UNLIKE for other in chosen)
        seen = _apart(example.before, example.after) > VISIBLE
        (chosen if new and seen else others).append(example)
        if len(chosen) == EXAMPLES:
            break
    return [*chosen, *others][:EXAMPLES]


def _changed(sampling: Sampling, values: Mapping[str, float]) -> Sampling:
    changed: Any = values
    return replace(sampling, **changed)


def _apart(one: Pair, other: Pair) -> float:
    """The larger mean difference of the pixels of two pairs, in grey levels."""
    both = ((one.template, other.template), (one.search, other.search))
    return max(float(cv2.absdiff(a, b).mean()) for a, b in both)


def _value(sampling: Sampling, name: str) -> str:
    """What the recipe has, in words."""
    value = getattr(sampling, name)
    if name in SHARES:
        return f"{100 * value:.3g} %"
    unit = " degrees" if name.endswith("rotate") else " px" if name.endswith("shift") else ""
    return f"{value:.3g}{unit}"


def _label(sheet: UInt8Image, left: int, top: int, name: str, value: str, words: str) -> None:
    _write(sheet, name, (left, top + 14), 0.47, INK)
    _write(sheet, words, (left, top + 34), 0.4, FAINT)
    _write(sheet, value, (left, top + 53), 0.4, FAINT)


def _write(
    sheet: UInt8Image, text: str, at: tuple[int, int], size: float, colour: tuple[int, int, int]
) -> None:
    cv2.putText(sheet, text, at, FONT, size, colour, 1, cv2.LINE_AA)


def _show(sheet: UInt8Image, left: int, top: int, pair: Pair, *, second: bool = False) -> None:
    """A pair, the second one of an example beside and below the first."""
    down = (TEMPLATE + GAP) if second else 0
    right = left + TEMPLATE + GAP + (SEARCH + GAP if second else 0)
    rows = slice(top + down, top + down + TEMPLATE)
    sheet[rows, left : left + TEMPLATE] = _small(pair.template, TEMPLATE)
    sheet[top : top + SEARCH, right : right + SEARCH] = _with_box(pair)


def _small(crop: UInt8Image, side: int) -> UInt8Image:
    return cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _with_box(pair: Pair) -> UInt8Image:
    """The search crop as the sheet shows it, with the box in lines of one pixel."""
    scale = SEARCH / pair.search.shape[0]
    shown = _small(pair.search, SEARCH)
    cx, cy, w, h = (scale * value for value in pair.box)
    first, last = (round(cx - w / 2), round(cy - h / 2)), (round(cx + w / 2), round(cy + h / 2))
    cv2.rectangle(shown, first, last, GREEN if pair.positive else RED, 1)
    return shown
