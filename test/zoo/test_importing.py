"""Official weights become models, or nothing changes. Needs torch (the train extra)."""

from __future__ import annotations

import resource
import shutil
import sys
import types
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile import Call
from tiny_models import ATOM as TINY_ATOM
from tiny_models import SIAMFC, SIAMRPN, everything_in, official, publish
from tiny_models import SPM as TINY_SPM

torch = pytest.importorskip("torch", reason="torch is not installed: ./run setup train")

from safetensors.torch import load_file, save_file  # noqa: E402

from tracker_ros.errors import ModelError  # noqa: E402
from tracker_ros.models.card import MODELS, read_card  # noqa: E402
from tracker_ros.networks.atom import ATOM  # noqa: E402
from tracker_ros.networks.spm import SPM  # noqa: E402
from tracker_ros.networks.zoo import build_network  # noqa: E402
from tracker_ros.sot import load_model  # noqa: E402
from tracker_ros.zoo.checkpoints import Weights, as_network_has_it, read_weights  # noqa: E402
from tracker_ros.zoo.importing import import_weights  # noqa: E402
from tracker_ros.zoo.shelf import TARGET, still  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small gain nothing from threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def siamfc(own: Path, tmp_path: Path) -> Path:
    """A published configuration, and the file of its official weights."""
    publish(own, SIAMFC)
    file = tmp_path / "tiny.pth"
    torch.save(official(SIAMFC), file)
    return file


def refusal(file: Path, own: Path, model: str = "tiny_siamfc", **options: Any) -> str:
    before = everything_in(own)
    with pytest.raises(ModelError) as refused:
        import_weights([file], model, **options)
    assert everything_in(own) == before, "nothing has changed"
    return str(refused.value)


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
    settings = type("Settings", (), {"__module__": there.__name__, "__qualname__": "Settings"})
    there.Settings = settings  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, there.__name__, there)
    thing = settings()
    thing.batch = [1, {"a": thing}]  # type: ignore[attr-defined]
    network = {"bb_regressor.a": torch.ones(2)}
    file = tmp_path / "atom.pth"
    torch.save({"constructor": thing, "net": network, "stats": {"iou": thing}}, file)
    monkeypatch.delitem(sys.modules, there.__name__)
    found = read_weights(file)
    assert set(found.tensors) == {"bb_regressor.a"}
    assert found.strangers == ("ltr_of_somebody.Settings",)


# --- importing -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("card", "kind"),
    [(SIAMFC, "pth"), (SIAMFC, "state_dict"), (SIAMRPN, "pth"), (SIAMRPN, "safetensors")],
    ids=["siamfc", "siamfc-parallel", "siamrpnpp", "siamrpnpp-safetensors"],
)
def test_an_imported_model_gives_what_its_weights_give_in_torch(
    own: Path, tmp_path: Path, card: dict[str, Any], kind: str
) -> None:
    publish(own, card)
    weights = official(card, seed=3)
    file = tmp_path / ("a.safetensors" if kind == "safetensors" else "a.pth")
    if kind == "safetensors":
        save_file(weights, str(file))
    else:
        parallel = {"state_dict": {f"module.{key}": value for key, value in weights.items()}}
        torch.save(weights if kind == "pth" else parallel, file)

    imported = import_weights([file], card["name"])

    assert imported.card == own / f"{card['name']}.yaml"
    model = read_card(card["name"])
    assert set(model.files) == {"template", "search", "match"}
    assert model.checkpoint is not None and model.notes.startswith("Imported from a.")
    kept = load_file(str(model.weights_path))
    counters = {key for key in weights if key.endswith("num_batches_tracked")}
    assert all(torch.equal(kept[key], weights[key]) for key in weights.keys() - counters)
    network = build_network(card["tracker"], card["network"])
    network.load_state_dict(weights)
    image = torch.rand(1, 3, 127, 127) * 255
    with torch.no_grad():
        expected = network.template(image)[0].numpy()
    loaded = load_model(card["name"], threads=1)
    found = loaded._networks["template"].run({"template": image.numpy()})["kernel_0"]
    # Weights are stored with 11 bits.
    assert np.abs(found - expected).max() < 0.01 * np.abs(expected).max()
    tracker = loaded.new_tracker()
    tracker.init(still(), TARGET)
    assert 0.0 <= tracker.track(still()).evidence.score <= 1.0


def test_the_two_files_of_spm_tracker_become_a_model(own: Path, tmp_path: Path) -> None:
    publish(own, TINY_SPM)
    weights = official(TINY_SPM)
    files = []
    for stage in ("fm", "cm"):
        table = {key[3:]: value for key, value in weights.items() if key.startswith(f"{stage}.")}
        files.append(tmp_path / f"{stage}_stage.pt")
        torch.save(table, files[-1])
    with pytest.raises(ModelError, match=r"the whole of them is cm\.pt and fm\.pt: give all"):
        import_weights(files[:1], "tiny_spm")
    import_weights(files, "tiny_spm")
    assert set(read_card("tiny_spm").files) == {"template", "search", "match", "refine"}
    kept = load_file(str(read_card("tiny_spm").weights_path))
    assert kept.keys() == weights.keys()


