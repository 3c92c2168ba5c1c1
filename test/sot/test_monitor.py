"""When a target is said to be there, and when not."""

from tracker_ros.sot.monitor import Monitor, Thresholds
from tracker_ros.track import Evidence, TrackState

T = Thresholds(uncertain_score=0.5, lost_score=0.3, recover_score=0.6, patience=4, confirm=3)


def evidence(
    score: float, peak_ratio: float = 0.2, contrast: float = 0.2, size: float = 1.0
) -> Evidence:
    return Evidence(score=score, peak_ratio=peak_ratio, size_change=size, contrast=contrast)


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


def test_a_box_that_jumps_in_size_is_uncertain() -> None:
    for size in (2.5, 0.3):
        assert tracking().update(evidence(0.9, size=size))[0] is TrackState.UNCERTAIN


def test_every_state_but_plain_tracking_says_why() -> None:
    monitor = tracking()
    for score in (0.1, 0.1, 0.1, 0.1, 0.1, 0.9):
        state, reason = monitor.update(evidence(score))
        assert state is TrackState.TRACKING or reason


def test_every_state_but_tracking_gives_a_reason() -> None:
    monitor = Monitor(T)
    for score in (0.9, 0.9, 0.9, 0.4, 0.9, 0.9, 0.9, *[0.1] * 4, 0.5, 0.7, 0.4, 0.7, 0.9, 0.9):
        state, reason = monitor.update(evidence(score))
        assert (reason == "") == (state is TrackState.TRACKING), (state, reason)
