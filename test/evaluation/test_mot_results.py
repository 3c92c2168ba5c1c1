"""`tracker_ros eval mot --results`: tracks that lie on disk are scored, and no tracker runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from mot_films import FRAMES, true_rows, write_mot_sequence

pytest.importorskip("trackeval", reason="trackeval is not installed: ./run setup mot")

from tracker_ros.cli import main

ORACLE = Path(__file__).parents[3] / "shared/data/oracles/mot/TUD-Campus"
RIGHT = true_rows()


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    """Two sequences of a benchmark, as far as scoring needs them: no image, no detection."""
    for name in ("calm", "gap"):
        folder = write_mot_sequence(tmp_path / "truth" / name, images=False)
        (folder / "det/det.txt").unlink()
    return tmp_path / "truth"


def write_results(folder: Path, **sequences: Sequence[str]) -> Path:
    """Write FOLDER/NAME.txt of a tracker."""
    folder.mkdir(parents=True)
    for name, lines in sequences.items():
        (folder / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines))
    return folder


def evaluate(tmp_path: Path, *options: str | Path) -> dict[str, Any]:
    path = tmp_path / "figures.json"
    assert main(["eval", "mot", "--json", str(path), *map(str, options)]) == 0
    document = json.loads(path.read_text())
    assert isinstance(document, dict)
    return document


def refusal(capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    assert main(["eval", "mot", *map(str, words)]) == 2
    out, err = capsys.readouterr()
    line = err.splitlines()[-1]
    assert out == "" and line.startswith("error: ") and "Traceback" not in err
    return line


def test_published_results_score_what_they_are_known_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not ORACLE.is_dir():
        pytest.skip(f"the published results are not here ({ORACLE})")
    document = evaluate(tmp_path, "--results", ORACLE / "test.txt", "--truth", ORACLE / "gt.txt")
    (figures,) = document["sequences"].values()
    known = {"idf1": 0.558, "recall": 0.582, "precision": 0.941, "mota": 0.526,
             "motp_distance": 0.277, "mt": 1, "pt": 6, "ml": 1, "fp": 13, "fn": 150, "idsw": 7,
             "frag": 7}  # fmt: skip
    assert {key: round(figures[key], 3) for key in known} == known
    assert figures["motp"] == 1 - figures["motp_distance"]
    assert document["tracker"] == "test" and list(document["sequences"]) == ["TUD-Campus"]
    cells = capsys.readouterr().out.splitlines()[1].split()
    assert cells[:5] == ["TUD-Campus", "71", "test", "0.526", "0.558"]
    assert cells[6:10] == ["0.582", "0.941", "0.723", "0.277"]
    assert list(map(int, cells[10:])) == [13, 150, 7, 7, 1, 6, 1]


def test_results_stand_side_by_side_without_times(
    tmp_path: Path, truth: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    right = write_results(tmp_path / "right", calm=RIGHT, gap=RIGHT)
    # A tracker that found nothing in one of them writes an empty file.
    half = write_results(tmp_path / "half", calm=RIGHT, gap=[])
    document = evaluate(tmp_path, "--results", right, half, "--data", truth)
    assert list(document["trackers"]) == ["right", "half"]
    perfect, none = document["trackers"]["right"]["combined"], document["trackers"]["half"]
    assert (perfect["mota"], perfect["mt"], perfect["fn"]) == (1, 4, 0)
    assert "fps" not in perfect
    assert (none["sequences"]["gap"]["recall"], none["sequences"]["gap"]["ml"]) == (0, 2)
    assert none["combined"]["recall"] == 0.5 and none["combined"]["precision"] == 1
    run = document["run"]
    assert run["models"]["half"] == f"results in {half}" and run["detections"] is None
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert len({len(line) for line in lines[:9]}) == 1 and "fps" not in lines[0]
    assert "det.txt" not in out and "Without images" not in out


def test_a_truth_is_a_data_set_a_folder_of_files_or_one_file(tmp_path: Path, truth: Path) -> None:
    results = write_results(tmp_path / "mine", calm=RIGHT[:12], gap=RIGHT)
    flat = write_results(tmp_path / "flat", calm=RIGHT, gap=RIGHT)
    for path in (truth, flat):
        document = evaluate(tmp_path, "--results", results, "--truth", path)
        assert list(document["sequences"]) == ["calm", "gap"]
        assert document["sequences"]["calm"]["recall"] == 12 / 20
    for path in (truth / "calm", truth / "calm/gt/gt.txt", flat / "calm.txt"):
        for tracks in (results, results / "calm.txt"):
            document = evaluate(tmp_path, "--results", tracks, "--truth", path)
            assert list(document["sequences"]) == ["calm"]
            assert document["mean"]["recall"] == 12 / 20


def test_results_in_the_layout_of_trackeval_are_found(tmp_path: Path, truth: Path) -> None:
    write_results(tmp_path / "mine/data", calm=RIGHT, gap=RIGHT)
    document = evaluate(tmp_path, "--results", tmp_path / "mine", "--data", truth)
    assert document["tracker"] == "mine" and document["combined"]["mota"] == 1


def test_the_classes_of_mot16_are_scored_by_its_rules(tmp_path: Path, truth: Path) -> None:
    """Person 2 is only a reflection: a track on it is neither right nor wrong."""
    classed = [
        ",".join([*line.split(",")[:7], "1" if line.split(",")[1] == "1" else "12", "1"])
        for line in RIGHT
    ]
    (truth / "calm/gt/gt.txt").write_text("\n".join(classed))
    results = write_results(tmp_path / "mine", calm=RIGHT)
    figures = evaluate(tmp_path, "--results", results, "--data", truth / "calm")["mean"]
    assert (figures["mota"], figures["fp"], figures["mt"]) == (1, 0, 1)


def test_the_first_frames_alone_are_scored_with_a_limit(tmp_path: Path, truth: Path) -> None:
    # The last box of the seven frames is missing, and so is everything after them.
    results = write_results(tmp_path / "mine", calm=[*RIGHT[:13], *RIGHT[18:]], gap=RIGHT)
    options = ("--results", results, "--data", truth, "--sequences", "calm")
    document = evaluate(tmp_path, *options, "--limit", "7")
    assert document["run"]["frames"] == {"calm": 7}
    assert (document["mean"]["fn"], document["mean"]["fp"]) == (1, 0)
    assert evaluate(tmp_path, *options)["mean"]["fn"] == 5


def test_a_run_that_was_saved_scores_the_same_when_it_is_read(tmp_path: Path) -> None:
    data, saved = tmp_path / "data", tmp_path / "saved"
    write_mot_sequence(data / "calm", images=False)
    common = ("--data", data, "--save", saved)
    ran = evaluate(tmp_path, *common, "--detections", "gt-noisy", "--tracker", "sort")
    assert [str(p.relative_to(saved)) for p in saved.rglob("*.txt")] == ["sort/calm.txt"]
    read = evaluate(tmp_path, "--data", data, "--results", saved / "sort")
    assert ran["tracker"] == read["tracker"] == "sort" and ran["mean"]["fn"] > 0
    for key, value in read["mean"].items():
        assert value == pytest.approx(ran["mean"][key], abs=1e-3)
    assert set(ran["mean"]) - set(read["mean"]) == {"fps"}


def test_results_that_were_read_are_saved_in_the_layout_of_the_benchmark(
    tmp_path: Path, truth: Path
) -> None:
    results = write_results(tmp_path / "mine/data", calm=RIGHT, gap=RIGHT).parent
    saved = tmp_path / "saved"
    evaluate(tmp_path, "--results", results, "--data", truth, "--save", saved)
    lines = (saved / "mine/gap.txt").read_text().splitlines()
    assert len(lines) == len(RIGHT) and lines[0] == "1,1,27.000,21.000,30.000,60.000,1,-1,-1,-1"


def test_a_box_without_size_finds_nothing(tmp_path: Path, truth: Path) -> None:
    lines = [*RIGHT, "3,9,50,50,0,40,1,-1,-1,-1", "3,8,50,50,-20,-40,1,-1,-1,-1"]
    results = write_results(tmp_path / "mine", calm=lines)
    figures = evaluate(tmp_path, "--results", results, "--data", truth / "calm")["mean"]
    assert (figures["fp"], figures["fn"]) == (2, 0)


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (f"{FRAMES + 1},1,5,5,20,40,1,-1,-1,-1", "frame 11 comes after the last one"),
        ("0,1,5,5,20,40,1,-1,-1,-1", "frame '0' is not a whole number from 1 up"),
        ("3,1,5,5,20,40", "does not hold 7 values frame,id,x,y,w,h,score"),
        ("3,9,5,5,20,40,1", "has 7 values, line 1 has 10"),
        ("3,one,5,5,20,40,1,-1,-1,-1", "is not all numbers"),
        ("3,9,5,5,nan,40,1,-1,-1,-1", "is not finite"),
        ("3,2,5,5,20,40,1,-1,-1,-1", "id 2 is there twice in frame 3, also in line 6"),
    ],
    ids=lambda value: "" if "," in value else value,
)
def test_a_line_that_is_wrong_is_named(
    tmp_path: Path, truth: Path, capsys: pytest.CaptureFixture[str], line: str, complaint: str
) -> None:
    results = write_results(tmp_path / "mine", calm=RIGHT, gap=[*RIGHT, line])
    said = refusal(capsys, "--results", results, "--data", truth, "--save", tmp_path / "saved")
    assert f"{results / 'gap.txt'}, line 21: " in said and complaint in said
    assert not (tmp_path / "saved").exists()


def test_who_says_where_a_sequence_ends_is_named(
    tmp_path: Path, truth: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    late = write_results(tmp_path / "mine", calm=["11,1,5,5,20,40,1"]) / "calm.txt"
    line = refusal(capsys, "--results", late, "--truth", truth / "calm")
    assert f"seqLength in {truth / 'calm/seqinfo.ini'} is 10" in line
    flat = write_results(tmp_path / "flat", calm=RIGHT) / "calm.txt"
    line = refusal(capsys, "--results", late, "--truth", flat)
    assert f"its truth, {flat}, ends with frame 10" in line and "NAME/seqinfo.ini" in line


def test_what_is_not_there_is_refused_by_its_name(
    tmp_path: Path, truth: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = write_results(tmp_path / "mine", calm=RIGHT)
    line = refusal(capsys, "--results", mine, "--data", truth)
    assert f"{mine} holds no result of 'gap'; expected gap.txt" in line and "--sequences" in line
    gone = tmp_path / "gone"
    line = refusal(capsys, "--results", gone, "--data", truth)
    assert f"--results {gone}: no such folder or file" in line
    assert "gone: no such folder" in refusal(capsys, "--results", mine, "--truth", gone)
    line = refusal(capsys, "--results", mine, "--data", truth, "--sequences", "storm")
    assert "no sequence 'storm'" in line and "calm, gap" in line
    (tmp_path / "hollow/calm").mkdir(parents=True)
    line = refusal(capsys, "--results", mine, "--data", tmp_path / "hollow")
    assert "hollow/calm/seqinfo.ini is missing" in line


def test_a_truth_of_which_nothing_counts_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = write_results(tmp_path / "mine", calm=[])
    for lines in ([], ["1,1,5,5,20,40,0"]):
        (tmp_path / "gt.txt").write_text("\n".join(lines))
        line = refusal(capsys, "--results", mine / "calm.txt", "--truth", tmp_path / "gt.txt")
        assert f"{tmp_path / 'gt.txt'}: no row counts" in line


def test_one_file_for_several_sequences_and_one_name_for_two_trackers_are_refused(
    tmp_path: Path, truth: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = write_results(tmp_path / "a/mine", calm=RIGHT, gap=RIGHT)
    line = refusal(capsys, "--results", first / "calm.txt", "--data", truth)
    assert "is one file, but the truth has 2 sequences" in line and "--sequences NAME" in line
    second = write_results(tmp_path / "b/mine", calm=RIGHT, gap=RIGHT)
    line = refusal(capsys, "--results", first, second, "--data", truth)
    assert f"--results {second}: two results are named 'mine'" in line


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ("", "--data DIR is needed to run trackers"),
        ("--truth t --detections det", "--data DIR is needed to run trackers"),
        ("--data d", "--detections det or gt-noisy is needed to run trackers"),
        ("--results r", "--results needs one of --truth PATH and --data DIR"),
        ("--results r --truth t --data d", "--results needs one of"),
        ("--results r --truth t --tracker sort", "leave out --results or --tracker"),
        ("--results r --truth t --detections det", "leave out --results or --detections"),
        ("--results r --truth t --ablate", "leave out --results or --ablate"),
        ("--results r --truth t --seed 3", "leave out --results or --seed"),
        ("--results r --truth t --threads 2", "leave out --results or --threads"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    capsys: pytest.CaptureFixture[str], options: str, complaint: str
) -> None:
    assert complaint in refusal(capsys, *options.split())
