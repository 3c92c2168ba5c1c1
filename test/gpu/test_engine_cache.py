"""Engines found again, damaged ones built anew, and one build for several processes."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from shipped import GRAPHS

from tracker_ros.engines.build import BuildOptions, Progress, open_tensorrt
from tracker_ros.engines.tensorrt import PlanError, TensorRTEngine

NAME = "siamfc_small.template"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def kept(tmp_path: Path) -> tuple[Path, Path]:
    """A plan and its note, just built."""
    build(tmp_path)
    (plan,) = tmp_path.glob("*.plan")
    return plan, plan.with_suffix(".json")


def build(folder: Path) -> list[str]:
    """Open the engine in float32, and give the words that were told."""
    told: list[Progress] = []
    options = BuildOptions(precision="fp32", cache=folder)
    engine = open_tensorrt(GRAPHS[NAME], options, samples=list, tell=told.append)
    (taken,) = engine.inputs
    shape = tuple(side or 1 for side in taken.shape)
    assert all(
        np.isfinite(v).all() for v in engine.run({taken.name: np.ones(shape, np.float32)}).values()
    )
    return [progress.words for progress in told]


def reason(words: list[str]) -> str:
    assert "to be built:" in words[0], words
    return words[0].partition("to be built: ")[2]


def test_a_second_start_builds_nothing(kept: tuple[Path, Path]) -> None:
    content, began = kept[0].read_bytes(), time.monotonic()
    words = build(kept[0].parent)
    assert len(words) == 1 and words[0].endswith("from the cache")
    assert time.monotonic() - began < 10
    assert kept[0].read_bytes() == content
    note = json.loads(kept[1].read_text())
    assert note["facts"]["precision"].startswith("fp32") and note["facts"]["seconds"] > 0


def test_a_plan_that_was_cut_short_is_built_anew(kept: tuple[Path, Path]) -> None:
    kept[0].write_bytes(kept[0].read_bytes()[:-1000])
    assert "is damaged" in reason(build(kept[0].parent))
    assert build(kept[0].parent)[0].endswith("from the cache")


def test_a_plan_that_tensorrt_refuses_is_built_anew(kept: tuple[Path, Path]) -> None:
    """Whole by its note, and no plan: as one is after an update that changed no number."""
    content = b"no plan at all" * 1000
    kept[0].write_bytes(content)
    note = json.loads(kept[1].read_text())
    note["sha256"] = hashlib.sha256(content).hexdigest()
    kept[1].write_text(json.dumps(note))
    assert "refuses the plan" in reason(build(kept[0].parent))
    assert build(kept[0].parent)[0].endswith("from the cache")


def test_a_plan_of_another_gpu_is_built_anew(kept: tuple[Path, Path]) -> None:
    note = json.loads(kept[1].read_text())
    note["key"]["gpu"], note["key"]["sm"] = "Another GPU", "1.0"
    kept[1].write_text(json.dumps(note))
    assert "was built for the GPU Another GPU, not " in reason(build(kept[0].parent))


def test_a_plan_of_another_version_is_built_anew(kept: tuple[Path, Path]) -> None:
    note = json.loads(kept[1].read_text())
    note["key"]["tensorrt"] = "8.4.1"
    kept[1].write_text(json.dumps(note))
    assert "was built for TensorRT 8.4.1, not " in reason(build(kept[0].parent))


def test_a_plan_without_its_note_is_built_anew(kept: tuple[Path, Path]) -> None:
    kept[1].unlink()
    assert "is missing" in reason(build(kept[0].parent))


def test_what_was_measured_of_kernels_is_kept(kept: tuple[Path, Path]) -> None:
    (timings,) = kept[0].parent.glob("timing-*")
    content = timings.read_bytes()
    assert len(content) > 32
    kept[0].unlink()
    kept[1].unlink()
    build(kept[0].parent)
    timings.write_bytes(content[:-10])  # damaged: measured again, not refused
    kept[0].unlink()
    kept[1].unlink()
    build(kept[0].parent)
    assert len(timings.read_bytes()) > 32


def test_bytes_that_are_no_plan_are_refused() -> None:
    with pytest.raises(PlanError, match="refuses the plan"):
        TensorRTEngine(b"x" * 4096)


def test_of_two_processes_one_builds(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, 'test/gpu');"
        "from test_engine_cache import build; print('\\n'.join(build(Path(sys.argv[1]))))"
    )
    children = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    told = [child.communicate(timeout=600)[0] for child in children]
    assert [child.returncode for child in children] == [0, 0]
    assert sum("to be built" in words for words in told) == 1, told
    assert sum("from the cache" in words for words in told) == 1, told
    assert len(list(tmp_path.glob("*.plan"))) == 1


def test_where_nothing_can_be_written_the_engine_is_used_all_the_same(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    assert "has been built yet" in reason(build(file / "engines"))
    assert build(file / "engines")[0].endswith("from the cache"), "kept in memory"


def test_a_build_is_told_every_second_and_can_be_ended(tmp_path: Path) -> None:
    class EnoughError(Exception):
        """Nobody waits any more."""

    told: list[Progress] = []

    def tell(progress: Progress) -> None:
        told.append(progress)
        if "building" in progress.words:
            raise EnoughError

    options = BuildOptions(precision="fp32", cache=tmp_path)
    with pytest.raises(EnoughError):
        open_tensorrt(GRAPHS[NAME], options, samples=list, tell=tell)
    assert not list(tmp_path.glob("*.plan"))
    assert build(tmp_path)[-1].endswith(" s")
