"""The node tracks while its engines are built, changes to them between two frames, and back.

The engines are ONNX Runtime under another name, built on cue: engines_on_cue.py.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

from cued_harness import OK, OWN, WARN, backend, cue, values_of, wait_for_backend
from harness import Peer, RosProcess
from lifecycle_msgs.msg import Transition
from sot_harness import GOOD_OVERLAP, Sot, truth

from tracker_ros.msg import Track
from tracker_ros.sot import DEFAULT_MODELS

CONFIGURE, CLEANUP = Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_CLEANUP
ACTIVATE, DEACTIVATE = Transition.TRANSITION_ACTIVATE, Transition.TRANSITION_DEACTIVATE


# --- built while it tracks -----------------------------------------------------------------------


def test_it_tracks_on_onnx_runtime_until_the_engines_take_over(
    start_cued: Callable[..., RosProcess], cues: Path, ros: Peer
) -> None:
    sot = Sot(start_cued(), ros)
    sot.process.wait_for("active: waiting")
    sot.process.wait_for(f"building Cued engines of {OWN}; onnxruntime fp32 tracks meanwhile")
    identity = sot.follow()
    before = sot.film(range(1, 8))
    assert {answer.status.backend for answer in before} == {"onnxruntime"}
    entry = sot.wait_for_diagnostics("engines", "tried 3 of 9 kernels")
    assert "onnxruntime fp32 tracks meanwhile" in entry.message and entry.level == OK
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
    start_cued: Callable[..., RosProcess], cues: Path, ros: Peer
) -> None:
    sot = Sot(start_cued(), ros)
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
    start_cued: Callable[..., RosProcess], cues: Path, ros: Peer
) -> None:
    sot = Sot(start_cued(), ros)
    sot.process.wait_for("active: waiting")
    assert sot.change_state(DEACTIVATE) and sot.change_state(ACTIVATE)
    cue(cues, "go")
    wait_for_backend(sot, "cued")
    assert sot.process.output.count(f"BUILDING {OWN}.search") == 1


def test_configured_again_it_builds_again(
    start_cued: Callable[..., RosProcess], cues: Path, ros: Peer
) -> None:
    sot = Sot(start_cued(), ros)
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
    start_cued: Callable[..., RosProcess], cues: Path, ros: Peer
) -> None:
    sot = Sot(start_cued(), ros)
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
    start_cued: Callable[..., RosProcess], cues: Path, ros: Peer
) -> None:
    sot = Sot(start_cued(), ros)
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


def test_another_model_is_waited_for_as_well_and_the_old_one_goes_on(
    start_cued: Callable[..., RosProcess], cues: Path, ros: Peer
) -> None:
    cue(cues, "go")
    sot = Sot(start_cued("backend:=tensorrt"), ros)
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
    start_cued: Callable[..., RosProcess], cues: Path, ros: Peer
) -> None:
    cue(cues, "go")
    sot = Sot(start_cued(), ros)
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
    start_cued: Callable[..., RosProcess], cues: Path, ros: Peer
) -> None:
    cue(cues, "go")
    sot = Sot(start_cued("backend:=tensorrt"), ros)
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
