from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import socket
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp import web

from proxy.demo.app import create_app
from proxy.demo.rendering import accepts_gzip, asset_url, matches_etag
from proxy.demo.serve import serve
from proxy.demo.state import Bounded
from proxy.demo.stock import Stock
from proxy.errors import StartError

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_taken_port_is_one_clear_line() -> None:
    """Who starts it on a busy port learns which, and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartError, match=f"127.0.0.1:{port}: the port is taken"):
            await serve("127.0.0.1", port)


async def test_an_address_that_is_not_ours_is_refused() -> None:
    """A name that does not exist ends in a StartError, not in a traceback."""
    with pytest.raises(StartError, match=r"cannot listen on 192\.0\.2\.1:0"):
        await serve("192.0.2.1", 0)


async def test_it_tells_its_url_and_stops_when_cancelled() -> None:
    """Port 0 takes a free one, told to `ready`; after cancelling, nothing listens there and streams have ended."""
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(serve("127.0.0.1", 0, ready=ready.set_result))
    url = await ready
    async with aiohttp.ClientSession(url) as session, session.ws_connect("/ws/stock") as ticker:
        async with session.get("/events") as events:
            await events.content.readline()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await events.content.read()  # ends: no stream keeps the store from stopping
        while (message := await ticker.receive()).type is aiohttp.WSMsgType.TEXT:
            pass
        assert message.type is aiohttp.WSMsgType.CLOSE
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get("/")


async def test_it_serves_on_a_unix_socket(tmp_path: Path) -> None:
    """A bound unix socket works as well as a port."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "demo"))
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(serve(sock=listener, ready=ready.set_result))
    assert await ready == f"unix:{tmp_path / 'demo'}"
    connector = aiohttp.UnixConnector(str(tmp_path / "demo"))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.get("http://demo/debug/request") as answer,
    ):
        assert (await answer.json())["peer"] == ""
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize(
    "target",
    [
        pytest.param(b"/search?q=%FF%ED%A0%80", id="no-utf8"),
        pytest.param(b"/products/%00%FF", id="odd-path"),
        pytest.param(b"/shop/..%2f..%2fetc", id="dots"),
        pytest.param(b"//shop", id="two-slashes"),
        pytest.param(b"/static/%2e%2e/app.py", id="out-of-static"),
        pytest.param(b"/trailers", id="head-of-raw-answer"),
        pytest.param(b"/chunked/10", id="head-of-chunked-answer"),
        pytest.param(b"/events", id="head-of-endless-answer"),
    ],
)
@pytest.mark.parametrize("version", [b"1.0", b"1.1"], ids=["http10", "http11"])
async def test_odd_requests_get_an_answer(store: str, target: bytes, version: bytes) -> None:
    """Whatever the target, the store answers below 500, without a body to HEAD, and closes when asked to."""
    host, _, port = store.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = b"HEAD %b HTTP/%b\r\nHost: shop\r\nAccept: text/html\r\nConnection: close\r\n\r\n"
    writer.write(head % (target, version))
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert answer[9:10] in (b"2", b"4"), answer[:200]
    assert answer.endswith(b"\r\n\r\n")


async def test_debug_request_shows_what_arrived(store: str) -> None:
    """Header lines in order, case, number and bytes; the target as sent; the body's digest."""
    host, _, port = store.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        b"PATCH /debug/request?a=%2F&&b HTTP/1.1\r\nhOsT: shop.example\r\nX-Forwarded-For: 203.0.113.7\r\n"
        b"X-Odd: \xe9\r\nX-Forwarded-For: 10.0.0.1, 10.0.0.2\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc"
    )
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    seen = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert seen["request_line"] == "PATCH /debug/request?a=%2F&&b HTTP/1.1"
    assert seen["headers"][:4] == [
        ["hOsT", "shop.example"],
        ["X-Forwarded-For", "203.0.113.7"],
        ["X-Odd", "\xe9"],
        ["X-Forwarded-For", "10.0.0.1, 10.0.0.2"],
    ]
    assert seen["peer"] == "127.0.0.1"
    assert seen["forwarded_for"] == ["203.0.113.7", "10.0.0.1", "10.0.0.2"]
    assert seen["client_address"] == "203.0.113.7"
    assert seen["body"] == {"bytes": 3, "sha256": hashlib.sha256(b"abc").hexdigest()}


