"""Say what would happen to an address and why, with the very code that decides about requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy.errors import InputError
from proxy.identity.addresses import pack, parse_address, unpack
from proxy.identity.forwarding import ClientAddress, derive_client_address
from proxy.management.covering import read_snapshot
from proxy.management.doubts import Doubts
from proxy.management.times import format_time
from proxy.management.wording import describe_entry, describe_hit
from proxy.policy.areas import AREAS, covers
from proxy.policy.decision import decide

if TYPE_CHECKING:
    from proxy.identity.forwarding import Forwarding
    from proxy.policy.decision import Decision
    from proxy.policy.entry import Entry, Mode
    from proxy.store.entries import EntryStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked: an address, or the peer and header lines to derive it from, or all of them."""

    address: str | None = None
    peer: str | None = None
    headers: tuple[str, ...] = ()  # "Name: value", in order of appearance
    area: str = "browse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What would happen and why. `lines` says it in words, the rest is for programs."""

    client_address: str
    how: str
    readable: bool
    area: str
    mode: Mode
    refused: bool
    would_refuse: bool
    reason: str
    ends: float | None
    decided_by: Entry | None
    hits: tuple[Entry, ...]
    without_effect: tuple[str, ...]
    answer: str
    list_version: int
    warnings: tuple[str, ...]  # why the workers may answer otherwise

    def lines(self) -> list[str]:
        """Return the explanation as lines of plain text."""
        told = [f"Client address: {self.client_address} ({self.how})"]
        told += [f"Found: {describe_entry(entry)}" for entry in self.hits]
        told += [f"Found, without effect: {text}" for text in self.without_effect]
        if not self.hits and not self.without_effect:
            told.append("Found: no entry covers this address")
        return [*told, f"Answer: {self.answer}"]


async def explain(
    store: EntryStore, question: Question, forwarding: Forwarding, mode: Mode, now: float
) -> Explanation:
    """Explain one question; reads only the entries that can cover the client address.

    Raises InputError for an address, peer, header or area that is none, and StoreError.
    """
    if question.area not in AREAS:
        raise InputError(f'"{question.area}" is no area: use one of {", ".join(AREAS)}')
    client = find_client(question, forwarding)
    doubts = Doubts()
    snapshot = await read_snapshot(store, client.packed, doubts)
    decision = decide(snapshot, client.packed, question.area, now, mode=mode)
    unreadable = not client.readable and forwarding.unreadable == "refuse"
    counted = {hit.entry.id for hit in decision.hits}
    idle = [hit.entry for hit in snapshot.hits(client.packed) if hit.entry.id not in counted]
    return Explanation(
        client_address=unpack(client.packed),
        how=client.how,
        readable=client.readable,
        area=question.area,
        mode=mode,
        refused=decision.refused or unreadable,
        would_refuse=decision.would_refuse,
        reason=decision.reason,
        ends=decision.ends,
        decided_by=decision.hit.entry if decision.hit else None,
        hits=tuple(hit.entry for hit in decision.hits),
        without_effect=tuple(_explain_idle(entry, question.area, now) for entry in idle),
        answer=_UNREADABLE if unreadable else _render_answer(decision, mode),
        list_version=snapshot.version,
        warnings=tuple(doubts.lines()),
    )


def find_client(question: Question, forwarding: Forwarding) -> ClientAddress:
    """Return the client address a question is about.

    Alone, the address is the client's own. With a peer it is what that peer says in the configured header;
    with header lines, the lines say it, and the address is the peer unless one is given. A peer alone says
    nothing. InputError when there is neither an address nor a peer.
    """
    address = None if question.address is None else _pack(question.address)
    peer = address if question.peer is None else _pack(question.peer)
    if peer is None:
        raise InputError("name an ADDRESS, or with --peer whom the request comes from")
    if address is not None and question.peer is None and not question.headers:
        return ClientAddress(address, "taken as given: no peer and no header to derive it from")
    lines = [parse_header(line) for line in question.headers]
    if not lines and address is not None:
        text = unpack(address)
        bracketed = f'for="[{text}]"' if ":" in text else f"for={text}"
        lines = [(forwarding.header, (bracketed if forwarding.header == b"forwarded" else text).encode())]
    return derive_client_address(peer, lines, forwarding)


def parse_header(line: str) -> tuple[bytes, bytes]:
    """Return the lower-case name and the value of "Name: value"; InputError when there is no colon."""
    name, colon, value = line.partition(":")
    if not colon or not name.strip():
        raise InputError(f'{line!r} is no header line: write --header "X-Forwarded-For: 203.0.113.7"')
    return name.strip().lower().encode(), value.strip().encode()


def _pack(text: str) -> bytes:
    packed = pack(parse_address(text))
    if packed is None:
        raise InputError(f"{text} is no address")
    return packed


_UNREADABLE = (
    'refused with 400: the forwarding header cannot be read, and client_address.unreadable is "refuse"'
)


def _render_answer(decision: Decision, mode: Mode) -> str:
    hit = decision.hit
    if hit is None:
        return "let in: nothing on the lists is about it"
    if decision.allowed_by is not None:
        blocks = sum(one.entry.list == "block" for one in decision.hits)
        beaten = f", which beats the {'block' if blocks == 1 else f'{blocks} blocks'} found" if blocks else ""
        return f"let in: {describe_hit(decision.allowed_by.entry)} allows it{beaten}"
    others = sum(one.entry.list == "block" for one in decision.hits) - 1
    chosen = " (the most specific of the blocks found; the newest, if equally specific)" if others else ""
    if decision.refused:
        end = "with no end" if decision.ends is None else f"until {format_time(decision.ends)}"
        end += _name_end(decision, hit.entry)
        return f'refused {end}, public reason "{decision.reason}", by {describe_hit(hit.entry)}{chosen}'
    why = "the service runs in monitor mode" if mode == "monitor" else "the block only monitors"
    return f"let in, though {describe_hit(hit.entry)} covers it: {why}, so it is recorded and not refused"


def _name_end(decision: Decision, decided_by: Entry) -> str:
    """Return whose end it is when a refusal does not end with the block that decides now."""
    if decision.ends == decided_by.expires:
        return ""
    for entry in (hit.entry for hit in decision.hits):
        if entry.list == "block" and entry.mode == "enforce" and entry.expires == decision.ends:
            return (
                f" (the end of {describe_hit(entry)})"
                if entry.expires
                else f" (for {describe_hit(entry)} has none)"
            )
    return " (when another entry begins or ends)"


def _explain_idle(entry: Entry, area: str, now: float) -> str:
    if entry.expires is not None and entry.expires <= now:
        why = f"it ended on {format_time(entry.expires)}"
    elif entry.starts is not None and entry.starts > now:
        why = f"it begins on {format_time(entry.starts)}"
    elif not covers(entry.scope, area):
        why = f"it is about {', '.join(entry.scope)}, not {area}"
    else:
        why = "it does not count here"
    return f"{describe_entry(entry)}: {why}"
