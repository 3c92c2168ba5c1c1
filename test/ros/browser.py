"""A real browser for tests: Chromium without a window, driven over its DevTools protocol.

Debian's `chromium`, another one on the PATH, or the one that the environment's CHROMIUM names.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp

NAMES = ("chromium", "chromium-browser", "google-chrome")
KEYS = {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Enter": 13, " ": 32}


def chromium() -> str:
    """The browser's program; empty where there is none."""
    named = os.environ.get("CHROMIUM", "")
    return named or next((found for name in NAMES if (found := shutil.which(name))), "")


class Browser:
    """A page in a browser of its own; ended by `close`."""

    def __init__(self, folder: Path, width: int = 1280, height: int = 800) -> None:
        """folder: for the browser's own files."""
        self._process = subprocess.Popen(
            [chromium(), "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
             "--disable-dev-shm-usage", f"--user-data-dir={folder}", "--remote-debugging-port=0",
             "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        self.complaints: list[str] = []
        """What went wrong in the page: exceptions, errors on its console."""
        self._numbers = itertools.count(1)
        self._answers: dict[int, Any] = {}
        self._loop = asyncio.new_event_loop()
        self._socket: Any = None
        port = self._port(folder)
        self._work = self._loop.create_task(self._listen(port))
        self._thread = threading.Thread(target=self._live, daemon=True)
        self._thread.start()
        self._until(lambda: self._socket is not None, "the browser")
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        # As a window that is in front; without it :focus may match nothing before the first click.
        self.call("Emulation.setFocusEmulationEnabled", enabled=True)
        self.resize(width, height)

    # --- what an operator does -------------------------------------------------------------------

    def open(self, url: str) -> None:
        """Load a page."""
        self.call("Page.navigate", url=url)

    def reload(self) -> None:
        """Load it again."""
        self.call("Page.reload")

    def resize(
        self, width: int, height: int, *, mobile: bool = False, zoom: float = 1.0
    ) -> None:  # fmt: skip
        """Another screen, in pixels of the page; zoom: the operator's."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, mobile=mobile,
            deviceScaleFactor=2 if mobile else zoom,
        )  # fmt: skip
        self.call("Emulation.setTouchEmulationEnabled", enabled=mobile)

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Press, move and let go, in pixels of the window."""
        self._mouse("mousePressed", *start)
        for share in (0.3, 0.7, 1.0):
            place = (a + share * (b - a) for a, b in zip(start, end, strict=True))
            self._mouse("mouseMoved", *place)
        self._mouse("mouseReleased", *end)

    def swipe(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Put a finger on the screen, move and lift it."""
        self._touch("touchStart", start)
        for share in (0.3, 0.7, 1.0):
            self._touch(
                "touchMove", tuple(a + share * (b - a) for a, b in zip(start, end, strict=True))
            )
        self._touch("touchEnd")

    def click(self, x: float, y: float) -> None:
        """Press and let go."""
        self._mouse("mousePressed", x, y)
        self._mouse("mouseReleased", x, y)

    def press(self, key: str, *, shift: bool = False) -> None:
        """A key."""
        values: dict[str, object] = {"key": key, "code": "Space" if key == " " else key}
        values |= {"windowsVirtualKeyCode": KEYS.get(key, ord(key[0].upper()))}
        values |= {"modifiers": 8 if shift else 0}
        text = {"text": key} if len(key) == 1 else {"text": "\r"} if key == "Enter" else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", **values, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **values)

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        if "exceptionDetails" in found:
            raise AssertionError(f"{script}: {found['exceptionDetails']}")
        return found["result"].get("value")

    def wait(self, script: str, timeout: float = 15.0) -> Any:
        """Wait until an expression is true; gives its value."""
        deadline = time.monotonic() + timeout
        while True:
            found = self.run(f"document.body && ({script})")
            if found:
                return found
            assert time.monotonic() < deadline, f"in vain for {script}; {self.complaints}"
            time.sleep(0.03)

    def drawn(self) -> None:
        """Wait until the page has been laid out and drawn as it is now, observers of sizes told."""
        twice = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
        self.call("Runtime.evaluate", expression=twice, awaitPromise=True)

    def picture(self, file: Path) -> None:
        """What is on the screen, as a PNG or JPEG."""
        form = "jpeg" if file.suffix == ".jpg" else "png"
        quality = {"quality": 88} if form == "jpeg" else {}
        data = self.call("Page.captureScreenshot", format=form, **quality)["data"]
        file.write_bytes(base64.b64decode(data))

    def close(self) -> None:
        """End the browser."""
        self._loop.call_soon_threadsafe(self._work.cancel)
        self._thread.join(5)
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(10)

    # --- how it is done --------------------------------------------------------------------------

    def call(self, method: str, **parameters: Any) -> Any:
        """A method of the DevTools protocol."""
        number = next(self._numbers)
        text = json.dumps({"id": number, "method": method, "params": parameters})
        asyncio.run_coroutine_threadsafe(self._socket.send_str(text), self._loop).result(10)
        self._until(lambda: number in self._answers, method)
        answer = self._answers.pop(number)
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    def _mouse(self, kind: str, x: float, y: float) -> None:
        self.call(
            "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1,
            buttons=0 if kind == "mouseReleased" else 1,
        )  # fmt: skip

    def _touch(self, kind: str, *places: tuple[float, ...]) -> None:
        points = [{"x": x, "y": y} for x, y in places]
        self.call("Input.dispatchTouchEvent", type=kind, touchPoints=points)

    def _port(self, folder: Path) -> int:
        file = folder / "DevToolsActivePort"
        self._until(lambda: file.is_file() and file.read_text(), "the browser's port")
        return int(file.read_text().splitlines()[0])

    def _until(self, condition: Any, what: str) -> None:
        deadline = time.monotonic() + 30
        while not condition():
            assert self._process.poll() is None, f"the browser ended: {self._process.returncode}"
            assert time.monotonic() < deadline, f"in vain for {what}"
            time.sleep(0.005)

    def _live(self) -> None:
        with suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._work)
        self._loop.close()

    async def _listen(self, port: int) -> None:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            async with session.get("/json") as pages:
                found = next(page for page in await pages.json() if page["type"] == "page")
            self._socket = await session.ws_connect(found["webSocketDebuggerUrl"], max_msg_size=0)
            async for message in self._socket:
                told: Mapping[str, Any] = json.loads(message.data)
                if "id" in told:
                    self._answers[told["id"]] = told
                elif told["method"] == "Runtime.exceptionThrown":
                    self.complaints.append(str(told["params"]["exceptionDetails"]))
                elif told["method"] == "Log.entryAdded":
                    entry = told["params"]["entry"]
                    if entry["level"] == "error":
                        self.complaints.append(f"{entry['text']} ({entry.get('url')})")
