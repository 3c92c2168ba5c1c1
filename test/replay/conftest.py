"""The bag that most tests of replay look at."""

from __future__ import annotations

from pathlib import Path

import pytest
from recordings import record, shots


@pytest.fixture(scope="session")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty images in which a vehicle drives along, and words on another topic."""
    return record(tmp_path_factory.mktemp("bag") / "drive", shots(), chatter=True)
