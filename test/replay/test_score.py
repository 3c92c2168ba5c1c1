"""What a replay of one target is worth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from replays import following, replay_of, stamp_of, start_on, timeline_of, track

from tracker_ros.errors import DataError
from tracker_ros.evaluation.metrics import accuracy
from tracker_ros.geometry import Box
from tracker_ros.replay.annotations import TargetTruth, target_truth
from tracker_ros.replay.figures import names_for
from tracker_ros.replay.score import Score, score_plain, score_replay, score_sot
from tracker_ros.replay.truth_files import read_target
from tracker_ros.track import TrackState

TRACKING, LOST, REACQUIRED, UNCERTAIN = (
    TrackState.TRACKING, TrackState.LOST, TrackState.REACQUIRED, TrackState.UNCERTAIN,
)  # fmt: skip

HERE = (10.0, 10.0, 20.0, 20.0)
AWAY = (math.nan,) * 4
ELSEWHERE = (200.0, 200.0, 20.0, 20.0)


def truth_of(boxes: Sequence[tuple[float, ...]]) -> TargetTruth:
    """A box for every image, from image 0 on."""
    return TargetTruth("truth.txt", np.arange(len(boxes)), np.array(boxes, np.float64), False)


def scored(
    states: Sequence[TrackState], boxes: Sequence[tuple[float, ...]], shift: float = 0.0
) -> Score:
    """A target answered with these states from image 1 on, against these boxes from image 0 on."""
    return score_sot(following(states, shift=shift), truth_of(boxes), "1")


# --- one target ----------------------------------------------------------------------------------


def test_a_target_that_is_followed_exactly_gets_the_most_that_there_is() -> None:
    figures = scored([TRACKING] * 9, [HERE] * 10).figures
    # An overlap of 1 is greater than 20 of the 21 thresholds.
    assert figures["auc"] == pytest.approx(20 / 21)
    for name in ("precision", "norm_precision", "ao", "sr50", "sr75"):
        assert figures[name] == 1
    assert figures["scored"] == 9  # without the image that it was set on
    assert figures["lost_when_visible"] == 0
    assert figures["first_lost_s"] == math.inf


def test_a_box_half_beside_the_target_scores_what_its_overlap_says() -> None:
    score = scored([TRACKING] * 9, [HERE] * 10, shift=10)  # 10 x 20 of 30 x 20: a third
    assert score.figures["ao"] == pytest.approx(1 / 3)
    assert score.figures["auc"] == pytest.approx(7 / 21)  # 0, 0.05, ..., 0.3
    assert score.figures["precision"] == 1  # 10 px
    assert score.figures["norm_precision"] == 0  # half a side
    assert score.figures["sr50"] == 0


def test_the_figures_are_those_of_the_evaluation_of_sequences() -> None:
    random = np.random.default_rng(3)
    boxes = random.uniform(5, 60, (40, 4))
    found = boxes + random.normal(0, 6, (40, 4))
    found[:, 2:] = np.maximum(found[:, 2:], 2)
    boxes[[7, 8, 30]] = math.nan
    timeline = timeline_of(lambda i: [track("1", Box(*found[i].tolist()))] if i else [], range(40))
    result = replay_of(timeline, starts={"1": start_on(0)})
    figures = score_sot(result, truth_of(boxes.tolist()), "1").figures
    expected = accuracy(found, boxes)
    assert (figures["auc"], figures["precision"]) == pytest.approx(expected[:2])
    assert figures["scored"] == expected.frames


def test_a_lost_target_overlaps_nothing_however_right_its_last_box_is() -> None:
    score = scored([TRACKING, LOST, LOST, TRACKING], [HERE] * 5)
    assert score.sot is not None
    np.testing.assert_array_equal(score.sot.overlap, [np.nan, 1, 0, 0, 1])
    assert score.figures["lost_when_visible"] == 0.5
    assert score.figures["precision"] == 0.5
    assert score.figures["losses"] == 1


def test_what_was_published_counts_however_unsure_it_was() -> None:
    assert scored([UNCERTAIN] * 4, [HERE] * 5).figures["ao"] == 1


def test_frames_without_the_target_count_only_as_such() -> None:
    score = scored(
        [TRACKING, TRACKING, REACQUIRED, UNCERTAIN, LOST, TRACKING],
        [HERE] * 2 + [AWAY] * 4 + [HERE],
    )
    assert score.figures["ao"] == 1
    assert score.figures["scored"] == 2
    assert score.figures["tracking_when_absent"] == 0.5


def test_a_target_that_is_always_visible_has_no_share_of_absent_frames() -> None:
    assert math.isnan(scored([TRACKING] * 3, [HERE] * 4).figures["tracking_when_absent"])


def test_a_target_that_is_never_visible_again_has_only_that_share() -> None:
    figures = scored([TRACKING, LOST], [HERE, AWAY, AWAY]).figures
    assert figures["tracking_when_absent"] == 0.5
    assert math.isnan(figures["auc"]) and math.isnan(figures["lost_when_visible"])


def test_found_again_is_told_from_taken_for_something_else() -> None:
    right = [LOST, REACQUIRED]
    score = scored(
        right * 3, [HERE, HERE, HERE, HERE, ELSEWHERE, HERE, AWAY]
    )  # on it, beside it, where it is not visible
    assert score.figures["reacquired"] == 1
    assert score.figures["false_reacquired"] == 2


def test_the_time_to_the_first_loss_is_that_of_the_recording() -> None:
    figures = scored([TRACKING] * 29 + [LOST] * 5, [HERE] * 35).figures
    assert figures["first_lost_s"] == pytest.approx(1.0, abs=1e-6)


def test_a_loss_while_the_target_is_away_is_no_loss_of_a_visible_one() -> None:
    assert scored([TRACKING, LOST, TRACKING], [HERE, HERE, AWAY, HERE]).figures["first_lost_s"] == (
        math.inf
    )


def test_a_target_that_has_ended_is_missed_as_long_as_it_is_visible() -> None:
    timeline = timeline_of(lambda i: [track("1", Box(*HERE))] if 0 < i < 5 else [], range(9))
    result = replay_of(timeline, starts={"1": start_on(0)})
    figures = score_sot(result, truth_of([HERE] * 9), "1").figures
    assert figures["ao"] == 0.5
    assert figures["lost_when_visible"] == 0.5


def test_what_was_before_the_target_was_set_is_not_counted() -> None:
    timeline = timeline_of(lambda i: [track("1", Box(*HERE))] if i > 5 else [], range(10))
    for starts in ({"1": start_on(5)}, {}):
        figures = score_sot(replay_of(timeline, starts=starts), truth_of([HERE] * 10), "1").figures
        assert (figures["ao"], figures["scored"]) == (1, 4)


def test_of_images_with_one_stamp_the_target_was_set_on_that_of_the_number() -> None:
    timeline = timeline_of(
        lambda i: [track("1", Box(*HERE))] if i > 2 else [], range(6), stamp=lambda i: stamp_of(0)
    )
    result = replay_of(timeline, starts={"1": start_on(2)})
    assert score_sot(result, truth_of([HERE] * 6), "1").figures["scored"] == 3
    # Set on image 1: image 2 had the target, and no track.
    figures = score_sot(
        replay_of(timeline, starts={"1": start_on(1)}), truth_of([HERE] * 6), "1"
    ).figures
    assert (figures["scored"], figures["ao"]) == (4, 0.75)


def test_frames_that_are_not_annotated_are_not_counted() -> None:
    truth = target_truth(
        "csv", np.array([stamp_of(4), stamp_of(2)]), np.array([ELSEWHERE, HERE], np.float64)
    )
    figures = score_sot(following([TRACKING] * 6), truth, "1").figures
    assert (figures["scored"], figures["ao"]) == (2, 0.5)


def test_images_without_an_answer_show_in_a_figure_of_their_own() -> None:
    timeline = timeline_of(lambda i: [track("1", Box(*HERE))] if i else [], [0, 1, 4, 5])
    result = replay_of(timeline, received=8, starts={"1": start_on(0)})
    figures = score_sot(result, truth_of([HERE] * 8), "1").figures
    assert figures["answered"] == 0.5
    assert (figures["ao"], figures["scored"]) == (1, 3)


def test_a_truth_that_ends_before_the_target_is_set_scores_nothing_and_says_so() -> None:
    truth = target_truth("csv", np.array([stamp_of(0)]), np.array([HERE], np.float64))
    with pytest.raises(DataError, match="none of the 5 frames can be scored"):
        score_sot(following([TRACKING] * 4), truth, "1")


def test_a_target_that_there_was_not_is_refused_with_those_there_were() -> None:
    with pytest.raises(DataError, match="with a target '2'; there were 1"):
        score_sot(following([TRACKING] * 4), truth_of([HERE] * 5), "2")


def test_one_truth_for_two_targets_needs_to_know_which() -> None:
    timeline = timeline_of(
        lambda i: [track("a", Box(*HERE)), track("b", Box(*ELSEWHERE))], range(4)
    )
    result = replay_of(timeline)
    with pytest.raises(DataError, match=r"2 targets \(a, b\) followed"):
        score_replay(result, truth_of([HERE] * 4))
    assert score_replay(result, truth_of([HERE] * 4), "a").figures["ao"] == 1
    assert score_replay(result, truth_of([HERE] * 4), "b").figures["ao"] == 0
    set_first = replay_of(timeline, target="b")
    assert score_replay(set_first, truth_of([HERE] * 4)).figures["ao"] == 0


def test_a_replay_without_a_truth_has_the_figures_that_need_none() -> None:
    result = following([TRACKING, LOST, TRACKING, LOST, LOST])
    figures = score_replay(result, None).figures
    assert list(figures) == names_for("sot", truth=False)
    assert (figures["losses"], figures["frames"], figures["answered"]) == (2, 6, 1)
    ages = result.timeline.ages * 1e3
    assert figures["latency_median_ms"] == pytest.approx(np.median(ages))
    assert figures["latency_p95_ms"] == pytest.approx(np.percentile(ages, 95))
    assert figures["speed_up"] == pytest.approx(result.duration / result.wall)


def test_a_target_that_ended_by_itself_is_a_loss() -> None:
    timeline = timeline_of(lambda i: [track("1", Box(*HERE))] if 0 < i < 50 else [], range(100))
    gone = replay_of(timeline, starts={"1": start_on(0)}, ended=[(50, "1")])
    assert score_plain(gone).figures["losses"] == 1
    never_answered = replay_of(timeline, ended=[(50, "1"), (50, "2")])
    assert score_plain(never_answered).figures["losses"] == 2


def test_a_target_that_was_lost_and_then_ended_is_one_loss() -> None:
    timeline = timeline_of(
        lambda i: [track("1", Box(*HERE), TRACKING if i < 30 else LOST)] if i < 50 else [],
        range(100),
    )
    assert score_plain(replay_of(timeline, ended=[(50, "1")])).figures["losses"] == 1


def test_a_part_of_a_bag_is_scored_on_that_part() -> None:
    truth = truth_of([ELSEWHERE] * 40 + [HERE] * 20 + [ELSEWHERE] * 40)
    timeline = timeline_of(lambda i: [track("1", Box(*HERE))] if i > 40 else [], range(40, 60))
    result = replay_of(timeline, first=40, images=100, starts={"1": start_on(40)})
    figures = score_sot(result, truth, "1").figures
    assert (figures["scored"], figures["ao"], figures["answered"]) == (19, 1, 1)


def test_that_a_damaged_bag_was_scored_on_a_prefix_is_in_the_notes() -> None:
    timeline = timeline_of(lambda i: [track("1", Box(*HERE))] if i else [], range(5))
    result = replay_of(timeline, starts={"1": start_on(0)}, damage="it ends at 12 s")
    score = score_sot(result, truth_of([HERE] * 9), "1")
    assert score.figures["ao"] == 1
    assert "holds 5 of the 9 images" in " ".join(score.notes)


def test_a_replay_in_which_nothing_was_answered_has_no_latency() -> None:
    figures = score_plain(replay_of(timeline_of(lambda i: [], []), received=4, rejected=4)).figures
    assert figures["answered"] == 0
    assert math.isnan(figures["latency_p95_ms"])


# --- data that is not ours to ship ---------------------------------------------------------------


def test_a_replay_that_answers_with_published_results_scores_what_was_published() -> None:
    data = Path(__file__).parents[3] / "shared/data/oracles/otb"
    if not data.is_dir():
        pytest.skip(f"the sequences are not here ({data})")
    truth = read_target(next((data / "truth").glob("Crossing*")))
    found = np.loadtxt(next((data / "siamfc3s").glob("Crossing*")), delimiter=",")
    timeline = timeline_of(lambda i: [track("1", Box(*found[i].tolist()))], range(len(found)))
    # Set before the first image: then all frames count, as in the published figures.
    figures = score_sot(replay_of(timeline), truth, "1").figures
    assert round(figures["auc"], 3) == 0.748
    assert figures["precision"] == 1.0
