"""VOT's multi-start experiment, on runs short enough to be done by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from films import PATCH, corner, true_lines, write_sequence

from tracker_ros.errors import DataError
from tracker_ros.evaluation.datasets import VideoSequence, load_sequence
from tracker_ros.evaluation.opencv_trackers import OpenCVTracker
from tracker_ros.evaluation.polygons import rectangles
from tracker_ros.evaluation.vot_files import MarkedRegions
from tracker_ros.evaluation.vot_multistart import (
    AnchorRun,
    MultiStart,
    MultiStartProtocol,
    anchor_runs,
    default_anchors,
    expected_overlaps,
    measured,
)


def sequence(frames: int, name: str = "made-up", **anchors: int) -> VideoSequence:
    """A target of 10 x 10 that stands still; anchors: f3=1 puts a forward one in frame 3."""
    truth = np.tile([10.0, 10.0, 10.0, 10.0], (frames, 1))
    marks = None
    if anchors:
        marks = np.zeros(frames, np.int8)
        for key, direction in anchors.items():
            marks[int(key[1:])] = direction
    return VideoSequence(name, (), truth, anchors=marks, size=(100, 100))


def run(*overlaps: float) -> MarkedRegions:
    """The given frame, then boxes that cover these shares of the truth and nothing else."""
    boxes = np.array([[10.0, 10.0, 10.0 * share, 10.0] for share in (1, *overlaps)])
    regions = rectangles(boxes)
    regions[0] = np.nan
    return MarkedRegions(np.array([1, *[-1] * len(overlaps)], np.int8), regions)


def measure(*overlaps: float) -> AnchorRun:
    return measured(run(*overlaps), sequence(len(overlaps) + 1))


def test_a_run_fails_at_the_first_of_ten_low_frames() -> None:
    lost = measure(0.9, 0.8, *[0.1] * 10, 0.9)
    assert (lost.progress, lost.failed) == (3, True)
    assert lost.overlap.tolist() == pytest.approx([0, 0.9, 0.8, *[0] * 11])


def test_nine_low_frames_are_no_failure() -> None:
    kept = measure(0.9, *[0.1] * 9, 0.11, *[0.05] * 9)
    assert (kept.progress, kept.failed) == (21, False)
    assert kept.overlap[-1] == pytest.approx(0.05)


def test_frames_of_unknown_truth_interrupt_a_failure() -> None:
    part = sequence(14)
    part.truth[6] = np.nan
    assert not measured(run(0.9, *[0.0] * 12), part).failed


def test_accuracy_and_robustness_of_two_runs() -> None:
    film = sequence(20, f0=1, f19=-1)
    runs = {0: run(*[0.5] * 19), 19: run(*[0.8] * 4, *[0.0] * 15)}
    scored = MultiStartProtocol().score([(film, MultiStart(runs, np.empty(0)))])
    figures = scored.sequences["made-up"]
    # 20 frames before the end and 5 before the failure, of 40.
    assert figures["robustness"] == pytest.approx(25 / 40) and figures["failures"] == 1
    assert figures["accuracy"] == pytest.approx((19 * 0.5 + 4 * 0.8) / 25)


@pytest.mark.parametrize(
    ("overlaps", "accuracy", "robustness", "failures"),
    [
        ([0.6] * 99, 0.594, 1, 0),
        ([0.6] * 20 + [0.0] * 80, 0.571, 0.208, 1),
        ([0.0] * 8 + [0.6] * 91, 0.546, 1, 0),
        ([0.0] * 9 + [0.6] * 90, 0, 0, 1),
        ([0.0] * 30, 0, 0, 1),
    ],
    ids=["followed", "lost after 20", "8 low", "9 low", "lost at once"],
)
def test_the_given_frame_counts_as_one_without_overlap(
    overlaps: list[float], accuracy: float, robustness: float, failures: int
) -> None:
    """As VOT's toolkit has it: the mean counts it, and ten low frames may begin with it."""
    film = sequence(len(overlaps) + 1, f0=1)
    scored = MultiStartProtocol().score([(film, MultiStart({0: run(*overlaps)}, np.empty(0)))])
    for figures in (scored.sequences["made-up"], scored.summary):
        assert figures["accuracy"] == pytest.approx(accuracy, abs=5e-4)
        assert figures["robustness"] == pytest.approx(robustness, abs=5e-4)
        assert figures["failures"] == failures


def test_sequences_weigh_by_their_length_and_by_what_was_followed() -> None:
    long, short = sequence(30, "long", f0=1), sequence(12, "short", f0=1)
    runs = [
        (long, MultiStart({0: run(*[0.6] * 29)}, np.empty(0))),
        (short, MultiStart({0: run(*[0.4], *[0.0] * 10)}, np.empty(0))),
    ]
    overall = MultiStartProtocol().score(runs).summary
    assert overall["robustness"] == pytest.approx((1 * 30 + 2 / 12 * 12) / 42)
    assert overall["accuracy"] == pytest.approx((29 * 0.6 + 0.4) / 32)


