"""The monitor's thresholds: chosen by what is said of targets, and written into the card."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from tracker_ros import cli
from tracker_ros.errors import DataError, ModelError
from tracker_ros.evaluation.absences import Film
from tracker_ros.evaluation.honesty import Honesty
from tracker_ros.geometry import Box, UInt8Image
from tracker_ros.models.card import MODELS, read_card
from tracker_ros.sot import DEFAULT_MODELS, load_model
from tracker_ros.training.calibrate_command import held_out_of, with_section
from tracker_ros.training.calibration import (
    ABSENT_TRACKING,
    CALIBRATED,
    Recorded,
    Trial,
    calibrate,
    cost,
    doubts,
    frames_of,
)

SIZE = (48, 40)
KINDS = ("filmed", "covered")


def texture(width: int, height: int, grain: int, seed: int) -> UInt8Image:
    cells = (height // grain + 2, width // grain + 2, 3)
    small = np.random.default_rng(seed).integers(0, 256, cells, np.uint8)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def picture(index: int, seed: int) -> UInt8Image:
    image: UInt8Image = texture(240, 180, 40, seed)
    (x, y), (w, h) = (60 + 2 * index, 70), SIZE
    image[y : y + h, x : x + w] = texture(w, h, 8, seed + 100)
    return image


def film(name: str, seed: int, frames: int = 12) -> Film:
    boxes = tuple(Box(60 + 2 * index, 70, *SIZE) for index in range(frames))
    return Film(name, boxes, lambda index: picture(index, seed))


def write_collection(folder: Path, names: tuple[str, ...], frames: int = 12) -> Path:
    """video.json and the frames of some tracks."""
    tracks = {}
    for seed, name in enumerate(names):
        (folder / "video" / name).mkdir(parents=True)
        files = [f"{index:05d}.png" for index in range(frames)]
        for index, file in enumerate(files):
            assert cv2.imwrite(str(folder / "video" / name / file), picture(index, seed))
        boxes = [[60 + 2 * index, 70, *SIZE] for index in range(frames)]
        tracks[name] = {"frames": files, "boxes": boxes}
    (folder / "video.json").write_text(json.dumps(tracks))
    return folder


# --- what is chosen ------------------------------------------------------------------------------


def counts(**values: int) -> Honesty:
    return dataclasses.replace(Honesty(absent=100, visible=100), **values)


def test_a_point_of_absent_frames_tracking_too_many_costs_as_much_as_ten_of_wrong_loss() -> None:
    most = round(100 * ABSENT_TRACKING)
    honest = counts(absent_tracking=most, absent_shown=5, visible_lost=20)
    kind = counts(absent_tracking=most + 2, absent_shown=5, visible_lost=1)
    assert cost(honest) < cost(kind)
    assert cost(counts(absent_tracking=0)) == cost(counts(absent_tracking=most))


def test_calling_all_lost_or_nothing_costs_more_than_being_right_mostly() -> None:
    eager = counts(absent_shown=2, visible_lost=40, visible_tracking=60)
    never = counts(absent_shown=100, visible_lost=0, visible_tracking=100)
    fair = counts(absent_shown=10, visible_lost=10, visible_tracking=90)
    doubtful = counts(absent_shown=10, visible_lost=10, visible_tracking=20)
    assert cost(fair) < cost(doubtful) < cost(eager) < cost(never)


def test_doubt_begins_where_hits_and_misses_part_and_search_above_what_strays_score() -> None:
    hits = np.column_stack([np.linspace(0.5, 1.0, 100), np.ones(100)])
    misses = np.column_stack([np.linspace(0.0, 0.7, 100), np.zeros(100)])
    strays = np.column_stack([np.linspace(0.0, 0.5, 101), np.zeros(101)])
    found = doubts(Recorded(hits, misses, strays))
    assert found["recover_score"] == pytest.approx(0.45)
    assert found["lost_score"] == pytest.approx(0.525, abs=0.01), "one hit in twenty is under it"
    parting = found["uncertain_score"]
    assert (hits[:, 0] < parting).mean() == pytest.approx(
        (misses[:, 0] >= parting).mean(), abs=0.02
    )


def test_a_film_has_no_say_in_its_own_validation() -> None:
    model = load_model("siamrpnpp", threads=1)
    good, bad = Honesty(absent=100, visible=10), Honesty(absent=100, absent_tracking=50, visible=10)
    trial = Trial(model.thresholds, {"a": good, "b": bad})
    assert trial.without("b") == good
    assert trial.honesty.absent_tracking == 50


def test_the_thresholds_come_from_following_real_targets() -> None:
    model = load_model("siamrpnpp", threads=1)
    films = [film("apple", 1), film("pear", 2)]
    ticks: list[None] = []
    calibration = calibrate(model, films, kinds=KINDS, tick=lambda: ticks.append(None))
    assert len(ticks) <= frames_of(films, KINDS)
    assert set(calibration.monitor) == set(CALIBRATED)
    assert set(calibration.chosen.films) == {"apple", "pear"}
    assert all(cost(calibration.chosen.honesty) <= cost(t.honesty) for t in calibration.trials)
    assert calibration.chosen.honesty.figures()["absent_tracking"] <= ABSENT_TRACKING
    m = calibration.monitor
    assert 0 < m["lost_score"] <= m["uncertain_score"] <= 1


def test_one_target_alone_shows_nothing_to_refuse() -> None:
    model = load_model("siamrpnpp", threads=1)
    with pytest.raises(DataError, match="0 searches without one"):
        calibrate(model, [film("apple", 1)], kinds=KINDS)


def test_targets_that_are_never_absent_tell_nothing_of_loss() -> None:
    model = load_model("siamrpnpp", threads=1)
    with pytest.raises(DataError, match="never absent in filmed of these tracks"):
        calibrate(model, [film("apple", 1, 4), film("pear", 2, 4)], kinds=("filmed",))
    assert cost(Honesty(visible=100, visible_lost=10)) == pytest.approx(0.28), "not NaN"


# --- the card ------------------------------------------------------------------------------------

CARD = """\
# a card with a remark
name: mine
monitor:
  lost_score: 0.1
  patience: 12

