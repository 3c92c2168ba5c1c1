"""The multi-object node tracks while its engines are built; all its networks change together."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from harness import Peer, RosProcess
from mot_harness import Mot, ids


@pytest.fixture
def start(start_cued: Callable[..., RosProcess]) -> Callable[..., RosProcess]:
    """Starts the node with these parameters."""
    return partial(start_cued, kind="mot")


def test_identities_go_on_when_the_engines_take_over(
    start: Callable[..., RosProcess], tmp_path: Path, ros: Peer
) -> None:
    mot = Mot(start(), ros)
    mot.process.wait_for("active: waiting")
    before = mot.walk(range(6), rows=(0, 1))[-1]
    assert before.status.backend == "onnxruntime" and len(ids(before)) == 2
    entry = mot.wait_for_diagnostics("engines", "onnxruntime fp32 tracks meanwhile")
    assert "famnet_alexnet_small and Cued engines of siamrpnpp_alexnet_small" in entry.message
    (tmp_path / "go").touch()
    mot.process.wait_for(r"cued fp16 \(1 of 9 layers fp32\) goes on from now")
    after = mot.walk(range(6, 10), rows=(0, 1))[-1]
    assert (after.status.backend, after.status.precision) == ("cued", "fp16 (1 of 9 layers fp32)")
    assert "on cued fp16" in after.status.model
    assert ids(after) == ids(before)


def test_where_they_fail_in_the_middle_of_a_stream_auto_goes_back_with_its_targets(
    start: Callable[..., RosProcess], tmp_path: Path, ros: Peer
) -> None:
    (tmp_path / "go").touch()
    mot = Mot(start("engine_wait:=true"), ros)
    mot.process.wait_for("active: waiting")
    before = mot.walk(range(6), rows=(0, 1))[-1]
    assert before.status.backend == "cued"
    (tmp_path / "break").touch()
    after = mot.walk(range(6, 10), rows=(0, 1))[-1]
    assert (after.status.backend, ids(after)) == ("onnxruntime", ids(before))
    assert "[WARN]" in mot.process.output and "the GPU was reset" in mot.process.output
    assert mot.wait_for_diagnostics("engines", "the GPU was reset").level == b"\x01"


def test_sort_has_nothing_to_build(start: Callable[..., RosProcess], ros: Peer) -> None:
    node = start("tracker:=sort", "build_only:=true")
    assert node.wait_exit(30.0) == 0, node.output
    assert "sort has no networks: nothing is built" in node.output
    mot = Mot(start("tracker:=sort"), ros)
    mot.process.wait_for("active: waiting")
    mot.wait_for_diagnostics("engines", "no networks")


def test_torch_runs_nothing_of_this_node(start: Callable[..., RosProcess]) -> None:
    node = start("backend:=torch")
    assert node.wait_exit(30.0) == 1
    assert "parameter backend is 'torch'; choose one of auto, tensorrt, onnxrun" in node.output
