"""What the tests of training share."""

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a run remembers of pictures is kept apart from that of other tests and of the user."""
    folder: Path = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))


@pytest.fixture
def one_thread() -> Iterator[None]:
    """torch in one thread: small tensors are slower in several, and sums not the same."""
    torch = pytest.importorskip("torch", reason="torch is not installed: ./run setup train")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
