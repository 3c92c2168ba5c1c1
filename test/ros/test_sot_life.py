"""The node's life: lifecycle transitions, starts that must fail, and ends that must be clean."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from harness import TRACKER_ROS, Peer, RosProcess
from lifecycle_msgs.msg import Transition
from sot_harness import GOOD_OVERLAP, Sot, image_message, scene, truth
from std_srvs.srv import SetBool, Trigger

from tracker_ros.models.card import MODELS
from tracker_ros.sot import DEFAULT_MODELS, DEFAULT_TRACKER

OWN = DEFAULT_MODELS[DEFAULT_TRACKER]

StartProcess = Callable[[Sequence[str], Mapping[str, str]], RosProcess]
CONFIGURE, CLEANUP = Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_CLEANUP
ACTIVATE, DEACTIVATE = Transition.TRANSITION_ACTIVATE, Transition.TRANSITION_DEACTIVATE


def start_node(start_process: StartProcess, *parameters: str) -> RosProcess:
    arguments = [word for parameter in parameters for word in ("-p", parameter)]
    return start_process([*TRACKER_ROS, "sot", "--ros-args", *arguments], {})


# --- the lifecycle -------------------------------------------------------------------------------


def test_the_node_goes_through_its_lifecycle_and_around_again(
    start_process: StartProcess, ros: Peer
) -> None:
    sot = Sot(start_node(start_process, "autostart:=false"), ros)
    assert sot.state == "unconfigured"
    refusal = sot.set_target(truth(0))
    assert not refusal.success and "unconfigured, not active" in refusal.message
    assert not sot.call(Trigger, "clear").success
    assert not sot.call(SetBool, "enable", data=False).success

    assert sot.change_state(CONFIGURE)
    assert sot.state == "inactive"
    sot.process.wait_for(rf"configured: {DEFAULT_TRACKER} \({OWN}\) on onnxruntime fp32")
    refusal = sot.set_target(truth(0))
    assert not refusal.success and "inactive, not active" in refusal.message
    sot.wait_for_diagnostics("node", "inactive")

    identities = set()
    for _ in range(2):
        assert sot.change_state(ACTIVATE)
        assert sot.state == "active"
        refusal = sot.set_target(truth(0))  # what was seen before is forgotten
        assert not refusal.success and "no image has arrived" in refusal.message
        identities.add(sot.follow())
        assert sot.film(range(1, 6))[-1].box.iou(truth(5)) > GOOD_OVERLAP
        assert sot.change_state(DEACTIVATE)
    assert len(identities) == 2
    for identity in identities:
        sot.wait_for_end(identity, "the node was deactivated")
    ros.wait_until(
        lambda: not ros.node.count_subscribers("/image"), what="the node to leave the camera"
    )

    assert sot.change_state(CLEANUP)
    assert sot.state == "unconfigured"
    assert sot.change_state(CONFIGURE) and sot.change_state(ACTIVATE)
    assert sot.film(range(2))[-1].status.frames_processed == 2
    sot.process.stop()


def test_a_transition_that_is_not_possible_is_refused(
    start_process: StartProcess, ros: Peer
) -> None:
    sot = Sot(start_node(start_process, "autostart:=false"), ros)
    assert not sot.change_state(ACTIVATE)
    assert sot.state == "unconfigured"


def test_shut_down_by_request_the_node_ends_its_targets_and_stays_answerable(
    start_process: StartProcess, ros: Peer
) -> None:
    sot = Sot(start_node(start_process), ros)
    sot.follow()
    assert sot.change_state(Transition.TRANSITION_ACTIVE_SHUTDOWN)
    assert sot.state == "finalized"
    assert not sot.set_target(truth(0)).success
    sot.process.stop()


# --- starts that must fail -----------------------------------------------------------------------


@pytest.fixture
def own_card(tmp_path: Path) -> Path:
    """A card of the user's own: a model that ships, copied; spoil it at will."""
    name = DEFAULT_MODELS["siamrpnpp"]
    (tmp_path / "weights").mkdir()
    for path in (MODELS / "weights").glob(f"{name}.*.onnx"):
        shutil.copy(path, tmp_path / "weights")
    return Path(shutil.copy(MODELS / f"{name}.yaml", tmp_path))


def last_error(node: RosProcess) -> str:
    assert node.wait_exit(30.0) == 1, node.output
    assert "Traceback" not in node.output, node.output
    lines = [line for line in node.output.splitlines() if "[ERROR]" in line]
    assert len(lines) == 1 and "[WARN]" not in node.output, node.output  # said once
    return lines[0]


def test_a_model_from_a_card_of_the_users_own_is_loaded(
    start_process: StartProcess, own_card: Path
) -> None:
    node = start_node(start_process, f"model:={own_card}")
    node.wait_for("active: waiting")


