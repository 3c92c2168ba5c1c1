"""What of Python, ROS 2, the kernel, models and cache is known to go wrong, as a table of rules."""

from __future__ import annotations

from pathlib import PurePath

from tracker_ros.doctor.facts import Facts
from tracker_ros.doctor.rule import GITHUB, Rule
from tracker_ros.doctor.surroundings_of_ros import ROS_RULES

SMALL_CACHE_MB = 500
"""Free space below which the engines of some models may no longer fit."""
INSTALL = {
    "numpy": "pip install 'numpy>=1.23'",
    "scipy": "pip install 'scipy>=1.8'",
    "cv2": "pip install 'opencv-python-headless>=4.8,<5'",
    "yaml": "pip install 'pyyaml>=5.4'",
    "onnxruntime": "pip install 'onnxruntime>=1.15'",
}
"""What tracker_ros does not run without."""
OPTIONAL = ("tensorrt", "torch")


# --- libraries -----------------------------------------------------------------------------------


def _lacks(facts: Facts) -> str:
    absent = [name for name in INSTALL if not facts.about(name).here]
    return f"this Python has no {', no '.join(absent)}" if absent else ""


def _install_them(facts: Facts) -> str:
    commands = [command for name, command in INSTALL.items() if not facts.about(name).here]
    return " ".join([commands[0], *(command.split(" ", 2)[2] for command in commands[1:])])


def _fails(facts: Facts, names: tuple[str, ...]) -> str:
    """Those that are there and cannot be imported; a clash with numpy has a rule of its own."""
    broken = [(name, facts.about(name)) for name in names]
    return "; ".join(
        f"{name} {library.version} cannot be imported: {library.trouble}".replace("  ", " ")
        for name, library in broken
        if library.trouble and not library.clash
    )


def _broken(facts: Facts) -> str:
    return _fails(facts, tuple(INSTALL))


def _broken_optional(facts: Facts) -> str:
    return _fails(facts, OPTIONAL)


# --- Python --------------------------------------------------------------------------------------


def _venv_ignored(facts: Facts) -> str:
    python = facts.python
    if not python.active_venv or PurePath(python.active_venv) == PurePath(python.prefix):
        return ""
    return (
        f"{python.active_venv} is active, but {python.executable} runs this: a script of ROS 2 "
        "starts the Python that it was built with"
    )


def _other_python3(facts: Facts) -> str:
    python = facts.python
    if not python.venv or not python.of_path or _venv_ignored(facts):
        return ""
    if PurePath(python.of_path).is_relative_to(python.prefix):
        return ""
    return f"`ros2 run` would start our nodes with {python.of_path}, not with {python.executable}"


def _mixed(facts: Facts) -> str:
    if not facts.python.foreign:
        return ""
    first = facts.python.foreign[0]
    return f"Python {facts.python.version} also looks for modules in those of another: {first}"


# --- backend, models, cache ----------------------------------------------------------------------


def _slower_backend(facts: Facts) -> str:
    if not facts.gpu.name or not facts.backend.why_not:
        return ""
    auto = facts.backend.auto
    return f"there is a GPU, {facts.gpu.name}, and `auto` takes {auto}: {facts.backend.why_not}"


def _no_gpu(facts: Facts) -> str:
    if facts.gpu.name or not facts.backend.why_not or not facts.backend.auto:
        return ""
    return f"`auto` takes {facts.backend.auto}: {facts.backend.why_not}"


def _models(facts: Facts, *states: str) -> str:
    bad = [model for model in facts.models if model.state in states]
    return "; ".join(model.trouble or f"model '{model.name}': {model.state}" for model in bad)


def _damaged(facts: Facts) -> str:
    return _models(facts, "damaged", "missing", "unreadable")


def _no_models(facts: Facts) -> str:
    here = any(model.state == "here" for model in facts.models)
    return "" if here or not facts.models else "no model has its weights here: nothing can track"


