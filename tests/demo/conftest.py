from __future__ import annotations

import asyncio
import re
import socket
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from proxy.demo.serve import serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

DETAILS = {
    "email": "sam@example.com",
    "phone": "+31 6 1234 5678",
    "name": "Sam Green",
    "street": "Wilgenlaan 7",
    "postcode": "3512 AB",
    "city": "Utrecht",
    "country": "NL",
    "shipping": "standard",
    "payment": "on-delivery",
}


class Browser:
    """A shopper's browser: keeps cookies, follows redirects, sends the token of the page it looks at."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._page = ""

    async def open(self, path: str, **options: Any) -> tuple[int, str]:
        """Look at a page."""
        async with self._session.get(path, headers={"Accept": "text/html"}, **options) as answer:
            self._page = await answer.text()
            return answer.status, self._page

    async def send(self, path: str, *, token: str | None = None, **fields: str) -> tuple[int, str]:
        """Send a form, urlencoded, with the token of the page last opened."""
        if token is None:
            found = re.search(r'name="csrf" value="([0-9a-f]+)"', self._page)
            token = found.group(1) if found else ""
        form = fields | {"csrf": token}
        async with self._session.post(path, data=form, headers={"Accept": "text/html"}) as answer:
            self._page = await answer.text()
            return answer.status, self._page

    async def fill_cart(self, slug: str = "pilea", quantity: int = 1) -> None:
        """Put something in the cart, as a shopper does."""
        await self.open(f"/products/{slug}")
        status, page = await self.send("/cart/add", product=slug, quantity=str(quantity))
        assert status == 200, page


@pytest.fixture
async def store() -> AsyncIterator[str]:
    """A running demo store on a real socket; its URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(serve(sock=listener, ready=ready.set_result))
    done, _ = await asyncio.wait((running, ready), return_when=asyncio.FIRST_COMPLETED)
    if running in done:
        running.result()
    yield await ready
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
async def http(store: str) -> AsyncIterator[aiohttp.ClientSession]:
    """A client without opinions: no cookies kept for IP hosts, nothing decompressed."""
    async with aiohttp.ClientSession(store, auto_decompress=False) as session:
        yield session


@pytest.fixture
async def browser(store: str) -> AsyncIterator[Browser]:
    """A browser with an empty cookie jar."""
    async with aiohttp.ClientSession(store, cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        yield Browser(session)


@pytest.fixture
def details() -> dict[str, str]:
    """A checkout without mistakes."""
    return dict(DETAILS)
