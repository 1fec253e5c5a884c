"""A real worker on its own event loop in a thread, in front of a scripted upstream on real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import uvloop

from proxy.edge.build import build_pool, build_server_tls, build_site
from proxy.edge.health import UpstreamMonitor
from proxy.edge.listener import Acceptor, Listener
from proxy.edge.site import Inlet
from proxy.edge.worker import Worker
from proxy.observability.counters import CounterPage
from proxy.observability.decision_log import DecisionLog
from proxy.settings.addresses import ListenerAddress, SocketAddress
from proxy.settings.load import parse_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from proxy.settings import Settings


class Relay:
    """A worker that listens on a loopback port; `settings` is the text of a settings file."""

    def __init__(
        self,
        settings: str,
        upstream: str,
        log: Path,
        *,
        proxy_protocol: bool = False,
        certificate: str = "",
        key: str = "",
    ) -> None:
        self.settings: Settings = parse_settings(f'upstream = "{upstream}"\n{settings}', {}, "test.toml")
        self.log = log
        self.page = CounterPage(1)
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.sock.getsockname()[1]
        self._address = ListenerAddress(
            address=SocketAddress(host="127.0.0.1", port=self.port),
            proxy_protocol=proxy_protocol,
            certificate=certificate,
            key=key,
        )
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.worker: Worker
        self.loop: asyncio.AbstractEventLoop

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        site = build_site(self.settings)
        decisions = DecisionLog(self.log)
        pool = build_pool(self.settings, clock=lambda: worker.clock, counters=self.page.row(0))
        worker = self.worker = Worker(site, pool, decisions, self.page, 0)
        worker.snapshot_loaded = True
        await pool.resolve()
        health = self.settings.health
        worker.monitor = UpstreamMonitor(
            pool, path=b"/", host=b"upstream", every=health.upstream_every, timeout=health.upstream_timeout
        )
        tls = build_server_tls(self._address) if self._address.tls else None
        acceptor = Acceptor(
            worker,
            Listener(
                sock=self.sock,
                inlet=Inlet(tls=tls is not None, port=self.port),
                tls=tls,
                proxy_protocol=self._address.proxy_protocol,
            ),
        )
        await acceptor.start()
        ticking = asyncio.create_task(worker.tick_forever())
        self._ready.set()
        await self._stop.wait()
        acceptor.close()
        ticking.cancel()
        await asyncio.gather(ticking, return_exceptions=True)
        for connection in list(worker.connections):
            connection.transport.abort()
        await pool.close()
        for target in pool.targets:
            for connection in list(target.busy):
                connection.transport.abort()
        await asyncio.sleep(0.01)
        decisions.close()

    def call(self, function: Callable[[], Any]) -> Any:
        """Run `function` on the worker's loop, between requests, and give its result."""
        done: Any = None
        event = threading.Event()

        def run() -> None:
            nonlocal done
            done = function()
            event.set()

        self.loop.call_soon_threadsafe(run)
        assert event.wait(5)
        return done

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(5), "the worker did not start"

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        self.sock.close()
        assert not self._thread.is_alive()

    def connect(self, *, source: str = "") -> socket.socket:
        """Open a connection; `source` binds another loopback address, which is then the peer."""
        sock = socket.create_connection(
            ("127.0.0.1", self.port), timeout=10, source_address=(source, 0) if source else None
        )
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def ask(self, data: bytes, *, source: str = "") -> bytes:
        """Send `data` on a new connection, end our side, and give everything that comes back."""
        with self.connect(source=source) as sock:
            sock.sendall(data)
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_WR)
            return read_all(sock)