def test_the_file_of_atom_becomes_a_model(own: Path, tmp_path: Path) -> None:
    publish(own, TINY_ATOM)
    weights = official(TINY_ATOM)
    unused = {"feature_extractor.layer4.0.conv1.weight": torch.ones(8, 8, 3, 3)}
    file = tmp_path / "atom.pth"
    table = {"epoch": 50, "net": {**weights, **unused}, "settings": timedelta(1)}
    torch.save(table, file, _use_new_zipfile_serialization=False)
    imported = import_weights([file], "tiny_atom")
    assert imported.strangers == ("datetime.timedelta",)
    assert load_file(str(read_card("tiny_atom").weights_path)).keys() == weights.keys()


def test_a_model_of_ones_own_weights_says_nothing_of_those_that_ship(
    own: Path, tmp_path: Path
) -> None:
    shipped = read_card("siamfc_small")
    network = build_network("siamfc", shipped.network)
    file = tmp_path / "mine.pth"
    torch.save(network.state_dict(), file)
    import_weights([file], "siamfc_small", name="mine")
    card = read_card("mine")
    assert (card.licence, card.trained_on) == ("not stated", ("not stated",))
    assert not card.measured and not card.monitor
    assert card.tracking == shipped.tracking
    assert "mine.pth (sha256 " in card.notes


def test_a_model_that_is_there_is_replaced_only_by_force(siamfc: Path, own: Path) -> None:
    import_weights([siamfc], "tiny_siamfc")
    assert "there is a model 'tiny_siamfc' already" in refusal(siamfc, own)
    torch.save(official(SIAMFC, seed=7), siamfc)
    before = everything_in(own)
    import_weights([siamfc], "tiny_siamfc", force=True)
    after = everything_in(own)
    assert set(after) == set(before)
    assert after["weights/tiny_siamfc.search.onnx"] != before["weights/tiny_siamfc.search.onnx"]
    import_weights([siamfc], "tiny_siamfc", name="second")
    assert everything_in(own).items() >= after.items()
    assert read_card("second").name == "second"


def test_a_model_that_ships_is_hidden_only_by_force(own: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.pth"
    torch.save(build_network("siamfc", read_card("siamfc_small").network).state_dict(), file)
    own.mkdir()
    assert "ships with the package; --as" in refusal(file, own, "siamfc_small")
    import_weights([file], "siamfc_small", force=True)
    assert read_card("siamfc_small").folder == own != MODELS


# --- what is refused -----------------------------------------------------------------------------


def test_every_key_that_does_not_fit_is_listed(siamfc: Path, own: Path) -> None:
    weights = official(SIAMFC)
    del weights["backbone.conv2.0.bias"]
    del weights["backbone.conv1.1.running_mean"]
    weights["backbone.conv6.weight"] = torch.zeros(2, 3)
    weights["backbone.conv5.0.bias"] = torch.zeros(9)
    torch.save({"state_dict": {**weights, "epoch": 3}}, siamfc)
    lines = refusal(siamfc, own).splitlines()
    assert "2 missing, 1 unexpected, 1 of another shape, 1 not a tensor; nothing was" in lines[0]
    assert [line.strip() for line in lines[1:]] == [
        "missing: backbone.conv1.1.running_mean (8,)",
        "missing: backbone.conv2.0.bias (8,)",
        "unexpected: backbone.conv6.weight (2, 3)",
        "of another shape: backbone.conv5.0.bias is (9,), the network has (8,)",
        "not a tensor: epoch",
    ]


def test_a_name_in_a_file_does_not_reach_the_terminal_as_it_is(siamfc: Path, own: Path) -> None:
    clear = "\x1b[2J\n"
    torch.save({**official(SIAMFC), clear: torch.ones(1), "x" * 9999: 1}, siamfc)
    lines = refusal(siamfc, own)
    assert "unexpected: \\x1b[2J\\n (1,)" in lines
    assert clear not in lines and len(lines) < 1000


def test_a_checkpoint_of_another_network_is_told_whose_it_is(
    own: Path, tmp_path: Path, siamfc: Path
) -> None:
    publish(own, SIAMRPN)
    first = refusal(siamfc, own, "tiny_siamrpn").splitlines()[0]
    assert "are not those of 'tiny_siamrpn' (layout pysot); they fit --model tiny_siamfc" in first


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
    assert complaint in refusal(siamfc, own)


def test_a_hostile_checkpoint_is_refused_and_does_nothing(
    siamfc: Path, own: Path, tmp_path: Path
) -> None:
    victim = tmp_path / "created"
    torch.save({"state_dict": {"a": Call(open, str(victim), "w")}}, siamfc)
    assert "holds no weights" in refusal(siamfc, own)
    assert not victim.exists()


@pytest.mark.parametrize("name", ["../escaped", "a/b", "a.b", "", ".hidden", "x" * 200])
def test_a_name_that_makes_no_file_is_refused(siamfc: Path, own: Path, name: str) -> None:
    if name:
        assert "is no name for a model" in refusal(siamfc, own, name=name)
    else:
        import_weights([siamfc], "tiny_siamfc", name=name)
        assert read_card("tiny_siamfc").files


def test_a_model_without_official_weights_is_told(siamfc: Path, own: Path) -> None:
    assert "no official weights of the tracker 'famnet'" in refusal(
        siamfc, own, "famnet_alexnet_small", name="mine"
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


def test_a_folder_that_cannot_be_made_is_told(
    siamfc: Path, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = shutil.copy(own / "tiny_siamfc.yaml", siamfc.parent)
    blocked = siamfc.parent / "a_file"
    blocked.write_text("")
    monkeypatch.setenv("TRACKER_ROS_MODELS", str(blocked / "models"))
    with pytest.raises(ModelError, match=r"models cannot be written.*TRACKER_ROS_MODELS names"):
        import_weights([siamfc], str(card))
