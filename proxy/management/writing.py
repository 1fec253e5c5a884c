"""Writing many changes: in slices that other clients do not feel, planned anew when somebody was faster."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

from proxy.errors import ConflictError, StoreError
from proxy.management.doubts import describe_loss
from proxy.store.entries import SLICE, SLICES_AT_ONCE, Applied, Change

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from proxy.identity.identifiers import Identifier
    from proxy.policy.entry import Entry
    from proxy.store.entries import EntryStore, Held, Record

ATTEMPTS = 5  # for a slice that meets somebody else's change each time
FULL_AUDIT = 20  # changes of a call that the audit keeps whole; of more it keeps which identifiers
AGAIN = "To run the same command again is safe and finishes the rest"
Outcome = TypeVar("Outcome")


Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Planned(Generic[Outcome]):
    """What to make of one record: `entries` to stand afterwards (None: leave it), and what to report."""

    entries: tuple[Entry, ...] | None
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """Who does what; recorded with each change."""

    at: float
    author: str
    origin: str
    action: str
    case: str = ""
    accepted_loss: Held | None = None  # the list that was given up with this change


class InterruptedWriteError(StoreError):
    """The store went away in the middle: `written` of `total` identifiers stand for certain."""

    def __init__(self, cause: StoreError, written: int, unsure: int, total: int) -> None:
        self.written = written
        self.total = total
        stand = f"{written:,} of {total:,} are written (another {unsure:,} may be)"
        super().__init__(f"{cause}\n{stand}. {AGAIN}")


class LostListError(StoreError):
    """The store has lost its list, and to write to it would make workers give up theirs."""

    def __init__(self, lost: Held) -> None:
        self.lost = lost
        super().__init__(
            f"{describe_loss(lost)}, and nothing was written. Restore the store's data; or, to give those "
            "entries up and begin a new list, use `stockade block … --force`"
        )


async def write(
    store: EntryStore,
    identifiers: Sequence[Identifier],
    plan: Callable[[Record], Planned[Outcome]],
    audit: Audit,
    progress: Progress | None = None,
    *,
    force: bool = False,
) -> Iterator[Outcome]:
    """Read each identifier's record, `plan` what becomes of it, write; return the outcomes in order.

    Up to `SLICE` identifiers change in one step, all or none; more go slice by slice. Raises
    InterruptedWriteError when the store goes away in the middle of many, StoreError when of a few, and
    ConflictError when the same record keeps changing under our hands. `progress` is told after each window
    how many identifiers are done, and of how many.

    LostListError, with nothing written, when the store has lost the list that workers hold; `force` begins a
    new one, which they then follow.
    """
    head = await store.read_head()
    if head.lost is not None and not force:
        raise LostListError(head.lost)
    if head.lost is not None or (force and head.empty):  # workers may not have noticed yet
        await store.accept_loss()
        audit = replace(audit, accepted_loss=head.lost)
    outcomes: list[Outcome] = []
    rest = iter(identifiers)
    while window := list(islice(rest, SLICE * SLICES_AT_ONCE)):
        try:
            outcomes += await _write_window(store, window, plan, audit)
        except StoreError as error:
            if len(identifiers) <= SLICE:
                raise
            raise InterruptedWriteError(error, len(outcomes), len(window), len(identifiers)) from error
        if progress is not None:
            progress(len(outcomes), len(identifiers))
        # The client library can lose a cancellation (asyncio.wait_for before Python 3.12): Ctrl-C must end this.
        if (task := asyncio.current_task()) is not None and task.cancelling():
            raise asyncio.CancelledError
    return iter(outcomes)


async def _write_window(
    store: EntryStore,
    window: Sequence[Identifier],
    plan: Callable[[Record], Planned[Outcome]],
    audit: Audit,
) -> list[Outcome]:
    outcomes: dict[Identifier, Outcome] = {}
    left = list(window)
    conflict: ConflictError | None = None
    for _ in range(ATTEMPTS):
        planned = [(record, plan(record)) for record in await store.read(left)]
        outcomes |= {record.identifier: one.outcome for record, one in planned}
        changes = [Change(record, one.entries) for record, one in planned if one.entries is not None]
        slices = [changes[start : start + SLICE] for start in range(0, len(changes), SLICE)]
        answers = await store.apply_slices([(part, _render_audit(audit, part)) for part in slices])
        left = []
        for part, answer in zip(slices, answers, strict=True):
            if isinstance(answer, ConflictError):
                conflict = answer
                left += [change.record.identifier for change in part]
            elif not isinstance(answer, Applied):
                raise answer
        if not left:
            return [outcomes[identifier] for identifier in window]
    raise ConflictError(f"{conflict}, {ATTEMPTS} times over: look with `stockade list`, then try again")


def _render_audit(audit: Audit, changes: Sequence[Change]) -> bytes:
    what: dict[str, object] = {
        "at": audit.at,
        "author": audit.author,
        "origin": audit.origin,
        "action": audit.action,
        "case": audit.case,
        "identifiers": [str(change.record.identifier) for change in changes],
    }
    if audit.accepted_loss is not None:
        what["accepted_loss"] = audit.accepted_loss
    if len(changes) <= FULL_AUDIT:
        what["before"] = [change.record.entries for change in changes]
        what["after"] = [change.entries for change in changes]
    return msgspec.json.encode(what)
