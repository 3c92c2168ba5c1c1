"""What is done differently for different versions of TensorRT.

The modules here are no TensorRT: they have the attributes by which its versions differ, as the
sources of its Python bindings list them, and nothing that works.
"""

from __future__ import annotations

import enum
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tracker_ros.engines import tensorrt_module
from tracker_ros.engines.compile import Recipe, network_flags, permit, spans, tactic_mask
from tracker_ros.engines.tensorrt_module import (
    Surface,
    Words,
    load_tensorrt,
    logger_of,
    require_known,
    subclass,
    surface_of,
)
from tracker_ros.errors import EngineError

FLAGS = {"FP16": 0, "INT8": 1, "TF32": 7}
SOURCES = {"CUBLAS": 0, "CUBLAS_LT": 1, "CUDNN": 2, "EDGE_MASK_CONVOLUTIONS": 3}


def surface_module(version: str) -> ModuleType:
    """The attributes that TensorRT of that version has."""
    module = ModuleType("tensorrt")
    major = int(version.split(".")[0])
    kinds = {"EXPLICIT_BATCH": 0} if major < 11 else {}
    if major >= 10:
        kinds["STRONGLY_TYPED"] = 1
    flags = FLAGS if major < 11 else {"TF32": 7}
    vars(module).update(
        __version__=version,
        Builder=object,
        BuilderFlag=enum.IntEnum("BuilderFlag", flags),
        NetworkDefinitionCreationFlag=enum.IntEnum("NetworkDefinitionCreationFlag", kinds),
    )
    if major >= 10:
        vars(module)["IProgressMonitor"] = object
    return module


SURFACES = {
    "8.5.3.1": Surface(True, False, True, False),
    "8.6.1": Surface(True, False, True, False),
    "10.3.0": Surface(True, True, True, True),
    "11.1.0": Surface(False, True, False, True),
}


@pytest.mark.parametrize("version", SURFACES)
def test_the_versions_differ_in_what_they_have(version: str) -> None:
    assert surface_of(surface_module(version)) == SURFACES[version]


@pytest.mark.parametrize("version", ["8.5.0", "8.5.2-1+cuda11.4", "8.6.2.3", "10.16.1", "11.2.0"])
def test_versions_that_are_known(version: str) -> None:
    require_known(version)


@pytest.mark.parametrize(
    ("version", "fix"),
    [
        ("8.4.1", "too old: update it"),
        ("7.1.3.0", "too old: update it"),
        ("9.3.0", "install a later one"),
        ("12.0.0", r"newer than this release.*pip install 'tensorrt-cu12==11\.\*'"),
        ("trunk", "which is none"),
    ],
)
def test_a_version_that_is_not_known_is_refused_with_the_fix(version: str, fix: str) -> None:
    with pytest.raises(EngineError, match=fix) as caught:
        require_known(version)
    assert version in str(caught.value) and "onnxruntime" in str(caught.value)


def test_a_network_is_created_as_its_version_wants_it() -> None:
    def flags(version: str, *, typed: bool) -> int:
        module = surface_module(version)
        return network_flags(module, surface_of(module), typed=typed)

    assert flags("8.5.3.1", typed=False) == 0b1
    assert flags("10.3.0", typed=False) == 0b1
    assert flags("11.1.0", typed=True) == 0b10


class Config:
    """Keeps the flags that are set, as a builder's configuration does."""

    def __init__(self) -> None:
        self.flags = {"TF32"}

    def set_flag(self, flag: enum.IntEnum) -> None:
        self.flags.add(flag.name)

    def clear_flag(self, flag: enum.IntEnum) -> None:
        self.flags.discard(flag.name)


@pytest.mark.parametrize(
    ("version", "precision", "flags"),
    [
        ("8.5.3.1", "fp32", set()),
        ("8.5.3.1", "fp16", {"TF32", "FP16"}),
        ("10.3.0", "int8", {"TF32", "FP16", "INT8"}),
        ("11.1.0", "fp32", set()),
        ("11.1.0", "fp16", {"TF32"}),
    ],
)
def test_precision_is_permitted_by_flags_where_there_are_some(
    version: str, precision: str, flags: set[str]
) -> None:
    module, config = surface_module(version), Config()
    surface = surface_of(module)
    typed = not surface.precision_flags
    permit(config, module.BuilderFlag, surface, Recipe(precision, typed, 32, 1024))
    assert config.flags == flags


