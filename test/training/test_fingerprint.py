"""Whether data are those that a run began with."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from data_on_disk import declare, write_collection

from tracker_ros.errors import ModelError
from tracker_ros.training.reading import read_collection


def fingerprint(root: Path, keys: str = "weight: 1") -> str:
    sets = declare(root.parent / "sets.yaml", f"format: collection, root: {root.name}, {keys}")
    return read_collection(sets, progress=False).fingerprint


def changed(path: Path, change: Callable[[dict[str, object]], object]) -> None:
    table = json.loads(path.read_text())
    change(table)
    path.write_text(json.dumps(table))


def test_data_that_were_moved_are_the_same(tmp_path: Path) -> None:
    write_collection(tmp_path / "data")
    before = fingerprint(tmp_path / "data")
    assert before.startswith("1 tracks of 6 frames, 1 stills, 1 photographs (")
    shutil.move(tmp_path / "data", tmp_path / "elsewhere")
    assert fingerprint(tmp_path / "elsewhere") == before


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "video" / "dog" / "002.jpg").unlink(),
        lambda root: (root / "unlabelled" / "n.jpg").rename(root / "unlabelled" / "m.jpg"),
        lambda root: changed(root / "video.json", lambda t: t["dog"]["boxes"].reverse()),
        lambda root: changed(root / "video.json", lambda t: t.update(cat=t.pop("dog"))),
        lambda root: changed(root / "still.json", lambda t: t["still/a.jpg"]["boxes"].pop()),
    ],
    ids=["a picture lost", "another photograph", "other boxes", "another track", "a box less"],
)
def test_data_that_were_changed_are_others(tmp_path: Path, change: Callable[[Path], None]) -> None:
    write_collection(tmp_path / "data")
    shutil.copytree(tmp_path / "data" / "video" / "dog", tmp_path / "data" / "video" / "cat")
    before = fingerprint(tmp_path / "data")
    change(tmp_path / "data")
    assert fingerprint(tmp_path / "data") != before


@pytest.mark.parametrize("keys", ["weight: 2", "max_gap: 5"])
def test_data_that_are_drawn_otherwise_are_others(tmp_path: Path, keys: str) -> None:
    write_collection(tmp_path / "data")
    assert fingerprint(tmp_path / "data") != fingerprint(tmp_path / "data", keys)


def test_a_run_is_not_resumed_with_data_that_were_changed(tmp_path: Path, one_thread: None) -> None:
    pytest.importorskip("torch", reason="torch is not installed: ./run setup train")
    import small_collection

    data, out = small_collection.write_collection(tmp_path / "data"), tmp_path / "run"
    recipe = small_collection.tiny_recipe(tmp_path, "siamfc")
    assert small_collection.train(recipe, data, "--out", out) == 0
    (data / "video" / "kept" / "007.jpg").unlink()
    words = r"data is .1 tracks of 30 frames.* in it and .1 tracks of 29 frames.* now"
    with pytest.raises(ModelError, match=words):
        small_collection.train(recipe, data, "--out", out, "--resume")
