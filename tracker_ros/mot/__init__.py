"""Multi-object trackers: FAMNet, and the baselines it is measured against."""

from tracker_ros.mot.open import MULTI_TRACKERS, open_multi_tracker

__all__ = ["MULTI_TRACKERS", "open_multi_tracker"]
