"""Answers one question about this Python, in a process that may crash or hang over it.

What imports something big, something compiled or a driver is asked here, and never in the process
of the doctor. The answer is a JSON object on the standard output.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

Values = dict[str, Any]


def main(arguments: Sequence[str]) -> None:
    """Answer `arguments[0]`, asked with the rest of them."""
    # What libraries print while they are imported must not stand in the answer.
    answer = os.dup(1)
    os.dup2(2, 1)
    question, *rest = arguments
    try:
        values = QUESTIONS[question](*rest)
    except (Exception, SystemExit) as error:
        values = {"error": one_line(error)}
    with os.fdopen(answer, "w", encoding="utf-8") as file:
        json.dump(values, file)


def one_line(error: BaseException) -> str:
    """An error in one line; of one that came of another, the first says most."""
    while error.__cause__ is not None:
        error = error.__cause__
    words = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = words[0] if words else ""
    return f"{type(error).__name__}: {text}"[:300]


def library(name: str) -> Values:
    """Import a module and try it: its version, and what else there is to say of it."""
    module = importlib.import_module(name)
    details = DETAILS[name](module) if name in DETAILS else {}
    return {"version": str(getattr(module, "__version__", "") or ""), "details": details}


def _numpy(numpy: Any) -> Values:
    numpy.linalg.inv(numpy.eye(3))  # a BLAS for another processor dies here
    return {}


def _cv2(cv2: Any) -> Values:
    numpy = importlib.import_module("numpy")
    cv2.cvtColor(numpy.zeros((2, 2, 3), numpy.uint8), cv2.COLOR_BGR2GRAY)
    gui = ""
    for line in cv2.getBuildInformation().splitlines():
        name, _, value = line.strip().partition(":")
        if name == "GUI":
            gui = value.strip()
    return {"gui": "headless" if gui in ("", "NONE") else f"GUI ({gui})"}


def _onnxruntime(onnxruntime: Any) -> Values:
    return {"providers": ", ".join(onnxruntime.get_available_providers())}


def _tensorrt(tensorrt: Any) -> Values:
    return {"fp16_flag": "yes" if hasattr(tensorrt.BuilderFlag, "FP16") else "no"}


def _torch(torch: Any) -> Values:
    torch.from_numpy(importlib.import_module("numpy").zeros(1))  # not sure with another numpy
    return {
        "cuda": str(torch.version.cuda or ""),
        "gpu": "yes" if torch.cuda.is_available() else "no",
    }


def _rclpy(rclpy: Any) -> Values:
    utilities = importlib.import_module("rclpy.utilities")
    return {"rmw": str(utilities.get_rmw_implementation_identifier())}


DETAILS: dict[str, Callable[[Any], Values]] = {
    "numpy": _numpy,
    "cv2": _cv2,
    "onnxruntime": _onnxruntime,
    "tensorrt": _tensorrt,
    "torch": _torch,
    "rclpy": _rclpy,
}


def interfaces() -> Values:
    """Import our own messages, and the compiled halves of them."""
    messages = importlib.import_module("tracker_ros.msg")
    names = [name for name in dir(messages) if isinstance(getattr(messages, name), type)]
    for name in names:
        message = getattr(messages, name)
        type(message).__import_type_support__()
        # That only logs what is wrong: without a type support nothing can be published.
        if getattr(message, "_TYPE_SUPPORT", None) is None:
            raise ImportError(f"the compiled half of tracker_ros.msg.{name} cannot be loaded")
    return {"details": {"messages": ", ".join(names)}}


def gpu() -> Values:
    """The first CUDA device, asked of the driver's own library: no package is needed for it."""
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return {"error": "no NVIDIA driver: libcuda.so.1 is not there"}
    values: Values = {}
    number = ctypes.c_int()
    if cuda.cuDriverGetVersion(ctypes.byref(number)) == 0:
        values["cuda"] = f"{number.value // 1000}.{number.value % 1000 // 10}"
    code = cuda.cuInit(0)
    if code == 0:
        code = cuda.cuDeviceGetCount(ctypes.byref(number))
    if code or number.value < 1:
        told = _cuda_words(cuda, code) if code else "it counts no device"
        return {**values, "error": f"the NVIDIA driver gives no device: {told}"}
    device = ctypes.c_int()
    name = ctypes.create_string_buffer(256)
    total = ctypes.c_size_t()
    cuda.cuDeviceGet(ctypes.byref(device), 0)
    cuda.cuDeviceGetName(name, len(name), device)
    cuda.cuDeviceTotalMem_v2(ctypes.byref(total), device)
    attributes = []
    for attribute in (75, 76, 16):  # compute capability, major and minor; multiprocessors
        cuda.cuDeviceGetAttribute(ctypes.byref(number), attribute, device)
        attributes.append(number.value)
    major, minor, multiprocessors = attributes
    values.update(
        name=name.value.decode(errors="replace"),
        sm=f"{major}.{minor}",
        memory_mb=total.value // 2**20,
        multiprocessors=multiprocessors,
    )
    return values


def _cuda_words(cuda: Any, code: int) -> str:
    words = ctypes.c_char_p()
    if cuda.cuGetErrorString(code, ctypes.byref(words)) == 0 and words.value:
        return f"{words.value.decode(errors='replace')} (error {code})"
    return f"error {code}"


def models() -> Values:
    """Every card, and whether its files are what it says."""
    from tracker_ros.errors import ModelError
    from tracker_ros.models.card import card_names, read_card, user_folder

    rows = []
    for name in card_names():
        row: Values = {"name": name}
        try:
            card = read_card(name)
            row.update(tracker=card.tracker, user=card.folder == user_folder())
            row["state"] = "here" if card.files else "import"
            for role in card.files:
                row["state"] = "damaged" if card.graph_path(role).is_file() else "missing"
                card.graph(role)
                row["state"] = "here"
        except ModelError as error:
            row.setdefault("state", "unreadable")
            row["trouble"] = str(error)
        rows.append(row)
    return {"models": rows}


def backend() -> Values:
    """What `backend: auto` takes, and why that is not TensorRT."""
    from tracker_ros.sot.backends import AUTO, TENSORRT, chosen_backend

    auto, reason = chosen_backend(AUTO)
    return {"auto": auto, "why_not": "" if auto == TENSORRT else reason}


QUESTIONS: dict[str, Callable[..., Values]] = {
    "library": library,
    "interfaces": interfaces,
    "gpu": gpu,
    "models": models,
    "backend": backend,
}


if __name__ == "__main__":
    main(sys.argv[1:])
