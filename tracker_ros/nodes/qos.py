"""Quality of service: as the camera offers it, and what to do where it does not fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    QoSPolicyKind,
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

FIXES = {
    QoSPolicyKind.RELIABILITY: "set the node's parameter reliability to auto or best_effort",
    QoSPolicyKind.DURABILITY: "restart the node: it takes the durability of the publishers it sees",
}


def image_qos(offers: Sequence[Any], reliability: str) -> QoSProfile:
    """Profile of an image subscription: keep last 1, as reliable and durable as all offer.

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
        depth=1,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if durable else DurabilityPolicy.VOLATILE,
    )


def describe_clash(policy: Any, topic: str) -> str:
    """In words: a publisher of `topic` does not fit our subscription, and the fix."""
    kind = QoSPolicyKind(policy)
    fix = FIXES.get(kind, "give the publisher a compatible profile")
    return f"a publisher of {topic} offers an incompatible {kind.name.lower()}: {fix}"