# what was measured
measured: {auc: 0.5}
"""


def test_the_section_is_written_and_the_rest_of_the_card_stays_as_it_was() -> None:
    changed = with_section(
        CARD, "monitor", {"lost_score": 0.2, "verify_likeness": 0.4}, Path("card.yaml")
    )
    before, after = CARD.splitlines(), changed.splitlines()
    assert set(before) - set(after) <= {"  lost_score: 0.1", ""}
    assert after.index("# what was measured") < after.index("measured: {auc: 0.5}")
    assert yaml.safe_load(changed)["monitor"] == {
        "lost_score": 0.2, "patience": 12, "verify_likeness": 0.4
    }  # fmt: skip
    assert yaml.safe_load(changed)["measured"] == {"auc": 0.5}


@pytest.mark.parametrize(
    "text", ["name: mine\n", "name: mine\nmonitor: {}\nlicence: none\n", "name: mine\nmonitor:\n"]
)
def test_a_card_without_thresholds_gets_the_section(text: str) -> None:
    changed = with_section(text, "monitor", {"lost_score": 0.2}, Path("card.yaml"))
    expected = {**yaml.safe_load(text), "monitor": {"lost_score": 0.2}}
    assert yaml.safe_load(changed) == expected


def test_a_card_that_cannot_be_changed_in_place_is_refused() -> None:
    with pytest.raises(ModelError, match="in lines of its own"):
        text = "{name: mine, monitor: {lost_score: 0.1}}\n"
        with_section(text, "monitor", {"lost_score": 0.2}, Path("c"))


# --- the command ---------------------------------------------------------------------------------


def run(*words: object) -> int:
    return cli.main(["calibrate", *(str(word) for word in words)])


def test_the_command_writes_a_card_that_differs_in_its_thresholds_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_collection(tmp_path / "data", ("apple", "pear"))
    out = tmp_path / "siamrpnpp_alexnet_small.yaml"
    words = ("siamrpnpp", "--data", data, "--held-out", "apple", "pear", "--threads", 1)
    assert run(*words, "--out", out, "--kinds", *KINDS) == 0
    table = capsys.readouterr().out
    assert "chosen by the others" in table and "apple" in table
    shipped = yaml.safe_load((MODELS / "siamrpnpp_alexnet_small.yaml").read_text())
    written = yaml.safe_load(out.read_text())
    assert set(written["monitor"]) >= set(CALIBRATED)
    assert {k: v for k, v in written.items() if k != "monitor"} == {
        k: v for k, v in shipped.items() if k != "monitor"
    }


def test_the_command_chooses_tracking_values_as_well(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_collection(tmp_path / "data", ("apple", "pear"), frames=6)
    out = tmp_path / "siamfc_small.yaml"
    words = ("siamfc", "--data", data, "--held-out", "apple", "pear", "--threads", 1, "--tracking")
    assert run(*words, "--out", out, "--kinds", *KINDS) == 0
    said = capsys.readouterr().out
    shipped = yaml.safe_load((MODELS / "siamfc_small.yaml").read_text())
    written = yaml.safe_load(out.read_text())
    assert f"tracking: {written['tracking']}" in said
    assert written["tracking"]["scales"] == shipped["tracking"]["scales"], "it is not tried"
    others = ("monitor", "tracking")
    assert {k: v for k, v in written.items() if k not in others} == {
        k: v for k, v in shipped.items() if k not in others
    }
    assert read_card(str(out)).monitor == written["monitor"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("siamrpnpp", "--held-out", "plum"), "['plum'] are not in the data"),
        (("nothing",), "no model 'nothing'"),
        (("siamrpnpp", "--held-out", "apple", "--out", "nowhere/card.yaml"), "folder must exist"),
        (("siamrpnpp", "--held-out", "apple", "--out", "card.yaml"), "a file of its name"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    data = write_collection(tmp_path / "data", ("apple", "pear"), frames=4)
    assert run(*words, "--data", data) == 2
    assert said in capsys.readouterr().err


def test_a_card_without_a_recipe_needs_held_out_tracks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_collection(tmp_path / "data", ("apple", "pear"), frames=4)
    assert run("famnet_alexnet_small", "--data", data) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_the_held_out_tracks_of_a_model_are_those_of_the_recipe_that_makes_it(
    tmp_path: Path,
) -> None:
    data = write_collection(tmp_path / "data", ("pear", "apple"), frames=2)
    for model in DEFAULT_MODELS.values():
        if read_card(model).files:
            assert len(held_out_of(model, data)) >= 2
    with pytest.raises(
        ModelError, match=r"no recipe makes 'mine'.*--held-out; .* has apple, pear$"
    ):
        held_out_of("mine", data)
