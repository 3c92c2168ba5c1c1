"""What augmentations do to a pair, each switched on alone. Needs torch (the train extra)."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: ./run setup train")

from tracker_ros.geometry import Box  # noqa: E402
from tracker_ros.training import augment  # noqa: E402
from tracker_ros.training.pairs import Pair, PairSampler  # noqa: E402
from tracker_ros.training.pictures import Collection, Frame, FrameTrack, Still  # noqa: E402
from tracker_ros.training.sampling import AUGMENTATIONS, PLAIN, SHARES, Sampling  # noqa: E402

OFF = Sampling(video=1, still=0, patch=0, **PLAIN)
PLACES = {
    "template_shift", "template_scale", "shift", "scale", "scale_spread", "stretch", "flip",
    "rotate", "perspective",
}  # fmt: skip
"""What moves a target of a video."""
OF_STILLS = {"still_rotate", "still_perspective"}
STAY = OF_STILLS | {"hard_negative"}
"""What changes nothing in a video by itself."""
BLUE, YELLOW = (250, 40, 10), (10, 220, 240)


def textured(seed: int, width: int = 320, height: int = 240) -> np.ndarray:
    """A smooth picture of middling colours."""
    cells = np.random.default_rng(seed).integers(60, 160, (height // 10, width // 10, 3), np.uint8)
    return cv2.resize(cells, (width, height), interpolation=cv2.INTER_CUBIC)


def disc(seed: int, colour: tuple[int, int, int]) -> FrameTrack:
    """A disc of one colour with its mask, on another background in each frame."""
    frames = []
    for i in range(4):
        image, mask = textured(seed + i), np.zeros((240, 320), np.uint8)
        cv2.circle(mask, (160, 120), 25, 255, -1)
        image[mask > 0] = colour
        frames.append(Frame(image, Box(135, 95, 51, 51), mask))
    return FrameTrack(f"disc{seed}", tuple(frames))


@pytest.fixture(scope="module")
def collection() -> Collection:
    """Blue discs are targets; yellow ones, which are never drawn as such, are distractors."""
    yellow = [Frame(frame.image, frame.box, frame.mask) for frame in disc(20, YELLOW).frames]
    stills = [Still(frame.image, (frame.box,), masks=(frame.mask,)) for frame in yellow]
    return Collection([disc(10, BLUE)], stills, [Still(textured(i), ()) for i in (31, 32)])


def pairs(collection: Collection, sampling: Sampling, count: int = 12) -> list[Pair]:
    sampler = PairSampler(collection, sampling)
    return [sampler.draw(np.random.default_rng((3, i))) for i in range(count)]


def switched(collection: Collection, name: str, value: float = 1.0) -> list[tuple[Pair, Pair]]:
    """The same pairs without and with one augmentation."""
    on = pairs(collection, replace(OFF, **{name: value}))
    return list(zip(pairs(collection, OFF), on, strict=True))


def same_crop(one: np.ndarray, other: np.ndarray) -> bool:
    return np.array_equal(one, other)


def inside(crop: np.ndarray, pair: Pair, margin: float) -> np.ndarray:
    """Where the target's box is in a search crop, with a margin: (S, S) bool."""
    cx, cy, w, h = pair.box
    ys, xs = np.mgrid[0 : crop.shape[0], 0 : crop.shape[1]]
    return (np.abs(xs - cx) <= w / 2 + margin) & (np.abs(ys - cy) <= h / 2 + margin)


def near(crop: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return (np.abs(crop.astype(int) - colour) < 25).all(-1)


def detail(crop: np.ndarray) -> float:
    return float(cv2.Laplacian(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY), cv2.CV_64F).std())


@pytest.mark.parametrize(
    "name", sorted(set(AUGMENTATIONS) - PLACES - OF_STILLS - {"hard_negative"})
)
def test_what_does_not_move_the_target_leaves_its_boxes_alone(
    collection: Collection, name: str
) -> None:
    both = switched(collection, name)
    changed = [not same_crop(plain.search, on.search) for plain, on in both]
    assert any(changed) or name == "mirror"
    for plain, on in both:
        assert plain.template_box == on.template_box
        if name != "negative":
            assert plain.box == on.box and on.positive


@pytest.mark.parametrize("name", sorted(PLACES))
def test_what_moves_the_target_moves_its_box(collection: Collection, name: str) -> None:
    value = {"shift": 30, "template_shift": 5, "rotate": 30, "perspective": 0.1}.get(name, 0.2)
    both = switched(collection, name, 1.0 if name in SHARES else value)
    moved = [
        plain.box != on.box or plain.template_box != on.template_box or name == "flip"
        for plain, on in both
    ]
    assert all(moved)
    for plain, on in both:
        part = "template" if name.startswith("template") else "search"
        assert not same_crop(getattr(plain, part), getattr(on, part))
        if part == "template":
            assert same_crop(plain.search, on.search)
        elif name != "flip":
            assert same_crop(plain.template, on.template)


