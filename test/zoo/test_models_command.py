"""`tracker_ros models`: what it tells, and what it refuses with one line and exit code 2."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from hostile import Call, as_zip, one_tensor
from models_command import NEEDS_TORCH, Capture, models, refusal
from tiny_models import SIAMFC, SIAMRPN, official, publish

from tracker_ros.models.card import MODELS, card_names, read_card
from tracker_ros.sot import DEFAULT_MODELS
from tracker_ros.zoo.listing import Row

SHIPPED = sorted(path.stem for path in MODELS.glob("*.yaml"))


# --- list and show -------------------------------------------------------------------------------


def test_the_list_has_every_model_with_its_figures(own: Path, capsys: Capture) -> None:
    publish(own, SIAMFC)
    assert models("list") == 0
    out = capsys.readouterr().out
    rows = {line.split()[0]: line for line in out.splitlines()[2:] if line}
    assert set(card_names()) <= set(rows)
    shipped = rows["siamfc_small"]
    assert "Bertinetto et al., ECCV-W 2016" in shipped
    assert "yes" in shipped.split() and "package" in shipped.split()
    assert "ten public sequences auc 0." in shipped
    tiny = rows["tiny_siamfc"]
    assert "Nobody et al., Nowhere 2000" in tiny and {"import", "user"} < set(tiny.split())
    assert f"user is {own}" in out


def test_the_list_for_programs_says_the_same(own: Path, capsys: Capture) -> None:
    publish(own, SIAMFC)
    assert models("list", "--json") == 0
    rows = {row["model"]: row for row in json.loads(capsys.readouterr().out)}
    assert set(rows) == set(card_names())
    assert rows["tiny_siamfc"] == {
        "model": "tiny_siamfc", "tracker": "siamfc", "paper": SIAMFC["paper"], "files": "import",
        "where": "user", "licence": "MIT", "measured": {},
    }  # fmt: skip
    assert rows["siamfc_small"]["measured"] == read_card("siamfc_small").measured


def test_a_model_whose_graph_is_gone_is_listed_as_such(own: Path) -> None:
    publish(own, {**SIAMFC, "files": {"search": "0" * 64}})
    assert Row.of(read_card("tiny_siamfc")).files == "no"


def test_a_card_that_cannot_be_read_hides_no_other(own: Path, capsys: Capture) -> None:
    own.mkdir()
    (own / "broken.yaml").write_text("name: [")
    assert models("list") == 2
    told = capsys.readouterr()
    assert "siamfc_small" in told.out
    assert f"error: the model card {own / 'broken.yaml'} is not valid" in told.err


@pytest.mark.parametrize("name", SHIPPED)
def test_every_model_that_ships_is_shown_whole(name: str, own: Path, capsys: Capture) -> None:
    assert models("show", name) == 0
    out = capsys.readouterr().out
    card = read_card(name)
    assert card.paper in out and all(line in out for line in card.trained_on)
    assert out.count("sha256 holds") == len(card.files)
    for section in (card.tracking, card.monitor, card.measured):
        assert all(f"{key} {value}" in out for key, value in section.items() if key != "pair")
    if card.checkpoint is not None:
        assert card.checkpoint.page in out
        files = " ".join(card.checkpoint.files)
        assert f"tracker_ros models import {files} --model {name}" in out


def test_a_file_that_is_damaged_or_gone_is_shown(own: Path, capsys: Capture) -> None:
    publish(own, {**SIAMFC, "files": dict.fromkeys(("template", "search", "match"), "0" * 64)})
    (own / "weights").mkdir()
    (own / "weights" / "tiny_siamfc.search.onnx").write_bytes(b"something else")
    assert models("show", "tiny_siamfc") == 0
    out = capsys.readouterr().out
    assert "tiny_siamfc.search.onnx  0.0 MB  DAMAGED" in out
    assert "tiny_siamfc.match.onnx  -  MISSING: No such file" in out


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"tracking": {"window_influnce": 0.3}}, "tracking: no key 'window_influnce'; known"),
        ({"tracking": {"window_influence": 2}}, "window_influence is 2; possible is 0 to 1"),
        ({"monitor": {"lost_score": -1}}, "monitor: lost_score is -1; possible is 0 to 1"),
        ({"tracker": "siamfcc"}, "no tracker 'siamfcc'; there are siamrpnpp, siamfc, atom, spm, f"),
        ({"tracker": "famnet"}, "network: KeyError('canvas')"),
        ({"files": {"search": "0" * 64}}, "files: there is no match and no template"),
    ],
    ids=["key", "value", "threshold", "tracker", "famnet", "graph"],
)
def test_a_card_that_the_node_refuses_is_shown_as_such_and_not_exported(
    own: Path, tmp_path: Path, capsys: Capture, changes: dict[str, object], reason: str
) -> None:
    files = dict.fromkeys(("template", "search", "match"), "0" * 64)
    publish(own, {**SIAMFC, "files": files, **changes})
    assert models("show", "tiny_siamfc") == 1
    *_, last = capsys.readouterr().out.splitlines()
    assert last.startswith("INVALID: model card 'tiny_siamfc'") and reason in last
    assert reason in refusal(capsys, "export", "tiny_siamfc", "--out", str(tmp_path / "x"))


def test_the_name_of_a_tracker_is_its_default_model(
    own: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for tracker, model in {**DEFAULT_MODELS, "famnet": "famnet_alexnet_small"}.items():
        assert models("show", tracker) == 0
        assert capsys.readouterr().out.split()[:2] == ["model", model]
    monkeypatch.chdir(tmp_path)
    assert models("export", "siamfc") == 0
    assert (tmp_path / "siamfc_small" / "siamfc_small.yaml").is_file()
    assert "the weights of 'spm_alexnet_otb'" in refusal(capsys, "fetch", "spm_alexnet_otb")


def test_what_is_to_be_typed_begins_with_what_was_started(
    own: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKER_ROS_PROGRAM", "./run")
    for task in ("show", "fetch", "export"):
        models(task, "atom_resnet18")
    told = capsys.readouterr()
    assert told.out.count("./run models ") + told.err.count("./run models ") == 3
    assert "tracker_ros models" not in told.out + told.err


def test_figures_of_others_are_not_listed_as_measured(own: Path) -> None:
    publish(own, {**SIAMFC, "measured": {"published_auc": 0.6, "own_auc": 0.5}})
    assert Row.of(read_card("tiny_siamfc")).short()[-1] == "own auc 0.5"


def test_an_unknown_model_is_refused_with_those_there_are(own: Path, capsys: Capture) -> None:
    for task in ("show", "fetch", "export"):
        assert "no model 'resnet'; there are" in refusal(capsys, task, "resnet")


def test_looking_needs_no_torch(own: Path) -> None:
    code = (
        "import sys; sys.modules.update(torch=None, onnx=None, safetensors=None)\n"
        "from tracker_ros.cli import main\n"
        "sys.exit(main(['models', 'list']) or main(['models', 'show', 'siamfc_small']))"
    )
    root = MODELS.parents[1]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, stdout=-3).returncode == 0


def test_without_torch_an_import_says_what_to_install(own: Path, tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules.update(torch=None)\n"
        "from tracker_ros.cli import main\n"
        f"sys.exit(main(['models', 'import', {str(tmp_path / 'a.pth')!r}, '--model', "
        "'siamfc_small', '--as', 'mine']))"
    )
    (tmp_path / "a.pth").write_bytes(b"weights")
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=MODELS.parents[1], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "error: models needs" in done.stderr and "./run setup train" in done.stderr


# --- import --------------------------------------------------------------------------------------


def test_an_import_says_what_it_made_and_what_it_left_out(
    own: Path, tmp_path: Path, capsys: Capture
) -> None:
    torch = pytest.importorskip("torch", reason=NEEDS_TORCH)
    publish(own, SIAMFC)
    file = tmp_path / "a.pth"
    torch.save({"state_dict": official(SIAMFC), "made_in": timedelta(1)}, file)
    assert models("import", str(file), "--model", "tiny_siamfc", "--as", "mine") == 0
    told = capsys.readouterr()
    assert f"card: {own / 'mine.yaml'}" in told.out
    assert f"file: {own / 'weights' / 'mine.search.onnx'} (" in told.out
    assert "asks for datetime.timedelta: left out, nothing of it was run" in told.err
    assert "warning" not in told.err
    assert "not verified that these are the published weights (the card of tiny_si" in told.err
    assert models("show", "mine") == 0
    assert "models import tiny.pth --model mine --force" in capsys.readouterr().out


def test_a_file_that_asks_for_code_is_a_warning_before_all_else(
    own: Path, tmp_path: Path, capsys: Capture
) -> None:
    torch = pytest.importorskip("torch", reason=NEEDS_TORCH)
    publish(own, SIAMFC)
    victim, file = tmp_path / "created", tmp_path / "a.pth"
    hostile = Call(os.system, f"touch {victim}")
    torch.save({"state_dict": official(SIAMFC), "more": hostile}, file)
    assert models("import", str(file), "--model", "tiny_siamfc") == 0
    warning, *others = capsys.readouterr().err.splitlines()
    assert warning.startswith(f"warning: {file} asks to run posix.system: not done")
    assert "Do not open it with torch.load" in warning
    assert not any("posix" in line for line in others)
    assert not victim.exists()


def test_a_hostile_file_is_one_line_and_nothing_else(
    own: Path, tmp_path: Path, capsys: Capture
) -> None:
    pytest.importorskip("torch", reason=NEEDS_TORCH)
    publish(own, SIAMFC)
    victim = tmp_path / "created"
    data = f"cposix\nsystem\n(Vtouch {victim}\ntR.".encode()
    line = refusal(
        capsys, "import", str(as_zip(data, tmp_path / "a.pth")), "--model", "tiny_siamfc"
    )
    assert "it holds a pickled object" in line
    assert not victim.exists()
    huge = as_zip(one_tensor(shape=(1 << 50,)), tmp_path / "b.pth", _0=bytes(16))
    assert "of a storage of 4" in refusal(capsys, "import", str(huge), "--model", "tiny_siamfc")


# --- export --------------------------------------------------------------------------------------


def test_an_exported_model_is_the_same_model_elsewhere(
    own: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "stick"
    assert models("export", "siamfc_small", "--out", str(folder)) == 0
    assert f"card: {folder / 'siamfc_small.yaml'}" in capsys.readouterr().out
    shipped = read_card("siamfc_small")
    monkeypatch.setenv("TRACKER_ROS_MODELS", str(folder))
    card = read_card("siamfc_small")
    assert card.folder == folder and card.files == shipped.files
    for role in card.files:
        assert card.graph(role).read_bytes() == shipped.graph(role).read_bytes()
    assert "there is a model 'siamfc_small' already" in refusal(
        capsys, "export", str(MODELS / "siamfc_small.yaml"), "--out", str(folder)
    )
    assert models("export", str(shipped.folder / "siamfc_small.yaml"), "--out", str(folder),
                  "--force") == 0  # fmt: skip
    assert "is where 'siamfc_small' is" in refusal(
        capsys, "export", "siamfc_small", "--out", str(folder), "--force"
    )


def test_a_model_that_is_not_whole_is_not_exported(
    own: Path, tmp_path: Path, capsys: Capture
) -> None:
    publish(own, SIAMFC)
    out = ("--out", str(tmp_path / "stick"))
    assert "'tiny_siamfc' has no weights here" in refusal(capsys, "export", "tiny_siamfc", *out)
    publish(own, {**SIAMFC, "files": dict.fromkeys(("template", "search", "match"), "0" * 64)})
    assert "is missing" in refusal(capsys, "export", "tiny_siamfc", *out)
    assert not (tmp_path / "stick").exists()


@pytest.mark.parametrize("card", [SIAMFC, SIAMRPN], ids=["siamfc", "siamrpnpp"])
def test_random_weights_are_those_of_their_seed_and_said_to_track_nothing(
    own: Path, tmp_path: Path, card: dict[str, object]
) -> None:
    pytest.importorskip("torch", reason=NEEDS_TORCH)
    publish(own, card)
    name = str(card["name"])
    made = {}
    for folder, seed in (("a", "5"), ("b", "5"), ("c", "6")):
        out = tmp_path / folder
        assert models("export", name, "--untrained", seed, "--out", str(out)) == 0
        written = yaml.safe_load((out / f"{name}_untrained.yaml").read_text())
        assert written["name"] == f"{name}_untrained"
        assert "random weights" in written["notes"] and "tracks nothing" in written["notes"]
        assert "measured" not in written and "checkpoint" not in written
        made[folder] = written["files"]
    assert made["a"] == made["b"] != made["c"]


def test_activations_of_random_weights_are_of_real_size(own: Path) -> None:
    torch = pytest.importorskip("torch", reason=NEEDS_TORCH)
    from tracker_ros.networks.zoo import build_network
    from tracker_ros.zoo.exporting import settle

    publish(own, SIAMRPN)
    card = read_card("tiny_siamrpn")
    torch.manual_seed(1)
    network = build_network(card.tracker, card.network)
    settle(network, card)
    search = torch.rand(1, 3, 255, 255) * 255
    with torch.no_grad():
        features = network.features(search)
        maps = network.match(network.template(search[..., :127, :127]), features)
    for tensor in (*features, *maps):
        assert 0.1 < float(tensor.std()) < 10


def test_a_network_that_there_is_not_has_no_random_weights(
    own: Path, tmp_path: Path, capsys: Capture
) -> None:
    pytest.importorskip("torch", reason=NEEDS_TORCH)
    line = refusal(
        capsys, "export", "famnet_alexnet_small", "--untrained", "1", "--out", str(tmp_path / "x")
    )
    assert "no network for the tracker 'famnet'" in line
    assert not (tmp_path / "x").exists()
