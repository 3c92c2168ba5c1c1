"""Engines that several callers share, and that others can take over from.

What callers ask for together goes through a network as a batch. The engines of a model are
exchanged together, between two frames: what a tracker has kept are plain arrays, so it goes on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate, pairwise

from tracker_ros.engines.crops import Crops, Input, Inputs, cut_out
from tracker_ros.engines.cutter import CroppingEngine
from tracker_ros.engines.engine import Engine, Tensor
from tracker_ros.engines.memory import Outputs, Parts, Read, Taken, in_its_memory
from tracker_ros.errors import EngineError, ModelError

MOST_ROWS = 32
"""Rows of the largest batch; a longer one takes several passes."""


class Network:
    """A graph that runs alone or, where its file leaves the first axis free, in batches.

    Not thread-safe.
    """

    def __init__(self, engine: Engine, *, most_rows: int = MOST_ROWS) -> None:
        self._most = most_rows
        self.rescue: Callable[[EngineError], bool] | None = None
        """Called when the engine fails; True: another has taken over, and runs the same inputs."""
        self.use(engine)

    def use(self, engine: Engine) -> None:
        """Run on this engine from now on; it must be of the same graph, see `misfit`."""
        self.engine = engine
        self._running = in_its_memory(engine)
        self._cut = engine.cut if isinstance(engine, CroppingEngine) else None
        self.batches = all(t.shape and t.shape[0] is None for t in engine.inputs)
        """Whether several callers can share a pass."""

    def misfit(self, engine: Engine) -> str:
        """Why an engine cannot take over here; empty where it can."""
        pairs = (("input", self.engine.inputs, engine.inputs),
                 ("output", self.engine.outputs, engine.outputs))  # fmt: skip
        for kind, ours, theirs in pairs:
            found = {tensor.name: tensor for tensor in theirs}
            if found.keys() != {tensor.name for tensor in ours}:
                wanted = ", ".join(tensor.name for tensor in ours)
                return f"it has the {kind}s {', '.join(found)}, expected {wanted}"
            for tensor in ours:
                if not _alike(tensor, found[tensor.name]):
                    return f"its {kind} is {found[tensor.name]}, expected {tensor}"
        return ""

    def prepared(self, inputs: Inputs) -> Inputs:
        """The inputs with crops cut out, unless the engine cuts them: by who asks, in its time."""
        return cut_out(inputs) if self._cut is None else inputs

    def run(self, inputs: Mapping[str, Input | Parts], read: Read = None) -> Outputs:
        """The outputs by name; those that are not read may stay on the device of the engine.

        Raises EngineError when the device fails and nothing helps.
        """
        try:
            return self._running.run(self._taken(inputs), read)
        except EngineError as error:
            if self.rescue is None or not self.rescue(error):
                raise
        return self._running.run(self._taken(inputs), read)

    def _taken(self, inputs: Mapping[str, Input | Parts]) -> Mapping[str, Taken]:
        cut = self._cut or Crops.cut
        return {
            name: cut(given) if isinstance(given, Crops) else given
            for name, given in inputs.items()
        }

    def run_many(self, calls: Sequence[Inputs], read: Read = None) -> list[Outputs]:
        """The outputs of every call, as if each had been run alone."""
        if len(calls) == 1 or not self.batches:
            return [self.run(call, read) for call in calls]
        answers: list[Outputs] = []
        first = 0
        while first < len(calls):
            chunk = list(calls[first : first + self._fitting(calls[first:])])
            answers += self._pass(chunk, read)
            first += len(chunk)
        return answers

    def _fitting(self, calls: Sequence[Inputs]) -> int:
        """How many calls, at least one, the next pass takes."""
        rows = 0
        for number, call in enumerate(calls):
            rows += _rows(call)
            if rows > self._most:
                return max(number, 1)
        return len(calls)

    def _pass(self, calls: Sequence[Inputs], read: Read) -> list[Outputs]:
        if len(calls) == 1:
            return [self.run(calls[0], read)]
        outputs = self.run({name: _joined([c[name] for c in calls]) for name in calls[0]}, read)
        ends = accumulate((_rows(call) for call in calls), initial=0)
        return [outputs.rows(begin, end) for begin, end in pairwise(ends)]


class Networks(Mapping[str, Network]):
    """The networks of a model, by role: all of them run on one backend.

    Not thread-safe: who runs them exchanges their engines, between two frames.
    """

    def __init__(self, networks: Mapping[str, Network], *, choice: str = "") -> None:
        """choice: why it is this backend, in words; empty where it was asked for."""
        self._networks = dict(networks)
        self._standby: Callable[[], Mapping[str, Engine]] | None = None
        self.choice, self.trouble = choice, ""
        """`trouble`: why it is not the backend that it should be; a warning. Else empty."""
        self.on_trouble: Callable[[str], object] = lambda words: None
        """Is told the trouble when a backend fails while it runs, on the thread that runs it."""

    @classmethod
    def of(cls, engines: Mapping[str, Engine], *, choice: str = "") -> Networks:
        """Of engines that nobody else uses."""
        return cls({role: Network(engine) for role, engine in engines.items()}, choice=choice)

    def __getitem__(self, role: str) -> Network:
        return self._networks[role]

    def __iter__(self) -> Iterator[str]:
        return iter(self._networks)

    def __len__(self) -> int:
        return len(self._networks)

    @property
    def backend(self) -> str:
        """What runs them; empty where there are none."""
        return next((network.engine.backend for network in self.values()), "")

    @property
    def precision(self) -> str:
        """What they are computed in: `fp16`, or `fp16, refine fp32` where they differ.

        What an engine says of its layers in brackets is left out where there are several.
        """
        found = {role: network.engine.precision for role, network in self.items()}
        if len(set(found.values())) < 2:
            return next(iter(found.values()), "")
        kinds = {role: words.split(" (")[0] for role, words in found.items()}
        usual = Counter(kinds.values()).most_common(1)[0][0]
        others = [f"{role} {kind}" for role, kind in kinds.items() if kind != usual]
        return ", ".join([usual, *others])

    def require_fit(self, engines: Mapping[str, Engine]) -> None:
        """Raise EngineError where an engine, by role, is not of the graph that runs now."""
        for role, network in self.items():
            reason = network.misfit(engines[role])
            if reason:
                raise EngineError(f"the engine of '{role}' is not of this model's graph: {reason}")

    @property
    def remarks(self) -> dict[str, str]:
        """What engines say of themselves, by role: why one is not what was asked for."""
        said = {role: str(getattr(n.engine, "remark", "")) for role, n in self.items()}
        return {role: words for role, words in said.items() if words}

    def take_over(
        self, engines: Mapping[str, Engine], *,
        standby: Callable[[], Mapping[str, Engine]] | None = None,
    ) -> None:  # fmt: skip
        """Run on these engines, by role, from the next call on.

        standby: gives the engines that go on when one of these fails; None: the failure is the
        caller's. Raises EngineError, and changes nothing, where an engine does not fit.
        """
        self.require_fit(engines)
        self._use(engines)
        self.guard(standby)

    def guard(self, standby: Callable[[], Mapping[str, Engine]] | None) -> None:
        """Where an engine fails, let those that `standby` gives go on; None: nothing does."""
        self._standby = standby
        for network in self.values():
            network.rescue = None if standby is None else self._rescue

    def _use(self, engines: Mapping[str, Engine]) -> None:
        for role, network in self.items():
            network.use(engines[role])

    def _rescue(self, error: EngineError) -> bool:
        """Have the standby take over, in the middle of a frame.

        It is given the same inputs; those that were left on the device it fetches from there.
        """
        standby, failed = self._standby, self.backend
        self.guard(None)  # once: the standby has none
        if standby is None:
            return False
        try:
            self._use(standby())
        except ModelError as reason:
            raise EngineError(f"{error}; and nothing can take over: {reason}") from error
        self.trouble = (
            f"{failed} has failed, {self.backend} goes on: {error}; configure the node again "
            f"to have {failed} back"
        )
        self.on_trouble(self.trouble)
        return True


def _alike(ours: Tensor, theirs: Tensor) -> bool:
    """The same type and sides; one that is free in either may be fixed in the other."""
    if ours.dtype != theirs.dtype or len(ours.shape) != len(theirs.shape):
        return False
    pairs = zip(ours.shape, theirs.shape, strict=True)
    return all(None in pair or pair[0] == pair[1] for pair in pairs)


def _joined(inputs: Sequence[Input]) -> Crops | Parts:
    """One input of several calls as that of one."""
    crops = [given for given in inputs if isinstance(given, Crops)]
    if len(crops) == len(inputs):
        return Crops.joined(crops)
    return Parts([given.cut() if isinstance(given, Crops) else given for given in inputs])


def _rows(call: Inputs) -> int:
    return len(next(iter(call.values())))