def test_without_flags_a_graph_that_was_not_converted_is_not_called_fp16() -> None:
    module = surface_module("11.1.0")
    with pytest.raises(EngineError, match="fp16 from the types of a graph"):
        permit(Config(), module.BuilderFlag, surface_of(module), Recipe("fp16", False, 32, 1024))


def test_one_row_has_a_profile_of_its_own() -> None:
    assert spans(32) == ((1, 1, 1), (2, 8, 32))
    assert spans(4) == ((1, 1, 1), (2, 4, 4))
    assert spans(2) == ((1, 1, 1), (2, 2, 2))
    assert spans(1) == ((1, 1, 1),)


def test_kernel_libraries_are_named() -> None:
    kinds: Any = enum.IntEnum("TacticSource", SOURCES)
    assert tactic_mask(kinds, "none") == 0
    assert tactic_mask(kinds, "CUDNN, EDGE_MASK_CONVOLUTIONS") == 0b1100
    with pytest.raises(EngineError, match=r"no tactic source 'CUDA'.*there are none, CUBLAS, "):
        tactic_mask(kinds, "CUDA")


# --- finding the module --------------------------------------------------------------------------


def test_a_python_without_tensorrt_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(EngineError, match=r"has no tensorrt.*JetPack.*pip install"):
        load_tensorrt()


def test_a_library_that_is_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = "libnvinfer.so.10: cannot open shared object file"
    (tmp_path / "tensorrt.py").write_text(f"raise ImportError({words!r})")
    monkeypatch.delitem(sys.modules, "tensorrt", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        EngineError, match=r"cannot be loaded: libnvinfer\.so\.10.*install it again"
    ):
        load_tensorrt()


def test_a_numpy_that_is_too_new_for_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tensorrt.py").write_text("raise AttributeError(\"no attribute 'bool'\")")
    monkeypatch.delitem(sys.modules, "tensorrt", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(EngineError, match=r"no attribute 'bool'.*numpy below 2"):
        load_tensorrt()


def test_a_folder_called_tensorrt_is_not_tensorrt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tensorrt").mkdir()
    monkeypatch.delitem(sys.modules, "tensorrt", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(EngineError, match="is not NVIDIA's, or only its runtime"):
        load_tensorrt()
    sys.modules.pop("tensorrt", None)


def test_a_version_is_judged_where_the_module_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", surface_module("8.6.1"))
    assert load_tensorrt().__version__ == "8.6.1"
    monkeypatch.setitem(sys.modules, "tensorrt", surface_module("8.2.1"))
    with pytest.raises(EngineError, match=r"TensorRT 8\.2\.1 is not one that this code knows"):
        load_tensorrt()


# --- what it says --------------------------------------------------------------------------------


def test_errors_since_a_moment_are_told_once_each() -> None:
    words = Words()
    words.hear("an old one")
    mark = words.mark()
    assert words.since(mark) == ""
    words.hear("CUDA initialization failure", error=False)
    assert words.since(mark) == "CUDA initialization failure"
    for _ in range(3):
        words.hear(" out of\n  memory ")
    words.hear("no kernel")
    assert words.since(mark) == "out of memory; no kernel"


def test_only_the_last_words_are_kept() -> None:
    words = Words(most=2)
    for word in "abc":
        words.hear(word)
    assert words.since(0) == "b; c"


def test_the_logger_is_one_for_a_process_and_keeps_errors() -> None:
    severity = enum.Enum("Severity", "INTERNAL_ERROR ERROR WARNING INFO VERBOSE")

    class ILogger:
        Severity = severity

        def __init__(self) -> None:
            self.ready = True

    module = SimpleNamespace(ILogger=ILogger)
    logger = logger_of(module)
    assert logger is logger_of(module) and logger.ready
    mark = tensorrt_module.WORDS.mark()
    logger.log(severity.VERBOSE, "a thousand lines")
    logger.log(severity.INFO, "news")
    logger.log(severity.ERROR, "no such tactic")
    assert tensorrt_module.WORDS.since(mark) == "no such tactic"


def test_a_class_below_one_of_tensorrts_starts_its_half() -> None:
    class IProgressMonitor:
        def __init__(self) -> None:
            self.started = True

    made = subclass(IProgressMonitor, {"phase_finish": lambda self, phase_name: phase_name})()
    assert made.started and made.phase_finish("x") == "x" and isinstance(made, IProgressMonitor)
