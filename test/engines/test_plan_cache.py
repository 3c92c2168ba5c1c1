"""Built plans on disk: what is found again, and why something is not."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from tracker_ros.engines.cache import Miss, Plan, PlanCache, PlanKey, default_folder

KEY = PlanKey(
    stem="siamfc_small.search", graph="a" * 64, tensorrt="10.3.0", gpu="Orin", sm="8.7",
    multiprocessors=16, precision="auto", profile="1/1/1 and 2/8/32", options="workspace 1024",
    samples="drawn pictures",
)  # fmt: skip
PLAN = Plan(b"a plan " * 100, {"precision": "fp16", "seconds": 41.5})


def missed(cache: PlanCache, key: PlanKey = KEY) -> tuple[str, str]:
    found = cache.load(key)
    assert isinstance(found, Miss)
    return found.reason, found.words


def files(folder: Path, ending: str) -> list[Path]:
    return sorted(folder.glob(f"*.{ending}"))


def test_a_plan_is_found_again_with_what_is_known_of_it(tmp_path: Path) -> None:
    PlanCache(tmp_path / "new").store(KEY, PLAN)
    assert PlanCache(tmp_path / "new").load(KEY) == PLAN
    (note,) = files(tmp_path / "new", "json")
    said = json.loads(note.read_text())
    assert said["key"]["tensorrt"] == "10.3.0" and said["facts"] == PLAN.facts
    assert note.stem.startswith("siamfc_small.search-")
    assert os.stat(tmp_path / "new").st_mode & 0o077 == 0, "a plan is code: nobody else writes here"


def test_nothing_is_left_behind_of_writing(tmp_path: Path) -> None:
    PlanCache(tmp_path).store(KEY, PLAN)
    assert {path.suffix for path in tmp_path.iterdir()} == {".plan", ".json"}


def test_no_plan_yet_is_told(tmp_path: Path) -> None:
    assert missed(PlanCache(tmp_path)) == (
        "absent", "no engine of siamfc_small.search has been built yet",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "reason", "words"),
    [
        ({"graph": "b" * 64}, "outdated", "for another content of the file"),
        ({"tensorrt": "10.7.0"}, "outdated", "for TensorRT 10.3.0, not 10.7.0"),
        ({"precision": "fp32"}, "outdated", "for the precision auto, not fp32"),
        ({"profile": "1/1/1"}, "outdated", "for rows 1/1/1 and 2/8/32, not 1/1/1"),
        ({"options": "workspace 512"}, "outdated", "the options workspace 1024, not"),
        (
            {"samples": "day: 9 of 9 pictures"},
            "outdated",
            "for samples of drawn pictures, not day: 9 of 9 pictures",
        ),
        ({"gpu": "NVIDIA H100", "sm": "9.0"}, "absent", "for the GPU Orin, not NVIDIA H100"),
        ({"multiprocessors": 8}, "absent", "for 16 multiprocessors, not 8"),
    ],
)
def test_what_a_plan_was_built_for_instead_is_told(
    tmp_path: Path, change: dict[str, str], reason: str, words: str
) -> None:
    cache = PlanCache(tmp_path)
    cache.store(KEY, PLAN)
    wanted = replace(KEY, **change)
    assert wanted.name != KEY.name
    found = cache.load(wanted)
    assert isinstance(found, Miss)
    assert (found.reason, found.usual) == (reason, 41.5)
    assert words in found.words
    assert cache.load(KEY) == PLAN, "both may be wanted: of two environments with one cache"


def test_of_several_others_the_one_that_differs_least_is_told(tmp_path: Path) -> None:
    cache = PlanCache(tmp_path)
    cache.store(replace(KEY, graph="c" * 64, tensorrt="8.6.1"), PLAN)
    cache.store(replace(KEY, tensorrt="10.0.1"), PLAN)
    assert missed(cache)[1].endswith("for TensorRT 10.0.1, not 10.3.0")


def test_the_same_graph_under_another_name_is_another_plan(tmp_path: Path) -> None:
    cache = PlanCache(tmp_path)
    cache.store(replace(KEY, stem="siamfc_small"), PLAN)
    assert missed(cache)[0] == "absent"


def test_a_plan_that_was_cut_short_is_damaged(tmp_path: Path) -> None:
    cache = PlanCache(tmp_path)
    cache.store(KEY, PLAN)
    (path,) = files(tmp_path, "plan")
    path.write_bytes(PLAN.content[:50])
    reason, words = missed(cache)
    assert reason == "damaged" and "50 bytes of 700" in words
    cache.store(KEY, PLAN)
    assert cache.load(KEY) == PLAN


@pytest.mark.parametrize(
    "note",
    [
        b"", b"{", b"[]", b"{}", b'{"format": 1, "key": 3}', b"\xff\xfe",
        b'{"format": 9, "key": {}, "sha256": "", "facts": {}}',
    ],
)  # fmt: skip
def test_a_note_that_cannot_be_read_makes_the_plan_damaged(tmp_path: Path, note: bytes) -> None:
    cache = PlanCache(tmp_path)
    cache.store(KEY, PLAN)
    (path,) = files(tmp_path, "json")
    path.write_bytes(note)
    assert missed(cache)[0] == "damaged"


def test_a_plan_without_a_note_is_damaged(tmp_path: Path) -> None:
    cache = PlanCache(tmp_path)
    cache.store(KEY, PLAN)
    files(tmp_path, "json")[0].unlink()
    reason, words = missed(cache)
    assert reason == "damaged" and "is missing" in words


def test_a_plan_that_somebody_renamed_is_foreign(tmp_path: Path) -> None:
    other = replace(KEY, gpu="NVIDIA RTX A2000", sm="8.6")
    cache = PlanCache(tmp_path)
    cache.store(other, PLAN)
    for ending in ("plan", "json"):
        (tmp_path / f"{other.name}.{ending}").rename(tmp_path / f"{KEY.name}.{ending}")
    reason, words = missed(cache)
    assert reason == "foreign"
    assert "for the GPU NVIDIA RTX A2000, not Orin; compute capability 8.6, not 8.7" in words


def test_a_plan_that_is_refused_is_forgotten(tmp_path: Path) -> None:
    cache = PlanCache(tmp_path)
    cache.store(KEY, PLAN)
    cache.forget(KEY)
    assert missed(cache)[0] == "absent" and not list(tmp_path.iterdir())
    cache.forget(KEY)  # again: nothing to do


def test_where_nothing_can_be_written_a_plan_is_kept_in_memory_and_one_warning_given(
    tmp_path: Path,
) -> None:
    file = tmp_path / "a file"
    file.write_text("and no folder")
    said: list[str] = []
    cache = PlanCache(file / "engines", warn=said.append)
    assert missed(cache)[0] == "absent"
    cache.store(KEY, PLAN)
    cache.store(replace(KEY, sm="9.0"), PLAN)
    assert cache.load(KEY) == PLAN
    assert PlanCache(file / "engines").load(KEY) == PLAN, "for the whole process"
    assert len(said) == 1
    assert str(file) in said[0] and "kept in memory" in said[0] and "engine_cache" in said[0]


def test_the_default_folder_is_that_of_the_specification(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == PlanCache().folder == tmp_path / "tracker_ros" / "engines"
    for ignored in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", ignored)
        assert default_folder() == Path.home() / ".cache" / "tracker_ros" / "engines"


def test_without_a_home_plans_are_kept_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

    def none(kind: type[Path]) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", classmethod(none))
    said: list[str] = []
    cache = PlanCache(warn=said.append)
    assert missed(cache)[0] == "absent"
    cache.store(KEY, PLAN)
    assert cache.load(KEY) == PLAN and "$HOME" in said[0]
    with cache.lock(KEY, lambda holder, seconds: None):
        pass
    cache.forget(KEY)


def test_the_timing_cache_is_of_a_device_and_a_version(tmp_path: Path) -> None:
    cache = PlanCache(tmp_path)
    timings = cache.timings(KEY)
    assert timings.load() == b""
    timings.store(b"measured")
    assert cache.timings(replace(KEY, graph="b" * 64, precision="fp32")).load() == b"measured"
    for other in ({"sm": "9.0"}, {"tensorrt": "10.7.0"}, {"gpu": "Thor"}, {"multiprocessors": 8}):
        assert cache.timings(replace(KEY, **other)).load() == b""


def test_a_damaged_timing_cache_is_no_timing_cache(tmp_path: Path) -> None:
    timings = PlanCache(tmp_path).timings(KEY)
    timings.store(b"measured")
    (path,) = tmp_path.iterdir()
    for content in (b"", b"short", path.read_bytes()[:-1], path.read_bytes() + b"!"):
        path.write_bytes(content)
        assert timings.load() == b""


def test_names_of_graphs_and_devices_make_no_folders(tmp_path: Path) -> None:
    cache = PlanCache(tmp_path)
    odd = replace(KEY, stem="../../a model", gpu="GPU/of ../odd name")
    cache.store(odd, PLAN)
    cache.timings(odd).store(b"measured")
    assert cache.load(odd) == PLAN and cache.timings(odd).load() == b"measured"
    assert len(list(tmp_path.iterdir())) == 3
