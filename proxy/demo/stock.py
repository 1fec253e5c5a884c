"""How many of each product are left, and who is told when that changes."""

from __future__ import annotations

import asyncio
import random
from contextlib import contextmanager
from typing import TYPE_CHECKING

from proxy.demo.catalogue import PRODUCTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_WATCHERS = 1000
_BACKLOG = 64  # changes a slow watcher may lag behind before it misses some
_LOW = 4  # the nursery brings more at this level, so the demo never sells out


class Stock:
    """Stock levels of one store; changes go to every watcher's queue as {"product", "stock"}."""

    def __init__(self, *, seed: int) -> None:
        self.levels = {product.slug: product.stock for product in PRODUCTS}
        # Simulated sales want repeatability, not secrecy.
        self._random = random.Random(seed)  # noqa: S311
        self._watchers: set[asyncio.Queue[dict[str, object]]] = set()

    def take(self, cart: Mapping[str, int]) -> list[str]:
        """Take a whole cart out of stock, or nothing: gives the slugs of which too few are left."""
        short = [slug for slug, quantity in cart.items() if self.levels[slug] < quantity]
        if not short:
            for slug, quantity in cart.items():
                self._change(slug, -quantity)
        return short

    @contextmanager
    def watch(self) -> Iterator[asyncio.Queue[dict[str, object]]]:
        """Give a queue of changes that drops the oldest when nobody reads; OverflowError when full."""
        if len(self._watchers) >= MAX_WATCHERS:
            raise OverflowError("too many watchers")
        queue: asyncio.Queue[dict[str, object]] = asyncio.Queue(_BACKLOG)
        self._watchers.add(queue)
        try:
            yield queue
        finally:
            self._watchers.discard(queue)

    async def simulate(self, *, pause: float = 2.0) -> None:
        """Let imaginary shoppers buy while somebody watches, and the nursery refill; runs until cancelled."""
        while True:
            await asyncio.sleep(pause)
            for product in PRODUCTS:
                if self.levels[product.slug] <= _LOW:
                    self._change(product.slug, product.stock - self.levels[product.slug])
            if self._watchers:
                for slug in self._random.sample(sorted(self.levels), 4):
                    if self.levels[slug] > _LOW + 1:
                        self._change(slug, -1)

    def _change(self, slug: str, amount: int) -> None:
        self.levels[slug] += amount
        for queue in self._watchers:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait({"product": slug, "stock": self.levels[slug]})
