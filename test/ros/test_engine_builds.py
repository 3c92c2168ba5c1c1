"""Builds that fail, that are waited for, that nobody waits for; and `build_only`.

The engines are ONNX Runtime under another name, built on cue: engines_on_cue.py.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from cued_harness import ERROR, OK, OWN, WARN, cue, values_of
from harness import Peer, RosProcess
from lifecycle_msgs.msg import Transition
from sot_harness import Sot

CONFIGURE, CLEANUP = Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_CLEANUP
ACTIVATE, DEACTIVATE = Transition.TRANSITION_ACTIVATE, Transition.TRANSITION_DEACTIVATE


# --- engines that cannot be had ------------------------------------------------------------------


def test_where_they_cannot_be_built_auto_stays_and_says_why(
    start_cued: Callable[..., RosProcess], cues: Path, ros: Peer
) -> None:
    cue(cues, "fail", "no operator Foo in this version; export the model again")
    sot = Sot(start_cued(), ros)
    sot.process.wait_for(r"\[WARN\].*onnxruntime goes on: no operator Foo .* export the model")
    entry = sot.wait_for_diagnostics("engines", "onnxruntime goes on: no operator Foo")
    assert entry.level == WARN and "building" not in values_of(entry)
    identity = sot.follow()
    answer = sot.film(range(1, 5))[-1]
    assert (answer.track.id, answer.status.backend) == (identity, "onnxruntime")


def test_where_they_cannot_be_built_tensorrt_fails_to_configure(
    start_cued: Callable[..., RosProcess], cues: Path, ros: Peer
) -> None:
    cue(cues, "fail", "the GPU is out of memory: end other programs")
    sot = Sot(start_cued("backend:=tensorrt", "autostart:=false"), ros)
    assert not sot.change_state(CONFIGURE)
    assert sot.state == "unconfigured"
    entry = sot.wait_for_diagnostics("node", "the GPU is out of memory: end other programs")
    assert entry.level == ERROR
    (cues / "fail").unlink()
    cue(cues, "go")
    assert sot.change_state(CONFIGURE)
    sot.process.wait_for(r"configured: siamrpnpp \(\S+\) on cued fp16")


def test_at_the_start_tensorrt_ends_the_node_with_the_reason(
    start_cued: Callable[..., RosProcess], cues: Path
) -> None:
    cue(cues, "none", "this machine has no GPU; use backend onnxruntime")
    node = start_cued("backend:=tensorrt")
    assert node.wait_exit(30.0) == 1
    assert "[ERROR]" in node.output and "this machine has no GPU; use backend" in node.output
    assert "Traceback" not in node.output


def test_without_a_device_auto_says_in_one_line_what_it_takes_and_why(
    start_cued: Callable[..., RosProcess], cues: Path, ros: Peer
) -> None:
    cue(cues, "none", "this machine has no GPU; plug one in")
    sot = Sot(start_cued(), ros)
    sot.process.wait_for("active: waiting")
    assert sot.process.output.count("this machine has no GPU") == 1
    assert "backend auto: onnxruntime, as this machine has no GPU; plug one in" in (
        sot.process.output
    )
    assert "[WARN]" not in sot.process.output
    entry = sot.wait_for_diagnostics("engines", "onnxruntime fp32")
    assert entry.level == OK
    assert values_of(entry)["chosen"].endswith("this machine has no GPU; plug one in")


# --- footage to calibrate on ---------------------------------------------------------------------


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """A folder with three pictures."""
    folder = tmp_path / "few"
    folder.mkdir()
    for number in range(3):
        cv2.imwrite(str(folder / f"{number}.png"), np.full((60, 80, 3), 50 * number, np.uint8))
    return folder


def test_with_footage_that_is_none_auto_stays_and_says_why(
    start_cued: Callable[..., RosProcess], cues: Path, ros: Peer, few: Path
) -> None:
    cue(cues, "go")
    sot = Sot(start_cued(f"engine_samples:={few}", "precision:=int8"), ros)
    words = rf"onnxruntime goes on: engine_samples '{few}': 3 different pictures of the 3 in few"
    sot.process.wait_for(rf"\[WARN\].*{words}.*; name others with engine_samples")
    assert sot.wait_for_diagnostics("engines", "engine_samples").level == WARN
    assert "BUILDING" not in sot.process.output
    sot.follow()
    assert sot.film(range(1, 4))[-1].status.backend == "onnxruntime"


def test_with_footage_that_is_none_tensorrt_fails_to_configure(
    start_cued: Callable[..., RosProcess], cues: Path, ros: Peer, tmp_path: Path, few: Path
) -> None:
    cue(cues, "go")
    sot = Sot(start_cued("backend:=tensorrt", "autostart:=false", f"engine_samples:={few}"), ros)
    assert not sot.change_state(CONFIGURE)
    assert sot.state == "unconfigured"
    entry = sot.wait_for_diagnostics("node", "3 different pictures of the 3 in few can be used")
    assert entry.level == ERROR
    for number in range(3, 10):
        cv2.imwrite(str(few / f"{number}.png"), np.full((60, 80, 3), 20 * number, np.uint8))
    assert sot.change_state(CONFIGURE)


# --- to wait for them ----------------------------------------------------------------------------


@pytest.mark.parametrize("parameter", ["engine_wait:=true", "backend:=tensorrt"])
def test_who_waits_tracks_on_them_from_the_first_frame(
    start_cued: Callable[..., RosProcess], cues: Path, ros: Peer, parameter: str
) -> None:
    sot = Sot(start_cued(parameter, "precision:=fp32"), ros)
    sot.process.wait_for(rf"loading {OWN} for \d+ s, 8%: match: {OWN}.match: tried 3 of 9 kernels")
    sot.wait_for_diagnostics("node", "tried 3 of 9 kernels")
    assert "active" not in sot.process.output
    cue(cues, "go")
    sot.process.wait_for("active: waiting")
    sot.follow()
    status = sot.film(range(1, 3))[-1].status
    assert (status.backend, status.precision) == ("cued", "fp32")


def test_who_waits_with_auto_in_vain_tracks_on_onnx_runtime_and_is_told(
    start_cued: Callable[..., RosProcess], cues: Path, ros: Peer
) -> None:
    cue(cues, "fail", "no memory")
    sot = Sot(start_cued("engine_wait:=true"), ros)
    sot.process.wait_for("active: waiting")
    assert "[WARN]" in sot.process.output and "onnxruntime goes on: no memory" in sot.process.output
    assert sot.wait_for_diagnostics("engines", "no memory").level == WARN


# --- ends that must not wait ---------------------------------------------------------------------


@pytest.mark.parametrize("stuck", [False, True], ids=["ends when asked to", "cannot be ended"])
@pytest.mark.parametrize("waits", ["engine_wait:=false", "engine_wait:=true"])
def test_interrupted_while_engines_are_built_it_ends_at_once(
    start_cued: Callable[..., RosProcess], cues: Path, waits: str, stuck: bool
) -> None:
    node = start_cued(waits)
    node.wait_for("BUILDING")
    if waits == "engine_wait:=false":
        node.wait_for("active: waiting")
    if stuck:
        cue(cues, "stuck")
        time.sleep(0.1)
    began = time.monotonic()
    node.stop()
    assert time.monotonic() - began < 6.0


@pytest.mark.parametrize("waits", ["engine_wait:=false", "engine_wait:=true"])
def test_terminated_while_engines_are_built_it_ends_at_once(
    start_cued: Callable[..., RosProcess], cues: Path, waits: str
) -> None:
    node = start_cued(waits)
    node.wait_for("BUILDING")
    if waits == "engine_wait:=false":
        node.wait_for("active: waiting")
    cue(cues, "stuck")
    node.send_signal(signal.SIGTERM)
    assert node.wait_exit(7.0) == 0
    assert "Traceback" not in node.output, node.output


def test_no_transition_waits_for_a_build_that_cannot_be_ended(
    start_cued: Callable[..., RosProcess], cues: Path, ros: Peer
) -> None:
    sot = Sot(start_cued(), ros)
    sot.process.wait_for("active: waiting")
    sot.process.wait_for("BUILDING")
    cue(cues, "stuck")
    sot.follow()
    began = time.monotonic()
    assert sot.change_state(DEACTIVATE) and sot.change_state(CLEANUP)
    assert sot.change_state(CONFIGURE) and sot.change_state(ACTIVATE)
    sot.follow()
    assert sot.change_state(Transition.TRANSITION_ACTIVE_SHUTDOWN)
    assert time.monotonic() - began < 8.0
    assert sot.state == "finalized"


# --- to build and nothing else -------------------------------------------------------------------


def test_build_only_builds_says_so_and_ends_with_0(
    start_cued: Callable[..., RosProcess], cues: Path, tmp_path: Path
) -> None:
    cue(cues, "go")
    folder = tmp_path / "engines"
    node = start_cued("build_only:=true", f"engine_cache:={folder}", "precision:=fp16")
    assert node.wait_exit(30.0) == 0, node.output
    assert f"is built for cued fp16 (1 of 9 layers fp32), in {folder}" in node.output
    assert f"BUILDING {OWN}.search in fp16 for {folder}" in node.output
    assert "active" not in node.output and "Traceback" not in node.output


@pytest.mark.parametrize(
    ("name", "words", "parameter"),
    [
        ("fail", "no operator Foo", "backend:=auto"),
        ("none", "this machine has no GPU", "backend:=auto"),
        ("go", "build_only builds engines of tensorrt, and backend is 'on", "backend:=onnxruntime"),
        ("go", "engine_samples '/nowhere': /nowhere: no such file", "engine_samples:=/nowhere"),
        ("go", "engines cannot be kept in /proc/nowhere", "engine_cache:=/proc/nowhere"),
    ],
)
def test_build_only_ends_with_1_and_the_reason(
    start_cued: Callable[..., RosProcess], cues: Path, name: str, words: str, parameter: str
) -> None:
    cue(cues, name, words)
    node = start_cued("build_only:=true", parameter)
    assert node.wait_exit(30.0) == 1, node.output
    errors = [line for line in node.output.splitlines() if "[ERROR]" in line]
    assert len(errors) == 1 and words in errors[0], node.output
    assert "Traceback" not in node.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_build_only_that_is_interrupted_has_not_built(
    start_cued: Callable[..., RosProcess], number: signal.Signals
) -> None:
    node = start_cued("build_only:=true")
    node.wait_for("BUILDING")
    node.send_signal(number)
    assert node.wait_exit() == 1
    assert "build_only: interrupted before the engines were built" in node.output
    assert "Traceback" not in node.output, node.output
