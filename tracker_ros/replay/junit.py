"""The verdict on bags as JUnit XML, which Jenkins, GitLab and GitHub's actions show.

One testsuite a bag: a testcase `replayed`, which fails when the bag could not be or when the
tracker failed on the way, and one for every limit. Source of the format: Jenkins' junit-10.xsd
(attributes and the order of elements).
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

from tracker_ros.replay.figures import FIGURES, shown
from tracker_ros.replay.outcome import Outcome, tracker_failure
from tracker_ros.replay.whole_file import write_whole_file

_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML 1.0 document can hold, not even escaped."""


def write_junit(path: Path, outcomes: Sequence[Outcome]) -> None:
    """Write the file, whole or not at all. Raises DataError when that is not possible."""
    root = ET.Element("testsuites", name="tracker_ros replay")
    for outcome in outcomes:
        root.append(_suite(outcome))
    for count in ("tests", "failures", "errors"):
        root.set(count, str(sum(int(suite.get(count, "0")) for suite in root)))
    root.set("time", f"{sum(outcome.wall for outcome in outcomes):.3f}")
    ET.indent(root)
    write_whole_file(path, ET.tostring(root, "utf-8", xml_declaration=True) + b"\n", "--junit")


def _suite(outcome: Outcome) -> ET.Element:
    missed = [check for check in outcome.checks if not check.passed]
    suite = ET.Element(
        "testsuite",
        name=_clean(outcome.bag),
        tests=str(1 + len(outcome.checks)),
        failures=str(len(missed) + bool(outcome.error or outcome.broken)),
        errors="0",
        skipped="0",
        time=f"{outcome.wall:.3f}",
    )
    replayed = _case(suite, outcome, "replayed", outcome.wall)
    if reason := outcome.error or tracker_failure(outcome.troubles):
        failure = ET.SubElement(replayed, "failure", message=_clean(reason))
        failure.set("type", "not replayed" if outcome.error else "tracker failed")
        failure.text = _clean(reason)
    for check in outcome.checks:
        case = _case(suite, outcome, str(check.limit), 0.0)
        if not check.passed:
            failure = ET.SubElement(case, "failure", message=_clean(str(check)))
            failure.set("type", "limit")
            failure.text = _clean(f"{check.name}: {FIGURES[check.name].about}")
    if outcome.figures:
        lines = [f"{name} = {shown(name, value)}" for name, value in outcome.figures.items()]
        lines += [f"sha256 of the tracks = {outcome.digest}"] if outcome.digest else []
        ET.SubElement(suite, "system-out").text = _clean("\n".join(lines))
    if lines := _troubles(outcome):
        ET.SubElement(suite, "system-err").text = _clean("\n".join(lines))
    return suite


def _troubles(outcome: Outcome) -> list[str]:
    """What was of no use in a bag, and what the tracker's failure looked like, whole."""
    lines = [f"the bag is damaged: {outcome.damage}"] if outcome.damage else []
    if outcome.rejected or outcome.dropped:
        lines.append(f"images: {outcome.rejected} rejected, {outcome.dropped} dropped")
    lines += [
        f"{cause}: {trouble.count}, the first: {trouble.first}"
        for cause, trouble in outcome.troubles.items()
    ]
    return lines


def _case(suite: ET.Element, outcome: Outcome, name: str, seconds: float) -> ET.Element:
    # Without dots: Jenkins takes what is before the last one for a package.
    where = Path(outcome.bag).name.replace(".", "_")
    return ET.SubElement(
        suite, "testcase", classname=_clean(f"replay.{where}"), name=name, time=f"{seconds:.3f}"
    )


def _clean(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
