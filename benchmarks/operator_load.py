"""What the operator's page costs: CPU with 0 to 10 pages, and the trackers beside slow ones.

    ./run python benchmarks/operator_load.py                       # two minutes, 640x480
    ./run python benchmarks/operator_load.py --size 1920x1080

A camera films the rendered scene, `sot_node` follows its target, and pages are opened and closed.
A slow page reads 20 kB a second and shows nothing. The frame age is that of `sot_node`: from the
receipt of an image to the publication of its tracks. All are real processes over DDS, on this
machine alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import struct
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp

from tracker_ros.demo.processes import Child, ChildProcesses, ros_environment

SECONDS = 12.0
"""Of a measurement; the first two do not count."""
TICKS = os.sysconf("SC_CLK_TCK")


class Page:
    """Somebody who looks."""

    def __init__(self, session: aiohttp.ClientSession, *, slow: bool) -> None:
        self._session, self.slow = session, slow
        self.ages: list[float] = []
        """Of pictures, from the stamp of the image to their arrival, seconds."""
        self.frame_ages: list[float] = []
        self.stamp = ""

    async def live(self) -> None:
        """Open, watch, and take what comes."""
        async with self._session.ws_connect("/socket", max_msg_size=0) as socket:
            await socket.send_json({"type": "hello", "version": 1, "token": ""})
            await socket.receive_json()
            await socket.send_json({"type": "watch", "topic": "/image"})
            async for message in socket:
                if message.type is aiohttp.WSMsgType.BINARY:
                    (length,) = struct.unpack_from(">I", message.data)
                    self.stamp = json.loads(message.data[4 : 4 + length])["stamp"]
                    self.ages.append(time.time() - int(self.stamp) / 1e9)
                    if self.slow:
                        await asyncio.sleep(len(message.data) / 20_000)
                    else:
                        await socket.send_json({"type": "shown", "stamp": self.stamp})
                else:
                    told = json.loads(message.data)
                    if told["type"] == "status" and told["of_image"]:
                        self.frame_ages.append(told["frame_age"])

    async def point(self) -> None:
        """Follow what is in the middle of the picture."""
        async with self._session.ws_connect("/socket") as socket:
            await socket.send_json({"type": "hello", "version": 1, "token": ""})
            box = [250, 200, 90, 70]
            place = {"topic": "/image", "stamp": self.stamp, "box": box}
            await socket.send_json({"type": "set_target", "request": 1, **place})
            while (told := await socket.receive_json())["type"] != "answer":
                pass
            print(f"target: {told['message']}")


def cpu_seconds(child: Child) -> float:
    """CPU time of a process so far."""
    fields = Path(f"/proc/{child.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def measure(url: str, node: Child, pages: int, slow: int) -> dict[str, float]:
    """One row: so many pages, so many of them slow."""
    async with aiohttp.ClientSession(url) as session:
        opened = [Page(session, slow=i < slow) for i in range(pages)]
        work = [asyncio.create_task(page.live()) for page in opened]
        if pages:
            await asyncio.sleep(2)
        for page in opened:
            page.ages.clear()
            page.frame_ages.clear()
        began, used = time.monotonic(), cpu_seconds(node)
        await asyncio.sleep(SECONDS - 2)
        share = (cpu_seconds(node) - used) / (time.monotonic() - began)
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
    quick = [page for page in opened if not page.slow]
    ages = [age for page in quick for age in page.ages]
    heard = [age for page in quick[:1] for age in page.frame_ages]
    return {
        "cpu": share,
        "rate": len(ages) / max(len(quick), 1) / (SECONDS - 2),
        "age": statistics.median(ages) if ages else float("nan"),
        "frame_age": statistics.median(heard) if heard else float("nan"),
    }


async def rows(url: str, node: Child) -> None:
    """All measurements, one after the other."""
    async with aiohttp.ClientSession(url) as session:
        page = Page(session, slow=False)
        task = asyncio.create_task(page.live())
        while not page.stamp:
            await asyncio.sleep(0.1)
        await page.point()
        task.cancel()
    print(
        "| pages | slow | CPU of the page's node | pictures/s a page | stamp to page | frame age |"
    )
    print("|--:|--:|--:|--:|--:|--:|")
    for pages, slow in ((0, 0), (1, 0), (10, 0), (1, 0), (11, 10), (1, 0)):
        found: dict[str, Any] = await measure(url, node, pages, slow)
        age, frame_age = (f"{found[key] * 1e3:.0f} ms" for key in ("age", "frame_age"))
        print(
            f"| {pages} | {slow} | {found['cpu']:.0%} of a core | {found['rate']:.1f} | {age} | "
            f"{frame_age} |",
            flush=True,
        )


def main() -> None:
    """Start everything, measure, and end it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--size", default="640x480", help="of the camera's images")
    args = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        ChildProcesses(ros_environment(os.environ)) as processes,
    ):
        log = Path(folder) / "operator.log"
        words = ["operator", "--ros-args", "-p", "port:=0"]
        node = processes.start("operator", "tracker_ros.cli", words, log)
        processes.start("sot", "tracker_ros.cli", ["sot"], Path(folder) / "sot.log")
        camera = ["camera", "--size", args.size, "--loop"]
        processes.start("camera", "tracker_ros.cli", camera, Path(folder) / "camera.log")
        while not (found := re.search(r"http://127\.0\.0\.1:\d+", log.read_text())):
            time.sleep(0.1)
        asyncio.run(rows(found[0], node))


if __name__ == "__main__":
    main()