def test_a_missing_card_ends_the_node_with_its_path(start_process: StartProcess) -> None:
    error = last_error(start_node(start_process, "model:=/nowhere/mine.yaml"))
    assert "/nowhere/mine.yaml" in error


def test_an_unknown_model_ends_the_node_with_those_that_there_are(
    start_process: StartProcess,
) -> None:
    error = last_error(start_node(start_process, "model:=resnet9000"))
    assert "'resnet9000'" in error and DEFAULT_MODELS["siamrpnpp"] in error


def test_a_missing_weights_file_ends_the_node_with_its_path_and_what_to_do(
    start_process: StartProcess, own_card: Path
) -> None:
    graph = next(own_card.parent.glob("weights/*.search.onnx"))
    graph.unlink()
    error = last_error(start_node(start_process, f"model:={own_card}"))
    assert str(graph) in error and "missing" in error and "train it again" in error


def test_a_damaged_weights_file_ends_the_node_with_its_path_and_what_to_do(
    start_process: StartProcess, own_card: Path
) -> None:
    graph = next(own_card.parent.glob("weights/*.search.onnx"))
    graph.write_bytes(graph.read_bytes()[:5000])
    error = last_error(start_node(start_process, f"model:={own_card}"))
    assert str(graph) in error and "damaged" in error and "train it again" in error


@pytest.mark.parametrize("content", [b"", b"{", b"[1, 2]", b"\xff\xfe\x00", b"name: x\n"])
def test_a_damaged_card_ends_the_node_with_its_path(
    start_process: StartProcess, own_card: Path, content: bytes
) -> None:
    own_card.write_bytes(content)
    error = last_error(start_node(start_process, f"model:={own_card}"))
    assert str(own_card) in error


def test_without_autostart_a_node_that_cannot_load_its_model_lives_and_says_why(
    start_process: StartProcess, ros: Peer
) -> None:
    node = start_node(start_process, "autostart:=false", "model:=/nowhere/mine.yaml")
    sot = Sot(node, ros)
    assert not sot.change_state(CONFIGURE)
    assert sot.state == "unconfigured"
    entry = sot.wait_for_diagnostics("node", "/nowhere/mine.yaml")
    assert entry.level == b"\x02"


@pytest.mark.parametrize(
    ("parameter", "words"),
    [
        ("tracker:=goturn", ["goturn", "siamrpnpp", "siamfc"]),
        ("max_targets:=0", ["max_targets"]),
        ("max_targets:=many", ["max_targets"]),
        ("reliability:=always", ["always", "best_effort"]),
        ("monitor.patience:=-3", ["monitor.patience"]),
        ("qos_overrides./sot/tracks.publisher.reliability:=foo", ["reliability"]),
    ],
)
def test_a_bad_parameter_at_the_start_ends_the_node_with_the_reason(
    start_process: StartProcess, parameter: str, words: list[str]
) -> None:
    error = last_error(start_node(start_process, parameter))
    assert all(word in error for word in words), error


@pytest.mark.parametrize("command", ["sot", "camera"])
@pytest.mark.parametrize(
    "words", [["-p", "threads:='1"], ["-r", "image"], ["--params-file", "/no.yaml"]]
)
def test_ros_arguments_that_cannot_be_read_are_refused_with_what_is_expected(
    start_process: StartProcess, command: str, words: list[str]
) -> None:
    node = start_process([*TRACKER_ROS, command, "--ros-args", *words])
    assert node.wait_exit(30.0) == 2, node.output
    assert words[1] in node.output and "-p NAME:=VALUE" in node.output
    assert "Traceback" not in node.output


# --- ends that must be clean ---------------------------------------------------------------------


@pytest.mark.parametrize("interrupts", [1, 2])
def test_interrupted_while_tracking_it_ends_with_0_and_no_traceback(
    start_process: StartProcess, ros: Peer, interrupts: int
) -> None:
    sot = Sot(start_node(start_process), ros)
    sot.follow()
    for index in range(1, 15):
        sot.send(image_message(scene()[index].image, sot.next_stamp()))
    sot.process.stop(interrupts=interrupts)


def test_interrupted_while_it_waits_for_images_it_ends_with_0(start_process: StartProcess) -> None:
    node = start_node(start_process)
    node.wait_for("active: waiting")
    start = time.monotonic()
    node.stop(interrupts=2)
    assert time.monotonic() - start < 5.0


def test_ended_while_another_model_is_loaded_it_ends_with_0(
    start_process: StartProcess, ros: Peer
) -> None:
    node = start_node(start_process)
    node.wait_for("active: waiting")
    assert Sot(node, ros).set_parameters(tracker="siamfc")[0].successful
    node.stop()  # at once: it is being loaded


def test_terminated_it_ends_with_0_and_no_traceback(start_process: StartProcess) -> None:
    node = start_node(start_process)
    node.wait_for("active: waiting")
    node.send_signal(signal.SIGTERM)
    assert node.wait_exit() == 0
    assert "Traceback" not in node.output
