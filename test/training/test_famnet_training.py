"""FAMNet's training: composed crowds, windows, the loss, and that it is what the tracker solves."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: ./run setup train")

from safetensors.torch import save_file  # noqa: E402

from tracker_ros.engines.network import Networks  # noqa: E402
from tracker_ros.engines.onnx import OnnxEngine  # noqa: E402
from tracker_ros.errors import DataError, ModelError  # noqa: E402
from tracker_ros.geometry import Box  # noqa: E402
from tracker_ros.models.card import Card  # noqa: E402
from tracker_ros.mot.affinity import gate  # noqa: E402
from tracker_ros.mot.assignment import ITERATIONS  # noqa: E402
from tracker_ros.mot.model import FamnetModel  # noqa: E402
from tracker_ros.mot.window import Slot as RunSlot  # noqa: E402
from tracker_ros.mot.window import solve_values  # noqa: E402
from tracker_ros.networks.export_famnet import Sizes, export_famnet  # noqa: E402
from tracker_ros.networks.famnet import FAMNet  # noqa: E402
from tracker_ros.training import command, famnet  # noqa: E402
from tracker_ros.training.association import Association  # noqa: E402
from tracker_ros.training.crowds import HEIGHT, WIDTH, Crowds  # noqa: E402
from tracker_ros.training.famnet import (  # noqa: E402
    Drawn,
    Films,
    WindowBatches,
    read_famnet_recipe,
    start_network,
    train_famnet,
)
from tracker_ros.training.footage import CellReader, Film, detected, film_of  # noqa: E402
from tracker_ros.training.pictures import Collection, Still  # noqa: E402
from tracker_ros.training.recipe import is_famnet, recipe_path  # noqa: E402
from tracker_ros.training.session import Session  # noqa: E402
from tracker_ros.training.trainer import Trainer  # noqa: E402
from tracker_ros.training.windows import Window, draw_window, side_by_side  # noqa: E402

SLIM = (16, 24, 32, 32, 16)


def collection(count: int = 6) -> Collection:
    rng = np.random.default_rng(0)
    stills = [
        Still(
            rng.integers(0, 255, (200, 150, 3)).astype(np.uint8), (Box(30, 20, 60, 140),), (0, 0, 0)
        )
        for _ in range(count)
    ]
    return Collection([], stills, [])


def walkers(frames: int = 30, people: int = 5, seed: int = 1) -> Film:
    """A film of boxes alone: people who walk on lines of their own."""
    rng = np.random.default_rng(seed)
    start, step = rng.uniform(50, 600, (people, 2)), rng.uniform(-4, 4, (people, 2))

    def frame_by_frame() -> Iterator[tuple[int, None, np.ndarray, np.ndarray, np.ndarray]]:
        for frame in range(frames):
            objects = [
                (who, np.array([*(start[who] + frame * step[who]), 40.0, 90.0]), 1.0)
                for who in range(people)
            ]
            yield frame, None, *detected(objects, rng, 640, 480)

    return film_of(frame_by_frame(), 25.0, None)


# --- composed crowds -----------------------------------------------------------------------------


def test_a_crowd_is_the_same_for_the_same_seed_and_knows_who_is_where() -> None:
    one, other = (list(Crowds(collection(), 3).film(4)) for _ in range(2))
    assert all(np.array_equal(a.image, b.image) for a, b in zip(one, other, strict=True))
    assert one[0].image.shape == (HEIGHT, WIDTH, 3)
    assert {o.identity for o in one[0].objects} == {o.identity for o in one[3].objects}
    assert all(0 <= o.seen <= 1.1 for frame in one for o in frame.objects)


def test_a_collection_without_anybody_is_refused() -> None:
    with pytest.raises(DataError, match="nothing to compose"):
        Crowds(Collection([], [], collection().stills), 0)


def test_who_is_hidden_is_not_detected() -> None:
    rng = np.random.default_rng(0)
    box = np.array([100.0, 100, 40, 90])
    who, boxes, scores = detected([(1, box, 1.0), (2, box + 200, 0.1)], rng, 640, 480)
    assert 1 in who and 2 not in who
    assert boxes.shape == (len(who), 4) and scores.shape == (len(who),)


def test_cells_from_the_frame_are_like_those_of_crops_where_both_have_one_scale() -> None:
    """Mode F against mode C: cosine of at least 0.9, for a box whose crop has 127 px."""
    torch.manual_seed(0)
    network = FAMNet(SLIM, 16)
    for part in network.feature.children():
        part.train()
    rng = np.random.default_rng(0)
    import cv2

    image = cv2.resize(rng.integers(0, 255, (24, 32, 3)).astype(np.uint8), (640, 480))
    with torch.no_grad():
        network.feature.backbone(
            torch.from_numpy(image.transpose(2, 0, 1)[None].astype(np.float32))
        )
    for part in network.feature.children():
        part.eval()
    boxes = np.array([[300.0, 240, 63.5, 63.5], [200, 150, 60, 67.0]])
    by_crop, by_frame = CellReader(network.feature.backbone).read(image, boxes).astype(np.float32)
    for one, other in zip(by_crop, by_frame, strict=True):
        cosine = (one * other).sum() / np.linalg.norm(one) / np.linalg.norm(other)
        assert cosine > 0.9


# --- windows -------------------------------------------------------------------------------------


def test_the_truth_of_a_window_joins_equal_identities_and_nobody_else() -> None:
    film = walkers()
    window = side_by_side([(0, draw_window(film, 3, np.random.default_rng(2)))])
    for k, layer in enumerate(window.hypotheses.layers):
        earlier, later = window.slots[k].identities, window.slots[k + 1].identities
        for source, target, right in zip(layer.source, layer.target, window.truth[k], strict=True):
            if source and target:
                same = earlier[source - 1] == later[target - 1] and earlier[source - 1] >= 0
                assert right == same


def test_windows_side_by_side_do_not_mix() -> None:
    film = walkers()
    rng = np.random.default_rng(3)
    drawn = [(0, draw_window(film, 3, rng)) for _ in range(3)]
    window = side_by_side(drawn)
    for k, layer in enumerate(window.hypotheses.layers):
        bounds = np.cumsum([0, *(len(slots[k].rows) for _, slots in drawn)])
        after = np.cumsum([0, *(len(slots[k + 1].rows) for _, slots in drawn)])
        real = (layer.source > 0) & (layer.target > 0)
        a = np.searchsorted(bounds, layer.source[real] - 1, side="right")
        b = np.searchsorted(after, layer.target[real] - 1, side="right")
        assert (a == b).all()


def test_a_past_observation_is_before_the_later_one() -> None:
    rng = np.random.default_rng(4)
    for _ in range(20):
        slots = draw_window(walkers(), 4, rng)
        for earlier, later in pairwise(slots):
            for who in set(earlier.identities.tolist()) - {-1}:
                own = later.identities == who
                if own.any():
                    first = earlier.candidates.times[earlier.identities == who][0]
                    assert first < later.candidates.times[own][0]
            assert gate(earlier.candidates, later.candidates).shape == (
                len(earlier.rows), len(later.rows),
            )  # fmt: skip


# --- the loss ------------------------------------------------------------------------------------


def test_training_on_boxes_alone_learns_who_is_who() -> None:
    torch.manual_seed(0)
    network = FAMNet(SLIM, 16)
    association = Association(network, [walkers(), walkers(seed=9)])
    optimizer = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], lr=3e-3)
    rng = np.random.default_rng(0)

    def batch() -> Window:
        return side_by_side([(i, draw_window(walkers(seed=1 + 8 * i), 3, rng)) for i in (0, 1)])

    def held_out() -> float:
        with torch.no_grad():
            solved = association.solve(batch(), way=0, blind=True)
        return float(torch.stack([layer.loss(0.0) for layer in solved]).sum())

    before = np.mean([held_out() for _ in range(10)])
    for _ in range(60):
        solved = association.solve(batch(), way=0, blind=True)
        loss = torch.stack([layer.loss(0.25) for layer in solved]).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert np.mean([held_out() for _ in range(10)]) < 0.5 * before


def test_the_gradient_of_the_assignment_reaches_every_part_that_is_trained() -> None:
    network = FAMNet(SLIM, 16).train()
    association = Association(network, [walkers()])
    window = side_by_side([(0, draw_window(walkers(), 3, np.random.default_rng(1)))])
    solved = association.solve(window, way=0, blind=True)
    torch.stack([layer.loss(0.0) for layer in solved]).sum().backward()
    for name in ("pair.0.weight", "triple.0.weight", "birth", "end", "log_temperature", "unseen"):
        gradient = network.get_parameter(name).grad
        assert gradient is not None and gradient.abs().sum() > 0, name
    assert all(p.grad is None for p in network.feature.parameters())


def test_the_tracker_solves_a_window_as_training_does(tmp_path: Path) -> None:
    """The exported graphs with numpy around, against the network with torch around."""
    torch.manual_seed(1)
    network = FAMNet(SLIM, 16).eval()
    sizes = Sizes(canvas=(64, 64), candidates=4, crops=1, pairs=32, triples=64)
    roles = export_famnet(network, sizes, tmp_path / "net")
    engines = {role: OnnxEngine(tmp_path / f"net.{role}.onnx") for role in roles}
    values = {"canvas": [64, 64], "candidates": 4, "crops": 1, "pairs": 32, "triples": 64,
              "hidden": 16, "birth": 0.0, "end": 0.0, "temperature": 1.0}  # fmt: skip
    card = Card("net", "famnet", "", "", "", (), {}, network=values)
    film = walkers(people=4)
    drawn = draw_window(film, 3, np.random.default_rng(6))
    with torch.no_grad():
        expected = Association(network, [film]).solve(
            side_by_side([(0, drawn)]), way=0, blind=True, iterations=ITERATIONS
        )[-1]
    slots = [
        RunSlot(
            slot.candidates, [()] * len(slot.rows), [None] * len(slot.rows),
            np.where(slot.identities < 0, 100 + np.arange(len(slot.rows)), slot.identities)
            if k < 2 else np.full(len(slot.rows), -1),
        )
        for k, slot in enumerate(drawn)
    ]  # fmt: skip
    hypotheses, found = solve_values(FamnetModel(card, Networks.of(engines)), slots)
    layer = hypotheses.layers[-1]
    counted = (layer.source > 0) | (layer.target > 0)
    assert found[-1][counted] == pytest.approx(expected.values.numpy(), abs=2e-3)


# --- recipe and refusals -------------------------------------------------------------------------


def test_the_recipe_is_read_and_known_as_famnets() -> None:
    path = recipe_path("famnet")
    assert is_famnet(path)
    assert not is_famnet(recipe_path("siamfc"))
    assert read_famnet_recipe(path).past_frames == 2


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("shares: [0.6, 0.15, 0.25]", "shares: [1]", "shares one for each of 3 kinds"),
        ("films: 120, ", "", "crowds needs films and frames"),
        ("backbone: AlexNet", "backbone: 8 # ", "backbone is 8; expected a text"),
    ],
)
def test_a_recipe_that_cannot_work_is_refused_when_it_is_read(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    (tmp_path / "own.yaml").write_text(recipe_path("famnet").read_text().replace(old, new))
    with pytest.raises(ModelError, match=words):
        read_famnet_recipe(tmp_path / "own.yaml")


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    recipe = read_famnet_recipe(recipe_path("famnet"))
    (tmp_path / "cut.safetensors").write_bytes(bytes(7))
    for name, words in (("none", "there is neither such a file"), ("cut", "cannot be read as")):
        with pytest.raises(ModelError, match=rf"{name}\.safetensors:? {words}"):
            start_network(recipe, tmp_path / f"{name}.safetensors")
    save_file({"backbone.features.0.weight": torch.zeros(2, 2)}, tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match="of another shape"):
        start_network(recipe, tmp_path / "other.safetensors")


def test_a_folder_without_sequences_is_refused(tmp_path: Path) -> None:
    from tracker_ros.training.famnet_command import _sequences

    recipe = read_famnet_recipe(recipe_path("famnet"))
    with pytest.raises(DataError, match=r"no NAME/seqinfo\.ini"):
        _sequences(tmp_path, recipe)


def test_a_teacher_that_would_do_nothing_is_refused(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    args = parser.parse_args(["famnet", "--data", str(tmp_path), "--teacher", "teacher.onnx"])
    with pytest.raises(ModelError, match="leave out --teacher"):
        command.run(args)


class Unreadable(WindowBatches):
    """The disk fails in step 4."""

    def __getitem__(self, step: int) -> Drawn:
        if step == 4:
            raise DataError("the disk is gone")
        return super().__getitem__(step)


def test_a_run_that_stopped_goes_on_as_if_it_had_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = read_famnet_recipe(recipe_path("famnet"))
    films = Films(boxes=[walkers(), walkers(seed=9)])
    trainer = Trainer(steps=6, batch=2, learning_rate=1e-3, average=0.5)

    def run(name: str, *, resume: bool = False) -> tuple[FAMNet, list[list[str]]]:
        torch.manual_seed(0)
        network, folder = FAMNet(SLIM, 16), tmp_path / name
        session = Session(folder, resume, 0, checkpoint_minutes=0.0, tensorboard=False)
        train_famnet(recipe, network, films, trainer, session)
        lines = (folder / "curves" / f"{recipe.name}.csv").read_text().splitlines()
        return network, [line.split(",")[:3] for line in lines]

    whole, curve = run("whole")
    with monkeypatch.context() as patch, pytest.raises(DataError):
        patch.setattr(famnet, "WindowBatches", Unreadable)
        run("cut")
    resumed, other = run("cut", resume=True)
    assert curve == other and len(curve) == 7
    for key, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[key]), key
