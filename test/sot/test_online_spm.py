"""SPM-Tracker with the filter learnt on line, with random weights. Needs torch.

What such a network finds is worth nothing; what the filter makes of its features is the same.
"""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: ./run setup train")

from patch_scene import scene  # noqa: E402
from seeded_spm import seeded_spm  # noqa: E402

from tracker_ros.engines.network import Network  # noqa: E402
from tracker_ros.engines.onnx import OnnxEngine  # noqa: E402
from tracker_ros.geometry import Box  # noqa: E402
from tracker_ros.networks.export import export_parts  # noqa: E402
from tracker_ros.networks.spm_parts import spm_parts  # noqa: E402
from tracker_ros.sot.spm import SPMParameters, SPMTracker  # noqa: E402

BOX = Box(200, 150, 60, 48)


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Network]:
    stem = tmp_path_factory.mktemp("small") / "net"
    small = seeded_spm(1, (16, 24, 32, 32, 16), hidden=16)
    roles = export_parts(spm_parts(small), stem)
    paths = {role: stem.with_name(f"{stem.name}.{role}.onnx") for role in roles}
    return {role: Network(OnnxEngine(path, threads=1)) for role, path in paths.items()}


def boxes(networks: dict[str, Network], parameters: SPMParameters) -> tuple[list[Box], int]:
    """The boxes of five frames, and how many samples the filter has then."""
    tracker = SPMTracker(networks, parameters)
    tracker.init(scene(200, 150), BOX)
    found = [tracker.track(scene(200 + 4 * i, 150)).box for i in range(1, 6)]
    return found, tracker._online.learnt if tracker._online is not None else 0


def test_the_filter_has_a_say_and_no_weight_is_no_filter(networks: dict[str, Network]) -> None:
    alone, none = boxes(networks, SPMParameters(online_weight=0.0, online_interval=1))
    assert none == 0
    assert alone == boxes(networks, SPMParameters())[0]
    # Of random weights no frame is sure, so every one is taken for it here.
    eager = SPMParameters(
        online_weight=0.8,
        online_interval=1,
        online_delay=1,
        online_sure=0.0,
        online_seen=0.0,
        online_look_alike=1.0,
    )
    both, learnt = boxes(networks, eager)
    assert both != alone
    assert learnt > 4
    assert all(0 <= box.cx <= 640 and 0 <= box.cy <= 480 for box in both)


def test_the_filter_alone_follows_a_patch(networks: dict[str, Network]) -> None:
    """Its features are random, but they differ where the picture does."""
    tracker = SPMTracker(networks, SPMParameters(online_weight=1.0, windows_influence=0.0))
    tracker.init(scene(200, 150), BOX)
    online = tracker._online
    assert online is not None
    tracker.track(scene(216, 150))
    scores = online._scores
    assert scores is not None
    row, column = divmod(int(scores.argmax()), scores.shape[1])
    cell = 8 * 107.3 / 127  # pixels of the image; 107.3: the side of the box with its margin
    assert (column - 9) * cell == pytest.approx(16, abs=cell)
    assert (row - 9) * cell == pytest.approx(0, abs=cell)
