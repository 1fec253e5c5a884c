"""A real worker on its own event loop in a thread, in front of a scripted upstream, both on real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, Any

import uvloop

from proxy.edge.build import build_pool, build_server_tls, build_site
from proxy.edge.health import UpstreamMonitor
from proxy.edge.listener import Acceptor, Listener
from proxy.edge.site import Inlet
from proxy.edge.worker import Worker
from proxy.identity.identifiers import parse_identifier
from proxy.observability.counters import CounterPage
from proxy.observability.decision_log import DecisionLog
from proxy.policy.entry import Entry
from proxy.settings.addresses import ListenerAddress, SocketAddress
from proxy.settings.load import parse_settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from proxy.settings import Settings

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
GET = b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n"


@dataclasses.dataclass(frozen=True)
class Reply:
    """One answer as read from the wire; `lines` are the header lines, `body` without chunked framing."""

    status: int
    first: bytes
    lines: list[bytes]
    body: bytes
    trailers: list[bytes] = dataclasses.field(default_factory=list)

    def values(self, name: bytes) -> list[bytes]:
        """Give the values of every line of this name."""
        pairs = (line.partition(b":") for line in self.lines)
        return [value.strip() for found, _, value in pairs if found.lower() == name.lower()]


class Wire:
    """Reads HTTP messages from a socket. EOFError when the other side ends, OSError when it breaks."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.rest = b""

    def _more(self) -> None:
        data = self.sock.recv(1 << 18)
        if not data:
            raise EOFError
        self.rest += data

    def until(self, mark: bytes) -> bytes:
        """Read up to `mark`, which is taken off."""
        while mark not in self.rest:
            self._more()
        found, _, self.rest = self.rest.partition(mark)
        return found

    def exactly(self, size: int) -> bytes:
        """Read so many bytes."""
        out = [self.rest]
        have = len(self.rest)
        while have < size:
            data = self.sock.recv(1 << 18)
            if not data:
                raise EOFError
            out.append(data)
            have += len(data)
        whole = b"".join(out)
        self.rest = whole[size:]
        return whole[:size]

    def chunked(self) -> tuple[bytes, list[bytes], bytes]:
        """Read a chunked body: its data, its trailer lines, and the bytes as they came."""
        data: list[bytes] = []
        raw: list[bytes] = []
        while True:
            size_line = self.until(b"\r\n")
            raw.append(size_line + b"\r\n")
            size = int(size_line, 16)
            if size == 0:
                break
            data.append(self.exactly(size))
            raw += [data[-1], b"\r\n"]
            assert self.exactly(2) == b"\r\n"
        trailers: list[bytes] = []
        while line := self.until(b"\r\n"):
            trailers.append(line)
            raw.append(line + b"\r\n")
        return b"".join(data), trailers, b"".join([*raw, b"\r\n"])

    def request(self) -> tuple[bytes, bytes]:
        """Read one request: its head without the empty line, its body as framed on the wire."""
        head = self.until(b"\r\n\r\n")
        lower = head.lower() + b"\r\n"
        if b"\r\ntransfer-encoding: chunked\r\n" in lower:
            return head, self.chunked()[2]
        return head, self.exactly(_length(lower) or 0)

    def reply(self, *, to_head: bool = False) -> Reply:
        """Read one final or interim answer; without a length it ends with the connection."""
        first, *lines = self.until(b"\r\n\r\n").split(b"\r\n")
        assert first.startswith(b"HTTP/1.1 "), first
        status = int(first[9:12])
        lower = b"\r\n" + b"\r\n".join(lines).lower() + b"\r\n"
        if to_head or status < 200 or status in (204, 304):
            return Reply(status, first, lines, b"")
        if b"\r\ntransfer-encoding: chunked\r\n" in lower:
            body, trailers, _ = self.chunked()
            return Reply(status, first, lines, body, trailers)
        length = _length(lower)
        if length is not None:
            return Reply(status, first, lines, self.exactly(length))
        return Reply(status, first, lines, self.end())

    def end(self) -> bytes:
        """Read until the other side ends properly."""
        rest, self.rest = self.rest, b""
        out = [rest]
        while data := self.sock.recv(1 << 18):
            out.append(data)
        return b"".join(out)


