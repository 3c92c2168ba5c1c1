"""Training data, labels, losses and a whole run in small. Needs torch (the train extra)."""

import argparse
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: ./run setup train")

from tracker_ros.anchors import AnchorGrid  # noqa: E402
from tracker_ros.errors import DataError, ModelError  # noqa: E402
from tracker_ros.geometry import Box  # noqa: E402
from tracker_ros.models.card import MODELS  # noqa: E402
from tracker_ros.sot import DEFAULT_MODELS, load_model  # noqa: E402
from tracker_ros.training import command  # noqa: E402
from tracker_ros.training.distill import FIRST, LAST, at_teacher_cells  # noqa: E402
from tracker_ros.training.famnet import read_famnet_recipe  # noqa: E402
from tracker_ros.training.losses import rpn_loss, siamfc_loss  # noqa: E402
from tracker_ros.training.pairs import PairSampler, Sampling  # noqa: E402
from tracker_ros.training.pictures import Frame, FrameTrack, read_collection  # noqa: E402
from tracker_ros.training.recipe import (  # noqa: E402
    is_famnet,
    read_recipe,
    recipe_names,
    recipe_path,
)
from tracker_ros.training.schedule import DivergedError, Trainer  # noqa: E402
from tracker_ros.training.validation import held_out_pairs  # noqa: E402

RED = (0, 0, 255)


