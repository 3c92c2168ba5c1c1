"""What the tests of the zoo share: a folder of models that is the user's while a test runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny_models import SIAMFC, official, publish


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own folder of models, not there yet."""
    folder = tmp_path / "own_models"
    monkeypatch.setenv("TRACKER_ROS_MODELS", str(folder))
    return folder


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Torch with one thread: networks this small gain nothing from more."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def siamfc(own: Path, tmp_path: Path) -> Path:
    """A published configuration, and the file of its official weights. Needs torch."""
    import torch

    publish(own, SIAMFC)
    file = tmp_path / "tiny.pth"
    torch.save(official(SIAMFC), file)
    return file
