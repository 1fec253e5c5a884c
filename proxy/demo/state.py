"""Everything a running demo store remembers: bounded, in memory, gone at exit."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from aiohttp import web

from proxy.demo.orders import Details, Order, derive_delivery, derive_lines
from proxy.demo.stock import Stock

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_SESSIONS = 20_000
MAX_CARTS = 20_000
MAX_ACCOUNTS = 2_000
MAX_ORDERS = 10_000

K = TypeVar("K")
V = TypeVar("V")


class Bounded(OrderedDict[K, V], Generic[K, V]):
    """A dict that forgets what was written longest ago once it holds `most` items."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def __setitem__(self, key: K, value: V) -> None:
        super().__setitem__(key, value)
        self.move_to_end(key)
        if len(self) > self._most:
            self.popitem(last=False)


@dataclass(slots=True, kw_only=True)
class Session:
    """One browser: cart (slug to quantity), who is signed in, a message for the next page, orders placed."""

    key: str
    cart: dict[str, int] = field(default_factory=dict)
    email: str = ""
    notice: str = ""
    orders: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A registered shopper; the password is kept as scrypt hash."""

    email: str
    name: str
    salt: bytes
    hashed: bytes


class State:
    """The store's memory. One instance an application."""

    def __init__(self, *, seed: int) -> None:
        self.stock = Stock(seed=seed)
        self.sessions: Bounded[str, Session] = Bounded(MAX_SESSIONS)
        self.carts: Bounded[str, dict[str, int]] = Bounded(MAX_CARTS)
        self.accounts: Bounded[str, Account] = Bounded(MAX_ACCOUNTS)
        self.orders: Bounded[str, Order] = Bounded(MAX_ORDERS)
        self._secret = secrets.token_bytes(32)
        self._placed = 0

    def derive_csrf(self, session: Session) -> str:
        """Give the token that forms of this session must send back."""
        return hmac.new(self._secret, session.key.encode(), hashlib.sha256).hexdigest()

    def place_order(
        self, cart: Mapping[str, int], details: Details, *, account: str = ""
    ) -> Order | list[str]:
        """Take the goods out of stock and keep the order, or give the slugs of which too few are left."""
        short = self.stock.take(cart)
        if short:
            return short
        self._placed += 1
        lines = derive_lines(cart)
        goods = sum(line.total for line in lines)
        order = Order(
            number=f"PL-{100_000 + self._placed}",
            details=details,
            lines=lines,
            goods=goods,
            delivery=derive_delivery(goods, details.shipping),
            placed=time.time(),
            account=account,
        )
        self.orders[order.number] = order
        return order

    def find_order(self, number: str, email: str) -> Order | None:
        """Find an order by its number and the e-mail it was placed with; both must fit."""
        order = self.orders.get(number.strip().upper())
        if order is None or order.details.email.casefold() != email.strip().casefold():
            return None
        return order

    def find_orders(self, session: Session) -> list[Order]:
        """Find the orders of this browser and of the account it is signed in to, newest first.

        Not those that merely name the account's e-mail: nobody has proved that the address is theirs.
        """
        return [
            order
            for order in reversed(self.orders.values())
            if order.number in session.orders or (order.account and order.account == session.email)
        ]


STATE = web.AppKey("state", State)


async def hash_password(password: str, salt: bytes) -> bytes:
    """Hash a password with scrypt (RFC 7914: 16 MiB and about 50 ms), off the event loop."""
    return await asyncio.to_thread(hashlib.scrypt, password.encode(), salt=salt, n=2**14, r=8, p=1, dklen=32)
