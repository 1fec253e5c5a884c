"""The control process: an aiohttp server beside the workers, never in a request's way."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import orjson
import uvloop
from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from proxy.admin.metrics import WorkerCollector
from proxy.admin.status import describe, render_text
from proxy.observability.logs import configure_logs
from proxy.store.connection import masked

if TYPE_CHECKING:
    import socket

    from proxy.observability.counters import CounterPage
    from proxy.settings import Settings

_READY: Final = b"R"


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlTask:
    """What the supervisor hands the control process: its bound socket, the counters, where the store is."""

    sock: socket.socket
    control: socket.socket
    page: CounterPage
    store_url: str


def run_control(task: ControlTask, settings: Settings) -> None:
    """Serve until SIGTERM, or until the supervisor is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    configure_logs(level=settings.log.level, form=settings.log.format, threaded=True)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(task, settings))


def create_app(page: CounterPage, settings: Settings, *, store: str) -> web.Application:
    """Make the application: `/metrics` for Prometheus, `/statusz` for people and programs."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(WorkerCollector(page))

    async def metrics(request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(registry), headers={"Content-Type": content_type})

    async def statusz(request: web.Request) -> web.Response:
        status = describe(page, settings, store=store, now=time.time())
        if "json" in request.headers.get("Accept", ""):
            return web.Response(body=orjson.dumps(status), content_type="application/json")
        return web.Response(text=render_text(status))

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/statusz", statusz)
    return app


async def _serve(task: ControlTask, settings: Settings) -> None:
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, ending.set)
    task.control.setblocking(False)

    def supervisor_gone() -> None:
        try:
            if task.control.recv(64):
                return
        except BlockingIOError:
            return
        except OSError:
            pass  # it died with our word unread
        loop.remove_reader(task.control.fileno())
        ending.set()

    loop.add_reader(task.control.fileno(), supervisor_gone)
    app = create_app(task.page, settings, store=masked(task.store_url))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.SockSite(runner, task.sock).start()
    os.write(task.control.fileno(), _READY)
    await ending.wait()
    await runner.cleanup()
