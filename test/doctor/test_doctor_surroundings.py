"""Every rule on Python, ROS 2, kernel, models and cache: facts that it finds something in, and
the nearest ones that it does not."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from known_machines import DESKTOP, ORIN, package, with_, without

from tracker_ros.doctor.command import RULES as ALL
from tracker_ros.doctor.facts import (
    Backend,
    Cache,
    CachedEngine,
    Facts,
    Gpu,
    Interpreter,
    Library,
    Model,
    Ros,
)
from tracker_ros.doctor.rule import LEVELS, judge
from tracker_ros.doctor.surroundings import SURROUNDINGS

RULES = {rule.name: rule for rule in SURROUNDINGS}
BROKEN = "ImportError: libgomp.so.1: cannot open shared object file"


def python(facts: Facts = DESKTOP, **fields: Any) -> Facts:
    return with_(facts, python=fields)


def ros(facts: Facts = DESKTOP, **fields: Any) -> Facts:
    return with_(facts, ros=fields)


def libs(**libraries: Library) -> Facts:
    return with_(DESKTOP, libraries=libraries)


def model(state: str, trouble: str = "") -> Facts:
    return with_(DESKTOP, models=(*DESKTOP.models, Model("mine", "siamfc", state, True, trouble)))


NO_ROS = without(with_(DESKTOP, ros=Ros()), "rclpy", "interfaces")
MISFIT = CachedEngine("siamfc.search-0123", misfit="it was built for TensorRT 8.5.2, Orin, SM 8.7")
FITS = CachedEngine("siamfc.search-4567")
NO_RMW = {"rmw": "", "rmw_asked": "rmw_zenoh_cpp"}
NO_INTERFACES = Library(trouble="ModuleNotFoundError: No module named 'tracker_ros.msg'")
CYCLONE = {"rmw": "rmw_cyclonedds_cpp"}

CASES: dict[str, tuple[list[tuple[Facts, str]], list[Facts]]] = {
    "library-absent": (
        [(without(DESKTOP, "onnxruntime"), "no onnxruntime"), (without(DESKTOP, "cv2"), "no cv2")],
        [DESKTOP, without(DESKTOP, "tensorrt"), libs(numpy=Library(trouble=BROKEN))],
    ),
    "library-broken": (
        [
            (libs(cv2=package("opencv", "4.10.0", trouble=BROKEN)), "cv2 4.10.0 cannot"),
            (libs(numpy=package("numpy", "1.26.4", trouble="killed by SIGILL")), "SIGILL"),
        ],
        [
            DESKTOP,
            libs(torch=package("torch", "2.5.0", trouble=BROKEN)),
            libs(onnxruntime=package("onnxruntime", "1.16.3", trouble=BROKEN, clash=True)),
        ],
    ),
    "library-broken-optional": (
        [
            (libs(torch=package("torch", "2.5.0", trouble="no answer within 60 s")), "no answer"),
            (libs(tensorrt=package("tensorrt", "10.3.0", trouble=BROKEN)), "tensorrt 10.3.0"),
        ],
        [DESKTOP, without(DESKTOP, "tensorrt"), libs(cv2=Library("4.10.0", trouble=BROKEN))],
    ),
    "venv-ignored": (
        [
            (python(prefix="/usr", venv=False, executable="/usr/bin/python3"), "/usr/bin/python3"),
            (python(ORIN, active_venv="~/venv"), "~/venv is active"),
        ],
        [DESKTOP, ORIN, python(active_venv="~/venv/")],
    ),
    "venv-not-on-path": (
        [(python(of_path="/usr/bin/python3", active_venv=""), "start our nodes with /usr/bin")],
        [
            DESKTOP,
            ORIN,
            python(of_path=""),
            python(of_path="/usr/bin/python3", active_venv="~/other"),  # told by venv-ignored
        ],
    ),
    "python-mixed": (
        [(python(foreign=("/opt/ros/foxy/lib/python3.8/site-packages",)), "foxy/lib/python3.8")],
        [DESKTOP],
    ),
    "ros-absent": (
        [(NO_ROS, "no ROS 2 in this shell")],
        [DESKTOP, without(DESKTOP, "rclpy"), with_(DESKTOP, ros={"distribution": ""})],
    ),
    "ros-python": (
        [
            (python(version="3.11.9"), "ROS 2 jazzy is for Python 3.12, and this is Python 3.11.9"),
            (python(version="3.1.2"), "3.1.2"),
        ],
        [DESKTOP, python(NO_ROS, version="3.11.9")],
    ),
    "rmw-absent": (
        [(ros(**NO_RMW), "RMW_IMPLEMENTATION is rmw_zenoh_cpp")],
        [DESKTOP, ros(rmw_asked="rmw_cyclonedds_cpp"), ros(rmw_asked="rmw_zenoh_cpp", rmws=())],
    ),
    "rclpy-broken": (
        [
            (libs(rclpy=Library(trouble=BROKEN)), "libgomp"),
            (without(DESKTOP, "rclpy"), "finds no rclpy"),
        ],
        [
            DESKTOP,
            NO_ROS,
            python(libs(rclpy=Library(trouble=BROKEN)), version="3.10.1"),  # told by ros-python
            ros(libs(rclpy=Library(trouble=BROKEN)), **NO_RMW),  # told by rmw-absent
        ],
    ),
    "interfaces-absent": (
        [(libs(interfaces=NO_INTERFACES), "No module named 'tracker_ros.msg'")],
        [
            DESKTOP,
            with_(NO_ROS, libraries={"interfaces": NO_INTERFACES}),
            libs(interfaces=NO_INTERFACES, rclpy=Library(trouble=BROKEN)),
        ],
    ),
    "domain-none": (
        [
            (ros(domain_id="233"), "'233'"),
            (ros(domain_id="-1"), "'-1'"),
            (ros(domain_id="robot"), "'robot'"),
            (ros(domain_id="²"), "'²'"),  # a digit, and no number
        ],
        [DESKTOP, ros(domain_id="0"), ros(domain_id="232"), ros(domain_id="150")],
    ),
    "domain-busy": (
        [(ros(domain_id="102"), "102"), (ros(domain_id="214"), "214")],
        [DESKTOP, ros(domain_id="101"), ros(domain_id="215"), ros(domain_id="many")],
    ),
    "profile-gone": (
        [(ros(profile_here=False), "~/ws/config/fastdds_shm.xml")],
        [DESKTOP, ros(profile="", profile_here=False), ros(profile_here=False, **CYCLONE)],
    ),
    "profile-none": (
        [(ros(profile="", profile_here=False), "0.5 MB of shared memory")],
        [DESKTOP, ros(profile="", **CYCLONE), NO_ROS],
    ),
    "rmem": (
        [(with_(DESKTOP, kernel={"rmem_max": 212992}), "net.core.rmem_max is 212992")],
        [
            DESKTOP,
            with_(DESKTOP, kernel={"rmem_max": 4194304}),
            with_(DESKTOP, kernel={"rmem_max": None}),
            with_(NO_ROS, kernel={"rmem_max": 212992}),
        ],
    ),
    "shm-small": (
        [
            (
                with_(DESKTOP, kernel={"shm_mb": 64}, machine={"container": True}),
                "/dev/shm of this container has 64 MB",
            ),
        ],
        [
            DESKTOP,
            with_(DESKTOP, kernel={"shm_mb": None}),
            with_(DESKTOP, kernel={"shm_mb": 64}, ros=CYCLONE),
        ],
    ),
    "models-damaged": (
        [
            (model("damaged", "model 'mine': search is damaged"), "search is damaged"),
            (model("missing"), "model 'mine': missing"),
            (model("unreadable", "the model card is not valid"), "not valid"),
        ],
        [DESKTOP, model("import"), model("unknown")],
    ),
    "models-none": (
        [(with_(DESKTOP, models=(Model("spm_alexnet_otb", "spm", "import"),)), "can track")],
        [DESKTOP, with_(DESKTOP, models=())],
    ),
    "gpu-unused": (
        [
            (
                with_(DESKTOP, backend=Backend("onnxruntime", "no tensorrt; pip install it")),
                "a GPU, NVIDIA GeForce RTX 3080, and `auto` takes onnxruntime: no tensorrt",
            ),
        ],
        [DESKTOP, with_(DESKTOP, gpu=Gpu(), backend=Backend("onnxruntime", "no tensorrt"))],
    ),
    "backend": (
        [
            (
                with_(DESKTOP, gpu=Gpu(), backend=Backend("onnxruntime", "no tensorrt")),
                "`auto` takes onnxruntime: no tensorrt",
            ),
        ],
        [DESKTOP, with_(DESKTOP, backend=Backend("onnxruntime", "no tensorrt"))],
    ),
    "cache-unwritable": (
        [
            (
                with_(DESKTOP, cache={"unwritable": "~/.cache: Permission denied"}),
                "engines cannot be kept in ~/.cache/tracker_ros/engines: ~/.cache: Permission",
            ),
        ],
        [DESKTOP, with_(DESKTOP, cache=Cache("~/.cache/tracker_ros/engines"))],
    ),
    "cache-full": (
        [(with_(DESKTOP, cache={"free_mb": 80}), "has 80 MB left")],
        [DESKTOP, with_(DESKTOP, cache={"free_mb": None})],
    ),
    "cache-misfits": (
        [(with_(DESKTOP, cache={"engines": (FITS, MISFIT)}), "1 of 2 built engines")],
        [DESKTOP, with_(DESKTOP, cache={"engines": (FITS,)})],
    ),
    "power-mode": (
        [(with_(ORIN, machine={"power_mode": "15W"}), "power mode 15W")],
        [ORIN, DESKTOP, with_(ORIN, machine={"power_mode": "MAXN"})],
    ),
    "unread": (
        [(with_(DESKTOP, unread=("kernel could not be looked at: OSError: 5",)), "kernel could")],
        [DESKTOP],
    ),
}  # fmt: skip


def test_every_rule_has_its_cases() -> None:
    assert set(CASES) == set(RULES)
    assert len(RULES) == len(SURROUNDINGS)


@pytest.mark.parametrize(
    ("name", "facts", "words"),
    [(name, facts, words) for name, (bad, _) in CASES.items() for facts, words in bad],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_is_found(name: str, facts: Facts, words: str) -> None:
    finding = RULES[name].judge(facts)
    assert finding is not None
    assert words in finding.what
    assert finding.fix and "\n" not in finding.what + finding.fix


@pytest.mark.parametrize(
    ("name", "facts"),
    [(name, facts) for name, (_, good) in CASES.items() for facts in good],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_its_neighbour_is_not(name: str, facts: Facts) -> None:
    assert RULES[name].judge(facts) is None


@pytest.mark.parametrize("facts", [DESKTOP, ORIN], ids=["desktop", "orin"])
def test_nothing_is_wrong_with_a_machine_on_which_all_goes_together(facts: Facts) -> None:
    assert judge(facts, ALL) == []


def test_the_worst_comes_first() -> None:
    facts = with_(without(DESKTOP, "numpy"), kernel={"rmem_max": 1}, machine={"power_mode": "15W"})
    levels = [finding.level for finding in judge(facts, ALL)]
    assert levels == sorted(levels, key=LEVELS.index)
    assert set(levels) == set(LEVELS)


def test_every_rule_has_a_name_of_its_own() -> None:
    assert len({rule.name for rule in ALL}) == len(ALL)


@pytest.mark.parametrize("text", ["", "?", "1", "1.x", "999999999999999999999"])
def test_no_rule_stumbles_over_what_a_machine_says(text: str) -> None:
    """Every text of every fact is the same odd one."""
    library = Library(text, (text,), (text,), text, True, {"cuda": text, "fp16_flag": text})
    facts = Facts(
        machine=dataclasses.replace(
            ORIN.machine, l4t=text, jetpack=text, jetson=text, packages={text: text}
        ),
        gpu=Gpu(text, text, None, text, text, text, text),
        python=Interpreter(text, text, text, True, False, text, text, (text,)),
        libraries=dict.fromkeys(("numpy", "cv2", "tensorrt", "torch", "cuda-bindings"), library),
        ros=Ros(text, text, text, text, (text,), text, text, text, False, False, text),
        models=(Model(text, text, text, False, text),),
        cache=Cache(text, False, text, None, (CachedEngine(text, text, text),)),
        backend=Backend(text, text),
        unread=(text,),
    )
    for finding in judge(facts, ALL):
        assert finding.what and finding.fix


def test_what_is_missing_is_one_command_to_install() -> None:
    finding = RULES["library-absent"].judge(without(DESKTOP, "numpy", "onnxruntime"))
    assert finding is not None
    assert finding.fix == "pip install 'numpy>=1.23' 'onnxruntime>=1.15'"


def test_a_missing_vision_msgs_is_named() -> None:
    rule = RULES["interfaces-absent"]
    facts = libs(interfaces=NO_INTERFACES)
    without_it = rule.judge(ros(facts, vision_msgs=""))
    assert without_it is not None and "apt install ros-jazzy-vision-msgs" in without_it.fix
    with_it = rule.judge(facts)
    assert with_it is not None and "colcon build" in with_it.fix


def test_the_middleware_that_is_asked_for_is_the_one_to_install() -> None:
    finding = RULES["rmw-absent"].judge(ros(**NO_RMW))
    assert finding is not None and "apt install ros-jazzy-rmw-zenoh-cpp" in finding.fix
