"""Which pairs are drawn, and where their targets are. Needs torch (the train extra)."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: ./run setup train")

from ellipses import (  # noqa: E402
    ONLY_STILL,
    ONLY_VIDEO,
    draws,
    edges,
    ellipse,
    noise,
    overlap,
    red_edges,
    still,
    track,
)
from torch.utils.data import DataLoader  # noqa: E402

from tracker_ros.errors import DataError, ModelError  # noqa: E402
from tracker_ros.geometry import Box  # noqa: E402
from tracker_ros.training.pairs import PairBatches, PairSampler  # noqa: E402
from tracker_ros.training.pictures import Collection, Frame, FrameTrack, Still  # noqa: E402
from tracker_ros.training.sampling import AUGMENTATIONS, PLAIN, Sampling  # noqa: E402
from tracker_ros.training.task import Batch  # noqa: E402

GEOMETRY = {
    "shift": 40, "scale": 0.2, "scale_spread": 0.1, "stretch": 0.1, "flip": 0.5, "rotate": 20,
    "perspective": 0.1, "still_rotate": 20, "still_perspective": 0.1,
}  # fmt: skip


@pytest.fixture
def collection() -> Collection:
    return Collection([track(), track("cut", masks=True)], [still()], [Still(noise(), ())])


def batches(collection: Collection, steps: range, workers: int = 0) -> list[Batch]:
    data = PairBatches(collection, Sampling(), batch=3, seed=5)
    loader = DataLoader(data, batch_size=None, sampler=steps, num_workers=workers)
    return list(loader)


def alike(one: Batch, other: Batch) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one[:6], other[:6], strict=True))


def test_a_step_has_the_same_batch_whatever_the_workers_and_the_step_before(
    collection: Collection,
) -> None:
    first = batches(collection, range(4))
    assert all(map(alike, first, batches(collection, range(4), workers=2)))
    assert all(map(alike, first[2:], batches(collection, range(2, 4))))
    assert not alike(first[0], first[1])
    assert first[0].search.shape == (3, 239, 239, 3) and first[0].search.dtype == torch.uint8
    assert first[0].template.shape == (3, 127, 127, 3)
    assert first[0].box.shape == first[0].template_box.shape == (3, 4)
    assert first[0].positive.dtype == torch.bool


def test_a_batch_says_which_crops_are_of_one_video_or_picture() -> None:
    pictures = [np.full((160, 160, 3), grey, np.uint8) for grey in (50, 100, 200)]
    tracks = [
        FrameTrack(name, (Frame(picture, Box(60, 60, 40, 40)),), video=video)
        for name, picture, video in zip("abc", pictures, ("film", "film", "other"), strict=True)
    ]
    sampling = Sampling(**{**PLAIN, **ONLY_VIDEO, "negative": 0.5})
    batch = PairBatches(Collection(tracks), sampling, batch=40, seed=1)[0]
    other = torch.stack((batch.template[:, 63, 63, 0], batch.search[:, 119, 119, 0]), 1) == 200
    assert other.any() and not other.all()
    (number,) = set(batch.scenes[other].tolist())
    assert torch.equal(batch.scenes == number, other) and batch.scenes.unique().numel() == 2
    assert torch.equal(batch.scenes[:, 0] == batch.scenes[:, 1], batch.positive)


def test_each_process_of_a_run_draws_its_own_batches(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = batches(collection, range(1))[0]
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    assert alike(alone, batches(collection, range(1))[0])
    monkeypatch.setenv("RANK", "1")
    assert not alike(alone, batches(collection, range(1))[0])


def test_with_all_switched_off_the_target_is_in_the_middle_in_the_papers_scale() -> None:
    """127 px show a square of sqrt((60 + 50) (40 + 50)) px around a box of 60x40."""
    for pair in draws(Collection([track(masks=True)]), Sampling(**ONLY_VIDEO, **PLAIN)):
        zoom = 127 / np.sqrt(110 * 90)
        assert pair.positive
        assert pair.template_box == pytest.approx((63, 63, 60 * zoom, 40 * zoom))
        assert pair.box == pytest.approx((119, 119, 60 * zoom, 40 * zoom))
        assert red_edges(pair.search) == pytest.approx(edges(pair.box), abs=1.5)
        assert red_edges(pair.template) == pytest.approx(edges(pair.template_box), abs=1.5)


def test_a_larger_template_crop_shows_more_and_not_larger() -> None:
    sampling = Sampling(template_size=271, search_size=271, **ONLY_VIDEO, **PLAIN)
    pair = draws(Collection([track(frames=1)]), sampling, 1)[0]
    assert np.array_equal(pair.template, pair.search)
    assert pair.template_box == pytest.approx((135, 135, 60 * 127 / 99.4987, 40 * 127 / 99.4987))


def test_an_area_crop_has_five_times_the_side_of_the_target_which_is_jittered() -> None:
    """ATOM: centre jitter U(-0.5, 0.5) of 4.5 times the target's side, log-size N(0, 0.5)."""
    plain = Sampling(
        region="area", template_size=288, search_size=288, **ONLY_VIDEO, **PLAIN
    )  # fmt: skip
    jittered = replace(plain, shift=129.6, scale_spread=0.5)
    sides, places = [], []
    for pair in draws(Collection([track()]), jittered, 200):
        assert pair.template_box[2] * pair.template_box[3] == pytest.approx((288 / 5) ** 2)
        sides.append(np.log(np.sqrt(pair.box[2] * pair.box[3]) / (288 / 5)))
        places.append(np.array(pair.box[:2]) - 143.5)
    assert np.std(sides) == pytest.approx(0.5, abs=0.08)
    assert 115 < np.abs(places).max() <= 129.6


