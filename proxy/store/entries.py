"""Reading and changing the entries of one store.

A change is one script call (`scripts/apply.lua`): it compares each record with what its writer read, writes
all of them or none, and appends to the audit and change streams in the same step.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Self

import msgspec

from proxy.errors import ConflictError, StoreError
from proxy.store.codec import parse_entries, render_entries
from proxy.store.connection import explain_error, open_client, store_errors
from proxy.store.keys import Keys, field_of, identifier_of
from proxy.store.scripts import read_script

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
    from types import TracebackType

    from redis.asyncio import Redis
    from redis.asyncio.client import Pipeline

    from proxy.identity.identifiers import Identifier
    from proxy.policy.entry import Entry

# 250 records of ~300 bytes take the script about 1 ms (measured, Valkey 9): other clients do not feel it.
SLICE = 250
SLICES_AT_ONCE = 8  # pipelined; the server answers other clients between any two of them
SCAN_COUNT = 250
# How much of the past the change stream keeps. A worker that was away for longer reloads (seconds); without
# a bound, the history of one import of a million entries would stay in memory for good.
CHANGES_KEPT = 2000
CHANGES_KEPT_MS = 10 * 60 * 1000

# Workers say each second which list they hold; nobody says it any longer when they have ended.
HELD_SECONDS = 10

_APPLY = read_script("apply")


@dataclass(frozen=True, slots=True)
class Record:
    """What the store holds for one identifier: `raw` is the text as read (None: nothing)."""

    identifier: Identifier
    raw: bytes | None
    entries: tuple[Entry, ...]
    unreadable: int = 0


@dataclass(frozen=True, slots=True)
class Change:
    """Make `entries` what stands for the identifier of `record`, if it still is as it was read."""

    record: Record
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Applied:
    """The list version after a change, and how many records it really changed."""

    version: int
    changed: int


class Held(msgspec.Struct, frozen=True):
    """The list that workers go on deciding by though the store has lost it."""

    epoch: str
    version: int
    entries: int


@dataclass(frozen=True, slots=True)
class Head:
    """Where a store stands: its list version, its epoch and the change stream's last id (and its version).

    `held` and `accepted` are about a list that was lost: what workers hold of it, and the epoch of the list
    that somebody began in its place on purpose.
    """

    version: int = 0
    epoch: str = ""
    last_id: str = "0-0"
    last_version: int = field(default=0, compare=False)
    held: Held | None = field(default=None, compare=False)
    accepted: str = field(default="", compare=False)

    @property
    def empty(self) -> bool:
        """No change was ever made to this store (or all of it is gone)."""
        return not self.version and not self.epoch

    @property
    def begun_on_purpose(self) -> bool:
        """Somebody accepted the loss of the list before this one."""
        return bool(self.epoch) and self.accepted == self.epoch

    @property
    def lost(self) -> Held | None:
        """The list that workers decide by and this store has lost; None while all is well."""
        if self.held is None or self.begun_on_purpose or self.held.epoch == self.epoch:
            return None
        return self.held


class RecordConflictError(ConflictError):
    """The store holds something else for `record.identifier` than the caller had read: `record` is that."""

    def __init__(self, record: Record) -> None:
        self.record = record
        super().__init__(f"somebody else changed the entries of {record.identifier.value} at the same moment")


class EntryStore:
    """The entries of the store called `name` on the server at `url`.

    Use it as an async context manager, or close it with `close`. Every method raises StoreError when the
    server cannot be reached, refuses, or holds something else under our names.
    """

    def __init__(self, url: str, name: str = "stockade", *, client: Redis | None = None) -> None:
        self.url = url
        self.keys = Keys.of(name)
        self._client = client if client is not None else open_client(url)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections; the store must not be used afterwards."""
        await self._client.aclose()

    async def read_head(self) -> Head:
        """Return where the store stands, read in one step."""
        with store_errors(self.url):
            pipe = self._client.pipeline(transaction=True)
            pipe.mget(self.keys.version, self.keys.epoch, self.keys.held, self.keys.accepted)
            pipe.xrevrange(self.keys.changes, count=1)
            (version, epoch, held, accepted), last = await _run(pipe)
        try:
            item_id, item = last[0] if last else (b"0-0", {b"v": b"0"})
            head = Head(
                version=int(version or 0),
                epoch=(epoch or b"").decode(),
                last_id=item_id.decode(),
                last_version=int(item[b"v"]),
                held=msgspec.json.decode(held, type=Held) if held else None,
                accepted=(accepted or b"").decode(),
            )
        except (ValueError, KeyError, msgspec.MsgspecError) as error:
            raise StoreError(
                f"{self.keys.version} and {self.keys.changes} hold something that is not ours ({error}): "
                "set another `store_name`"
            ) from None
        return head

    async def hold(self, held: Held) -> None:
        """Tell everybody who asks this store, for `HELD_SECONDS`, which list workers decide by instead.

        As well as can be done: a worker may have been given no right to write.
        """
        with suppress(StoreError), store_errors(self.url):
            await self._client.set(self.keys.held, msgspec.json.encode(held), ex=HELD_SECONDS)

    async def accept_loss(self) -> None:
        """Have workers follow the list that is here, or begins here, though they hold a longer one."""
        with store_errors(self.url):
            await self._client.set(self.keys.epoch, secrets.token_hex(8), nx=True)
            epoch: Any = await self._client.get(self.keys.epoch)
            await self._client.set(self.keys.accepted, epoch)

    async def count(self) -> int:
        """Return how many identifiers have entries."""
        with store_errors(self.url):
            return int(await self._client.hlen(self.keys.entries))

    async def read(self, identifiers: Iterable[Identifier]) -> list[Record]:
        """Return one record for each identifier, in the same order; one that has no entries has raw None."""
        wanted = list(identifiers)
        records: list[Record] = []
        with store_errors(self.url):
            for window in _chunks(wanted, SLICE * SLICES_AT_ONCE):
                pipe = self._client.pipeline(transaction=False)
                for part in _chunks(window, SLICE):
                    pipe.hmget(self.keys.entries, [field_of(identifier) for identifier in part])
                raws = [raw for answer in await _run(pipe) for raw in answer]
                records.extend(_record(*pair) for pair in zip(window, raws, strict=True))
        return records

    async def scan(self, *, containing: bytes = b"") -> AsyncIterator[Record]:
        """Yield every record, read in slices; records that change meanwhile may come in either form.

        `containing` skips records whose stored text has no such bytes, without decoding them. A record can
        come twice (that is how HSCAN works); nothing is missed that was there all the time.
        """
        async for answer in self.scan_raw():
            for key, raw in answer.items():
                if containing in raw:
                    yield _record(identifier_of(key), raw)

    async def scan_raw(self) -> AsyncIterator[dict[bytes, bytes]]:
        """Yield the stored fields and texts in slices of about `SCAN_COUNT`."""
        cursor = 0
        while True:
            with store_errors(self.url):
                found: Any = await self._client.hscan(self.keys.entries, cursor, count=SCAN_COUNT)
            cursor, answer = found
            yield answer
            if not cursor:
                return

    async def apply(self, changes: Sequence[Change], audit: bytes) -> Applied:
        """Make all of these changes, at most `SLICE` of them and one for each identifier, or none.

        `audit` is the JSON object to record with them. Raises RecordConflictError, with nothing written,
        when a record is no longer what its change was made from.
        """
        if len(changes) > SLICE:
            raise ValueError(f"{len(changes)} changes in one call; slices hold at most {SLICE}")
        [outcome] = await self.apply_slices([(changes, audit)])
        if isinstance(outcome, Applied):
            return outcome
        raise outcome

    async def apply_slices(
        self, slices: Sequence[tuple[Sequence[Change], bytes]]
    ) -> list[Applied | ConflictError | StoreError]:
        """Apply several slices in one round trip; each stands or fails alone, outcomes in the same order.

        Raises StoreError when the connection fails: then it is unknown which slices stand, and applying
        the same changes again is safe (what already stands counts as done).
        """
        pipe = self._client.pipeline(transaction=False)
        for changes, audit in slices:
            pipe.execute_command("EVAL", *self._apply_call(changes, audit))
        with store_errors(self.url):
            answers: list[Any] = await pipe.execute(raise_on_error=False)
        return [self._outcome(answer) for answer in answers]

    def _apply_call(self, changes: Sequence[Change], audit: bytes) -> list[str | bytes | int]:
        keys = self.keys
        call: list[str | bytes | int] = [_APPLY, 5, keys.entries, keys.version, keys.epoch, keys.changes]
        call += [keys.audit, secrets.token_hex(8), audit, CHANGES_KEPT, CHANGES_KEPT_MS]
        for change in changes:
            before = change.record.raw
            call.append(field_of(change.record.identifier))
            call.append(before or b"")
            call.append(render_entries(change.entries, before) or b"")
        return call

    def _outcome(self, answer: Any) -> Applied | ConflictError | StoreError:
        if isinstance(answer, Exception):
            return StoreError(explain_error(self.url, answer))
        done, *rest = answer
        if done:
            return Applied(int(rest[0]), int(rest[1]))
        return RecordConflictError(_record(identifier_of(rest[0]), rest[1]))


async def _run(pipe: Pipeline) -> list[Any]:
    """Return the answers of a pipeline, or raise the first error as the server gave it.

    The library would put the whole command before it, and identifiers do not belong in messages and logs.
    """
    answers: list[Any] = await pipe.execute(raise_on_error=False)
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    return answers


def _record(identifier: Identifier, raw: bytes | None) -> Record:
    decoded = parse_entries(raw)
    return Record(identifier, raw, decoded.entries, decoded.unreadable)


def _chunks(items: Sequence[Identifier], size: int) -> Iterator[list[Identifier]]:
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part
