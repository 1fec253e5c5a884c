"""Entries as a worker holds them: under a hundred bytes each, and what many of them share once.

A million entries as objects would take a gigabyte. Here an entry is one `bytes` object (MessagePack) with
what is its own: id, case, note and times. The rest (author, reason, scope, …), of which a list holds few
different combinations, is kept once in a pool and named by its number. Kind and value stand in the index key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from proxy.policy.entry import Entry, ListName, Mode, Origin

if TYPE_CHECKING:
    from proxy.identity.identifiers import Identifier


class _Shared(msgspec.Struct, frozen=True):
    list: ListName
    mode: Mode
    scope: tuple[str, ...]
    reason: str
    origin: Origin
    author: str
    approver: str
    tags: tuple[str, ...]
    shop: str


class _Record(msgspec.Struct, frozen=True, array_like=True, gc=False):
    shared: int
    id: str
    case: str
    note: str
    created: float
    starts: float | None
    expires: float | None
    review: float | None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Record).decode


class RecordPool:
    """Turns entries into records and back. Each record made by `encode` must be given up with `release`."""

    __slots__ = ("_free", "_numbers", "_shared", "_uses")

    def __init__(self) -> None:
        self._numbers: dict[_Shared, int] = {}
        self._shared: list[_Shared] = []
        self._uses: list[int] = []
        self._free: list[int] = []

    def __len__(self) -> int:
        return len(self._numbers)

    def encode(self, entry: Entry) -> bytes:
        """Return the record of an entry; equal entries give equal records while one of them is in use."""
        shared = _Shared(
            entry.list,
            entry.mode,
            entry.scope,
            entry.reason,
            entry.origin,
            entry.author,
            entry.approver,
            entry.tags,
            entry.shop,
        )
        number = self._numbers.get(shared)
        if number is None:
            number = self._admit(shared)
        self._uses[number] += 1
        return _encode(
            _Record(
                number,
                entry.id,
                entry.case,
                entry.note,
                entry.created,
                entry.starts,
                entry.expires,
                entry.review,
            )
        )

    def _admit(self, shared: _Shared) -> int:
        if self._free:
            number = self._free.pop()
            self._shared[number] = shared
        else:
            number = len(self._shared)
            self._shared.append(shared)
            self._uses.append(0)
        self._numbers[shared] = number
        return number

    def decode(self, record: bytes, identifier: Identifier) -> Entry:
        """Return the entry that a record in use stands for."""
        own = _decode(record)
        shared = self._shared[own.shared]
        return Entry(
            id=own.id,
            list=shared.list,
            kind=identifier.kind,
            value=identifier.value,
            mode=shared.mode,
            scope=shared.scope,
            reason=shared.reason,
            note=own.note,
            case=own.case,
            origin=shared.origin,
            author=shared.author,
            approver=shared.approver,
            created=own.created,
            starts=own.starts,
            expires=own.expires,
            review=own.review,
            tags=shared.tags,
            shop=shared.shop,
        )

    def release(self, record: bytes) -> ListName:
        """Give up a record; the shared part goes with its last user. Returns the list the entry was on."""
        number = _decode(record).shared
        shared = self._shared[number]
        self._uses[number] -= 1
        if not self._uses[number]:
            del self._numbers[shared]
            self._free.append(number)
        return shared.list
