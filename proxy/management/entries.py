"""Put identifiers on a list and take them off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from msgspec.structs import replace

from proxy.management.covering import packed_of, read_covering
from proxy.management.ids import make_id, make_ids
from proxy.management.times import DEFAULT_BLOCK_DAYS
from proxy.management.writing import Audit, Planned, write
from proxy.policy.areas import DEFAULT_SCOPE
from proxy.policy.entry import Entry
from proxy.policy.reasons import UNSPECIFIED
from proxy.policy.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from proxy.identity.identifiers import Identifier
    from proxy.management.guard_rails import GuardRails
    from proxy.management.writing import Progress
    from proxy.policy.entry import ListName, Mode, Origin
    from proxy.store.entries import EntryStore, Record

FEW = 64  # identifiers for which the networks around them are looked up one by one; more: all at once
Change = Literal["added", "changed", "unchanged", "removed", "absent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """What to put on a list. None, or False for `end_given`, means: as it is already, else the default."""

    list: ListName
    identifiers: Sequence[Identifier]
    author: str
    origin: Origin = "cli"
    reason: str | None = None  # public reason code
    note: str | None = None
    mode: Mode | None = None
    expires: float | None = None
    end_given: bool = False
    case: str | None = None
    scope: tuple[str, ...] = DEFAULT_SCOPE
    force: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one identifier: the entry as it stands (or stood, when removed) and as it was."""

    identifier: Identifier
    change: Change
    entry: Entry | None = None
    before: Entry | None = None
    # What decides about it all the same: allow entries over a block, blocks that stay after a removal.
    over: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """What a command did: an outcome for each identifier, in order, and the case it was filed under."""

    outcomes: tuple[Outcome, ...]
    case: str = ""
    unreadable: int = 0  # entries that stayed because this version cannot read them

    def count(self, change: Change) -> int:
        """Return how many identifiers had this outcome."""
        return sum(outcome.change == change for outcome in self.outcomes)


async def add(
    store: EntryStore, addition: Addition, rails: GuardRails, now: float, progress: Progress | None = None
) -> Result:
    """Put identifiers on a list, all under one case.

    An identifier that has an entry of the same list and scope keeps it (id, case, creation) with what is
    said anew. Blocks end after DEFAULT_BLOCK_DAYS unless the caller says otherwise, and are never shortened
    without being told. Raises InputError, with nothing written, for what the guard rails or the entry's own
    rules refuse, and what `writing.write` raises.
    """
    identifiers = list(dict.fromkeys(addition.identifiers))
    if not addition.force:
        rails.check(identifiers, addition.list)
    case = addition.case or make_id(now)
    ids = make_ids(now)

    def plan(record: Record) -> Planned[Outcome]:
        old = find_entry(record, addition.list, addition.scope)
        if old is None:
            entry = _new_entry(record.identifier, addition, next(ids), case, now)
            return Planned((*record.entries, entry), Outcome(record.identifier, "added", entry))
        new = _renewed(old, addition, now)
        if new == old:
            return Planned(None, Outcome(record.identifier, "unchanged", old, old))
        entries = tuple(new if entry.id == old.id else entry for entry in record.entries)
        return Planned(entries, Outcome(record.identifier, "changed", new, old))

    if identifiers:  # the same rules for all of them: find a mistake before anything is written
        _new_entry(identifiers[0], addition, next(ids), case, now).check()
    audit = Audit(at=now, author=addition.author, origin=addition.origin, action=addition.list, case=case)
    outcomes = tuple(await write(store, identifiers, plan, audit, progress, force=addition.force))
    other: ListName = "allow" if addition.list == "block" else "block"
    over = await _find_over(store, identifiers, other, now, even_if_allowed=True)
    marked = (
        # An allow entry that stood before already let the identifier in: nothing to tell.
        outcome
        if other == "block" and outcome.change != "added"
        else with_over(outcome, over.get(outcome.identifier, ()))
        for outcome in outcomes
    )
    return Result(tuple(marked) if over else outcomes, case)


async def remove(
    store: EntryStore,
    identifiers: Sequence[Identifier],
    list_name: ListName,
    *,
    author: str,
    now: float,
    alone: Mapping[Identifier, Identifier] | None = None,
    progress: Progress | None = None,
) -> Result:
    """Take identifiers off a list, whatever the scope of their entries; raises what `writing.write` raises.

    `alone` holds addresses that were taken as a network, and which: who names an address means both, as either
    may have been put on the list. An outcome's `over` says which blocks refuse the identifier all the same.
    """
    alone = alone or {}
    wanted = list(dict.fromkeys([*identifiers, *alone]))
    unreadable: dict[Identifier, int] = {}

    def plan(record: Record) -> Planned[Outcome]:
        unreadable[record.identifier] = record.unreadable
        gone = [entry for entry in record.entries if entry.list == list_name]
        if not gone:
            return Planned(None, Outcome(record.identifier, "absent"))
        kept = tuple(entry for entry in record.entries if entry.list != list_name)
        return Planned(kept, Outcome(record.identifier, "removed", gone[0], gone[0]))

    audit = Audit(at=now, author=author, origin="cli", action=f"remove-{list_name}")
    outcomes = _without_guesses(
        list(await write(store, wanted, plan, audit, progress)), set(identifiers), alone
    )
    told = [outcome.identifier for outcome in outcomes]
    over = await _find_over(store, told, "block", now) if list_name == "block" else {}
    return Result(
        tuple(with_over(one, over.get(one.identifier, ())) for one in outcomes),
        unreadable=sum(unreadable.values()),
    )


