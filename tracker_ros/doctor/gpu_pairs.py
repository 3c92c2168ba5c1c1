"""TensorRT, CUDA, the driver and the GPU: versions that are known not to go together."""

from __future__ import annotations

import re

from tracker_ros.doctor.facts import Facts, numbers
from tracker_ros.doctor.jetson import release_of
from tracker_ros.doctor.rule import GITHUB, Rule

KNOWN_TENSORRT = ("8.5", "8.6", "10", "11")


def _unknown_tensorrt(facts: Facts) -> str:
    version = facts.version("tensorrt")
    known = (8, 5) <= version < (9,) or version[0:1] in ((10,), (11,))
    if not version or known:
        return ""
    told = facts.about("tensorrt").version
    return f"TensorRT {told} is none that tracker_ros knows: {', '.join(KNOWN_TENSORRT)}"


def _no_fp16_flag(facts: Facts) -> bool:
    library = facts.about("tensorrt")
    return facts.version("tensorrt") >= (11,) or library.details.get("fp16_flag") == "no"


def _no_onnx(facts: Facts) -> str:
    if not _no_fp16_flag(facts) or facts.about("onnx").here:
        return ""
    version = facts.about("tensorrt").version
    return f"TensorRT {version} has no FP16 flag, and onnx, which casts a graph, is not here"


def _other_fp16(facts: Facts) -> str:
    if not _no_fp16_flag(facts) or not facts.about("onnx").here:
        return ""
    version = facts.about("tensorrt").version
    return (
        f"TensorRT {version} has no FP16 flag: tracker_ros casts the graph; a program that asks "
        "for fp16 with that flag gets FP32"
    )


def _too_new_cuda(facts: Facts, runtimes: dict[str, str]) -> str:
    """Those that were built for a newer major version of CUDA than the driver speaks."""
    speaks = numbers(facts.gpu.cuda)[:1]
    new = [f"{name} (CUDA {cuda})" for name, cuda in runtimes.items() if numbers(cuda)[:1] > speaks]
    if not speaks or not new:
        return ""
    driver = f" {facts.gpu.driver}" if facts.gpu.driver else ""
    return f"the NVIDIA driver{driver} speaks CUDA {facts.gpu.cuda}, too old for {', '.join(new)}"


def _driver_and_tensorrt(facts: Facts) -> str:
    runtimes = {}
    for package in facts.about("tensorrt").packages:
        found = re.match(r"tensorrt-cu(\d+) ", package)
        if found is not None:
            runtimes[package] = found[1]
    bindings = facts.about("cuda-bindings").version
    if bindings:
        runtimes[f"cuda-bindings {bindings}"] = bindings.partition(".")[0]
    return _too_new_cuda(facts, runtimes)


def _driver_and_torch(facts: Facts) -> str:
    torch = facts.about("torch")
    cuda = torch.details.get("cuda", "")
    return _too_new_cuda(facts, {f"torch {torch.version}": cuda}) if cuda else ""


def _too_old_gpu(facts: Facts) -> str:
    sm, version = numbers(facts.gpu.sm), facts.version("tensorrt")
    if not sm or not version:
        return ""
    dropped = (version >= (10, 5) and sm < (7, 5)) or (version >= (10,) and sm < (7, 0))
    left_out = sm == (8, 7) and (10, 13) <= version < (10, 14)
    if not dropped and not left_out:
        return ""
    told = facts.about("tensorrt").version
    return f"TensorRT {told} has no code for SM {facts.gpu.sm} ({facts.gpu.name})"


def _other_jetpack(facts: Facts) -> str:
    release, version = release_of(facts.machine.l4t), facts.version("tensorrt")
    if release is None or not version or version[:2] == numbers(release.tensorrt):
        return ""
    return (
        f"TensorRT {facts.about('tensorrt').version} on L4T {facts.machine.l4t} (JetPack "
        f"{release.jetpack}), which comes with {release.tensorrt}"
    )


