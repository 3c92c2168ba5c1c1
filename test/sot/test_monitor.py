"""When a target is said to be there, and when not."""

import dataclasses

import pytest

from tracker_ros.sot.monitor import Monitor, Thresholds
from tracker_ros.track import Evidence, TrackState

T = Thresholds(
    uncertain_score=0.5, lost_score=0.3, recover_score=0.6, verify_likeness=0.4,
    lost_likeness=0.1, patience=4, confirm=3, verify_every=6,
)  # fmt: skip


def evidence(
    score: float,
    peak_ratio: float = 0.2,
    contrast: float = 0.2,
    size: float = 1.0,
    **derived: float,
) -> Evidence:
    return Evidence(
        score=score, peak_ratio=peak_ratio, size_change=size, contrast=contrast, **derived
    )


def states(monitor: Monitor, *scores: float) -> list[TrackState]:
    return [monitor.update(evidence(score))[0] for score in scores]


def tracking() -> Monitor:
    monitor = Monitor(T)
    states(monitor, 0.9, 0.9, 0.9)
    return monitor


def test_a_new_target_is_tentative_until_good_evidence_has_come_thrice() -> None:
    monitor = Monitor(T)
    assert states(monitor, 0.9, 0.9, 0.9) == [
        TrackState.TENTATIVE,
        TrackState.TENTATIVE,
        TrackState.TRACKING,
    ]


def test_weak_evidence_is_uncertain_at_once_and_lost_when_it_lasts() -> None:
    monitor = tracking()
    assert states(monitor, 0.1, 0.1, 0.1, 0.1) == [
        TrackState.UNCERTAIN,
        TrackState.UNCERTAIN,
        TrackState.UNCERTAIN,
        TrackState.LOST,
    ]


def test_a_short_occlusion_is_not_a_loss() -> None:
    monitor = tracking()
    assert TrackState.LOST not in states(monitor, 0.1, 0.1, 0.1, 0.9, 0.9, 0.9)
    assert monitor.state is TrackState.TRACKING


def test_a_black_frame_is_lost_at_once_whatever_the_score() -> None:
    monitor = tracking()
    state, reason = monitor.update(evidence(0.99, contrast=0.0))
    assert state is TrackState.LOST
    assert "blank" in reason


def test_a_lost_target_comes_back_as_reacquired_and_then_tracking() -> None:
    monitor = tracking()
    monitor.lose()
    assert states(monitor, 0.55) == [TrackState.LOST], "0.55 keeps a target but does not regain one"
    assert states(monitor, 0.7, 0.7, 0.7) == [
        TrackState.REACQUIRED,
        TrackState.REACQUIRED,
        TrackState.TRACKING,
    ]


def test_a_look_alike_makes_a_target_uncertain_and_does_not_regain_one() -> None:
    monitor = tracking()
    state, reason = monitor.update(evidence(0.9, peak_ratio=0.95))
    assert state is TrackState.UNCERTAIN
    assert "look-alike" in reason
    monitor.lose()
    assert monitor.update(evidence(0.9, peak_ratio=0.95))[0] is TrackState.LOST


# --- every doubt, by itself ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("derived", "words"),
    [
        ({"score": 0.4}, "score 0.40 under 0.5"),
        ({"score": 0.9, "drift": -0.6}, "60% under its level"),
        ({"score": 0.9, "peak_ratio": 0.95}, "look-alike"),
        ({"score": 0.9, "size": 2.5}, "size changed 2.5 times"),
        ({"score": 0.9, "size": 0.25}, "size changed 4.0 times"),
        ({"score": 0.9, "jump": 1.8}, "jumped 1.8 times its size"),
        ({"score": 0.9, "inside": 0.2}, "leaves the picture (20% of the box inside)"),
        ({"score": 0.9, "likeness": 0.3}, "unlike the first frame (likeness 0.30)"),
    ],
)
def test_one_doubt_is_enough_for_uncertain_and_says_which(
    derived: dict[str, float], words: str
) -> None:
    monitor = tracking()
    state, reason = monitor.update(evidence(**derived))
    assert state is TrackState.UNCERTAIN
    assert words in reason


