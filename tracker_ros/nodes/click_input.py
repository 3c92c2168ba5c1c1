"""`~/click`: a target pointed at by a point of the image."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from geometry_msgs.msg import PointStamped

from tracker_ros.errors import TargetError, TrackerRosError
from tracker_ros.nodes.diagnostics import Problems
from tracker_ros.nodes.services import answer
from tracker_ros.pipeline.click import Click, Clicked
from tracker_ros.pipeline.requests import Accepted, TargetRequest

DEPTH = 10


class Refusals(Problems):
    """All that a hand can click are logged, for it waits for an answer, and a topic has none."""

    QUIET = 0.1


class ClickInput:
    """Subscribed for as long as the node lives; what a click means is found out on a thread."""

    def __init__(
        self, node: Any, find: Callable[[Click], Clicked],
        follow: Callable[[TargetRequest], Future[Accepted]], usual: Callable[[], float],
    ) -> None:  # fmt: skip
        """find: called on the executor's thread. follow: on another. Both raise TargetError.

        usual: mean side of a target, in short sides of the image.
        """
        self._logger = node.get_logger()
        self._find, self._follow, self._usual = find, follow, usual
        self.refused = Refusals(self._logger)
        # A picture is looked at for some hundredths of a second: images come meanwhile.
        self._thread = ThreadPoolExecutor(1, "click")
        self._work: Future[None] | None = None
        node.create_subscription(PointStamped, "~/click", self._on_click, DEPTH)

    def close(self) -> None:
        """Take no more clicks."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _on_click(self, message: PointStamped) -> None:
        stamp, point = message.header.stamp, message.point
        click = Click(
            point.x, point.y, stamp.sec * 10**9 + stamp.nanosec, message.header.frame_id
        )  # fmt: skip
        try:
            if self._work is not None and not self._work.done():
                raise TargetError("the click before is still being worked on; click again")
            clicked = self._find(click)
            self._work = self._thread.submit(self._take, clicked)
        except TargetError as error:
            self._refuse(click, error)

    def _take(self, clicked: Clicked) -> None:
        try:
            request, words = clicked.request(self._usual())
            accepted = answer(self._follow(request))
            self.refused.settle()
            self._logger.info(f"click: {accepted.message} ({words})")
        except TrackerRosError as error:
            self._refuse(clicked.click, error)
        except Exception as error:  # whatever was clicked on, the node must live
            self._refuse(clicked.click, error)
            self._logger.error(traceback.format_exc())

    def _refuse(self, click: Click, error: Exception) -> None:
        words = (
            str(error) if isinstance(error, TrackerRosError) else f"{type(error).__name__}: {error}"
        )
        self.refused.add("clicks", f"click at x={click.x:g} y={click.y:g} refused: {words}")
