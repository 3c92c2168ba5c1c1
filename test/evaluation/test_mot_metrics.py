"""MOTA, IDF1 and HOTA, on ten frames done by hand and by the rules of the benchmark."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mot_films import info, write_mot_sequence

pytest.importorskip("trackeval", reason="trackeval is not installed: ./run setup mot")

from tracker_ros.evaluation.mot_datasets import load_mot_sequence
from tracker_ros.evaluation.mot_files import read_rows
from tracker_ros.evaluation.mot_metrics import (
    combined,
    evaluate_tracks,
    load_trackeval,
    without_distractors,
)
from tracker_ros.evaluation.mot_run import score

ROOT = Path(__file__).parents[2]
SIZE = (20.0, 40.0)


def golden() -> tuple[np.ndarray, np.ndarray]:
    """Two people pass each other; one changes its id, one is missed once, one box is on nothing."""
    truth, tracks = [], []
    for t in range(1, 11):
        truth += [(t, 7, 10.0 * t, 50.0, *SIZE), (t, 3, 300.0 - 10 * t, 150.0, *SIZE)]
        tracks.append((t, 0 if t <= 5 else 2, 10.0 * t + 2, 50.0, *SIZE))
        if t != 4:
            tracks.append((t, 1, 300.0 - 10 * t, 150.0, *SIZE))
        if t == 2:
            tracks.append((t, 3, 500.0, 300.0, *SIZE))
    return np.array(truth), np.array(tracks)


def test_ten_frames_score_what_the_specification_says() -> None:
    figures = evaluate_tracks(*golden())
    assert (figures.tp, figures.fn, figures.fp) == (19, 1, 1)
    assert (figures.idsw, figures.frag, figures.mostly_tracked, figures.mostly_lost) == (1, 1, 2, 0)
    assert figures.mota == pytest.approx(0.85)
    assert figures.motp == pytest.approx(0.904306, abs=1e-6)
    assert (figures.idtp, figures.idf1) == (14, pytest.approx(0.70))
    assert figures.hota == pytest.approx(0.745819, abs=1e-6)
    assert figures.deta == pytest.approx(0.807745, abs=1e-6)
    assert figures.assa == pytest.approx(0.722715, abs=1e-6)
    assert figures.loca == pytest.approx(0.919416, abs=1e-6)
    # The shifted person overlaps 18/22: from 0.85 on only the other one is found.
    assert figures.hota_curve[:16] == pytest.approx([0.789816] * 16, abs=1e-6)
    assert figures.hota_curve[16:] == pytest.approx([0.5112] * 3, abs=1e-4)


def test_names_order_and_origin_do_not_matter() -> None:
    truth, tracks = golden()
    renamed = tracks[::-1].copy()
    renamed[:, 1] = 1000 - 3 * renamed[:, 1]
    shuffled = truth[np.random.default_rng(0).permutation(len(truth))]
    move = np.array([40, 0, 1, 1, 0, 0])  # later frames, 1-based boxes
    assert evaluate_tracks(shuffled + move, renamed + move) == evaluate_tracks(truth, tracks)


def test_the_truth_itself_is_perfect_and_nothing_found_is_nothing() -> None:
    truth, _ = golden()
    best = evaluate_tracks(truth, truth)
    assert (best.mota, best.idf1, best.hota, best.idsw, best.frag) == (1, 1, 1, 0, 0)
    none = evaluate_tracks(truth.tolist(), [])
    assert (none.mota, none.idf1, none.hota, none.fn, none.mostly_lost) == (0, 0, 0, 20, 2)


def test_sequences_together_are_counted_as_one() -> None:
    truth, tracks = golden()
    half = truth[truth[:, 1] == 7]
    together = combined([evaluate_tracks(truth, tracks), evaluate_tracks(half, half)])
    assert (together.tp, together.fn, together.fp, together.idsw) == (29, 1, 1, 1)
    assert together.mota == pytest.approx(1 - 3 / 30)
    assert together.idf1 == pytest.approx(2 * (14 + 10) / (2 * 24 + 6 + 6))
    # HOTA weighs its association by what was found: it is no mean of 0.7458 and 1.
    assert 0.75 < together.hota < (0.745819 + 1) / 2 - 0.01


@pytest.mark.parametrize(
    ("truth", "tracks", "complaint"),
    [
        ([], [[1, 1, 0, 0, 9, 9]], "holds no box"),
        ([[1, 1, 0, 0, 9, 9], [1, 1, 5, 0, 9, 9]], [], "truth: id 1 is there 2 times in frame 1"),
        (
            [[1, 1, 0, 0, 9, 9]],
            [[4, 2, 0, 0, 9, 9]] * 2,
            "tracks: id 2 is there 2 times in frame 4",
        ),
        ([[1, 1, 0, 0, 9]], [], r"truth of shape \(1, 5\)"),
        ([[1, 1, 0, 0, 9, float("nan")]], [], "not finite"),
    ],
)
def test_what_cannot_be_scored_is_refused(truth: Any, tracks: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        evaluate_tracks(truth, tracks)


def test_a_track_on_a_distractor_is_taken_out_unless_it_fits_a_person_better() -> None:
    truth = np.array([[1, 1, 0, 0, 10, 10], [1, 2, 2, 0, 10, 10], [2, 2, 2, 0, 10, 10.0]])
    distractor = np.array([False, True, True])
    tracks = np.array([[1, 5, 0.5, 0, 10, 10], [2, 5, 2, 0, 10, 10], [2, 6, 90, 0, 10, 10.0]])
    kept = without_distractors(truth, distractor, tracks)
    assert kept[:, :2].tolist() == [[1, 5], [2, 6]]
    assert without_distractors(truth, ~distractor & False, tracks) is tracks


# --- the benchmark's own loader ------------------------------------------------------------------

CLASSES = {1: 1, 2: 7, 3: 8, 4: 12, 5: 2, 6: 6, 7: 3, 8: 1}
"""Identity -> class; 8 is a pedestrian that does not count."""


def written_example(folder: Path, name: str) -> tuple[Path, Path]:
    """A sequence with people of all sorts, and tracks on most of them."""
    random = np.random.default_rng(5)
    truth, tracks = [], []
    for frame in range(1, 13):
        for identity, kind in CLASSES.items():
            x, y = 60 * identity + 3 * frame, 50.0
            truth.append(f"{frame},{identity},{x},{y},30,60,{int(identity != 8)},{kind},1.0")
            if random.random() < 0.8:
                dx, dy = random.normal(0, 2, 2)
                track = identity + 10 * (frame > 7)
                tracks.append(f"{frame},{track},{x + dx:.2f},{y + dy:.2f},30,60,1,-1,-1,-1")
    sequence = write_mot_sequence(folder / "gt" / name, truth=truth, frames=12, images=False)
    (sequence / "seqinfo.ini").write_text(info(12, name=name))
    result = folder / "tracks/mine" / f"{name}.txt"
    result.parent.mkdir(parents=True)
    result.write_text("\n".join(tracks) + "\n")
    return sequence, result


def scored_by_trackeval(folder: Path, name: str) -> dict[str, dict[str, Any]]:
    from trackeval.datasets import MotChallenge2DBox

    with contextlib.redirect_stdout(io.StringIO()):
        dataset = MotChallenge2DBox(
            {
                "GT_FOLDER": str(folder / "gt"), "TRACKERS_FOLDER": str(folder / "tracks"),
                "TRACKERS_TO_EVAL": ["mine"], "TRACKER_SUB_FOLDER": "", "SKIP_SPLIT_FOL": True,
                "BENCHMARK": name[:5], "SEQ_INFO": {name: 12}, "PRINT_CONFIG": False,
            }
        )  # fmt: skip
        raw = dataset.get_raw_seq_data("mine", name)
        data = dataset.get_preprocessed_seq_data(raw, "pedestrian")
    return {key: metric.eval_sequence(data) for key, metric in load_trackeval().items()}


@pytest.mark.parametrize(("name", "false"), [("MOT17-02", 20), ("MOT20-01", 10)])
def test_distractors_are_treated_as_the_benchmark_does(
    tmp_path: Path, name: str, false: int
) -> None:
    folder, result = written_example(tmp_path, name)
    sequence = load_mot_sequence(folder, "det")
    figures = score(sequence, read_rows(result))
    theirs = scored_by_trackeval(tmp_path, name)
    assert figures.mota == theirs["clear"]["MOTA"]
    assert figures.idf1 == theirs["identity"]["IDF1"]
    assert figures.hota == pytest.approx(theirs["hota"]["HOTA"].mean(), abs=1e-12)
    counts = theirs["clear"]["CLR_TP"], theirs["clear"]["CLR_FP"], theirs["clear"]["CLR_FN"]
    assert (figures.tp, figures.fp, figures.fn) == counts
    # Without the rules, boxes on the sitting and the mirrored would all be false.
    plain = evaluate_tracks(sequence.truth.scored, read_rows(result))
    assert false <= figures.fp < plain.fp - 20
    assert figures.tp + figures.fn == 12


# --- the library ---------------------------------------------------------------------------------


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)


def test_loading_it_is_silent() -> None:
    ended = run_python(
        "from tracker_ros.evaluation.mot_metrics import load_trackeval; load_trackeval()"
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_where_it_is_missing_one_line_names_the_command_that_installs_it(tmp_path: Path) -> None:
    ended = run_python(
        "import sys; sys.modules['trackeval'] = None\n"
        "from tracker_ros.cli import main\n"
        f"sys.exit(main(['eval', 'mot', '--data', {str(tmp_path)!r}, '--detections', 'det']))"
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("error: eval needs trackeval") and ended.stderr.count("\n") == 1
    assert "./run eval mot installs it" in ended.stderr and "--no-deps" in ended.stderr


def test_the_evaluation_of_single_objects_does_without_it() -> None:
    ended = run_python(
        "import sys; sys.modules['trackeval'] = None\n"
        "from tracker_ros.cli import main\n"
        "sys.exit(main(['eval', 'sot', '--data', 'nowhere']))"
    )
    assert ended.returncode == 2 and "no such folder" in ended.stderr
