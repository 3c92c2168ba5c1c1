"""Every known-bad pair: facts in which it is found, and the nearest ones in which it is not."""

from __future__ import annotations

import pytest
from known_machines import DESKTOP, ORIN, package, several, with_, without

from tracker_ros.doctor.facts import Facts, Library
from tracker_ros.doctor.pairs import PAIRS
from tracker_ros.doctor.rule import Finding, Rule

RULES = {rule.name: rule for rule in PAIRS}


def numpy2(facts: Facts = DESKTOP) -> Facts:
    return with_(facts, libraries={"numpy": package("numpy", "2.2.6")})


def tensorrt(version: str, facts: Facts = DESKTOP, flag: str = "yes") -> Facts:
    library = package("tensorrt-cu12", version, details={"fp16_flag": flag})
    return with_(facts, libraries={"tensorrt": library})


def xavier(version: str) -> Facts:
    machine = {"l4t": "35.4.1", "jetpack": "5.1.2", "jetson": "Jetson AGX Xavier"}
    return with_(tensorrt(version, ORIN), machine=machine, gpu={"sm": "7.2", "name": "Xavier"})


def thor(version: str) -> Facts:
    return with_(tensorrt(version, ORIN), machine={"l4t": "38.2.0"}, gpu={"sm": "11.0"})


def libs(facts: Facts = DESKTOP, **libraries: Library) -> Facts:
    return with_(facts, libraries=libraries)


IN_VENV = {"venv": True, "system_packages": False}
CUDA13 = several("tensorrt 10.14.1", "tensorrt-cu13 10.14.1")
OLD_ORT, NEW_ORT = package("onnxruntime", "1.16.3"), package("onnxruntime", "1.19.0")
OTHER_FOLDER = Library(
    "4.10.0", ("opencv-python 4.10.0", "opencv-python-headless 4.8.0"), ("~/venv", "/usr/lib")
)
TORCH = package("torch", "2.5.0", details={"cuda": "12.4"})

