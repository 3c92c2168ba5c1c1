"""Where an engine's outputs lie, and that they stay what they are while somebody holds them.

The memory here is the host's: what is tested is who holds it, not what moves it.
"""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest

from tracker_ros.engines.buffers import (
    ALIGNMENT,
    DeviceMirror,
    Move,
    Pages,
    joined,
    laid_out,
    on_device,
)
from tracker_ros.engines.cuda import Held, Memory
from tracker_ros.errors import EngineError


class HostMemory:
    """Gives memory of the host for both kinds, and knows how much of it is held."""

    def __init__(self) -> None:
        self.held: dict[int, Any] = {}
        self.failure = ""

    def pinned(self, size: int) -> Memory:
        block = np.zeros(size + ALIGNMENT, np.uint8)
        address = block.__array_interface__["data"][0]
        address += -address % ALIGNMENT
        self.held[address] = block
        return Memory(address, size, free=lambda: self.held.pop(address))

    on_device = pinned

    def stream(self) -> Held:
        self.waited = 0
        return Held(7)

    def copy(
        self, target: Memory, source: Memory, size: int, stream: Held, *, to: int = 0,
        begin: int = 0,
    ) -> None:  # fmt: skip
        assert to + size <= target.size and begin + size <= source.size
        target.bytes()[to : to + size] = source.bytes()[begin : begin + size]

    def wait(self, stream: Held) -> None:
        self.waited += 1
        if self.failure:
            raise EngineError(self.failure)


FLOAT = np.dtype("float32")


def test_tensors_lie_one_behind_the_other_on_aligned_places() -> None:
    slots, size = laid_out([("a", (3, 5), FLOAT), ("b", (), np.dtype("int64")), ("c", (1,), FLOAT)])
    assert [(slot.name, slot.offset, slot.size) for slot in slots] == [
        ("a", 0, 60), ("b", 256, 8), ("c", 512, 4),
    ]  # fmt: skip
    assert size == 768


def test_outputs_are_arrays_over_the_page_that_cannot_be_written() -> None:
    cuda: Any = HostMemory()
    slots, size = laid_out([("a", (2, 3), FLOAT), ("b", (4,), FLOAT)])
    lease = Pages(cuda).lease(size)
    block = lease.page.host.bytes()
    block[:24] = np.arange(6, dtype=np.float32).view(np.uint8)
    block[256:272] = np.full(4, 7, np.float32).view(np.uint8)
    arrays = lease.outputs(slots)
    assert arrays["a"].tolist() == [[0, 1, 2], [3, 4, 5]] and arrays["b"].tolist() == [7] * 4
    for array in (*arrays.values(), arrays["a"][:1], arrays["a"].reshape(3, 2)):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
        with pytest.raises(ValueError, match="WRITEABLE"):
            array.flags.writeable = True


def test_a_page_is_used_again_only_when_no_array_of_it_is_left() -> None:
    cuda: Any = HostMemory()
    pages, (slots, size) = Pages(cuda), laid_out([("a", (2, 3), FLOAT), ("b", (4,), FLOAT)])

    def outputs() -> tuple[int, dict[str, Any]]:
        lease = pages.lease(size)
        return lease.page.host.address, lease.outputs(slots)

    first, kept = outputs()
    row = kept["a"][1:]
    del kept
    second, others = outputs()
    assert second != first, "a row of the first is still held"
    del others
    assert outputs()[0] == second
    del row
    assert first in {outputs()[0] for _ in range(2)}
    assert len(cuda.held) == 4, "two pages, each on the host and on the device"


def test_sizes_that_are_nearly_the_same_share_pages() -> None:
    cuda: Any = HostMemory()
    pages = Pages(cuda)
    for size in (5000, 6000, 8192):
        pages.lease(size)
    assert len(cuda.held) == 1
    assert pages.lease(8193).page.size == 16384


def test_only_a_few_pages_that_nobody_holds_are_kept() -> None:
    cuda: Any = HostMemory()
    pages = Pages(cuda)
    leases = [pages.lease(size) for size in [2 << 20] * 10 + [100 << 10] * 40]
    assert len(cuda.held) == 50
    del leases
    gc.collect()
    sizes = [memory.nbytes - ALIGNMENT for memory in cuda.held.values()]
    assert [sizes.count(size) for size in (2 << 20, 128 << 10)] == [4, 32]


def test_pages_outlive_the_engine_while_an_output_is_held() -> None:
    cuda: Any = HostMemory()
    slots, size = laid_out([("a", (2,), FLOAT)])
    arrays = Pages(cuda).lease(size).outputs(slots)
    gc.collect()
    assert len(cuda.held) == 2 and arrays["a"].tolist() == [0, 0]
    del arrays
    gc.collect()
    assert not cuda.held


def test_what_an_engine_gave_is_known_on_the_device_also_in_part() -> None:
    cuda: Any = HostMemory()
    slots, size = laid_out([("a", (4, 3), FLOAT), ("b", (2, 2), FLOAT)])
    lease = Pages(cuda).lease(size)
    arrays, device = lease.outputs(slots), lease.page.device
    for array, begin in (
        (arrays["a"], 0), (arrays["a"][1:3], 12), (arrays["a"][2:3][0], 24), (arrays["b"], 256),
        (arrays["b"][1:], 264), (arrays["a"].reshape(2, 6)[1:], 24),
    ):  # fmt: skip
        found = on_device(array)
        assert found is not None and found[0] is device and found[1] == begin