def _length(lower: bytes) -> int | None:
    for line in lower.split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return None


class Upstream:
    """A storefront whose answers the test scripts: `handler(wire)` runs in a thread for each connection.

    The handler it comes with reads requests, keeps their heads and bodies (as framed on the wire), and sends what
    `answer(head, body)` gives. A handler that fails an assertion fails the test.
    """

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        path: str = "",
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        if path:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.bind(path)
            self.sock.listen()
            self.url = f"unix:{path}"
        else:
            self.sock = socket.create_server((host, port))
            self.port: int = self.sock.getsockname()[1]
            self.url = f"{'https' if tls else 'http'}://{host}:{self.port}"
        self._tls = tls
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        self.connections = 0
        self.handshake_failures = 0
        self.failures: list[BaseException] = []
        self.answer: Callable[[bytes, bytes], bytes] = lambda _head, _body: OK
        self.handler: Callable[[Wire], None] = self.serve
        self._open: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.sock.accept()
            except OSError:
                return
            self.connections += 1
            self._open.add(connection)
            thread = threading.Thread(target=self._handle, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _handle(self, connection: socket.socket) -> None:
        try:
            connection.settimeout(10)
            if self._tls is not None:
                self._open.discard(connection)
                try:
                    connection = self._tls.wrap_socket(connection, server_side=True)
                except OSError:
                    self.handshake_failures += 1
                    return
                self._open.add(connection)
            self.handler(Wire(connection))
        except (OSError, EOFError):
            pass
        except BaseException as error:  # noqa: BLE001 - carried to the test's thread
            self.failures.append(error)
        finally:
            connection.close()
            self._open.discard(connection)

    def serve(self, wire: Wire) -> None:
        """Read requests and answer each, until the connection ends or an answer says so."""
        while True:
            head, body = wire.request()
            self.heads.append(head)
            self.bodies.append(body)
            answer = self.answer(head, body)
            wire.sock.sendall(answer)
            if b"connection: close" in answer.partition(b"\r\n\r\n")[0].lower():
                return

    def close(self) -> None:
        """End every connection; raises what a handler failed with."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)  # wakes accept
        self.sock.close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        if self.failures:
            raise self.failures[0]


class Relay:
    """A worker that listens on a loopback port (or a unix path); `settings` is the text of a settings file.

    Stopping it fails the test when a callback raised, or when a connection is still held that nobody has open.
    """

    def __init__(
        self,
        settings: str,
        upstreams: list[str],
        log: Path,
        *,
        path: str = "",
        proxy_protocol: bool = False,
        certificate: str = "",
        key: str = "",
    ) -> None:
        quoted = ", ".join(f'"{url}"' for url in upstreams)
        self.settings: Settings = parse_settings(f"upstream = [{quoted}]\n{settings}", {}, "test.toml")
        self.log = log
        self.page = CounterPage(1)
        self.counters = self.page.row(0)
        self.port = 0
        if path:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.bind(path)
            where = SocketAddress(path=path)
        else:
            self.sock = socket.create_server(("127.0.0.1", 0))
            self.port = self.sock.getsockname()[1]
            where = SocketAddress(host="127.0.0.1", port=self.port)
        self._address = ListenerAddress(
            address=where, proxy_protocol=proxy_protocol, certificate=certificate, key=key
        )
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.errors: list[str] = []
        self.worker: Worker
        self.loop: asyncio.AbstractEventLoop
        self.tls: ssl.SSLContext | None = None

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.loop.set_exception_handler(lambda _, context: self.errors.append(repr(context)))
        self._stop = asyncio.Event()
        site = build_site(self.settings)
        decisions = DecisionLog(self.log)
        pool = build_pool(self.settings, clock=lambda: worker.clock, counters=self.counters)
        worker = self.worker = Worker(site, pool, decisions, self.page, 0)
        worker.snapshot_loaded = True
        await pool.resolve()
        health = self.settings.health
        worker.monitor = UpstreamMonitor(
            pool, path=b"/", host=b"upstream", every=health.upstream_every, timeout=health.upstream_timeout
        )
        self.tls = build_server_tls(self._address) if self._address.tls else None
        self.acceptor = Acceptor(
            worker,
            Listener(
                sock=self.sock,
                inlet=Inlet(tls=self.tls is not None, port=self.port),
                tls=self.tls,
                proxy_protocol=self._address.proxy_protocol,
            ),
        )
        await self.acceptor.start()
        ticking = asyncio.create_task(worker.tick_forever())
        self._ready.set()
        await self._stop.wait()
        self.acceptor.close()
        for _ in range(200):
            if self._at_rest():
                break
            await asyncio.sleep(0.01)
        else:
            self.errors.append(f"left over: {worker.connections} {[t.busy for t in worker.pool.targets]}")
        ticking.cancel()
        await asyncio.gather(ticking, return_exceptions=True)
        for connection in list(worker.connections):
            connection.transport.abort()
        await worker.pool.close()
        await asyncio.sleep(0.01)
        decisions.close()

    def _at_rest(self) -> bool:
        worker = self.worker
        busy = any(target.busy for target in worker.pool.targets)
        return not (worker.connections or worker._by_client or worker.pool._connecting or busy)

    def call(self, function: Callable[[], Any]) -> Any:
        """Run `function` on the worker's loop, between requests, and give its result."""

        async def run() -> Any:
            return function()

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(5)

    def run(self, work: Any) -> Any:
        """Run a coroutine on the worker's loop and give its result."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(10)

    def put(self, identifier: str, *, expires: float | None = None, **fields: Any) -> Entry:
        """Make one entry the only one for an identifier; `list`, `mode` and so on as in Entry."""
        parsed = parse_identifier(identifier)[0]
        entry = Entry(
            id=f"entry-{identifier}",
            list=fields.pop("list", "block"),
            kind=parsed.kind,
            value=parsed.value,
            case="case-1",
            origin="cli",
            author="tester",
            created=1.0,
            expires=expires,
            **fields,
        )
        self.call(lambda: self.worker.snapshot.replace(parsed, [entry]))
        return entry

    def start(self) -> None:
        """Start the worker's thread."""
        self._thread.start()
        assert self._ready.wait(5), "the worker did not start"

    def stop(self) -> None:
        """Stop the worker; fails when something raised or was left over."""
        if not self._thread.is_alive():
            return
        self.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        self.sock.close()
        assert not self._thread.is_alive()
        assert self.errors == []

    def connect(self, *, source: str = "", receive_buffer: int = 0) -> socket.socket:
        """Open a connection; `source` binds another loopback address, which is then the peer."""
        if not self.port:
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(10)
            sock.connect(self._address.address.path)
            return sock
        sock = socket.socket()
        sock.settimeout(10)
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if source:
            sock.bind((source, 0))
        sock.connect(("127.0.0.1", self.port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def ask(self, data: bytes, *, source: str = "", to_head: bool = False) -> Reply:
        """Send one request on a new connection and read its (first) answer."""
        with self.connect(source=source) as sock:
            sock.sendall(data)
            return Wire(sock).reply(to_head=to_head)

    def tell(self, data: bytes, *, source: str = "") -> bytes:
        """Send `data` on a new connection, end our side, and give every byte that comes back."""
        with self.connect(source=source) as sock:
            sock.sendall(data)
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_WR)
            return Wire(sock).end()


def wait_until(condition: Callable[[], object], *, seconds: float = 5) -> None:
    """Wait until `condition` holds; fails the test when it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.005)


def resident_bytes() -> int:
    """Give the resident memory of this process (proc(5), statm)."""
    with open("/proc/self/statm") as file:  # noqa: PTH123 - not a path of ours
        return int(file.read().split()[1]) * 4096


def client_context(ca: str) -> ssl.SSLContext:
    """What a client verifies with. The test authority is of the old kind: Python 3.13's stricter rules are off."""
    context = ssl.create_default_context(cafile=ca)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