def test_the_expected_overlap_leaves_out_runs_that_ended_and_keeps_those_that_failed() -> None:
    ended = AnchorRun(np.array([0, 0.8, 0.6]), 3)
    failed = AnchorRun(np.array([0, 0.9, 0.0, 0.0]), 2)
    curve = expected_overlaps([ended, failed], high=6)
    assert curve[1:3].tolist() == pytest.approx([(0.8 + 0.9) / 2, (0.7 + 0.45) / 2])
    # From here on only the failed one: .9 / 3, and after its end .9 / (j - 1).
    assert curve[3:].tolist() == pytest.approx([0.3, 0.9 / 3, 0.9 / 4, 0.9 / 5])


def test_eao_is_the_mean_from_115_to_755_frames() -> None:
    protocol = MultiStartProtocol()
    film = sequence(800, f0=1)
    scored = protocol.score([(film, MultiStart({0: run(*[0.5] * 799)}, np.empty(0)))])
    assert scored.summary["eao"] == pytest.approx(0.5)
    half = run(*[0.8] * 400, *[0.0] * 399)
    lost = protocol.score([(film, MultiStart({0: half}, np.empty(0)))])
    phi = [0.8 if j <= 400 else 0.8 * 400 / j for j in range(115, 756)]
    assert lost.summary["eao"] == pytest.approx(np.mean(phi))
    short = protocol.score([(sequence(20, f0=1), MultiStart({0: run(*[0.5] * 19)}, np.empty(0)))])
    assert math.isnan(short.summary["eao"]) and "755" in protocol.notes([short])[0]


def test_runs_go_forward_and_backward_from_the_anchors() -> None:
    film = sequence(6, f0=1, f3=-1, f5=1)
    film.truth[:, 0] = np.arange(6)
    runs = dict(anchor_runs(film))  # the last frame has none after it
    assert list(runs) == [0, 3]
    assert runs[0].truth[:, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert runs[3].truth[:, 0].tolist() == [3, 2, 1, 0]


def test_a_sequence_without_anchors_gets_one_every_fifty_frames() -> None:
    film = sequence(120)
    film.truth[0] = np.nan
    marks = default_anchors(film)
    assert {i: marks[i] for i in np.flatnonzero(marks)} == {1: 1, 50: 1, 100: -1, 119: -1}


def test_an_anchor_without_a_target_is_refused() -> None:
    film = sequence(6, f2=1)
    film.truth[2] = np.nan
    with pytest.raises(DataError, match="anchor in frame 3 has no visible target"):
        anchor_runs(film)


def test_a_tracker_is_run_from_both_ends_and_its_files_are_read_again(tmp_path: Path) -> None:
    film = load_sequence(write_sequence(tmp_path / "patch", true_lines(12)))
    protocol = MultiStartProtocol()
    ticks: list[int] = []
    done = protocol.run(lambda: OpenCVTracker("csrt"), film, lambda: ticks.append(1))
    assert list(done.runs) == [0, 11] and len(ticks) == protocol.calls(film) == 22
    # Backward it ends where the film begins.
    x, y = done.runs[11].regions[-1][0]
    assert abs(x - corner(0)[0]) < PATCH[0] / 4 and abs(y - corner(0)[1]) < PATCH[1] / 4
    scored = protocol.score([(film, done)])
    assert scored.summary["robustness"] == 1 and scored.summary["accuracy"] > 0.7 * 11 / 12
    protocol.write(tmp_path, "csrt", film, done)
    names = sorted(path.name for path in (tmp_path / "csrt/baseline/patch").iterdir())
    assert names == ["patch_00000000.txt", "patch_00000011.txt"]
    again = protocol.score([(film, protocol.read(tmp_path / "csrt", film))])
    assert again.summary["accuracy"] == pytest.approx(scored.summary["accuracy"], abs=1e-4)
    (tmp_path / "csrt/baseline/patch" / names[1]).write_text("1\n1,2,3,4\n")
    with pytest.raises(DataError, match="has 2 lines but a run from frame 12 of 'patch'"):
        protocol.read(tmp_path / "csrt", film)


def test_longer_results_are_cut_where_the_film_is(tmp_path: Path) -> None:
    protocol, film = MultiStartProtocol(), sequence(20, f2=1, f9=-1, f15=1)
    done = MultiStart({2: run(*[0.5] * 17), 9: run(*[0.8] * 9), 15: run(*[0.1] * 4)}, np.empty(0))
    protocol.write(tmp_path, "mine", film, done)
    short = protocol.read(tmp_path / "mine", film.cut(12))
    assert {anchor: len(result) for anchor, result in short.runs.items()} == {2: 10, 9: 10}
    np.testing.assert_allclose(short.runs[2].regions[1:], done.runs[2].regions[1:10])
    protocol.write(tmp_path, "cut", film.cut(12), short)  # a run over 12 frames has no more
    assert list(protocol.read(tmp_path / "cut", film.cut(12)).runs) == [2, 9]
    with pytest.raises(DataError, match=r"has 18 lines but a run from frame 3 of .* has 11"):
        protocol.read(tmp_path / "mine", replace(film.cut(13), whole=None))
