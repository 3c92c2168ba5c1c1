"""Crops that are cut beforehand: the same pairs, without decoding."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from data_on_disk import (
    declare,
    picture,
    write_coco,
    write_collection,
    write_text,
)

from tracker_ros.cli import main
from tracker_ros.errors import DataError
from tracker_ros.geometry import Box, context_side
from tracker_ros.training.cutting import Square, photograph, still_crops
from tracker_ros.training.pictures import Frame, Still
from tracker_ros.training.prepared import prepare
from tracker_ros.training.reading import read_collection


@pytest.fixture
def original(tmp_path: Path) -> Path:
    """A track of a large target that moves over large pictures, and what a collection has."""
    root = tmp_path / "data"
    write_collection(root)
    folder = root / "video" / "large"
    (folder / "mask").mkdir(parents=True)
    names, boxes = [f"{i}.png" for i in range(4)], []
    for i, name in enumerate(names):
        box = [100 + 150 * i, 300 - 60 * i, 160 - 20 * i, 90]
        cv2.imwrite(str(folder / name), picture(i, (900, 500)))
        mask = np.zeros((500, 900), np.uint8)
        mask[box[1] : box[1] + box[3], box[0] : box[0] + box[2]] = 255
        cv2.imwrite(str(folder / "mask" / name), mask)
        boxes.append(box)
    table = json.loads((root / "video.json").read_text())
    table["large"] = {"frames": names, "boxes": boxes}
    write_text(root / "video.json", json.dumps(table))
    return root


def prepared(original: Path, *options: str) -> Path:
    out = original.parent / "prepared"
    assert main(["data", "prepare", str(original), "--out", str(out), *options]) == 0
    return out


def search_crop(frame: Frame, shift: tuple[float, float], scale: float) -> np.ndarray:
    """A search crop of 255 px as training cuts it, the border in the mean colour."""
    box = frame.box
    assert box is not None
    zoom = 127 / context_side(box.w, box.h) * scale
    cx, cy = box.x + (box.w - 1) / 2, box.y + (box.h - 1) / 2
    matrix = np.array(
        [[zoom, 0, 127 + shift[0] - zoom * cx], [0, zoom, 127 + shift[1] - zoom * cy]]
    )
    crop = cv2.warpAffine(frame.image, matrix, (255, 255), borderValue=frame.mean)
    return np.asarray(crop, np.float64)


@pytest.mark.parametrize("shift", [(0.0, 0.0), (64.0, -64.0), (-64.0, 64.0)], ids=str)
@pytest.mark.parametrize("scale", [1 / 1.18, 1.0, 1.18])
def test_search_crops_are_those_of_the_original(
    original: Path, shift: tuple[float, float], scale: float
) -> None:
    before = read_collection(original, progress=False)
    after = read_collection(prepared(original), progress=False)
    count = 0
    for track, crops in zip(before.tracks, after.tracks, strict=True):
        assert track.name == crops.name
        assert track.visible == crops.visible, "so that a gap is as many frames as before"
        for i in track.visible:
            frame, crop = track.frames[i], crops.frames[i]
            one, other = search_crop(frame, shift, scale), search_crop(crop, shift, scale)
            assert np.abs(one - other).mean() < 2.5
            assert np.abs(one - other).max() < 45, "a crop that is cut short shows the mean colour"
            assert crop.mask is not None and crop.mask.shape == crop.image.shape[:2]
            count += 1
    assert count == 9


def test_crops_are_views_of_the_shards_no_larger_than_asked_for(original: Path) -> None:
    collection = read_collection(prepared(original, "--size", "255"), progress=False)
    frames = [frame for track in collection.tracks for frame in track.frames]
    assert max(max(frame.image.shape) for frame in frames) <= 256
    for frame in frames:
        assert frame.image.base is not None and not frame.image.flags.writeable
        assert np.shares_memory(frame.image, frame.image), "asked for twice, mapped once"
        if frame.box is None:
            continue
        x, y, w, h = (round(value) for value in frame.box)
        inside = np.zeros(frame.image.shape[:2], bool)
        inside[max(y, 0) : y + h, max(x, 0) : x + w] = True
        assert frame.mask is not None
        assert np.count_nonzero((frame.mask > 0) != inside) <= 2 * (w + h)


def test_a_still_is_kept_whole_where_that_takes_less() -> None:
    image = picture(0, (400, 300))
    many = tuple(Box(20.0 * i, 100, 40, 40) for i in range(10))
    (whole,) = still_crops(Still(image, many), Square())
    assert whole.image.shape == image.shape and [one.box for one in whole.marked] == list(many)
    apart = (Box(10, 10, 14, 14), Box(200, 150, 5, 5), Box(370, 270, 14, 14))
    cut = still_crops(Still(image, apart, weight=3), Square())
    assert [len(crop.marked) for crop in cut] == [1, 1], "5 px are too few to be drawn from"
    assert [crop.weight for crop in cut] == [1.5, 1.5], "both together as often as the photograph"


def test_photographs_are_made_smaller() -> None:
    (small,) = photograph(Still(picture(0, (800, 640)), ()))
    assert small.image.shape == (320, 400, 3)
    (same,) = photograph(Still(picture(0, (100, 80)), ()))
    assert same.image.shape == (80, 100, 3)


def test_masks_weights_and_licences_come_along(tmp_path: Path) -> None:
    write_coco(tmp_path / "coco")
    sets = declare(
        tmp_path / "sets.yaml",
        "format: coco, root: coco, annotations: annotations/instances.json, images: train2017, "
        "weight: 3, licence: CC BY 4.0",
    )
    out = tmp_path / "out"
    prepare(read_collection(sets, progress=False, memory=0), out, progress=False)
    collection = read_collection(out, progress=False)
    assert collection.licences == {"s0": "CC BY 4.0"}
    assert {still.weight for still in collection.stills + collection.unlabelled} == {3.0}
    boxes = [box for still in collection.stills for box in still.boxes]
    assert len(boxes) == 3 and len(collection.unlabelled) == 1
    assert all(mask.any() for still in collection.stills for mask in still.masks)


def test_prepared_data_can_be_a_set_of_a_declaration(original: Path) -> None:
    out = prepared(original)
    sets = declare(out.parent / "s.yaml", "format: prepared, root: prepared, weight: 2, max_gap: 3")
    track = read_collection(sets, progress=False).tracks[0]
    assert (track.weight, track.max_gap) == (2.0, 3)


def test_held_out_tracks_are_kept_whole_and_others_cannot_be_held_out(original: Path) -> None:
    out = prepared(original, "--held-out", "dog")
    before, after = (read_collection(path, progress=False) for path in (original, out))
    _, (held,) = after.split(["dog"])
    frames = before.split(["dog"])[1][0].frames
    assert [frame.box for frame in held.frames] == [frame.box for frame in frames]
    assert frames[-1].box is None, "thresholds are chosen where the target is absent, too"
    for kept, frame in zip(held.frames, frames, strict=True):
        assert np.array_equal(kept.image, frame.image)
    with pytest.raises(DataError, match=r"'large' was prepared as crops.*--held-out"):
        after.split(["large"])


# --- what can go wrong ---------------------------------------------------------------------------


def test_a_killed_preparation_is_started_again_and_a_finished_one_is_not_overwritten(
    original: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    part = original.parent / "prepared.part"
    write_text(part / "shard_000.bin", "half a shard")
    out = prepared(original)
    assert not part.exists()
    assert main(["data", "prepare", str(original), "--out", str(out)]) == 2
    assert "is there already" in capsys.readouterr().err
    shutil.rmtree(out)
    write_text(part / "thesis.tex", "not ours")
    assert main(["data", "prepare", str(original), "--out", str(out)]) == 2
    assert "thesis.tex" in capsys.readouterr().err and (part / "thesis.tex").exists()


def test_an_unknown_held_out_track_is_refused_before_anything_is_written(original: Path) -> None:
    out = original.parent / "prepared"
    command = ["data", "prepare", str(original), "--out", str(out), "--held-out", "typo"]
    assert main(command) == 2
    assert not list(original.parent.glob("prepared*"))


def test_what_cannot_be_decoded_is_left_out_and_said(
    original: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = original / "video" / "large" / "1.png"
    data = bytearray(path.read_bytes())
    at = data.index(b"IDAT")
    data[at + 4 : at + 400] = bytes(396)
    path.write_bytes(bytes(data))
    collection = read_collection(prepared(original), progress=False)
    assert [len(track.frames) for track in collection.tracks] == [6, 3]
    assert f"{path} cannot be decoded" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text[: len(text) // 2], "is damaged"),
        (lambda text: json.dumps({"weight_map": {}}), "is not the index of prepared data"),
        (lambda text: text.replace('"version": 2', '"version": 9'), "is of version 9"),
        (lambda text: text.replace('"tracks"', '"trucks"'), "is damaged .*tracks"),
        (lambda text: text.replace("[0, 0, ", "[7, 0, ", 1), "is damaged"),
        (lambda text: text.replace("[0, 0, ", "[-1, 0, ", 1), "is damaged"),
        (lambda text: text.replace("[0, 0, ", "[0, Infinity, ", 1), "is damaged"),
        (lambda text: text.replace("[0, 0, ", "[0, 99999999, ", 1), "not within the"),
        (lambda text: text.replace("[0, 0, ", "[0, -5, ", 1), "not within the"),
    ],
    ids=[
        "cut short",
        "foreign",
        "version",
        "keys",
        "shard",
        "shard -1",
        "infinite",
        "offset",
        "negative",
    ],
)
def test_a_damaged_or_foreign_index_is_refused(
    original: Path, change: Callable[[str], str], words: str
) -> None:
    index = prepared(original) / "index.json"
    text = index.read_text()
    index.write_text(change(text))
    assert index.read_text() != text
    with pytest.raises(DataError, match=words):
        read_collection(index.parent, progress=False)


def test_a_shard_that_was_cut_short_is_refused(original: Path) -> None:
    out = prepared(original)
    shard = out / "shard_000.bin"
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"shard_000\.bin has \d+ bytes, index\.json says"):
        read_collection(out, progress=False)
