"""What an engine computes in, read back from what TensorRT's inspector says of its layers.

What was asked for is no answer: TensorRT takes FP16 as a permission, falls back layer by layer
where it finds nothing faster, and version 11 does not know the permission any more.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

SHORTEST_FIRST = ("int8", "fp8", "fp16", "bf16", "fp32")
TYPES = (
    ("bf16", re.compile(r"\bBF16\b|BFloat16", re.IGNORECASE)),
    ("fp16", re.compile(r"\bFP16\b|\bHalf\b", re.IGNORECASE)),
    ("fp8", re.compile(r"\bFP8\b", re.IGNORECASE)),
    ("int8", re.compile(r"\bInt8\b", re.IGNORECASE)),
    ("fp32", re.compile(r"\bFP32\b|\bFloat\b|\bTF32\b", re.IGNORECASE)),
)
"""How TensorRT writes a type: `Half`, `Channel major FP16 format where channel % 8 == 0`."""
MOVING = re.compile(
    r"reformat|copynode|no-?op|identity|constant|shuffle|slice|concat|shape|cast|signal|wait|"
    r"sync|memset|memcpy",
    re.IGNORECASE,
)
"""Kinds of layers that move numbers and compute nothing."""
SILENT = "unknown"


def precision_in(report: str) -> str:
    """`fp16`, or `fp16 (2 of 30 layers fp32)`, of the inspector's report on an engine, in JSON.

    The first is that of most layers that compute. `unknown` where the report has no details: the
    engine was built without them, or is one piece that TensorRT does not look into.
    """
    try:
        layers = json.loads(report).get("Layers", [])
    except (ValueError, AttributeError):
        return SILENT
    found = Counter(
        _of_layer(layer) for layer in layers if isinstance(layer, Mapping) and not _moves(layer)
    )
    told = {kind: count for kind, count in found.items() if kind != SILENT}
    if not told:
        return SILENT
    usual = max(told, key=lambda kind: (told[kind], -SHORTEST_FIRST.index(kind)))
    total = sum(found.values())
    order = (*SHORTEST_FIRST, SILENT)
    others = [
        f"{found[kind]} of {total} layers {kind}" for kind in order if kind != usual and found[kind]
    ]
    return f"{usual} ({', '.join(others)})" if others else usual


def _moves(layer: Mapping[str, Any]) -> bool:
    kind = str(layer.get("LayerType", ""))
    return bool(MOVING.search(kind) or MOVING.search(str(layer.get("ParameterType", ""))))


def _of_layer(layer: Mapping[str, Any]) -> str:
    """By its weights, else by the shortest type among what it takes."""
    weights = layer.get("Weights")
    if isinstance(weights, Mapping):
        found = _type_in(str(weights.get("Type", "")))
        if found != SILENT:
            return found
    if "foreign" in str(layer.get("Name", "")).lower():
        return SILENT  # a piece that another compiler made: its ends say nothing of its inside
    taken = {_type_in(str(given.get("Format/Datatype", ""))) for given in _inputs(layer)}
    return next((kind for kind in SHORTEST_FIRST if kind in taken), SILENT)


def _inputs(layer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    given = layer.get("Inputs", [])
    return [one for one in given if isinstance(one, Mapping)] if isinstance(given, list) else []


def _type_in(text: str) -> str:
    return next((kind for kind, pattern in TYPES if pattern.search(text)), SILENT)
