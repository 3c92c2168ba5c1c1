"""The parameters of the operator's page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tracker_ros.operator.pictures import Quality
from tracker_ros.operator.server import Limits
from tracker_ros.pipeline.parameters import ParameterStore


@dataclass(frozen=True)
class OperatorParameters:
    """Their values."""

    address: str
    port: int
    token: str
    limits: Limits
    quality: Quality
    sot: str
    """Name of the single-object node."""
    mot: str
    """Name of the multi-object node."""
    folder: Path
    """Where recordings go."""
    gigabytes: float
    """After which a recording ends by itself."""


def declare_operator_parameters(store: ParameterStore) -> None:
    """Declare them all; those that the server is started with cannot change later."""
    declare = store.declare
    declare("address", "127.0.0.1", "to listen on; any but this machine's own wants a token: "
            "0.0.0.0 is every one", read_only=True)  # fmt: skip
    declare("port", 8080, "to listen on; 0: a free one, which the log names", (0, 65535),
            read_only=True)  # fmt: skip
    declare("token", "", "that a page has to know; empty: a new one at every start where one is "
            "needed", read_only=True)  # fmt: skip
    declare("max_clients", 16, "pages that may be open", (1, 1000), read_only=True)
    declare("jpeg_quality", 80, "of images that do not come compressed", (1, 100))
    declare("longest_side", 1280, "pixels that these are made smaller to; 0: never", (0, 16384))
    declare("sot", "sot", "name of the node that follows targets", read_only=True)
    declare("mot", "mot", "name of the node that gives identities", read_only=True)
    declare("record_folder", "recordings", "where recordings go", read_only=True)
    declare("record_gigabytes", 20.0, "after which a recording ends by itself", (0.01, 1e4))


def read_operator_parameters(store: ParameterStore) -> OperatorParameters:
    """Read what is set now."""
    value = store.value
    return OperatorParameters(
        address=value("address"),
        port=value("port"),
        token=value("token"),
        limits=Limits(clients=value("max_clients")),
        quality=Quality(value("jpeg_quality"), value("longest_side")),
        sot=value("sot"),
        mot=value("mot"),
        folder=Path(value("record_folder")),
        gigabytes=value("record_gigabytes"),
    )
