"""A real TraX client drives our server over two pipes, as the VOT toolkit does."""

from __future__ import annotations

import importlib.util
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tracker_ros.demo.scene import Scene
from tracker_ros.evaluation.contestants import open_contestant
from tracker_ros.geometry import Box

if importlib.util.find_spec("trax") is None:
    pytest.skip("vot-trax is not installed: ./run test installs it", allow_module_level=True)
import trax
from trax_client import (
    ROOT,
    Connection,
    buffer_image,
    memory_image,
    path_image,
    read,
    rectangle,
)

FRAMES = 8


@pytest.fixture
def connect() -> Iterator[Callable[..., Connection]]:
    open_ones: list[Connection] = []

    def start(tracker: str = "siamrpnpp") -> Connection:
        open_ones.append(Connection(tracker))
        return open_ones[-1]

    yield start
    for connection in open_ones:
        connection.close()


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], list[Box]]:
    """Images of the rendered scene on disk, and the boxes of its target."""
    folder, scene = tmp_path_factory.mktemp("film"), Scene()
    paths, boxes = [], []
    for index in range(FRAMES):
        frame = scene.frame(index)
        assert frame.box is not None
        paths.append(folder / f"{index + 1:08d}.png")
        assert cv2.imwrite(str(paths[-1]), frame.image)
        boxes.append(frame.box)
    return paths, boxes


def direct(tracker_name: str, paths: Sequence[Path], start: Box) -> list[tuple[Box, float]]:
    """Boxes and scores of the tracker without TraX between."""
    tracker = open_contestant(tracker_name).new_tracker()
    tracker.init(read(paths[0]), as_sent(start))
    estimates = [tracker.track(read(path)) for path in paths[1:]]
    return [(estimate.box, estimate.evidence.score) for estimate in estimates]


def as_sent(box: Box) -> Box:
    """TraX sends numbers as text with four decimals, and holds them as float32."""
    return Box(*(float(np.float32(f"{np.float32(value):.4f}")) for value in box))


def assert_same(
    answer: Sequence[tuple[Any, dict[str, str]]], expected: Sequence[tuple[Box, float]]
) -> None:
    assert len(answer) == len(expected)
    for (region, properties), (box, score) in zip(answer, expected, strict=True):
        assert region.type == trax.Region.RECTANGLE
        assert region.bounds() == pytest.approx(tuple(box), abs=1e-3)
        assert float(properties["confidence"]) == pytest.approx(score, abs=1e-5)


# --- the same boxes as without TraX --------------------------------------------------------------


@pytest.mark.parametrize("tracker", ["siamrpnpp", "siamfc", "siamfc_small"])
def test_the_client_gets_the_boxes_of_the_bare_tracker(
    tracker: str, film: tuple[list[Path], list[Box]], connect: Callable[..., Connection]
) -> None:
    paths, boxes = film
    server = connect(tracker)
    answer = server.initialize(path_image(paths[0]), [rectangle(boxes[0])])
    assert_same(answer, [(as_sent(boxes[0]), 1.0)])
    for path, expected in zip(paths[1:], direct(tracker, paths, boxes[0]), strict=True):
        assert_same(server.frame(path_image(path)), [expected])
    server.client.quit()
    code, _ = server.end()
    assert code == 0


@pytest.mark.parametrize("send", [memory_image, buffer_image])
def test_images_may_come_as_pixels_or_files_in_memory(
    send: Callable[[Path], Any],
    film: tuple[list[Path], list[Box]],
    connect: Callable[..., Connection],
) -> None:
    paths, boxes = film
    server = connect()
    server.initialize(send(paths[0]), [rectangle(boxes[0])])
    for path, expected in zip(paths[1:], direct("siamrpnpp", paths, boxes[0]), strict=True):
        assert_same(server.frame(send(path)), [expected])


def test_a_new_initialization_starts_afresh(
    film: tuple[list[Path], list[Box]], connect: Callable[..., Connection]
) -> None:
    paths, boxes = film
    server = connect()
    server.initialize(path_image(paths[0]), [rectangle(Box(30, 30, 60, 60))])
    server.frame(path_image(paths[1]))
    server.initialize(path_image(paths[2]), [rectangle(boxes[2])])
    expected = direct("siamrpnpp", paths[2:], boxes[2])
    assert_same(server.frame(path_image(paths[3])), expected[:1])


def test_several_objects_are_followed_and_more_may_join(
    film: tuple[list[Path], list[Box]], connect: Callable[..., Connection]
) -> None:
    paths, boxes = film
    other = Box(400, 200, 60, 50)
    server = connect()
    server.initialize(path_image(paths[0]), [rectangle(boxes[0]), rectangle(other)])
    first, second = (direct("siamrpnpp", paths, box) for box in (boxes[0], other))
    assert_same(server.frame(path_image(paths[1])), [first[0], second[0]])
    joined = server.frame(path_image(paths[2]), [rectangle(boxes[2])])
    assert_same(joined, [first[1], second[1], (as_sent(boxes[2]), 1.0)])
    third = direct("siamrpnpp", paths[2:], boxes[2])
    assert_same(server.frame(path_image(paths[3])), [first[2], second[2], third[0]])


