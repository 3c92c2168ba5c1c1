"""SiamRPN++ tracks as the authors' code does, number for number. Needs torch.

Networks are slim and their weights seeded; the authors' trackers followed the same scenes with the
same weights, and these are their boxes. The trackers wander, which is what exercises penalty,
window, learning rate, border and clamps; nothing here is about accuracy.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from patch_scene import BACKGROUND, scene

torch = pytest.importorskip("torch", reason="torch is not installed: ./run setup train")

from seeded_weights import calibrate, crop, seed  # noqa: E402

from tracker_ros.engines.network import Network  # noqa: E402
from tracker_ros.engines.onnx import OnnxEngine  # noqa: E402
from tracker_ros.errors import ModelError  # noqa: E402
from tracker_ros.geometry import Box  # noqa: E402
from tracker_ros.networks.zoo import build_network, export_network  # noqa: E402
from tracker_ros.sot.siamrpnpp import (  # noqa: E402
    SiamRPNParameters,
    SiamRPNTracker,
    of_classification,
)

NETWORKS: dict[str, dict[str, Any]] = {
    "alexnet": {"widths": (24, 64, 96, 96, 64), "hidden": 64},
    "mobilenetv2": {"backbone": "mobilenetv2", "width": 0.35, "neck": (32, 32, 32)},
    "long-term": {
        "backbone": "mobilenetv2", "width": 0.35, "neck": (16, 32, 64), "weighted": True,
    },
}  # fmt: skip
TRACKING: dict[str, dict[str, Any]] = {  # those of the cards, but for the confidences
    "alexnet": {"instance": 287, "penalty_k": 0.16, "window_influence": 0.4, "lr": 0.3},
    "mobilenetv2": {
        "instance": 255, "penalty_k": 0.04, "window_influence": 0.4, "lr": 0.5, "base_size": 8,
    },
    "long-term": {
        "instance": 255, "penalty_k": 0.05, "window_influence": 0.28, "lr": 0.22, "base_size": 8,
        "lost_instance": 831, "confidence_low": 0.95, "confidence_high": 0.966,
    },
}  # fmt: skip
BOXES = {
    "alexnet": [
        [202.171, 101.445, 60.909, 46.556], [230.588, 91.74, 77.201, 58.592],
        [236.905, 56.126, 76.396, 59.303], [312.11, 7.928, 71.405, 54.603],
        [356.802, -24.804, 64.603, 49.609], [440.337, -29.578, 77.14, 59.157],
        [506.624, -26.29, 69.581, 52.579], [563.795, -24.065, 67.036, 48.131],
        [601.82, -21.09, 63.147, 42.18], [597.841, -31.322, 84.318, 62.644],
    ],
    "mobilenetv2": [
        [207.188, 141.584, 54.36, 55.587], [207.644, 139.23, 55.029, 60.254],
        [195.431, 123.684, 55.296, 64.453], [198.663, 127.541, 55.542, 67.975],
        [211.383, 124.784, 58.165, 71.989], [199.174, 99.446, 59.729, 72.741],
        [200.296, 83.106, 61.804, 73.094], [183.792, 80.558, 62.562, 76.217],
        [196.083, 82.881, 63.096, 77.967], [203.382, 78.66, 65.836, 77.099],
        [195.056, 76.969, 66.885, 78.24], [193.427, 77.894, 67.597, 78.53],
    ],
    "long-term": [
        [199.624, 149.101, 66.507, 45.762], [199.624, 149.101, 66.507, 45.762],
        [27.589, 73.342, 69.901, 43.628], [358.338, 193.691, 72.802, 42.355],
        [13.774, 331.436, 78.372, 42.09], [13.774, 331.436, 78.372, 42.09],
        [202.681, 312.13, 80.581, 42.175], [177.08, 356.169, 85.095, 43.17],
        [66.183, -21.786, 87.677, 43.571], [66.183, -21.786, 87.677, 43.571],
        [402.032, -5.043, 88.427, 41.651], [402.032, -5.043, 88.427, 41.651],
    ],
}  # fmt: skip
SEARCHES = {"long-term": [255, 255, 831, 831, 831, 255, 831, 831, 831, 255, 831, 255]}
"""Which crop each frame is searched in: 831 pixels from the frame after a score under
confidence_low until one above confidence_high."""


class Counted(Network):
    """A network that notes the side of every crop it is given."""

    def __init__(self, path: Path, sides: list[int]) -> None:
        super().__init__(OnnxEngine(path, threads=1))
        self._sides = sides

    def run(self, inputs: Any, read: Any = None) -> Any:
        self._sides += [value.shape[-1] for name, value in inputs.items() if name == "search"]
        return super().run(inputs, read)


class Exported:
    """The networks of NETWORKS, each exported when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[str, dict[str, Network]] = {}
        self.sides: list[int] = []
        """Of every search crop since it was cleared."""

    def networks(self, name: str) -> dict[str, Network]:
        if name not in self._made:
            self._made[name] = self._make(name)
        self.sides.clear()
        return self._made[name]

    def tracker(self, name: str) -> SiamRPNTracker:
        return SiamRPNTracker(self.networks(name), SiamRPNParameters(**TRACKING[name]))

    def _make(self, name: str) -> dict[str, Network]:
        network: Any = build_network("siamrpnpp", NETWORKS[name])
        seed(network)

        def run() -> None:
            kernels = network.template(crop(127, 1))
            network.match(kernels, network.features(crop(TRACKING[name]["instance"], 2)))

        calibrate(network, run)
        stem = self._folder / name
        roles = export_network("siamrpnpp", network, TRACKING[name], stem, half=False)
        return {role: Counted(self._folder / f"{name}.{role}.onnx", self.sides) for role in roles}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return Exported(tmp_path_factory.mktemp("networks"))