def _without_guesses(
    outcomes: list[Outcome], named: set[Identifier], alone: Mapping[Identifier, Identifier]
) -> list[Outcome]:
    """Leave out what was not on the list and only looked for beside what was, or instead of it."""
    absent = {outcome.identifier for outcome in outcomes if outcome.change == "absent"}
    guessed = absent & alone.keys() - named
    kept = {network for address, network in alone.items() if address in absent}
    guessed |= {network for network in alone.values() if network in absent and network not in kept}
    return [outcome for outcome in outcomes if outcome.identifier not in guessed]


def find_entry(record: Record, list_name: str, scope: tuple[str, ...]) -> Entry | None:
    """Return the entry of a list and scope, if the record has one."""
    return next((e for e in record.entries if e.list == list_name and set(e.scope) == set(scope)), None)


def with_over(outcome: Outcome, over: tuple[Entry, ...]) -> Outcome:
    """Return the outcome with what decides over it."""
    return (
        Outcome(outcome.identifier, outcome.change, outcome.entry, outcome.before, over) if over else outcome
    )


def _new_entry(identifier: Identifier, addition: Addition, entry_id: str, case: str, now: float) -> Entry:
    blocks = addition.list == "block"
    default_end = now + DEFAULT_BLOCK_DAYS * 86_400 if blocks else None
    return Entry(
        id=entry_id,
        list=addition.list,
        kind=identifier.kind,
        value=identifier.value,
        mode=addition.mode or "enforce",
        scope=addition.scope,
        reason=addition.reason or (UNSPECIFIED if blocks else ""),
        note=addition.note or "",
        case=case,
        origin=addition.origin,
        author=addition.author,
        created=now,
        expires=addition.expires if addition.end_given else default_end,
    )


def _renewed(old: Entry, addition: Addition, now: float) -> Entry:
    """Return an entry as it is to stand after it was added once more."""
    expires = addition.expires
    if not addition.end_given:
        default_end = now + DEFAULT_BLOCK_DAYS * 86_400
        ended = old.expires is not None and old.expires <= now
        expires = default_end if ended and addition.list == "block" else old.expires
        if ended and addition.list == "allow":
            expires = None
    return replace(
        old,
        reason=old.reason if addition.reason is None else addition.reason,
        note=old.note if addition.note is None else addition.note,
        mode=old.mode if addition.mode is None else addition.mode,
        case=old.case if addition.case is None else addition.case,
        expires=expires,
        starts=None if old.starts is not None and old.starts > now else old.starts,
    )


async def _find_over(
    store: EntryStore,
    identifiers: Sequence[Identifier],
    list_name: ListName,
    now: float,
    *,
    even_if_allowed: bool = False,
) -> dict[Identifier, tuple[Entry, ...]]:
    """Return the entries in force on `list_name` that cover each identifier, most specific first.

    Blocks that an allow entry beats are left out unless `even_if_allowed`.
    """
    if len(identifiers) > FEW:
        # For a file's worth, only allows are looked for: of the blocks the answer could be as long as the list.
        return await _find_allowed(store, identifiers, now) if list_name == "allow" else {}
    found: dict[Identifier, tuple[Entry, ...]] = {}
    for identifier, records in (await read_covering(store, identifiers)).items():
        holding = [entry for record in records for entry in record.entries if entry.holds(now)]
        over = tuple(entry for entry in holding if entry.list == list_name)
        if over and (even_if_allowed or all(entry.list != "allow" for entry in holding)):
            found[identifier] = over
    return found


async def _find_allowed(
    store: EntryStore, identifiers: Sequence[Identifier], now: float
) -> dict[Identifier, tuple[Entry, ...]]:
    allowed = Snapshot()
    async for record in store.scan(containing=b'"allow"'):
        allowed.replace(record.identifier, [e for e in record.entries if e.list == "allow" and e.holds(now)])
    if not len(allowed):
        return {}
    found: dict[Identifier, tuple[Entry, ...]] = {}
    for identifier in identifiers:
        packed, prefix = packed_of(identifier)
        if hits := tuple(hit.entry for hit in allowed.hits(packed) if hit.prefix <= prefix):
            found[identifier] = hits
    return found
