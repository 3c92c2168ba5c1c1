"""Engines that are calibrated and checked on somebody's own pictures; int8 runs on ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from other_engines import Workshop
from own_footage import film, write_bag, write_folder

from tracker_ros.engines.build import DRAWN, BuildOptions, Progress, Tell
from tracker_ros.engines.comparison import compare
from tracker_ros.engines.engine import Array, Engine
from tracker_ros.engines.onnx import OnnxEngine
from tracker_ros.errors import EngineError
from tracker_ros.models.card import read_card
from tracker_ros.mot.open import open_multi_tracker
from tracker_ros.mot.samples import record_famnet
from tracker_ros.pipeline.engine_parameters import declare_engine_parameters, read_engine_parameters
from tracker_ros.pipeline.footage import open_footage
from tracker_ros.pipeline.parameters import GivenParameters
from tracker_ros.sot.backends import AUTO, ONNXRUNTIME, TENSORRT, Accelerator, EngineChoice
from tracker_ros.sot.model import open_model

DARK = [picture // 5 for picture in film(9)]
"""Nothing in them is brighter than 51."""


def asked(
    accelerator: Accelerator, tell: Tell = lambda progress: None, **given: str
) -> EngineChoice:
    """What a node's parameters ask for."""
    store = GivenParameters(given)
    declare_engine_parameters(store)
    return read_engine_parameters(store).choice(1, tell, accelerator)


class Calibrating:
    """Builds what TensorRT would be given for int8, and runs it on ONNX Runtime."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.samples: dict[str, Sequence[Mapping[str, Array]]] = {}
        self.built: dict[str, Path] = {}

    @property
    def accelerator(self) -> Accelerator:
        """For what loads models."""
        return Accelerator("Calibrating", lambda: "", self.open)

    def open(
        self, graph: Path, options: BuildOptions, *,
        samples: Callable[[], Sequence[Mapping[str, Array]]], tell: Tell,
    ) -> Engine:  # fmt: skip
        """As tracker_ros.engines.build.open_tensorrt, in int8."""
        from tracker_ros.engines.int8 import to_int8

        role = graph.stem.rpartition(".")[2]
        self.samples[role], self.built[role] = samples(), self._folder / graph.name
        to_int8(graph, self.built[role], self.samples[role])
        return OnnxEngine(self.built[role], threads=1)


def test_int8_is_calibrated_on_them(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="no onnx to rewrite a graph with: ./run setup train")
    workshop, bag = Calibrating(tmp_path), write_bag(tmp_path / "night", DARK)
    wanted = {"backend": TENSORRT, "precision": "int8", "engine_samples": str(bag)}
    open_model("siamfc", asked(workshop.accelerator, **wanted))
    card = read_card("siamfc_small")
    assert set(workshop.built) == set(card.files) == set(workshop.samples)
    (picture,) = {name for sample in workshop.samples["search"] for name in sample}
    brightest = max(float(sample[picture].max()) for sample in workshop.samples["search"])
    assert 20 < brightest < 60, "of a drawn picture it would be 255"

    graph = onnx.load(str(workshop.built["search"])).graph
    constants = {w.name: onnx.numpy_helper.to_array(w) for w in graph.initializer}
    (scale,) = (
        float(constants[node.input[1]])
        for node in graph.node
        if node.op_type == "QuantizeLinear" and node.input[0] == picture
    )
    assert scale == pytest.approx(brightest / 127, rel=0.05)
    for role, built in workshop.built.items():
        before = OnnxEngine(card.graph(role), threads=1)
        comparison = compare(before, OnnxEngine(built, threads=1), workshop.samples[role])
        assert all(output.relative < 0.2 for output in comparison.outputs)


@pytest.mark.parametrize("precision", ["auto", "fp16", "int8"])
def test_engines_of_other_footage_are_other_engines(tmp_path: Path, precision: str) -> None:
    folder = write_folder(tmp_path / "night", DARK)
    workshop, told = Workshop(), list[Progress]()
    given = {"backend": TENSORRT, "precision": precision, "engine_samples": str(folder)}
    open_model("siamfc", asked(workshop.accelerator, told.append, **given))
    assert {options.samples for _, options in workshop.asked} == {open_footage(str(folder)).words}
    assert "looks through the pictures of engine_samples" in {progress.words for progress in told}


def test_without_footage_it_is_drawn_pictures() -> None:
    workshop = Workshop()
    open_model("siamfc", asked(workshop.accelerator, backend=TENSORRT, precision="int8"))
    assert {options.samples for _, options in workshop.asked} == {DRAWN}


@pytest.mark.parametrize(
    "given",
    [{"backend": TENSORRT, "precision": "fp32"}, {"backend": ONNXRUNTIME}],
    ids=["fp32", ONNXRUNTIME],
)
def test_what_needs_no_samples_does_not_look_at_them(given: dict[str, str]) -> None:
    workshop = Workshop()
    open_model("siamfc", asked(workshop.accelerator, engine_samples="/nowhere", **given))
    assert {options.samples for _, options in workshop.asked} <= {DRAWN}


def test_with_auto_footage_that_is_none_leaves_onnx_runtime_and_is_told(tmp_path: Path) -> None:
    few = str(write_folder(tmp_path / "few", DARK[:3]))
    workshop = Workshop()
    model = open_model("siamfc", asked(workshop.accelerator, backend=AUTO, engine_samples=few))
    assert model.upgrade is not None
    with pytest.raises(EngineError):
        model.upgrade.build()
    trouble = model.parts[0].trouble
    assert model.backend == ONNXRUNTIME and workshop.built == []
    assert f"onnxruntime goes on: engine_samples '{few}': 3 different pictures" in trouble
    assert trouble.endswith("leave it empty for drawn pictures")


def test_with_tensorrt_footage_that_is_none_is_refused() -> None:
    given = {"backend": TENSORRT, "engine_samples": "/nowhere"}
    with pytest.raises(EngineError, match=r"^engine_samples '/nowhere': /nowhere: no such file"):
        open_model("siamfc", asked(Workshop().accelerator, **given))


def test_famnet_and_the_tracker_that_recovers_are_given_the_same(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "night", DARK)
    workshop = Workshop()
    given = {"backend": TENSORRT, "precision": "int8", "engine_samples": str(folder)}
    open_multi_tracker("famnet", engines=asked(workshop.accelerator, **given))
    assert {options.samples for _, options in workshop.asked} == {open_footage(str(folder)).words}
    assert {name.split(".")[0] for name, _ in workshop.asked} == {
        "famnet_alexnet_small", "siamrpnpp_alexnet_small",
    }  # fmt: skip


def test_every_graph_of_famnet_is_reached_over_pictures_of_any_size(tmp_path: Path) -> None:
    wide = [np.ascontiguousarray(picture[100:220]) for picture in film(8)]
    card = read_card("famnet_alexnet_small")
    samples = record_famnet(card, clips=open_footage(str(write_folder(tmp_path, wide))).clips())
    assert set(samples) == set(card.files)
    assert all(0 < len(found) <= 16 for found in samples.values())