def follow(tracker: SiamRPNTracker, frames: Sequence[int]) -> list[list[float]]:
    return [list(tracker.track(scene(200 + 7 * i, 150 - 6 * i)).box) for i in frames]


@pytest.mark.parametrize("name", NETWORKS)
def test_boxes_are_those_of_the_authors_code(exported: Exported, name: str) -> None:
    tracker = exported.tracker(name)
    tracker.init(scene(200, 150), Box(200, 150, 60, 48))
    boxes = follow(tracker, range(1, len(BOXES[name]) + 1))
    for number, (found, expected) in enumerate(zip(boxes, BOXES[name], strict=True), start=1):
        assert found == pytest.approx(expected, abs=0.05), f"frame {number}"
    if name in SEARCHES:
        assert exported.sides == SEARCHES[name]


def test_a_long_term_target_is_looked_for_in_the_large_crop_and_followed_in_the_small_one(
    exported: Exported,
) -> None:
    tracker = exported.tracker("long-term")
    tracker.init(scene(200, 150), Box(200, 150, 60, 48))
    follow(tracker, [1, 2])  # lost in frame 2
    exported.sides.clear()
    tracker.accept(tracker.look_at(scene(214, 138), 244, 162))
    tracker.track(scene(214, 138))
    assert exported.sides == [831, 255]


def test_a_long_term_target_that_leaves_is_followed_beside_the_image_and_reported_on_it(
    exported: Exported,
) -> None:
    tracker = exported.tracker("long-term")
    tracker.init(scene(570, 150), Box(570, 150, 60, 48))
    for _ in range(15):
        box = tracker.track(BACKGROUND).box
        assert 0 <= box.cx <= 640 and 0 <= box.cy <= 480
        assert 10 <= box.w <= 640 and 10 <= box.h <= 480


def test_the_likeness_to_the_first_frame_is_of_classification_alone(exported: Exported) -> None:
    tracker = exported.tracker("mobilenetv2")
    box = Box(200, 150, 60, 48)
    tracker.init(scene(200, 150), box)
    assert tracker.likeness(scene(200, 150), box) == pytest.approx(1.0, abs=1e-4)
    elsewhere = tracker.likeness(scene(200, 150), Box(450, 300, 60, 48))
    assert elsewhere < 0.99
    kernels = {f"kernel_{i}": np.zeros((1, 8, 5, 5), np.float32) for i in range(3)}
    assert {k.shape for k in of_classification(kernels).values()} == {(1, 4, 5, 5)}


@pytest.mark.parametrize("changed", [{"instance": 287}, {"base_size": 4}])
def test_values_that_do_not_fit_the_network_are_refused_when_it_is_loaded(
    exported: Exported, changed: dict[str, int]
) -> None:
    values = SiamRPNParameters(**{**TRACKING["mobilenetv2"], **changed})
    with pytest.raises(ModelError, match=r"do not fit the network, which takes \d+ pixels"):
        SiamRPNTracker(exported.networks("mobilenetv2"), values)


def test_a_card_with_a_lost_instance_and_no_graphs_for_it_is_refused(exported: Exported) -> None:
    values = SiamRPNParameters(**{**TRACKING["mobilenetv2"], "lost_instance": 831})
    with pytest.raises(ModelError, match="search_wide and match_wide"):
        SiamRPNTracker(exported.networks("mobilenetv2"), values)


def test_confidences_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ValueError, match=r"confidence_low 0.9 is above confidence_high 0.5"):
        SiamRPNParameters(**{**TRACKING["long-term"], "confidence_low": 0.9,
                             "confidence_high": 0.5})  # fmt: skip
