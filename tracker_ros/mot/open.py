"""From the name of a multi-object tracker to a tracker that is ready to run."""

from __future__ import annotations

from tracker_ros.errors import ModelError
from tracker_ros.mot.appearance import MODES
from tracker_ros.mot.famnet import FamnetTracker
from tracker_ros.mot.model import DEFAULT_MODEL, load_famnet
from tracker_ros.mot.settings import Settings
from tracker_ros.mot.sort import SortTracker
from tracker_ros.mot.tracker import MultiTracker
from tracker_ros.sot import TRACKERS
from tracker_ros.sot.backends import EngineChoice
from tracker_ros.sot.model import open_model

MULTI_TRACKERS = ("famnet", "hungarian", "sort")
WINDOWS = (1, 4)
"""Least and largest K."""
RECOVERING = "siamrpnpp_alexnet_small"
"""The cheapest model; `recover_score` is a score of its."""
VARIANTS = {
    "k": f"past frames of the window, {WINDOWS[0]} to {WINDOWS[1]}",
    "recover": f"off, or what recovers: a model of {', '.join(TRACKERS)} (default {RECOVERING})",
    "features": f"how candidates are looked at: {', '.join(MODES)}",
}


def open_multi_tracker(
    name: str, *, threads: int = 0, settings: Settings | None = None,
    engines: EngineChoice | None = None,
) -> MultiTracker:  # fmt: skip
    """A tracker without targets yet.

    name: famnet, hungarian (its pairwise affinity alone), sort, or the path of a model card;
    after a colon, variants: `famnet:k=3,recover=off`. threads: CPU threads of the networks, 0 for
    the engine's choice. settings: how targets are managed; SORT has its own. engines: what shall
    run the networks, in place of ONNX Runtime with so many threads. Raises ModelError when the
    card or a file of it is missing, damaged or does not fit, or a variant is none.
    """
    base, _, words = name.partition(":")
    if base == "sort":
        if words:
            raise ModelError(f"'{name}': sort has no variants")
        return SortTracker()
    if base not in MULTI_TRACKERS and not base.endswith((".yaml", ".yml")):
        raise ModelError(
            f"no multi-object tracker '{name}'; there are {', '.join(MULTI_TRACKERS)}, "
            "or the path of a model card (.yaml)"
        )
    chosen = _variants(name, words)
    pairwise = base == "hungarian"
    features, recover = chosen.get("features", "auto"), chosen.get("recover", RECOVERING)
    if features not in MODES:
        raise ModelError(f"'{name}': features is '{features}'; choose one of {', '.join(MODES)}")
    frames = chosen.get("k", "1" if pairwise else "2")
    low, high = WINDOWS
    if not frames.isdecimal() or not low <= int(frames) <= high or (pairwise and frames != "1"):
        limits = "1" if pairwise else f"{low} to {high}"
        raise ModelError(f"'{name}': k is '{frames}'; give {limits}")
    card = DEFAULT_MODEL if base in MULTI_TRACKERS else base
    engines = engines or EngineChoice(threads=threads)
    return FamnetTracker(
        load_famnet(card, mode=features, engines=engines),
        None if recover == "off" else open_model(recover, engines),
        frames=int(frames),
        pairwise=pairwise,
        settings=settings,
        name=name,
    )


def _variants(name: str, words: str) -> dict[str, str]:
    chosen = {}
    for word in filter(None, words.split(",")):
        key, _, value = word.partition("=")
        if key not in VARIANTS:
            known = "; ".join(f"{key}: {text}" for key, text in VARIANTS.items())
            raise ModelError(f"'{name}': no variant '{key}'; there are {known}")
        chosen[key] = value
    return chosen
