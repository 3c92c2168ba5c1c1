"""The verdict as JUnit XML: what a CI server reads, and what it never gets to see."""

from __future__ import annotations

import json
import math
import resource
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from replays import following, trouble

from tracker_ros.errors import DataError
from tracker_ros.replay.figures import check, parse_limits
from tracker_ros.replay.junit import write_junit
from tracker_ros.replay.outcome import Outcome
from tracker_ros.replay.score import score_plain
from tracker_ros.track import TrackState

ATTRIBUTES = {
    "testsuites": {"name", "tests", "failures", "errors", "time"},
    "testsuite": {"name", "tests", "failures", "errors", "skipped", "time"},
    "testcase": {"classname", "name", "time"},
    "failure": {"message", "type"},
    "system-out": set(),
    "system-err": set(),
}
"""Those of Jenkins' junit-10.xsd that are used here, by element."""


def outcome(below: str = "frames=3", above: str = "losses=0") -> Outcome:
    """A bag in which the target was lost once, in six frames."""
    result = following([TrackState.TRACKING] * 3 + [TrackState.LOST] * 2)
    score = score_plain(result)
    limits = parse_limits(below, above, "sot", truth=False)
    return Outcome.of(result, score, check(score.figures, limits), "drive/report.html")


def written(path: Path, *outcomes: Outcome) -> ET.Element:
    write_junit(path, outcomes)
    return ET.parse(path).getroot()


def test_a_bag_is_a_suite_and_every_limit_a_case(tmp_path: Path) -> None:
    root = written(tmp_path / "junit.xml", outcome())
    suite = root[0]
    assert suite.get("name") == "drive.mcap"
    cases = suite.findall("testcase")
    assert [case.get("name") for case in cases] == ["replayed", "frames >= 3", "losses <= 0"]
    assert [case.find("failure") is None for case in cases] == [True, True, False]
    failure = cases[2].find("failure")
    assert failure is not None and failure.get("message") == "losses <= 0: 1, not kept"


def test_the_figures_and_the_digest_are_in_the_output(tmp_path: Path) -> None:
    text = written(tmp_path / "junit.xml", outcome()).findtext("testsuite/system-out") or ""
    assert "frames = 6" in text
    assert "sha256 of the tracks = 0123" in text


def test_a_bag_that_could_not_be_replayed_fails_that_case_alone(tmp_path: Path) -> None:
    broken = Outcome("bags/broken.mcap", error="it is no mcap file")
    root = written(tmp_path / "junit.xml", outcome(above=""), broken)
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("3", "1", "0")
    (case,) = root[1].findall("testcase")
    failure = case.find("failure")
    assert case.get("name") == "replayed"
    assert failure is not None and failure.get("message") == "it is no mcap file"


def test_a_tracker_that_failed_fails_the_replay_and_shows_its_trace(tmp_path: Path) -> None:
    troubles = {
        "tracker": trouble(3, "ValueError: odd\nTraceback: line 7"),
        "image: size": trouble(2, "too small"),
    }
    failed = replace(outcome(above=""), troubles=troubles, rejected=2, dropped=1)
    assert failed.broken and not failed.passed and not failed.missed
    suite = written(tmp_path / "junit.xml", failed)[0]
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    failure = suite.find("testcase[@name='replayed']/failure")
    assert failure is not None
    assert failure.get("message") == "the tracker failed 3 times, first: ValueError: odd"
    assert (suite.findtext("system-err") or "").splitlines() == [
        "images: 2 rejected, 1 dropped",
        "tracker: 3, the first: ValueError: odd",
        "Traceback: line 7",
        "image: size: 2, the first: too small",
    ]


def test_troubles_of_the_bag_alone_fail_nothing(tmp_path: Path) -> None:
    rough = replace(outcome(above=""), troubles={"image: size": trouble(2, "too small")})
    assert rough.passed and not rough.broken
    suite = written(tmp_path / "junit.xml", rough)[0]
    assert suite.get("failures") == "0"
    assert suite.findtext("system-err") == "image: size: 2, the first: too small"


