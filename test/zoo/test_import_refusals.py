"""What is no model's weights is refused, and nothing changes. Needs torch (the train extra)."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hostile import Call, as_zip, one_tensor
from tiny_models import SIAMFC, SIAMRPN, everything_in, official, publish, refused_import
from tiny_models import SPM as TINY_SPM

torch = pytest.importorskip("torch", reason="torch is not installed: ./run setup train")

from safetensors.torch import save_file  # noqa: E402

from tracker_ros.errors import ModelError  # noqa: E402
from tracker_ros.models.card import read_card  # noqa: E402
from tracker_ros.networks.zoo import build_network  # noqa: E402
from tracker_ros.sot import load_model  # noqa: E402
from tracker_ros.zoo.importing import import_weights  # noqa: E402
from tracker_ros.zoo.shelf import put  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")


def test_every_key_that_does_not_fit_is_listed(siamfc: Path, own: Path) -> None:
    weights = official(SIAMFC)
    del weights["backbone.conv2.0.bias"]
    del weights["backbone.conv1.1.running_mean"]
    weights["backbone.conv6.weight"] = torch.zeros(2, 3)
    weights["backbone.conv5.0.bias"] = torch.zeros(9)
    torch.save({"state_dict": {**weights, "epoch": 3}}, siamfc)
    lines = refused_import(siamfc, own).splitlines()
    assert "2 missing, 1 unexpected, 1 of another shape, 1 not a tensor; nothing was" in lines[0]
    assert [line.strip() for line in lines[1:]] == [
        "missing: backbone.conv1.1.running_mean (8,)",
        "missing: backbone.conv2.0.bias (8,)",
        "unexpected: backbone.conv6.weight (2, 3)",
        "of another shape: backbone.conv5.0.bias is (9,), the network has (8,)",
        "not a tensor: epoch",
    ]


def test_after_a_list_that_fills_the_screen_the_hint_comes_again(own: Path, siamfc: Path) -> None:
    publish(own, SIAMRPN)
    first, *lines, last = refused_import(siamfc, own, "tiny_siamrpn").splitlines()
    assert "they fit --model tiny_siamfc: " in first
    assert len(lines) > 20 and all(line.startswith("  ") for line in lines)
    assert last.startswith("all in all, the weights in tiny.pth are not those of 'tiny_siamrpn'")
    assert last.endswith("they fit --model tiny_siamfc")


def test_weights_that_fit_are_not_sent_to_another_model_for_what_else_the_file_holds(
    siamfc: Path, own: Path
) -> None:
    publish(own, {**SIAMFC, "name": "tiny_twin"})
    torch.save({**official(SIAMFC), "epoch": 3}, siamfc)
    assert "1 not a tensor" in refused_import(siamfc, own)
    assert "they fit" not in refused_import(siamfc, own)


def test_a_graph_is_no_file_of_weights_and_one_is_told_how_it_is_used(
    siamfc: Path, own: Path
) -> None:
    import_weights([siamfc], "tiny_siamfc")
    graph = read_card("tiny_siamfc").graph("search")
    assert "give the path of its card (.yaml) as `model`" in refused_import(graph, own, name="b")


def test_a_name_in_a_file_does_not_reach_the_terminal_as_it_is(siamfc: Path, own: Path) -> None:
    clear = "\x1b[2J\n"
    torch.save({**official(SIAMFC), clear: torch.ones(1), "x" * 9999: 1}, siamfc)
    lines = refused_import(siamfc, own)
    assert "unexpected: \\x1b[2J\\n (1,)" in lines
    assert clear not in lines and len(lines) < 1000


def test_a_checkpoint_of_another_network_is_told_whose_it_is(
    own: Path, tmp_path: Path, siamfc: Path
) -> None:
    publish(own, SIAMRPN)
    first = refused_import(siamfc, own, "tiny_siamrpn").splitlines()[0]
    assert "are not those of 'tiny_siamrpn' (layout pysot); they fit --model tiny_siamfc" in first


def test_a_file_of_another_model_is_told_as_such_where_several_files_are_wanted(
    own: Path, siamfc: Path
) -> None:
    publish(own, TINY_SPM)
    first = refused_import(siamfc, own, "tiny_spm").splitlines()[0]
    assert "they fit --model tiny_siamfc" in first and "give all" not in first


def test_weights_that_are_whole_numbers_are_refused(siamfc: Path, own: Path) -> None:
    weights = official(SIAMFC)
    weights["backbone.conv1.0.bias"] = weights["backbone.conv1.0.bias"].to(torch.int32)
    torch.save(weights, siamfc)
    assert "not of real numbers: backbone.conv1.0.bias is of torch.int32" in refused_import(
        siamfc, own
    )


def test_a_pipe_is_refused_before_it_is_waited_for(siamfc: Path, own: Path) -> None:
    siamfc.unlink()
    os.mkfifo(siamfc)
    assert "is a pipe or a device" in refused_import(siamfc, own)


@pytest.mark.parametrize(
    "data",
    [one_tensor(name="\\ud800"), one_tensor(shape=(0, 1 << 70))],
    ids=["half a character", "size"],
)
def test_names_and_sizes_that_nobody_can_hold_are_refused(
    siamfc: Path, own: Path, data: bytes
) -> None:
    as_zip(data, siamfc, _0=bytes(16))
    assert "names or sizes of its weights are impossible" in refused_import(siamfc, own)


def spoilt(weights: dict[str, Any]) -> dict[str, Any]:
    weights["backbone.conv3.0.weight"][0, 0, 0, 0] = float("nan")
    return weights


@pytest.mark.parametrize(
    ("write", "complaint"),
    [
        (lambda file: file.unlink(), "cannot be read: No such file"),
        (lambda file: (file.unlink(), file.mkdir()), "cannot be read: Is a directory"),
        (lambda file: file.write_text("not weights"), "no checkpoint that can be imported"),
        (lambda file: file.write_bytes(file.read_bytes()[:-2000]), "cut short or damaged"),
        (lambda file: file.write_bytes(b"\x10" + bytes(7) + b"{" + bytes(40)), "safetensors"),
        (lambda file: torch.save(spoilt(official(SIAMFC)), file), "not finite in 1 of 26"),
        (
            lambda file: torch.save(build_network("siamfc", SIAMFC["network"]), file),
            "a pickled obj",
        ),
        (lambda file: torch.save([torch.ones(2)], file), "holds a list"),
    ],
    ids=["missing", "folder", "text", "cut", "safetensors", "nan", "module", "list"],
)
def test_a_file_that_is_no_checkpoint_of_it_changes_nothing(
    siamfc: Path, own: Path, write: Callable[[Path], object], complaint: str
) -> None:
    write(siamfc)
    assert complaint in refused_import(siamfc, own)


def test_a_hostile_checkpoint_is_refused_and_does_nothing(
    siamfc: Path, own: Path, tmp_path: Path
) -> None:
    victim = tmp_path / "created"
    torch.save({"state_dict": {"a": Call(open, str(victim), "w")}}, siamfc)
    assert "holds no weights" in refused_import(siamfc, own)
    assert not victim.exists()


@pytest.mark.parametrize("name", ["../escaped", "a/b", "a.b", "", ".hidden", "x" * 200])
def test_a_name_that_makes_no_file_is_refused(siamfc: Path, own: Path, name: str) -> None:
    if name:
        assert "is no name for a model" in refused_import(siamfc, own, name=name)
    else:
        import_weights([siamfc], "tiny_siamfc", name=name)
        assert read_card("tiny_siamfc").files


def test_a_model_without_official_weights_is_told(siamfc: Path, own: Path) -> None:
    for name in ("mine", ""):
        assert "no official weights of the tracker 'famnet'" in refused_import(
            siamfc, own, "famnet_alexnet_small", name=name
        )


@pytest.mark.parametrize("most", [1000, 4000, 20_000])
def test_a_disk_that_fills_up_leaves_what_was_there(siamfc: Path, own: Path, most: int) -> None:
    import_weights([siamfc], "tiny_siamfc")
    largest = max(len(content) for content in everything_in(own).values())
    assert most < largest, "there is a file that the disk has no room for"
    before = everything_in(own)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    kept = siamfc.with_suffix(".safetensors")
    save_file(official(SIAMFC), str(kept))
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        with pytest.raises(ModelError) as refused:
            import_weights([kept], "tiny_siamfc", force=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "too large" in str(refused.value) or "cannot be" in str(refused.value)
    assert everything_in(own) == before
    assert load_model("tiny_siamfc", threads=1).model == "tiny_siamfc"


def test_a_model_that_cannot_be_moved_leaves_the_one_before_it(own: Path, tmp_path: Path) -> None:
    card = publish(own, SIAMFC)
    (own / "weights").write_text("no folder")
    stage = tmp_path / "stage"
    (stage / "weights").mkdir(parents=True)
    (stage / "weights" / "tiny_siamfc.search.onnx").write_text("a graph")
    before = everything_in(own)
    with pytest.raises(FileExistsError):
        put("tiny_siamfc", stage, own)
    assert everything_in(own) == before and card.is_file()


def test_a_folder_that_cannot_be_made_is_told(
    siamfc: Path, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = shutil.copy(own / "tiny_siamfc.yaml", siamfc.parent)
    blocked = siamfc.parent / "a_file"
    blocked.write_text("")
    monkeypatch.setenv("TRACKER_ROS_MODELS", str(blocked / "models"))
    with pytest.raises(ModelError, match=r"models cannot be written.*TRACKER_ROS_MODELS names"):
        import_weights([siamfc], str(card))
