"""A small collection, the losses, and single-step accuracy. Needs torch (the train extra)."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: ./run setup train")

from small_collection import write_collection  # noqa: E402

from tracker_ros.anchors import AnchorGrid  # noqa: E402
from tracker_ros.errors import DataError  # noqa: E402
from tracker_ros.geometry import Box  # noqa: E402
from tracker_ros.models.card import MODELS  # noqa: E402
from tracker_ros.sot import DEFAULT_MODELS  # noqa: E402
from tracker_ros.training.losses import rpn_loss, siamfc_loss  # noqa: E402
from tracker_ros.training.pictures import Frame, FrameTrack  # noqa: E402
from tracker_ros.training.reading import read_collection  # noqa: E402
from tracker_ros.training.validation import held_out_pairs  # noqa: E402


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_collection(tmp_path)


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


def test_a_table_that_is_not_json_is_named(data: Path) -> None:
    (data / "still.json").write_text("{")
    with pytest.raises(DataError, match=r"still\.json is not JSON"):
        read_collection(data, progress=False)


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
    assert held_out_pairs(card, [FrameTrack("short", tuple(frames[:20]))]) == {}
