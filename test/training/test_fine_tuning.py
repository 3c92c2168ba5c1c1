"""Training that goes on from weights: of a run, and of the models that ship. Needs torch."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: ./run setup train")

from safetensors.torch import load_file  # noqa: E402
from small_collection import COMPACT, tiny_recipe, train, write_collection  # noqa: E402

from tracker_ros.errors import ModelError  # noqa: E402
from tracker_ros.models.card import MODELS, read_card  # noqa: E402
from tracker_ros.sot import load_model  # noqa: E402
from tracker_ros.sot.backends import open_engines  # noqa: E402
from tracker_ros.training.recipe import read_recipe  # noqa: E402
from tracker_ros.training.run import Run, check_recipe  # noqa: E402
from tracker_ros.training.session import Session  # noqa: E402
from tracker_ros.training.task import backbone_in, load_strictly, read_weights  # noqa: E402

SHIPPED = sorted(path.stem for path in (MODELS / "weights").glob("*.safetensors"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_collection(tmp_path)


def test_a_run_goes_on_from_anothers_weights_in_smaller_steps(data: Path, tmp_path: Path) -> None:
    recipe, first, second = tiny_recipe(tmp_path, "siamrpnpp"), tmp_path / "1", tmp_path / "2"
    assert train(recipe, data, "--out", first) == 0
    begin = first / "network.safetensors"
    assert train(recipe, data, "--out", second, "--weights", begin, "--seed", 1) == 0
    before, after = load_file(begin), load_file(second / "network.safetensors")
    moved = {k: float((after[k] - v).abs().mean()) for k, v in before.items() if v.dim() > 1}
    fresh = torch.manual_seed(1) and check_recipe(read_recipe(str(recipe)), Run(Session(tmp_path)))
    apart = fresh.network.state_dict()
    for key, distance in moved.items():
        assert 0 < distance < 0.2 * float((apart[key] - before[key]).abs().mean()), key
    made = load_model(str(second / "tiny.yaml"), threads=1).card.training
    assert str(made["weights"]).startswith("network.safetensors ")
    with pytest.raises(ModelError, match=r"began|weights"):  # not what that run began with
        train(recipe, data, "--out", second, "--resume")


def test_steps_from_weights_are_a_tenth_as_long(tmp_path: Path) -> None:
    values = {"steps": 2, "batch": 2, "learning_rate": 0.01}
    plain, tuned = (Run(Session(tmp_path), weights=path) for path in (None, tmp_path / "w"))
    assert plain.trainer(values).learning_rate == 0.01
    assert tuned.trainer(values).learning_rate == pytest.approx(0.001)


def test_the_backbone_of_a_run_without_a_teacher_starts_atom(data: Path, tmp_path: Path) -> None:
    siamese = tiny_recipe(tmp_path, "siamrpnpp", **COMPACT)
    assert train(siamese, data, "--out", tmp_path / "1") == 0
    assert not (tmp_path / "1" / "backbone.safetensors").exists()
    begin, atom = tmp_path / "1" / "network.safetensors", tiny_recipe(tmp_path, "atom")
    assert train(atom, data, "--out", tmp_path / "2", "--backbone", begin) == 0
    made = load_file(tmp_path / "2" / "network.safetensors")
    expected = load_file(begin)["backbone.stages.layer3.0.conv1.weight"]
    assert torch.equal(made["feature_extractor.layer3.0.conv1.weight"], expected)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--weights", "nope"], r"--weights nope: there is neither such a file nor such a model"),
        (["--weights", "siamfc_small"], r"siamfc_small\.safetensors: there is neither"),
        (["--weights", "siamrpnpp_resnet18"], r"not those of its network: \d+ are missing"),
        (["--weights", "siamrpnpp_resnet18", "--backbone", "siamrpnpp_resnet18"],
         "leave out --backbone"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_weights_that_do_not_fit_are_named_before_anything_is_read(
    tmp_path: Path, options: list[str], words: str
) -> None:
    with pytest.raises(ModelError, match=words):
        train(tiny_recipe(tmp_path, "siamrpnpp"), tmp_path / "nowhere", *options)


def test_some_models_ship_with_weights_to_go_on_from() -> None:
    assert SHIPPED == ["atom_resnet18_small", "siamrpnpp_resnet18"]


@pytest.mark.parametrize("name", SHIPPED)
def test_weights_that_ship_are_those_of_the_graphs(name: str) -> None:
    card, rng = read_card(name), np.random.default_rng(0)
    ours, theirs = (
        open_engines(card, card.files, threads=1, backend=backend)
        for backend in ("onnxruntime", "torch")
    )
    for role in card.files:
        inputs = {
            t.name: rng.uniform(20, 200, [side or 1 for side in t.shape]).astype(np.float32)
            for t in ours[role].inputs
        }
        found, expected = theirs[role].run(inputs), ours[role].run(inputs)
        for key, value in expected.items():
            off = np.linalg.norm(found[key] - value) / np.linalg.norm(value)
            assert off < 0.005, (role, key)  # both are rounded to float16


@pytest.mark.parametrize("name", SHIPPED)
def test_weights_that_ship_fit_their_recipe(name: str, tmp_path: Path) -> None:
    recipe = {"atom_resnet18_small": "atom", "siamrpnpp_resnet18": "siamrpnpp"}[name]
    state = read_weights(read_card(name).weights_path, "--weights")
    task = check_recipe(read_recipe(recipe), Run(Session(tmp_path)))
    load_strictly(task.network, state, recipe, "network")
    task.start_from(backbone_in(state))
    atom = check_recipe(read_recipe("atom"), Run(Session(tmp_path)))
    atom.start_from(backbone_in(state))
