"""Model cards: what a missing, damaged or wrong one says."""

import shutil
from pathlib import Path

import pytest
import yaml

from tracker_ros.errors import ModelError
from tracker_ros.models.card import MODELS, card_names, read_card
from tracker_ros.sot import DEFAULT_MODELS, load_model

NAME = "siamrpnpp_alexnet_small"


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A card of the package with its files, copied where a test may damage them."""
    (tmp_path / "weights").mkdir()
    shutil.copy(MODELS / f"{NAME}.yaml", tmp_path)
    for graph in (MODELS / "weights").glob(f"{NAME}.*.onnx"):
        shutil.copy(graph, tmp_path / "weights")
    return tmp_path / f"{NAME}.yaml"


def edit(card: Path, section: str, key: str, value: object) -> None:
    content = yaml.safe_load(card.read_text())
    content[section][key] = value
    card.write_text(yaml.safe_dump(content))


@pytest.mark.parametrize("name", card_names())
def test_every_shipped_card_is_complete_and_honest(name: str) -> None:
    card = read_card(name)
    assert card.name == name
    assert card.trained_on, "a card says what its weights were trained on"
    assert card.measured, "a card says what it scores"
    for role in card.files:
        path = card.graph(role)
        assert path.stat().st_size < 12 * 2**20


def test_each_tracker_has_a_model_that_ships() -> None:
    assert set(DEFAULT_MODELS.values()) <= set(card_names())


def test_an_unknown_model_is_named_with_those_there_are() -> None:
    with pytest.raises(ModelError, match=f"'resnet'.*{NAME}"):
        load_model("resnet")


def test_a_missing_file_is_named_by_its_path(copied: Path) -> None:
    graph = copied.parent / "weights" / f"{NAME}.search.onnx"
    graph.unlink()
    with pytest.raises(ModelError, match=f"{graph} is missing"):
        load_model(str(copied))


def test_a_damaged_file_is_found_before_it_is_loaded(copied: Path) -> None:
    graph = copied.parent / "weights" / f"{NAME}.template.onnx"
    data = bytearray(graph.read_bytes())
    data[len(data) // 2] ^= 0xFF
    graph.write_bytes(data)
    with pytest.raises(ModelError, match=f"{graph} is damaged"):
        load_model(str(copied))


def test_a_card_that_is_not_yaml_or_lacks_a_key_says_so(copied: Path) -> None:
    copied.write_text("name: [unclosed")
    with pytest.raises(ModelError, match="not valid"):
        read_card(str(copied))
    copied.write_text("name: x\ntrained_on: []\n")
    with pytest.raises(ModelError, match=r"not valid.*tracker"):
        read_card(str(copied))


def test_a_wrong_tracking_key_is_named_with_those_there_are(copied: Path) -> None:
    edit(copied, "tracking", "windowinfluence", 0.4)
    with pytest.raises(ModelError, match=r"windowinfluence.*window_influence"):
        load_model(str(copied))


def test_a_card_for_another_tracker_is_refused_at_load(copied: Path) -> None:
    content = yaml.safe_load(copied.read_text())
    copied.write_text(yaml.safe_dump({**content, "tracker": "kcf"}))
    with pytest.raises(ModelError, match=r"'kcf'.*siamrpnpp"):
        load_model(str(copied))