def test_what_is_not_read_is_known_on_the_device_alone() -> None:
    cuda: Any = HostMemory()
    slots, size = laid_out([("a", (4, 3), FLOAT), ("b", (2, 2), FLOAT)])
    lease = Pages(cuda).lease(size)
    outputs, device = lease.outputs(slots, ()), lease.page.device
    assert len(cuda.held) == 1 and not outputs, "nothing of it is on the host"
    for unread, begin in (
        (outputs.all["a"], 0), (outputs.all["a"][1:3], 12), (outputs.all["b"][1:], 264),
    ):  # fmt: skip
        assert on_device(unread) == (device, begin)
    some = lease.outputs(slots, ["b"])
    assert some.keys() == {"b"} and on_device(some.all["a"]) == (device, 0)
    found = on_device(some["b"][1:])
    assert found is not None and found[0] is device and found[1] == 264


def test_what_is_not_read_can_be_fetched_while_the_device_answers() -> None:
    cuda: Any = HostMemory()
    slots, size = laid_out([("a", (4, 3), FLOAT), ("b", (2, 2), FLOAT)])
    lease = Pages(cuda).lease(size)
    lease.page.device.bytes()[256:272] = np.arange(4, dtype=np.float32).view(np.uint8)
    unread: Any = lease.outputs(slots, ()).all["b"]
    row = unread[1:].fetched()
    assert row.tolist() == [[2, 3]]
    found = on_device(row)
    assert found is not None and found[0] is lease.page.device and found[1] == 264
    cuda.failure = "the device was reset"
    with pytest.raises(EngineError, match="was reset"):
        unread.fetched()


def test_what_nobody_reads_keeps_its_page() -> None:
    cuda: Any = HostMemory()
    pages, (slots, size) = Pages(cuda), laid_out([("a", (2, 3), FLOAT)])
    first: Any = pages.lease(size).outputs(slots, ()).all["a"]
    row = first[1:]
    device = row.block.page.device
    del first
    second: Any = pages.lease(size).outputs(slots, ()).all["a"]
    assert second.block.page.device is not device
    del row
    assert pages.lease(size).page.device is device


def test_copies_that_go_on_where_one_ended_are_one_with_it() -> None:
    page, other = Memory(4096, 9000), Memory(65536, 9000)
    rows = [Move(page, 768 + 12 * row, 12 * row, 12) for row in range(5)]
    assert joined(rows) == [Move(page, 768, 0, 60)]
    assert joined([rows[0], rows[2]]) == [rows[0], rows[2]], "a row between them is another's"
    assert joined([rows[1], rows[0]]) == [rows[1], rows[0]]
    assert joined([rows[0], rows[1]._replace(source=other), rows[2]]) != [rows[0]]
    assert len(joined([rows[0], rows[1]._replace(source=other), rows[2]])) == 3
    assert joined([]) == []


def test_tensors_that_lie_side_by_side_are_copied_at_once_with_what_is_between_them() -> None:
    block = Memory(4096, 9000)
    slots, _ = laid_out([("a", (3, 5), FLOAT), ("b", (1,), FLOAT), ("c", (2, 2), FLOAT)])
    a, b, c = (Move(block, slot.offset, slot.offset, slot.size) for slot in slots)
    assert joined([a, b, c]) == [Move(block, 0, 0, 512 + 16)]
    assert joined([a, c]) == [a, c], "what lies between them was not asked for"
    elsewhere = b._replace(to=b.to + 256)
    assert joined([a, elsewhere]) == [a, elsewhere]


def test_anything_else_is_not_known_there() -> None:
    cuda: Any = HostMemory()
    slots, size = laid_out([("a", (4, 3), FLOAT)])
    array = Pages(cuda).lease(size).outputs(slots)["a"]
    for other in (
        np.zeros(3),
        np.zeros((4, 3))[1:],
        array.copy(),
        array[:, 1:],
        array.T,
        array + 1,
    ):
        assert on_device(other) is None


def test_rows_of_a_mirror_are_on_the_device_once_they_are_sent() -> None:
    cuda: Any = HostMemory()
    mirror = DeviceMirror(cuda, (4, 2, 3), FLOAT)
    array, there = mirror.array, mirror.page.device.bytes().view(np.float32).reshape(4, 2, 3)
    array[:] = np.arange(24).reshape(4, 2, 3)
    mirror.send([2, 0])
    assert cuda.waited == 1, "a pass may come next"
    assert there.tolist() == [array[0].tolist(), [[0] * 3] * 2, array[2].tolist(), [[0] * 3] * 2]
    mirror.send(range(4))
    assert np.array_equal(there, array)
    assert on_device(array) == (mirror.page.device, 0)
    assert on_device(array[1:]) == (mirror.page.device, 24)
    assert on_device(array[:, 1:]) is None


def test_a_mirror_is_there_as_long_as_an_array_of_it() -> None:
    cuda: Any = HostMemory()
    array = DeviceMirror(cuda, (4, 3), FLOAT).array
    assert len(cuda.held) == 2
    array[3] = 5
    row = array[3]
    del array
    assert len(cuda.held) == 2 and row.tolist() == [5, 5, 5]
    del row
    assert len(cuda.held) == 0


def test_memory_is_given_back_when_nobody_holds_it() -> None:
    freed: list[str] = []
    memory = Memory(4096, 10, free=lambda: freed.append("memory"))
    stream = Held(7, freed.append)
    del memory, stream
    assert freed == ["memory", 7]
