"""`tracker_ros train` as a whole, in small, and what it refuses. Needs torch (the train extra)."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: ./run setup train")

from safetensors.torch import load_file, save_file  # noqa: E402
from small_collection import COMPACT, tiny_recipe, train, write_collection  # noqa: E402

from tracker_ros.errors import ModelError  # noqa: E402
from tracker_ros.networks.backbones.alexnet import AlexNet  # noqa: E402
from tracker_ros.sot import load_model  # noqa: E402
from tracker_ros.training.famnet import read_famnet_recipe  # noqa: E402
from tracker_ros.training.recipe import (  # noqa: E402
    is_famnet,
    read_recipe,
    recipe_names,
    recipe_path,
)
from tracker_ros.training.run import Run, check_recipe  # noqa: E402
from tracker_ros.training.session import Session  # noqa: E402
from tracker_ros.training.tasks import TASKS  # noqa: E402
from tracker_ros.training.teacher import Teacher, TeacherFiles  # noqa: E402
from tracker_ros.training.trainer import Trainer  # noqa: E402


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_collection(tmp_path)


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_is_valid_and_an_unknown_one_is_named(name: str, tmp_path: Path) -> None:
    if is_famnet(recipe_path(name)):
        Trainer(**read_famnet_recipe(recipe_path(name)).train)
    else:
        check_recipe(read_recipe(name), Run(Session(tmp_path)))
    with pytest.raises(ModelError, match=f"'nope'.*{name}"):
        read_recipe("nope")


class Nano(torch.nn.Module):
    """A backbone with a residual sum at stride 8, and an output of stride 16, as the teacher's."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Conv2d(3, 6, 8, 8, padding=1)
        self.beside = torch.nn.Conv2d(6, 6, 1)
        self.last = torch.nn.Conv2d(6, 5, 3, 2, padding=1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.first(image)
        return self.last(x + self.beside(x))


class NanoHead(torch.nn.Module):
    """Takes features of a template and of a search crop, gives two logits and four sides."""

    def forward(
        self, template: torch.Tensor, search: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        like = (template.mean((2, 3), keepdim=True) * search).sum(1, keepdim=True)
        return torch.cat((-like, like), 1), torch.cat((like,) * 4, 1)


@pytest.fixture
def teacher(tmp_path: Path) -> Path:
    """A folder as NanoTrack's, with random weights."""
    folder = tmp_path / "teacher"
    folder.mkdir()
    torch.manual_seed(0)
    crop, features = (
        torch.zeros(1, 3, 255, 255),
        (torch.zeros(1, 5, 8, 8), torch.zeros(1, 5, 16, 16)),
    )
    torch.onnx.export(Nano(), (crop,), str(folder / "backbone.onnx"), dynamo=False)
    torch.onnx.export(NanoHead(), features, str(folder / "head.onnx"), dynamo=False)
    return folder


@pytest.mark.parametrize("name", TASKS)
def test_a_run_in_small_gives_a_model_that_loads(
    data: Path, tmp_path: Path, teacher: Path, name: str
) -> None:
    out = tmp_path / "run"
    begin = ["--teacher", teacher] if TASKS[name].rests else []
    assert train(tiny_recipe(tmp_path, name), data, "--out", out, *begin) == 0
    model = load_model(str(out / "tiny.yaml"), threads=1)
    assert model.tracker == name
    assert model.card.measured.keys() >= {"held_out_tracks_auc", "held_out_pairs_iou"}
    assert not model.card.monitor  # one held-out track does not show what a search finds elsewhere
    made = model.card.training
    assert made["steps_tiny"] == 2 and made["seed"] == 0 and made["minutes"] >= 0
    assert ("teacher" in made) == bool(begin)
    assert any(
        "NanoTrack" in str(line) or "backbone.onnx" in line for line in model.card.trained_on
    ) == bool(begin)
    assert (out / "curves.png").stat().st_size > 1000


def test_a_backbone_that_rests_has_to_be_given(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"not trained on pairs: .*--weights.*--backbone"):
        train(tiny_recipe(tmp_path, "atom"), data)


@pytest.mark.parametrize("changed", [{}, COMPACT], ids=["alexnet", "resnet18"])
def test_a_distilled_backbone_is_kept_and_starts_another_run(
    data: Path, tmp_path: Path, teacher: Path, changed: dict[str, str]
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    recipe = tiny_recipe(tmp_path, "siamrpnpp", **changed)
    assert train(recipe, data, "--out", first, "--teacher", teacher) == 0
    backbone = first / "backbone.safetensors"
    network = (first / "network.safetensors").read_bytes()
    assert train(recipe, data, "--out", first, "--teacher", teacher, "--resume") == 0
    assert (first / "network.safetensors").read_bytes() == network
    assert train(recipe, data, "--out", second, "--backbone", backbone) == 0
    assert load_model(str(second / "tiny.yaml"), threads=1).tracker == "siamrpnpp"


def test_a_run_is_not_resumed_as_another_one(data: Path, tmp_path: Path, teacher: Path) -> None:
    out = tmp_path / "run"
    recipe = tiny_recipe(tmp_path, "siamrpnpp", **COMPACT)
    assert train(recipe, data, "--out", out, "--teacher", teacher) == 0
    with pytest.raises(ModelError, match=r"began with a teacher .*give the same --teacher"):
        train(recipe, data, "--out", out, "--resume")
    with pytest.raises(ModelError, match="seed is 0 in it and 1 now"):
        train(recipe, data, "--out", out, "--teacher", teacher, "--resume", "--seed", 1)
    other = tiny_recipe(
        tmp_path, "siamrpnpp", **{**COMPACT, "sampling": "{search_size: 255, shift: 9}"}
    )
    with pytest.raises(ModelError, match=r"sampling\.shift is not there in it and 9 now"):
        train(other, data, "--out", out, "--teacher", teacher, "--resume")


def test_the_teachers_responses_are_learnt_besides(
    data: Path, tmp_path: Path, teacher: Path
) -> None:
    """The same run with and without them ends with other weights."""
    kept = []
    for weight in ("{}", "{weight: 1.0}"):
        out = tmp_path / f"run{len(kept)}"
        recipe = tiny_recipe(tmp_path, "siamrpnpp", **COMPACT, respond=weight)
        assert train(recipe, data, "--out", out, "--teacher", teacher) == 0
        kept.append(load_file(out / "network.safetensors"))
    assert not torch.equal(*(state["rpn_head.cls.head.3.weight"] for state in kept))


def test_responses_ask_for_a_teacher_with_a_head_and_for_its_crops(
    data: Path, tmp_path: Path, teacher: Path
) -> None:
    recipe = tiny_recipe(tmp_path, "siamrpnpp", **COMPACT, respond="{weight: 1.0}")
    with pytest.raises(ModelError, match="has no head; give the folder"):
        train(recipe, data, "--teacher", teacher / "backbone.onnx")
    recipe = tiny_recipe(tmp_path, "siamrpnpp", respond="{weight: 1.0}")
    with pytest.raises(
        ModelError, match="have to be 127 and 255 px of region context, and are 127 and 239"
    ):
        train(recipe, data, "--teacher", teacher)


def test_a_teacher_is_asked_for_crops_of_both_sizes(teacher: Path) -> None:
    asked = Teacher(TeacherFiles.at(teacher))
    crop = np.full((255, 255, 3), 128, np.uint8)
    fine, coarse = asked.features(crop)
    assert fine.shape == (6, 32, 32) and coarse.shape == (5, 16, 16)
    sure = asked.respond(crop[:127, :127], crop)
    assert sure.shape == (16, 16) and 0 <= sure.min() <= sure.max() <= 1


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"sampling": "{searchsize: 239}"}, "'searchsize' in section 'sampling'.*'search_size'"),
        ({"train": "{stepps: 2}"}, "'stepps' in section 'train'; did you mean 'steps'"),
        ({"tracking": "{penalty: 1}"}, "section tracking.*penalty"),
        ({"network": "{widths: [4, 8, 8, 8, 8], heads: 2}"}, "network of the tracker.*heads"),
        ({"name": "../net"}, "'../net', which its model would have"),
        ({"tracking": "{instance: 200}"}, "section tracking: instance is 200; possible is 255"),
        ({"held_out": "[]"}, "holds no track out.*--held-out"),
        ({"network": "{widths: [-4, 8, 8, 8, 8]}"}, "section network: .*negative"),
        ({"sampling": "{search_size: 64}"}, "section sampling: "),
        (
            {"sampling": "{template_size: 135}"},
            r"trains SiamRPN\+\+: its crops have to be 127 and 239 px of region context",
        ),
        ({"held_out": "kept"}, "held_out is 'kept'; expected a list"),
        ({"paper": "2019"}, "paper is 2019; expected a text"),
        ({"tracker": "mosse"}, "trains 'mosse'; known are"),
        ({"respond": "[0.5]"}, "section 'respond'"),
        (
            {"train": "{steps: 2, batch: 2, learning_rate: 1.0e-3, rates: {neckk: 0.1}}"},
            "rate of 'neckk' is given, and the network has no such part; it has backbone, rpn_head",
        ),
    ],
    ids=str,
)
def test_a_recipe_that_cannot_work_is_refused_before_anything_is_read(
    tmp_path: Path, changed: dict[str, str], words: str
) -> None:
    with pytest.raises(ModelError, match=words):
        train(tiny_recipe(tmp_path, "siamrpnpp", **changed), tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--teacher", "no.onnx"], r"teacher no\.onnx is no file and no folder"),
        (["--backbone", "no.safetensors"], r"--backbone no\.safetensors: there is neither such"),
        (["--device", "warp"], "--device warp cannot be used"),
    ],
    ids=lambda value: str(value[0]),
)
def test_what_is_not_there_is_named_before_anything_is_read(
    tmp_path: Path, options: list[str], words: str
) -> None:
    with pytest.raises(ModelError, match=words):
        train(tiny_recipe(tmp_path, "siamrpnpp"), tmp_path / "nowhere", *options)


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (
            "{widths: [4, 8, 8, 8, 16], groups: 1}",
            "not those of its backbone: 6 are .*another shape",
        ),
        ("{groups: 1}", "not those of its backbone"),
        ("{widths: [4, 8, 8, 8, 8], groups: 2}", "asks for 2; write groups: 1"),
    ],
)
def test_siamfc_names_what_does_not_fit_in_a_backbone_of_siamrpnpp(
    tmp_path: Path, network: str, words: str
) -> None:
    backbone = tmp_path / "backbone.safetensors"
    save_file(AlexNet((4, 8, 8, 8, 8)).state_dict(), backbone)
    recipe = tiny_recipe(tmp_path, "siamfc", network=network)
    with pytest.raises(ModelError, match=words):
        train(recipe, tmp_path / "nowhere", "--backbone", backbone)


