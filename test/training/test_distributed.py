"""Two processes that train one network, as torchrun starts them, over gloo on the CPU."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: ./run setup train")

from torch import Tensor, nn  # noqa: E402

from tracker_ros.training import distributed  # noqa: E402
from tracker_ros.training.session import Session  # noqa: E402
from tracker_ros.training.trainer import Trainer  # noqa: E402

ROOT = Path(__file__).parents[2]
STEPS, BATCH = 3, 4


def samples(step: int, rank: int) -> Tensor:
    return torch.randn(BATCH, 3, generator=torch.Generator().manual_seed(10 * step + rank))


class Own:
    """Each process draws its own batch."""

    def __getitem__(self, step: int) -> Tensor:
        return samples(step, distributed.rank())


class Union:
    """What two processes draw, in one batch."""

    def __getitem__(self, step: int) -> Tensor:
        return torch.cat([samples(step, rank) for rank in (0, 1)])


class Model(nn.Module):
    """`unused` has a gradient in no process, `seldom` only where the rank is 1."""

    def __init__(self, norm: bool) -> None:
        super().__init__()
        self.first = nn.Linear(3, 5)
        self.norm = nn.BatchNorm1d(5) if norm else nn.Identity()
        self.last = nn.Linear(5, 1)
        self.unused = nn.Linear(2, 2)
        self.seldom = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.relu(self.norm(self.first(x))))


def train(
    folder: Path, data: Any, *, norm: bool = False, batch: int = BATCH, resume: bool = False
) -> nn.Module:
    # Every process begins with weights of its own: the first one's count.
    torch.manual_seed(distributed.rank())
    model = Model(norm)
    trainer = Trainer(STEPS, batch, 1e-2, precision="fp32", warm_up=0, clip=100.0)

    def loss(x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        error = (model(x)[:, 0] - x.sum(1)).square()
        value = error.mean() + (model.seldom.sum() if distributed.rank() == 1 else 0)
        return value, {"most": error.detach().max()}

    session = Session(folder, resume, workers=1, tensorboard=False)
    trainer.run(model, data, loss, name="train", session=session)
    return model


def main(folder: Path, what: str) -> None:
    """What each process of a test does."""
    torch.set_num_threads(1)
    with distributed.joined("cpu"):
        if what == "fail":
            train(folder, Own() if distributed.is_main() else [])
        found = {
            "plain": train(folder / "plain", Own()),
            "norm": train(folder / "norm", Own(), norm=True),
            "resumed": train(folder / "norm", Own(), norm=True, resume=True),
        }
        for name, model in found.items():
            torch.save(model.state_dict(), folder / f"{name}-{distributed.rank()}.pt")


def torchrun(folder: Path, what: str) -> Any:
    """Start two processes with main(folder, what)."""
    program = folder / "program.py"
    program.write_text(
        "import sys, pathlib\nimport test_distributed\n"
        "test_distributed.main(pathlib.Path(sys.argv[1]), sys.argv[2])\n"
    )
    paths = [str(ROOT), str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    return subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone",
         str(program), str(folder), what],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip


def weights(folder: Path, what: str) -> list[dict[str, Tensor]]:
    return [torch.load(folder / f"{what}-{rank}.pt", weights_only=True) for rank in (0, 1)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The folder of two processes that have trained three times, and what they printed."""
    folder = tmp_path_factory.mktemp("two")
    ended = torchrun(folder, "train")
    assert ended.returncode == 0, ended.stderr
    return folder, ended.stderr


def test_two_processes_learn_what_one_learns_from_all_their_batches(
    tmp_path: Path, trained: Any
) -> None:
    one, other = weights(trained[0], "plain")
    alone = train(tmp_path, Union(), batch=2 * BATCH).state_dict()
    for key, value in one.items():
        assert torch.equal(value, other[key]), key
        if key != "seldom":
            assert torch.allclose(value, alone[key], atol=1e-6), key
    # What has no gradient anywhere does not even decay; what has one somewhere learns.
    torch.manual_seed(0)
    assert torch.equal(one["unused.weight"], Model(False).unused.weight)
    assert one["seldom"] != 1


def test_only_the_first_process_writes_and_prints(trained: Any) -> None:
    folder, said = trained
    assert len(list((folder / "plain" / "checkpoints").iterdir())) == 1
    assert len((folder / "plain" / "curves" / "train.csv").read_text().splitlines()) == 4
    assert len(re.findall("train: step 3 of 3", said)) == 2  # plain and norm


def test_two_processes_hold_the_same_statistics_and_resume_with_them(trained: Any) -> None:
    (one, other), resumed = weights(trained[0], "norm"), weights(trained[0], "resumed")
    assert one["norm.running_mean"].abs().max() > 0
    for state in (other, *resumed):
        assert all(torch.equal(one[key], state[key]) for key in one)


def test_an_error_in_one_process_ends_all(tmp_path: Path) -> None:
    """The second has no data."""
    ended = torchrun(tmp_path, "fail")
    assert ended.returncode != 0
    assert "IndexError" in ended.stderr
    assert not list(tmp_path.glob("*.pt"))


def test_a_process_alone_is_the_first_and_needs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert (distributed.rank(), distributed.world(), distributed.is_main()) == (0, 1, True)
    with distributed.joined("cpu"):
        assert distributed.largest(7, "cpu") == 7
        assert distributed.of_main(lambda: "told") == "told"
