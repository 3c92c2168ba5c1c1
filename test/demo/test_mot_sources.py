"""Films with several people: the square and folders of MOTChallenge, read for the demo."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest
from mot_folders import write_mot_folder

from tracker_ros.demo.mot_sources import CrowdSource, MotFolderSource, detections_of
from tracker_ros.demo.sources import add_source_arguments, open_source, source_arguments
from tracker_ros.errors import DataError

FRAMES = 5


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_mot_folder(tmp_path / "plaza", FRAMES)
    return tmp_path / "plaza"


def parse(*words: str, detections: str | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_source_arguments(parser)
    args = parser.parse_args(words)
    args.detections = detections
    return args


def test_a_folder_has_its_images_its_rate_and_its_name(folder: Path) -> None:
    source = open_source(parse(f"--sequence={folder}"))
    assert isinstance(source, MotFolderSource)
    assert (source.name, source.fps, len(source)) == ("plaza", 10.0, FRAMES)
    images = list(source)
    assert len(images) == FRAMES
    assert images[0].shape == (480, 640, 3)
    assert open_source(parse(f"--sequence={folder}", "--fps=4")).fps == 4.0


def test_its_truth_and_detections_are_0_based_and_by_frame(tmp_path: Path) -> None:
    crowd = write_mot_folder(tmp_path / "plaza", FRAMES)
    source = MotFolderSource(tmp_path / "plaza")
    truth, found = source.people(), source.detections()
    assert truth is not None
    assert len(found) == FRAMES
    for index in range(FRAMES):
        people = crowd.people(index)
        rows = truth.rows[truth.rows[:, 0] == index + 1]
        np.testing.assert_allclose(rows[:, 1], [person.id for person in people])
        np.testing.assert_allclose(rows[:, 2:], [tuple(p.box) for p in people], atol=0.006)
        shown = [tuple(person.box) for person in people if not person.hidden]
        np.testing.assert_allclose([tuple(d.box) for d in found[index]], shown, atol=0.006)
        assert all((d.label, d.score) == ("person", 0.9) for d in found[index])


def test_a_folder_without_truth_claims_none(tmp_path: Path) -> None:
    write_mot_folder(tmp_path / "plaza", 2, truth=False)
    assert MotFolderSource(tmp_path / "plaza").people() is None


def test_the_squares_truth_leaves_out_whoever_is_hidden() -> None:
    source = CrowdSource(fps=2.0)
    truth = source.people()
    crowd_rows = truth.rows[truth.rows[:, 0] == 8]  # at 3.5 s two are behind the kiosk
    hidden = set(crowd_rows[~truth.counts[truth.rows[:, 0] == 8], 1])
    assert {1, 2} <= hidden
    np.testing.assert_array_equal(truth.distractor, ~truth.counts)


def test_detections_come_from_the_folder_unless_another_choice_is_made(folder: Path) -> None:
    assert detections_of(parse(f"--sequence={folder}")) == "det"
    assert detections_of(parse(f"--sequence={folder}", detections="hog")) == "hog"
    assert detections_of(parse()) == "hog"


def test_det_without_a_det_txt_is_refused(tmp_path: Path) -> None:
    write_mot_folder(tmp_path / "plaza", 1, detections=False)
    assert detections_of(parse(f"--sequence={tmp_path / 'plaza'}")) == "hog"
    for args in (parse(), parse(f"--sequence={tmp_path / 'plaza'}")):
        args.detections = "det"
        with pytest.raises(DataError, match=r"det/det\.txt"):
            detections_of(args)


@pytest.mark.parametrize(
    ("info", "words"),
    [
        ("[Sequence]\nframeRate=fast\n", "frameRate"),
        ("[Sequence]\nframeRate=0\n", "'0' is not a number over 0"),
        ("[Other]\n", r"\[Sequence\]"),
        ("nonsense", r"\[Sequence\]"),
        ("[Sequence]\nframeRate=10\nseqLength=5\nimDir=elsewhere\n", "elsewhere: no such folder"),
    ],
)
def test_a_wrong_seqinfo_is_named(folder: Path, info: str, words: str) -> None:
    (folder / "seqinfo.ini").write_text(info)
    with pytest.raises(DataError, match=words):
        open_source(parse(f"--sequence={folder}"))


def test_images_that_are_not_those_of_the_frames_are_refused(folder: Path) -> None:
    """Their detections would be played one image early or late."""
    (folder / "img1/000001.jpg").unlink()
    with pytest.raises(DataError, match="holds 4 images, but seqLength"):
        open_source(parse(f"--sequence={folder}"))
    info = (folder / "seqinfo.ini").read_text()
    (folder / "seqinfo.ini").write_text(info.replace("seqLength=5", "seqLength=4"))
    with pytest.raises(DataError, match=r"begins with 000002\.jpg; frames count from 1"):
        open_source(parse(f"--sequence={folder}"))


def test_the_rules_of_mot20_hold_by_the_name_in_seqinfo_as_in_eval(folder: Path) -> None:
    """Class 6, a bicycle without a motor, is a distractor there only."""
    (folder / "gt/gt.txt").write_text("1,1,5,5,20,40,1,1,1\n1,2,90,5,20,40,0,6,1\n")
    for name, distractors in (("MOT17-02", 0), ("MOT20-01", 1)):
        info = f"[Sequence]\nname={name}\nframeRate=10\nseqLength={FRAMES}\n"
        (folder / "seqinfo.ini").write_text(info)
        truth = MotFolderSource(folder).people()
        assert truth is not None and truth.distractor.sum() == distractors


def test_the_square_is_a_scene_for_the_camera_too() -> None:
    args = parse("--scene=square", "--size=320x240", "--fps=5")
    source = open_source(args)
    assert isinstance(source, CrowdSource)
    assert next(iter(source)).shape == (240, 320, 3)
    assert "--scene=square" in source_arguments(args)
