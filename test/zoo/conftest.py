"""What the tests of the zoo share: a folder of models that is the user's while a test runs."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own folder of models, not there yet."""
    folder = tmp_path / "own_models"
    monkeypatch.setenv("TRACKER_ROS_MODELS", str(folder))
    return folder