def _unwritable(facts: Facts) -> str:
    cache = facts.cache
    return (
        f"engines cannot be kept in {cache.folder}: {cache.unwritable}" if cache.unwritable else ""
    )


def _full(facts: Facts) -> str:
    free = facts.cache.free_mb
    if free is None or free >= SMALL_CACHE_MB or facts.cache.unwritable:
        return ""
    return f"{facts.cache.folder} has {free} MB left for built engines"


def _misfits(facts: Facts) -> str:
    bad = [engine for engine in facts.cache.engines if engine.misfit]
    if not bad:
        return ""
    of = f"{len(bad)} of {len(facts.cache.engines)} built engines do not fit this machine"
    return f"{of}, such as {bad[0].name}: {bad[0].misfit}"


def _slow_clocks(facts: Facts) -> str:
    mode = facts.machine.power_mode
    if not mode or mode.startswith("MAXN"):
        return ""
    return f"{facts.machine.jetson} runs in power mode {mode}, which holds its clocks down"


def _unread(facts: Facts) -> str:
    return "; ".join(facts.unread)


def _empty_cache(facts: Facts) -> str:
    return f"nothing: they are built anew when they are needed; {facts.cache.folder} may be emptied"


SURROUNDINGS = (
    Rule("library-absent", "error", _lacks, _install_them),
    Rule(
        "library-broken", "error", _broken,
        "install it again, from a wheel for this Python and this processor: pip install "
        "--force-reinstall NAME",
        (f"{GITHUB}RoboStack/ros-humble/issues/215",),
    ),
    Rule(
        "library-broken-optional", "warning", _broken_optional,
        "install it again for this Python, CUDA and processor, or uninstall it: tracking goes on "
        "with ONNX Runtime",
    ),
    Rule(
        "venv-ignored", "warning", _venv_ignored,
        "make the environment with --system-site-packages and build in it: python3 -m colcon build",
        (f"{GITHUB}mgonzs13/yolo_ros/issues/112", f"{GITHUB}ros2/ros2cli/issues/1024"),
    ),
    Rule(
        "venv-not-on-path", "warning", _other_python3,
        "activate the environment in the shell that starts the nodes",
        (f"{GITHUB}ros2/ros2cli/issues/1024",),
    ),
    Rule(
        "python-mixed", "warning", _mixed,
        "take that folder out of PYTHONPATH: unset PYTHONPATH, then source ROS 2 again",
        (f"{GITHUB}ros2/rclpy/issues/914",),
    ),
    *ROS_RULES,
    Rule(
        "models-damaged", "error", _damaged,
        "install the package again, or import the model again; `models show NAME` says more",
    ),
    Rule("models-none", "error", _no_models, "`models list` says which there are"),
    Rule(
        "gpu-unused", "warning", _slower_backend,
        "do what the line says; backend:=onnxruntime, if the CPU is to do it",
        (f"{GITHUB}Geekgineer/ros2_yolos_cpp/issues/3",),
    ),
    Rule(
        "cache-unwritable", "warning", _unwritable,
        "make the folder writable, or name another: engine_cache:=FOLDER; until then engines are "
        "built at every start",
        (f"{GITHUB}dusty-nv/jetson-inference/issues/1644",),
    ),
    Rule(
        "cache-full", "warning", _full,
        "make room, or name another folder: engine_cache:=FOLDER",
    ),
    Rule("unread", "warning", _unread, "tell it with this report: the doctor should not stumble"),
    Rule("backend", "ok", _no_gpu, "nothing, unless this machine has an NVIDIA GPU"),
    Rule(
        "cache-misfits", "ok", _misfits, _empty_cache,
        (
            f"{GITHUB}NVIDIA/TensorRT/issues/564",
            f"{GITHUB}dusty-nv/jetson-inference/issues/426",
        ),
    ),
    Rule(
        "power-mode", "ok", _slow_clocks,
        "sudo nvpmodel -m 0 (see `nvpmodel -p --verbose`) where power and cooling allow it",
    ),
)  # fmt: skip
"""What of the surroundings goes wrong."""