CASES: dict[str, tuple[list[tuple[Facts, str]], list[Facts]]] = {
    "numpy-abi": (
        [
            (numpy2(libs(onnxruntime=OLD_ORT)), "numpy 2.2.6 with onnxruntime 1.16.3"),
            (numpy2(libs(cv2=package("opencv-python", "4.9.0.80"))), "cv2 4.9.0.80"),
            (numpy2(libs(cv2=Library("4.5.4"))), "cv2 4.5.4"),  # from apt, without metadata
            (numpy2(libs(scipy=package("scipy", "1.8.0", clash=True))), "scipy 1.8.0"),
            (numpy2(libs(rclpy=package("rclpy", "3.3.0", clash=True))), "rclpy 3.3.0"),
            (numpy2(libs(interfaces=Library(clash=True))), "interfaces"),
        ],
        [numpy2(), libs(onnxruntime=OLD_ORT), numpy2(libs(onnxruntime=NEW_ORT))],
    ),
    "numpy-torch": (
        [
            (numpy2(libs(torch=package("torch", "2.2.2"))), "torch 2.2.2"),
            (numpy2(libs(torch=package("torch", "2.5.0a0+872d972e41.nv24.08", clash=True))), "nv2"),
        ],
        [numpy2(libs(torch=package("torch", "2.3.0"))), libs(torch=package("torch", "2.2.2"))],
    ),
    "numpy-cv_bridge": (
        [
            (numpy2(libs(cv_bridge=package("cv-bridge", "4.1.0", clash=True))), "cv_bridge 4.1.0"),
            (numpy2(libs(cv_bridge=Library(trouble="killed by SIGSEGV"))), "numpy 2.2.6"),
        ],
        [numpy2(libs(cv_bridge=package("cv-bridge", "4.1.0"))), libs(cv_bridge=Library("4.1.0"))],
    ),
    "numpy-tensorrt85": (
        [(tensorrt("8.5.2.2"), "TensorRT 8.5.2.2 with numpy 1.26.4")],
        [
            tensorrt("8.6.1"),
            libs(tensorrt("8.5.2.2"), numpy=package("numpy", "1.23.5")),
            without(DESKTOP, "tensorrt"),
        ],
    ),
    "opencv-several": (
        [
            (
                libs(cv2=several("opencv-python 4.10.0", "opencv-python-headless 4.8.0")),
                "-headless",
            ),
            (libs(cv2=several("opencv-contrib-python 4.9", "opencv-python 4.9")), "contrib"),
        ],
        [DESKTOP, libs(cv2=OTHER_FOLDER)],
    ),
    "opencv-5": (
        [(libs(cv2=package("opencv-python-headless", "5.0.0")), "OpenCV 5.0.0")],
        [libs(cv2=package("opencv-python-headless", "4.14.0")), without(DESKTOP, "cv2")],
    ),
    "onnxruntime-several": (
        [(libs(onnxruntime=several("onnxruntime 1.20.0", "onnxruntime-gpu 1.18.0")), "-gpu 1.18")],
        [DESKTOP, libs(onnxruntime=package("onnxruntime-gpu", "1.20.0"))],
    ),
    "tensorrt-unknown": (
        [
            (tensorrt("12.0.1"), "12.0.1"),
            (tensorrt("9.3.0"), "9.3.0"),
            (tensorrt("8.4.1.5"), "8.4.1.5"),
            (tensorrt("7.1.3"), "7.1.3"),
        ],
        [
            *(tensorrt(version) for version in ("8.5.3.1", "8.6.1", "10.0.1", "10.16.2", "11.3.0")),
            without(DESKTOP, "tensorrt"),
        ],
    ),
    "tensorrt11-onnx": (
        [(tensorrt("11.0.0", flag="no"), "11.0.0"), (tensorrt("11.2.0"), "no FP16 flag")],
        [
            tensorrt("10.8.0"),
            libs(tensorrt("11.0.0", flag="no"), onnx=package("onnx", "1.17.0")),
        ],
    ),
    "tensorrt11-fp16": (
        [(libs(tensorrt("11.0.0", flag="no"), onnx=package("onnx", "1.17.0")), "11.0.0")],
        [tensorrt("11.0.0", flag="no"), libs(onnx=package("onnx", "1.17.0"))],
    ),
    "driver-tensorrt": (
        [
            (
                libs(tensorrt=CUDA13),
                "driver 570.133.07 speaks CUDA 12.8, too old for tensorrt-cu13",
            ),
            (libs(**{"cuda-bindings": package("cuda-bindings", "13.0.1")}), "cuda-bindings 13.0.1"),
            (with_(DESKTOP, gpu={"cuda": "11.4", "driver": "470.82.01"}), "CUDA 11.4"),
        ],
        [
            DESKTOP,
            with_(libs(tensorrt=CUDA13), gpu={"cuda": "13.0", "driver": "580.65"}),
            with_(libs(tensorrt=CUDA13), gpu={"cuda": "", "driver": ""}),  # no driver at all
        ],
    ),
    "driver-torch": (
        [(with_(libs(torch=TORCH), gpu={"cuda": "11.4"}), "torch 2.5.0 (CUDA 12.4)")],
        [
            libs(torch=TORCH),
            with_(libs(torch=TORCH), gpu={"cuda": "12.2"}),  # compatible within a major version
            with_(libs(torch=package("torch", "2.5.0+cpu", details={"cuda": ""}))),
        ],
    ),
    "tensorrt-gpu": (
        [
            (with_(tensorrt("10.0.1"), gpu={"sm": "6.1", "name": "GTX 1080 Ti"}), "SM 6.1"),
            (with_(tensorrt("10.5.0"), gpu={"sm": "7.0", "name": "V100"}), "SM 7.0 (V100)"),
            (xavier("10.7.0"), "SM 7.2"),
            (tensorrt("10.13.3.9", ORIN), "SM 8.7 (Orin)"),
        ],
        [
            with_(tensorrt("8.6.1"), gpu={"sm": "6.1"}),
            with_(tensorrt("10.4.0"), gpu={"sm": "7.0"}),
            with_(tensorrt("11.0.0"), gpu={"sm": "7.5"}),
            tensorrt("10.16.1", ORIN),
            thor("10.13.3"),
            with_(tensorrt("10.8.0"), gpu={"sm": ""}),
        ],
    ),
    "jetpack-tensorrt": (
        [
            (tensorrt("11.0.0", ORIN), "TensorRT 11.0.0 on L4T 36.4.3 (JetPack 6.2)"),
            (tensorrt("10.15.1.29", ORIN), "comes with 10.3"),
            (with_(tensorrt("10.3.0", ORIN), machine={"l4t": "36.3.0"}), "comes with 8.6"),
            (xavier("8.6.1"), "comes with 8.5"),
            (with_(ORIN, machine={"l4t": "39.2.0"}), "comes with 10.16"),
        ],
        [
            ORIN,
            xavier("8.5.2.2"),
            thor("10.13.3"),
            DESKTOP,
            without(ORIN, "tensorrt"),
            with_(ORIN, machine={"l4t": "45.1.0"}),  # newer than the table
        ],
    ),
    "tensorrt-hidden": (
        [
            (with_(without(ORIN, "tensorrt"), python=IN_VENV), "this virtual environment does not"),
            (without(ORIN, "tensorrt"), "python3-libnvinfer 10.3.0.30-1+cuda12.5"),
        ],
        [ORIN, without(DESKTOP, "tensorrt")],
    ),
    "jetson-torch": (
        [(libs(ORIN, torch=package("torch", "2.8.0", details={"cuda": ""})), "without CUDA")],
        [
            ORIN,
            libs(ORIN, torch=TORCH),
            libs(torch=package("torch", "2.8.0+cpu", details={"cuda": ""})),
            libs(ORIN, torch=package("torch", "2.8.0", trouble="OSError: libcudart.so.12")),
        ],
    ),
}


def found(rule: Rule, facts: Facts) -> Finding:
    finding = rule.judge(facts)
    assert finding is not None
    return finding


def test_every_pair_has_its_cases() -> None:
    assert set(CASES) == set(RULES)
    assert len(RULES) == len(PAIRS)


@pytest.mark.parametrize(
    ("name", "facts", "words"),
    [(name, facts, words) for name, (bad, _) in CASES.items() for facts, words in bad],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_known_bad_pair_is_found(name: str, facts: Facts, words: str) -> None:
    finding = found(RULES[name], facts)
    assert words in finding.what
    assert finding.fix and "\n" not in finding.what + finding.fix


@pytest.mark.parametrize(
    ("name", "facts"),
    [(name, facts) for name, (_, good) in CASES.items() for facts in good],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_its_neighbour_is_not(name: str, facts: Facts) -> None:
    assert RULES[name].judge(facts) is None


@pytest.mark.parametrize("rule", PAIRS, ids=lambda rule: rule.name)
def test_a_source_is_a_public_page(rule: Rule) -> None:
    assert all(source.startswith("https://") for source in rule.sources)


def test_an_environment_without_the_systems_packages_is_to_be_made_anew() -> None:
    rule = RULES["tensorrt-hidden"]
    facts = without(ORIN, "tensorrt")
    assert "--system-site-packages" in found(rule, with_(facts, python=IN_VENV)).fix
    assert "apt install python3-libnvinfer" in found(rule, facts).fix
