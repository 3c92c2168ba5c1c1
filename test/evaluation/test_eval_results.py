"""`tracker_ros eval sot` on results that lie on disk, and the published ones from the shell."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from films import true_lines, write_sequence

from tracker_ros.cli import main
from tracker_ros.models.card import MODELS
from tracker_ros.sot import DEFAULT_MODELS

ORACLES = Path(__file__).parents[3] / "shared/data/oracles"


def oracle(name: str) -> Path:
    folder = ORACLES / name
    if not folder.is_dir():
        pytest.skip(f"the published results are not here ({folder})")
    return folder


def evaluate(tmp_path: Path, *options: str) -> dict[str, Any]:
    path = tmp_path / "figures.json"
    assert main(["eval", "sot", "--json", str(path), *options]) == 0
    document = json.loads(path.read_text())
    assert isinstance(document, dict)
    return document


def refusal(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["eval", "sot", *words]) == 2
    out, err = capsys.readouterr()
    line = err.splitlines()[-1]
    assert out == "" and line.startswith("error: ") and "Traceback" not in err
    return line


def test_siamfc_3s_on_otb_100(tmp_path: Path) -> None:
    folder = oracle("otb")
    results, truth = str(folder / "siamfc3s"), str(folder / "truth")
    document = evaluate(tmp_path, "--results", results, "--truth", truth)
    assert len(document["sequences"]) == 97 and document["run"]["protocol"] == "otb"
    assert round(document["mean"]["auc"], 4) == 0.5855
    assert round(document["mean"]["precision"], 4) == 0.7745


@pytest.mark.parametrize(
    ("tracker", "accuracy", "failures", "published", "recomputed"),
    [("nanotrackv3", 0.563, 35, 0.449, 0.447), ("siamtpn", 0.642, 152, 0.191, 0.190)],
)
def test_published_results_on_vot2018(
    tmp_path: Path,
    tracker: str,
    accuracy: float,
    failures: int,
    published: float,
    recomputed: float,
) -> None:
    folder = oracle("vot2018")
    document = evaluate(
        tmp_path, "--results", str(folder / tracker), "--truth", str(folder / "VOT2018.json")
    )
    figures = document["overall"]
    assert document["run"]["convention"].startswith("vot2018")
    assert (round(figures["accuracy"], 3), figures["failures"]) == (accuracy, failures)
    assert round(figures["eao"], 3) == recomputed
    assert figures["eao"] == pytest.approx(published, abs=0.003)


@pytest.mark.parametrize(
    ("form", "protocol"),
    [
        ("otb", "otb"),
        ("lasot", "lasot"),
        ("got10k", "got10k"),
        ("vot", "vot-supervised"),
        ("vot", "vot-multistart"),
        ("pysot", "otb"),
    ],
)
def test_a_run_that_was_saved_scores_the_same_when_it_is_read(
    tmp_path: Path, form: str, protocol: str
) -> None:
    write_sequence(tmp_path / "own/ball", true_lines(14))
    out = tmp_path / form
    own = str(tmp_path / "own")
    assert main(["eval", "convert", "--data", own, "--to", form, "--out", str(out)]) == 0
    common = ("--data", str(out), "--protocol", protocol)
    saved = tmp_path / "saved"
    ran = evaluate(tmp_path, *common, "--tracker", "csrt", "--save", str(saved))
    (results,) = saved.iterdir()
    read = evaluate(tmp_path, *common, "--results", str(results))
    assert ran["tracker"] == read["tracker"] == "csrt"
    summary = "mean" if "mean" in ran else "overall"
    for key, value in read[summary].items():
        assert value == pytest.approx(ran[summary][key], abs=1e-3)
    assert {"fps", "ms_median", "ms_p95"} == set(ran[summary]) - set(read[summary])


def test_results_stand_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, line in (("truth", "1,2,30,40"), ("right", "1,2,30,40"), ("wrong", "90,90,5,5")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "ball.txt").write_text(f"{line}\n" * 4)
    document = evaluate(
        tmp_path, "--results", str(tmp_path / "right"), str(tmp_path / "wrong"),
        "--truth", str(tmp_path / "truth"),
    )  # fmt: skip
    assert document["trackers"]["right"]["mean"]["precision"] == 1
    assert document["trackers"]["wrong"]["mean"] == {"auc": 0, "precision": 0}
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["right", "wrong"] and lines[2].split()[0] == "ball"
    assert len({len(line) for line in lines[:4]}) == 1


def test_a_figure_that_there_is_not_is_null_in_the_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, lines in (("truth", "1,2,30,40\n" * 3), ("mine", "1\n" + "1,2,30,40\n" * 2)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "ball.txt").write_text(lines)
    document = evaluate(
        tmp_path, "--results", str(tmp_path / "mine"), "--truth", str(tmp_path / "truth"),
        "--protocol", "vot-supervised", "--challenge", "vot2019",
    )  # fmt: skip
    assert document["overall"]["eao"] is None and document["overall"]["failures"] == 0
    out = capsys.readouterr().out
    assert "No EAO: no run reaches 291 frames" in out and "nothing was clipped" in out


def test_the_challenge_is_the_one_that_the_path_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/ball.txt").write_text("1\n" + "1,2,30,40\n" * 2)
    assumed = "EAO: the interval of vot2018 is assumed; --challenge says which it is."

    def convention(place: str, *options: str) -> tuple[str, bool]:
        truth = tmp_path / "truth" / place
        truth.mkdir(parents=True, exist_ok=True)
        (truth / "ball.txt").write_text("1,2,30,40\n" * 3)
        document = evaluate(
            tmp_path, "--results", str(tmp_path / "mine"), "--truth", str(truth),
            "--protocol", "vot-supervised", *options,
        )  # fmt: skip
        words = str(document["run"]["convention"]).partition(":")[0]
        return words, assumed in capsys.readouterr().out

    assert convention("VOT2019") == ("vot2019", False)
    assert convention("my-vot2016-copy/sequences") == ("vot2016", False)
    assert convention("cats") == ("vot2018 (assumed)", True)
    assert convention("cats", "--challenge", "vot2018") == ("vot2018", False)
    assert convention("vot2016/vot2019") == ("vot2018 (assumed)", True)


def test_a_model_whose_card_names_a_path_saves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sequence(tmp_path / "own/ball", true_lines(4))
    card = tmp_path / "cards/mine.yaml"
    shutil.copytree(MODELS, card.parent)
    name = DEFAULT_MODELS["siamfc"]
    (card.parent / f"{name}.yaml").rename(card)
    card.write_text(card.read_text().replace(f"name: {name}", "name: ../escaped"))
    for weights in (card.parent / "weights").glob(f"{name}.*"):
        path = card.parent / "weights" / f"../escaped{weights.name.removeprefix(name)}"
        weights.rename(path)
    line = refusal(
        capsys, "--data", str(tmp_path / "own"), "--tracker", str(card),
        "--save", str(tmp_path / "saved"),
    )  # fmt: skip
    assert "name is '../escaped'; expected a name of letters" in line
    assert not list((tmp_path / "saved").rglob("*"))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ((), "--data DIR is needed to run trackers"),
        (("--truth", "t"), "--data DIR is needed to run trackers"),
        (("--results", "r"), "--results needs one of --truth PATH and --data DIR"),
        (("--results", "r", "--truth", "t", "--data", "d"), "--results needs one of"),
        (("--results", "r", "--truth", "t", "--tracker", "kcf"), "--results runs no tracker"),
        (("--results", "r", "--truth", "t", "--threads", "2"), "leave out --results or --threads"),
        (
            ("--results", "r", "--truth", "t", "--protocol", "vot-supervised", "--repeat", "3"),
            "--results runs no tracker; leave out --results or --repeat",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_options_that_contradict_each_other_are_refused(
    capsys: pytest.CaptureFixture[str], options: tuple[str, ...], complaint: str
) -> None:
    assert complaint in refusal(capsys, *options)


def test_what_is_not_there_or_belongs_to_another_protocol_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "truth").mkdir()
    (tmp_path / "truth/ball.txt").write_text("1,2,30,40\n" * 3)
    common = ("--truth", str(tmp_path / "truth"), "--results", str(tmp_path / "mine"))
    assert "mine: no such folder" in refusal(capsys, *common)
    (tmp_path / "mine").mkdir()
    assert "no result of 'ball'" in refusal(capsys, *common)
    assert "belong to vot-supervised" in refusal(capsys, *common, "--challenge", "vot2018")
    line = refusal(capsys, *common, "--all-frames", "--protocol", "lasot")
    assert "--all-frames is --protocol otb" in line
