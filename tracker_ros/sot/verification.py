"""Is it the target of the first frame? Its template compared with that of what was found now.

A tracker that follows compares a picture with the one before through its own drifting box; a lost
one compares places of a picture with each other. Neither notices that it has gone over to
something else. The template of the first frame is the one thing that cannot drift.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt


def likeness(
    first: Mapping[str, npt.NDArray[np.float32]], now: Mapping[str, npt.NDArray[np.float32]]
) -> float:
    """How like the kernels of the first frame those of now are, in [0, 1].

    Of every output in `first` the cosine of the angle to that of `now`, both without their mean,
    which all pictures share; then the mean over the outputs, 0 where it is negative. Answers that
    are not numbers are like nothing: 0.
    """
    with np.errstate(invalid="ignore"):
        cosines = [_cosine(kernel.ravel(), now[name].ravel()) for name, kernel in first.items()]
    value = float(np.mean(cosines))
    return min(max(value, 0.0), 1.0) if np.isfinite(value) else 0.0


def _cosine(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> float:
    a, b = a - a.mean(), b - b.mean()
    length = float(np.linalg.norm(a)) * float(np.linalg.norm(b))
    return float(a @ b) / length if length else 0.0
