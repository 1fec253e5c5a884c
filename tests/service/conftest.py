"""The whole service as an operator starts it: `stockade serve` as a process, in front of the demo store."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from typing import TYPE_CHECKING

import pytest
from service_harness import Service, alive

from proxy.demo.serve import serve as serve_demo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def demo_url() -> Iterator[str]:
    """The demo store on a loopback port, for the whole run."""
    sock = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{sock.getsockname()[1]}"
    loop = asyncio.new_event_loop()
    ready = threading.Event()

    def run() -> None:
        asyncio.set_event_loop(loop)
        nonlocal task
        task = loop.create_task(serve_demo(sock=sock, ready=lambda _url: ready.set()))
        try:
            loop.run_until_complete(task)
        except asyncio.CancelledError:
            pass
        finally:
            loop.close()

    task: asyncio.Task[None]
    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(10)
    yield url
    loop.call_soon_threadsafe(task.cancel)
    thread.join(10)
    sock.close()


@pytest.fixture
def start_service(tmp_path: Path, demo_url: str) -> Iterator[Callable[..., Service]]:
    """Start `stockade serve` in front of the demo store; at the end nothing of it may be left."""
    services: list[Service] = []

    def start(
        settings: str = "",
        *,
        wait: bool = True,
        upstream: str = demo_url,
        stderr: int | None = None,
        **defaults: str,
    ) -> Service:
        values = {
            "listen": '"127.0.0.1:0"',
            "upstream": f'"{upstream}"',
            "admin": '""',
            "workers": "2",
            "data_dir": f'"{tmp_path}/data"',
            "trusted_proxies": '["127.0.0.1/32"]',
            **defaults,
        }
        top = "".join(f"{key} = {value}\n" for key, value in values.items())
        service = Service(tmp_path, f"{top}{settings}\n", stderr=stderr)
        services.append(service)
        if wait:
            service.wait_until_serving()
        return service

    yield start
    for service in services:
        below = (
            [pid for pids in service.children().values() for pid in pids]
            if service.process.poll() is None
            else []
        )
        service.stop(signal.SIGINT)
        left = [pid for pid in below if alive(pid)]
        assert not left, f"processes left behind: {left}\n{service.log}"
