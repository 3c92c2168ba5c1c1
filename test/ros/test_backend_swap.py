"""The node tracks while its engines are built, and changes to them between two frames.

The engines are ONNX Runtime under another name, built on cue: engines_on_cue.py.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from harness import Peer, RosProcess
from lifecycle_msgs.msg import Transition
from sot_harness import GOOD_OVERLAP, Sot, truth

from tracker_ros.msg import Track
from tracker_ros.sot import DEFAULT_MODELS

StartProcess = Callable[[Sequence[str], Mapping[str, str]], RosProcess]
SCRIPT = str(Path(__file__).with_name("engines_on_cue.py"))
OWN = DEFAULT_MODELS["siamrpnpp"]
CONFIGURE, CLEANUP = Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_CLEANUP
ACTIVATE, DEACTIVATE = Transition.TRANSITION_ACTIVATE, Transition.TRANSITION_DEACTIVATE
WARN, ERROR = b"\x01", b"\x02"


@pytest.fixture
def cues(tmp_path: Path) -> Path:
    """The folder of the cues."""
    return tmp_path


def cue(cues: Path, name: str, words: str = "") -> None:
    """Give a cue; it is there whole, or not at all."""
    (cues / f".{name}").write_text(words)
    (cues / f".{name}").rename(cues / name)


@pytest.fixture
def start(start_process: StartProcess, cues: Path) -> Callable[..., RosProcess]:
    """Starts the node with these parameters."""

    def start_node(*parameters: str, kind: str = "sot") -> RosProcess:
        words = [word for parameter in ("threads:=1", *parameters) for word in ("-p", parameter)]
        args = [sys.executable, SCRIPT, str(cues), kind, "--ros-args", *words]
        return start_process(args, {})

    return start_node


def backend(sot: Sot) -> str:
    """What the last status names."""
    return str(sot.statuses[-1].backend) if sot.statuses else ""


def wait_for_backend(sot: Sot, name: str) -> None:
    sot.ros.wait_until(lambda: backend(sot) == name, what=f"the backend {name}")


def values_of(entry: Any) -> dict[str, str]:
    return {pair.key: pair.value for pair in entry.values}


# --- built while it tracks -----------------------------------------------------------------------


def test_it_tracks_on_onnx_runtime_until_the_engines_take_over(
    start: Callable[..., RosProcess], cues: Path, ros: Peer
) -> None:
    sot = Sot(start(), ros)
    sot.process.wait_for("active: waiting")
    sot.process.wait_for(f"building Cued engines of {OWN}; onnxruntime fp32 tracks meanwhile")
    identity = sot.follow()
    before = sot.film(range(1, 8))
    assert {answer.status.backend for answer in before} == {"onnxruntime"}
    entry = sot.wait_for_diagnostics("engines", "tried 3 of 9 kernels")
    assert "onnxruntime fp32 tracks meanwhile" in entry.message and entry.level == b"\x00"
    values = values_of(entry)
    assert values["building"] == f"Cued engines of {OWN}" and values["for"].endswith(" s")
    assert (values["done"], values["chosen"]) == ("8%", "auto: tensorrt, as Cued can be used")

    sot.forget()
    cue(cues, "go")
    during = sot.film(range(8, 12))
    wait_for_backend(sot, "cued")
    after = sot.film(range(12, 20))
    sot.process.wait_for(r"cued fp16 \(1 of 9 layers fp32\) goes on from now")
    assert {(answer.status.backend, answer.status.precision) for answer in after} == {
        ("cued", "fp16 (1 of 9 layers fp32)")
    }
    last = after[-1]
    assert (last.track.id, last.track.state) == (identity, Track.TRACKING)
    assert last.track.age == before[-1].track.age + len(during) + len(after)
    assert last.box.iou(truth(19)) > GOOD_OVERLAP
    assert last.status.frames_dropped == 0
    sot.diagnostics.clear()
    assert "building" not in values_of(sot.wait_for_diagnostics("engines", "cued fp16"))
    sot.wait_for_diagnostics("node", "backend: cued")


def test_engines_that_are_ready_while_it_is_inactive_are_there_from_the_first_frame(
    start: Callable[..., RosProcess], cues: Path, ros: Peer
) -> None:
    sot = Sot(start(), ros)
    sot.process.wait_for("active: waiting")
    sot.follow()
    assert sot.change_state(DEACTIVATE)
    cue(cues, "go")
    sot.process.wait_for("goes on from now")
    sot.forget()
    assert sot.change_state(ACTIVATE)
    sot.follow()
    answers = sot.film(range(1, 4))
    assert {answer.status.backend for answer in answers} == {"cued"}


def test_a_build_goes_on_over_a_pause(
    start: Callable[..., RosProcess], cues: Path, ros: Peer
) -> None:
    sot = Sot(start(), ros)
    sot.process.wait_for("active: waiting")
    assert sot.change_state(DEACTIVATE) and sot.change_state(ACTIVATE)
    cue(cues, "go")
    wait_for_backend(sot, "cued")
    assert sot.process.output.count(f"BUILDING {OWN}.search") == 1


def test_configured_again_it_builds_again(
    start: Callable[..., RosProcess], cues: Path, ros: Peer
) -> None:
    sot = Sot(start(), ros)
    sot.process.wait_for("active: waiting")
    sot.process.wait_for("BUILDING")
    assert sot.change_state(DEACTIVATE) and sot.change_state(CLEANUP)
    sot.wait_for_diagnostics("engines", "no model is loaded")
    cue(cues, "go")
    assert sot.change_state(CONFIGURE) and sot.change_state(ACTIVATE)
    wait_for_backend(sot, "cued")
    assert sot.process.output.count("goes on from now") == 1  # of the first nobody is told


# --- another model meanwhile ---------------------------------------------------------------------


def test_another_tracker_takes_over_while_engines_are_built_and_gets_its_own(
    start: Callable[..., RosProcess], cues: Path, ros: Peer
) -> None:
    sot = Sot(start(), ros)
    sot.process.wait_for("active: waiting")
    identity = sot.follow()
    sot.process.wait_for(f"BUILDING {OWN}")
    other = DEFAULT_MODELS["siamfc"]
    assert sot.set_parameters(tracker="siamfc")[0].successful
    ros.wait_until(lambda: sot.statuses and sot.statuses[-1].model == other, what=other)
    assert backend(sot) == "onnxruntime"
    sot.process.wait_for(f"building Cued engines of {other}")
    sot.film(range(1, 4))
    cue(cues, "go")
    wait_for_backend(sot, "cued")
    answer = sot.film(range(4, 8))[-1]
    assert (answer.status.model, answer.status.backend) == (other, "cued")
    assert (answer.track.id, answer.track.state) == (identity, Track.TRACKING)
    assert answer.box.iou(truth(7)) > GOOD_OVERLAP
    assert f"BUILT {OWN}" not in sot.process.output  # the first build was given up


def test_another_tracker_is_not_held_up_by_a_build_that_cannot_be_ended(
    start: Callable[..., RosProcess], cues: Path, ros: Peer
) -> None:
    sot = Sot(start(), ros)
    sot.process.wait_for("active: waiting")
    cue(cues, "stuck")
    identity = sot.follow()
    other = DEFAULT_MODELS["siamfc"]
    assert sot.set_parameters(tracker="siamfc")[0].successful
    ros.wait_until(lambda: sot.statuses and sot.statuses[-1].model == other, what=other)
    sot.wait_for_diagnostics("engines", "waits for another build of this process to end")
    assert sot.film(range(1, 4))[-1].track.id == identity
    (cues / "stuck").unlink()
    cue(cues, "go")
    wait_for_backend(sot, "cued")
    assert sot.film(range(4, 6))[-1].status.model == other
    assert sot.process.output.count("goes on from now") == 2  # siamfc, and its engines


# --- engines that cannot be had ------------------------------------------------------------------


def test_where_they_cannot_be_built_auto_stays_and_says_why(
    start: Callable[..., RosProcess], cues: Path, ros: Peer
) -> None:
    cue(cues, "fail", "no operator Foo in this version; export the model again")
    sot = Sot(start(), ros)
    sot.process.wait_for(r"\[WARN\].*onnxruntime goes on: no operator Foo .* export the model")
    entry = sot.wait_for_diagnostics("engines", "onnxruntime goes on: no operator Foo")
    assert entry.level == WARN and "building" not in values_of(entry)
    identity = sot.follow()
    answer = sot.film(range(1, 5))[-1]
    assert (answer.track.id, answer.status.backend) == (identity, "onnxruntime")


def test_where_they_cannot_be_built_tensorrt_fails_to_configure(
    start: Callable[..., RosProcess], cues: Path, ros: Peer
) -> None:
    cue(cues, "fail", "the GPU is out of memory: end other programs")
    sot = Sot(start("backend:=tensorrt", "autostart:=false"), ros)
    assert not sot.change_state(CONFIGURE)
    assert sot.state == "unconfigured"
    entry = sot.wait_for_diagnostics("node", "the GPU is out of memory: end other programs")
    assert entry.level == ERROR
    (cues / "fail").unlink()
    cue(cues, "go")
    assert sot.change_state(CONFIGURE)
    sot.process.wait_for(r"configured: siamrpnpp \(\S+\) on cued fp16")


def test_at_the_start_tensorrt_ends_the_node_with_the_reason(
    start: Callable[..., RosProcess], cues: Path
) -> None:
    cue(cues, "none", "this machine has no GPU; use backend onnxruntime")
    node = start("backend:=tensorrt")
    assert node.wait_exit(30.0) == 1
    assert "[ERROR]" in node.output and "this machine has no GPU; use backend" in node.output
    assert "Traceback" not in node.output


def test_without_a_device_auto_says_in_one_line_what_it_takes_and_why(
    start: Callable[..., RosProcess], cues: Path, ros: Peer
) -> None:
    cue(cues, "none", "this machine has no GPU; plug one in")
    sot = Sot(start(), ros)
    sot.process.wait_for("active: waiting")
    assert sot.process.output.count("this machine has no GPU") == 1
    assert "backend auto: onnxruntime, as this machine has no GPU; plug one in" in (
        sot.process.output
    )
    assert "[WARN]" not in sot.process.output
    entry = sot.wait_for_diagnostics("engines", "onnxruntime fp32")
    assert entry.level == b"\x00"
    assert values_of(entry)["chosen"].endswith("this machine has no GPU; plug one in")


# --- to wait for them ----------------------------------------------------------------------------


@pytest.mark.parametrize("parameter", ["engine_wait:=true", "backend:=tensorrt"])
def test_who_waits_tracks_on_them_from_the_first_frame(
    start: Callable[..., RosProcess], cues: Path, ros: Peer, parameter: str
) -> None:
    sot = Sot(start(parameter, "precision:=fp32"), ros)
    sot.process.wait_for(rf"loading {OWN} for \d+ s, 8%: match: {OWN}.match: tried 3 of 9 kernels")
    sot.wait_for_diagnostics("node", "tried 3 of 9 kernels")
    assert "active" not in sot.process.output
    cue(cues, "go")
    sot.process.wait_for("active: waiting")
    sot.follow()
    status = sot.film(range(1, 3))[-1].status
    assert (status.backend, status.precision) == ("cued", "fp32")


def test_who_waits_with_auto_in_vain_tracks_on_onnx_runtime_and_is_told(
    start: Callable[..., RosProcess], cues: Path, ros: Peer
) -> None:
    cue(cues, "fail", "no memory")
    sot = Sot(start("engine_wait:=true"), ros)
    sot.process.wait_for("active: waiting")
    assert "[WARN]" in sot.process.output and "onnxruntime goes on: no memory" in sot.process.output
    assert sot.wait_for_diagnostics("engines", "no memory").level == WARN


def test_another_model_is_waited_for_as_well_and_the_old_one_goes_on(
    start: Callable[..., RosProcess], cues: Path, ros: Peer
) -> None:
    cue(cues, "go")
    sot = Sot(start("backend:=tensorrt"), ros)
    sot.process.wait_for("active: waiting")
    identity = sot.follow()
    (cues / "go").unlink()
    other = DEFAULT_MODELS["siamfc"]
    assert sot.set_parameters(tracker="siamfc")[0].successful
    sot.wait_for_diagnostics("node", f"loading {other} for")
    assert sot.film(range(1, 4))[-1].status.model == OWN
    cue(cues, "go")
    ros.wait_until(lambda: sot.statuses and sot.statuses[-1].model == other, what=other)
    answer = sot.film(range(4, 6))[-1]
    assert (answer.track.id, answer.status.backend) == (identity, "cued")


# --- engines that fail while they run ------------------------------------------------------------


def test_where_they_fail_in_the_middle_of_a_stream_auto_goes_back_with_its_targets(
    start: Callable[..., RosProcess], cues: Path, ros: Peer
) -> None:
    cue(cues, "go")
    sot = Sot(start(), ros)
    sot.process.wait_for("goes on from now")
    identity = sot.follow()
    before = sot.film(range(1, 8))
    assert before[-1].status.backend == "cued"
    cue(cues, "break")
    after = sot.film(range(8, 12))
    assert {answer.status.backend for answer in after} == {"onnxruntime"}
    assert [answer.track.age for answer in after] == [8, 9, 10, 11]
    assert (after[-1].track.id, after[-1].track.state) == (identity, Track.TRACKING)
    assert after[-1].box.iou(truth(11)) > GOOD_OVERLAP
    words = "cued has failed, onnxruntime goes on: the GPU was reset"
    assert sot.process.output.count(words) == 1
    assert sot.wait_for_diagnostics("engines", words).level == WARN


def test_where_they_fail_in_the_middle_of_a_stream_tensorrt_says_so(
    start: Callable[..., RosProcess], cues: Path, ros: Peer
) -> None:
    cue(cues, "go")
    sot = Sot(start("backend:=tensorrt"), ros)
    sot.process.wait_for("active: waiting")
    identity = sot.follow()
    sot.film(range(1, 6))
    cue(cues, "break")
    answer = sot.film(range(6, 8))[-1]
    assert (answer.track.id, answer.track.state) == (identity, Track.LOST)
    assert "EngineError: the GPU was reset: start the node again" in answer.track.reason
    assert (answer.status.backend, answer.tracks.detections) == ("cued", [])
    assert sot.wait_for_diagnostics("node", "the GPU was reset").level == WARN
    refusal = sot.set_target(truth(7))
    assert not refusal.success and "the GPU was reset" in refusal.message
    sot.process.send_signal(signal.SIGINT)
    assert sot.process.wait_exit() == 0  # its log holds the trace of the error: that is wanted


# --- ends that must not wait ---------------------------------------------------------------------


@pytest.mark.parametrize("stuck", [False, True], ids=["ends when asked to", "cannot be ended"])
@pytest.mark.parametrize("waits", ["engine_wait:=false", "engine_wait:=true"])
def test_interrupted_while_engines_are_built_it_ends_at_once(
    start: Callable[..., RosProcess], cues: Path, waits: str, stuck: bool
) -> None:
    node = start(waits)
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
    start: Callable[..., RosProcess], cues: Path, waits: str
) -> None:
    node = start(waits)
    node.wait_for("BUILDING")
    if waits == "engine_wait:=false":
        node.wait_for("active: waiting")
    cue(cues, "stuck")
    node.send_signal(signal.SIGTERM)
    assert node.wait_exit(7.0) == 0
    assert "Traceback" not in node.output, node.output


def test_no_transition_waits_for_a_build_that_cannot_be_ended(
    start: Callable[..., RosProcess], cues: Path, ros: Peer
) -> None:
    sot = Sot(start(), ros)
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
    start: Callable[..., RosProcess], cues: Path, tmp_path: Path
) -> None:
    cue(cues, "go")
    folder = tmp_path / "engines"
    node = start("build_only:=true", f"engine_cache:={folder}", "precision:=fp16")
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
        ("go", "engines cannot be kept in /proc/nowhere", "engine_cache:=/proc/nowhere"),
    ],
)
def test_build_only_ends_with_1_and_the_reason(
    start: Callable[..., RosProcess], cues: Path, name: str, words: str, parameter: str
) -> None:
    cue(cues, name, words)
    node = start("build_only:=true", parameter)
    assert node.wait_exit(30.0) == 1, node.output
    errors = [line for line in node.output.splitlines() if "[ERROR]" in line]
    assert len(errors) == 1 and words in errors[0], node.output
    assert "Traceback" not in node.output


def test_build_only_that_is_interrupted_has_not_built(start: Callable[..., RosProcess]) -> None:
    node = start("build_only:=true")
    node.wait_for("BUILDING")
    node.send_signal(signal.SIGINT)
    assert node.wait_exit() == 1
    assert "Traceback" not in node.output, node.output