def red_rectangle(box: Box) -> np.ndarray:
    image = np.full((240, 320, 3), (90, 120, 60), np.uint8)
    cv2.rectangle(
        image, (int(box.x), int(box.y)), (int(box.x + box.w) - 1, int(box.y + box.h) - 1), RED, -1
    )
    return image


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A collection of two tracks, two stills and an unlabelled photograph."""
    video: dict[str, object] = {}
    for name in ("kept", "held"):
        folder = tmp_path / "video" / name
        folder.mkdir(parents=True)
        boxes: list[list[float] | None] = []
        for i in range(30):
            box = Box(60 + 4 * i, 80, 60, 40)
            cv2.imwrite(
                str(folder / f"{i:03d}.jpg"), red_rectangle(box), [cv2.IMWRITE_JPEG_QUALITY, 98]
            )
            boxes.append([box.x, box.y, box.w, box.h])
        boxes[3] = None
        video[name] = {
            "frames": [f"{i:03d}.jpg" for i in range(30)],
            "boxes": boxes,
            "kind": "made",
        }
    (tmp_path / "video.json").write_text(json.dumps(video))
    (tmp_path / "still").mkdir()
    cv2.imwrite(str(tmp_path / "still" / "a.jpg"), red_rectangle(Box(100, 100, 50, 50)))
    (tmp_path / "still.json").write_text(
        json.dumps({"still/a.jpg": {"wh": [320, 240], "boxes": [[100, 100, 50, 50, "red"]]}})
    )
    (tmp_path / "unlabelled").mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "unlabelled" / "n.jpg"), noise)
    return tmp_path


def test_a_collection_is_read_with_absent_targets(data: Path) -> None:
    collection = read_collection(data, progress=False)
    assert [track.name for track in collection.tracks] == ["kept", "held"]
    assert 3 not in collection.tracks[0].visible
    assert len(collection.stills) == len(collection.unlabelled) == 1


def test_held_out_tracks_are_not_trained_on_and_unknown_ones_are_named(data: Path) -> None:
    collection = read_collection(data, progress=False)
    kept, held = collection.split(["held"])
    assert [track.name for track in kept.tracks] == ["kept"]
    assert [track.name for track in held] == ["held"]
    with pytest.raises(DataError, match="'typo'"):
        collection.split(["typo"])


def test_an_empty_folder_is_not_a_collection(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=str(tmp_path)):
        read_collection(tmp_path, progress=False)


def test_the_box_of_a_pair_bounds_the_target_in_the_search_crop(data: Path) -> None:
    plain = Sampling(
        video=1.0, negative=0, distractor=0, occluder=0, grey=0, degrade=0, paste=0, search_size=239
    )
    collection = read_collection(data, progress=False)
    sampler = PairSampler(collection, plain, seed=3)
    centres = []
    for _ in range(20):
        pair = sampler.draw()
        assert pair.template.shape == (127, 127, 3) and pair.search.shape == (239, 239, 3)
        blue, _, red = (pair.search[..., i].astype(int) for i in range(3))
        # Mirrored borders may show the rectangle twice: look near the box only.
        cx, cy, w, h = pair.box
        x0, y0 = max(int(cx - w), 0), max(int(cy - h), 0)
        ys, xs = np.nonzero((red - blue)[y0 : int(cy + h), x0 : int(cx + w)] > 150)
        found = (x0 + xs.min(), y0 + ys.min(), x0 + xs.max(), y0 + ys.max())
        expected = (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2)
        assert found == pytest.approx([min(max(v, 0), 238) for v in expected], abs=3)
        centres.append((cx - 119, cy - 119))
    spread = np.abs(centres).max()
    assert 30 < spread <= 57, "targets are anywhere within the shift, not in the middle"


def test_pairs_are_the_same_for_the_same_seed(data: Path) -> None:
    collection = read_collection(data, progress=False)
    first, second = (PairSampler(collection, Sampling(), seed=9) for _ in range(2))
    for _ in range(10):
        a, b = first.draw(), second.draw()
        assert np.array_equal(a.search, b.search) and a.box == b.box


def perfect_maps(box: torch.Tensor, anchors: torch.Tensor) -> torch.Tensor:
    offsets = torch.stack(
        [
            (box[0] - anchors[0]) / anchors[2],
            (box[1] - anchors[1]) / anchors[3],
            (box[2] / anchors[2]).log(),
            (box[3] / anchors[3]).log(),
        ]
    )
    return offsets.reshape(1, 20, *anchors.shape[2:])


def test_rpn_loss_is_least_for_the_true_box_and_tells_negative_pairs() -> None:
    anchors = torch.from_numpy(AnchorGrid(15).table())
    anchors[:2] += 119
    box = torch.tensor([[125.0, 110.0, 70.0, 60.0]])
    positive = torch.tensor([True])
    cls = torch.zeros(1, 10, 15, 15)
    good, figures = rpn_loss(cls, perfect_maps(box[0], anchors), anchors, box, positive)
    assert figures["iou"] == pytest.approx(1.0, abs=1e-4)
    shifted = perfect_maps(box[0] + torch.tensor([20.0, 0, 0, 0]), anchors)
    worse, _ = rpn_loss(cls, shifted, anchors, box, positive)
    assert worse > good + 0.1
    background = torch.cat([torch.full((1, 5, 15, 15), 8.0), torch.zeros(1, 5, 15, 15)], 1)
    none, _ = rpn_loss(background, torch.zeros(1, 20, 15, 15), anchors, box, torch.tensor([False]))
    assert none < 0.01, "a negative pair wants background everywhere and no box"


def test_siamfc_loss_wants_the_peak_where_the_target_is() -> None:
    boxes = torch.tensor([[119.0 + 16, 119.0 - 24, 60, 60]])
    right = torch.full((1, 1, 15, 15), -6.0)
    right[0, 0, 7 - 3, 7 + 2] = 6.0
    for dy, dx in ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1)):
        right[0, 0, 4 + dy, 9 + dx] = 6.0
    for dy, dx in ((2, 0), (-2, 0), (0, 2), (0, -2)):
        right[0, 0, 4 + dy, 9 + dx] = 6.0
    positive = torch.tensor([True])
    assert siamfc_loss(right, boxes, positive, 239) < 0.01
    assert siamfc_loss(right.flip(-1), boxes, positive, 239) > 1.0


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_is_valid_and_an_unknown_one_is_named(name: str) -> None:
    if is_famnet(recipe_path(name)):
        Trainer(**read_famnet_recipe(recipe_path(name)).train)
    else:
        Sampling(**read_recipe(name).sampling)
    with pytest.raises(ModelError, match=f"'nope'.*{name}"):
        read_recipe("nope")


TRACKING = {
    "siamfc": "scales: 3",
    "siamrpnpp": "instance: 255, penalty_k: 0.1, window_influence: 0.4, lr: 0.3",
}


def tiny_recipe(folder: Path, tracker: str, **changed: str) -> Path:
    """A recipe of two steps; `changed` replaces sections."""
    more = "groups: 1" if tracker == "siamfc" else "hidden: 8"
    sections = {
        "name": "tiny",
        "tracker": tracker,
        "paper": "none",
        "backbone": "tiny",
        "network": f"{{widths: [4, 8, 8, 8, 8], {more}}}",
        "held_out": "[held]",
        "sampling": "{}",
        "distil": "{steps: 2, batch: 2, learning_rate: 1.0e-3}",
        "train": "{steps: 2, batch: 2, learning_rate: 1.0e-3}",
        "tracking": f"{{{TRACKING[tracker]}}}",
    }
    path = folder / "tiny.yaml"
    path.write_text("".join(f"{key}: {value}\n" for key, value in {**sections, **changed}.items()))
    return path


def train(recipe: Path, data: Path, *options: object) -> int:
    """Run the command on one thread."""
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    words = [recipe, "--data", data, "--workers", 0, "--threads", 1, *options]
    return command.run(parser.parse_args([str(word) for word in words]))


@pytest.mark.parametrize("name", ["siamfc", "siamrpnpp"])
def test_a_run_in_small_gives_a_model_that_loads(data: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / "run"
    assert train(tiny_recipe(tmp_path, name), data, "--out", out) == 0
    model = load_model(str(out / "tiny.yaml"), threads=1)
    assert model.tracker == name
    assert model.card.measured.keys() >= {"held_out_tracks_auc", "held_out_pairs_iou"}
    assert not model.card.monitor  # one held-out track does not show what a search finds elsewhere


@pytest.fixture
def teacher(tmp_path: Path) -> Path:
    """A backbone of stride 16, as an ONNX file."""
    path = tmp_path / "teacher.onnx"
    network = torch.nn.Conv2d(3, 5, 16, 16)
    torch.onnx.export(network, (torch.zeros(1, 3, 255, 255),), str(path), dynamo=False)
    return path


def test_a_distilled_backbone_is_kept_and_starts_another_run(
    data: Path, tmp_path: Path, teacher: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    recipe = tiny_recipe(tmp_path, "siamrpnpp")
    assert train(recipe, data, "--out", first, "--teacher", teacher) == 0
    backbone = first / "backbone.safetensors"
    network = (first / "network.safetensors").read_bytes()
    assert train(recipe, data, "--out", first, "--teacher", teacher, "--resume") == 0
    assert (first / "network.safetensors").read_bytes() == network
    assert train(recipe, data, "--out", second, "--backbone", backbone) == 0
    assert load_model(str(second / "tiny.yaml"), threads=1).tracker == "siamrpnpp"


def test_features_are_compared_where_both_networks_look() -> None:
    ours = 8.0 * torch.arange(22) + 43  # the pixel that each of our cells looks at
    ramp = ours[None, None, :, None] + 1000 * ours[None, None, None, :]
    at = at_teacher_cells(ramp)[0, 0]
    theirs = 16.0 * torch.arange(FIRST, LAST)
    assert torch.allclose(at, theirs[:, None] + 1000 * theirs[None, :])


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"sampling": "{searchsize: 239}"}, "section sampling.*searchsize"),
        ({"train": "{stepps: 2}"}, "section train.*stepps"),
        ({"tracking": "{penalty: 1}"}, "section tracking.*penalty"),
        ({"network": "{widths: [4, 8, 8, 8, 8], heads: 2}"}, "section network.*heads"),
        ({"name": "../net"}, "'../net', which its model would have"),
        ({"tracking": "{instance: 200}"}, "section tracking: instance is 200; possible is 255"),
        ({"held_out": "[]"}, "holds no track out.*--held-out"),
    ],
    ids=str,
)
def test_a_recipe_that_cannot_work_is_refused_before_anything_is_read(
    tmp_path: Path, changed: dict[str, str], words: str
) -> None:
    with pytest.raises(ModelError, match=words):
        train(tiny_recipe(tmp_path, "siamrpnpp", **changed), tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--teacher", "no.onnx"], r"no\.onnx: no such file"),
        (["--backbone", "no.safetensors"], r"no\.safetensors: no such file"),
        (["--device", "warp"], "--device warp cannot be used"),
    ],
    ids=lambda value: str(value[0]),
)
def test_what_is_not_there_is_named_before_anything_is_read(
    tmp_path: Path, options: list[str], words: str
) -> None:
    with pytest.raises(ModelError, match=words):
        train(tiny_recipe(tmp_path, "siamrpnpp"), tmp_path / "nowhere", *options)


def test_a_table_that_is_not_json_is_named(data: Path) -> None:
    (data / "still.json").write_text("{")
    with pytest.raises(DataError, match=r"still\.json is not JSON"):
        read_collection(data, progress=False)


@pytest.mark.parametrize("missing", [("video",), ("still",), ("video", "still"), ("unlabelled",)])
def test_pairs_are_drawn_from_what_there_is(data: Path, missing: tuple[str, ...]) -> None:
    for part in missing:
        shutil.rmtree(data / part)
        (data / f"{part}.json").unlink(missing_ok=True)
    sampler = PairSampler(read_collection(data, progress=False), Sampling(), seed=1)
    assert all(sampler.draw().search.shape == (239, 239, 3) for _ in range(20))


def test_single_step_accuracy_looks_where_the_target_was_not_where_it_is() -> None:
    """The target goes 200 px in 20 frames: from its old place no search crop reaches it."""
    noise = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    frames = []
    for i in range(21):
        image = np.full((240, 400, 3), (90, 120, 60), np.uint8)
        box = Box(20 + 14 * i, 100, 60, 40)
        image[100:140, 20 + 14 * i : 80 + 14 * i] = noise
        frames.append(Frame(image, box))
    card = MODELS / f"{DEFAULT_MODELS['siamrpnpp']}.yaml"
    far = held_out_pairs(card, [FrameTrack("far", tuple(frames))])
    assert far["held_out_pairs_hit"] == 0.0
    near = held_out_pairs(card, [FrameTrack("near", tuple([frames[0]] * 21))])
    assert near["held_out_pairs_hit"] == 1.0


def test_a_loss_that_is_no_number_stops_the_run_at_once() -> None:
    network = torch.nn.Linear(2, 1)
    batches = iter([torch.ones(1, 2), torch.full((1, 2), float("nan")), torch.ones(1, 2)])
    trainer = Trainer(steps=3, batch=1, learning_rate=1e-3)
    with pytest.raises(DivergedError, match="step 1"):
        trainer.run(network, batches, lambda batch: (network(batch).sum(), {}), name="tiny")
