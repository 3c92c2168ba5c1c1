"""Published configurations small enough to be made in a test, and official weights of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tracker_ros.errors import ModelError

CHECKPOINT = {
    "layout": "siamfc-pytorch",
    "page": "https://example.org/siamfc",
    "licence": "MIT",
    "files": ["tiny.pth"],
}
SIAMFC = {
    "name": "tiny_siamfc",
    "tracker": "siamfc",
    "paper": "Nobody et al., A Network for Tests, Nowhere 2000",
    "backbone": "AlexNet (8 channels)",
    "licence": "MIT",
    "trained_on": ["nothing"],
    "files": {},
    "network": {"widths": [8, 8, 8, 8, 8], "groups": 1},
    "tracking": {"scales": 3},
    "checkpoint": CHECKPOINT,
}
SIAMRPN = {
    **SIAMFC,
    "name": "tiny_siamrpn",
    "tracker": "siamrpnpp",
    "network": {"widths": [8, 8, 8, 8, 8], "hidden": 8},
    "tracking": {"instance": 255, "penalty_k": 0.1, "window_influence": 0.4, "lr": 0.3},
    "checkpoint": {**CHECKPOINT, "layout": "pysot"},
}
SPM = {
    **SIAMFC,
    "name": "tiny_spm",
    "tracker": "spm",
    "network": {"widths": [8, 8, 8, 8, 8], "hidden": 8},
    "tracking": {"windows_influence": 0.4},
    "checkpoint": {
        **CHECKPOINT,
        "layout": "spm-tracker",
        "files": ["cm.pt", "fm.pt"],
    },
}
ATOM = {
    **SIAMFC,
    "name": "tiny_atom",
    "tracker": "atom",
    "network": {"widths": [8, 8, 8, 8], "hidden": 8},
    "tracking": {"sample": 128, "memory": 40, "reduced": 8},
    "checkpoint": {**CHECKPOINT, "layout": "pytracking"},
}


def publish(folder: Path, card: dict[str, Any]) -> Path:
    """Write a card into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{card['name']}.yaml"
    path.write_text(yaml.safe_dump(card))
    return path


def official(card: dict[str, Any], seed: int = 0) -> dict[str, Any]:
    """Weights as training leaves them, with statistics of real size. Needs torch."""
    import torch

    from tracker_ros.models.card import Card
    from tracker_ros.networks.zoo import build_network
    from tracker_ros.zoo.exporting import settle

    torch.manual_seed(seed)
    network = build_network(card["tracker"], card["network"])
    settle(network, Card(**{**card, "checkpoint": None}))
    return dict(network.state_dict())


def everything_in(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, with its content."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def refused_import(file: Path, own: Path, model: str = "tiny_siamfc", **options: Any) -> str:
    """What an import that changes nothing says. Needs torch."""
    from tracker_ros.zoo.importing import import_weights

    before = everything_in(own)
    with pytest.raises(ModelError) as refused:
        import_weights([file], model, **options)
    assert everything_in(own) == before, "nothing has changed"
    return str(refused.value)