@pytest.mark.parametrize("code", [200, 204, 205, 299, 304, 404, 418, 429, 503, 599])
async def test_status(http: aiohttp.ClientSession, code: int) -> None:
    """The status asked for, also one without a name or a body."""
    async with http.get(f"/status/{code}") as answer:
        assert answer.status == code
        assert bool(await answer.read()) == (code not in (204, 205, 304))


async def test_statuses_and_redirects_are_bounded(http: aiohttp.ClientSession) -> None:
    """No interim status, no endless chain, no way off the store."""
    for path in ("/status/100", "/status/600", "/status/abc", "/redirect/0", "/redirect/21", "/redirect/x"):
        async with http.get(path) as answer:
            assert answer.status == 400
    async with http.get("/redirect/3?status=307") as answer:
        assert [step.status for step in answer.history] == [307, 307, 307]
        assert answer.url.path == "/"


async def test_pages_are_zipped_tagged_and_revalidated(http: aiohttp.ClientSession) -> None:
    """Each coding has its own ETag; an unchanged page is a 304; HEAD says what GET would."""
    async with http.get("/", headers={"Accept-Encoding": "identity"}) as answer:
        plain, plain_tag = await answer.read(), answer.headers["ETag"]
        assert "Content-Encoding" not in answer.headers
    async with http.get("/", headers={"Accept-Encoding": "br, gzip"}) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(await answer.read()) == plain
        tag, length = answer.headers["ETag"], answer.headers["Content-Length"]
        assert tag != plain_tag
        assert "Set-Cookie" not in answer.headers, "a page without a form needs no cookie"
    async with http.head("/", headers={"Accept-Encoding": "gzip"}) as answer:
        assert (answer.headers["ETag"], answer.headers["Content-Length"]) == (tag, length)
    headers = {"Accept-Encoding": "gzip", "If-None-Match": f'"x", W/{tag}'}
    async with http.get("/", headers=headers) as answer:
        assert (answer.status, await answer.read()) == (304, b"")
        assert answer.headers["ETag"] == tag


async def test_assets_may_be_kept(http: aiohttp.ClientSession) -> None:
    """By version for good; without, revalidated."""
    async with http.get(asset_url("/static/shop.css")) as answer:
        assert "immutable" in answer.headers["Cache-Control"]
        assert answer.content_type == "text/css"
    async with http.get("/static/shop.css") as answer:
        assert "no-cache" in answer.headers["Cache-Control"]


async def test_answers_carry_safe_headers(http: aiohttp.ClientSession) -> None:
    """A strict policy on pages; no version of the software anywhere."""
    async with http.get("/cart") as answer:
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Server"] == "potting-lane"


async def test_a_fault_of_ours_is_a_page_and_a_log_line(caplog: pytest.LogCaptureFixture) -> None:
    """A handler that fails is logged once, with its traceback, and answered in the shop's words."""

    async def fail(request: web.Request) -> web.Response:
        raise RuntimeError("on purpose")

    app = create_app()
    app.router.add_get("/fail", fail)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.SockSite(runner, socket.create_server(("127.0.0.1", 0)))
    await site.start()
    async with aiohttp.ClientSession() as session:
        for accept, words in (("text/html", "<h1>Something fell"), ("*/*", "Something fell off the shelf. ")):
            async with session.get(f"{site.name}/fail", headers={"Accept": accept}) as answer:
                assert answer.status == 500
                assert words in await answer.text()
    await runner.cleanup()
    assert [record.message for record in caplog.records] == ["the demo store failed on GET /fail"] * 2


