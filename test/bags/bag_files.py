"""Makes bags for the tests: with rosbags, an independent writer, or by hand where that cannot."""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import numpy as np
from rosbags.highlevel import AnyReader
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from tracker_ros.bags.reader import open_bag

T0 = 1_700_000_000 * 10**9
CUSTOM = "our_msgs/msg/Wheel"
"""A type that nobody here knows."""
DEFINITION = "# of the left side\nfloat64 speed\nstring name"
DIGEST = "RIHS01_185bdd7d0eeb865f95b9501ca74a1173cb08d228b5f02edeb456306725aca1ac"
BEST_EFFORT = Qos(
    QosHistory.KEEP_LAST, 5, QosReliability.BEST_EFFORT, QosDurability.VOLATILE,
    QosTime(0, 0), QosTime(1, 500), QosLiveliness.AUTOMATIC, QosTime(0, 0), False,
)  # fmt: skip

Message = tuple[str, int, bytes]
"""Topic, time of recording, data."""


def messages(
    count: int, size: int = 3000, topics: Sequence[str] = ("/left", "/right")
) -> list[Message]:
    """Messages of different random content, 10 ms apart, on one topic after the other."""
    random = np.random.default_rng(7)
    return [
        (topics[i % len(topics)], T0 + i * 10_000_000, b"\0\1\0\0" + random.bytes(size))
        for i in range(count)
    ]


def record(
    folder: Path,
    content: Iterable[Message],
    storage: StoragePlugin = StoragePlugin.MCAP,
    compression: CompressionMode = CompressionMode.NONE,
    version: int = 9,
) -> Path:
    """Write a bag of custom messages with rosbags; gives the folder."""
    writer = Writer(folder, version=version, storage_plugin=storage)
    writer.set_compression(compression, CompressionFormat.ZSTD)
    connections = {}
    with writer:
        for topic, time, data in content:
            if topic not in connections:
                connections[topic] = writer.add_connection(
                    topic, CUSTOM, msgdef=DEFINITION, rihs01=DIGEST,
                    offered_qos_profiles=[BEST_EFFORT],
                )  # fmt: skip
            writer.write(connections[topic], time, data)
    return folder


def data_file(folder: Path) -> Path:
    return next(path for path in folder.iterdir() if path.name != "metadata.yaml")


def read(
    path: Path,
    topics: Collection[str] | None = None,
    start: int | None = None,
    end: int | None = None,
) -> list[Message]:
    """What our reader gives."""
    with open_bag(path) as bag:
        return [(m.topic, m.recorded_ns, m.data) for m in bag.messages(topics, start, end)]


def read_with_rosbags(path: Path) -> list[Message]:
    with AnyReader([path]) as reader:
        return [(c.topic, time, bytes(data)) for c, time, data in reader.messages()]


def unchunked(path: Path, content: Iterable[Message], *, closed: bool) -> Path:
    """An mcap file of messages outside of chunks, without an index; `closed`: with its end."""

    def text(value: str) -> bytes:
        return struct.pack("<I", len(value.encode())) + value.encode()

    def entry(op: int, body: bytes) -> bytes:
        return struct.pack("<BQ", op, len(body)) + body

    magic = b"\x89MCAP0\r\n"
    parts = [magic, entry(1, text("ros2") + text("by hand"))]
    parts.append(entry(3, struct.pack("<H", 1) + text(CUSTOM) + text("ros2msg") + text(DEFINITION)))
    known: dict[str, int] = {}
    for topic, time, data in content:
        if topic not in known:
            known[topic] = len(known) + 1
            body = struct.pack("<HH", known[topic], 1) + text(topic) + text("cdr")
            parts.append(entry(4, body + struct.pack("<I", 0)))
        parts.append(entry(5, struct.pack("<HIQQ", known[topic], 0, time, time) + data))
    if closed:
        parts += [entry(0x0F, bytes(4)), entry(2, bytes(20)), magic]
    path.write_bytes(b"".join(parts))
    return path
