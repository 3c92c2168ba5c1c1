"""The filter learnt on line: what it learns, what it does not, and what it takes."""

from __future__ import annotations

import numpy as np
import pytest

from tracker_ros.sot.online import (
    OnlineFilter,
    OnlineParameters,
    first_pictures,
    principal,
    shares,
)

CHANNELS, CELLS, GRID, SIDE = 24, 20, 17, 6.0
EAGER = OnlineParameters(online_weight=0.5, online_interval=1, online_delay=1, online_channels=16)


class World:
    """Features in which every thing has a signature of its own, on noise that is everyone's."""

    def __init__(self, cells: int = CELLS) -> None:
        self._rng = np.random.default_rng(3)
        self._noise = self._rng.normal(0, 0.5, (CHANNELS, cells, cells)).astype(np.float32)
        self._cells = cells
        common = self._rng.normal(size=CHANNELS)
        self.target, self.twin = (common + self._rng.normal(0, 0.7, CHANNELS) for _ in range(2))
        self.cover = self._rng.normal(0, 1.2, CHANNELS)

    def shows(self, *things: tuple[np.ndarray, float, float], gain: float = 1.0) -> np.ndarray:
        """Features (channels, cells, cells): each thing a blob at (x, y) from the middle."""
        ticks = np.arange(self._cells) - (self._cells - 1) / 2
        features = self._noise.copy()
        for signature, x, y in things:
            across, down = (np.exp(-(((ticks - at) / 1.5) ** 2)) for at in (x, y))
            features += 4 * signature.astype(np.float32)[:, None, None] * np.outer(down, across)
        return (gain * features).astype(np.float32)


def started(world: World, parameters: OnlineParameters = EAGER, grid: int = GRID) -> OnlineFilter:
    online = OnlineFilter(parameters)
    online.start([world.shows((world.target, 0, 0))], SIDE, SIDE, grid)
    return online


def peak(scores: np.ndarray | None) -> tuple[float, float]:
    """Where the highest score is, in cells from the middle."""
    assert scores is not None
    row, column = divmod(int(scores.argmax()), scores.shape[1])
    middle = (len(scores) - 1) / 2
    return column - middle, row - middle


@pytest.mark.parametrize(("cells", "grid"), [(20, 17), (22, 17), (31, 27), (31, 25), (22, 19)])
def test_the_answer_lies_on_the_cells_of_the_siamese_response(cells: int, grid: int) -> None:
    world = World(cells)
    online = started(world, grid=grid)
    for x, y in ((0, 0), (5, -3), (-6, 6)):
        scores = online.scores(world.shows((world.target, x, y)), grid)
        assert scores is not None and scores.shape == (grid, grid)
        assert scores.min() >= 0 and scores.max() <= 1
        assert np.hypot(*(np.array(peak(scores)) - (x, y))) <= 1


def test_brighter_features_change_nothing() -> None:
    world = World()
    online = started(world)
    there = ((world.target, 3, 2), (world.twin, -5, -4))
    plain = online.scores(world.shows(*there), GRID)
    bright = online.scores(world.shows(*there, gain=37.0), GRID)
    assert plain is not None and bright is not None
    assert np.allclose(plain, bright, atol=1e-5)


def test_a_look_alike_that_is_seen_beside_the_target_is_learnt_to_be_none() -> None:
    world = World()
    online = started(world)
    both = world.shows((world.target, 0, 0), (world.twin, 6, 0))

    def likeness() -> float:
        scores = online.scores(both, GRID)
        assert scores is not None
        return float(scores[8, 12:17].max() / scores[8, 8])

    before = likeness()
    for _ in range(6):
        online.scores(both, GRID)
        online.learn(0.9, 0, 0, SIDE, SIDE)
    assert before > 0.15
    assert likeness() < before / 2


def test_a_frame_of_doubt_drops_what_waited_to_be_learnt() -> None:
    world = World()
    online = started(world)
    first = online.learnt
    for score in (0.9, 0.1, 0.9, 0.1):  # never sure in two frames in a row
        online.scores(world.shows((world.target, 1, 0)), GRID)
        online.learn(score, 1, 0, SIDE, SIDE)
    assert online.learnt == first
    for _ in range(2):
        online.scores(world.shows((world.target, 1, 0)), GRID)
        online.learn(0.9, 1, 0, SIDE, SIDE)
    assert online.learnt == first + 1


def test_what_covers_the_target_is_not_learnt() -> None:
    world = World()
    online = started(world)
    for _ in range(4):
        online.scores(world.shows((world.target, 0, 0)), GRID)
        online.learn(0.9, 0, 0, SIDE, SIDE)
    kept = online.learnt
    covered = world.shows((world.cover, 0, 0))
    for _ in range(30):  # the Siamese head is taken in, the filter is not
        online.scores(covered, GRID)
        online.learn(0.9, 0, 0, SIDE, SIDE)
    assert online.learnt == kept
    scores = online.scores(world.shows((world.cover, -5, 0), (world.target, 5, 0)), GRID)
    assert peak(scores)[0] > 3


def test_two_places_that_look_like_the_target_teach_nothing() -> None:
    world = World()
    online = started(world)
    first = online.learnt
    twins = world.shows((world.target, -5, 0), (world.target, 5, 0))
    for _ in range(5):
        online.scores(twins, GRID)
        online.learn(0.9, -5, 0, SIDE, SIDE)
    assert online.learnt == first


