"""What is drawn from prepared data is what the original gives."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from data_on_disk import declare, picture, write_collection, write_masks, write_text

from tracker_ros.cli import main
from tracker_ros.errors import DataError
from tracker_ros.geometry import Box
from tracker_ros.training.cutting import Square, still_crops
from tracker_ros.training.pictures import Collection, Frame, FrameTrack, Still
from tracker_ros.training.prepared import prepare
from tracker_ros.training.reading import read_collection
from tracker_ros.training.sampling import PLAIN, Sampling
from tracker_ros.training.targets import Film, Targets, Thing


def test_pairs_are_of_the_same_kinds_as_those_of_the_original(tmp_path: Path) -> None:
    """Photographs of two far dogs and a cat between them, each cut to three crops."""
    places = {"dog": [(10, 10), (560, 440)], "cat": [(285, 225)]}
    items = [[x, y, 16, 16, name] for name, corners in places.items() for x, y in corners]
    (tmp_path / "still").mkdir()
    paths = [f"still/{i}.png" for i in range(3)]
    for i, path in enumerate(paths):
        cv2.imwrite(str(tmp_path / path), picture(i, (600, 480)))
    write_text(tmp_path / "still.json", json.dumps({path: {"boxes": items} for path in paths}))
    before = read_collection(tmp_path, progress=False)
    prepare(before, tmp_path / "out", progress=False)
    after = read_collection(tmp_path / "out", progress=False)
    assert len(before.stills) == 3 and len(after.stills) == 9
    numbers = {still.original: i for i, still in enumerate(before.stills)}
    numbers |= {still.original: i // 3 for i, still in enumerate(after.stills)}
    found = []
    for collection in (before, after):
        targets = Targets(collection, Sampling(video=0, still=1, patch=0, hard_negative=1))
        rng, kinds = np.random.default_rng(0), set()
        for _ in range(300):
            one = targets.draw(rng).source
            drawn = targets.draw(rng)
            other = targets.another(drawn, rng)
            assert isinstance(one, Thing) and isinstance(drawn.source, Thing) and other is not None
            assert isinstance(other.source, Thing)
            same = numbers[drawn.source.still.original] == numbers[other.source.still.original]
            kinds.add((drawn.source.label, other.source.label, same))
            x, y, w, h = (round(value) for value in one.place)
            assert [x, y, w, h, one.label] in items
            background = targets.picture(rng, drawn)
            assert background is not None
            assert numbers[background.original] != numbers[drawn.source.still.original]
        found.append(kinds)
    assert found[0] == found[1] == {
        ("dog", "dog", False), ("dog", "dog", True), ("dog", "cat", True),
        ("cat", "cat", False), ("cat", "dog", True),
    }  # fmt: skip


def test_two_targets_of_a_video_stay_of_one_footage_with_frames_in_common(tmp_path: Path) -> None:
    write_masks(tmp_path)
    before = read_collection(declare(tmp_path / "s.yaml", "format: masks, root: ."), progress=False)
    out = tmp_path / "out"
    prepare(before, out, progress=False)
    again = tmp_path / "again"
    prepare(read_collection(out, progress=False), again, progress=False)
    for folder in (out, again):
        one, other, cow = read_collection(folder, progress=False).tracks
        assert one.footage == other.footage != cow.footage
        for first, second in zip(one.frames, other.frames, strict=True):
            assert first.original == second.original
        for track, was in zip((one, other, cow), before.tracks, strict=True):
            for crop, frame in zip(track.frames, was.frames, strict=True):
                assert (crop.box is None) == (frame.box is None)
                if crop.box is not None:
                    assert crop.in_original(crop.box) == pytest.approx(frame.box, abs=0.01)


def test_the_other_target_of_a_video_is_drawn_only_where_the_first_is_out_of_sight(
    tmp_path: Path,
) -> None:
    """It comes from afar, and is beside the first in frame 9, whose grey is 90."""
    pictures = [np.full((200, 600, 3), 10 * i, np.uint8) for i in range(10)]
    near = [Frame(image, Box(20, 80, 20, 20)) for image in pictures]
    far = [Frame(image, Box(560 - 56 * i, 80, 24, 24)) for i, image in enumerate(pictures)]
    films = [
        FrameTrack("near", tuple(near), video="film"),
        FrameTrack("far", tuple(far), video="film"),
    ]
    before = Collection(films, [], [Still(picture(), ())])
    prepare(before, tmp_path / "out", progress=False)
    sampling = Sampling(**{**PLAIN, "video": 1, "still": 0, "patch": 0, "hard_negative": 1})
    for collection in (before, read_collection(tmp_path / "out", progress=False)):
        targets, rng, seen = Targets(collection, sampling), np.random.default_rng(0), set()
        for _ in range(200):
            drawn = targets.draw(rng)
            other = targets.another(drawn, rng)
            assert other is not None
            if isinstance(other.source, Film):
                seen.add(int(other.second.image[0, 0, 0]))
        assert max(seen) == 80


def test_crops_that_show_too_little_for_a_recipe_are_refused_with_how_much_it_needs(
    tmp_path: Path,
) -> None:
    write_collection(tmp_path / "data")
    original = tmp_path / "data"
    wide = Sampling(region="area", template_size=288, search_size=288, shift=100, scale=0.25)
    before = read_collection(original, progress=False)
    Targets(before, wide)
    narrow, enough = tmp_path / "narrow", tmp_path / "enough"
    prepare(before, narrow, progress=False)
    collection = read_collection(narrow, progress=False)
    Targets(collection, Sampling(shift=64, search_size=255))
    with pytest.raises(DataError, match=r"show 5\.44 .* prepared with 4\.02.*--reach 5\.5"):
        Targets(collection, wide)
    again = ["data", "prepare", str(original), "--out", str(enough), "--reach", "5.5"]
    assert main(again) == 0
    Targets(read_collection(enough, progress=False), wide)


@pytest.mark.parametrize("word", ["0.5", "51", "nan", "far"])
def test_a_reach_that_no_crop_has_is_refused(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["data", "prepare", "data", "--out", "out", "--reach", word])
    assert f"'{word}' is not a number from 1 to 50" in capsys.readouterr().err


def test_a_larger_reach_takes_more_pixels_so_that_templates_lose_nothing() -> None:
    still = Still(picture(0, (2000, 2000)), (Box(950, 950, 100, 100),))
    for reach, side in ((4.0, 508), (6.0, 762)):
        (crop,) = still_crops(still, Square(reach, round(127 * reach)))
        assert crop.image.shape == (side, side, 3)


def test_pairs_are_drawn_from_prepared_data(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="torch is not installed: ./run setup train")
    from tracker_ros.training.pairs import PairSampler

    write_collection(tmp_path / "data")
    prepare(read_collection(tmp_path / "data", progress=False), tmp_path / "out", progress=False)
    collection = read_collection(tmp_path / "out", progress=False)
    sampler = PairSampler(collection, Sampling())
    rng = np.random.default_rng(0)
    pairs = [sampler.draw(rng) for _ in range(30)]
    assert {pair.template.shape for pair in pairs} == {(127, 127, 3)}
