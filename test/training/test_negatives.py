"""Which target is shown where the template's is not. Needs torch (the train extra)."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: ./run setup train")

from ellipses import GROUND, ONLY_STILL, ONLY_VIDEO, draws, ellipse, noise, red_mask, still, track

from tracker_ros.geometry import Box
from tracker_ros.training.pictures import Collection, Frame, FrameTrack, Still
from tracker_ros.training.sampling import PLAIN, Sampling
from tracker_ros.training.targets import Targets


def test_a_negative_pair_shows_two_different_targets() -> None:
    blue = Still(ellipse(Box(100, 100, 50, 50), (255, 0, 0)), (Box(100, 100, 50, 50),))
    made = Collection([], [still(), blue])
    sampling = Sampling(**{**PLAIN, **ONLY_STILL, "negative": 1})
    for pair in draws(made, sampling):
        assert not pair.positive
        middles = pair.template[63, 63], pair.search[119, 119]
        assert {bool(middle[2] == 255) for middle in middles} == {True, False}
        assert pair.box[:2] == (119, 119)


def test_where_all_pictures_show_the_target_there_are_no_negative_pairs() -> None:
    for made in (Collection([track()]), Collection([], [still()])):
        assert all(pair.positive for pair in draws(made, Sampling(**{**PLAIN, "negative": 1})))


def test_a_hard_negative_is_another_object_of_the_picture_if_the_target_is_out_of_sight() -> None:
    far, near = Box(260, 200, 24, 24), Box(56, 20, 24, 24)
    sampling = Sampling(**{**PLAIN, **ONLY_STILL, "negative": 1, "hard_negative": 1})
    others = [still(Box(10, 10, 40, 40)) for _ in range(6)]
    for other, hard in ((far, True), (near, False)):
        targets = Targets(Collection([], [still(Box(20, 20, 24, 24), other), *others]), sampling)
        rng = np.random.default_rng(0)
        drawn = targets.draw(rng)
        while drawn.first.box.w != 24:
            drawn = targets.draw(rng)
        found = {targets.another(drawn, rng).first.box.w for _ in range(20)}
        assert found == ({24.0} if hard else {40.0})


def test_a_hard_negative_has_the_label_of_the_target_and_is_of_another_still() -> None:
    """The width of a box is its label; two of five stills have the first."""
    boxes = [Box(100, 100, side, side) for side in (30, 30, 40, 50, 60)]
    stills = [Still(ellipse(box), (box,), labels=(str(box.w),)) for box in boxes]
    hard = Sampling(**{**PLAIN, **ONLY_STILL, "negative": 1, "hard_negative": 1})
    targets = Targets(Collection([], stills), hard)
    rng = np.random.default_rng(0)
    for _ in range(40):
        drawn = targets.draw(rng)
        other = targets.another(drawn, rng)
        assert other.second.image is not drawn.first.image
        assert (other.second.box.w == drawn.first.box.w) == (drawn.first.box.w == 30)


def test_a_look_alike_of_a_still_is_itself_or_a_thing_of_its_label() -> None:
    boxes = [Box(100, 100, side, side) for side in (30, 31, 40)]
    stills = [
        Still(ellipse(box), (box,), labels=(name,))
        for box, name in zip(boxes, ("dog", "dog", "cat"), strict=True)
    ]
    targets = Targets(Collection([], stills), Sampling(**ONLY_STILL))
    rng = np.random.default_rng(0)
    for _ in range(60):
        drawn = targets.draw(rng)
        other, itself = targets.alike(drawn, drawn, rng)
        assert itself == (other.image is drawn.first.image)
        assert itself or {other.box.w, drawn.first.box.w} == {30, 31}


def test_a_hard_negative_of_a_video_is_its_other_target_if_the_first_is_out_of_sight() -> None:
    pictures = [np.full((200, 600, 3), i, np.uint8) for i in range(10)]
    one = [Frame(image, Box(20, 80, 20, 20)) for image in pictures]
    # It comes from afar, and is beside the other in the last frames.
    two = [Frame(image, Box(560 - 56 * i, 80, 24, 24)) for i, image in enumerate(pictures)]
    films = [
        FrameTrack("one", tuple(one), video="film"),
        FrameTrack("two", tuple(two), video="film"),
    ]
    made = Collection([*films, track()])
    targets = Targets(made, Sampling(**{**PLAIN, **ONLY_VIDEO, "negative": 1, "hard_negative": 1}))
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(200):
        drawn = targets.draw(rng)
        if drawn.first.box.w == 20:
            shown = targets.another(drawn, rng).second
            assert shown.box.w == 24
            seen.add(int(shown.image[0, 0, 0]))
    assert max(seen) == 8, "in frame 9 both are in one crop"


def test_of_one_target_negative_pairs_show_a_patch_of_another_picture() -> None:
    made = Collection([track()], [], [Still(noise(), ())])
    sampling = Sampling(**{**PLAIN, "video": 1, "still": 0, "patch": 0, "negative": 1})
    for pair in draws(made, sampling, 10):
        assert red_mask(pair.template).any()
        assert not (pair.search == GROUND).all(-1).any()


@pytest.mark.parametrize("sharing", ["footage", "pictures"])
def test_what_is_of_the_footage_of_a_target_is_nothing_else_than_it(sharing: str) -> None:
    """Two tracks of one video, or photographs that are its frames: nothing stands for another."""
    pictures = [noise(i) for i in range(5)]
    first, second = (
        FrameTrack(name, tuple(Frame(image, box) for image in pictures), video="film")
        for name, box in (("here", Box(20, 80, 20, 20)), ("there", Box(150, 80, 24, 24)))
    )
    if sharing == "footage":
        made = Collection([first, second])
    else:
        made = Collection([first], [Still(pictures[3], (Box(150, 80, 24, 24),))])
    targets = Targets(made, Sampling(**{**ONLY_VIDEO, "hard_negative": 0}))
    rng = np.random.default_rng(0)
    for _ in range(20):
        drawn = targets.draw(rng)
        assert targets.another(drawn, rng) is None
        assert targets.picture(rng, drawn) is None
        assert targets.object(rng, drawn) is None
