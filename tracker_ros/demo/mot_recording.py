"""What is kept of a run of `demo mot`, and what it adds up to."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from tracker_ros.demo.recording import median_and_p95
from tracker_ros.errors import DataError
from tracker_ros.evaluation.metrics import FloatArray
from tracker_ros.evaluation.mot_datasets import MotTruth
from tracker_ros.evaluation.mot_files import write_tracks
from tracker_ros.evaluation.mot_metrics import MotFigures, evaluate_tracks, without_distractors
from tracker_ros.track import Track, TrackState

NO_TRACKEVAL = "trackeval is not installed; ./run setup mot installs it"


@dataclass
class MotRecording:
    """One run: filled while it goes on, then read. What came is kept by the stamp of its image."""

    source: str
    fps: float
    """Images that the camera sends in a second."""
    detections_by: str
    """hog: the detector; det: the folder's det.txt."""
    tracker: str = ""
    model: str = ""
    """What exactly runs, in words."""
    backend: str = ""
    """What runs its network; empty when it has none."""
    stamps: list[int] = field(default_factory=list)
    """Of the published frames, in order, nanoseconds."""
    tracks: dict[int, list[Track]] = field(default_factory=dict)
    """What was published of each image; TRACKING, until `states` says otherwise."""
    states: dict[int, dict[str, tuple[TrackState, str]]] = field(default_factory=dict)
    """State and reason by id, from the status messages."""
    detected: dict[int, int] = field(default_factory=dict)
    """How many detections an image got."""
    frame_ages: dict[int, float] = field(default_factory=dict)
    """Seconds from the receipt of an image to the publication of its tracks."""
    latencies: dict[int, float] = field(default_factory=dict)
    """Seconds from its stamp to that; nan where the clocks differ."""
    frames_received: int = 0
    frames_processed: int = 0
    frames_dropped: int = 0
    frames_rejected: int = 0

    def frame(self, index: int) -> list[Track] | None:
        """The tracks of a frame, 0-based, with their states; None: none came for it."""
        stamp = self.stamps[index]
        tracks = self.tracks.get(stamp)
        if tracks is None:
            return None
        told = self.states.get(stamp, {})
        return [
            replace(track, state=told[track.id][0], reason=told[track.id][1])
            if track.id in told
            else track
            for track in tracks
        ]


@dataclass(frozen=True)
class MotSummary:
    """A run in numbers."""

    source: str
    tracker: str
    model: str
    backend: str
    detections_by: str
    fps: float
    frames_published: int
    frames_received: int
    frames_processed: int
    frames_dropped: int
    frames_rejected: int
    frames_with_tracks: int
    """For so many an array of tracks came, be it empty."""
    frames_with_detections: int
    """For so many an array of detections came, be it empty."""
    detections: int
    tracks: int
    """Boxes published."""
    not_detected: int
    """Of these: recovered by a single-object tracker, or expected."""
    identities: int
    frame_age_ms: tuple[float, float] | None
    """Median and 95th percentile."""
    latency_ms: tuple[float, float] | None
    people: int | None
    """In the truth, of all whom a tracker has to find; None: the truth is not known."""
    mota: float | None
    """This and the following: None where the truth is not known, or without trackeval."""
    idf1: float | None
    hota: float | None
    idsw: int | None
    frag: int | None
    not_scored: str
    """Why there are no figures though the truth is known; else empty."""


def summarise(recording: MotRecording, truth: MotTruth | None) -> MotSummary:
    """Add up a run; `truth` is that of the whole film, if known."""
    published = set(recording.stamps)
    frames = range(len(recording.stamps))
    shown = [track for index in frames for track in recording.frame(index) or ()]
    not_detected = sum(track.state is TrackState.UNCERTAIN for track in shown)
    found = [count for stamp, count in recording.detected.items() if stamp in published]
    truth = truth.until(len(recording.stamps)) if truth is not None else None
    figures, why = _score(recording, truth)
    return MotSummary(
        source=recording.source,
        tracker=recording.tracker,
        model=recording.model,
        backend=recording.backend,
        detections_by=recording.detections_by,
        fps=recording.fps,
        frames_published=len(recording.stamps),
        frames_received=recording.frames_received,
        frames_processed=recording.frames_processed,
        frames_dropped=recording.frames_dropped,
        frames_rejected=recording.frames_rejected,
        frames_with_tracks=len(published & set(recording.tracks)),
        frames_with_detections=len(found),
        detections=sum(found),
        tracks=len(shown),
        not_detected=not_detected,
        identities=len({track.id for track in shown}),
        frame_age_ms=median_and_p95(list(recording.frame_ages.values())),
        latency_ms=median_and_p95(list(recording.latencies.values())),
        people=len(np.unique(truth.scored[:, 1])) if truth is not None else None,
        mota=round(figures.mota, 4) if figures else None,
        idf1=round(figures.idf1, 4) if figures else None,
        hota=round(figures.hota, 4) if figures else None,
        idsw=figures.idsw if figures else None,
        frag=figures.frag if figures else None,
        not_scored=why,
    )


