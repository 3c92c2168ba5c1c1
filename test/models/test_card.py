"""Model cards: what a missing, damaged or wrong one says."""

import dataclasses
import shutil
from pathlib import Path

import pytest
import yaml

from tracker_ros.errors import ModelError
from tracker_ros.models.card import MODELS, Checkpoint, card_names, read_card
from tracker_ros.sot import DEFAULT_MODELS, load_model

NAME = "siamrpnpp_alexnet_small"
SHIPPED = sorted(path.stem for path in MODELS.glob("*.yaml"))


@pytest.fixture(autouse=True)
def no_models_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKER_ROS_MODELS", str(tmp_path / "none"))


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


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_card_is_complete_and_honest(name: str) -> None:
    card = read_card(name)
    assert card.name == name
    assert card.trained_on, "a card says what its weights were trained on"
    assert card.measured or not card.files, "a card says what its weights score"
    assert card.files or not card.measured, "what others published is no figure of ours"
    assert card.files or card.checkpoint, "weights are here, or official ones can be imported"
    for role in card.files:
        path = card.graph(role)
        assert path.stat().st_size < 12 * 2**20


def test_each_tracker_has_a_model_that_ships() -> None:
    assert set(DEFAULT_MODELS.values()) <= set(SHIPPED)


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


MANY = "a" * 64


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"colour": "red"}, "field colour is 'red'; expected one of name, tracker, paper"),
        ({"notes": "a\x1b[2Jb"}, "notes is 'a\\x1b[2Jb'; expected a text without control"),
        ({"paper": None}, "paper is None; expected a text"),
        ({"trained_on": "everything"}, "trained_on is 'everything'; expected a list"),
        ({"trained_on": ["a", 3]}, "trained_on[1] is 3; expected a text"),
        ({"files": ["search"]}, "files is ['search']; expected a mapping"),
        ({"files": {"search": "abc"}}, "files.search is 'abc'; expected a sha256: 64 hex digits"),
        ({"files": {"search": MANY.upper()}}, "expected a sha256: 64 hex digits in lower case"),
        ({"files": {"../search": MANY}}, "a key of files is '../search'; expected a word"),
        ({"network": {"widths": [1, float("nan")]}}, "network.widths[1] is nan; expected a finite"),
        ({"network": {"widths": {"a": 1}}}, "network.widths is {'a': 1}; expected a finite number"),
        ({"tracking": {"lr": "0.3"}}, "tracking.lr is '0.3'; expected a finite number"),
        ({"tracking": {"lr": float("nan")}}, "tracking.lr is nan; expected a finite number"),
        ({"tracking": {"lr": float("inf")}}, "tracking.lr is inf; expected a finite number"),
        ({"tracking": {3: 0.1}}, "a key of tracking is 3; expected a word"),
        ({"monitor": {"lost_score": [1]}}, "monitor.lost_score is [1]; expected a finite number"),
        ({"measured": {"auc": None}}, "measured.auc is None; expected a finite number"),
        ({"name": "another"}, f"name is 'another'; expected {NAME}, as the file is called"),
        ({"name": "../escaped"}, "name is '../escaped'; expected a name of letters, digits"),
        ({"name": 7}, "name is 7; expected a name"),
        ({"tracker": ""}, "tracker is ''; expected the name of a tracker"),
        ({"checkpoint": "pysot"}, "checkpoint is 'pysot'; expected a mapping"),
        ({"checkpoint": {"layout": "pysot"}}, "field checkpoint.page is None; expected it to be"),
    ],
)
def test_a_field_that_is_wrong_is_named_with_its_value_and_what_is_expected(
    copied: Path, changes: dict[object, object], complaint: str
) -> None:
    copied.write_text(yaml.safe_dump({**yaml.safe_load(copied.read_text()), **changes}))
    with pytest.raises(ModelError) as refused:
        load_model(str(copied))
    line = str(refused.value)
    assert complaint in line and f"the model card {copied} is not valid: " in line
    assert "\n" not in line


