"""The report: what it says to people and to programs, and what it never says."""

from __future__ import annotations

import dataclasses
import json

import pytest
from known_machines import DESKTOP, ORIN, package, with_, without

from tracker_ros.doctor.command import RULES
from tracker_ros.doctor.facts import Facts, Library, Model
from tracker_ros.doctor.private import Names, hide, names_here, without_names
from tracker_ros.doctor.report import as_json, as_text
from tracker_ros.doctor.rule import judge

# In parts: no committed file names a place on somebody's machine, and a test looks for them.
HOME, USERS, ROOT = "/" + "home", "/" + "Users", "/" + "root"
ALICE = Names((f"{HOME}/alice", "/mnt/homes/alice"), "alice", "frodo")


def text_of(facts: Facts) -> str:
    return as_text(facts, judge(facts, RULES), rules=len(RULES))


# --- for people and programs ---------------------------------------------------------------------


def test_the_report_has_every_version_that_a_bug_report_needs() -> None:
    text = text_of(ORIN)
    for line in (
        "Jetson            NVIDIA Jetson Orin Nano Developer Kit",
        "JetPack           JetPack 6.2+b77, L4T 36.4.3",
        "power mode        MAXN_SUPER",
        "device            Orin, SM 8.7, 7.4 GiB",
        "driver            540.4.0, speaks CUDA 12.6",
        "TensorRT          10.3.0, FP16 flag: yes",
        "numpy             1.26.4",
        "OpenCV            4.10.0, headless, opencv-python-headless 4.10.0",
        "middleware        rmw_fastrtps_cpp, installed: rmw_cyclonedds_cpp, rmw_fastrtps_cpp",
        "auto takes        tensorrt",
        "distribution      humble, for Python 3.10",
        "rmem_max          2147483647 bytes",
        f"{len(RULES)} things checked: nothing is wrong",
    ):
        assert f"\n  {line}\n" in f"\n{text}\n" or text.endswith(line)


def test_a_finding_says_what_is_wrong_what_to_do_and_where_others_met_it() -> None:
    facts = with_(DESKTOP, libraries={"numpy": package("numpy", "2.2.6", clash=False)})
    facts = with_(facts, libraries={"onnxruntime": package("onnxruntime", "1.16.3", clash=True)})
    lines = text_of(facts).splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith("  [error]"))
    assert "numpy 2.2.6 with onnxruntime 1.16.3: built for another numpy" in lines[at]
    assert lines[at + 1].strip().startswith("do: pip install 'numpy<2'")
    assert "see: https://github.com/ros-perception/vision_opencv/issues/535" in lines[at + 2]
    assert lines[-1] == f"{len(RULES)} things checked: 1 error"


def test_a_library_that_fails_is_seen_in_the_table() -> None:
    broken = package("torch", "2.5.0", trouble="killed by SIGSEGV", details={})
    text = text_of(with_(DESKTOP, libraries={"torch": broken}))
    assert "torch             2.5.0, CANNOT BE USED: killed by SIGSEGV" in text


def test_models_with_and_without_weights_are_told_apart() -> None:
    models = (*DESKTOP.models, Model("mine", "siamfc", "damaged", True, "search is damaged"))
    text = text_of(with_(DESKTOP, models=models))
    assert "siamfc            siamfc_small" in text
    assert "to be imported    1 published models" in text
    assert "mine              DAMAGED: search is damaged" in text


def test_an_empty_machine_has_a_report_too() -> None:
    text = text_of(Facts())
    assert "GPU\n  device            -\n" in text
    assert all(line == line.rstrip() for line in text.splitlines())


def test_programs_get_every_fact_and_every_finding() -> None:
    facts = without(DESKTOP, "numpy")
    findings = judge(facts, RULES)
    document = json.loads(as_json(facts, findings))
    assert document["facts"]["gpu"]["sm"] == "8.6"
    assert document["facts"]["libraries"]["cv2"]["details"] == {"gui": "headless"}
    assert set(document["facts"]) == {field.name for field in dataclasses.fields(Facts)}
    (error,) = [row for row in document["findings"] if row["level"] == "error"]
    assert error["rule"] == "library-absent"
    assert set(error) == {"level", "rule", "what", "fix", "sources"}


# --- who uses the machine ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        (f"{HOME}/alice/ws/venv/bin/python", "~/ws/venv/bin/python"),
        (f"{HOME}/alice", "~"),
        ("/mnt/homes/alice/ws", "~/ws"),
        (f"{HOME}/bob/ws, {USERS}/carol: no", "~/ws, ~: no"),
        (f"('{HOME}/alice/a b')", "('~/a b')"),
        ("/media/alice/ssd/models", "/media/~/ssd/models"),
        ("cannot open '/data/alice'", "cannot open '/data/~'"),
        ("connection to frodo:11311", "connection to HOST:11311"),
        ("frodo.local", "HOST.local"),
        ("/net/frodo/alice/data", "/net/HOST/~/data"),
        (f"{HOME}/alicesprings/x", "~/x"),
        ("/opt/alice/lib", "/opt/alice/lib"),  # a folder of the system
        ("alice is a name, frodo-2 another", "alice is a name, frodo-2 another"),
        ("NVIDIA Jetson Orin", "NVIDIA Jetson Orin"),
    ],
)
def test_users_and_hosts_are_left_out(text: str, hidden: str) -> None:
    assert hide(text, ALICE) == hidden


def test_a_user_called_as_the_system_is_hides_no_system_folder() -> None:
    ros = Names((f"{HOME}/ros",), "ros", "ros")
    assert hide(f"/opt/ros/humble/lib, {HOME}/ros/ws", ros) == "/opt/ros/humble/lib, ~/ws"
    root = Names((f"{ROOT}",), "root", "")
    assert hide(f"{ROOT}/ws /data/root", root) == "~/ws /data/root"
    nobody = Names(("/", "~"), "", "")
    assert hide("/usr/lib", nobody) == "/usr/lib"


def test_no_fact_keeps_a_name() -> None:
    place = f"{HOME}/alice/secret on frodo"
    facts = with_(
        DESKTOP,
        python={"executable": place, "foreign": (place,)},
        libraries={"torch": Library("1", (place,), (place,), place, False, {"cuda": place})},
        models=(Model("m", trouble=place),),
        unread=(place,),
    )
    document = as_json(without_names(facts, ALICE), [])
    assert "alice" not in document and "frodo" not in document
    assert document.count("~/secret on HOST") == 8


def test_the_names_of_this_machine_are_known() -> None:
    names = names_here()
    assert all(names.homes)
