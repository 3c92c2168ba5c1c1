"""How honest targets are: what is counted, and the absences that are made to count it on."""

from __future__ import annotations

import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from films import HEIGHT, PATCH, WIDTH, texture, true_lines, write_sequence

from tracker_ros import cli
from tracker_ros.evaluation.absences import AWAY, BLACK, COVERED, KINDS, Film, episodes, pairs
from tracker_ros.evaluation.honesty import Honesty, Verdicts, judge, total
from tracker_ros.evaluation.honesty_command import COLUMNS, as_table
from tracker_ros.geometry import Box, UInt8Image
from tracker_ros.track import TrackState

T, U, L, R = (
    TrackState.TRACKING,
    TrackState.UNCERTAIN,
    TrackState.LOST,
    TrackState.REACQUIRED,
)


def verdicts(*frames: tuple[TrackState, int, float]) -> Verdicts:
    """Of each frame the state, whether the target is there (1, 0, -1) and the overlap."""
    states, there, overlap = zip(*frames, strict=True)
    return Verdicts(
        "film", "filmed", np.array(states, np.int8), np.array(there, np.int8), np.array(overlap)
    )


# --- what is counted -----------------------------------------------------------------------------


def test_a_box_on_an_absent_target_is_counted_and_worst_when_it_says_tracking() -> None:
    counts = judge(verdicts((T, 0, 0), (U, 0, 0), (R, 0, 0), (L, 0, 0)))
    assert (counts.absent, counts.absent_tracking, counts.absent_shown) == (4, 1, 3)
    assert counts.figures()["absent_tracking"] == 0.25
    assert counts.figures()["absent_shown"] == 0.75


def test_a_visible_target_that_is_called_lost_or_tracked_elsewhere_is_counted() -> None:
    figures = judge(verdicts((T, 1, 0.8), (T, 1, 0.05), (U, 1, 0.4), (L, 1, 0.9))).figures()
    assert (figures["visible_lost"], figures["visible_uncertain"]) == (0.25, 0.25)
    assert (figures["visible_tracking"], figures["tracking_wrong_place"]) == (0.5, 0.5)


def test_frames_that_show_little_of_the_target_count_nowhere() -> None:
    counts = judge(verdicts((T, -1, 0.0), (L, -1, 0.0), (T, 1, 0.7)))
    assert (counts.absent, counts.visible, counts.visible_tracking) == (0, 1, 1)


def test_a_return_is_regained_when_a_box_is_on_the_target_before_it_goes_again() -> None:
    absence = [(L, 0, 0.0)] * 3
    late = [(L, 1, 0.0), (U, 1, 0.1), (R, 1, 0.6), (T, 1, 0.6)]
    never = [(L, 1, 0.9), (T, 1, 0.2)]
    counts = judge(verdicts((T, 1, 0.8), *absence, *late, *absence, *never, *absence))
    assert (counts.returns, counts.regained, counts.delays) == (2, 1, (2,))


def test_what_was_never_away_has_no_returns_and_no_shares_of_them() -> None:
    figures = judge(verdicts((T, 1, 0.8), (T, 1, 0.8), (L, 0, 0.0))).figures()
    assert figures["returns"] == 0
    assert math.isnan(figures["regained"]) and math.isnan(figures["frames_to_regain"])


def test_sums_are_of_frames_not_of_shares() -> None:
    one = judge(verdicts((T, 0, 0)))
    many = judge(verdicts(*[(L, 0, 0)] * 9))
    assert total([one, many]).figures()["absent_tracking"] == pytest.approx(0.1)
    assert total([]) == Honesty()


# --- the absences --------------------------------------------------------------------------------


def corner(index: int) -> tuple[int, int]:
    """Where the patch is; it stays on the picture for 100 frames."""
    return 120 + index, 90


def picture(index: int) -> UInt8Image:
    image: UInt8Image = texture(WIDTH, HEIGHT, 40, seed=1)
    (x, y), (w, h) = corner(index), PATCH
    image[y : y + h, x : x + w] = texture(w, h, 8, seed=2)
    return image


def film(name: str = "patch", frames: int = 30, absent: tuple[int, ...] = ()) -> Film:
    boxes = [None if i in absent else Box(*corner(i), *PATCH) for i in range(frames)]
    return Film(name, tuple(boxes), picture)


OTHER = Film("noise", (Box(0, 0, 10, 10),) * 3, lambda index: texture(200, 100, 9, seed=index))


def test_every_kind_of_absence_has_the_length_it_says_and_starts_on_the_target() -> None:
    made = episodes(film(absent=(0, 1)), OTHER, tuple(KINDS))
    assert [episode.kind for episode in made] == list(KINDS)
    for episode in made:
        shots = list(episode.shots())
        assert len(shots) == episode.length
        assert shots[0].there and shots[0].box == Box(*corner(2), *PATCH)
        assert all(shot.image.shape == (HEIGHT, WIDTH, 3) for shot in shots)
        assert all(shot.box is not None for shot in shots if shot.there)
        assert all(shot.box is None for shot in shots if shot.there is False)