def test_only_what_jenkins_knows_is_in_it_and_the_counts_are_right(tmp_path: Path) -> None:
    damaged = Outcome("d.mcap", damage="ends at 12 s", figures={"frames": 3.0})
    root = written(tmp_path / "junit.xml", outcome(), Outcome("b.mcap", error="no"), damaged)
    for element in root.iter():
        assert set(element.attrib) == ATTRIBUTES[element.tag]
    for suite in root:
        kinds = [child.tag for child in suite]
        assert kinds == sorted(kinds, key=["testcase", "system-out", "system-err"].index)
        assert suite.get("tests") == str(len(suite.findall("testcase")))
        assert suite.get("failures") == str(len(suite.findall("testcase/failure")))
        assert float(suite.get("time", "")) >= 0
    assert root[2].findtext("system-err") == "the bag is damaged: ends at 12 s"


def test_names_that_xml_cannot_hold_are_made_such_that_it_can(tmp_path: Path) -> None:
    name = "<b>&\"'\0\x1b\udcff\ufffe.mcap"
    root = written(tmp_path / "junit.xml", Outcome(name, error=f"{name} is odd\x07"))
    assert root[0].get("name") == "<b>&\"'\ufffd\ufffd\ufffd\ufffd.mcap"


def test_no_folder_of_a_bag_becomes_a_package(tmp_path: Path) -> None:
    root = written(tmp_path / "junit.xml", Outcome("/data/run.7/drive.v2.mcap"))
    case = root[0].find("testcase")
    assert case is not None and case.get("classname") == "replay.drive_v2_mcap"


def test_nothing_to_report_is_a_report_of_nothing(tmp_path: Path) -> None:
    assert written(tmp_path / "junit.xml").get("tests") == "0"


@contextmanager
def small_disk() -> Iterator[None]:
    """No file may be longer than 100 bytes: what a full disk looks like to a program.

    No fixture: what the tests are told of goes into a file, too, before a fixture is undone.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_is_full_leaves_the_file_of_before(tmp_path: Path) -> None:
    path = tmp_path / "junit.xml"
    path.write_text("before")
    complaint = r"--junit .*junit\.xml cannot be written: File too large"
    with pytest.raises(DataError, match=complaint), small_disk():
        write_junit(path, [outcome()])
    assert path.read_text() == "before"
    assert [file.name for file in tmp_path.iterdir()] == ["junit.xml"]


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be written: No such file"):
        write_junit(tmp_path / "nowhere" / "junit.xml", [outcome()])


# --- outcomes, as they lie between a worker and the merged report --------------------------------


@pytest.mark.parametrize(
    "kept",
    [
        outcome(),
        Outcome("b.mcap", error="no"),
        Outcome("c.mcap", figures={"first_lost_s": math.inf, "frames": 2.0}, damage="ends"),
        Outcome("d.mcap", rejected=3, dropped=4, troubles={"tracker": trouble(2, "odd")}),
    ],
)
def test_an_outcome_survives_json(kept: Outcome) -> None:
    text = json.dumps(kept.as_json(), allow_nan=False)
    assert Outcome.from_json(json.loads(text)) == kept


def test_an_outcome_from_before_there_were_troubles_is_read() -> None:
    document = outcome().as_json()
    for name in ("troubles", "rejected", "dropped", "broken"):
        del document[name]
    assert Outcome.from_json(document) == outcome()


def test_what_a_replay_ran_into_is_in_its_outcome() -> None:
    result = replace(
        following([TrackState.TRACKING] * 3), rejected=2, dropped=1,
        troubles={"image: size": trouble(2, "too small")},
    )  # fmt: skip
    kept = Outcome.of(result, score_plain(result), ())
    assert (kept.rejected, kept.dropped) == (2, 1)
    assert kept.troubles["image: size"].first == "too small"


def test_what_is_not_a_number_is_null_in_json_and_comes_back() -> None:
    text = json.dumps(Outcome("c.mcap", figures={"auc": math.nan}).as_json(), allow_nan=False)
    assert json.loads(text)["figures"] == {"auc": None}
    assert math.isnan(Outcome.from_json(json.loads(text)).figures["auc"])


def test_a_bag_has_passed_when_it_was_replayed_and_kept_its_limits() -> None:
    assert outcome(above="").passed
    assert not outcome().passed and outcome().missed == {"losses"}
    assert not Outcome("b.mcap", error="no").passed
