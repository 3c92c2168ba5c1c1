"""The facts and what was found in them, as text for people and as JSON for programs."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence

from tracker_ros import __version__
from tracker_ros.doctor.facts import Cache, Facts, Library
from tracker_ros.doctor.rule import LEVELS, Finding

WIDTH = 18
"""Of the first column."""
TITLES = {
    "numpy": "numpy",
    "scipy": "scipy",
    "cv2": "OpenCV",
    "yaml": "PyYAML",
    "onnxruntime": "onnxruntime",
    "tensorrt": "TensorRT",
    "cuda-bindings": "cuda-bindings",
    "torch": "torch",
    "onnx": "onnx",
    "cv_bridge": "cv_bridge",
}
"""Libraries in the order of the report."""
Rows = Iterator[tuple[str, str]]


def as_text(facts: Facts, findings: Sequence[Finding], *, rules: int) -> str:
    """The whole report for people. `rules`: how many were tried."""
    sections = (
        ("machine", _machine(facts)),
        ("GPU", _gpu(facts)),
        ("Python", _python(facts)),
        ("libraries", _libraries(facts)),
        ("ROS 2", _ros(facts)),
        ("models", _models(facts)),
        ("engines", _engines(facts)),
    )
    lines = [f"tracker_ros {__version__} doctor"]
    for title, rows in sections:
        lines += ["", title]
        lines += [f"  {name:<{WIDTH}}{value or '-'}".rstrip() for name, value in rows]
    lines += ["", "findings", *_findings(findings)]
    lines += ["", summary(findings, rules)]
    return "\n".join(lines)


def as_json(facts: Facts, findings: Sequence[Finding]) -> str:
    """The same for programs: `facts` as `facts.py` names them, and `findings`."""
    document = {
        "tracker_ros": __version__,
        "facts": dataclasses.asdict(facts),
        "findings": [finding._asdict() for finding in findings],
    }
    return json.dumps(document, indent=2)


def summary(findings: Sequence[Finding], rules: int) -> str:
    """One line: how many findings of each level, and of how many rules."""
    counts = [(level, sum(f.level == level for f in findings)) for level in LEVELS[:2]]
    words = [f"{count} {level}{'s' if count > 1 else ''}" for level, count in counts if count]
    return f"{rules} things checked: {', '.join(words) or 'nothing is wrong'}"


def _findings(findings: Sequence[Finding]) -> Iterator[str]:
    if not findings:
        yield "  none"
    for finding in findings:
        yield f"  {'[' + finding.level + ']':<10} {finding.what}"
        yield f"  {'':<10} do: {finding.fix}"
        if finding.sources:
            yield f"  {'':<10} see: {' '.join(finding.sources)}"


def _machine(facts: Facts) -> Rows:
    machine = facts.machine
    cores = f"{machine.cores} cores" if machine.cores else ""
    yield "processor", _joined(machine.architecture, machine.cpu, cores)
    free = f"{_gib(machine.available_mb)} of it free" if machine.available_mb is not None else ""
    yield "memory", _joined(_gib(machine.memory_mb), free)
    inside = "in a container" if machine.container else ""
    yield "system", _joined(machine.system, machine.kernel, inside)
    if machine.jetson:
        yield "Jetson", machine.jetson
        jetpack = f"JetPack {machine.jetpack}" if machine.jetpack else "JetPack not known"
        yield "JetPack", _joined(jetpack, f"L4T {machine.l4t}" if machine.l4t else "")
        yield "power mode", machine.power_mode
    system = [f"{n} {v}" for n, v in machine.packages.items() if "libnvinfer" in n]
    if system:
        yield "from apt", ", ".join(system)


def _gpu(facts: Facts) -> Rows:
    gpu = facts.gpu
    sm = f"SM {gpu.sm}" if gpu.sm else ""
    count = f"{gpu.multiprocessors} multiprocessors" if gpu.multiprocessors else ""
    why = f"none: {gpu.trouble}" if gpu.trouble else ""
    yield "device", _joined(gpu.name, sm, count, _gib(gpu.memory_mb)) or why
    speaks = f"speaks CUDA {gpu.cuda}" if gpu.cuda else ""
    yield "driver", _joined(gpu.driver, speaks)
    yield "CUDA toolkit", gpu.toolkit


def _python(facts: Facts) -> Rows:
    python = facts.python
    kind = "of the system"
    if python.venv:
        sees = "sees" if python.system_packages else "does not see"
        kind = f"a virtual environment that {sees} the system's packages"
    yield "Python", _joined(python.version, python.executable, kind)
    if python.of_path and python.of_path != python.executable:
        yield "python3 of PATH", python.of_path
    for folder in python.foreign:
        yield "of another Python", folder


def _libraries(facts: Facts) -> Rows:
    for name, title in TITLES.items():
        library = facts.about(name)
        if library.here or name != "cv_bridge":
            yield title, _library(library, title)


def _library(library: Library, title: str) -> str:
    told = {
        "gui": "{}",
        "providers": "providers {}",
        "cuda": "for CUDA {}",
        "fp16_flag": "FP16 flag: {}",
        "gpu": "sees a GPU: {}",
    }
    words = [text.format(library.details[k]) for k, text in told.items() if library.details.get(k)]
    if "cuda" in library.details and not library.details["cuda"]:
        words.append("built without CUDA")
    packages = [p for p in library.packages if p.split()[0] != title.lower()]
    trouble = f"CANNOT BE USED: {library.trouble}" if library.trouble else ""
    clash = "was built for another numpy" if library.clash else ""
    return _joined(library.version, *words, " and ".join(packages), trouble, clash)


def _ros(facts: Facts) -> Rows:
    ros = facts.ros
    yield (
        "distribution",
        _joined(ros.distribution, f"for Python {ros.python}" if ros.python else ""),
    )
    rclpy = facts.about("rclpy")
    yield "rclpy", _library(rclpy, "rclpy")
    asked = f"RMW_IMPLEMENTATION={ros.rmw_asked}" if ros.rmw_asked else ""
    there = f"installed: {', '.join(ros.rmws)}" if ros.rmws else ""
    yield "middleware", _joined(ros.rmw, asked, there)
    yield "vision_msgs", ros.vision_msgs
    messages = facts.about("interfaces")
    yield "our messages", messages.trouble or messages.details.get("messages", "")
    domain = ros.domain_id or "not set, which is 0"
    yield "ROS_DOMAIN_ID", _joined(domain, f"discovery: {ros.discovery}" if ros.discovery else "")
    gone = "" if ros.profile_here else "THERE IS NO SUCH FILE"
    cyclone = "CYCLONEDDS_URI is set" if ros.cyclone else ""
    yield "DDS profile", _joined(*((ros.profile, gone) if ros.profile else ()), cyclone)
    kernel = facts.kernel
    yield "rmem_max", _bytes(kernel.rmem_max)
    held = f"kept {kernel.ipfrag_time} s" if kernel.ipfrag_time is not None else ""
    yield "ipfrag", _joined(_bytes(kernel.ipfrag_high_thresh), held)
    yield "/dev/shm", f"{kernel.shm_mb} MB" if kernel.shm_mb is not None else ""


def _models(facts: Facts) -> Rows:
    by_tracker: dict[str, list[str]] = {}
    for model in facts.models:
        if model.state == "here":
            own = " (yours)" if model.user else ""
            by_tracker.setdefault(model.tracker, []).append(model.name + own)
        elif model.state != "import":
            yield model.name, f"{model.state.upper()}: {model.trouble}"
    for tracker, names in sorted(by_tracker.items()):
        yield tracker, ", ".join(names)
    waiting = sum(model.state == "import" for model in facts.models)
    if waiting:
        yield "to be imported", f"{waiting} published models, whose weights are not here"


def _engines(facts: Facts) -> Rows:
    backend = facts.backend
    # Why, where that is not TensorRT, stands among the findings.
    yield "auto takes", backend.auto or f"not known: {backend.why_not}"
    yield "cache", _cache(facts.cache)
    for engine in facts.cache.engines:
        fits = f"does not fit: {engine.misfit}" if engine.misfit else "fits this machine"
        yield "engine", _joined(engine.name, engine.words, fits)


def _cache(cache: Cache) -> str:
    state = cache.unwritable or ("writable" if cache.exists else "made when it is needed")
    free = f"{cache.free_mb} MB free" if cache.free_mb is not None else ""
    count = f"{len(cache.engines)} engines" if len(cache.engines) != 1 else "1 engine"
    return _joined(cache.folder, state, free, count)


def _joined(*words: str) -> str:
    return ", ".join(word for word in words if word)


def _gib(mb: int | None) -> str:
    return "" if mb is None else f"{mb / 1024:.1f} GiB"


def _bytes(number: int | None) -> str:
    return "" if number is None else f"{number} bytes"