CHECKPOINT = {"layout": "pysot", "page": "here", "licence": "MIT", "files": ["a.pth"]}


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"files": "a.pth"}, "checkpoint.files is 'a.pth'; expected a list"),
        ({"files": ["../a.pth"]}, "checkpoint.files[0] is '../a.pth'; expected the name of a file"),
        ({"urls": ["file:///etc/a"], "sha256": [MANY]}, "checkpoint.urls[0] is 'file:///etc/a'"),
        ({"urls": ["https://a.org/a"]}, "checkpoint.sha256 is []; expected one for each of"),
        (
            {"urls": ["https://a.org/a"] * 2, "sha256": [MANY] * 2},
            "expected one for each of ['a.pt",
        ),
        ({"key": 1}, "field checkpoint.key is 1; expected one of layout, page"),
    ],
)
def test_official_files_are_held_to_what_can_be_fetched(
    copied: Path, changes: dict[str, object], complaint: str
) -> None:
    content = yaml.safe_load(copied.read_text())
    copied.write_text(yaml.safe_dump({**content, "checkpoint": {**CHECKPOINT, **changes}}))
    with pytest.raises(ModelError) as refused:
        read_card(str(copied))
    assert complaint in str(refused.value)
    urls = {"urls": ["https://a.org/a"], "sha256": [MANY]}
    copied.write_text(yaml.safe_dump({**content, "checkpoint": {**CHECKPOINT, **urls}}))
    assert read_card(str(copied)).checkpoint == Checkpoint(
        "pysot", "here", "MIT", ("a.pth",), ("https://a.org/a",), (MANY,)
    )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("name: a\nname: b\n", "the key 'name' comes twice"),
        ("files:\n  search: a\n  search: b\n", "the key 'search' comes twice"),
        ("a: &x [1]\nb: [*x, *x]\n", "an alias"),
        ("? [a, b]\n: 1\n", "a key is a list"),
        ("", "the file is None; expected a mapping"),
        ("- a\n- b\n", "the file is ['a', 'b']; expected a mapping"),
        ("name: !!python/object/apply:os.system ['true']\n", "could not determine a constructor"),
        ("name: 2001-99-99\n", "not valid"),
        ("[" * 5000, "not valid"),
        ("a: " + "b" * (2 << 20), "larger than 1 MiB"),
        ("tracker: \0\n", "not valid"),
    ],
    ids=["key", "inner key", "alias", "list", "empty", "no table", "object", "date", "deep",
         "large", "zero"],
)  # fmt: skip
def test_yaml_that_is_no_card_is_refused_in_one_line(
    copied: Path, text: str, complaint: str
) -> None:
    copied.write_text(text)
    with pytest.raises(ModelError) as refused:
        read_card(str(copied))
    assert complaint in str(refused.value) and "\n" not in str(refused.value)


def test_a_card_that_is_no_text_is_refused(copied: Path) -> None:
    copied.write_bytes(bytes(range(256)))
    with pytest.raises(ModelError, match="not valid"):
        read_card(str(copied))
    copied.unlink()
    copied.mkdir()
    with pytest.raises(ModelError, match="does not exist"):
        read_card(str(copied))


@pytest.mark.parametrize("name", ["../models/siamfc_small", "a/b", "", "siamfc_small.onnx"])
def test_a_name_is_no_path(name: str) -> None:
    with pytest.raises(ModelError, match=rf"no model '{name}'; there are .*{NAME}"):
        read_card(name)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_card_that_is_written_is_read_as_it_was(tmp_path: Path, name: str) -> None:
    card = read_card(name)
    path = tmp_path / f"{name}.yaml"
    path.write_text(card.as_yaml(), encoding="utf-8")
    assert read_card(str(path)) == dataclasses.replace(card, folder=tmp_path)


def test_the_users_own_card_comes_before_the_one_that_ships(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKER_ROS_MODELS", str(copied.parent))
    assert read_card(NAME).folder == copied.parent
    copied.rename(copied.with_name("other.yaml"))
    assert read_card(NAME).folder == MODELS
    assert "other" in card_names()
    monkeypatch.setenv("TRACKER_ROS_MODELS", str(copied / "no" / "folder"))
    assert read_card(NAME).folder == MODELS


def test_a_wrong_tracking_key_is_named_with_those_there_are(copied: Path) -> None:
    edit(copied, "tracking", "windowinfluence", 0.4)
    with pytest.raises(ModelError, match=r"windowinfluence.*window_influence"):
        load_model(str(copied))


def test_a_card_for_another_tracker_is_refused_at_load(copied: Path) -> None:
    content = yaml.safe_load(copied.read_text())
    copied.write_text(yaml.safe_dump({**content, "tracker": "kcf"}))
    with pytest.raises(ModelError, match=r"'kcf'.*siamrpnpp"):
        load_model(str(copied))