def _hidden_tensorrt(facts: Facts) -> str:
    theirs = [f"{n} {v}" for n, v in facts.machine.packages.items() if "libnvinfer" in n]
    if facts.about("tensorrt").here or not theirs:
        return ""
    seen = "this virtual environment does not see" if facts.python.venv else "Python has none of"
    return f"{seen} the system's TensorRT ({theirs[0]})"


def _show_tensorrt(facts: Facts) -> str:
    if facts.python.venv and not facts.python.system_packages:
        return "make the environment anew with: python3 -m venv --system-site-packages FOLDER"
    return "sudo apt install python3-libnvinfer, and use the system's Python (or a venv of it)"


def _torch_without_cuda(facts: Facts) -> str:
    torch = facts.about("torch")
    if not facts.machine.jetson or not torch.version or torch.trouble or torch.details.get("cuda"):
        return ""
    return f"torch {torch.version} on {facts.machine.jetson} was built without CUDA"


GPU_PAIRS = (
    Rule(
        "tensorrt-unknown", "warning", _unknown_tensorrt,
        f"install one of {', '.join(KNOWN_TENSORRT)}, or choose backend:=onnxruntime",
        (f"{GITHUB}NVIDIA/TensorRT/issues/4216",),
    ),
    Rule(
        "tensorrt11-onnx", "warning", _no_onnx,
        "pip install onnx, or choose precision:=fp32",
        (f"{GITHUB}roboflow/rf-detr/issues/1453",),
    ),
    Rule(
        "tensorrt11-fp16", "ok", _other_fp16,
        "nothing for tracker_ros: its status says the precision that an engine really has",
        (f"{GITHUB}roboflow/rf-detr/issues/1453", f"{GITHUB}roboflow/rf-detr/issues/1214"),
    ),
    Rule(
        "driver-tensorrt", "warning", _driver_and_tensorrt,
        "a newer driver (CUDA 12 needs 525, CUDA 13 needs 580; on a Jetson a newer JetPack), or "
        "packages for the CUDA that it speaks: pip install 'tensorrt-cu12<11' 'cuda-bindings<13'",
        (f"{GITHUB}nagadomi/nunif/issues/702", f"{GITHUB}onnxruntime/mobius/issues/316"),
    ),
    Rule(
        "driver-torch", "warning", _driver_and_torch,
        "a newer NVIDIA driver, or a torch for the CUDA that it speaks",
        (f"{GITHUB}nagadomi/nunif/issues/702",),
    ),
    Rule(
        "tensorrt-gpu", "warning", _too_old_gpu,
        "a TensorRT that still has, or already has, this GPU: 8.6 before SM 7.0, 10.4 at most for "
        "SM 7.0, another than 10.13 for SM 8.7",
        (
            f"{GITHUB}NVIDIA/TensorRT/issues/3826",
            f"{GITHUB}Project-MONAI/MONAI/pull/8199",
            f"{GITHUB}NVIDIA-ISAAC-ROS/isaac-ros-cli/issues/22",
        ),
    ),
    Rule(
        "jetpack-tensorrt", "warning", _other_jetpack,
        "use JetPack's own: pip uninstall the tensorrt packages, sudo apt install "
        "python3-libnvinfer; PyPI's are for servers and desktops",
        (
            f"{GITHUB}NVIDIA/TensorRT/issues/4176",
            f"{GITHUB}ultralytics/ultralytics/issues/22271",
        ),
    ),
    Rule(
        "tensorrt-hidden", "warning", _hidden_tensorrt, _show_tensorrt,
        (f"{GITHUB}NVIDIA/TensorRT/issues/2737", f"{GITHUB}pytorch/TensorRT/issues/1233"),
    ),
    Rule(
        "jetson-torch", "warning", _torch_without_cuda,
        "install NVIDIA's build for this JetPack, or none: tracking itself needs no torch",
        (f"{GITHUB}dusty-nv/jetson-inference/issues/1932",),
    ),
)  # fmt: skip
"""Known-bad pairs of what a GPU needs."""
