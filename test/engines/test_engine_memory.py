"""What is left on a device cannot be taken for numbers, and an engine on the host can have it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tracker_ros.engines.crops import Crops
from tracker_ros.engines.engine import Array, Tensor
from tracker_ros.engines.memory import DeviceEngine, Outputs, Parts, Unread, in_its_memory
from tracker_ros.engines.network import Network
from tracker_ros.errors import EngineError

FLOAT = np.dtype("float32")


class Block:
    """Four rows of three numbers, from byte 4 on."""

    def __init__(self) -> None:
        self.numbers = np.arange(13, dtype=np.float32) - 1
        self.failure = ""

    def read(self, begin: int, size: int) -> npt.NDArray[np.uint8]:
        if self.failure:
            raise EngineError(self.failure)
        return self.numbers.view(np.uint8)[begin : begin + size]


class Doubled:
    """An engine on the host."""

    backend, precision = "slow", "fp32"
    inputs = (Tensor("x", (None, 3), "float32"),)
    outputs = (Tensor("y", (None, 3), "float32"),)

    def __init__(self) -> None:
        self.given: list[Array] = []

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        self.given.append(inputs["x"])
        return {"y": 2 * inputs["x"]}


def left() -> Unread:
    return Unread((4, 3), FLOAT, Block(), 4)


ATTEMPTS: list[Callable[[Any], object]] = [
    np.asarray, np.array, np.sum, np.isfinite, np.linalg.norm, float, list,
    lambda unread: unread + np.ones((4, 3), np.float32),
    lambda unread: np.ones((4, 3), np.float32) * unread,
    lambda unread: np.copyto(np.empty((4, 3), np.float32), unread),
    lambda unread: np.concatenate([unread, unread]),
    lambda unread: unread[0],
    lambda unread: unread[0:1, 2],
    lambda unread: unread[::2],
]  # fmt: skip


@pytest.mark.parametrize("attempt", range(len(ATTEMPTS)))
def test_who_takes_it_for_numbers_is_refused(attempt: int) -> None:
    with pytest.raises(TypeError):
        ATTEMPTS[attempt](left())


def test_its_rows_are_known_without_reading_them() -> None:
    unread = left()
    assert (unread.shape, unread.dtype, unread.size, len(unread)) == ((4, 3), FLOAT, 48, 4)
    part = unread[1:3][1:]
    assert (part.shape, part.begin, part.size) == ((1, 3), 28, 12)
    assert part.fetched().tolist() == [[6, 7, 8]]
    assert unread[-1:].fetched().tolist() == [[9, 10, 11]]
    assert unread[:].fetched().tolist() == np.arange(12).reshape(4, 3).tolist()


def test_outputs_are_the_arrays_that_were_read_and_say_what_was_not() -> None:
    array = np.ones((4, 3), np.float32)
    outputs = Outputs({"a": array, "b": left()})
    assert outputs.keys() == {"a"} and outputs["a"] is array
    assert outputs.all.keys() == {"a", "b"}
    with pytest.raises(KeyError, match="b was left on the device"):
        outputs["b"]
    with pytest.raises(KeyError, match="c is no output"):
        outputs["c"]
    rows = outputs.rows(1, 3)
    assert len(rows["a"]) == len(rows.all["b"]) == 2


def test_parts_of_other_rows_cannot_share_a_pass() -> None:
    parts = Parts([np.zeros((2, 3), np.float32), left()])
    assert (parts.shape, parts.dtype, len(parts)) == ((6, 3), FLOAT, 6)
    with pytest.raises(ValueError, match="cannot share a pass"):
        Parts([np.zeros((2, 3), np.float32), np.zeros((2, 4), np.float32)])


def test_an_engine_on_the_host_gets_parts_as_one_array_in_a_buffer_that_is_kept() -> None:
    engine = Doubled()
    running = in_its_memory(engine)
    for rows in (3, 1, 3):
        own = np.full((rows, 3), rows, np.float32)
        found = running.run({"x": Parts([own, left()[:2]])})
        assert found["y"].tolist() == [*[[2 * rows] * 3] * rows, [0, 2, 4], [6, 8, 10]]
    assert len({array.__array_interface__["data"][0] for array in engine.given}) == 1
    running.run({"x": own})
    assert engine.given[-1] is own, "one array is given as it is"


def test_it_reads_all_whatever_is_asked_for() -> None:
    found = in_its_memory(Doubled()).run({"x": np.ones((1, 3), np.float32)}, read=())
    assert found["y"].tolist() == [[2, 2, 2]]


def test_what_a_device_does_not_give_any_more_is_told_with_who_goes_on() -> None:
    unread, running = left(), in_its_memory(Doubled())
    block: Any = unread.block
    block.failure = "the device was reset"
    words = "left on a device that does not answer; slow goes on with the next one: the device was"
    with pytest.raises(EngineError, match=words):
        running.run({"x": unread})
    with pytest.raises(EngineError, match=words):
        running.run({"x": Parts([np.ones((1, 3), np.float32), unread])})


def test_an_engine_of_a_device_is_given_all_as_it_is() -> None:
    class There(Doubled):
        taken: list[Any]

        def staged(self, rows: int) -> Mapping[str, Array]:
            return {}

        def run(self, inputs: Any, read: Any = None) -> Any:
            self.taken = [inputs["x"], read]
            return Outputs({"y": left()})

    engine: Any = There()
    assert isinstance(engine, DeviceEngine) and in_its_memory(engine) is engine
    unread, array = left(), np.ones((1, 3), np.float32)
    first, second = Network(engine).run_many([{"x": array}, {"x": unread}], read=("y",))
    parts, read = engine.taken
    assert parts.parts == (array, unread) and read == ("y",)
    assert (len(first.all["y"]), second.all["y"].begin) == (1, 16)


def test_crops_that_share_a_pass_with_arrays_are_cut_out_first() -> None:
    class Grey:
        def cut(self, into: Any) -> None:
            into[...] = 7

    crop: Any = Grey()
    crops = Crops([crop], np.empty((1, 3), np.float32))
    found = Network(Doubled()).run_many([{"x": crops}, {"x": np.ones((1, 3), np.float32)}])
    assert [one["y"].tolist() for one in found] == [[[14] * 3], [[2] * 3]]