def write_text(teacher: Path) -> None:
    (teacher / "backbone.onnx").write_text("not found")


def cut(teacher: Path) -> None:
    path = teacher / "backbone.onnx"
    path.write_bytes(path.read_bytes()[:200])


def leave_out_the_sum(teacher: Path) -> None:
    shutil.copy(teacher / "head.onnx", teacher / "backbone.onnx")


def take_the_backbone_for_the_head(teacher: Path) -> None:
    shutil.copy(teacher / "backbone.onnx", teacher / "head.onnx")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (write_text, r"backbone\.onnx and .*head\.onnx cannot be run: "),
        (cut, "cannot be run: "),
        (leave_out_the_sum, "no residual sum of 32x32 cells"),
        (take_the_backbone_for_the_head, "cannot be run: "),
    ],
)
def test_a_teacher_that_cannot_teach_is_named_in_one_line_before_anything_is_read(
    tmp_path: Path, teacher: Path, damage: Callable[[Path], None], words: str
) -> None:
    damage(teacher)
    with pytest.raises(ModelError, match=words) as told:
        train(tiny_recipe(tmp_path, "siamrpnpp"), tmp_path / "nowhere", "--teacher", teacher)
    assert "\n" not in str(told.value)


def test_damaged_weights_and_a_folder_that_is_a_file_are_named_before_anything_is_read(
    tmp_path: Path,
) -> None:
    recipe, file = tiny_recipe(tmp_path, "siamrpnpp"), tmp_path / "cut.safetensors"
    file.write_bytes(bytes(7))
    with pytest.raises(ModelError, match=r"cut\.safetensors cannot be read as weights"):
        train(recipe, tmp_path / "nowhere", "--backbone", file)
    with pytest.raises(ModelError, match=r"the run's folder, --out, .*cut\.safetensors"):
        train(recipe, tmp_path / "nowhere", "--out", file)


@pytest.mark.parametrize(
    "option", [("--workers", -1), ("--threads", -1), ("--seed", -1), ("--scale", 0)], ids=str
)
def test_a_number_that_cannot_be_is_refused(
    tmp_path: Path, option: tuple[str, int], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        train(tiny_recipe(tmp_path, "siamrpnpp"), tmp_path / "nowhere", *option)
    assert f"argument {option[0]}: " in capsys.readouterr().err
