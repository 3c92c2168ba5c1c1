"""Replays one bag: opens it, lets a session follow, and gathers the result."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from tracker_ros.bags.bag import (
    COMPRESSED_IMAGE,
    Topic,
    describe,
    fullest_image_topic,
    no_image_topic,
)
from tracker_ros.bags.reader import BagReader, open_bag
from tracker_ros.bags.types import store as message_types
from tracker_ros.engines.upgrade import paced, to_stderr
from tracker_ros.errors import DataError
from tracker_ros.pipeline.mot_parameters import (
    MotParameters,
    declare_mot_parameters,
    open_tracker,
    read_mot_parameters,
)
from tracker_ros.pipeline.mot_tracker import RunningTracker
from tracker_ros.pipeline.parameters import GivenParameters, read_params_file
from tracker_ros.pipeline.sot_parameters import (
    SotParameters,
    declare_sot_parameters,
    read_sot_parameters,
)
from tracker_ros.replay.annotations import TargetTruth
from tracker_ros.replay.irregular import Irregularities
from tracker_ros.replay.job import MOT, Job
from tracker_ros.replay.mot_session import MotSession
from tracker_ros.replay.recorder import Recorder
from tracker_ros.replay.result import ReplayResult, Trouble
from tracker_ros.replay.sot_session import SotSession
from tracker_ros.replay.truth import Truth
from tracker_ros.replay.wishes import Wishes
from tracker_ros.sot.backends import EngineChoice
from tracker_ros.sot.model import open_model

ARRAY = "vision_msgs/msg/Detection2DArray"


@dataclass(frozen=True)
class Progress:
    """Hears how far a replay is."""

    begin: Callable[[int], object] = lambda images: None
    """How many images there will be; 0 where the bag does not say."""
    tick: Callable[[], object] = lambda: None
    """One more has been replayed."""


def replay_bag(
    job: Job, truth: Truth | None = None, progress: Progress | None = None
) -> ReplayResult:
    """Replay a bag; where no target is asked for, one is started on the truth.

    Writes the bag of the job; all else that it leaves is for `tracker_ros.replay.work`.
    Raises DataError, ModelError or ParameterError when that cannot be done.
    """
    progress = progress or Progress()
    with open_bag(job.bag) as bag:
        topic = image_topic(job, bag)
        detections = _detections_topic(job, bag)
        begin, end = part_of(job, bag)
        _require_length(job, bag, topic, truth)
        with Recorder(job, bag) as recorder:
            session, store = _session(job, recorder)
            wishes = Wishes(job, session, truth) if isinstance(session, SotSession) else None
            watch = Irregularities(session.happened)
            first = _images_before(bag, topic, begin) if job.begin else 0
            progress.begin(_images_about(job, bag, topic, first))
            names = None if job.keep == "all" else {topic.name, detections}
            number, began = first, time.perf_counter()
            try:
                for message in bag.messages(names, begin, end):
                    recorder.copy(message)
                    if (message.topic, message.type) == (topic.name, topic.type):
                        compressed = topic.type == COMPRESSED_IMAGE
                        watch.look_at(message.data, compressed=compressed)
                        session.add_image(
                            message.data, message.recorded_ns, number=number, compressed=compressed
                        )
                        number += 1
                        if wishes is not None:
                            wishes.look()
                        progress.tick()
                    elif (message.topic, message.type) == (detections, ARRAY):
                        assert isinstance(session, MotSession)  # sot has no such topic
                        session.add_detections(message.data, message.recorded_ns)
                    session.require_written()
            finally:
                session.end()
            session.require_written()
            wall = time.perf_counter() - began
            if wishes is not None:
                wishes.require_met()
        if not session.counters.received:
            raise DataError(f"{job.bag}: no image on {topic.name} in what was to be replayed")
        troubles = dict(session.troubles)
        for words, count in watch.counts.items():
            troubles[words] = Trouble(count, f"in the images of {topic.name}", 0)
        return ReplayResult(
            bag=str(job.bag), topic=topic.name, topic_type=topic.type, kind=job.kind,
            tracker=session.about.tracker, model=session.about.model,
            backend=session.about.backend, precision=session.about.precision,
            timeline=session.timeline, events=session.events, troubles=troubles,
            received=session.counters.received, rejected=session.counters.rejected,
            dropped=session.counters.dropped, sizes=watch.sizes, damage=bag.damage,
            duration=session.span, wall=wall, digest=session.digest,
            first=first, images=max(topic.count, number), starts=session.starts,
            target="" if wishes is None else wishes.first, ended=session.ended,
            options=_options(job, topic, detections, store) | session.about_it(),
        )  # fmt: skip


def part_of(job: Job, bag: BagReader) -> tuple[int, int | None]:
    """When what is replayed begins and ends, nanoseconds of the recording. Raises DataError."""
    begin = bag.start + round(job.begin * 1e9)
    if begin > bag.end:
        length = (bag.end - bag.start) / 1e9
        raise DataError(f"--from {job.begin:g}: {job.bag} is {length:.3f} s long")
    return begin, None if math.isinf(job.end) else bag.start + round(job.end * 1e9)


def _images_before(bag: BagReader, topic: Topic, begin: int) -> int:
    """Images of the topic that were recorded before a time."""
    before = bag.messages({topic.name}, None, begin)
    return sum(message.type == topic.type for message in before)


def _images_about(job: Job, bag: BagReader, topic: Topic, first: int) -> int:
    """How many images there will be, for the progress; with --to an estimate."""
    length = (bag.end - bag.start) / 1e9 - job.begin
    share = 1.0 if job.end >= length + job.begin else (job.end - job.begin) / length
    return round((topic.count - first) * share)


def _session(job: Job, recorder: Recorder) -> tuple[SotSession | MotSession, GivenParameters]:
    """What follows, with its parameters as a node would have them."""
    given = {} if job.params_file is None else read_params_file(job.params_file, job.kind)
    store = GivenParameters({**given, **job.settings})
    live = job.rate == "real"
    session: SotSession | MotSession
    if job.kind == MOT:
        declare_mot_parameters(store)
        store.require_all_known(list(job.settings))
        parameters = read_mot_parameters(store)
        tracker = RunningTracker(open_tracker(parameters, _engines(parameters)))
        session = MotSession(tracker, parameters, message_types(), recorder, live=live)
    else:
        declare_sot_parameters(store)
        store.require_all_known(list(job.settings))
        wanted = read_sot_parameters(store)
        if "max_targets" not in {**given, **job.settings}:
            # Targets that are named together are not to replace each other.
            wanted = replace(wanted, max_targets=max(wanted.max_targets, len(job.wishes)))
        model = open_model(wanted.model, _engines(wanted))
        session = SotSession(model, wanted, message_types(), recorder, live=live)
    if store.unknown():
        session.happened(f"parameters that mean nothing here: {', '.join(store.unknown())}")
    return session, store


def _engines(parameters: SotParameters | MotParameters) -> EngineChoice:
    """What runs the networks; built engines are waited for, so that a replay is on one backend."""
    choice = parameters.engines.choice(parameters.threads, paced(to_stderr))
    return replace(choice, wait=True)


def image_topic(job: Job, bag: BagReader) -> Topic:
    """The topic of the images. Raises DataError naming those that there are."""
    chosen = fullest_image_topic(bag.topics, job.topic or "")
    if chosen is None:
        raise DataError(no_image_topic(job.bag, job.topic or None, bag.topics) + _damage(bag))
    if not chosen.count:
        raise DataError(f"{job.bag} holds no message on {chosen.name}{_damage(bag)}")
    return chosen


def _damage(bag: BagReader) -> str:
    """What may be the reason that something is missing."""
    return f"; it is damaged: {bag.damage}" if bag.damage else ""


def _detections_topic(job: Job, bag: BagReader) -> str:
    """The topic of the detections; empty for sot. Raises DataError where there is none such."""
    if job.kind != MOT:
        return ""
    arrays = [topic for topic in bag.topics if topic.type == ARRAY]
    if not any(topic.name == job.detections for topic in arrays):
        held = describe(arrays) if arrays else f"none of type {ARRAY}: record a detector's too"
        raise DataError(f"{job.bag} holds no detections on {job.detections}; it holds {held}")
    return job.detections


def _require_length(job: Job, bag: BagReader, topic: Topic, truth: Truth | None) -> None:
    """Raise DataError now where the truth is known to be too short or too long."""
    if bag.damage:
        return  # how many there are is known afterwards: `score` compares again
    if isinstance(truth, TargetTruth) and not truth.by_stamp and len(truth.keys) != topic.count:
        raise DataError(
            f"{truth.source} has {len(truth.keys)} lines, but {job.bag} holds {topic.count} "
            f"images on {topic.name}; expected a line for every image of the topic, those that are "
            "not replayed or cannot be used too"
        )


def _options(job: Job, topic: Topic, detections: str, store: GivenParameters) -> dict[str, str]:
    """What was asked for, for reports."""
    options = {"images": f"{topic.name} ({topic.type})", "rate": job.rate}
    if detections:
        options["detections"] = detections
    if job.begin or not math.isinf(job.end):
        options["part"] = f"from {job.begin:g} s to {job.end:g} s"
    if job.params_file is not None:
        options["params file"] = str(job.params_file)
    options |= {f"parameter {name}": str(store.value(name)) for name in job.settings}
    return options
