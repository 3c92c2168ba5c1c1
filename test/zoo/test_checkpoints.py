"""Checkpoints are read as torch reads them, under the names of our networks. Needs torch."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: ./run setup train")

from tracker_ros.errors import ModelError  # noqa: E402
from tracker_ros.networks.atom import ATOM  # noqa: E402
from tracker_ros.networks.spm import SPM  # noqa: E402
from tracker_ros.zoo.checkpoints import Weights, as_network_has_it, read_weights  # noqa: E402

# --- reading -------------------------------------------------------------------------------------


@pytest.mark.parametrize("new", [True, False], ids=["zip", "legacy"])
def test_weights_are_read_as_torch_reads_them(tmp_path: Path, new: bool) -> None:
    base = torch.arange(24.0).reshape(2, 3, 4)
    table = {
        "plain": base, "turned": base.permute(2, 0, 1), "part": base[1:, :2, ::2],
        "last": torch.rand(4, 3, 5, 5).to(memory_format=torch.channels_last),
        "one": torch.tensor(3.5), "none": torch.zeros(0, 4), "half": torch.rand(3).half(),
        "brain": torch.rand(3).bfloat16(), "double": torch.rand(3).double(),
        "whole": torch.arange(5), "bits": torch.tensor([True, False]),
        "learned": torch.nn.Parameter(torch.rand(2, 2)),
    }  # fmt: skip
    file = tmp_path / "a.pth"
    torch.save(table, file, _use_new_zipfile_serialization=new)
    found = read_weights(file)
    assert not found.others and not found.strangers
    expected = torch.load(file, weights_only=True)
    assert set(found.tensors) == set(expected)
    for name, tensor in expected.items():
        assert found.tensors[name].dtype == tensor.dtype
        assert torch.equal(found.tensors[name], tensor), name


@pytest.mark.parametrize("inner", ["state_dict", "net"])
def test_weights_may_lie_under_a_key(tmp_path: Path, inner: str) -> None:
    file = tmp_path / "a.pth"
    torch.save({"epoch": 3, inner: {"a": torch.ones(2)}, "optimizer": {"b": 1}}, file)
    assert set(read_weights(file).tensors) == {"a"}


# --- layouts -------------------------------------------------------------------------------------


def arranged(layout: str, *tables: dict[str, Any]) -> dict[str, Any]:
    return as_network_has_it(layout, [Weights(Path(f"{n}.pt"), t) for n, t in enumerate(tables)])


def test_a_prefix_of_data_parallel_training_goes_and_so_do_counters() -> None:
    table = {"module.a.weight": 1, "module.a.num_batches_tracked": 2, "b.module.weight": 3}
    assert arranged("pysot", table) == {"a.weight": 1, "b.module.weight": 3}
    assert arranged("siamfc-pytorch", table) == {"a.weight": 1, "b.module.weight": 3}


def test_the_two_files_of_spm_tracker_make_one_network_in_either_order() -> None:
    keys = [key for key in SPM((8, 8, 8, 8, 8), 8).state_dict() if "num_batches" not in key]
    coarse: dict[str, Any] = {key[3:]: key for key in keys if key.startswith("cm.")}
    fine: dict[str, Any] = {key[3:]: key for key in keys if key.startswith("fm.")}
    assert {"z_net.conv1.conv.weight", "rpn_head.x_cls_conv.0.bias"} < set(coarse)
    assert {"feat_extractor.bn_list.0.weight", "siam_fusion.linear_layers.linear0.bias"} < set(fine)
    kernels = {"rpn_head.z_cls_weights": "last target", "rpn_head.z_bbox_weights": "last target"}
    expected = {key: key for key in keys}
    assert arranged("spm-tracker", {**coarse, **kernels}, fine) == expected
    assert arranged("spm-tracker", fine, {**coarse, **kernels}) == expected
    assert arranged("spm-tracker", expected) == expected, "one file of ours"
    with pytest.raises(ModelError, match="is in another of the files, too"):
        arranged("spm-tracker", coarse, coarse)


def test_what_atom_does_not_use_of_its_backbone_is_left_out() -> None:
    keys = [key for key in ATOM((8, 8, 8, 8), 8).state_dict() if "num_batches" not in key]
    assert {"feature_extractor.layer1.0.conv1.weight", "bb_regressor.fc3_rt.linear.bias"} < set(
        keys
    )
    unused = {"feature_extractor.layer4.0.conv1.weight": 1, "feature_extractor.fc.weight": 1}
    expected = {key: key for key in keys}
    assert arranged("pytracking", {**expected, **unused}) == expected


def test_an_unknown_layout_is_named_with_those_there_are() -> None:
    with pytest.raises(ModelError, match=r"'mmtracking'.*pysot"):
        arranged("mmtracking")


def test_a_file_with_objects_of_modules_that_are_not_here_gives_its_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As pytracking's checkpoints are: objects of the training code beside the weights.
    there = types.ModuleType("ltr_of_somebody")
    about = {"__module__": there.__name__, "__qualname__": "Settings"}
    settings: Any = type("Settings", (), about)
    vars(there)["Settings"] = settings
    monkeypatch.setitem(sys.modules, there.__name__, there)
    thing = settings()
    thing.batch = [1, {"a": thing}]
    network = {"bb_regressor.a": torch.ones(2)}
    file = tmp_path / "atom.pth"
    torch.save({"constructor": thing, "net": network, "stats": {"iou": thing}}, file)
    monkeypatch.delitem(sys.modules, there.__name__)
    found = read_weights(file)
    assert set(found.tensors) == {"bb_regressor.a"}
    assert found.strangers == ("ltr_of_somebody.Settings",)