def test_a_score_that_swings_about_a_threshold_does_not_make_the_state_flicker() -> None:
    monitor = tracking()
    seen = states(monitor, *[0.48, 0.52] * 20)
    assert set(seen) == {TrackState.UNCERTAIN}
    seen = states(monitor, *[0.28, 0.32] * 20)
    assert set(seen) == {TrackState.UNCERTAIN}, "it is never weak for long"
    monitor.lose()
    assert set(states(monitor, *[0.58, 0.56] * 20)) == {TrackState.LOST}


# --- the first frame has the last word -----------------------------------------------------------


def test_a_target_is_not_tracking_before_it_was_compared_with_the_first_frame() -> None:
    monitor = Monitor(T)
    for _ in range(10):
        state, _ = monitor.update(evidence(0.9), compared=False)
        assert state is TrackState.TENTATIVE
    assert monitor.wants_likeness(evidence(0.9))
    assert monitor.update(evidence(0.9, likeness=0.5))[0] is TrackState.TRACKING


def test_a_tracking_target_is_compared_now_and_then_and_when_its_score_falls() -> None:
    monitor = tracking()
    asked = []
    for _ in range(12):
        compared = monitor.wants_likeness(evidence(0.9))
        monitor.update(evidence(0.9), compared=compared)
        asked.append(compared)
    assert [index for index, now in enumerate(asked) if now] == [5, 11]
    monitor.update(evidence(0.9), compared=False)
    assert not monitor.wants_likeness(evidence(0.9))
    assert monitor.wants_likeness(evidence(0.9, drift=-0.3))


def test_weak_or_blank_pictures_are_not_worth_a_comparison() -> None:
    monitor = tracking()
    monitor.update(evidence(0.1), compared=False)
    for _ in range(10):
        assert not monitor.wants_likeness(evidence(0.1))
        assert not monitor.wants_likeness(evidence(0.9, contrast=0.0))
        monitor.update(evidence(0.35), compared=False)
    monitor.lose()
    assert not monitor.wants_likeness(evidence(0.55))
    assert monitor.wants_likeness(evidence(0.65))


def test_a_lost_target_is_not_regained_by_something_unlike_it_however_high_its_score() -> None:
    monitor = tracking()
    monitor.lose()
    for _ in range(20):
        state, reason = monitor.update(evidence(0.99, likeness=0.39))
        assert (state, reason) == (TrackState.LOST, "seen something else (likeness 0.39)")
    assert monitor.update(evidence(0.99, likeness=0.41))[0] is TrackState.REACQUIRED


def test_a_target_that_has_become_something_else_is_lost_after_three_comparisons() -> None:
    monitor = tracking()
    unlike = [monitor.update(evidence(0.95, likeness=0.05)) for _ in range(3)]
    assert [state for state, _ in unlike] == [
        TrackState.UNCERTAIN,
        TrackState.UNCERTAIN,
        TrackState.LOST,
    ]
    assert unlike[-1][1] == "something else (likeness 0.05)"
    assert monitor.update(evidence(0.95, likeness=0.5))[0] is TrackState.REACQUIRED
    after = monitor.update(evidence(0.95, likeness=0.05))[0]
    assert after is TrackState.UNCERTAIN, "of a return, the three are counted anew"


def test_a_return_may_have_to_be_seen_several_times_at_one_place() -> None:
    monitor = Monitor(dataclasses.replace(T, confirm_return=3))
    monitor.lose()
    seen = [monitor.update(evidence(0.9, jump=jump))[0] for jump in (0.0, 0.2, 2.0, 0.1, 0.1)]
    assert seen == [TrackState.LOST] * 4 + [TrackState.REACQUIRED], "the third was elsewhere"


def test_a_returned_target_that_is_weak_again_is_lost_at_once() -> None:
    monitor = tracking()
    monitor.lose()
    assert states(monitor, 0.9, 0.1) == [TrackState.REACQUIRED, TrackState.LOST]


def test_a_box_beyond_the_border_is_no_return() -> None:
    monitor = tracking()
    monitor.lose()
    assert monitor.update(evidence(0.9, inside=0.1))[0] is TrackState.LOST


def test_every_state_but_tracking_gives_a_reason() -> None:
    monitor = Monitor(T)
    for score in (0.9, 0.9, 0.9, 0.4, 0.9, 0.9, 0.9, *[0.1] * 4, 0.5, 0.7, 0.4, 0.7, 0.9, 0.9):
        state, reason = monitor.update(evidence(score))
        assert (reason == "") == (state is TrackState.TRACKING), (state, reason)