async def test_too_many_watchers_are_asked_to_wait(
    http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number of open tickers is bounded; one too many gets 503, and a place when another leaves."""
    monkeypatch.setattr("proxy.demo.stock.MAX_WATCHERS", 1)
    async with http.ws_connect("/ws/stock") as first:
        await first.receive_json()
        async with http.get("/events") as answer:
            assert answer.status == 503
        with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
            await http.ws_connect("/ws/stock")
    async with http.get("/events?count=1") as answer:
        assert answer.status == 200


async def test_a_slow_watcher_misses_the_oldest() -> None:
    """A queue nobody reads stays as long as it is."""
    stock = Stock(seed=1)
    with stock.watch() as changes:
        for _ in range(10):
            stock.take(dict.fromkeys(stock.levels, 1))
        assert changes.qsize() == 64
        last = [changes.get_nowait() for _ in range(64)][-1]
    assert last["stock"] == stock.levels[str(last["product"])]


@pytest.mark.parametrize("path", ["/robots.txt", "/favicon.ico"])
async def test_what_browsers_and_robots_ask_for(http: aiohttp.ClientSession, path: str) -> None:
    """Neither is a 404 in anybody's log."""
    async with http.get(path) as answer:
        assert answer.status == 200


async def test_echo(http: aiohttp.ClientSession) -> None:
    """Text and bytes come back as they went, in order."""
    async with http.ws_connect("/ws/echo") as socket_:
        for number in range(200):
            await socket_.send_str(f"é{number}")
        await socket_.send_bytes(b"\x00\xff" * 50_000)
        for number in range(200):
            assert await socket_.receive_str() == f"é{number}"
        assert await socket_.receive_bytes() == b"\x00\xff" * 50_000


async def test_the_ticker_tells_of_an_order(http: aiohttp.ClientSession, details: dict[str, str]) -> None:
    """Who watches a product hears its level at once, and again when somebody buys it; SSE carries the same."""
    async with http.ws_connect("/ws/stock?product=pilea") as ticker:
        first = await ticker.receive_json()
        assert first["product"] == "pilea"
        async with http.post("/api/carts") as answer:
            key = (await answer.json())["id"]
        await (await http.post(f"/api/carts/{key}/items", json={"product": "pilea", "quantity": 7})).read()
        await (await http.post(f"/api/carts/{key}/checkout", json=details)).read()
        while (change := await ticker.receive_json())["stock"] > first["stock"] - 7:
            pass
        assert change["product"] == "pilea"
    async with http.get("/events?count=12") as answer:
        assert answer.content_type == "text/event-stream"
        assert (await answer.text()).count("event: stock") == 12


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", False),
        ("gzip", True),
        ("GZIP;q=0.5", True),
        ("br, gzip;q=0", False),
        ("gzip;q=0.000", False),
        ("*", True),
        ("identity", False),
    ],
)
def test_accept_encoding(header: str, *, expected: bool) -> None:
    """RFC 9110, 12.5.3: q=0 refuses a coding, * means any."""
    assert accepts_gzip(header) is expected


def test_if_none_match() -> None:
    """RFC 9110, 13.1.2: weak comparison, lists, *."""
    assert matches_etag('W/"a", "b"', '"a"')
    assert matches_etag("*", '"a"')
    assert not matches_etag('"b"', '"a"')


def test_memory_is_bounded() -> None:
    """What was written longest ago goes first."""
    bounded: Bounded[int, int] = Bounded(2)
    for number in (1, 2, 1, 3):
        bounded[number] = number
    assert list(bounded) == [1, 3]


async def test_simulated_sales_repeat_and_refill() -> None:
    """The same seed gives the same sales; a low shelf is filled up; nobody watching, nothing sold."""
    levels = []
    for _ in range(2):
        stock = Stock(seed=7)
        with stock.watch() as changes:
            running = asyncio.create_task(stock.simulate(pause=0))
            levels.append([await changes.get() for _ in range(40)])
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
    assert levels[0] == levels[1]
    stock = Stock(seed=7)
    before = dict(stock.levels)
    assert stock.take({"pilea": before["pilea"] - 2}) == []
    running = asyncio.create_task(stock.simulate(pause=0))
    await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert stock.levels == before
