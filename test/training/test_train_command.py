"""`tracker_ros train` as a whole, in small, and what it refuses. Needs torch (the train extra)."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: ./run setup train")

from safetensors.torch import load_file  # noqa: E402
from small_collection import COMPACT, tiny_recipe, train, write_collection  # noqa: E402

from tracker_ros.errors import ModelError  # noqa: E402
from tracker_ros.sot import load_model  # noqa: E402
from tracker_ros.training.famnet import read_famnet_recipe  # noqa: E402
from tracker_ros.training.recipe import (  # noqa: E402
    is_famnet,
    read_recipe,
    recipe_names,
    recipe_path,
)
from tracker_ros.training.run import Run, check  # noqa: E402
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
        check(read_recipe(name), Run(Session(tmp_path)))
    with pytest.raises(ModelError, match=f"'nope'.*{name}"):
        read_recipe("nope")


@pytest.mark.parametrize("name", TASKS)
def test_a_run_in_small_gives_a_model_that_loads(data: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / "run"
    sizes = {
        "atom": "{template_size: 288, search_size: 288, region: area}",
        "spm": "{template_size: 271, search_size: 271}",
    }
    recipe = tiny_recipe(tmp_path, name, sampling=sizes.get(name, "{}"))
    assert train(recipe, data, "--out", out) == 0
    model = load_model(str(out / "tiny.yaml"), threads=1)
    assert model.tracker == name
    assert model.card.measured.keys() >= {"held_out_tracks_auc", "held_out_pairs_iou"}
    assert not model.card.monitor  # one held-out track does not show what a search finds elsewhere


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
    with pytest.raises(ModelError, match="crops of 127 and 255 px, and its own have 127 and 239"):
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
        ({"sampling": "{searchsize: 239}"}, "section sampling.*searchsize"),
        ({"train": "{stepps: 2}"}, "section train.*stepps"),
        ({"tracking": "{penalty: 1}"}, "section tracking.*penalty"),
        ({"network": "{widths: [4, 8, 8, 8, 8], heads: 2}"}, "network of the tracker.*heads"),
        ({"name": "../net"}, "'../net', which its model would have"),
        ({"tracking": "{instance: 200}"}, "section tracking: instance is 200; possible is 255"),
        ({"held_out": "[]"}, "holds no track out.*--held-out"),
        ({"tracker": "mosse"}, "trains 'mosse'; known are"),
        ({"respond": "[0.5]"}, "section respond"),
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
        (["--backbone", "no.safetensors"], r"no\.safetensors: no such file"),
        (["--device", "warp"], "--device warp cannot be used"),
    ],
    ids=lambda value: str(value[0]),
)
def test_what_is_not_there_is_named_before_anything_is_read(
    tmp_path: Path, options: list[str], words: str
) -> None:
    with pytest.raises(ModelError, match=words):
        train(tiny_recipe(tmp_path, "siamrpnpp"), tmp_path / "nowhere", *options)
