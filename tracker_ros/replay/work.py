"""All of one bag: replay it, score it, and write what it leaves behind."""

from __future__ import annotations

import importlib
import json
from dataclasses import replace
from pathlib import Path

from tracker_ros.errors import DataError
from tracker_ros.replay.annotations import CrowdTruth
from tracker_ros.replay.figures import check
from tracker_ros.replay.fingerprint import fingerprint
from tracker_ros.replay.folder import BAG, REPORT, RESULT, staged
from tracker_ros.replay.job import Job
from tracker_ros.replay.moments import worst_moments
from tracker_ros.replay.outcome import Outcome
from tracker_ros.replay.pictures import read_pictures
from tracker_ros.replay.report import write_report
from tracker_ros.replay.run import Progress, replay_bag
from tracker_ros.replay.score import score_replay
from tracker_ros.replay.texts import write_texts
from tracker_ros.replay.truth import load_truth
from tracker_ros.replay.whole_file import write_whole_file


def run_job(job: Job, progress: Progress | None = None, known_by: str = "") -> Outcome:
    """Replay a bag and put the results into the job's folder, in place of those of before.

    They are bag/ with the tracks, tracks.csv, mot.txt, vot/, report.html, result.json. known_by:
    what the result is known by later; empty: the job's fingerprint. Raises DataError, ModelError or
    ParameterError where the bag cannot be replayed, scored, or the results written.
    """
    known_by = known_by or fingerprint(job)
    if not job.bag.exists():
        raise DataError(f"{job.bag}: no such file or folder")
    if (job.out / BAG).resolve() in (job.bag.resolve(), *job.bag.resolve().parents):
        raise DataError(f"--out {job.out} holds the bag that is replayed; name another folder")
    truth = load_truth(job.gt, job.kind, job.bag) if job.gt else None
    if isinstance(truth, CrowdTruth):
        importlib.import_module("trackeval")  # before the work, not after it
    with staged(job.out) as folder:
        result = replay_bag(replace(job, out=folder), truth, progress)
        write_texts(folder, result)
        score = score_replay(result, truth, result.target)
        checks = check(score.figures, job.limits)
        if job.report:
            inputs = result.timeline.inputs
            moments = worst_moments(result, score)
            found = read_pictures(job, result, [int(inputs[m.frame]) for m in moments])
            write_report(folder / REPORT, result, score, checks, moments, found.get)
        outcome = Outcome.of(result, score, checks, REPORT if job.report else "")
        document = {**outcome.as_json(), "job": known_by}
        text = json.dumps(document, indent=2, allow_nan=False) + "\n"
        write_whole_file(folder / RESULT, text, "the result")
    return outcome


def read_outcome(folder: Path, known_by: str = "") -> Outcome | None:
    """What a finished job left in its folder; None where none has finished there.

    known_by: fingerprint of the job that it must be of; empty: any.
    """
    try:
        document = json.loads((folder / RESULT).read_text())
        if known_by and document["job"] != known_by:
            return None
        return Outcome.from_json(document)
    except (OSError, ValueError, KeyError, TypeError):
        return None
