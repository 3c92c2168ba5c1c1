"""The papers that `tracker_ros train` can train, one file each."""

from __future__ import annotations

from tracker_ros.training.task import Task
from tracker_ros.training.tasks.atom import AtomTask
from tracker_ros.training.tasks.siamfc import SiamFCTask
from tracker_ros.training.tasks.siamrpnpp import SiamRPNTask
from tracker_ros.training.tasks.spm import SPMTask

TASKS: dict[str, type[Task]] = {
    task.tracker: task for task in (AtomTask, SiamFCTask, SiamRPNTask, SPMTask)
}
