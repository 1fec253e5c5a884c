"""Health for load balancers: answered here, on the path that shoppers use, to anybody."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import orjson
import pytest
from edge_harness import GET, Wire, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_harness import Relay, Reply, Upstream

    from proxy.edge.health import UpstreamMonitor


def ask(relay: Relay, page: str, *lines: bytes, method: bytes = b"GET") -> Reply:
    """Ask for a page below the health path."""
    head = b"\r\n".join((method + b" /.stockade/" + page.encode() + b" HTTP/1.1", b"Host: a", *lines))
    return relay.ask(head + b"\r\n\r\n", to_head=method == b"HEAD")


def monitor(relay: Relay) -> UpstreamMonitor:
    """Give the worker's monitor."""
    assert relay.worker.monitor is not None
    return relay.worker.monitor


def test_live(relay: Relay, upstream: Upstream) -> None:
    """A worker that runs is alive, whatever else is wrong; nothing of it is relayed or stored."""
    reply = ask(relay, "livez?x=y")
    assert (reply.status, reply.body, reply.values(b"Cache-Control")) == (200, b"alive\n", [b"no-store"])
    assert orjson.loads(ask(relay, "livez", b"Accept: application/json").body) == {"alive": True}
    assert ask(relay, "livez", method=b"HEAD").values(b"Content-Length") == [b"6"]
    assert upstream.connections == 0


def test_ready(relay: Relay) -> None:
    """Ready means: a snapshot is loaded, the upstream answers, not draining; the answer says what is missing."""
    relay.run(monitor(relay).probe())
    reply = ask(relay, "readyz")
    assert reply.status == 200
    assert reply.body.startswith(b"ready\n")
    relay.worker.snapshot_loaded = False
    reply = ask(relay, "readyz", b"Accept: application/json")
    assert reply.status == 503
    body = orjson.loads(reply.body)
    assert (body["ready"], body["snapshot"]["loaded"], body["upstream"]["answers"]) == (False, False, True)
    relay.worker.snapshot_loaded = True
    relay.worker.draining = True
    reply = ask(relay, "readyz")
    assert reply.status == 503
    assert b"draining: yes" in reply.body
    assert reply.values(b"Connection") == [b"close"]


def test_not_ready_before_the_upstream_was_asked(relay: Relay) -> None:
    """Until the upstream has answered once, nobody should be sent here."""
    assert ask(relay, "readyz").status == 503


@pytest.mark.parametrize(
    ("handler", "ready"),
    [
        pytest.param(lambda wire: wire.sock.sendall(b"HTTP/1.1 500 Oops\r\n\r\n"), True, id="error page"),
        pytest.param(lambda wire: wire.sock.sendall(b"hello, world"), False, id="no HTTP"),
        pytest.param(lambda wire: wire.until(b"\r\n\r\n"), False, id="hangs up"),
        pytest.param(lambda wire: wire.until(b"never"), False, id="says nothing"),
    ],
)
def test_what_counts_as_an_answer(
    start_relay: Callable[..., Relay], upstream: Upstream, handler: Callable[[Wire], None], *, ready: bool
) -> None:
    """Any HTTP answer of the upstream counts, and nothing else does."""
    relay = start_relay("[health]\nupstream_timeout = 0.2")
    upstream.handler = handler
    relay.run(monitor(relay).probe())
    assert ask(relay, "readyz").status == (200 if ready else 503)


def test_upstream_away(start_relay: Callable[..., Relay], upstream: Upstream) -> None:
    """An upstream that cannot be reached makes the worker unready, until it answers again."""
    relay = start_relay("[health]\nupstream_every = 0.1")
    upstream.sock.close()
    task = relay.call(lambda: asyncio.get_running_loop().create_task(monitor(relay).run()))
    wait_until(lambda: b"cannot be reached" in ask(relay, "readyz").body)
    relay.worker.pool.last_answer = relay.worker.clock + 1  # as the traffic's answers set it
    wait_until(lambda: ask(relay, "readyz").status == 200)
    relay.call(task.cancel)


@pytest.mark.parametrize("page", ["", "x", "livez/", "livezz", "../", "readyz%20"])
def test_nothing_else_below_the_path(relay: Relay, upstream: Upstream, page: str) -> None:
    """Everything below the health path is ours: 404, never the upstream's."""
    assert ask(relay, page).status == 404
    assert upstream.connections == 0


def test_other_methods(relay: Relay) -> None:
    """Health is read, not written."""
    reply = ask(relay, "livez", method=b"DELETE")
    assert (reply.status, reply.values(b"Allow")) == (405, [b"GET, HEAD"])
    with relay.connect() as sock:
        sock.sendall(b"POST /.stockade/livez HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
        wire = Wire(sock)
        assert wire.reply().status == 405
        assert wire.end() == b""


@pytest.mark.parametrize(
    ("settings", "lines"),
    [
        pytest.param("", [], id="peer"),
        pytest.param('trusted_proxies = ["127.0.0.0/8"]', [b"X-Forwarded-For: 203.0.113.7"], id="client"),
        pytest.param(
            'trusted_proxies = ["127.0.0.0/8"]\n[client_address]\nunreadable = "refuse"',
            [b"X-Forwarded-For: nonsense"],
            id="unreadable",
        ),
    ],
)
def test_never_refused(start_relay: Callable[..., Relay], settings: str, lines: list[bytes]) -> None:
    """A blocked address may ask for health: it is no shopper's page."""
    relay = start_relay(settings)
    relay.put("203.0.113.7")
    relay.put("127.0.0.0/8")
    assert ask(relay, "livez", *lines).status == 200


def test_path_is_settable(start_relay: Callable[..., Relay], upstream: Upstream) -> None:
    """The health path is the operator's choice; the usual one is then the shop's."""
    relay = start_relay('[health]\npath = "/up"')
    assert relay.ask(b"GET /up/livez HTTP/1.1\r\nHost: a\r\n\r\n").body == b"alive\n"
    assert ask(relay, "livez").body == b"ok"


def test_drain(relay: Relay, upstream: Upstream) -> None:
    """A worker that leaves ends idle connections, answers what is in flight, and says that it was the last answer."""

    def handler(wire: Wire) -> None:
        wire.request()
        wait_until(lambda: relay.worker.draining)
        wire.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    def drain() -> bool:
        relay.worker.draining = True
        for connection in list(relay.worker.connections):
            connection.drain()
        return not relay.worker.connections

    upstream.handler = handler
    with relay.connect() as idle, relay.connect() as busy, relay.connect() as late:
        busy.sendall(GET)
        wait_until(lambda: upstream.connections)
        wait_until(lambda: len(relay.worker.connections) == 3)
        relay.call(drain)
        late.sendall(GET)
        for sock in (busy, late):
            wire = Wire(sock)
            reply = wire.reply()
            assert (reply.body, reply.values(b"Connection")) == (b"ok", [b"close"])
            assert wire.end() == b""
        wait_until(lambda: relay.call(drain))
        assert idle.recv(1) == b""
