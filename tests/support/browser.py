"""A real browser without a window, driven over the DevTools protocol: Chromium, where there is one."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PATIENCE = 30.0  # s: only a test that fails waits as long
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-port=0",
)  # fmt: skip


def find_browser() -> str | None:
    """The program, or None; the variable BROWSER_FOR_TESTS names another."""
    return os.environ.get("BROWSER_FOR_TESTS") or next(filter(None, map(shutil.which, NAMES)), None)


def find_axe() -> Path | None:
    """The script of axe-core, where AXE_FOR_TESTS says or `npm install --no-save axe-core` has put it, or None."""
    place = Path(os.environ.get("AXE_FOR_TESTS", "node_modules/axe-core/axe.min.js"))
    return place if place.is_file() else None


@dataclass
class Tab:
    """A page that is open. `complaints`: errors, refused resources and uncaught exceptions that it has told of."""

    socket: aiohttp.ClientWebSocketResponse
    complaints: list[str] = field(default_factory=list)
    _last: int = 0
    _answers: dict[int, asyncio.Future[dict[str, Any]]] = field(default_factory=dict)

    async def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol and its result."""
        self._last += 1
        self._answers[self._last] = future = asyncio.get_running_loop().create_future()
        await self.socket.send_json({"id": self._last, "method": method, "params": parameters})
        async with asyncio.timeout(PATIENCE):
            return await future

    async def listen(self) -> None:
        """Hand answers on, and note complaints; as long as the tab is open."""
        async for message in self.socket:
            told = json.loads(message.data)
            if "id" in told:
                self._answers.pop(told["id"]).set_result(told.get("result") or told)
            elif told["method"] == "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(told["params"])[:500])
            elif told["method"] == "Log.entryAdded" and told["params"]["entry"]["level"] in ("error", "warning"):
                self.complaints.append(json.dumps(told["params"]["entry"])[:500])

    async def evaluate(self, expression: str) -> Any:
        """The value of an expression in the page."""
        told = await self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    async def until(self, expression: str) -> None:
        """Wait until an expression holds."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not await self.evaluate(expression):  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"never: {expression}; complaints {self.complaints}") from None

    async def look(self, width: int, dark: bool, height: int = 900) -> None:
        """Be a screen of so many pixels, and of a reader who likes it dark or light."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.send("Emulation.setEmulatedMedia", features=[scheme])
        await self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )

    async def press(self, key: str) -> None:
        """Press a key."""
        for kind in ("keyDown", "keyUp"):
            await self.send("Input.dispatchKeyEvent", type=kind, key=key, code=key)

    async def picture(self, path: Path) -> None:
        """The whole page as a PNG."""
        told = await self.send("Page.captureScreenshot", captureBeyondViewport=True)
        await asyncio.to_thread(path.write_bytes, base64.b64decode(told["data"]))


@contextlib.asynccontextmanager
async def browsing(program: str, folder: Path) -> AsyncIterator[Tab]:
    """A browser with one empty tab; it ends with the block."""
    process = await asyncio.to_thread(_started, program, folder)
    try:
        port = await asyncio.to_thread(_port, folder / "browser.log")
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                target = next(each for each in await answer.json() if each["type"] == "page")
            async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                tab = Tab(socket)
                listening = asyncio.create_task(tab.listen())
                for domain in ("Page", "Runtime", "Log"):
                    await tab.send(f"{domain}.enable")
                yield tab
                listening.cancel()
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _started(program: str, folder: Path) -> subprocess.Popen[bytes]:
    with (folder / "browser.log").open("wb") as log:
        flags = (*FLAGS, f"--user-data-dir={folder}", "about:blank")
        return subprocess.Popen([program, *flags], stderr=log, stdout=log)


def _port(log: Path) -> int:
    """Where the browser answers; it says so when it is ready."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = re.search(r"DevTools listening on ws://127.0.0.1:(\d+)/", log.read_text("utf-8", "replace"))
        if found:
            return int(found[1])
        time.sleep(0.05)
    raise AssertionError(f"the browser did not start: {log.read_text('utf-8', 'replace')[-2000:]}")