@pytest.mark.parametrize("source", ["video", "still"])
@pytest.mark.parametrize("masks", [True, False], ids=["masks", "boxes"])
def test_boxes_bound_their_targets_however_the_crop_is_shifted_turned_and_bent(
    source: str, masks: bool
) -> None:
    made = Collection([track(masks=masks)], [still(Box(130, 90, 60, 40), mask=masks)])
    only = ONLY_VIDEO if source == "video" else ONLY_STILL
    turned = []
    for pair in draws(made, Sampling(**{**PLAIN, **only, **GEOMETRY})):
        seen = np.clip(edges(pair.box), 0, 239)
        if (seen == edges(pair.box)).all():  # all of the target is in the crop
            found = red_edges(pair.search)
            if masks:
                assert found == pytest.approx(seen, abs=2.5)
            assert overlap(found, seen) > (0.9 if masks else 0.82)
            turned.append(abs(np.log(pair.box[2] / pair.box[3] / 1.5)))
    assert len(turned) > 10 and max(turned) > 0.2


def test_targets_are_anywhere_within_the_shift_and_not_in_the_middle(
    collection: Collection,
) -> None:
    sampling = Sampling(**{**PLAIN, "shift": 56})
    away = np.array([pair.box[:2] for pair in draws(collection, sampling, 60)]) - 119
    assert 50 < np.abs(away).max() <= 56
    assert np.abs(away.mean(0)).max() < 20


def test_tracks_are_drawn_by_weight_and_frames_within_the_gap() -> None:
    """The brightness of a frame is its number; the second track counts for nothing."""

    def numbered(name: str, first: int, **more: object) -> FrameTrack:
        frames = [
            Frame(np.full((60, 60, 3), first + i, np.uint8), Box(20, 20, 20, 20)) for i in range(50)
        ]
        return FrameTrack(name, tuple(frames), **more)

    sampling = Sampling(**{**PLAIN, **ONLY_VIDEO, "max_gap": 30})
    both = Collection(
        [numbered("a", 0, weight=3.0), numbered("b", 100), numbered("c", 200, weight=0.0)]
    )
    seen = [pair.template[63, 63, 0] for pair in draws(both, sampling, 200)]
    assert max(seen) < 200
    assert 0.65 < np.mean([number < 100 for number in seen]) < 0.85

    def gaps(**more: object) -> list[int]:
        pairs = draws(Collection([numbered("a", 0, **more)]), sampling, 100)
        return [abs(int(p.template[63, 63, 0]) - int(p.search[119, 119, 0])) for p in pairs]

    assert 20 < max(gaps()) <= 30
    assert max(gaps(max_gap=4)) == 4