def test_it_says_what_it_is_and_what_it_takes(connect: Callable[..., Connection]) -> None:
    client = connect().client
    assert client.tracker_name == "siamrpnpp"
    assert "siamrpnpp_alexnet_small" in client.tracker_description
    assert set(client.image_formats) == {"path", "memory", "buffer"}
    assert set(client.region_formats) == {"rectangle", "polygon"}
    assert client.get("multiobject") is True


# --- polygons ------------------------------------------------------------------------------------


def test_a_polygon_starts_on_the_upright_box_of_its_area(
    film: tuple[list[Path], list[Box]], connect: Callable[..., Connection]
) -> None:
    paths, _ = film
    diamond = [(200.0, 270.0), (260.0, 300.0), (200.0, 330.0), (140.0, 300.0)]
    server = connect()
    answer = server.initialize(path_image(paths[0]), [trax.Polygon.create(diamond)])
    # Sides 67.08 x 67.08 in a bounding box of 120 x 60, about (200, 300).
    side = (67.082**2 / (120 * 60)) ** 0.5
    w, h = side * 120 + 1, side * 60 + 1
    assert answer[0][0].bounds() == pytest.approx(
        (200 - (w - 1) / 2, 300 - (h - 1) / 2, w, h), abs=1e-2
    )


def test_a_mask_arrives_as_its_outline(
    film: tuple[list[Path], list[Box]], connect: Callable[..., Connection]
) -> None:
    mask = np.zeros((400, 400), np.uint8)
    mask[300:340, 200:280] = 1
    answer = connect().initialize(path_image(film[0][0]), [trax.Mask.create(mask)])
    assert Box(*answer[0][0].bounds()).iou(Box(200, 300, 80, 40)) > 0.9


# --- bad input -----------------------------------------------------------------------------------


def refused(server: Connection, words: str) -> None:
    """It has ended with code 2 and one line that says why."""
    code, errors = server.end()
    assert code == 2, errors
    assert "Traceback" not in errors
    assert [line for line in errors.splitlines() if line.startswith("error: ")] == [
        line for line in errors.splitlines() if words in line
    ]
    assert words in errors


def test_a_missing_image_is_named_to_the_client_and_ends_the_server(
    film: tuple[list[Path], list[Box]], connect: Callable[..., Connection], tmp_path: Path
) -> None:
    paths, boxes = film
    server = connect()
    server.initialize(path_image(paths[0]), [rectangle(boxes[0])])
    with pytest.raises(trax.TraxException, match=r"not there: .*00000099\.png"):
        server.frame(path_image(tmp_path / "00000099.png"))
    refused(server, "00000099.png")


def test_a_damaged_image_is_named(
    film: tuple[list[Path], list[Box]], connect: Callable[..., Connection], tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged.jpg"
    damaged.write_bytes(b"\xff\xd8\xff" + bytes(100))
    server = connect()
    with pytest.raises(trax.TraxException, match="damaged"):
        server.initialize(path_image(damaged), [rectangle(film[1][0])])
    refused(server, "damaged.jpg")


@pytest.mark.parametrize(
    ("box", "words"),
    [
        (Box(100, 100, 0, 0), "side under 2 px"),
        (Box(100, 100, -20, 30), "side under 2 px"),
        (Box(9000, 100, 20, 30), "outside the 640x480 image"),
        (Box(100, 100, float("nan"), 30), "region of type special"),  # so libtrax sends it
    ],
)
def test_a_region_that_cannot_be_tracked_is_refused_with_its_values(
    box: Box,
    words: str,
    film: tuple[list[Path], list[Box]],
    connect: Callable[..., Connection],
) -> None:
    server = connect()
    with pytest.raises(trax.TraxException):
        server.initialize(path_image(film[0][0]), [rectangle(box)])
    refused(server, words)


def test_a_polygon_without_area_is_refused_with_its_points(
    film: tuple[list[Path], list[Box]], connect: Callable[..., Connection]
) -> None:
    flat = trax.Polygon.create([(10.0, 20.0), (50.0, 20.0), (90.0, 20.0), (30.0, 20.0)])
    server = connect()
    with pytest.raises(trax.TraxException, match="has no area"):
        server.initialize(path_image(film[0][0]), [flat])
    refused(server, "[10.0, 20.0]")


@pytest.mark.parametrize("words", [b"", b"\xff\x00\n", b"@@TRAX:nonsense\n"])
def test_a_client_that_hangs_up_or_sends_garbage_ends_the_server_with_a_word(
    words: bytes, connect: Callable[..., Connection]
) -> None:
    server = connect()
    assert server.process.stdin is not None
    server.process.stdin.write(words)
    server.process.stdin.close()
    refused(server, "the TraX client hung up")


def test_a_frame_before_any_object_is_refused(connect: Callable[..., Connection]) -> None:
    server = connect()
    assert server.process.stdin is not None
    server.process.stdin.write(b'@@TRAX:frame "1.png"\n')
    server.process.stdin.flush()
    refused(server, "a frame before any object")


def test_ctrl_c_ends_it_without_a_traceback(connect: Callable[..., Connection]) -> None:
    server = connect()
    server.process.send_signal(signal.SIGINT)
    code, errors = server.end()
    assert code == 130
    assert "Traceback" not in errors


def test_a_tracker_that_does_not_exist_is_refused_before_the_client_is_greeted() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tracker_ros.cli", "trax", "--tracker", "magic"],
        cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: no tracker 'magic'; there are siamrpnpp")
