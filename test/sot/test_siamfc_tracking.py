"""SiamFC tracks as the port does whose weights it takes, number for number. Needs torch.

Weights are seeded; the port's network and tracker gave these numbers with the same weights on the
same pictures.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from patch_scene import scene

torch = pytest.importorskip("torch", reason="torch is not installed: ./run setup train")

from seeded_weights import calibrate, crop, seed  # noqa: E402

from tracker_ros.engines.network import Network  # noqa: E402
from tracker_ros.engines.onnx import OnnxEngine  # noqa: E402
from tracker_ros.geometry import Box  # noqa: E402
from tracker_ros.models.card import read_card  # noqa: E402
from tracker_ros.networks.siamfc import SiamFC  # noqa: E402
from tracker_ros.networks.zoo import build_network, export_network  # noqa: E402
from tracker_ros.sot.siamfc import SiamFCParameters, SiamFCTracker  # noqa: E402

SLIM = (16, 24, 32, 32, 16)
# Twelve values, evenly spaced, of the response of the published network.
RESPONSE = (3.26854, 3.1642, 3.27868, 3.6573, 3.40794, 3.22956, 3.95574, 3.28841, 3.46516, 3.3831,
            3.69268, 3.68724)  # fmt: skip
BOXES = {
    "siamfc_3s": [
        [211.675, 150.212, 60.0, 48.0], [225.048, 151.274, 60.0, 48.0],
        [236.723, 152.335, 60.0, 48.0], [249.933, 152.465, 61.327, 49.062],
        [263.602, 153.549, 61.327, 49.062], [277.556, 153.682, 62.684, 50.147],
        [292.278, 153.818, 64.071, 51.257], [307.326, 153.486, 65.489, 52.391],
        [322.226, 153.146, 66.938, 53.55], [339.912, 152.8, 68.419, 54.735],
    ],
    "siamfc_5s": [
        [211.675, 150.212, 60.0, 48.0], [225.048, 151.274, 60.0, 48.0],
        [236.723, 152.335, 60.0, 48.0], [249.813, 153.03, 61.054, 48.843],
        [264.042, 153.282, 62.126, 49.701], [277.449, 153.942, 62.126, 49.701],
        [291.928, 153.736, 63.217, 50.573], [307.132, 153.528, 64.327, 51.462],
        [324.038, 153.794, 65.457, 52.365], [340.267, 153.09, 66.606, 53.285],
    ],
}  # fmt: skip


def seeded(network: SiamFC) -> SiamFC:
    seed(network)
    calibrate(network, lambda: (network.template(crop(127, 1)), network.features(crop(255, 2))))
    return network


def graphs(network: SiamFC, tracking: dict[str, Any], stem: Path) -> dict[str, Network]:
    roles = export_network("siamfc", network, tracking, stem, half=False)
    return {r: Network(OnnxEngine(Path(f"{stem}.{r}.onnx"), threads=1)) for r in roles}


def frame(number: int) -> np.ndarray:
    """The patch moves, and the whole view grows by three per cent a frame."""
    image = scene(200 + 5 * number, 150 - 4 * number)
    zoom = 1.03**number
    return cv2.resize(image, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_LINEAR)


def test_the_published_network_gives_the_ports_response_and_so_do_its_graphs(
    tmp_path: Path,
) -> None:
    card = read_card("siamfc_3s")
    network: Any = seeded(build_network("siamfc", card.network))
    search = torch.cat([crop(255, 4), crop(255, 5), crop(255, 6)])
    with torch.no_grad():
        features = network.features(search)
        expected = network.match(network.template(crop(127, 3)), features)[0].numpy()
    assert expected.shape == (3, 1, 17, 17)
    picked = expected[0].ravel()[np.linspace(0, 288, 12).astype(int)]
    assert picked == pytest.approx(RESPONSE, rel=1e-4)
    networks = graphs(network, dict(card.tracking), tmp_path / "net")
    kernels = networks["template"].run({"template": crop(127, 3).numpy()})
    found = networks["search"].run({"search": search.numpy()})
    response = networks["match"].run({**kernels, **found})["response"]
    assert np.abs(response - expected).max() < 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize("name", BOXES)
def test_with_the_extras_off_boxes_are_those_of_the_port(name: str, tmp_path: Path) -> None:
    tracking = {**read_card(name).tracking, "saturation": False}
    network = seeded(SiamFC(SLIM))
    with torch.no_grad():  # features without their mean over a picture: the response has a peak
        network.backbone.conv5[0].bias -= network.features(crop(255, 2))[0].mean((0, 2, 3))
    networks = graphs(network, tracking, tmp_path / "net")
    tracker = SiamFCTracker(networks, SiamFCParameters(**tracking))
    tracker.init(frame(0), Box(200, 150, 60, 48))
    for number, expected in enumerate(BOXES[name], start=1):
        box = list(tracker.track(frame(number)).box)
        assert box == pytest.approx(expected, abs=0.05), f"frame {number}"


def test_saturation_holds_the_size_and_keeps_the_box_on_the_image(tmp_path: Path) -> None:
    tracking = {"scales": 3, "scale_step": 1.5, "scale_penalty": 1.0, "scale_lr": 1.0}
    networks = graphs(seeded(SiamFC(SLIM)), tracking, tmp_path / "net")

    def last(saturation: bool) -> Box:
        tracker = SiamFCTracker(networks, SiamFCParameters(**tracking, saturation=saturation))
        tracker.init(scene(570, 150), Box(570, 150, 60, 48))
        for _ in range(25):
            box = tracker.track(np.zeros((480, 640, 3), np.uint8)).box
            assert all(math.isfinite(value) for value in box)
        return box

    held, free = last(True), last(False)
    assert 12 * 0.99 <= held.w <= 300 * 1.01
    assert 0 <= held.cx <= 640 and 0 <= held.cy <= 480
    assert not 12 * 0.99 <= free.w <= 300 * 1.01
