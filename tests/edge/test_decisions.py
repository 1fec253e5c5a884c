"""The decision on the traffic path: who is asked about, who is refused, and what is written down."""

from __future__ import annotations

import socket
import struct
import threading
import time
from typing import TYPE_CHECKING

import orjson
import pytest
from edge_harness import GET, Wire, wait_until

from proxy.identity.identifiers import parse_identifier
from proxy.observability.counters import Slot

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_harness import Relay, Upstream

TRUSTING = 'trusted_proxies = ["127.0.0.0/8", "10.0.0.0/8"]'


def ask(relay: Relay, *lines: bytes, source: str = "") -> int:
    """Give the status of a GET with these further lines."""
    head = b"\r\n".join((b"GET / HTTP/1.1", b"Host: a", *lines))
    return relay.ask(head + b"\r\n\r\n", source=source).status


def logged(relay: Relay) -> list[dict[str, object]]:
    """Give the lines of the decision log."""
    relay.call(relay.worker.decisions.flush)
    return [orjson.loads(line) for line in relay.log.read_bytes().splitlines()]


def test_blocked_peer_never_reaches_the_upstream(relay: Relay, upstream: Upstream) -> None:
    """A refused request is answered here; the next connection of somebody else is not."""
    relay.put("127.0.0.2", reason="abuse")
    reply = relay.ask(GET, source="127.0.0.2")
    assert reply.status == 403
    assert reply.values(b"Cache-Control") == [b"no-store"]
    assert relay.ask(GET, source="127.0.0.3").status == 200
    assert len(upstream.heads) == 1
    assert relay.counters[Slot.REFUSED] == 1


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(b"GET http://a/ HTTP/1.1\r\nHost: a", id="absolute target"),
        pytest.param(b"OPTIONS * HTTP/1.1\r\nHost: a", id="asterisk"),
        pytest.param(b"GET / HTTP/1.0", id="HTTP/1.0"),
        pytest.param(b"PROPFIND /%2e%2e/ HTTP/1.1\r\nHost: a", id="odd method and path"),
        pytest.param(b"GET /.stockade HTTP/1.1\r\nHost: a", id="beside the health path"),
        pytest.param(b"GET //.stockade/livez HTTP/1.1\r\nHost: a", id="not quite the health path"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket", id="upgrade"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 198.51.100.1", id="claimed address"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nForwarded: for=198.51.100.1", id="claimed in Forwarded"),
        pytest.param(
            b"GET / HTTP/1.1\r\nHost: a\r\nCF-Connecting-IP: 198.51.100.1", id="claimed in one value"
        ),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5", id="expecting"
        ),
    ],
)
def test_no_request_gets_past(relay: Relay, upstream: Upstream, request_: bytes) -> None:
    """No method, target, version, upgrade or header of an untrusted peer gets round the decision."""
    relay.put("127.0.0.0/8")
    assert relay.ask(request_ + b"\r\n\r\n").status == 403
    assert upstream.connections == 0


def test_peer_that_is_gone_before_it_is_accepted(
    start_relay: Callable[..., Relay], upstream: Upstream
) -> None:
    """A request whose sender reset the connection at once is not read: nobody knows whose it was.

    The kernel still gives its bytes, but no peer name; taken for a local peer's it would pass, and be believed.
    """
    relay = start_relay(TRUSTING)
    relay.put("127.0.0.2")
    assert relay.ask(GET).status == 200  # so that an upstream connection stands ready
    released = threading.Event()
    relay.loop.call_soon_threadsafe(released.wait, 5)
    with relay.connect(source="127.0.0.2") as sock:
        sock.sendall(
            b"POST / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 198.51.100.1\r\nContent-Length: 0\r\n\r\n"
        )
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    released.set()
    wait_until(lambda: relay.counters[Slot.CONNECTIONS] == 2)
    wait_until(lambda: not relay.worker.connections)
    assert relay.counters[Slot.REQUESTS] == 1
    assert len(upstream.heads) == 1


