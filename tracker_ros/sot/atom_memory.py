"""What ATOM's classifier learns from: feature maps, labels and weights of the samples kept.

Source: specs of ATOM, section 3.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
KERNEL = 4
TAPS = KERNEL * KERNEL
BEFORE = 2
"""Rows and columns of the kernel before the cell that it gives a score for."""


MOST_PRODUCTS = 1 << 18
"""Multiplications in a matrix product that OpenBLAS surely runs in the caller's thread. Its other
threads spin while they wait: on a machine whose cores are busy that took seconds instead of
milliseconds, so no product of ours is larger."""


def pieces_of(columns: int, rows: int, channels: int) -> int:
    """Into how many equal parts to cut `columns`, for (rows, channels) @ (channels, columns)."""
    pieces = 1
    while columns % pieces or rows * channels * (columns // pieces) > MOST_PRODUCTS:
        pieces += 1
    return pieces


class SampleMaps:
    """Feature maps, laid out so that a 4x4 convolution of all of them is one stack of products.

    Cells lie in one row per channel, sample after sample, with empty columns and rows between.
    A tap of the kernel is then the same offset for every cell: the products of all taps with all
    cells are `kernels @ maps`, and a response is the sum of 16 of its rows, each shifted. The
    transpose goes the same way back. The buffers are kept: a product allocates nothing large.
    """

    def __init__(self, channels: int, cells: int, capacity: int) -> None:
        self.channels, self.cells, self.capacity = channels, cells, capacity
        self.row = cells + BEFORE
        """Cells from one row of a map to the next, and rows from one map to the next."""
        self.block = self.row * self.row
        """Places that a sample takes."""
        first, taps = BEFORE * self.row + BEFORE, range(KERNEL)
        self._offsets = [row * self.row + column - first for row in taps for column in taps]
        """From a cell's place to the place of the cell that a tap looks at."""
        self._first = first
        self._pieces = pieces_of(self.block, TAPS, channels)
        shape = (capacity * self._pieces, channels, self.block // self._pieces)
        self._maps = np.zeros(shape, np.float32)
        self.stores = 0
        """How often something was put into a slot."""
        self._stored = np.zeros(capacity, np.int64)
        """`stores`, when that was done last."""
        length = capacity * self.block
        self._products = np.zeros((TAPS, first + length + self._offsets[-1]), np.float32)
        self._sum = np.empty(length, np.float32)
        self.inside = np.zeros((self.row, self.row), np.float32)
        """1 where a map has a cell, 0 between."""
        self.inside[:cells, :cells] = 1

    def store(self, slot: int, maps: Float32) -> None:
        """Put (channels, cells, cells) into a slot."""
        spaced = np.zeros((self.channels, self.row, self.row), np.float32)
        spaced[:, : self.cells, : self.cells] = maps
        parts = spaced.reshape(self.channels, self._pieces, -1).transpose(1, 0, 2)
        self._maps[slot * self._pieces : (slot + 1) * self._pieces] = parts
        self.stores += 1
        self._stored[slot] = self.stores

    def stored(self, slot: int) -> Float32:
        """What is in a slot: (channels, cells, cells); zeros where nothing was put."""
        parts = self._maps[slot * self._pieces : (slot + 1) * self._pieces]
        spaced = parts.transpose(1, 0, 2).reshape(self.channels, self.row, self.row)
        maps: Float32 = spaced[:, : self.cells, : self.cells]
        return maps

    def stored_after(self, stores: int) -> list[int]:
        """The slots that something was put into after so many `stores`; after -1, all."""
        slots: list[int] = np.flatnonzero(self._stored > stores).tolist()
        return slots

    def respond(self, kernels: Float32, count: int) -> Float32:
        """Scores (count * block,) of kernels (16, channels), row-major; garbage between maps.

        score(i, j) = sum over a, b of kernel(a, b) times map(i + a - 2, j + b - 2). The array is
        overwritten by the next call.
        """
        length = count * self.block
        np.matmul(kernels, self._maps[: count * self._pieces], out=self._in_pieces(count))
        scores = self._sum[:length]
        np.copyto(scores, self._products[0, :length])
        for offset, product in zip(self._offsets[1:], self._products[1:], strict=True):
            begin = self._first + offset
            np.add(scores, product[begin : begin + length], out=scores)
        return scores

    def correlate(self, values: Float32, count: int) -> Float32:
        """Transpose of `respond`: (16, channels) of (count * block,), which is 0 between maps."""
        length = count * self.block
        shifted = self._products[:, self._first : self._first + length]
        for offset, row in zip(self._offsets, shifted, strict=True):
            begin, end = max(offset, 0), length + min(offset, 0)
            row[:begin] = 0
            row[begin:end] = values[begin - offset : end - offset]
            row[end:] = 0
        maps = self._maps[: count * self._pieces]
        answer: Float32 = np.matmul(self._in_pieces(count), maps.transpose(0, 2, 1)).sum(0)
        return answer

    def _in_pieces(self, count: int) -> Float32:
        """The buffer of products as (pieces, 16, places): a view."""
        length = count * self.block
        flat = self._products[:, self._first : self._first + length]
        pieces: Float32 = flat.reshape(TAPS, count * self._pieces, -1).transpose(1, 0, 2)
        return pieces


class Memory:
    """Samples with labels and weights. The weights add up to 1.

    A new sample takes the place of the lightest of those that are not of the first frame.
    """

    def __init__(self, channels: int, cells: int, capacity: int, initial_share: float) -> None:
        self.maps = SampleMaps(channels, cells, capacity)
        self.labels = np.zeros((capacity, self.maps.row, self.maps.row), np.float32)
        self.weights = np.zeros(capacity, np.float64)
        self.count = 0
        """Slots in use: the first ones."""
        self._initial = 0
        self._share = initial_share
        self._last = -1

    def start(self, samples: Sequence[Float32], labels: Sequence[Float32]) -> None:
        """Begin with the samples (channels, cells, cells) of the first frame, all of one weight.

        labels: (cells, cells) of each.
        """
        count = len(labels)
        for slot, sample in enumerate(samples):
            self.maps.store(slot, sample)
        self.labels[:count, : self.maps.cells, : self.maps.cells] = labels
        self.weights[:] = 0
        self.weights[:count] = 1 / count
        self.count = self._initial = count
        self._last = -1

    def add(self, sample: Float32, label: Float32, rate: float) -> int:
        """Keep a sample (channels, cells, cells), with its label (cells, cells). Gives its slot.

        `rate`: its share of all, at first. Each sample weighs 1 / (1 - rate) of the one before.
        """
        slot = self._initial + int(self.weights[self._initial :].argmin())
        if self._last < 0:
            self.weights /= 1 - rate
            self.weights[slot] = rate
        else:
            self.weights[slot] = self.weights[self._last] / (1 - rate)
        self.weights /= self.weights.sum()
        of_first = float(self.weights[: self._initial].sum())
        if of_first < self._share:
            self.weights[: self._initial] *= self._share / of_first
            self.weights[self._initial :] *= (1 - self._share) / (1 - of_first)
        self.maps.store(slot, sample)
        self.labels[slot, : self.maps.cells, : self.maps.cells] = label
        self._last = slot
        self.count = max(self.count, slot + 1)
        return slot