class Upstream:
    """A storefront whose answers the test scripts: `handler(connection)` runs in a thread for each connection.

    It keeps every request head it read (`heads`) and body (`bodies`); a failing handler fails the test.
    """

    def __init__(self) -> None:
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.sock.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        self.connections = 0
        self.failures: list[BaseException] = []
        self.answer: Callable[[bytes, bytes], bytes] = lambda _head, _body: OK
        self.handler: Callable[[socket.socket], None] = self.serve
        self._closing = False
        self._open: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.sock.accept()
            except OSError:
                return
            if self._closing:
                connection.close()
                return
            self.connections += 1
            self._open.add(connection)
            thread = threading.Thread(target=self._handle, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _handle(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(10)
            try:
                self.handler(connection)
            except (OSError, EOFError):
                pass
            except BaseException as error:  # noqa: BLE001 - carried to the test's thread
                self.failures.append(error)
        self._open.discard(connection)

    def serve(self, connection: socket.socket) -> None:
        """Read requests and answer each by `answer(head, body)`, until the connection ends."""
        rest = b""
        while True:
            head, body, rest = read_request(connection, rest)
            self.heads.append(head)
            self.bodies.append(body)
            answer = self.answer(head, body)
            connection.sendall(answer)
            if b"connection: close" in answer.lower():
                return

    def close(self) -> None:
        self._closing = True
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        self.sock.close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def read_request(sock: socket.socket, rest: bytes) -> tuple[bytes, bytes, bytes]:
    """Read one request: head, body (as framed on the wire), and the bytes behind it. EOFError at the end."""
    while b"\r\n\r\n" not in rest:
        data = sock.recv(65536)
        if not data:
            raise EOFError
        rest += data
    head, _, rest = rest.partition(b"\r\n\r\n")
    lower = head.lower()
    if b"\r\ntransfer-encoding: chunked" in lower:
        while not (rest.startswith(b"0\r\n") or b"\r\n0\r\n" in rest) or not rest.endswith(b"\r\n\r\n"):
            data = sock.recv(65536)
            if not data:
                raise EOFError
            rest += data
        return head, rest, b""
    size = 0
    for line in lower.split(b"\r\n"):
        if line.startswith(b"content-length:"):
            size = int(line.partition(b":")[2])
    while len(rest) < size:
        data = sock.recv(65536)
        if not data:
            raise EOFError
        rest += data
    return head, rest[:size], rest[size:]


def read_all(sock: socket.socket) -> bytes:
    """Read until the other side ends; a reset ends it too."""
    out = b""
    while True:
        try:
            data = sock.recv(65536)
        except ConnectionResetError:
            return out + b"<reset>"
        if not data:
            return out
        out += data


def read_answer(sock: socket.socket) -> bytes:
    """Read one answer with a Content-Length (or none) from a connection that stays open."""
    out = b""
    while b"\r\n\r\n" not in out:
        data = sock.recv(65536)
        assert data, f"the connection ended after {out!r}"
        out += data
    head, _, body = out.partition(b"\r\n\r\n")
    size = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            size = int(line.partition(b":")[2])
    while len(body) < size:
        data = sock.recv(65536)
        assert data, f"the connection ended inside the body of {head!r}"
        body += data
    return head + b"\r\n\r\n" + body


def status_of(answer: bytes) -> int:
    """Give the status of an answer's first line."""
    assert answer.startswith(b"HTTP/1.1 "), answer[:80]
    return int(answer[9:12])


def wait_until(condition: Callable[[], bool], *, seconds: float = 5) -> None:
    """Wait until `condition` holds; fails the test when it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """A scripted storefront; the test fails when one of its handlers did."""
    server = Upstream()
    yield server
    server.close()
    if server.failures:
        raise server.failures[0]


@pytest.fixture
def start_relay(upstream: Upstream, tmp_path: Path) -> Iterator[Callable[..., Relay]]:
    """Start a worker in front of the scripted storefront, with settings of the test's own."""
    relays: list[Relay] = []

    def start(settings: str = "", *, upstream_url: str = "", **options: Any) -> Relay:
        relay = Relay(settings, upstream_url or upstream.url, tmp_path / "decisions.jsonl", **options)
        relays.append(relay)
        relay.start()
        return relay

    yield start
    for relay in relays:
        relay.stop()


@pytest.fixture
def relay(start_relay: Callable[..., Relay]) -> Relay:
    """A worker with default settings."""
    return start_relay()