def test_pipelined_requests_are_each_decided(start_relay: Callable[..., Relay], upstream: Upstream) -> None:
    """One connection of a load balancer carries many shoppers; each request is decided alone."""
    relay = start_relay(TRUSTING)
    relay.put("203.0.113.7")
    addresses = [b"203.0.113.7", b"203.0.113.8"] * 20
    with relay.connect() as sock:
        wire = Wire(sock)
        sock.sendall(
            b"".join(b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: %b\r\n\r\n" % each for each in addresses)
        )
        assert [wire.reply().status for _ in addresses] == [403, 200] * 20
    assert len(upstream.heads) == 20


def test_body_that_looks_like_a_request(relay: Relay, upstream: Upstream) -> None:
    """Bytes of a body are never read as a request, whole or refused."""
    inner = b"GET /inner HTTP/1.1\r\nHost: a\r\n\r\n"
    post = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(inner) + inner
    with relay.connect() as sock:
        sock.sendall(post + GET)
        wire = Wire(sock)
        assert [wire.reply().status, wire.reply().status] == [200, 200]
    assert [head.split()[1] for head in upstream.heads] == [b"/", b"/"]
    relay.put("127.0.0.1")
    answers = relay.tell(post)
    assert answers.count(b"HTTP/1.1 ") == 1
    assert answers.startswith(b"HTTP/1.1 403 ")


@pytest.mark.parametrize(
    ("fields", "mode", "status"),
    [
        pytest.param({"list": "block"}, "enforce", 403, id="block"),
        pytest.param({"list": "allow"}, "enforce", 200, id="allow"),
        pytest.param({"list": "block", "mode": "monitor"}, "enforce", 200, id="monitored entry"),
        pytest.param({"list": "block"}, "monitor", 200, id="monitor everywhere"),
        pytest.param({"list": "block", "expires": 2.0}, "enforce", 200, id="expired"),
        pytest.param({"list": "block", "starts": 4e9}, "enforce", 200, id="not begun"),
        pytest.param({"list": "block", "scope": ("checkout",)}, "enforce", 200, id="another area"),
    ],
)
def test_entries_and_modes(
    start_relay: Callable[..., Relay], fields: dict[str, object], mode: str, status: int
) -> None:
    """List, mode, expiry and scope count as in `decide`; what would have been refused is recorded."""
    relay = start_relay(f'mode = "{mode}"')
    relay.put("127.0.0.2", **fields)  # type: ignore[arg-type]
    assert ask(relay, source="127.0.0.2") == status
    monitored = "monitor" in (mode, fields.get("mode"))
    assert relay.counters[Slot.MONITORED] == monitored
    assert [line["event"] for line in logged(relay)] == (
        ["refused"] if status == 403 else ["would refuse"] if monitored else []
    )


def test_changes_hold_from_the_next_request(relay: Relay) -> None:
    """On a connection that stands, an entry that comes, expires or goes counts from the next request on."""
    with relay.connect(source="127.0.0.2") as sock:
        wire = Wire(sock)

        def status() -> int:
            sock.sendall(GET)
            return wire.reply().status

        assert status() == 200
        relay.put("127.0.0.2")
        assert status() == 403
        relay.call(lambda: relay.worker.snapshot.replace(parse_identifier("127.0.0.2")[0], []))
        assert status() == 200
        ends = time.time() + 0.2
        relay.put("127.0.0.2", expires=ends)
        assert status() == 403
        time.sleep(max(0.0, ends - time.time()))
        assert status() == 200


def test_allow_beats_block(relay: Relay) -> None:
    """One allowed address of a blocked network passes."""
    relay.put("127.0.0.0/8")
    relay.put("127.0.0.2", list="allow")
    assert ask(relay, source="127.0.0.2") == 200
    assert ask(relay, source="127.0.0.3") == 403


@pytest.mark.parametrize(
    ("settings", "lines", "refused"),
    [
        pytest.param(TRUSTING, [b"X-Forwarded-For: 203.0.113.7"], True, id="one"),
        pytest.param(TRUSTING, [b"x-forwarded-for: 203.0.113.7:1234"], True, id="with port"),
        pytest.param(TRUSTING, [b"X-Forwarded-For: ::ffff:203.0.113.7"], True, id="mapped"),
        pytest.param(TRUSTING, [b"X-Forwarded-For: 203.0.113.7, 10.1.1.1"], True, id="behind a trusted hop"),
        pytest.param(
            TRUSTING, [b"X-Forwarded-For: 203.0.113.7", b"X-Forwarded-For: 10.1.1.1"], True, id="two lines"
        ),
        pytest.param(
            TRUSTING, [b"X-Forwarded-For: 198.51.100.1, 203.0.113.7"], True, id="invented one before"
        ),
        pytest.param(
            TRUSTING, [b"X-Forwarded-For: 203.0.113.7, 198.51.100.1"], False, id="only the right counts"
        ),
        pytest.param(TRUSTING, [b"X_Forwarded_For: 203.0.113.7"], False, id="underscores"),
        pytest.param(TRUSTING, [b"Forwarded: for=203.0.113.7"], False, id="a header not named"),
        pytest.param("", [b"X-Forwarded-For: 203.0.113.7"], False, id="untrusted"),
        pytest.param(
            TRUSTING + '\n[client_address]\nheader = "Forwarded"',
            [b"Forwarded: for=198.51.100.1", b'Forwarded: for="203.0.113.7:80";proto=https, for=10.0.0.1'],
            True,
            id="Forwarded",
        ),
        pytest.param(
            '[client_address.single_value]\nCF-Connecting-IP = ["127.0.0.0/8"]',
            [b"CF-Connecting-IP: 203.0.113.7", b"X-Forwarded-For: 198.51.100.1"],
            True,
            id="single value",
        ),
        pytest.param(
            TRUSTING + '\n[client_address.single_value]\nCF-Connecting-IP = ["192.0.2.0/24"]',
            [b"CF-Connecting-IP: 203.0.113.7"],
            False,
            id="single value from elsewhere",
        ),
    ],
)
def test_client_address(
    start_relay: Callable[..., Relay], settings: str, lines: list[bytes], *, refused: bool
) -> None:
    """The decision is about the client address: derived from what trusted peers say, and from nobody else."""
    relay = start_relay(settings)
    relay.put("203.0.113.7")
    assert ask(relay, *lines) == (403 if refused else 200)
    assert ask(relay, *lines) == (403 if refused else 200), "remembered as it was derived"


@pytest.mark.parametrize("value", [b"unknown", b"_hidden", b"1.2.3", b"203.0.113.7, nonsense", b'"', b"\xff"])
def test_unreadable_client_address(start_relay: Callable[..., Relay], value: bytes) -> None:
    """An entry that cannot be read is never guessed: the last trusted hop counts, or the request is refused."""
    line = b"X-Forwarded-For: " + value
    relay = start_relay(TRUSTING)
    relay.put("203.0.113.7")
    assert ask(relay, line) == 200
    relay.put("127.0.0.1")
    assert ask(relay, line) == 403
    strict = start_relay(TRUSTING + '\n[client_address]\nunreadable = "refuse"')
    assert ask(strict, line) == 400
    assert ask(strict, b"X-Forwarded-For: 203.0.113.7") == 200


def test_decision_log(relay: Relay, upstream: Upstream) -> None:
    """A refusal is logged under the reference of its page, with its entry, without the query."""
    entry = relay.put("127.0.0.2", reason="chargeback")
    reply = relay.ask(b"GET /cart?email=a@example.com HTTP/1.1\r\nHost: a\r\n\r\n", source="127.0.0.2")
    (line,) = logged(relay)
    assert line["reference"] == reply.values(b"Stockade-Reference")[0].decode()
    assert reply.values(b"Stockade-Reference")[0] in reply.body
    assert (line["client"], line["method"], line["path"]) == ("127.0.0.2", "GET", "/cart")
    assert (line["entry"], line["case"], line["reason"]) == (entry.id, "case-1", "chargeback")
    assert b"example.com" not in relay.log.read_bytes()
    assert b"127.0.0.2" not in reply.body, "the page does not name what hit"


@pytest.mark.parametrize(
    ("wanted", "language"),
    [
        pytest.param(b"fr-CA,fr;q=0.9,en;q=0.5", b"fr", id="region"),
        pytest.param(b"xx, ar;q=0.1", b"ar", id="unknown first"),
        pytest.param(b"", b"en", id="nothing"),
        pytest.param(b"nl;q=0, de", b"de", id="not this one"),
    ],
)
def test_block_page_language(relay: Relay, wanted: bytes, language: bytes) -> None:
    """The page comes in the shopper's language."""
    relay.put("127.0.0.1")
    reply = relay.ask(
        b"GET / HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\nAccept-Language: %b\r\n\r\n" % wanted
    )
    assert reply.values(b"Content-Language") == [language]


def test_block_page_forms(relay: Relay) -> None:
    """JSON for who asks for it; no body for HEAD, but its length; Retry-After when the block ends."""
    relay.put("127.0.0.1", expires=time.time() + 3600)
    problem = relay.ask(b"GET / HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n\r\n")
    assert problem.values(b"Content-Type")[0].startswith(b"application/problem+json")
    assert 3590 < int(problem.values(b"Retry-After")[0]) <= 3600
    head = relay.ask(b"HEAD / HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n\r\n", to_head=True)
    assert abs(int(head.values(b"Content-Length")[0]) - len(problem.body)) < 5
    assert relay.tell(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").endswith(b"\r\n\r\n")


def test_refusals_keep_the_connection(relay: Relay) -> None:
    """A refusal without an unread body ends no connection: a load balancer's carries others as well."""
    relay.put("127.0.0.1")
    with relay.connect() as sock:
        wire = Wire(sock)
        for _ in range(3):
            sock.sendall(GET)
            reply = wire.reply()
            assert (reply.status, reply.values(b"Connection")) == (403, [])
        sock.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
        assert wire.reply().values(b"Connection") == [b"close"]
        assert wire.end() == b""


def test_block_status_is_settable(start_relay: Callable[..., Relay]) -> None:
    """The status of the block page is the operator's choice."""
    relay = start_relay("[block_page]\nstatus = 451")
    relay.put("127.0.0.1")
    assert ask(relay) == 451


@pytest.mark.parametrize(
    ("request_", "status", "detail"),
    [
        pytest.param(
            b"GET /x?email=a@b.example HTTP/1.1\r\nHost: a\r\n",
            502,
            "cannot be connected",
            id="upstream away",
        ),
        pytest.param(b"TRACE / HTTP/1.1\r\nHost: a\r\n", 405, "method", id="method"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n", 400, "more than one Host", id="malformed"),
    ],
)
def test_error_pages_are_found_by_their_reference(
    start_relay: Callable[..., Relay], upstream: Upstream, request_: bytes, status: int, detail: str
) -> None:
    """The reference on an error page leads to a line that says why, as that of a refusal does."""
    relay = start_relay()
    upstream.close()
    reply = relay.ask(request_ + b"\r\n")
    assert reply.status == status
    (line,) = logged(relay)
    assert (line["event"], line["status"], line["client"]) == ("error", status, "127.0.0.1")
    assert line["reference"] == reply.values(b"Stockade-Reference")[0].decode()
    assert detail in str(line["detail"])
    assert "@" not in str(line["path"])
