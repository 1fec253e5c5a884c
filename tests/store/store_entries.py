"""Entries, identifiers and waiting, for the tests of the store and of what stands on it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from proxy.identity.identifiers import Identifier, parse_identifier
from proxy.policy.entry import Entry
from proxy.store.entries import Change, EntryStore

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = 1_800_000_000.0


def identifier(text: str) -> Identifier:
    """Return the identifier of an address or network."""
    return parse_identifier(text, exact=True)[0]


def entry(text: str, **members: Any) -> Entry:
    """Return a block entry for an address or network."""
    what = identifier(text)
    given = {
        "id": f"E-{text}",
        "list": "block",
        "case": "C1",
        "origin": "cli",
        "author": "ann",
        "created": NOW,
    }
    return Entry(**{**given, "kind": what.kind, "value": what.value, "reason": "abuse", **members})


async def put(store: EntryStore, *entries: Entry) -> int:
    """Make each of these the only entry of its identifier, in one change; return the list version."""
    records = await store.read([one.identifier for one in entries])
    changes = [Change(record, (one,)) for record, one in zip(records, entries, strict=True)]
    return (await store.apply(changes, b"{}")).version


async def take(store: EntryStore, *texts: str) -> int:
    """Remove all entries of these identifiers in one change; return the list version."""
    records = await store.read([identifier(text) for text in texts])
    return (await store.apply([Change(record, ()) for record in records], b"{}")).version


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until a condition holds; fail the test after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.005)
