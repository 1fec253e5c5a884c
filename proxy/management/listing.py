"""Show the entries of the lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy.management.covering import covering_identifiers, packed_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from proxy.identity.identifiers import Identifier
    from proxy.management.doubts import Doubts
    from proxy.policy.entry import Entry, ListName
    from proxy.store.entries import EntryStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which entries to show; None and "" mean any."""

    list: ListName | None = None
    kind: str = ""
    reason: str = ""
    contains: Identifier | None = None  # entries that cover all of this address or network
    ended: bool = False  # those that have ended, instead of those that stand

    def admits(self, entry: Entry, now: float) -> bool:
        """Tell whether an entry is to be shown at this time."""
        ended = entry.expires is not None and entry.expires <= now
        return (
            ended == self.ended
            and self.list in {None, entry.list}
            and self.kind in {"", entry.kind}
            and self.reason in {"", entry.reason}
        )


async def find_entries(store: EntryStore, wanted: Filter, now: float, doubts: Doubts) -> AsyncIterator[Entry]:
    """Yield the entries a filter admits, in no order (most specific first with `contains`), each once.

    The list is read in slices and never held whole. `doubts` takes note of what cannot be shown. Raises
    StoreError.
    """
    doubts.lost = (await store.read_head()).lost
    if wanted.contains is not None:
        packed, prefix = packed_of(wanted.contains)
        for record in await store.read(covering_identifiers(packed, prefix)):
            doubts.unreadable += record.unreadable
            for entry in record.entries:
                if wanted.admits(entry, now):
                    yield entry
        return
    seen: set[str] = set()  # HSCAN may return a field twice while the hash grows
    doubtful: set[Identifier] = set()  # likewise
    needle = f'"{wanted.list or wanted.reason}"'.encode() if wanted.list or wanted.reason else b""
    async for record in store.scan(containing=needle):
        if record.unreadable and record.identifier not in doubtful:
            doubtful.add(record.identifier)
            doubts.unreadable += record.unreadable
        for entry in record.entries:
            if wanted.admits(entry, now) and entry.id not in seen:
                seen.add(entry.id)
                yield entry
