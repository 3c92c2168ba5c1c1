"""Official weights become models, or nothing changes. Needs torch (the train extra)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from tiny_models import ATOM as TINY_ATOM
from tiny_models import SIAMFC, SIAMRPN, everything_in, official, publish, refused_import
from tiny_models import SPM as TINY_SPM

torch = pytest.importorskip("torch", reason="torch is not installed: ./run setup train")

from safetensors.torch import load_file, save_file  # noqa: E402

from tracker_ros.errors import ModelError  # noqa: E402
from tracker_ros.models.card import MODELS, file_sha256, read_card  # noqa: E402
from tracker_ros.networks.zoo import build_network  # noqa: E402
from tracker_ros.sot import load_model  # noqa: E402
from tracker_ros.zoo.exporting import export_untrained  # noqa: E402
from tracker_ros.zoo.importing import import_weights  # noqa: E402
from tracker_ros.zoo.shelf import TARGET, still  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")


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
    assert model.checkpoint is not None and model.origin.startswith(f"{file.name} (sha256 ")
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
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()
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
    assert card.notes == "Network and tracking values of siamfc_small."
    assert card.origin.startswith("mine.pth (sha256 ")


CLAIM = "as published for tiny_siamfc, if these are those weights"


def test_what_is_published_of_a_model_is_not_said_of_weights_that_only_fit(
    siamfc: Path, own: Path
) -> None:
    publish(own, {**SIAMFC, "measured": {"auc": 0.9}, "trained_on": ["GOT-10k"], "notes": "Old."})
    assert import_weights([siamfc], "tiny_siamfc").doubt
    card = read_card("tiny_siamfc")
    assert card.licence == f"not verified: MIT, {CLAIM}"
    assert card.trained_on == (f"not verified: {CLAIM}", "GOT-10k")
    assert not card.measured
    assert "not verified to be the published weights" in card.origin


def test_what_is_published_of_a_model_is_said_of_the_published_file(
    siamfc: Path, own: Path
) -> None:
    import_weights([siamfc], "tiny_siamfc", name="doubtful")
    known = {"urls": ["https://example.org/tiny.pth"], "sha256": [file_sha256(siamfc)]}
    for name in ("tiny_siamfc", "doubtful"):
        content = yaml.safe_load((own / f"{name}.yaml").read_text())
        content["checkpoint"].update(known)
        publish(own, content)
        assert not import_weights([siamfc], name, force=True).doubt
        card = read_card(name)
        assert (card.licence, card.trained_on) == ("MIT", ("nothing",))
    torch.save(official(SIAMFC, seed=7), siamfc)
    doubt = import_weights([siamfc], "tiny_siamfc", force=True).doubt
    assert doubt == f"the sha256 of {siamfc} is another than on the card of tiny_siamfc"


def test_an_import_into_an_imported_model_says_everything_once(siamfc: Path, own: Path) -> None:
    import_weights([siamfc], "tiny_siamfc", name="mine")
    first = read_card("mine")
    other = siamfc.with_name("other.pth")
    torch.save(official(SIAMFC, seed=7), other)
    import_weights([other], "mine", force=True)
    card = read_card("mine")
    assert (card.licence, card.trained_on) == (first.licence, first.trained_on)
    assert card.notes == first.notes
    assert "other.pth" in card.origin and "tiny.pth" not in card.origin


def test_random_weights_do_not_become_a_model(siamfc: Path, own: Path, tmp_path: Path) -> None:
    export_untrained("tiny_siamfc", 3, tmp_path / "random")
    file = tmp_path / "random" / "weights" / "tiny_siamfc_untrained.safetensors"
    assert "holds random weights" in refused_import(file, own)


def test_a_model_that_is_there_is_replaced_only_by_force(siamfc: Path, own: Path) -> None:
    import_weights([siamfc], "tiny_siamfc")
    assert "there is a model 'tiny_siamfc' already" in refused_import(siamfc, own)
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
    assert "ships with the package; --as" in refused_import(file, own, "siamfc_small")
    import_weights([file], "siamfc_small", force=True)
    assert read_card("siamfc_small").folder == own != MODELS
