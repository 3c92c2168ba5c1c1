"""`tracker_ros eval mot`, whole: from MOTChallenge folders to table, JSON and tracks."""

from __future__ import annotations

import json
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import pytest
from films import write_undecodable_jpeg
from mot_films import FRAMES, found_rows, place, true_rows, write_mot_sequence

pytest.importorskip("trackeval", reason="trackeval is not installed: ./run setup mot")

from tracker_ros.cli import main
from tracker_ros.evaluation.mot_datasets import MotSequence, load_mot_sequence
from tracker_ros.evaluation.mot_files import read_rows
from tracker_ros.evaluation.mot_run import ABLATIONS, track_sequence
from tracker_ros.geometry import UInt8Image
from tracker_ros.mot import MULTI_TRACKERS
from tracker_ros.mot.detections import Detection
from tracker_ros.mot.sort import SortTracker
from tracker_ros.track import Track, TrackState

COUNTS = ["fp", "fn", "idsw", "frag", "mt", "pt", "ml"]
KEYS = ["mota", "idf1", "hota", "recall", "precision", "motp", "motp_distance", *COUNTS, "fps"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two sequences: in `calm` everybody is always detected; in `gap`, without images, one is not
    for three frames, after which SORT takes him for somebody else."""
    write_mot_sequence(tmp_path / "data/calm")
    truth = true_rows()
    found = [
        line for line in truth if line.split(",")[:2] not in (["5", "1"], ["6", "1"], ["7", "1"])
    ]
    write_mot_sequence(tmp_path / "data/gap", truth=truth, found=found_rows(found), images=False)
    return tmp_path / "data"


def evaluate(data: Path, *options: str) -> dict[str, Any]:
    """Run the command on the sequences' own detections; what it wrote as JSON."""
    path = data.parent / "result.json"
    source = [] if "--detections" in options else ["--detections", "det"]
    assert main(["eval", "mot", "--data", str(data), "--json", str(path), *source, *options]) == 0
    document = json.loads(path.read_text())
    assert isinstance(document, dict)
    return document


def refusal(capsys: pytest.CaptureFixture[str], data: Path, *options: str) -> str:
    """Run the command, which has to refuse before anything runs; the line on stderr."""
    words = ["eval", "mot", "--data", str(data), "--detections", "det", "--tracker", "sort"]
    assert main([*words, *options]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and err.count("\n") == 1
    return err


def test_one_tracker_gives_its_figures_per_sequence_and_their_mean(data: Path) -> None:
    document = evaluate(data, "--tracker", "sort")
    assert set(document) == {"tracker", "sequences", "mean", "combined", "run"}
    assert document["tracker"] == "sort" and list(document["sequences"]) == ["calm", "gap"]
    for figures in (*document["sequences"].values(), document["mean"], document["combined"]):
        assert list(figures) == KEYS and figures["fps"] > 0
    calm, gap = document["sequences"]["calm"], document["sequences"]["gap"]
    perfect = [*[1] * 6, 0, *[0] * 4, 2, 0, 0]
    assert [calm[key] for key in KEYS[:-1]] == pytest.approx(perfect, abs=1e-4)
    # Missed for three frames and for two more that SORT takes to believe in him again.
    assert gap["mota"] == pytest.approx(1 - (5 + 1) / 20)
    assert [gap[key] for key in COUNTS] == [0, 5, 1, 1, 1, 1, 0]
    assert gap["recall"] == pytest.approx(15 / 20) and gap["precision"] == 1
    assert gap["idf1"] == pytest.approx(2 * 14 / (20 + 15))
    for key, mean in document["mean"].items():
        assert mean == pytest.approx((calm[key] + gap[key]) / 2)
    assert document["combined"]["mota"] == pytest.approx(1 - 6 / 40)
    assert document["combined"]["idsw"] == 1


def test_the_json_says_under_which_conditions_it_was_measured(data: Path) -> None:
    run = evaluate(data, "--tracker", "sort", "--limit", "7", "--threads", "1")["run"]
    assert run["frames"] == {"calm": 7, "gap": 7}
    assert (run["limit"], run["threads"], run["detections"], run["seed"]) == (7, 1, "det", 0)
    assert run["versions"]["trackeval"] and run["versions"]["scipy"] and run["cpu"]
    assert run["without_images"] == ["gap"] and run["too_small"] == {}
    assert "no network" in run["models"]["sort"] and "det.txt" in run["convention"]


def test_several_trackers_stand_side_by_side_the_first_at_the_top(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    patient = open_also(monkeypatch)
    document = evaluate(data, "--tracker", patient, "--tracker", "sort")
    assert set(document) == {"tracker", "sequences", "mean", "combined", "trackers", "run"}
    assert document["tracker"] == patient and list(document["trackers"]) == [patient, "sort"]
    first = document["trackers"][patient]
    assert (document["sequences"], document["mean"]) == (first["sequences"], first["mean"])
    # It waits for him over the gap; SORT as published does not.
    assert first["sequences"]["gap"]["idsw"] == 0
    assert document["trackers"]["sort"]["sequences"]["gap"]["idsw"] == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == [
        "sequence", "frames", "tracker", "MOTA", "IDF1", "HOTA", "Rcll", "Prcn", "MOTP", "dist",
        "FP", "FN", "IDsw", "Frag", "MT", "PT", "ML", "fps",
    ]  # fmt: skip
    assert [line.split()[0] for line in lines[1:9:2]] == ["calm", "gap", "mean", "combined"]
    assert [line.split()[0] for line in lines[2:9:2]] == ["sort"] * 4
    assert len({len(line) for line in lines[:9]}) == 1


def open_also(monkeypatch: pytest.MonkeyPatch, name: str = "sort:age=5") -> str:
    """Let the factory know one more real tracker: SORT that waits longer."""
    from tracker_ros.evaluation import mot_run

    known = mot_run.open_multi_tracker

    def open_multi_tracker(asked: str, *, threads: int = 0) -> Any:
        return SortTracker(max_age=5) if asked == name else known(asked, threads=threads)

    monkeypatch.setattr(mot_run, "open_multi_tracker", open_multi_tracker)
    return name


def test_what_has_no_images_is_said(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate(data, "--tracker", "sort")
    out, err = capsys.readouterr()
    assert "Without images, by boxes and motion alone: gap." in out
    assert "sort on gap" in err and "20/20" in err
    assert "pycocotools" not in out + err


def test_noise_is_the_same_in_every_run_of_one_seed(data: Path) -> None:
    options = ["--tracker", "sort", "--detections", "gt-noisy"]
    first, again = (scores(evaluate(data, *options, "--seed", "3")) for _ in range(2))
    assert first == again != scores(evaluate(data, *options, "--seed", "4"))
    run = evaluate(data, *options, "--seed", "3")["run"]
    assert run["seed"] == 3 and "seed 3" in run["convention"]


def scores(document: dict[str, Any]) -> list[float]:
    return [figures[key] for figures in document["sequences"].values() for key in KEYS[:-1]]


@pytest.mark.parametrize("option", ["--save", "--out"])
def test_tracks_are_written_in_the_format_of_the_benchmark(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    patient = open_also(monkeypatch)
    out = tmp_path / "new/tracks"
    evaluate(data, "--tracker", "sort", "--tracker", patient, option, str(out))
    assert sorted(str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()) == [
        "sort-age=5/calm.txt", "sort-age=5/gap.txt", "sort/calm.txt", "sort/gap.txt",
    ]  # fmt: skip
    rows = read_rows(out / "sort/calm.txt")
    assert len(rows) == 2 * FRAMES and set(rows[:, 1]) == {1, 2}
    assert rows[0, 2:4].tolist() == [*place(0, 1)]
    first = (out / "sort/calm.txt").read_text().splitlines()[0]
    x, y = place(0, 1)
    assert first == f"1,1,{x + 1:.3f},{y + 1:.3f},30.000,60.000,0.9,-1,-1,-1"
    # Ids begin anew in every sequence.
    assert read_rows(out / "sort/gap.txt")[0, 1] == 1


class Watching(SortTracker):
    """SORT that keeps what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[tuple[float, int | None, int]] = []

    def update(
        self, image: UInt8Image | None, detections: Sequence[Detection], time: float
    ) -> list[Track]:
        self.given.append((time, None if image is None else int(image[0, 0, 0]), len(detections)))
        return super().update(image, detections, time)


def test_a_tracker_gets_each_frame_with_its_image_at_its_time(data: Path) -> None:
    tracker = Watching()
    tracked = track_sequence(tracker, load_mot_sequence(data / "calm", "det"))
    expected = [(pytest.approx(frame / 10), frame, 2) for frame in range(1, FRAMES + 1)]
    assert tracker.given == expected
    assert tracked.seconds.shape == (FRAMES,) and (tracked.seconds > 0).all()


def test_frames_without_detections_are_given_too(data: Path) -> None:
    tracker = Watching()
    sequence = load_mot_sequence(data / "gap", "det")
    track_sequence(tracker, sequence)
    assert [found for _, _, found in tracker.given] == [2, 2, 2, 2, 1, 1, 1, 2, 2, 2]
    assert all(image is None for _, image, _ in tracker.given)


def test_only_what_a_tracker_believes_is_scored(data: Path) -> None:
    sequence = load_mot_sequence(data / "gap", "det")
    tracker = SortTracker()
    hidden = 0
    for frame in range(1, FRAMES + 1):
        for track in tracker.update(None, sequence.detections(frame), frame / 10):
            hidden += track.state in (TrackState.TENTATIVE, TrackState.LOST)
    tracked = track_sequence(SortTracker(), sequence)
    assert hidden == 3 and len(tracked.tracks) == 15


class CountingSequence(MotSequence):
    """A sequence that knows how many of its images are held by somebody."""

    held: list[Any]

    def read(self, frame: int) -> UInt8Image | None:
        image = super().read(frame)
        assert image is not None
        alive = [ref for ref in self.held if ref() is not None]
        assert len(alive) <= 1  # the last one, until this one is its successor
        self.held[:] = [*alive, weakref.ref(image)]
        return image


def test_an_image_is_let_go_when_the_next_one_is_there(data: Path) -> None:
    known = load_mot_sequence(data / "calm", "det")
    sequence = CountingSequence(**vars(known))
    object.__setattr__(sequence, "held", [])
    assert len(track_sequence(SortTracker(), sequence).seconds) == FRAMES


def test_a_damaged_image_amid_a_sequence_ends_the_run_by_its_name(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "calm/img1/000004.png").unlink()
    write_undecodable_jpeg(data / "calm/img1/000004.jpg")
    words = ["eval", "mot", "--data", str(data), "--detections", "det", "--tracker", "sort"]
    assert main(words) == 2
    assert "000004.jpg cannot be decoded" in capsys.readouterr().err


def test_the_number_of_threads_is_as_before_afterwards(data: Path) -> None:
    before = cv2.getNumThreads()
    evaluate(data, "--tracker", "sort", "--threads", str(before + 1))
    assert cv2.getNumThreads() == before


def test_all_trackers_are_measured_by_default_and_ablate_adds_variants(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tracker_ros.evaluation import mot_run

    opened: list[str] = []

    def open_multi_tracker(name: str, *, threads: int = 0) -> SortTracker:
        opened.append(name)
        return SortTracker()

    monkeypatch.setattr(mot_run, "open_multi_tracker", open_multi_tracker)
    assert list(evaluate(data)["trackers"]) == list(MULTI_TRACKERS)
    document = evaluate(data, "--tracker", "sort", "--tracker", ABLATIONS[0], "--ablate")
    assert list(document["trackers"]) == ["sort", *ABLATIONS]
    assert set(opened) == {*MULTI_TRACKERS, *ABLATIONS}
    assert ABLATIONS == ("famnet:k=1", "famnet:k=3", "famnet:recover=off")


# --- what is refused -----------------------------------------------------------------------------


def test_an_unknown_tracker_is_refused_before_anything_runs(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = refusal(capsys, data, "--tracker", "bytetrack")
    assert "no multi-object tracker 'bytetrack'" in line and "sort" in line
    assert "'sort' is named twice" in refusal(capsys, data, "--tracker", "sort")


def test_a_broken_sequence_stops_it_before_anything_runs(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = data / "gap/det/det.txt"
    path.write_text(path.read_text() + "11,-1,5,5,20,40,1\n")
    assert f"{path}, line 18: frame 11" in refusal(capsys, data)
    path.unlink()
    assert f"{path} is missing" in refusal(capsys, data)


def test_a_folder_that_is_no_data_set_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "no such folder" in refusal(capsys, tmp_path / "nowhere")
    assert "no sequence in it" in refusal(capsys, tmp_path)
    (tmp_path / "stray").mkdir()
    assert "stray/seqinfo.ini is missing" in refusal(capsys, tmp_path)


def test_what_cannot_be_written_is_refused_at_once(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert "/nowhere/a.json" in refusal(capsys, data, "--json", "/nowhere/a.json")
    line = refusal(capsys, data, "--save", str(tmp_path / "file"))
    assert f"--save {tmp_path / 'file'}" in line and "cannot be made" in line


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--detections", "yolo"], "'yolo'"),
        (["--detections", "det", "--seed", "-1"], "'-1' is not a whole number"),
        (["--detections", "det", "--limit", "1"], "'1' is not a whole number"),
        (["--detections", "det", "--all-frames"], "--all-frames"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    data: Path, capsys: pytest.CaptureFixture[str], options: list[str], complaint: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["eval", "mot", "--data", str(data), *options])
    assert ended.value.code == 2 and complaint in capsys.readouterr().err


def test_the_help_says_what_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["eval", "--help"], ["eval", "mot", "--help"]):
        with pytest.raises(SystemExit):
            main(words)
        text = capsys.readouterr().out
        assert "MOTA, IDF1, HOTA" in text and "seqinfo.ini" in text
    assert "--ablate" in text and "famnet:k=1" in text and "--all-frames" not in text
