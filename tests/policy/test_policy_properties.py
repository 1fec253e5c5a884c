"""The index and the decision equal the plainest program that does the same, whatever the list."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from policy_entries import block, packed

from proxy.policy.areas import AREAS
from proxy.policy.decision import ALLOWED, decide
from proxy.policy.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proxy.identity.identifiers import Identifier
    from proxy.policy.entry import Entry

# A small world, so that addresses, networks, times and areas meet often.
TIMES = range(1, 12)
ADDRESSES = [
    *("10.0.0.0", "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.1.0", "10.128.0.1", "11.0.0.1", "192.0.2.1"),
    *("2001:db8::", "2001:db8::1", "2001:db8:0:1::", "2001:db8:8000::1", "2001:dbf::1", "::1", "fd00::1"),
]

identifiers = st.builds(
    lambda address, prefix: str(
        ipaddress.ip_network((address, min(prefix, 32) if "." in address else prefix), strict=False)
        if prefix is not None
        else address
    ),
    st.sampled_from(ADDRESSES),
    st.none() | st.sampled_from([0, 4, 8, 15, 16, 17, 23, 24, 29, 30, 31, 32, 33, 48, 63, 64, 65, 127, 128]),
)
scopes = st.one_of(
    st.just(("site",)),
    st.lists(st.sampled_from(["browse", "checkout", "login", "webhook"]), min_size=1, unique=True).map(tuple),
)
moments = st.none() | st.sampled_from(TIMES).map(float)


@st.composite
def entries_of(draw: st.DrawFn, value: str) -> list[Entry]:
    """Draw up to three entries for one identifier."""
    return [
        block(
            value,
            id=f"{draw(st.integers(0, 99))}-{number}",
            list=draw(st.sampled_from(["block", "block", "allow"])),
            mode=draw(st.sampled_from(["enforce", "enforce", "monitor"])),
            scope=draw(scopes),
            created=draw(st.sampled_from(TIMES).map(float)),
            starts=draw(moments),
            expires=draw(moments),
            author=draw(st.sampled_from(["a", "b"])),
            reason=draw(st.sampled_from(["abuse", "fraud"])),
        )
        for number in range(draw(st.integers(0, 3)))
    ]


changes = st.lists(
    identifiers.flatmap(lambda value: st.tuples(st.just(value), entries_of(value))), max_size=25
)


class NaiveList:
    """All entries in a dict, searched from end to end."""

    def __init__(self) -> None:
        self.entries: dict[Identifier, Sequence[Entry]] = {}

    def covering(self, address: str) -> list[Entry]:
        """Return what covers an address: the address itself first, then longest prefix, newest, id."""
        client = ipaddress.ip_address(address)
        found = []
        for identifier, entries in self.entries.items():
            network = ipaddress.ip_network(identifier.value)
            if network.version == client.version and client in network:
                specificity = 999 if identifier.kind == "ip" else network.prefixlen
                found += [(-specificity, -entry.created, entry.id, entry) for entry in entries]
        return [entry for *_, entry in sorted(found, key=lambda row: row[:3])]

    @staticmethod
    def in_force(covering: list[Entry], area: str, now: float) -> list[Entry]:
        """Return the entries that hold in an area at a time."""
        return [
            entry
            for entry in covering
            if area not in ("webhook", "open")
            and ("site" in entry.scope or area in entry.scope)
            and (entry.starts is None or entry.starts <= now)
            and (entry.expires is None or entry.expires > now)
        ]

    def refuses(self, covering: list[Entry], area: str, now: float) -> bool:
        """Tell whether a request is refused when everything that is enforced is enforced."""
        holding = self.in_force(covering, area, now)
        return not any(entry.list == "allow" for entry in holding) and any(
            entry.mode == "enforce" for entry in holding
        )


def apply(steps: list[tuple[str, list[Entry]]]) -> tuple[Snapshot, NaiveList]:
    """Make the same changes to the index and to the naive list."""
    snapshot, naive = Snapshot(), NaiveList()
    for value, entries in steps:
        identifier = block(value).identifier
        snapshot.replace(identifier, entries)
        naive.entries[identifier] = entries
    return snapshot, naive


@given(changes, st.sampled_from(ADDRESSES))
def test_the_index_finds_what_a_scan_finds(steps: list[tuple[str, list[Entry]]], address: str) -> None:
    """Any entries, changed in any order: the same hits in the same order, whole entries."""
    snapshot, naive = apply(steps)
    assert [hit.entry for hit in snapshot.hits(packed(address))] == naive.covering(address)
    assert len(snapshot) == sum(len(entries) for entries in naive.entries.values())
    assert sum(snapshot.counts().values()) == len(snapshot)


@given(changes)
def test_an_emptied_index_holds_nothing(steps: list[tuple[str, list[Entry]]]) -> None:
    """Whatever came, after every identifier was removed nothing is left, not even what entries shared."""
    snapshot, naive = apply(steps)
    for identifier in naive.entries:
        snapshot.replace(identifier, [])
    assert (len(snapshot), snapshot.counts(), len(snapshot._pool)) == (0, {}, 0)
    assert not any(snapshot.hits(packed(address)) for address in ADDRESSES)


@given(changes)
def test_the_order_and_repetition_of_changes_do_not_matter(steps: list[tuple[str, list[Entry]]]) -> None:
    """A worker that saw every change ends equal to one that loads only the final state, in any order."""
    followed, naive = apply(steps)
    loaded = Snapshot()
    for identifier, entries in reversed(naive.entries.items()):
        loaded.replace(identifier, list(reversed(entries)))
    for address in ADDRESSES:
        assert followed.hits(packed(address)) == loaded.hits(packed(address))
    assert followed.counts() == loaded.counts()


@given(changes, st.sampled_from(ADDRESSES), st.sampled_from(AREAS), st.sampled_from(TIMES), st.booleans())
def test_the_decision_is_what_the_rules_say(
    steps: list[tuple[str, list[Entry]]],
    address: str,
    area: str,
    now: int,
    enforce: bool,  # noqa: FBT001 - drawn
) -> None:
    """Refused, would be refused, by what and until when: equal to the rules read off one by one."""
    snapshot, naive = apply(steps)
    covering = naive.covering(address)
    holding = naive.in_force(covering, area, now)
    decision = decide(snapshot, packed(address), area, float(now), mode="enforce" if enforce else "monitor")

    refuses = naive.refuses(covering, area, now)
    allows = [entry for entry in holding if entry.list == "allow"]
    assert decision.refused is (refuses and enforce)
    assert decision.would_refuse is (bool(holding) and not allows and not decision.refused)
    assert [hit.entry for hit in decision.hits] == holding
    if not holding:
        assert decision is ALLOWED
        return
    assert decision.hit is not None
    enforced = [entry for entry in holding if entry.mode == "enforce"]
    assert decision.hit.entry == (allows or enforced or holding)[0]
    assert (decision.allowed_by is not None) is bool(allows)
    if refuses:
        later = [
            moment for moment in range(now + 1, max(TIMES) + 1) if not naive.refuses(covering, area, moment)
        ]
        assert decision.ends == (later[0] if later else None)
        assert decision.reason == enforced[0].reason