@pytest.mark.parametrize(
    "box",
    [Box(100, 100, 2, 2), Box(0, 0, 60, 40), Box(300, 220, 40, 40), Box(-20, -10, 60, 40)],
    ids=["2 px", "corner", "over the border", "half outside"],
)
def test_boxes_that_are_tiny_or_at_the_border_are_drawn_as_they_are(box: Box) -> None:
    made = Collection([FrameTrack("a", (Frame(ellipse(box), box),))])
    for pair in draws(made, replace(Sampling(**ONLY_VIDEO), negative=0), 20):
        assert np.isfinite(pair.box).all() and min(pair.box[2:]) > 1
    plain = draws(made, Sampling(**ONLY_VIDEO, **PLAIN), 1)[0]
    side = np.sqrt((1.5 * box.w + 0.5 * box.h) * (1.5 * box.h + 0.5 * box.w))
    assert plain.box == pytest.approx((119, 119, box.w * 127 / side, box.h * 127 / side))


@pytest.mark.parametrize("size", [(8, 8), (3, 400), (40, 30)], ids=str)
def test_pictures_smaller_than_a_crop_or_a_patch_are_drawn_from(size: tuple[int, int]) -> None:
    made = Collection([], [], [Still(noise(1, *size), ()), Still(noise(2, *size), ())])
    for pair in draws(made, Sampling()):
        assert pair.search.shape == (239, 239, 3) and min(pair.box[2:]) > 0


@pytest.mark.parametrize(
    "made",
    [
        Collection([track()]),
        Collection([track("cut", masks=True)]),
        Collection([], [still()]),
        Collection([], [still(mask=True)]),
        Collection([], [], [Still(noise(), ())]),
    ],
    ids=["tracks", "tracks with masks", "stills", "stills with masks", "unlabelled"],
)
def test_pairs_are_drawn_from_what_there_is_with_everything_switched_on(made: Collection) -> None:
    every = dict.fromkeys(AUGMENTATIONS, 0.15)
    for pair in draws(made, Sampling(**every)):
        assert pair.search.shape == (239, 239, 3)
        assert np.isfinite((*pair.box, *pair.template_box)).all()


def test_where_there_is_nothing_to_draw_that_is_said() -> None:
    unseen = FrameTrack("unseen", (Frame(noise(), None),))
    for made in (Collection(), Collection([unseen])):
        with pytest.raises(DataError, match="nothing to draw pairs from"):
            PairSampler(made, Sampling())
    with pytest.raises(DataError, match="video, still, patch"):
        PairSampler(Collection([track()]), Sampling(video=0, still=1, patch=0))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"negative": 1.5}, "negative is 1.5; possible is 0 to 1"),
        ({"shift": -1}, "shift is -1; possible is 0 or more"),
        ({"rotate": float("nan")}, "rotate is nan"),
        ({"blur": "often"}, "blur is often; possible is a number"),
        ({"perspective": 0.5}, "perspective is 0.5; possible is 0 to 0.2"),
        ({"region": "whole"}, "region is whole; possible is context or area"),
        ({"search_size": 0}, "search_size is 0"),
        ({"template_size": 127.5}, "template_size is 127.5"),
        ({"max_gap": 0.5}, "max_gap is 0.5"),
        ({"area_factor": 0}, "area_factor is 0; possible is 1 or more"),
        ({"video": 0, "still": 0, "patch": 0}, "give one a share"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_value_that_no_pair_can_have_is_named(changed: dict[str, object], words: str) -> None:
    with pytest.raises(ModelError, match=f"section sampling: .*{words}"):
        Sampling(**changed)
