"""A worker's copy of the lists: loaded once, then kept in step by following the change stream.

Load: note where the store stands, read all entries in slices into a new snapshot, replay the changes made
meanwhile, swap. Follow: wait on the stream and apply each change between requests. Whatever makes the copy
doubtful (a version left out, a trimmed stream, a version that went back, another store in its place) leads
to a new load beside the old snapshot, which goes on deciding until the swap. A server that is away, comes
back empty, or comes back with the beginnings of another list, never takes the last good snapshot from us:
then we say in the store itself what we hold, so that whoever reads or changes the lists there knows.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from proxy.errors import StockadeError, StoreError
from proxy.policy.snapshot import Snapshot
from proxy.store.codec import parse_entries
from proxy.store.connection import masked, open_client, store_errors
from proxy.store.entries import EntryStore, Head, Held
from proxy.store.keys import identifier_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis.asyncio import Redis

State = Literal["loading", "following", "away", "degraded"]
Item = tuple[bytes, dict[bytes, bytes]]

BLOCK_MS = 1000  # an idle read returns this often: `age` stays near a second while all is well
# Above BLOCK_MS, so that only a server that is stuck or cut off without a word (no FIN, no RST) runs into it.
READ_TIMEOUT = 4.0
READ_ITEMS = 4  # changes a read; an import makes them 250 records each, 75 kB and a millisecond of work
PAUSE_AFTER = 0.001  # seconds of decoding after which requests get their turn
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0  # seconds between attempts; within two seconds of a repair we are back
_CHANGES = msgspec.json.Decoder(list[tuple[str, msgspec.Raw]])


class _ReloadNeededError(StockadeError):
    """The snapshot can no longer be brought up to date by the stream; the text says why."""


@dataclass(frozen=True, slots=True)
class _Loss:
    """What stands in the store, at `at`, in place of the list that was ours."""

    at: Head
    entries: int


class Replica:
    """The snapshot of the store called `name` at `url`, kept in step by `run`.

    `on_swap` gets each newly loaded snapshot, between requests, on the event loop's thread; changes after
    that are made to the same object. `on_state` gets each new state with a sentence for the log:
    "loading" while all entries are read (`loaded` tells whether an earlier snapshot stands), "following"
    while in step, "away" while the server cannot be used, "degraded" when it lost its list and the last
    snapshot is kept. An exception in `on_state` is nobody's but its own; one in `on_swap` undoes the load,
    which is then tried again.
    """

    def __init__(
        self,
        url: str,
        name: str = "stockade",
        *,
        on_swap: Callable[[Snapshot], None] | None = None,
        on_state: Callable[[State, str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.snapshot = Snapshot()
        self.state: State = "loading"
        self.message = ""  # the sentence that came with the state
        self.loaded = asyncio.Event()
        self.last_seen: float | None = None  # by `clock`; when the snapshot was last known to be in step
        self.unreadable = 0  # entries met that this version cannot read (a newer version wrote them)
        self.reloads = 0  # full loads so far
        self._url = url
        self._client: Redis = open_client(url, retries=0, answer_timeout=READ_TIMEOUT, name="stockade-worker")
        self._store = EntryStore(url, name, client=self._client)
        self._keys = self._store.keys
        self._on_swap = on_swap
        self._on_state = on_state
        self._clock = clock
        self._at: Head | None = None  # what `snapshot` stands for; None: a load is needed
        self._epoch = ""  # of the list that `snapshot` is, whether a load is needed or not
        self._task: asyncio.Task[None] | None = None

    def age(self, now: float) -> float | None:
        """Return for how many seconds the snapshot may have been out of step at `now` (by `clock`).

        About a second or less while the server is there; None before the first load.
        """
        return None if self.last_seen is None else max(0.0, now - self.last_seen)

    async def run(self) -> None:
        """Load, then follow, for as long as it takes; returns after `close`, never because of an error."""
        self._task = task = asyncio.create_task(self._run())
        try:
            await asyncio.wait([task])
        finally:
            await _end(task)
            await self._client.aclose()

    async def close(self) -> None:
        """Stop following and close the connection; the snapshot stays usable."""
        if self._task is not None:
            await _end(self._task)
        await self._client.aclose()

    async def _run(self) -> None:
        pause = FIRST_PAUSE
        while True:
            began = self._clock()
            try:
                await self._keep_in_step()
            except _ReloadNeededError as error:
                self._at = None
                self._enter("loading", f"{error}: reading all entries again")
            except StoreError as error:
                self._enter("away", str(error))
            except Exception as error:  # noqa: BLE001 - a worker without a follower would miss every unblock
                self._enter("away", f"following the store failed: {error!r}")
            if self.last_seen is not None and self.last_seen - began > LONGEST_PAUSE:
                pause = FIRST_PAUSE
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads workers, no secret
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _keep_in_step(self) -> None:
        head = await self._store.read_head()
        at = self._at
        if at is None or not await self._continues(at, head):
            loaded = await self._load()
            if isinstance(loaded, _Loss):
                await self._wait_while_lost(loaded)
                return
            at = loaded
        self._in_step()
        self._enter("following", f"{len(self.snapshot)} entries at list version {self.snapshot.version}")
        await self._follow(at)

    async def _wait_while_lost(self, loss: _Loss) -> None:
        """Keep our snapshot, and say so, until the store holds something else than now or we may give it up."""
        held = Held(self._epoch, self.snapshot.version, len(self.snapshot))
        came = f"with another list of {loss.entries} entries" if loss.entries else "empty"
        self._enter(
            "degraded",
            f"the store at {masked(self._url)} came back {came}: the last snapshot of {held.entries} "
            "entries is kept. Restore the store's data, or give the lost entries up by the next `stockade "
            "block … --force`",
        )
        head = loss.at
        while head == loss.at and not head.begun_on_purpose:
            await self._store.hold(held)
            await asyncio.sleep(BLOCK_MS / 1000)
            head = await self._store.read_head()

    def _is_loss(self, at: Head, snapshot: Snapshot) -> bool:
        """Tell whether to follow this list would be to lose entries that nobody took away.

        A list with our epoch is ours, whatever is in it. Another one is a list restored or moved if it is no
        shorter; a shorter one is taken only when somebody said so.
        """
        if at.epoch and at.epoch == self._epoch:
            return False
        return len(snapshot) < len(self.snapshot) and not at.begun_on_purpose

    async def _continues(self, at: Head, head: Head) -> bool:
        """Tell whether the stream leads from where our snapshot stands to `head`, with nothing left out."""
        if at.epoch not in ("", head.epoch) or head.version < at.version:
            return False
        if head.version == at.version:
            return head == at
        # A failed-over server may have counted to our version and past it with other changes; it then does
        # not have the very item (id and version) that we read last.
        with store_errors(self._url):
            items: Any = await self._client.xrange(self._keys.changes, min=at.last_id, count=1)
        if not items or head.last_version != head.version:
            return False
        if not at.version:
            return bool(items[0][1].get(b"v") == b"1")
        return bool(items[0][0].decode() == at.last_id and items[0][1].get(b"v") == b"%d" % at.version)

    async def _load(self) -> Head | _Loss:
        """Read everything into a new snapshot, catch up with what changed meanwhile, swap; return where it is.

        Nothing is swapped when the store turns out to have lost our list.
        """
        if self.state != "degraded":  # to look again is no news
            self._enter("loading", f"reading all entries from {masked(self._url)}")
        at = head = await self._store.read_head()
        snapshot = Snapshot(head.version)
        self.unreadable = 0
        turn = _Turn()
        async for answer in self._store.scan_raw():
            for field, raw in answer.items():
                self._replace(snapshot, field, raw)
                if turn.is_over():
                    await turn.pass_on()
        while items := await self._read(at):
            for item in items:
                at = self._apply(snapshot, at, item)
                if turn.is_over():
                    await turn.pass_on()
        now = await self._store.read_head()
        if at.epoch not in ("", now.epoch) or now.version < at.version:
            raise _ReloadNeededError("the store was replaced while it was read")
        if self._is_loss(now, snapshot):
            return _Loss(now, len(snapshot))
        if self._on_swap is not None:
            self._on_swap(snapshot)  # should it fail, nothing was swapped and the load is done again
        self.snapshot, self._at, self._epoch = snapshot, at, at.epoch
        self.reloads += 1
        self.loaded.set()
        return at

    async def _follow(self, at: Head) -> None:
        """Apply changes as they come; returns when the store no longer stands where our snapshot does."""
        turn = _Turn()
        while True:
            items = await self._read(at, block=BLOCK_MS)
            for item in items:
                self._at = at = self._apply(self.snapshot, at, item)
                self._epoch = at.epoch
                if turn.is_over():
                    await turn.pass_on()
            # A stream that vanished wakes nobody up, and its ids may have gone back: ask when it is quiet.
            if not items and await self._store.read_head() != at:
                return
            self._in_step()

    async def _read(self, at: Head, *, block: int | None = None) -> list[Item]:
        with store_errors(self._url):
            answer: Any = await self._client.xread(
                {self._keys.changes: at.last_id}, count=READ_ITEMS, block=block
            )
        return answer[0][1] if answer else []

    def _apply(self, snapshot: Snapshot, at: Head, item: Item) -> Head:
        """Make one change, whole, to `snapshot`; return where it stands then."""
        item_id, members = item
        try:
            version, epoch = int(members[b"v"]), members[b"e"].decode()
            changes = _CHANGES.decode(members[b"c"])
        except (KeyError, ValueError, msgspec.MsgspecError) as error:
            raise _ReloadNeededError(f"change {item_id.decode()} cannot be read ({error})") from None
        if version != at.version + 1 or epoch != (at.epoch or epoch):
            raise _ReloadNeededError(f"change {version} came after {at.version}: some are missing")
        for field, raw in changes:
            self._replace(snapshot, field.encode(), None if bytes(raw) == b"null" else bytes(raw))
        snapshot.version = version
        return Head(version, epoch, item_id.decode(), version)

    def _replace(self, snapshot: Snapshot, field: bytes, raw: bytes | None) -> None:
        decoded = parse_entries(raw)
        self.unreadable += decoded.unreadable
        try:
            snapshot.replace(identifier_of(field), decoded.entries)
        except StockadeError:  # a kind that a newer version knows
            self.unreadable += 1

    def _in_step(self) -> None:
        self.last_seen = self._clock()

    def _enter(self, state: State, message: str) -> None:
        if (state, message) == (self.state, self.message):
            return
        self.state, self.message = state, message
        if self._on_state is not None:
            # It writes a log line, and whoever read the log may be gone. Nobody is left to be told of that, and
            # a follower that ends would miss every unblock.
            with contextlib.suppress(Exception):
                self._on_state(state, message)


async def _end(task: asyncio.Task[None]) -> None:
    """Cancel a task until it has ended.

    Once is not enough: before Python 3.12, asyncio.wait_for (with which the client library writes) loses a
    cancellation that comes in the same moment as its result (https://github.com/python/cpython/issues/86296).
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=0.05)


class _Turn:
    """Lets requests be answered while many entries are decoded: `PAUSE_AFTER` of work, then their turn."""

    def __init__(self) -> None:
        self._until = time.perf_counter() + PAUSE_AFTER

    def is_over(self) -> bool:
        return time.perf_counter() >= self._until

    async def pass_on(self) -> None:
        await asyncio.sleep(0)
        self._until = time.perf_counter() + PAUSE_AFTER
