"""How honest a target's state is: what it says while the target is away, and while it is there.

The real Target and Monitor run, with what they need of the model's card; nothing is looked up in
the truth but what a frame's state should have been.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tracker_ros.evaluation.absences import Episode
from tracker_ros.sot.target import Target
from tracker_ros.track import Track, TrackState

WRONG = 0.1
"""A box that overlaps the target less than this is in a wrong place."""
FOUND = 0.3
"""A returned target is found again when its box overlaps it more than this."""


@dataclass(frozen=True, eq=False)
class Verdicts:
    """What was said of each picture of an episode after its first, and what is true."""

    film: str
    kind: str
    states: npt.NDArray[np.int8]
    """TrackState of each."""
    there: npt.NDArray[np.int8]
    """1: it shows the target; 0: it does not; -1: little of it, which counts nowhere."""
    overlap: npt.NDArray[np.float64]
    """Of the box and the truth; 0 where there is none."""


@dataclass(frozen=True)
class Honesty:
    """Counts of frames and returns; the shares are of their sums."""

    absent: int = 0
    absent_tracking: int = 0
    """Absent frames said to be TRACKING."""
    absent_shown: int = 0
    """Absent frames in any state but LOST: a box was published."""
    visible: int = 0
    visible_lost: int = 0
    visible_tracking: int = 0
    visible_wrong: int = 0
    """Visible frames said to be TRACKING with the box in a wrong place."""
    returns: int = 0
    """Absences after which the target was there again."""
    regained: int = 0
    """Returns after which the box was on the target again, before it went away the next time."""
    delays: tuple[int, ...] = ()
    """Frames from each return until then."""

    def __add__(self, other: Honesty) -> Honesty:
        return Honesty(
            self.absent + other.absent,
            self.absent_tracking + other.absent_tracking,
            self.absent_shown + other.absent_shown,
            self.visible + other.visible,
            self.visible_lost + other.visible_lost,
            self.visible_tracking + other.visible_tracking,
            self.visible_wrong + other.visible_wrong,
            self.returns + other.returns,
            self.regained + other.regained,
            self.delays + other.delays,
        )

    def figures(self) -> dict[str, float]:
        """Shares in [0, 1] and frames; nan where nothing was counted."""
        return {
            "absent_frames": float(self.absent),
            "absent_tracking": _share(self.absent_tracking, self.absent),
            "absent_shown": _share(self.absent_shown, self.absent),
            "visible_frames": float(self.visible),
            "visible_tracking": _share(self.visible_tracking, self.visible),
            "visible_uncertain": _share(
                self.visible - self.visible_tracking - self.visible_lost, self.visible
            ),
            "visible_lost": _share(self.visible_lost, self.visible),
            "tracking_wrong_place": _share(self.visible_wrong, self.visible_tracking),
            "returns": float(self.returns),
            "regained": _share(self.regained, self.returns),
            "frames_to_regain": float(np.median(self.delays)) if self.delays else float("nan"),
        }


def watch(
    target: Target,
    episode: Episode,
    on_frame: Callable[[Track], object] = lambda track: None,
) -> Verdicts:
    """Start a target on an episode's first picture and follow it to the end.

    Raises TargetError when the tracker refuses the box.
    """
    shots = episode.shots()
    first = next(shots)
    assert first.box is not None
    target.start(first.image, first.box)
    states, there, overlap = [], [], []
    for shot in shots:
        track = target.follow(shot.image)
        on_frame(track)
        states.append(int(track.state))
        there.append(-1 if shot.there is None else int(shot.there))
        overlap.append(0.0 if shot.box is None else track.box.iou(shot.box))
    return Verdicts(
        episode.film, episode.kind, np.array(states, np.int8), np.array(there, np.int8),
        np.array(overlap, np.float64),
    )  # fmt: skip


def judge(verdicts: Verdicts) -> Honesty:
    """Count."""
    tracking = verdicts.states == TrackState.TRACKING
    lost = verdicts.states == TrackState.LOST
    absent, visible = verdicts.there == 0, verdicts.there == 1
    on_target = visible & ~lost & (verdicts.overlap > FOUND)
    delays: list[int] = []
    returns = 0
    for begin, end in _stays(verdicts.there):
        returns += 1
        found = np.flatnonzero(on_target[begin:end])
        delays += [int(found[0])] if len(found) else []
    return Honesty(
        absent=int(absent.sum()),
        absent_tracking=int((absent & tracking).sum()),
        absent_shown=int((absent & ~lost).sum()),
        visible=int(visible.sum()),
        visible_lost=int((visible & lost).sum()),
        visible_tracking=int((visible & tracking).sum()),
        visible_wrong=int((visible & tracking & (verdicts.overlap < WRONG)).sum()),
        returns=returns,
        regained=len(delays),
        delays=tuple(delays),
    )


def total(parts: Iterable[Honesty]) -> Honesty:
    """The sum."""
    return sum(parts, Honesty())


def _stays(there: npt.NDArray[np.int8]) -> list[tuple[int, int]]:
    """From the first visible frame after each absence to the next absence, or the end."""
    absent, visible = np.flatnonzero(there == 0), np.flatnonzero(there == 1)
    stays: list[tuple[int, int]] = []
    while len(absent):
        back = visible[visible > absent[0]]
        if not len(back):
            break
        absent = absent[absent > back[0]]
        stays.append((int(back[0]), int(absent[0]) if len(absent) else len(there)))
    return stays


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
