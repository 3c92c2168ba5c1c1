"""The states of the last minutes."""

from tracker_ros.operator.timeline import CHANGES, SECONDS, TARGETS, Timeline


def changes(timeline: Timeline, now: float) -> dict[str, list[list[object]]]:
    return {target["id"]: target["changes"] for target in timeline.as_message(now)["targets"]}


def test_only_changes_are_kept_with_the_seconds_since() -> None:
    timeline = Timeline()
    for second in range(10):
        state = "TRACKING" if second < 6 else "LOST"
        timeline.add(second, [("1", "dog", state)])
    assert changes(timeline, 10) == {"1": [[10, "TRACKING"], [4, "LOST"]]}
    assert timeline.as_message(10)["targets"][0]["label"] == "dog"


def test_a_target_that_is_not_named_any_more_has_ended_and_may_come_back() -> None:
    timeline = Timeline()
    timeline.add(0, [("1", "", "TRACKING"), ("2", "", "TRACKING")])
    timeline.add(1, [("2", "", "TRACKING")])
    timeline.add(2, [("2", "", "TRACKING")])
    timeline.add(3, [("1", "", "TENTATIVE"), ("2", "", "TRACKING")])
    assert changes(timeline, 4) == {
        "1": [[4, "TRACKING"], [3, "ENDED"], [1, "TENTATIVE"]],
        "2": [[4, "TRACKING"]],
    }


def test_what_is_older_than_the_span_leaves_but_for_the_state_that_it_began_with() -> None:
    timeline = Timeline()
    timeline.add(0, [("1", "", "TRACKING"), ("2", "", "TRACKING")])
    timeline.add(10, [("1", "", "LOST")])
    now = 20 + SECONDS
    assert changes(timeline, now) == {"1": [[now - 10, "LOST"]]}


def test_neither_targets_nor_changes_grow_without_end() -> None:
    timeline = Timeline()
    for i in range(2000):
        timeline.add(i / 30, [("1", "", "LOST" if i % 2 else "TRACKING"), (f"x{i}", "", "LOST")])
    found = changes(timeline, 2000 / 30)
    assert len(found) <= TARGETS
    assert all(len(one) <= CHANGES for one in found.values())


def test_what_nothing_is_heard_of_is_unknown_from_then_on() -> None:
    timeline = Timeline()
    timeline.add(0, [("1", "", "TRACKING"), ("2", "", "TRACKING")])
    timeline.add(2, [("1", "", "TRACKING")])
    timeline.silence(2)
    timeline.silence(2)
    assert changes(timeline, 10) == {
        "1": [[10, "TRACKING"], [8, "UNKNOWN"]], "2": [[10, "TRACKING"], [8, "ENDED"]],
    }  # fmt: skip
    timeline.add(20, [("1", "", "TRACKING")])
    assert changes(timeline, 20)["1"][-1] == [0, "TRACKING"]
    timeline.silence(20)
    assert changes(timeline, 21 + SECONDS) == {}
