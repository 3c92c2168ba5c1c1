"""Weights of the samples that ATOM's classifier learns from: specs of ATOM, section 3."""

import numpy as np
import pytest

from tracker_ros.sot.atom_memory import Memory, SampleMaps

CELLS = 4
SAMPLE = np.ones((2, CELLS, CELLS), np.float32)
LABEL = np.zeros((CELLS, CELLS), np.float32)


def started(capacity: int = 50, initial_share: float = 0.25, first: int = 30) -> Memory:
    memory = Memory(2, CELLS, capacity, initial_share)
    memory.start([SAMPLE] * first, [LABEL] * first)
    return memory


def test_the_samples_of_the_first_frame_weigh_the_same() -> None:
    memory = started()
    assert memory.weights[:30].tolist() == [1 / 30] * 30
    assert (memory.count, memory.weights[30:].sum()) == (30, 0)


def test_the_first_new_sample_has_its_share_and_each_further_one_more_than_the_last() -> None:
    memory = started()
    assert memory.add(SAMPLE, LABEL, 0.01) == 30
    # all / (1 - lr), lr for the new one, then to 1
    assert memory.weights[30] == pytest.approx(0.01 / (1 / 0.99 + 0.01))
    assert memory.add(SAMPLE, LABEL, 0.01) == 31
    assert memory.weights[31] == pytest.approx(memory.weights[30] / 0.99)
    assert memory.add(SAMPLE, LABEL, 0.02) == 32
    assert memory.weights[32] == pytest.approx(memory.weights[31] / 0.98)


def test_the_weights_add_up_to_one_and_the_first_frame_keeps_its_quarter() -> None:
    memory = started()
    shares = []
    for step in range(400):
        memory.add(SAMPLE, LABEL, 0.02 if step % 7 == 0 else 0.01)
        assert memory.weights.sum() == pytest.approx(1)
        assert (memory.weights >= 0).all()
        shares.append(memory.weights[:30].sum())
    assert min(shares) >= 0.25 - 1e-12
    assert shares[0] > 0.9
    assert shares[-1] == pytest.approx(0.25)


def test_without_a_least_share_the_first_frame_fades() -> None:
    memory = started(initial_share=0.0)
    for _ in range(400):
        memory.add(SAMPLE, LABEL, 0.02)
    assert memory.weights.sum() == pytest.approx(1)
    assert memory.weights[:30].sum() < 0.01


def test_a_full_memory_gives_up_its_oldest_sample_but_none_of_the_first_frame() -> None:
    memory = started(capacity=34)
    assert [memory.add(SAMPLE, LABEL, 0.01) for _ in range(9)] == [
        30, 31, 32, 33, 30, 31, 32, 33, 30,
    ]  # fmt: skip
    assert memory.count == 34


def test_a_sample_lies_where_its_weight_and_label_do() -> None:
    memory = started(capacity=34)
    wanted = np.arange(16, dtype=np.float32).reshape(CELLS, CELLS)
    slot = memory.add(5 * SAMPLE, wanted, 0.01)
    assert np.array_equal(memory.labels[slot, :CELLS, :CELLS], wanted)
    assert memory.labels[slot].sum() == wanted.sum()
    corner = np.zeros((16, 2), np.float32)
    corner[2 * 4 + 2] = 1  # the tap that looks at the cell itself
    maps = memory.maps.respond(corner, memory.count).reshape(-1, memory.maps.row, memory.maps.row)
    assert (maps[slot, :CELLS, :CELLS] == 10).all()
    assert (maps[slot - 1, :CELLS, :CELLS] == 2).all()


def test_what_is_stored_is_found_again_and_when() -> None:
    maps = SampleMaps(3, CELLS, 5)
    sample = np.arange(3 * CELLS * CELLS, dtype=np.float32).reshape(3, CELLS, CELLS)
    assert maps.stored_after(-1) == [0, 1, 2, 3, 4] and maps.stored_after(0) == []
    for slot in (3, 1):
        maps.store(slot, slot * sample)
    assert maps.stores == 2 and maps.stored_after(0) == [1, 3]
    maps.store(3, sample)
    assert maps.stored_after(2) == [3]
    assert np.array_equal(maps.stored(3), sample) and np.array_equal(maps.stored(1), sample)
    assert not maps.stored(0).any()


def test_what_lies_in_pieces_is_found_again() -> None:
    maps = SampleMaps(64, 18, 2)
    sample = np.random.default_rng(0).normal(size=(64, 18, 18)).astype(np.float32)
    maps.store(1, sample)
    assert np.array_equal(maps.stored(1), sample) and not maps.stored(0).any()
