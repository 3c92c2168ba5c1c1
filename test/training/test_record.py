"""What a card says of how its weights were made."""

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed: ./run setup train")

from tracker_ros.training.record import record


def test_the_time_is_that_of_all_steps_and_the_first_do_not_know_their_speed(
    tmp_path: Path,
) -> None:
    (tmp_path / "curves").mkdir()
    rows = [f"{step},0.5,{0.0 if step < 3 else 32.0}" for step in range(120)]
    for stage in ("distil", "tiny"):
        text = "\n".join(["step,loss,samples_per_second", *rows])
        (tmp_path / "curves" / f"{stage}.csv").write_text(text)
    made = record("tiny", tmp_path, {"distil": 32, "tiny": 16}, "cpu", 3, {"teacher": "a 0123"})
    assert made["steps_distil"] == made["steps_tiny"] == 120
    assert made["minutes"] == pytest.approx((120 + 60) / 60, abs=0.05)
    assert (made["seed"], made["teacher"]) == (3, "a 0123")
    assert "CPU" in made["device"]