def absent_in(kind: str, frames: int = 60) -> list[int]:
    (episode,) = episodes(film(frames=frames), OTHER, (kind,))
    return [index for index, shot in enumerate(episode.shots()) if shot.there is False]


def test_black_pictures_and_another_film_come_between_two_frames() -> None:
    assert absent_in("black") == list(range(30, 30 + BLACK))
    assert absent_in("cut") == list(range(30, 30 + AWAY))
    (episode,) = episodes(film(), None, ("black",))
    shots = list(episode.shots())
    assert not shots[15].image.any()
    np.testing.assert_array_equal(shots[15 + BLACK].image, picture(15))


def test_a_covered_target_is_not_in_the_picture_any_more() -> None:
    (episode,) = episodes(film(frames=60), None, ("covered",))
    shots = list(episode.shots())
    assert absent_in("covered", 100) == list(range(50, 50 + COVERED))
    (x, y), (w, h) = corner(30), PATCH
    there = texture(w, h, 8, seed=2).astype(float)
    now = shots[30].image[y : y + h, x : x + w].astype(float)
    correlation = np.corrcoef(there.ravel(), now.ravel())[0, 1]
    assert abs(correlation) < 0.3


def test_a_departing_target_leaves_over_the_border_for_long_and_comes_back_there() -> None:
    (episode,) = episodes(film(frames=90), OTHER, ("departure",))
    shots = list(episode.shots())
    absent = absent_in("departure", 90)
    assert absent == list(range(absent[0], absent[-1] + 1))
    assert len(absent) >= AWAY
    before, after = shots[absent[0] - 4], shots[absent[-1] + 4]
    for shot in (before, after):
        assert shot.box is not None and shot.box.x == 0, "it is cut by the left border"
    assert shots[-1].box == Box(*corner(89), *PATCH)


def test_a_sequence_alone_cannot_be_cut_and_a_filling_target_not_covered() -> None:
    assert [e.kind for e in episodes(film(), None, tuple(KINDS))] == ["filmed", "black", "covered"]
    filling = Film("big", (Box(10, 10, WIDTH - 20, HEIGHT - 20),) * 9, picture)
    assert "covered" not in [e.kind for e in episodes(filling, OTHER, tuple(KINDS))]


def test_the_other_sequence_is_not_one_of_the_same_name_with_another_number() -> None:
    films = [film("person9"), film("person11"), film("gull1")]
    others = [other.name if other else "" for _, other in pairs(films)]
    assert others == ["gull1", "gull1", "person9"]
    assert pairs([film("car1"), film("car2")])[0][1] is None


# --- the command ---------------------------------------------------------------------------------


def run(*words: object) -> int:
    return cli.main(["eval", "honesty", *(str(word) for word in words)])


def test_the_command_tells_the_shares_of_every_kind_and_sequence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    write_sequence(data / "patch", true_lines(24))
    path = tmp_path / "honesty.json"
    words = ("--data", data, "--tracker", "siamrpnpp", "--threads", 1, "--json", path)
    assert run(*words, "--kinds", "filmed", "black") == 0
    table = capsys.readouterr().out
    assert "black" in table and "sequence patch" in table and "wrongly LOST" in table
    document = json.loads(path.read_text())
    black = document["trackers"]["siamrpnpp"]["black"]
    assert black["absent_frames"] == BLACK
    assert black["absent_tracking"] == 0.0
    assert document["trackers"]["siamrpnpp"]["filmed"]["regained"] is None
    assert "verify_likeness" in document["run"]["thresholds"]["siamrpnpp"]


def test_a_lone_sequence_and_kinds_that_need_two_are_refused_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sequence(tmp_path / "data" / "patch", true_lines(4))
    assert run("--data", tmp_path / "data", "--kinds", "cut") == 2
    assert "second sequence" in capsys.readouterr().err


def test_the_made_pictures_are_pictures(tmp_path: Path) -> None:
    for episode in episodes(film(), OTHER, tuple(KINDS)):
        last = list(episode.shots())[-1]
        assert cv2.imwrite(str(tmp_path / f"{episode.kind}.png"), last.image)


def test_no_two_columns_of_the_table_have_one_name() -> None:
    titles = [column.title for column in COLUMNS]
    assert len(set(titles)) == len(titles)
    row = as_table({"all": judge(verdicts((T, 1, 0.8), (L, 0, 0.0)))})
    assert "absent TRACKING" in row and "visible TRACKING" in row
