"""Our figures against what others published or computed, on data that is not ours to ship."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("trackeval", reason="trackeval is not installed: ./run setup mot")

from tracker_ros.evaluation.mot_datasets import load_mot_sequence, read_mot_truth
from tracker_ros.evaluation.mot_files import read_rows
from tracker_ros.evaluation.mot_metrics import evaluate_tracks
from tracker_ros.evaluation.mot_run import score, track_sequence
from tracker_ros.mot import open_multi_tracker

SHARED = Path(__file__).parents[3] / "shared/data"


def shared(name: str) -> Path:
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"the sequences are not here ({folder})")
    return folder


def test_a_trackers_published_output_scores_what_it_is_known_to() -> None:
    folder = shared("oracles/mot/TUD-Campus")
    figures = evaluate_tracks(
        read_mot_truth(folder / "gt.txt").scored, read_rows(folder / "test.txt")
    )
    assert (round(figures.idf1, 3), round(figures.mota, 3)) == (0.558, 0.526)
    assert (figures.fp, figures.fn, figures.idsw, figures.frag) == (13, 150, 7, 7)
    assert (figures.mostly_tracked, figures.mostly_lost) == (1, 1)
    assert round(figures.tp / (figures.tp + figures.fn), 3) == 0.582
    assert round(figures.tp / (figures.tp + figures.fp), 3) == 0.941
    assert round(1 - figures.motp, 3) == 0.277


@pytest.mark.parametrize(
    ("name", "mota", "idf1", "hota"),
    [("TUD-Campus", 0.632, 0.607, 0.456), ("PETS09-S2L1", 0.489, 0.395, 0.311)],
)
def test_sort_scores_what_another_implementation_of_it_did(
    name: str, mota: float, idf1: float, hota: float
) -> None:
    sequence = load_mot_sequence(shared(f"mot/{name}"), "det")
    figures = score(sequence, track_sequence(open_multi_tracker("sort"), sequence).tracks)
    assert round(figures.mota, 3) == mota
    assert round(figures.idf1, 3) == idf1
    assert round(figures.hota, 3) == hota
