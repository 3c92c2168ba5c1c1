"""Every network that a model card can ask for: how it is built, and how it becomes graphs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from torch import nn

from tracker_ros.errors import ModelError
from tracker_ros.networks.export import export_siamfc, export_siamrpn
from tracker_ros.networks.siamfc import SiamFC
from tracker_ros.networks.siamrpn import SiamRPN


class Architecture(NamedTuple):
    """The network of a tracker."""

    build: Callable[..., nn.Module]
    """Takes the values of the card's `network`; gives fresh weights."""
    export: Callable[[Any, Mapping[str, Any], Path], tuple[str, ...]]
    """Takes a network, the card's `tracking` and a stem; writes STEM.ROLE.onnx, gives the roles."""


def _siamfc(network: Any, tracking: Mapping[str, Any], stem: Path) -> tuple[str, ...]:
    return export_siamfc(network, int(tracking.get("scales", 3)), stem)


def _siamrpn(network: Any, tracking: Mapping[str, Any], stem: Path) -> tuple[str, ...]:
    return export_siamrpn(network, int(tracking["instance"]), stem)


ARCHITECTURES = {
    "siamfc": Architecture(SiamFC, _siamfc),
    "siamrpnpp": Architecture(SiamRPN, _siamrpn),
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
