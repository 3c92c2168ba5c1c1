"""Quality of service: as the camera offers it, and what to do where it does not fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    QoSProfile,
    ReliabilityPolicy,
)

OUTPUT = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=5,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.VOLATILE,
)
"""Of everything that the nodes publish."""
CAMERA_INFO = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=2000,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
"""Of our camera and operator: small enough to keep them all, so that whoever comes late still
learns when each frame was."""


def matching_qos(offers: Sequence[Any], reliability: str, depth: int) -> QoSProfile:
    """Profile of a subscription: keep last `depth`, as reliable and durable as all offer.

    `offers` are the publishers (rclpy's TopicEndpointInfo); `reliability` is auto, reliable or
    best_effort. Stock Fast DDS loses big best-effort images, so reliable is taken where offered.
    """
    if reliability == "auto":
        reliable = all(o.qos_profile.reliability == ReliabilityPolicy.RELIABLE for o in offers)
    else:
        reliable = reliability == "reliable"
    durable = bool(offers) and all(
        o.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL for o in offers
    )
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if durable else DurabilityPolicy.VOLATILE,
    )


def describe_clash(offers: Sequence[Any], qos: QoSProfile, topic: str) -> str:
    """In words: a publisher of `topic` does not fit a profile of `matching_qos`, and the fix.

    Only reliability can clash: durability is asked for only where all offer it, the rest never.
    """
    if qos.reliability != ReliabilityPolicy.RELIABLE:
        return ""
    deaf = [o for o in offers if o.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT]
    if not deaf:
        return ""
    whom = "the publisher" if len(offers) == 1 else f"{len(deaf)} of {len(offers)} publishers"
    return (
        f"{whom} of {topic} offers an incompatible reliability, best effort: "
        "set the node's parameter reliability to auto or best_effort"
    )