@pytest.mark.parametrize("name", sorted(OF_STILLS))
def test_the_two_views_of_a_still_are_turned_and_bent_and_tracks_are_not(
    collection: Collection, name: str
) -> None:
    value = 30 if name == "still_rotate" else 0.2
    assert all(same_crop(a.search, b.search) for a, b in switched(collection, name, value))
    still = replace(OFF, video=0, still=1)
    turned = pairs(collection, replace(still, **{name: value}))
    for plain, on in zip(pairs(collection, still), turned, strict=True):
        assert same_crop(plain.template, on.template)
        assert not same_crop(plain.search, on.search)


def test_a_flip_mirrors_both_crops(collection: Collection) -> None:
    for plain, on in switched(collection, "flip"):
        assert np.abs(plain.search[:, ::-1].astype(int) - on.search).max() <= 6
        assert np.abs(plain.template[:, ::-1].astype(int) - on.template).max() <= 6


@pytest.mark.parametrize("name", ["colour", "dark"])
def test_colours_of_a_pair_change_together(collection: Collection, name: str) -> None:
    """A table is looked up: what had one colour before has one afterwards, in both crops."""
    together = 0
    for plain, on in switched(collection, name):
        for channel in range(3):
            search, template = (
                np.unique(256 * before[..., channel].astype(int) + after[..., channel])
                for before, after in ((plain.search, on.search), (plain.template, on.template))
            )
            table = {code // 256: code % 256 for code in search.tolist()}
            assert len(table) == len(search)
            known = [divmod(code, 256) for code in template.tolist() if code // 256 in table]
            together += all(table[before] == after for before, after in known)
    assert together == 36 if name == "colour" else 3 <= together < 36


def test_each_crop_has_colours_of_its_own_too(collection: Collection) -> None:
    for plain, on in switched(collection, "own_colour"):
        change = [np.mean(getattr(on, p) - getattr(plain, p).astype(float), (0, 1))
                  for p in ("search", "template")]  # fmt: skip
        assert np.abs(change[0] - change[1]).max() > 0.5


def test_at_night_little_of_the_light_is_left(collection: Collection) -> None:
    left = [on.search.mean() / plain.search.mean() for plain, on in switched(collection, "dark")]
    assert np.mean(left) < 0.5 and max(left) < 0.75


def test_a_grey_pair_has_one_brightness_in_all_channels(collection: Collection) -> None:
    for _, on in switched(collection, "grey"):
        for crop in (on.template, on.search):
            assert (crop == crop[..., :1]).all()


@pytest.mark.parametrize("name", ["blur", "motion_blur", "low_resolution"])
def test_blurred_crops_have_less_detail_and_the_same_brightness(
    collection: Collection, name: str
) -> None:
    for plain, on in switched(collection, name):
        for part in ("template", "search"):
            before, after = getattr(plain, part), getattr(on, part)
            assert detail(after) < 0.97 * detail(before)
            assert abs(float(after.mean()) - float(before.mean())) < 1.5


def test_noise_is_at_most_a_dozen_grey_levels(collection: Collection) -> None:
    for plain, on in switched(collection, "noise"):
        grain = on.search.astype(int) - plain.search
        assert 1 < np.abs(grain).max() <= 13 and abs(grain.mean()) < 1


def test_compression_keeps_the_picture_and_loses_the_pixels(collection: Collection) -> None:
    for plain, on in switched(collection, "jpeg"):
        apart = np.abs(on.search.astype(int) - plain.search)
        assert 0.2 < apart.mean() < 12


def test_a_target_that_is_cut_out_stands_before_another_picture(collection: Collection) -> None:
    for plain, on in switched(collection, "paste"):
        for before, after in ((plain.search, on.search), (plain.template, on.template)):
            blue = cv2.erode(near(before, BLUE).astype(np.uint8), np.ones((5, 5))) > 0
            around = cv2.dilate(near(before, BLUE).astype(np.uint8), np.ones((7, 7))) == 0
            assert near(after, BLUE)[blue].all()
            assert (before != after)[around].mean() > 0.9


def test_a_distractor_stands_beside_the_target_and_covers_nothing_of_it(
    collection: Collection,
) -> None:
    yellow = []
    for plain, on in switched(collection, "distractor"):
        assert same_crop(plain.template, on.template)
        target = inside(on.search, on, 2)
        assert (plain.search == on.search)[target].all()
        yellow.append(near(on.search, YELLOW).sum() > 100)
    assert sum(yellow) >= 10, "the yellow disc is the only other object, and may find no room"


def test_a_look_alike_is_the_target_in_other_colours(collection: Collection) -> None:
    areas = []
    for plain, on in switched(collection, "look_alike"):
        changed = (plain.search != on.search).any(-1)
        assert not changed[inside(on.search, on, 2)].any()
        assert not near(on.search, YELLOW).any()
        areas.append(int(changed.sum()))
    disc_area = np.pi * (25.5 * 127 / 102) ** 2
    assert 0.3 * disc_area < np.median(areas) < 3 * disc_area


@pytest.mark.parametrize("name", ["occluder", "occluding_object"])
def test_an_occluder_covers_a_part_of_the_target_and_not_all(
    collection: Collection, name: str
) -> None:
    for plain, on in switched(collection, name):
        assert same_crop(plain.template, on.template)
        before, after = near(plain.search, BLUE), near(on.search, BLUE)
        assert 0.25 < after[before].mean() < 0.99


def test_beyond_its_border_a_picture_is_mirrored_unless_that_shows_the_target_twice() -> None:
    """The disc is 10 px from the border, or 60: further than half a crop of it."""
    for gap, far in ((10, False), (60, True)):
        image, mask = textured(50, 400, 400), np.zeros((400, 400), np.uint8)
        cv2.circle(mask, (gap + 20, 200), 20, 255, -1)
        image[mask > 0] = BLUE
        made = Collection(
            [FrameTrack("edge", (Frame(image, Box(gap, 180, 41, 41), mask),))],
            [], [Still(np.full((200, 200, 3), YELLOW, np.uint8), ())],
        )  # fmt: skip
        plain, mirrored = (pairs(made, replace(OFF, mirror=m, shift=30), 16) for m in (0, 1))
        filled = 0
        for before, after in zip(plain, mirrored, strict=True):
            count, _ = cv2.connectedComponents(near(after.search, BLUE).astype(np.uint8))
            assert count == 2, "background and one disc"
            filled += bool(near(after.search, YELLOW).sum() > 20)
            assert before.box == after.box
        assert filled == 0 if far else filled > 2


def test_a_table_of_strength_0_changes_nothing() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, 2)
    table = augment.colour_table(np.random.default_rng(0), 0.0)
    assert np.array_equal(augment.recoloured(levels, table), levels)


def test_nothing_switched_on_leaves_a_crop_as_it_is() -> None:
    crop = textured(1)
    for seed in range(20):
        assert augment.degrade(crop, np.random.default_rng(seed), Sampling(**PLAIN)) is crop


# --- one switched off among all ------------------------------------------------------------------

ALL = replace(OFF, **dict.fromkeys(SHARES - {"negative", "hard_negative", "grey", "dark"}, 1.0),
              colour=1.0, own_colour=1.0)  # fmt: skip


def without(collection: Collection, sampling: Sampling, name: str) -> list[tuple[Pair, Pair]]:
    """The same pairs with everything, and without one augmentation."""
    off = pairs(collection, replace(sampling, **{name: 0}))
    return list(zip(pairs(collection, sampling), off, strict=True))


@pytest.mark.parametrize("name", ["distractor", "look_alike"])
def test_without_what_is_beside_a_target_the_rest_is_as_it_was(
    collection: Collection, name: str
) -> None:
    sharp = replace(ALL, blur=0, motion_blur=0, low_resolution=0, jpeg=0)
    both = without(collection, sharp, name)
    for on, off in both:
        target = inside(on.search, on, 0)
        assert same_crop(on.template, off.template)
        assert same_crop(on.search[target], off.search[target]), "the same occluders, noise, light"
    assert sum(not same_crop(on.search, off.search) for on, off in both) > 6


@pytest.mark.parametrize("name", ["blur", "motion_blur", "low_resolution", "noise", "jpeg"])
def test_crops_that_lose_no_detail_have_the_same_colours_as_with_it(
    collection: Collection, name: str
) -> None:
    for on, off in without(collection, ALL, name):
        for one, other in ((on.template, off.template), (on.search, off.search)):
            assert not same_crop(one, other)
            assert np.abs(one.mean((0, 1)) - other.mean((0, 1))).max() < 2.5


def test_what_is_not_cut_out_leaves_the_picture_beyond_the_border_as_it_was() -> None:
    """Half of the crop is beyond: there stands the same photograph."""
    image, mask = textured(50, 120, 400), np.zeros((400, 120), np.uint8)
    cv2.circle(mask, (30, 200), 20, 255, -1)
    image[mask > 0] = BLUE
    made = Collection(
        [FrameTrack("edge", (Frame(image, Box(10, 180, 41, 41), mask),))], [],
        [Still(textured(i), ()) for i in (1, 2, 3)],
    )  # fmt: skip
    sampling = replace(OFF, mirror=1, paste=1, shift=5)
    for on, off in without(made, sampling, "paste"):
        beyond = np.zeros(on.search.shape[:2], bool)
        beyond[:, : round(on.box[0] - 60)] = True
        assert same_crop(on.search[beyond], off.search[beyond])
