"""The index by example. That it equals a naive scan of all entries is held in test_policy_properties.py."""

from __future__ import annotations

import tracemalloc

import pytest
from policy_entries import allow, block, load, packed

from proxy.identity.identifiers import Identifier
from proxy.policy.decision import ALLOWED, decide
from proxy.policy.snapshot import Snapshot

CLIENT = Identifier("ip", "203.0.113.7")


def test_an_empty_snapshot_covers_nobody() -> None:
    """Before anything is loaded nobody is refused."""
    snapshot = Snapshot(version=7)
    assert (len(snapshot), snapshot.version, snapshot.counts()) == (0, 7, {})
    assert snapshot.hits(packed("203.0.113.7")) == ()
    assert decide(snapshot, packed("2001:db8::1"), "browse", 0.0, mode="enforce") is ALLOWED


def test_a_peer_without_an_address_is_covered_by_nothing() -> None:
    """Over a unix socket there may be no address; not even a list that blocks everybody is about it."""
    snapshot = load([block("0.0.0.0/0"), block("::/0")])
    assert snapshot.hits(b"") == ()


@pytest.mark.parametrize(
    ("value", "inside", "outside"),
    [
        pytest.param("203.0.113.7", ["203.0.113.7"], ["203.0.113.6", "203.0.113.8"], id="ipv4"),
        pytest.param(
            "203.0.113.0/24", ["203.0.113.0", "203.0.113.255"], ["203.0.112.255", "203.0.114.0"], id="/24"
        ),
        pytest.param(
            "203.0.112.0/23", ["203.0.112.0", "203.0.113.255"], ["203.0.111.255", "203.0.114.0"], id="/23"
        ),
        pytest.param(
            "10.0.0.0/8",
            ["10.0.0.0", "10.255.255.255"],
            ["9.255.255.255", "11.0.0.0"],
            id="wider-than-a-slot",
        ),
        pytest.param(
            "10.1.0.0/16", ["10.1.0.0", "10.1.255.255"], ["10.0.255.255", "10.2.0.0"], id="as-wide-as-a-slot"
        ),
        pytest.param("0.0.0.0/0", ["0.0.0.0", "255.255.255.255"], ["::", "::1"], id="all-ipv4"),
        pytest.param("2001:db8::1", ["2001:db8::1"], ["2001:db8::", "2001:db8::2"], id="ipv6"),
        pytest.param(
            "2001:db8::/64", ["2001:db8::", "2001:db8::ffff:ffff:ffff:ffff"], ["2001:db8:0:1::"], id="/64"
        ),
        pytest.param(
            "2001:db8::/29", ["2001:db8::", "2001:dbf:ffff::1"], ["2001:dc0::", "2001:db7::"], id="wide-ipv6"
        ),
        pytest.param("::/0", ["::", "ffff::1"], ["0.0.0.0", "255.255.255.255"], id="all-ipv6"),
        pytest.param("203.0.113.7/32", ["203.0.113.7"], ["203.0.113.6"], id="network-of-one-address"),
    ],
)
def test_a_network_covers_its_first_and_last_address_and_no_neighbour(
    value: str, inside: list[str], outside: list[str]
) -> None:
    """Edges of networks are exact, and the families are apart."""
    snapshot = load([block(value)])
    assert all(snapshot.hits(packed(address)) for address in inside)
    assert not any(snapshot.hits(packed(address)) for address in outside)


def test_replace_is_the_whole_truth_about_an_identifier() -> None:
    """What existed before is gone, what comes is all there is, and the counts follow."""
    snapshot = Snapshot()
    snapshot.replace(CLIENT, [block(CLIENT.value, id="a"), allow(CLIENT.value, id="b", created=2.0)])
    assert snapshot.counts() == {("block", "ip"): 1, ("allow", "ip"): 1}
    snapshot.replace(CLIENT, [block(CLIENT.value, id="c")])
    assert [hit.entry.id for hit in snapshot.hits(packed(CLIENT.value))] == ["c"]
    assert snapshot.counts() == {("block", "ip"): 1}
    snapshot.replace(CLIENT, [])
    assert (len(snapshot), snapshot.hits(packed(CLIENT.value)), snapshot.counts()) == (0, (), {})


def test_a_network_may_come_and_go_and_come_again() -> None:
    """A length that was given up in a slot is found again when it returns."""
    snapshot = Snapshot()
    entry = block("203.0.113.0/24")
    for _ in range(2):
        snapshot.replace(entry.identifier, [entry])
        assert snapshot.hits(packed("203.0.113.7"))
        snapshot.replace(entry.identifier, [])
        assert not snapshot.hits(packed("203.0.113.7"))


def test_a_wide_network_is_found_in_slots_older_than_itself() -> None:
    """The order in which narrow and wide networks arrive does not matter."""
    narrow, wide = block("203.0.113.0/24", id="n"), block("203.0.0.0/12", id="w")
    for order in ([narrow, wide], [wide, narrow]):
        snapshot = load(order)
        assert [hit.entry.id for hit in snapshot.hits(packed("203.0.113.7"))] == ["n", "w"]
        assert [hit.entry.id for hit in snapshot.hits(packed("203.1.0.1"))] == ["w"]


def test_wide_networks_of_one_length_are_told_apart() -> None:
    """A length that concerns every slot is probed once, whatever the number of networks."""
    snapshot = load([block("10.0.0.0/8", id="ten"), block("11.0.0.0/8", id="eleven")])
    for address, expected in (("10.1.2.3", ["ten"]), ("11.1.2.3", ["eleven"]), ("12.1.2.3", [])):
        assert [hit.entry.id for hit in snapshot.hits(packed(address))] == expected
    assert len(snapshot._indexes[4]._wide) == 1


@pytest.mark.parametrize(
    "identifier",
    [
        pytest.param(Identifier("email", "a@b.example"), id="kind-of-a-newer-version"),
        pytest.param(Identifier("ip", "203.0.113.07"), id="value-that-is-none"),
        pytest.param(Identifier("network", "203.0.113.7/24"), id="host-bits"),
    ],
)
def test_what_cannot_be_indexed_is_counted_not_lost(identifier: Identifier) -> None:
    """An entry that this version cannot look up does no harm and can be reported."""
    snapshot = Snapshot()
    entry = block(identifier.value, kind=identifier.kind)
    for _ in range(2):
        snapshot.replace(identifier, [entry])
        assert (len(snapshot), snapshot.unindexed) == (0, {identifier: 1})
    snapshot.replace(identifier, [])
    assert snapshot.unindexed == {}


def test_an_entry_costs_little_memory() -> None:
    """1.3 million entries must fit 350 MiB beside the worker itself: 250 bytes each at most."""
    count = 10_000
    entries = [block(f"198.18.{number >> 8}.{number & 255}", id=f"{number:013}") for number in range(count)]
    tracemalloc.start()
    try:
        snapshot = load(entries[:1])
        before, _ = tracemalloc.get_traced_memory()
        for entry in entries:
            snapshot.replace(entry.identifier, [entry])
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(snapshot) == count
    assert (after - before) / count <= 250


def test_an_address_far_from_all_networks_probes_none() -> None:
    """The cost of a miss does not grow with the number of networks or of their lengths."""
    snapshot = load(block(f"203.0.{third}.0/{prefix}") for third in (0, 128) for prefix in range(17, 33))
    index = snapshot._indexes[4]
    assert index._slots.get(int.from_bytes(packed("198.51.100.1")) >> 16, index._wide) == ()
