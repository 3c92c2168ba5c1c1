"""ATOM's classifier: two convolutions, learnt online by Gauss-Newton and conjugate gradient.

score = activation(w2 * (w1 x)): w1 takes a feature vector to fewer channels, w2 is a 4x4 kernel.
The objective is the sum over samples of weight * |score - label|^2, plus the weights' own squares.
All products with the Jacobian are written out: with A = w2 w1, a (16, channels) matrix,

    J p   = slope * respond(w2 p1 + p2 w1)
    J^T v = (w2^T C, C w1^T), C = correlate(slope * v)

so that a step costs two matrix products of the samples, and nothing is differentiated twice.
Source: specs of ATOM, section 3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from tracker_ros.sot.atom_memory import TAPS, Float32, Memory, SampleMaps, pieces_of

ALPHA = 0.05
"""How far below 0 a score can push the loss: negatives that are easy count no further."""
KERNEL_REGULARISATION, REDUCTION_REGULARISATION = 0.1, 1e-4


def activation(scores: Float32) -> tuple[Float32, Float32]:
    """Scores where positive, else alpha (exp(t / alpha) - 1); and the slope. Only in the loss."""
    slope = np.exp(np.minimum(scores, 0) / ALPHA)
    return np.where(scores > 0, scores, ALPHA * (slope - 1)), slope


def conjugate_gradient(
    product: Callable[[Float32], Float32],
    right: Float32,
    steps: int,
    diagonal: Float32 | None = None,
) -> Float32:
    """An x that some steps from 0 bring near product(x) = right.

    product: with a symmetric, positive definite matrix; diagonal: what a residual is divided by
    (preconditioning). Polak-Ribiere's factor, not below 0.
    """
    x, residual = np.zeros_like(right), right.copy()
    before, direction = residual, residual
    rho_before = 0.0
    for step in range(steps):
        z = residual if diagonal is None else residual / diagonal
        rho = _dot(residual, z)
        if step == 0:
            direction = z.copy()
        else:
            beta = max(0.0, (rho - _dot(before, z)) / rho_before)
            direction = z + beta * direction
        image = product(direction)
        curvature = _dot(direction, image)
        if not (rho > 0 and curvature > 0):  # solved, or numbers that are none
            break
        rate = rho / curvature
        x += rate * direction
        before, rho_before = residual, rho
        residual = residual - rate * image
    return x


def _dot(a: Float32, b: Float32) -> float:
    """Their scalar product; OpenBLAS would wake its threads for long ones (see atom_memory)."""
    return float((a * b).sum())


class Linearised:
    """The loss of the samples around the present scores: residual and slopes of every cell."""

    def __init__(self, memory: Memory, kernels: Float32) -> None:
        """The kernels (16, channels) give the scores."""
        self._maps, self._count = memory.maps, memory.count
        labels = memory.labels[: self._count]
        weights = memory.weights[: self._count, None, None].astype(np.float32) * self._maps.inside
        scores = self._maps.respond(kernels, self._count).reshape(labels.shape) * self._maps.inside
        active, slope = activation(scores)
        error = active - labels
        self.loss = float((weights * error**2).sum())
        weights *= slope
        self._pull = (weights * error).ravel()
        self._curvature = (weights * slope).ravel()
        self._values = np.empty_like(self._pull)

    def gradient(self) -> Float32:
        """Half the gradient of the loss with respect to the kernels (16, channels)."""
        return self._maps.correlate(self._pull, self._count)

    def product(self, kernels: Float32) -> Float32:
        """J^T J kernels, both (16, channels)."""
        scores = self._maps.respond(kernels, self._count)
        np.multiply(scores, self._curvature, out=self._values)
        return self._maps.correlate(self._values, self._count)


class Around(Protocol):
    """What conjugate gradient asks of the loss around the present scores."""

    def gradient(self) -> Float32:
        """As Linearised.gradient."""

    def product(self, kernels: Float32) -> Float32:
        """As Linearised.product."""


class Optimiser(Protocol):
    """Computes what a classifier learns from all samples of a memory; where, is its own matter."""

    def updated(self, memory: Memory, kernels: Float32, cg_steps: int) -> Float32:
        """Kernels (16, channels) that so many steps bring nearer to what the memory wants."""

    def linearised(self, memory: Memory, kernels: Float32) -> Around:
        """The loss around the scores that the kernels (16, channels) give."""


class InNumpy:
    """The optimiser that is there everywhere: what any other is held against."""

    def updated(self, memory: Memory, kernels: Float32, cg_steps: int) -> Float32:
        """As Optimiser.updated."""
        around, shape = Linearised(memory, kernels), kernels.shape

        def product(p: Float32) -> Float32:
            return around.product(p.reshape(shape)).ravel() + KERNEL_REGULARISATION * p

        right = -(around.gradient() + KERNEL_REGULARISATION * kernels).ravel()
        return kernels + conjugate_gradient(product, right, cg_steps).reshape(shape)

    def linearised(self, memory: Memory, kernels: Float32) -> Linearised:
        """As Optimiser.linearised."""
        return Linearised(memory, kernels)


NUMPY = InNumpy()


class Classifier:
    """The two layers, and how they learn."""

    def __init__(
        self, channels: int, reduced: int, rng: np.random.Generator, optimiser: Optimiser = NUMPY
    ) -> None:
        self.reduction = rng.normal(0, channels**-0.5, (reduced, channels)).astype(np.float32)
        """w1 (reduced, channels)."""
        self.kernels = rng.normal(0, 1 / (TAPS * reduced), (TAPS, reduced)).astype(np.float32)
        """w2 (16, reduced), row-major."""
        self._optimiser = optimiser
        self._one: SampleMaps | None = None

    def reduce(self, features: Float32) -> Float32:
        """(reduced, cells, cells) of normalised features (channels, cells, cells)."""
        channels, height, width = features.shape
        parts = pieces_of(len(self.reduction), width, channels)
        matrix = self.reduction.reshape(parts, 1, -1, channels)
        products: Float32 = np.matmul(matrix, features.transpose(1, 0, 2))
        reduced: Float32 = products.transpose(0, 2, 1, 3).reshape(-1, height, width)
        return reduced

    def scores(self, sample: Float32, kernels: Float32 | None = None) -> Float32:
        """Scores (cells, cells) of a reduced sample, without the loss's activation.

        kernels (16, reduced): others than the present ones.
        """
        cells = sample.shape[-1]
        if self._one is None or self._one.cells != cells:
            self._one = SampleMaps(len(sample), cells, 1)
        self._one.store(0, sample)
        row = self._one.row
        chosen = self.kernels if kernels is None else kernels
        scores: Float32 = self._one.respond(chosen, 1).reshape(row, row)[:cells, :cells].copy()
        return scores

    def objective(self, first: Memory) -> float:
        """What `learn` minimises."""
        loss = Linearised(first, self.kernels @ self.reduction).loss
        own = KERNEL_REGULARISATION * float((self.kernels**2).sum())
        return loss + own + REDUCTION_REGULARISATION * float((self.reduction**2).sum())

    def learn(self, first: Memory, steps: int, cg_steps: int) -> None:
        """Learn both layers from unreduced samples: Gauss-Newton, the first frame's work."""
        split, shape = self.reduction.size, self.reduction.shape
        diagonal = np.empty(split + self.kernels.size, np.float32)
        diagonal[:split], diagonal[split:] = REDUCTION_REGULARISATION, KERNEL_REGULARISATION
        for _ in range(steps):
            w1, w2 = self.reduction, self.kernels
            around = self._optimiser.linearised(first, w2 @ w1)

            def apart(both: Float32, w1: Float32 = w1, w2: Float32 = w2) -> Float32:
                return np.concatenate(((w2.T @ both).ravel(), (both @ w1.T).ravel()))

            def product(
                p: Float32, w1: Float32 = w1, w2: Float32 = w2, around: Around = around
            ) -> Float32:
                p1, p2 = p[:split].reshape(shape), p[split:].reshape(TAPS, -1)
                return apart(around.product(w2 @ p1 + p2 @ w1), w1, w2) + diagonal * p

            present = np.concatenate((w1.ravel(), w2.ravel()))
            right = -(apart(around.gradient()) + diagonal * present)
            change = conjugate_gradient(product, right, cg_steps, diagonal)
            self.reduction = w1 + change[:split].reshape(shape)
            self.kernels = w2 + change[split:].reshape(TAPS, -1)

    def update(self, memory: Memory, cg_steps: int) -> None:
        """Go on learning the kernel, from reduced samples; the reduction stays as it is."""
        self.kernels = self._optimiser.updated(memory, self.kernels, cg_steps)
