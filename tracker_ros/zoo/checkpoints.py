"""Official checkpoints as tables of weights, whatever they are kept in and without running it."""

from __future__ import annotations

import json
import re
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tracker_ros
from tracker_ros.errors import ModelError

START = (
    "import sys; sys.path.insert(0, sys.argv[1]); from tracker_ros.zoo.converter import start; "
    "sys.exit(start(*sys.argv[2:]))"
)
PATIENCE = 600.0
"""Seconds that a conversion may take; the processor time of it is limited anyhow."""
LAYOUTS = {
    "siamfc": "siamfc-pytorch",
    "siamrpnpp": "pysot",
    "spm": "spm-tracker",
    "atom": "pytracking",
}
"""Tracker -> whose key names its official checkpoints have."""
COUNTERS = "num_batches_tracked"
"""Ends the names of counters of training steps, which no network needs."""
SPM_KERNELS = ("rpn_head.z_cls_weights", "rpn_head.z_bbox_weights")
"""Kernels of the last target, which the authors' code kept with the weights."""
RANDOM = "random_weights"
"""Key in the metadata of a .safetensors file that `export --untrained` has written."""
USUAL = re.compile(
    r"ltr\..+|numpy\.(dtype|ndarray|_?core\.multiarray\.(scalar|_reconstruct))|_codecs\.encode|"
    r"torch\.(device|[a-z]*float\d*|u?int\d+)|torch\.nn\.(modules|parameter)\..+|datetime\.\w+|"
    r"argparse\.Namespace|collections\.\w+|copy_?reg\._reconstructor|pathlib\.\w+|"
    r"(builtins|__builtin__)\.(object|set|frozenset|slice|complex|bytearray|range)|"
    r"(yacs\.config|easydict)\.\w+"
)
"""Names that trainers leave in a checkpoint with no harm meant; `ltr` is ATOM's training code."""
ATOM_UNUSED = ("feature_extractor.layer4.", "feature_extractor.fc.")
"""Parts of ResNet-18 that ATOM does not use."""


@dataclass(frozen=True)
class Weights:
    """What a file holds."""

    file: Path
    tensors: Mapping[str, Any]
    """Name -> torch tensor, on the CPU."""
    others: tuple[str, ...] = ()
    """Entries beside the tensors that are none."""
    strangers: tuple[str, ...] = ()
    """Classes and functions that a pickle asked for; nothing of them was run."""

    @property
    def alarming(self) -> tuple[str, ...]:
        """Those that no trainer is known to leave there, as posix.system or builtins.eval."""
        return tuple(name for name in self.strangers if not USUAL.fullmatch(name))


def read_weights(file: Path) -> Weights:
    """Read a checkpoint (.pth, .pt, ...: what torch.save writes) or a .safetensors file.

    Nothing that a pickle holds is executed (tracker_ros.zoo.converter). Raises ModelError when
    the file cannot be read, is damaged, holds no table of weights, or random ones.
    """
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import load_file

    try:
        mode = file.stat().st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # opening a pipe would wait
            raise ModelError(f"{file} is a pipe or a device; copy what it gives to a file")
        with file.open("rb") as opened:
            head = opened.read(9)
    except OSError as error:
        raise ModelError(f"{file} cannot be read: {error.strerror or error}") from error
    if file.suffix == ".onnx":
        raise ModelError(
            f"{file} is a graph and holds no table of weights: there is nothing to import. A model "
            "is used where it lies: give the path of its card (.yaml) as `model`"
        )
    if head[8:9] == b"{":  # the length of a header in JSON, and the header
        try:
            with safe_open(str(file), "pt") as opened:
                random = RANDOM in (opened.metadata() or {})
            if random:
                raise ModelError(
                    f"{file} holds random weights, as `models export --untrained` writes them: "
                    "they are for timing and make no model"
                )
            return Weights(file, load_file(str(file)))
        except (SafetensorError, OSError, ValueError) as error:
            raise ModelError(f"{file} is damaged, or no safetensors file: {error}") from error
    try:
        with tempfile.TemporaryDirectory(prefix="tracker_ros_") as folder:
            converted = Path(folder) / "converted.safetensors"
            answer = convert(file, converted)
            return Weights(
                file, load_file(str(converted)), tuple(answer["others"]), tuple(answer["strangers"])
            )
    except SafetensorError as error:
        raise ModelError(
            f"{file}: names or sizes of its weights are impossible: {error}"
        ) from error
    except OSError as error:
        raise ModelError(f"{file}: its weights cannot be kept for a moment: {error}") from error


def convert(file: Path, converted: Path) -> dict[str, Any]:
    """Turn what torch.save wrote into safetensors, in a process of its own; what that says.

    `others`: entries that are no tensors; `strangers`: names that the pickle asked for. Raises
    ModelError when the file is refused; what `converted` then holds is not to be used.
    """
    root = Path(tracker_ros.__file__).parents[1]
    command = [sys.executable, "-I", "-c", START, str(root), str(file.resolve()), str(converted)]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            cwd=converted.parent,
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired as error:
        raise ModelError(f"{file}: reading it took more than {PATIENCE:.0f} s: refused") from error
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        raise ModelError(f"{file}: reading it was ended by the system ({name}): refused")
    try:
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError) as error:
        words = done.stderr.decode(errors="replace").strip().splitlines() or ["no answer"]
        raise ModelError(f"{file}: the converter failed: {words[-1]}") from error
    if "error" in answer:
        reason = printable(str(answer["error"]))
        raise ModelError(f"{file} is no checkpoint that can be imported: {reason}")
    return {kind: [printable(name) for name in names] for kind, names in answer.items()}


def printable(text: str) -> str:
    """A name in somebody's file as a terminal may be shown it: no control characters, no pages."""
    shown = text if len(text) <= 200 else f"{text[:200]}..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in shown)


def as_network_has_it(layout: str, files: Iterable[Weights]) -> dict[str, Any]:
    """The tensors of all files under the names that our networks have.

    Our networks have their authors' names, so that little is to be done: a prefix `module.` goes,
    and counters and unused parts are left out. Raises ModelError for an unknown layout, and files
    that do not belong together.
    """
    if layout not in LAYOUTS.values():
        raise ModelError(f"no layout '{layout}'; there are {', '.join(LAYOUTS.values())}")
    tensors: dict[str, Any] = {}
    for weights in files:
        named = {name.removeprefix("module."): t for name, t in weights.tensors.items()}
        for name, tensor in _arranged(layout, named).items():
            if name in tensors:
                raise ModelError(f"{weights.file}: {name} is in another of the files, too")
            tensors[name] = tensor
    return tensors


def _arranged(layout: str, named: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: t for name, t in named.items() if name.rpartition(".")[2] != COUNTERS}
    if layout == "spm-tracker":
        kept = {name: t for name, t in kept.items() if not name.endswith(SPM_KERNELS)}
        if not any(name.startswith(("cm.", "fm.")) for name in kept):  # else: one file of ours
            coarse = any(name.startswith("z_net.") for name in kept)
            kept = {f"{'cm' if coarse else 'fm'}.{name}": t for name, t in kept.items()}
    if layout == "pytracking":
        kept = {name: t for name, t in kept.items() if not name.startswith(ATOM_UNUSED)}
    return kept
