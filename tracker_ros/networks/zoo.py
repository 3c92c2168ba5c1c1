"""Every network that a model card can ask for: how it is built, and how it becomes graphs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from torch import nn

from tracker_ros.errors import ModelError
from tracker_ros.networks.atom import ATOM
from tracker_ros.networks.atom_parts import atom_parts
from tracker_ros.networks.export import export_parts
from tracker_ros.networks.parts import Parts, siamese_parts
from tracker_ros.networks.siamfc import SiamFC
from tracker_ros.networks.siamrpn import SiamRPN
from tracker_ros.networks.siamrpn_merged import siamrpn_parts
from tracker_ros.networks.spm import SPM
from tracker_ros.networks.spm_parts import spm_parts


class Architecture(NamedTuple):
    """The network of a tracker."""

    build: Callable[..., nn.Module]
    """Takes the values of the card's `network`; gives fresh weights."""
    parts: Callable[[Any, Mapping[str, Any]], Parts]
    """Takes a network and the card's `tracking`; gives what is exported, and what torch runs."""


def _siamfc(network: Any, tracking: Mapping[str, Any]) -> Parts:
    return siamese_parts(network, 255, ["response"], rows=int(tracking.get("scales", 3)))


def _siamrpn(network: Any, tracking: Mapping[str, Any]) -> Parts:
    return siamrpn_parts(network, int(tracking["instance"]), int(tracking.get("lost_instance", 0)))


def _atom(network: Any, tracking: Mapping[str, Any]) -> Parts:
    return atom_parts(network, int(tracking.get("sample", 288)))


def _spm(network: Any, tracking: Mapping[str, Any]) -> Parts:
    return spm_parts(network)


ARCHITECTURES = {
    "atom": Architecture(ATOM, _atom),
    "siamfc": Architecture(SiamFC, _siamfc),
    "siamrpnpp": Architecture(SiamRPN, _siamrpn),
    "spm": Architecture(SPM, _spm),
}


def build_network(tracker: str, values: Mapping[str, Any]) -> nn.Module:
    """A network with fresh weights, in evaluation mode.

    values: the card's `network`; lists stand for tuples. Raises ModelError for values that the
    network does not know.
    """
    if tracker not in ARCHITECTURES:
        raise ModelError(
            f"no network for the tracker '{tracker}'; there are {', '.join(ARCHITECTURES)}"
        )
    given = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
    try:
        return ARCHITECTURES[tracker].build(**given).eval()
    except (TypeError, ValueError) as error:
        raise ModelError(f"network of the tracker '{tracker}': {error}") from error


def export_network(
    tracker: str, network: nn.Module, tracking: Mapping[str, Any], stem: Path, *, half: bool = True
) -> tuple[str, ...]:
    """Write the graphs STEM.ROLE.onnx of a network and return their roles.

    tracking: the card's. half: store the weights as float16; see networks.export.
    """
    return export_parts(ARCHITECTURES[tracker].parts(network, tracking), stem, half=half)
