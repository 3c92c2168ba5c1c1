"""Models whose weights are not here, for timing: their networks with random weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tracker_ros.errors import ModelError
from tracker_ros.models.card import card_names, read_card
from tracker_ros.sot import DEFAULT_MODELS, TRACKERS


def with_random_weights(trackers: Sequence[str], seed: int, folder: Path) -> list[str]:
    """The trackers, with each single-object model as the path of an untrained one in `folder`.

    Raises ModelError where a network cannot be built or torch is not installed.
    """
    try:
        from tracker_ros.zoo.exporting import export_untrained
    except ModuleNotFoundError as error:
        raise _needs(error) from error
    names = []
    for name in trackers:
        card = DEFAULT_MODELS.get(name, name)
        is_card = card in card_names() or card.endswith((".yaml", ".yml"))
        if is_card and read_card(card).tracker in TRACKERS:
            try:
                name = str(export_untrained(card, seed, folder))
            except ModuleNotFoundError as error:
                raise _needs(error) from error
        names.append(name)
    return names


def _needs(error: ModuleNotFoundError) -> ModelError:
    return ModelError(
        f"--untrained needs {error.name}, which this Python does not have: `./run setup train` "
        "installs it; elsewhere pip install 'tracker_ros[train]'"
    )
