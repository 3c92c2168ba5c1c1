"""A tracker between the stages of the benchmark: it is the node's own worker that runs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tracker_ros.bench.encodings import serialize
from tracker_ros.bench.entrants import choose, open_entrant
from tracker_ros.bench.films import CrowdFilm, SceneFilm, Shot
from tracker_ros.bench.stages import Runner
from tracker_ros.errors import DataError, TargetError, TrackerRosError
from tracker_ros.geometry import Box

BLACK = Shot(serialize(np.zeros((240, 320, 3), np.uint8), "bgr8", 9 * 10**9), False, None)
CUT = replace(BLACK, raw=BLACK.raw[:1000])


def runner(tracker: str) -> Runner:
    choice = choose([tracker], ["auto"], threads=1, nanotrack=None)[0]
    return open_entrant(choice).new_runner()


@pytest.fixture(scope="module")
def film() -> SceneFilm:
    return SceneFilm(320, 240, "bgr8")


@pytest.mark.parametrize("tracker", ["siamfc", "kcf"])
def test_every_target_is_answered_for_in_every_frame(tracker: str, film: SceneFilm) -> None:
    follows = runner(tracker)
    first, *others = film.take(4)
    boxes = film.boxes(3)
    follows.start(first, [first.truth or boxes[0], *boxes[1:]])
    for shot in others:
        outcome = follows.run(shot)
        assert outcome.tracks == 3
        assert outcome.box is not None and shot.truth is not None
        assert outcome.box.iou(shot.truth) > 0.5


def test_a_target_that_the_node_would_call_lost_has_no_box(film: SceneFilm) -> None:
    follows = runner("siamrpnpp")
    shot = film.take(1)[0]
    assert shot.truth is not None
    follows.start(shot, [shot.truth])
    outcome = follows.run(BLACK)
    assert outcome.box is None and outcome.tracks == 1


@pytest.mark.parametrize("tracker", ["siamfc", "kcf"])
def test_a_box_that_cannot_be_tracked_is_refused(tracker: str, film: SceneFilm) -> None:
    with pytest.raises(TargetError, match="under 2 px"):
        runner(tracker).start(film.take(1)[0], [Box(10, 10, 0, 5)])


@pytest.mark.parametrize("tracker", ["siamfc", "kcf", "sort"])
def test_a_frame_that_cannot_be_decoded_ends_the_benchmark(tracker: str, film: SceneFilm) -> None:
    # A figure that holds frames without work would be too good.
    follows, shot = runner(tracker), film.take(1)[0]
    cut = CUT
    if tracker == "sort":
        shot, next_shot = CrowdFilm(320, 240, "bgr8", objects=2).take(2)
        cut = replace(CUT, raw=next_shot.raw[:1000], detections=next_shot.detections)
    follows.start(shot, [shot.truth] if shot.truth else [])
    with pytest.raises((DataError, TrackerRosError), match="only"):
        follows.run(cut)
