"""Every format of training data, and the file that declares them."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from data_on_disk import (
    BOXES,
    HEIGHT,
    WIDTH,
    declare,
    write_coco,
    write_collection,
    write_folder,
    write_got10k,
    write_lasot,
    write_masks,
    write_mot,
    write_otb,
    write_pictures,
    write_trackingnet,
    write_vot,
)

from tracker_ros.errors import DataError
from tracker_ros.training.pictures import Collection, FrameTrack
from tracker_ros.training.reading import read_collection, read_tracks, track_names


def read(root: Path, keys: str) -> Collection:
    return read_collection(declare(root / "sets.yaml", f"root: ., {keys}"), progress=False)


def tracks_of(root: Path, keys: str) -> dict[str, FrameTrack]:
    return {track.name: track for track in read(root, keys).tracks}


def boxes_of(track: FrameTrack) -> list[tuple[float, ...] | None]:
    return [None if frame.box is None else tuple(frame.box) for frame in track.frames]


# --- videos --------------------------------------------------------------------------------------


def test_a_folder_of_ones_own_takes_five_lines(tmp_path: Path) -> None:
    write_folder(tmp_path / "footage" / "yard")
    (tmp_path / "sets.yaml").write_text(
        "sets:\n  - name: yard\n    format: folder\n    root: footage/yard\n    licence: our own\n"
    )
    collection = read_collection(tmp_path / "sets.yaml", progress=False)
    assert boxes_of(collection.tracks[0]) == BOXES
    assert collection.tracks[0].name == "dog" and collection.licences == {"yard": "our own"}
    assert collection.tracks[0].frames[2].image.shape == (HEIGHT, WIDTH, 3)


def test_otb_counts_pixels_from_1_and_has_films_with_two_targets(tmp_path: Path) -> None:
    write_otb(tmp_path)
    tracks = tracks_of(tmp_path, "format: otb")
    assert set(tracks) == {"Dog", "Two-1", "Two-2"}
    assert boxes_of(tracks["Dog"]) == boxes_of(tracks["Two-1"]) == BOXES
    assert boxes_of(tracks["Two-2"]) == BOXES[::-1]


def test_vot_polygons_become_the_boxes_that_vot_starts_trackers_on(tmp_path: Path) -> None:
    write_vot(tmp_path)
    tracks = tracks_of(tmp_path, "format: vot")
    assert boxes_of(tracks["car"]) == BOXES
    for found, (x, y, w, h) in zip(boxes_of(tracks["ball"]), BOXES, strict=True):
        assert found == pytest.approx((x, y, w + 1, h + 1)), "corners are pixels, sides count both"


def test_got10k_targets_are_absent_by_either_label(tmp_path: Path) -> None:
    write_got10k(tmp_path)
    (track,) = tracks_of(tmp_path, "format: got10k, names: list.txt").values()
    assert track.visible == [0, 1, 4, 5]


def test_lasot_targets_are_absent_where_covered_or_out_of_view(tmp_path: Path) -> None:
    write_lasot(tmp_path)
    assert tracks_of(tmp_path, "format: lasot")["dog-1"].visible == [0, 2, 3, 4]


def test_trackingnet_is_read_part_by_part(tmp_path: Path) -> None:
    write_trackingnet(tmp_path)
    tracks = tracks_of(tmp_path, "format: trackingnet")
    assert {name: boxes_of(track) for name, track in tracks.items()} == {
        "aaa_0": BOXES,
        "bbb_1": BOXES,
    }
    (only,) = tracks_of(tmp_path, "format: trackingnet, names: [bbb_1]").values()
    assert only.name == "bbb_1"


@pytest.mark.parametrize("resolution", ["480p", "."], ids=["DAVIS", "YouTube-VOS"])
def test_masks_give_a_track_for_each_object(tmp_path: Path, resolution: str) -> None:
    write_masks(tmp_path, resolution)
    tracks = tracks_of(tmp_path, "format: masks")
    assert boxes_of(tracks["bike/1"]) == boxes_of(tracks["cow"]) == BOXES
    assert boxes_of(tracks["bike/2"]) == [None, None, *[(50.0, 2.0, 20.0, 10.0)] * 4]
    for name, number in (("bike/1", 0), ("cow", 0), ("bike/2", 3)):
        frame = tracks[name].frames[number]
        assert frame.box is not None and frame.mask is not None and frame.has_mask
        x, y, w, h = map(int, frame.box)
        assert (frame.mask[y : y + h, x : x + w] == 255).all()
        assert np.count_nonzero(frame.mask) == w * h


def test_every_identity_of_motchallenge_is_a_track_of_what_can_be_seen(tmp_path: Path) -> None:
    write_mot(tmp_path)
    tracks = tracks_of(tmp_path, "format: motchallenge")
    assert set(tracks) == {"MOT17-02/1", "MOT17-02/2"}, "rows that do not count are left out"
    assert boxes_of(tracks["MOT17-02/1"]) == BOXES
    assert boxes_of(tracks["MOT17-02/2"]) == [(50.0, 30.0, 20.0, 30.0)] * 5
    all_seen = tracks_of(tmp_path, "format: motchallenge, min_visibility: 0.05")
    assert len(all_seen["MOT17-02/2"].frames) == 6


@pytest.mark.parametrize(
    ("write", "form", "together"),
    [
        (write_otb, "otb", [{"Two-1", "Two-2"}, {"Dog"}]),
        (write_masks, "masks", [{"bike/1", "bike/2"}, {"cow"}]),
        (write_mot, "motchallenge", [{"MOT17-02/1", "MOT17-02/2"}]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_targets_of_one_video_are_of_one_footage_and_held_out_together(
    tmp_path: Path, write: Callable[[Path], None], form: str, together: list[set[str]]
) -> None:
    write(tmp_path)
    # Twice, so that the tracks get the names of their sets before theirs.
    sets = declare(tmp_path / "s.yaml", *2 * [f"format: {form}, root: ."])
    collection = read_collection(sets, progress=False)
    for names in together:
        same = {f"{data}/{name}" for data in ("s0", "s1") for name in names}
        left, (held,) = collection.split([min(same)])
        assert held.name == min(same)
        assert {t.name for t in left.tracks} == {t.name for t in collection.tracks} - same


# --- stills --------------------------------------------------------------------------------------


def test_coco_gives_boxes_and_masks_and_leaves_crowds_out(tmp_path: Path) -> None:
    write_coco(tmp_path)
    collection = read(
        tmp_path, "format: coco, annotations: annotations/instances.json, images: train2017"
    )
    (still,) = collection.stills
    assert len(collection.unlabelled) == 1, "a picture without objects is a background"
    assert [tuple(box) for box in still.boxes] == [(10, 20, 24, 16)] * 3
    polygon, runs, compressed = still.masks
    assert polygon is not None and runs is not None
    assert (polygon[20:36, 10:34] == 255).all() and np.count_nonzero(polygon) == 24 * 16
    assert (runs[20:24, 10:12] == 255).all() and (runs[20:29, 12] == 255).all()
    assert np.count_nonzero(runs) == 17
    assert np.array_equal(compressed, runs), "the same runs, as COCO compresses them"


def test_photographs_are_found_in_folders(tmp_path: Path) -> None:
    write_pictures(tmp_path / "a" / "b", ["1.jpg", "2.png"])
    collection = read(tmp_path, "format: photographs")
    assert len(collection.unlabelled) == 2 and not collection.stills


# --- the project's own collection ----------------------------------------------------------------


def test_a_collection_needs_no_declaration(tmp_path: Path) -> None:
    write_collection(tmp_path)
    collection = read_collection(tmp_path, progress=False)
    (track,) = collection.tracks
    assert boxes_of(track) == [*BOXES[:5], None] and track.frames[0].has_mask
    assert len(collection.stills[0].boxes) == 2 and len(collection.unlabelled) == 1
    assert collection.licences == {tmp_path.name: "not stated"}


def test_tracks_of_a_collection_are_of_one_footage_where_it_says_so(tmp_path: Path) -> None:
    write_collection(tmp_path)
    table = json.loads((tmp_path / "video.json").read_text())
    table["later"], table["cat"] = {**table["dog"], "video": "dog"}, table["dog"]
    for name in ("later", "cat"):
        write_pictures(tmp_path / "video" / name, table["dog"]["frames"])
    (tmp_path / "video.json").write_text(json.dumps(table))
    left, _ = read_collection(tmp_path, progress=False).split(["dog"])
    assert [track.name for track in left.tracks] == ["cat"]
    table["cat"]["video"] = 7
    (tmp_path / "video.json").write_text(json.dumps(table))
    assert "cat" not in tracks_of(tmp_path, "format: collection")


def test_pictures_are_read_only_and_their_mean_is_that_of_the_picture(tmp_path: Path) -> None:
    write_collection(tmp_path)
    frame = read_collection(tmp_path, progress=False).tracks[0].frames[0]
    assert frame.mean == pytest.approx(frame.image.mean((0, 1)))
    with pytest.raises(ValueError, match="read-only"):
        frame.image[0, 0] = 0


def test_single_tracks_are_read_without_the_others(tmp_path: Path) -> None:
    write_masks(tmp_path)
    path = declare(tmp_path / "sets.yaml", "format: masks, root: .")
    assert [track.name for track in read_tracks(path, ["cow", "bike/2"])] == ["cow", "bike/2"]
    assert track_names(path) == ["bike", "cow"]
    with pytest.raises(DataError, match=r"'typo'.*'bike', 'cow'"):
        read_tracks(path, ["typo"])


# --- the declaration -----------------------------------------------------------------------------


def test_weight_and_gap_reach_tracks_and_stills(tmp_path: Path) -> None:
    write_collection(tmp_path)
    collection = read(tmp_path, "format: collection, weight: 2.5, max_gap: 7")
    assert (collection.tracks[0].weight, collection.tracks[0].max_gap) == (2.5, 7)
    assert collection.stills[0].weight == collection.unlabelled[0].weight == 2.5


def test_tracks_of_one_name_in_two_sets_are_told_apart_by_the_set(tmp_path: Path) -> None:
    write_folder(tmp_path / "a")
    write_folder(tmp_path / "b")
    write_folder(tmp_path / "b", "cat")
    sets = declare(tmp_path / "s.yaml", "format: folder, root: a", "format: folder, root: b")
    collection = read_collection(sets, progress=False)
    assert [track.name for track in collection.tracks] == ["s0/dog", "cat", "s1/dog"]
    assert read_tracks(sets, ["s1/dog"])[0].name == "s1/dog"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "declares no data set"),
        ("sets: []", "declares no data set"),
        ("sets: [", "is not YAML"),
        ("data: []", r"sets.yaml, line 1: unknown key 'data'"),
        ("sets:\n  - yard", "line 2: a set is a table"),
        ("sets:\n  - {format: folder, root: .}", "line 2: 'name' of the set is None"),
        ("sets:\n- name: a\n  format: otbb\n  root: .", "line 3: format of set 'a' is 'otbb'.*otb"),
        ("sets:\n- name: a\n  format: otb\n  root: nowhere", "line 4: root .*nowhere is none"),
        ("sets:\n- {name: a, format: otb, root: ., wieght: 2}", "line 2: unknown key 'wieght'"),
        ("sets:\n- {name: a, format: otb, root: ., weight: -1}", "weight of set 'a' is -1"),
        ("sets:\n- {name: a, format: otb, root: ., weight: 0}", "weight .*a number over 0"),
        ("sets:\n- {name: a, format: otb, root: ., ? [x] : 2}", "line 2: a key .* is not a word"),
        ("sets:\n- {name: a, format: otb, root: ., weight: .nan}", "weight of set 'a' is nan"),
        ("sets:\n- {name: a, format: otb, root: ., max_gap: 2.5}", "max_gap of set 'a' is 2.5"),
        ("sets:\n- {name: a, format: otb, root: ., kind: still}", "kind .*expected video"),
        ("sets:\n- {name: a, format: otb, root: ., names: 3}", "names of set 'a' is 3"),
        ("sets:\n- {name: a, format: otb, root: ., names: [Dog]}", "no video 'Dog'"),
        ("sets:\n- {name: a, format: coco, root: .}", "line 2: set 'a'.*needs 'annotations'"),
        ("sets:\n- {name: a, format: coco, root: ., annotations: x}", "x, .*is missing"),
        (
            "sets:\n- {name: a, format: photographs, root: .}\n"
            "- {name: a, format: photographs, root: .}",
            "two sets have the name 'a'",
        ),
        ("sets:\n- {name: a, name: b, format: otb, root: .}", "a key is there twice"),
        ("sets:\n- {name: a, format: motchallenge, root: ., min_visibility: 2}", "share"),
    ],
    ids=lambda value: str(value)[-30:],
)
def test_what_is_wrong_in_a_declaration_is_named_with_its_line(
    tmp_path: Path, text: str, words: str
) -> None:
    path = tmp_path / "sets.yaml"
    path.write_text(text)
    with pytest.raises(DataError, match=words):
        read_collection(path, progress=False)


def test_a_folder_of_another_format_asks_for_a_declaration(tmp_path: Path) -> None:
    write_otb(tmp_path)
    with pytest.raises(DataError, match=r"give a declaration \(\.yaml\)"):
        read_collection(tmp_path, progress=False)
    with pytest.raises(DataError, match="no such folder"):
        read_collection(tmp_path / "nowhere", progress=False)
