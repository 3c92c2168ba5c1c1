"""From the weights of a model to the parts of its network, for torch itself to run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file

from tracker_ros.errors import ModelError
from tracker_ros.networks.parts import Parts
from tracker_ros.networks.zoo import ARCHITECTURES, build_network


def load_parts(
    tracker: str, values: Mapping[str, Any], tracking: Mapping[str, Any], weights: Path
) -> Parts:
    """The parts of a tracker's network with these weights (.safetensors), loaded strictly.

    values, tracking: the card's `network` and `tracking`. Raises ModelError when the file cannot be
    read or is of another network.
    """
    network = build_network(tracker, values)
    try:
        state = load_file(weights)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"the weights {weights} cannot be read: {error}") from error
    expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in state.items()}
    wrong = [name for name, shape in found.items() if expected.get(name) != shape]
    wrong += [name for name in expected if name not in found]
    if wrong:
        raise ModelError(
            f"the weights {weights} are not those of the card's network: {len(wrong)} keys are "
            f"missing, unexpected or of another shape, as {wrong[0]}; import them again"
        )
    network.load_state_dict(state)
    return ARCHITECTURES[tracker].parts(network, tracking)
