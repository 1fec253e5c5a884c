"""Headless Chromium driven over the DevTools protocol: just what a shopper does."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import os
import re
import shutil
import signal
import tempfile
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# The background services of a browser would look for hosts outside.
_OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)


class Page:
    """One tab."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._loaded: asyncio.Queue[None] = asyncio.Queue()
        self.complaints: list[str] = []
        self.task = asyncio.create_task(self._pump())

    async def _pump(self) -> None:
        async for message in self._socket:
            event = message.json()
            if "id" in event:
                self._waiting.pop(event["id"]).set_result(event)
            elif event["method"] == "Page.loadEventFired":
                self._loaded.put_nowait(None)
            elif event["method"] == "Runtime.exceptionThrown":
                self.complaints.append(str(event["params"]["exceptionDetails"]["text"]))
            elif event["method"] == "Log.entryAdded" and event["params"]["entry"]["level"] == "error":
                self.complaints.append(str(event["params"]["entry"]["text"]))

    async def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a DevTools command and give its result."""
        number = next(self._ids)
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        answer = await asyncio.wait_for(future, 20)
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    async def open(self, url: str) -> None:
        """Go to `url` and wait until it is loaded."""
        await self.command("Page.navigate", url=url)
        await asyncio.wait_for(self._loaded.get(), 20)

    async def run(self, script: str, *, leads_on: bool = False) -> Any:
        """Run JavaScript and give its value; `leads_on`: wait until the page it leads to is loaded."""
        answer = await self.command(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        if leads_on:
            await asyncio.wait_for(self._loaded.get(), 20)
        return answer["result"].get("value")

    async def screenshot(self) -> bytes:
        """Give what is seen, as PNG."""
        answer = await self.command("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(answer["data"])


@contextlib.asynccontextmanager
async def open_browser(*, width: int = 1280, height: int = 900) -> AsyncIterator[Page]:
    """Start a browser with one tab; it and its profile are gone behind it."""
    assert PROGRAM is not None
    profile = tempfile.mkdtemp()
    process = await asyncio.create_subprocess_exec(
        PROGRAM, *_OPTIONS, f"--user-data-dir={profile}", f"--window-size={width},{height}", "about:blank",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        while not (
            found := re.search(
                rb"DevTools listening on ws://127\.0\.0\.1:(\d+)/", await process.stderr.readline()
            )
        ):
            assert process.returncode is None, "Chromium ended before it began"
        port = int(found[1])
        async with aiohttp.ClientSession() as session:
            tabs: list[dict[str, Any]] = []
            while not tabs:
                async with session.get(f"http://127.0.0.1:{port}/json") as answer:
                    tabs = [tab for tab in await answer.json() if tab["type"] == "page"]
            async with session.ws_connect(tabs[0]["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                page = Page(socket)
                for domain in ("Page", "Runtime", "Log", "Network"):
                    await page.command(f"{domain}.enable")
                yield page
                page.task.cancel()
                await asyncio.gather(page.task, return_exceptions=True)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        await process.communicate()
        shutil.rmtree(profile, ignore_errors=True)
