"""Several processes that train one network, as torchrun starts them: one for each GPU.

Every process draws batches of its own and has the gradients of all averaged before each step, so
that all hold the same weights throughout. Nothing is wrapped: a loss uses the network as it is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, distributed, nn

from tracker_ros.errors import TrackerRosError


def rank() -> int:
    """The number of this process, from 0; 0 where there is only one. Known to data workers too."""
    return int(os.environ.get("RANK", "0")) if world() > 1 else 0


def world() -> int:
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_main() -> bool:
    """Whether this process is the one that writes and prints."""
    return rank() == 0


@contextmanager
def joined(device: str) -> Iterator[None]:
    """Within it, the processes that torchrun started train together; alone it does nothing.

    On cuda, process i of a machine takes its GPU i: `cuda` means that one from here on.
    Raises TrackerRosError if there are fewer GPUs than processes.
    """
    if world() == 1:
        yield
        return
    cuda = torch.device(device).type == "cuda"
    if cuda:
        own, count = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
        if own >= count:
            raise TrackerRosError(
                f"{own + 1} processes or more on a machine with {count} GPUs; "
                f"start torchrun with --nproc-per-node {count}"
            )
        torch.cuda.set_device(own)
    distributed.init_process_group("nccl" if cuda else "gloo")
    try:
        yield
    finally:
        distributed.destroy_process_group()


def start_alike(model: nn.Module) -> None:
    """Give every process the weights and statistics of the first."""
    if world() > 1:
        with _together(), torch.no_grad():
            for tensor in (*model.parameters(), *model.buffers()):
                # Contiguous: a process group does not know channels last.
                sent = tensor.detach().contiguous()
                distributed.broadcast(sent, 0)
                tensor.copy_(sent)


def of_main(make: Callable[[], Any]) -> Any:
    """What `make` gives in the first process, in all of them.

    What it raises there as TrackerRosError ends the others without a word of their own.
    """
    if world() == 1:
        return make()
    result: list[Any] = [None, None]
    error: TrackerRosError | None = None
    if is_main():
        try:
            result = [make(), None]
        except TrackerRosError as raised:
            error = raised
            result = [None, str(raised)]
    with _together():
        distributed.broadcast_object_list(result, 0)
    if error is not None:
        raise error
    if result[1] is not None:
        raise SystemExit(2)
    return result[0]


def largest(number: int, device: str) -> int:
    """The largest of a number of every process; a moment at which all meet."""
    if world() == 1:
        return number
    with _together():
        shared = torch.tensor(number, device=device)
        distributed.all_reduce(shared, distributed.ReduceOp.MAX)
        return int(shared.item())


@torch.no_grad()
def average(parameters: Sequence[nn.Parameter], statistics: Sequence[Tensor]) -> None:
    """Average gradients, and the statistics of normalisation, over all processes.

    What some of them have no gradient for counts as 0 there; what none has one for has none
    afterwards, as in one process. One exchange a step: the networks here are a few MB.
    """
    if world() == 1:
        return
    absent = [p for p in parameters if p.grad is None]
    present = torch.tensor([float(p.grad is not None) for p in parameters])
    for parameter in absent:
        parameter.grad = torch.zeros_like(parameter)
    parts = [p.grad for p in parameters] + list(statistics)
    flat = torch.cat([present.to(parts[0].device), *(part.reshape(-1) for part in parts)])
    with _together():
        distributed.all_reduce(flat)
    sizes = [len(parameters), *(part.numel() for part in parts)]
    somewhere, *means = (flat / world()).split(sizes)
    for part, mean in zip(parts, means, strict=True):
        part.copy_(mean.reshape(part.shape))
    if absent:  # else nobody needs to wait for the GPU here
        known = dict(zip(map(id, parameters), somewhere.tolist(), strict=True))
        for parameter in absent:
            if not known[id(parameter)]:
                parameter.grad = None


@contextmanager
def _together() -> Iterator[None]:
    """What fails in here, fails because another process has ended."""
    try:
        yield
    except RuntimeError as error:
        raise TrackerRosError(
            f"process {rank()} of {world()} goes no further, because another one has ended: what "
            f"that one said is the reason ({str(error).splitlines()[0]})"
        ) from error
