"""Versions that are known not to go together, as a table of rules. A new one is a new row.

Each has its tests: facts in which it finds something, and the nearest ones in which it does not.
"""

from __future__ import annotations

from tracker_ros.doctor.facts import Facts
from tracker_ros.doctor.gpu_pairs import GPU_PAIRS
from tracker_ros.doctor.rule import GITHUB, Rule

NUMPY_2 = {"onnxruntime": (1, 19), "cv2": (4, 10), "torch": (2, 3)}
"""The first versions whose wheels were built for numpy 2."""
NEEDED = ("scipy", "cv2", "onnxruntime", "rclpy", "interfaces")
"""What a running tracker imports, and what was built for some numpy."""


# --- numpy ---------------------------------------------------------------------------------------


def _built_for_numpy_1(facts: Facts, names: tuple[str, ...]) -> str:
    numpy = facts.version("numpy")
    bad = []
    for name in names:
        library = facts.about(name)
        too_old = numpy >= (2,) and () < facts.version(name) < NUMPY_2.get(name, ())
        if library.clash or too_old:
            bad.append(f"{name} {library.version}".strip())
    if not bad:
        return ""
    return f"numpy {facts.about('numpy').version} with {', '.join(bad)}: built for another numpy"


def _needed_clash(facts: Facts) -> str:
    return _built_for_numpy_1(facts, NEEDED)


def _torch_clash(facts: Facts) -> str:
    return _built_for_numpy_1(facts, ("torch",))


def _cv_bridge_clash(facts: Facts) -> str:
    bridge = facts.about("cv_bridge")
    if facts.version("numpy") < (2,) or not (bridge.clash or bridge.trouble):
        return ""
    numpy = facts.about("numpy").version
    return (
        f"cv_bridge {bridge.version} cannot be imported with numpy {numpy}; tracker_ros does not "
        "use it, other nodes may"
    )


def _tensorrt_bool(facts: Facts) -> str:
    if () < facts.version("tensorrt") < (8, 6) and facts.version("numpy") >= (1, 24):
        return (
            f"TensorRT {facts.about('tensorrt').version} with numpy "
            f"{facts.about('numpy').version}: tensorrt.nptype() fails on np.bool; tracker_ros "
            "does not call it, other programs do"
        )
    return ""


# --- packages that overwrite each other ----------------------------------------------------------


def _several(facts: Facts, name: str) -> str:
    """The packages of one folder that bring the same module."""
    library = facts.about(name)
    by_folder: dict[str, list[str]] = {}
    for package, folder in zip(library.packages, library.folders, strict=True):
        by_folder.setdefault(folder, []).append(package)
    return next((", ".join(names) for names in by_folder.values() if len(names) > 1), "")


def _several_opencvs(facts: Facts) -> str:
    names = _several(facts, "cv2")
    return f"several OpenCVs overwrite each other's module cv2: {names}" if names else ""


def _several_onnxruntimes(facts: Facts) -> str:
    names = _several(facts, "onnxruntime")
    return f"several ONNX Runtimes overwrite each other: {names}" if names else ""


def _opencv_5(facts: Facts) -> str:
    if facts.version("cv2") < (5,):
        return ""
    version = facts.about("cv2").version
    return f"OpenCV {version} numbers its array types anew: cv_bridge breaks, we are tried with 4"


PAIRS = (
    Rule(
        "numpy-abi", "error", _needed_clash,
        "pip install 'numpy<2' (beside ROS Humble to Kilted and on JetPack 5 and 6), or newer "
        "builds: 'opencv-python-headless>=4.10,<5' 'onnxruntime>=1.19'",
        (
            f"{GITHUB}ros-perception/vision_opencv/issues/535",
            f"{GITHUB}microsoft/onnxruntime/issues/21063",
            f"{GITHUB}dusty-nv/jetson-containers/issues/961",
        ),
    ),
    Rule(
        "numpy-torch", "warning", _torch_clash,
        "pip install 'numpy<2', or torch 2.3 or newer; tracking itself needs no torch",
        (f"{GITHUB}pytorch/pytorch/issues/107302",),
    ),
    Rule(
        "numpy-cv_bridge", "warning", _cv_bridge_clash,
        "pip install 'numpy<2' in this Python, if other nodes in it use cv_bridge",
        (
            f"{GITHUB}ros-perception/vision_opencv/issues/535",
            f"{GITHUB}mgonzs13/yolo_ros/pull/75",
        ),
    ),
    Rule(
        "numpy-tensorrt85", "warning", _tensorrt_bool,
        "nothing for tracker_ros; for the other programs: pip install 'numpy<1.24'",
        (
            f"{GITHUB}NVIDIA/TensorRT/issues/2557",
            f"{GITHUB}ultralytics/ultralytics/issues/22930",
        ),
    ),
    Rule(
        "opencv-several", "warning", _several_opencvs,
        "pip uninstall all of them, then install one: pip install 'opencv-python-headless>=4.8,<5'",
        (
            f"{GITHUB}opencv/opencv-python/issues/467",
            f"{GITHUB}JaidedAI/EasyOCR/issues/748",
        ),
    ),
    Rule(
        "opencv-5", "warning", _opencv_5,
        "pip install 'opencv-python-headless>=4.8,<5'",
    ),
    Rule(
        "onnxruntime-several", "warning", _several_onnxruntimes,
        "pip uninstall all of them, then install one: the later one has taken the other's GPU "
        "support with it",
        (f"{GITHUB}microsoft/onnxruntime/issues/26996",),
    ),
    *GPU_PAIRS,
)  # fmt: skip
"""Known-bad pairs."""
