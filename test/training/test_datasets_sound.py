"""Every picture is decoded before training, and only once while it stays as it is."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from data_on_disk import declare, picture, write_coco, write_collection, write_masks

from tracker_ros.cli import main
from tracker_ros.training.datasets.sound import FILE, Sound, cache_folder
from tracker_ros.training.datasets.sources import PictureFile, RunLengthMask
from tracker_ros.training.reading import read_collection


def damage(path: Path) -> None:
    """Pixels of a PNG file are lost; its size and its time of change are as before."""
    state, data = path.stat(), bytearray(path.read_bytes())
    at = data.index(b"IDAT")
    data[at + 4 : at + 200] = bytes(196)
    path.write_bytes(bytes(data))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    write_collection(root)
    cv2.imwrite(str(root / "unlabelled" / "m.png"), picture(3))
    return root


def photographs(data: Path, memory: int = 0) -> int:
    return len(read_collection(data, progress=False, memory=memory).unlabelled)


@pytest.mark.parametrize("memory", [0, 1 << 30], ids=["on demand", "all in memory"])
def test_what_was_decoded_is_not_decoded_again_until_it_changes(data: Path, memory: int) -> None:
    path = data / "unlabelled" / "m.png"
    assert photographs(data, memory) == 2
    damage(path)
    assert photographs(data) == 2, "it looks as before: nothing decodes it"
    os.utime(path)
    assert photographs(data) == 1


def test_a_damaged_picture_is_found_in_every_run(data: Path) -> None:
    damage(data / "unlabelled" / "m.png")
    assert [photographs(data), photographs(data)] == [1, 1]


def test_the_check_tells_training_what_it_has_decoded(data: Path) -> None:
    assert main(["data", "check", str(data)]) == 0
    files = len(list(data.rglob("*.jpg"))) + len(list(data.rglob("*.png")))
    # The mask of the frame in which the target is absent is not looked at.
    assert (cache_folder() / FILE).stat().st_size == 8 * (files - 1)
    damage(data / "unlabelled" / "m.png")
    assert photographs(data) == 2


def test_masks_of_objects_are_known_by_their_file_and_those_of_coco_are_not(tmp_path: Path) -> None:
    write_masks(tmp_path / "masks")
    write_coco(tmp_path / "coco")
    sets = declare(
        tmp_path / "sets.yaml", "format: masks, root: masks",
        "format: coco, root: coco, annotations: annotations/instances.json, images: train2017",
    )  # fmt: skip
    read_collection(sets, progress=False, memory=0)
    files = len(list(tmp_path.rglob("*.jpg"))) + len(list(tmp_path.rglob("*.png")))
    assert (cache_folder() / FILE).stat().st_size == 8 * files
    with Sound() as sound, pytest.raises(ValueError, match="negative"):
        sound.require(RunLengthMask(np.array([-1, 1]), (1, 1)))


def test_what_was_decoded_before_a_run_was_stopped_is_known_to_the_next(data: Path) -> None:
    path = data / "unlabelled" / "m.png"
    with pytest.raises(KeyboardInterrupt), Sound() as sound:
        sound.require(PictureFile(str(path)))
        raise KeyboardInterrupt
    damage(path)
    assert photographs(data) == 2


def test_a_cache_that_is_damaged_or_cannot_be_written_is_none(data: Path) -> None:
    folder = cache_folder()
    folder.mkdir(parents=True)
    (folder / FILE).write_bytes(b"half a word")
    assert photographs(data) == 2
    (folder / FILE).unlink()
    folder.rmdir()
    folder.write_text("a file is in the way")
    assert photographs(data) == 2
