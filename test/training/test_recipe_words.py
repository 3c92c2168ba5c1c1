"""What is wrong in a recipe is said with its file and section, in words of recipes."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: ./run setup train")

from small_collection import tiny_recipe, train, write_collection  # noqa: E402

from tracker_ros.errors import DataError, ModelError  # noqa: E402
from tracker_ros.training.contact_sheet import sampling_of  # noqa: E402
from tracker_ros.training.recipe import RECIPES  # noqa: E402


def told(folder: Path, *options: object, **changed: str) -> str:
    with pytest.raises(ModelError) as error:
        train(tiny_recipe(folder, "siamrpnpp", **changed), folder / "nowhere", *options)
    return str(error.value)


TRAIN = "batch: 2, learning_rate: 1.0e-3"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"respnd": "{}"}, "unknown key 'respnd' of the recipe; did you mean 'respond'? there are"),
        (
            {"train": f"{{setps: 2, {TRAIN}}}"},
            "unknown key 'setps' in section 'train'; did you mean 'steps'? there are steps, batch",
        ),
        (
            {"distil": f"{{setps: 2, {TRAIN}}}"},
            "unknown key 'setps' in section 'distil'; did you mean 'steps'? there are steps, batch",
        ),
        (
            {"sampling": "{vidoe: 0.5}"},
            "unknown key 'vidoe' in section 'sampling'; did you mean 'video'? there are search_",
        ),
        (
            {"respond": "{wieght: 1}"},
            "unknown key 'wieght' in section 'respond'; did you mean 'weight'? there are weight",
        ),
        ({"train": "{qqq: 2}"}, "unknown key 'qqq' in section 'train'; there are steps"),
        ({"train": f"{{{TRAIN}}}"}, "the key 'steps' in section 'train' is missing"),
        ({"train": "[2]"}, "[2] in section 'train'; expected a table of keys"),
        ({"path": "x"}, "unknown key 'path' of the recipe; "),
        ({"train": f"{{steps: 2, seed: 3, {TRAIN}}}"}, "unknown key 'seed' in section 'train'"),
        ({"paper": "2019"}, "paper is 2019; expected a text"),
    ],
    ids=str,
)
def test_a_key_is_named_with_file_and_section(
    tmp_path: Path, changed: dict[str, str], words: str
) -> None:
    assert told(tmp_path, **changed).startswith(f"{tmp_path / 'tiny.yaml'}: {words}")
    assert "__init__" not in told(tmp_path, **changed)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (
            {"train": "{steps: 2, batch: 2, learning_rate: -1}"},
            "section train: learning_rate is -1",
        ),
        ({"distil": f"{{steps: many, {TRAIN}}}"}, "section distil: steps is 'many'; expected a"),
        ({"sampling": "{flip: 2}"}, "section sampling: flip is 2; possible is 0 to 1"),
        (
            {"tracking": "{instance: 200}"},
            "section tracking: instance is 200; possible is 255",
        ),
    ],
    ids=str,
)
def test_a_value_is_named_with_file_and_section_once(
    tmp_path: Path, changed: dict[str, str], words: str
) -> None:
    message = told(tmp_path, **changed)
    assert message.startswith(f"{tmp_path / 'tiny.yaml'}, {words}")
    assert message.count("section") == 1


def test_a_recipe_without_a_tracker_and_one_of_famnet_are_named_alike(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    text = tiny_recipe(tmp_path, "siamrpnpp").read_text()
    path.write_text(text.replace("tracker:", "trakcer:"))
    with pytest.raises(ModelError, match=r"r\.yaml: unknown key 'trakcer'.*mean 'tracker'"):
        train(path, tmp_path / "nowhere")
    path.write_text((RECIPES / "famnet.yaml").read_text().replace("shares:", "sahres:"))
    with pytest.raises(ModelError, match=r"r\.yaml: unknown key 'sahres'.*mean 'shares'"):
        train(path, tmp_path / "nowhere")


def test_the_sheet_names_a_wrong_key_as_training_does(tmp_path: Path) -> None:
    path = tiny_recipe(tmp_path, "siamrpnpp", sampling="{vidoe: 1}")
    with pytest.raises(ModelError, match=r"tiny\.yaml: unknown key 'vidoe' in section 'sampling'"):
        sampling_of(str(path))


@pytest.mark.parametrize("options", [["--held-out", "held"], []], ids=["given", "the recipe's"])
def test_one_held_out_track_is_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    data = write_collection(tmp_path)
    assert train(tiny_recipe(tmp_path, "siamrpnpp"), data, "--out", tmp_path / "o", *options) == 0
    (line,) = [row for row in capsys.readouterr().err.splitlines() if row.startswith("warning: ")]
    assert ("--held-out names" in line) == bool(options)
    assert "held: tracking values and thresholds are fitted to it" in line
    assert "hold out two unlike tracks or more" in line


def test_held_out_names_of_the_recipe_are_called_so(tmp_path: Path) -> None:
    data = write_collection(tmp_path)
    recipe = tiny_recipe(tmp_path, "siamrpnpp", held_out="[davis_camel]")
    with pytest.raises(DataError, match=r"--held-out \(none was given.*the recipe's, .*tiny\.yaml"):
        train(recipe, data, "--out", tmp_path / "o")
    with pytest.raises(DataError) as error:
        train(recipe, data, "--out", tmp_path / "o", "--held-out", "typo")
    assert "none was given" not in str(error.value)