def test_the_samples_of_the_first_frame_never_leave() -> None:
    world = World()
    few = OnlineParameters(
        online_weight=0.5, online_interval=1, online_delay=1, online_memory=5, online_rate=0.4
    )
    online = started(world, few)
    for i in range(40):  # it changes into something else, slowly enough to be followed
        share = i / 39
        now = (1 - share) * world.target + share * world.twin
        online.scores(world.shows((now, 0, 0)), GRID)
        online.learn(0.9, 0, 0, SIDE, SIDE)
    assert online.learnt == 5
    scores = online.scores(world.shows((world.target, 4, 4)), GRID)
    assert scores is not None and scores.max() > 0.4
    assert np.hypot(*(np.array(peak(scores)) - 4)) <= 1.5


def test_memory_does_not_grow_over_a_thousand_frames() -> None:
    world = World()
    few = OnlineParameters(online_weight=0.5, online_interval=2, online_channels=8, online_memory=6)
    online = started(world, few)
    shown = world.shows((world.target, 1, 1))

    def arrays(thing: object, seen: set[int]) -> int:
        """Bytes of all arrays that can be reached from an object."""
        if id(thing) in seen:
            return 0
        seen.add(id(thing))
        if isinstance(thing, np.ndarray):
            return thing.nbytes
        inner = getattr(thing, "__dict__", thing)
        inner = inner.values() if isinstance(inner, dict) else inner
        parts = inner if isinstance(inner, (list, tuple, type({}.values()))) else ()
        return sum(arrays(part, seen) for part in parts)

    sizes = []
    for i in range(1000):
        online.scores(shown, GRID)
        online.learn(0.9, 1, 1, SIDE, SIDE)
        if i in (99, 999):
            sizes.append(arrays(online, set()))
    assert sizes[0] == sizes[1] > 10_000
    assert online.learnt == few.online_memory


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_features_that_are_no_numbers_are_passed_over(value: float) -> None:
    world = World()
    online = started(world)
    good = world.shows((world.target, 2, 0))
    before = online.scores(good, GRID)
    broken = good.copy()
    broken[0, 5, 5] = value
    for _ in range(3):
        assert online.scores(broken, GRID) is None
        online.learn(0.9, 2, 0, SIDE, SIDE)
    after = online.scores(good, GRID)
    assert before is not None and after is not None and np.array_equal(before, after)
    unborn = OnlineFilter(EAGER)
    unborn.start([broken], SIDE, SIDE, GRID)
    assert unborn.scores(good, GRID) is None
    unborn.learn(0.9, 0, 0, SIDE, SIDE)
    unborn.start([good], SIDE, SIDE, GRID)
    assert unborn.scores(good, GRID) is not None


def test_features_of_nothing_at_all_leave_no_filter() -> None:
    online = OnlineFilter(EAGER)
    online.start([np.zeros((CHANNELS, CELLS, CELLS), np.float32)], SIDE, SIDE, GRID)
    assert online.scores(World().shows(), GRID) is None


def test_the_same_frames_give_the_same_filter() -> None:
    answers = []
    for _ in range(2):
        world = World()
        online = started(world)
        for i in range(6):
            online.scores(world.shows((world.target, i / 3, 0)), GRID)
            online.learn(0.9, i / 3, 0, SIDE, SIDE)
        answers.append(online.scores(world.shows((world.target, 0, 4)), GRID))
    once, again = answers
    assert once is not None and again is not None and np.array_equal(once, again)


def test_another_target_starts_from_nothing() -> None:
    world = World()
    online = started(world)
    for _ in range(5):
        online.scores(world.shows((world.target, 0, 0)), GRID)
        online.learn(0.9, 0, 0, SIDE, SIDE)
    online.start([world.shows((world.twin, 0, 0))], SIDE, SIDE, GRID)
    fresh = OnlineFilter(EAGER)
    fresh.start([world.shows((world.twin, 0, 0))], SIDE, SIDE, GRID)
    shown = world.shows((world.target, 4, 0), (world.twin, -4, 0))
    again, anew = online.scores(shown, GRID), fresh.scores(shown, GRID)
    assert again is not None and anew is not None and np.array_equal(again, anew)


def test_what_scores_are_multiplied_by_is_1_at_the_highest_answer() -> None:
    found = shares(np.array([[0.4, 0.0], [0.2, 0.1]], np.float32), 0.8)
    assert found is not None
    assert found.tolist() == [pytest.approx([1.0, 0.2]), pytest.approx([0.6, 0.4])]
    assert shares(None, 0.8) is None
    assert shares(np.full((2, 2), 0.01, np.float32), 0.8) is None, "it has not seen the target"


def test_principal_directions_are_orthonormal_and_hold_most_of_the_power() -> None:
    features = World().shows((World().target, 0, 0))
    few = principal(features, 4)
    assert np.allclose(few @ few.T, np.eye(4), atol=1e-5)
    powers = ((few @ features.reshape(CHANNELS, -1)) ** 2).sum(1)
    assert (np.diff(powers) <= 1e-3).all()
    assert powers[0] > (features**2).sum() / CHANNELS


def test_the_first_pictures_are_the_crop_its_mirror_and_blurred_ones() -> None:
    crop = np.random.default_rng(0).integers(0, 256, (31, 31, 3)).astype(np.uint8)
    plain, mirror, *blurred = first_pictures(crop)
    assert np.array_equal(plain, crop) and np.array_equal(mirror, crop[:, ::-1])
    assert blurred and all(one.shape == crop.shape and one.std() < crop.std() for one in blurred)