def _score(recording: MotRecording, truth: MotTruth | None) -> tuple[MotFigures | None, str]:
    """The figures, or why there are none; of frames without tracks everybody was missed."""
    if truth is None:
        return None, ""
    if not truth.counts.any():
        return None, "nobody is to be found in these frames"
    rows = without_distractors(truth.rows, truth.distractor, track_rows(recording))
    try:
        return evaluate_tracks(truth.scored, rows), ""
    except ModuleNotFoundError as error:
        if error.name != "trackeval":
            raise
        return None, NO_TRACKEVAL
    except ValueError as error:  # an id twice in one frame: the node is at fault, say it
        return None, str(error)


def track_rows(recording: MotRecording) -> FloatArray:
    """All tracks, shape (n, 7): frame from 1, number of the identity, x, y, w, h, score."""
    numbers = identity_numbers(recording)
    rows = [
        (index + 1, numbers[track.id], *track.box, track.evidence.score)
        for index in range(len(recording.stamps))
        for track in recording.frame(index) or ()
    ]
    return np.array(rows, np.float64).reshape(-1, 7)


def identity_numbers(recording: MotRecording) -> dict[str, int]:
    """A whole number for every id: the one it ends in, else in the order of their coming."""
    ids = list(
        dict.fromkeys(
            track.id for stamp in recording.stamps for track in recording.tracks.get(stamp, ())
        )
    )
    ends = [re.search(r"(\d{1,9})$", id) for id in ids]
    numbers = [int(end[1]) for end in ends if end]
    if len(set(numbers)) == len(ids) and 0 not in numbers:
        return dict(zip(ids, numbers, strict=True))
    return {id: number for number, id in enumerate(ids, 1)}


def write_results(folder: Path, recording: MotRecording, summary: MotSummary) -> None:
    """Write tracks.txt, as MOTChallenge has it, and summary.json. Raises DataError."""
    write_tracks(folder / "tracks.txt", track_rows(recording))
    try:
        (folder / "summary.json").write_text(json.dumps(asdict(summary), indent=2) + "\n")
    except OSError as error:
        raise DataError(f"{folder}/summary.json cannot be written: {error.strerror}") from None


def describe(summary: MotSummary) -> str:
    """Say the summary in a few lines for the terminal."""
    s = summary
    by = "OpenCV's HOG" if s.detections_by == "hog" else "det.txt"
    lines = [
        f"source      {s.source}, {s.fps:g} Hz",
        f"tracker     {s.model or s.tracker}" + (f" on {s.backend}" if s.backend else ""),
        f"frames      {s.frames_published} published, {s.frames_received} received, "
        f"{s.frames_processed} processed, {s.frames_dropped} dropped, {s.frames_rejected} rejected",
        f"detections  {s.detections} of {by}, for {s.frames_with_detections} frames",
        f"tracks      {s.tracks} boxes in {s.frames_with_tracks} frames, "
        f"{s.not_detected} of them not detected but recovered or expected",
        f"identities  {s.identities}" + (f" for {s.people} people" if s.people is not None else ""),
    ]
    if s.frame_age_ms:
        timing = "frame age median {:.0f} ms, p95 {:.0f} ms".format(*s.frame_age_ms)
        if s.latency_ms:
            timing += "; from camera to tracks median {:.0f} ms, p95 {:.0f} ms".format(
                *s.latency_ms
            )
        lines.append(f"timing      {timing}")
    if s.mota is not None:
        lines.append(
            f"truth       MOTA {s.mota:.3f}, IDF1 {s.idf1:.3f}, HOTA {s.hota:.3f}, "
            f"{s.idsw} ID switches, {s.frag} fragmentations"
        )
    elif s.not_scored:
        lines.append(f"truth       known, but no MOTA, IDF1 and HOTA: {s.not_scored}")
    return "\n".join(lines)
