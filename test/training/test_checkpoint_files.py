"""The files of a run's checkpoints: whole or not there, read back with suspicion. Needs torch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: ./run setup train")

from tracker_ros.errors import ModelError  # noqa: E402
from tracker_ros.training.checkpoints import Checkpoints, fingerprint_of  # noqa: E402


def checkpoints(folder: Path, **values: Any) -> Checkpoints:
    fingerprint = fingerprint_of({"train": {"batch": 4, "seed": 0, **values}})
    return Checkpoints(folder, "train", fingerprint, minutes=5.0)


def state(number: float) -> dict[str, Any]:
    return {"weights": torch.full((1000,), float(number))}


def test_only_the_last_two_are_kept_and_nothing_half_written(tmp_path: Path) -> None:
    kept = checkpoints(tmp_path)
    for step in (1, 20, 300):
        kept.write(step, state(step))
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == ["train-00000020.pt", "train-00000300.pt"]
    newest = kept.latest()
    assert newest is not None and newest["step"] == 300 and newest["weights"][0] == 300


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip(path: Path) -> None:
    """One bit of the weights: torch reads it without a word."""
    content = bytearray(path.read_bytes())
    content[content.index(torch.full((4,), 2.0).numpy().tobytes()) + 1000] ^= 1
    path.write_bytes(bytes(content))


def other_file(path: Path) -> None:
    torch.save([1, 2, 3], path)


@pytest.mark.parametrize("damage", [cut, empty, flip, other_file])
def test_a_damaged_checkpoint_is_told_and_the_one_before_is_taken(
    tmp_path: Path, damage: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = checkpoints(tmp_path)
    kept.write(10, state(1))
    damage(kept.write(20, state(2)))
    resumed = checkpoints(tmp_path)
    taken = resumed.latest()
    assert taken is not None and taken["step"] == 10 and taken["weights"][0] == 1
    assert "train-00000020.pt is damaged" in capsys.readouterr().err
    resumed.write(15, state(3))
    assert [path.name for path in resumed.files()] == ["train-00000015.pt", "train-00000010.pt"]


def test_without_a_checkpoint_that_can_be_read_nothing_is_resumed(tmp_path: Path) -> None:
    kept = checkpoints(tmp_path)
    assert kept.latest() is None
    cut(kept.write(10, state(1)))
    with pytest.raises(ModelError, match=r"no checkpoint in .* leave out --resume"):
        checkpoints(tmp_path).latest()


def test_a_checkpoint_that_would_run_code_is_not_loaded(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "owned"),)

    kept = checkpoints(tmp_path)
    kept.write(10, {"weights": Evil()})
    with pytest.raises(ModelError, match="can be read"):
        checkpoints(tmp_path).latest()
    assert not (tmp_path / "owned").exists()


def test_a_checkpoint_of_another_recipe_is_refused_with_what_differs(tmp_path: Path) -> None:
    checkpoints(tmp_path).write(10, state(1))
    words = r"train\.batch is 4 in it and 8 now; train\.seed is 0 in it and 3 now"
    with pytest.raises(ModelError, match=words):
        checkpoints(tmp_path, batch=8, seed=3).latest()
    with pytest.raises(ModelError, match=r"train\.clip is not there in it and 1\.0 now"):
        checkpoints(tmp_path, clip=1.0).latest()


def test_stages_of_one_run_do_not_take_each_others_checkpoints(tmp_path: Path) -> None:
    checkpoints(tmp_path).write(10, state(1))
    other = Checkpoints(tmp_path, "train-2", {}, minutes=5.0)
    assert other.latest() is None
    other.write(3, state(2))
    assert len(checkpoints(tmp_path).files()) == 1
