"""What somebody at the operator's page does in tests; its fixtures are in conftest.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from page_client import PageClient
from sot_harness import (
    Sot,
    image_message,
    scene,
)

from tracker_ros.geometry import Box

Open = Callable[..., PageClient]


def film(sot: Sot, page: PageClient, frames: range) -> None:
    """Show frames of the scene one by one, each until it is tracked and on the page."""
    for index in frames:
        before = len(page.pictures)
        stamp = sot.send(image_message(scene()[index].image, sot.next_stamp()))
        sot.answer_to(stamp)
        page.wait_until(lambda: len(page.pictures) > before, "a picture")  # noqa: B023


def place(page: PageClient) -> dict[str, Any]:
    """What a request says of the picture that is on the screen."""
    return {"topic": "/image", "stamp": page.pictures[-1].head["stamp"]}


def box_list(box: Box) -> list[float]:
    return [box.x, box.y, box.w, box.h]
