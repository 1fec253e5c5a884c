from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.errors import InputError
from proxy.identity.addresses import pack
from proxy.identity.forwarding import Forwarding
from proxy.identity.identifiers import parse_identifier
from proxy.identity.networks import NetworkSet, parse_network
from proxy.management.covering import covering_identifiers, read_snapshot
from proxy.management.entries import Addition, add
from proxy.management.explain import Explanation, Question, explain
from proxy.management.guard_rails import GuardRails
from proxy.policy.decision import decide
from proxy.policy.entry import Entry
from proxy.policy.snapshot import Snapshot
from proxy.store.entries import Change, EntryStore, Held

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

NOW = 1_800_000_000.0
TRUSTED = NetworkSet([parse_network("10.0.0.0/8")[0]])
FORWARDING = Forwarding(trusted=TRUSTED)


async def put(store: EntryStore, list_name: str, text: str, **given_: Any) -> None:
    """Put one address or network on a list."""
    what = [parse_identifier(text, exact=True)[0]]
    addition = Addition(**{"list": list_name, "identifiers": what, "author": "ann", "force": True, **given_})
    await add(store, addition, GuardRails(), NOW - 60)


async def ask(store: EntryStore, address: str | None, **given_: Any) -> Explanation:
    """Explain an address."""
    mode = given_.pop("mode", "enforce")
    forwarding = given_.pop("forwarding", FORWARDING)
    return await explain(store, Question(address=address, **given_), forwarding, mode, NOW)


async def test_nothing_found_is_let_in(store: EntryStore) -> None:
    """An empty list refuses nobody."""
    found = await ask(store, "203.0.113.7")
    assert not found.refused
    assert found.answer == "let in: nothing on the lists is about it"


async def test_a_block_says_until_when_and_by_what(store: EntryStore) -> None:
    """The most specific of several blocks decides; all are named."""
    await put(store, "block", "203.0.113.0/24", reason="abuse")
    await put(store, "block", "203.0.113.7", reason="fraud", expires=NOW + 60, end_given=True)
    found = await ask(store, "203.0.113.7")
    assert found.refused
    assert found.decided_by.value == "203.0.113.7"
    assert [entry.value for entry in found.hits] == ["203.0.113.7", "203.0.113.0/24"]
    assert 'public reason "fraud"' in found.answer
    assert "most specific" in found.answer
    assert "(the end of the block of 203.0.113.0/24), public reason" in found.answer


async def test_an_end_that_never_comes_is_explained(store: EntryStore) -> None:
    """The narrow block ends, the wider one does not: it is named. An end that is the deciding block's needs no word."""
    await put(store, "block", "203.0.113.0/24", reason="abuse", end_given=True)
    await put(store, "block", "203.0.113.7", reason="fraud", expires=NOW + 60, end_given=True)
    answer = (await ask(store, "203.0.113.7")).answer
    assert answer.startswith("refused with no end (for the block of 203.0.113.0/24 has none), public reason")
    assert (await ask(store, "203.0.113.8")).answer.startswith("refused with no end, public reason")


async def test_an_allow_entry_to_come_ends_a_refusal(store: EntryStore) -> None:
    """The end is no block's, so none is named."""
    await put(store, "block", "203.0.113.7", end_given=True)
    allowed = Entry(
        id="A",
        list="allow",
        kind="ip",
        value="203.0.113.7",
        case="C",
        origin="cli",
        author="ann",
        created=NOW,
        reason="",
        starts=NOW + 60,
    )
    [record] = await store.read([allowed.identifier])
    await store.apply([Change(record, (*record.entries, allowed))], b"{}")
    assert "(when another entry begins or ends)" in (await ask(store, "203.0.113.7")).answer


async def test_allow_beats_block(store: EntryStore) -> None:
    """A wide allow entry wins over a narrow block."""
    await put(store, "block", "203.0.113.7")
    await put(store, "allow", "203.0.0.0/16")
    found = await ask(store, "203.0.113.7")
    assert not found.refused
    assert found.answer == "let in: the allow entry of 203.0.0.0/16 allows it, which beats the block found"


@pytest.mark.parametrize(
    ("given_", "mode", "why"),
    [
        pytest.param({"mode": "monitor"}, "enforce", "the block only monitors", id="entry"),
        pytest.param({}, "monitor", "the service runs in monitor mode", id="service"),
    ],
)
async def test_monitor_mode_is_named(given_: dict, mode: str, why: str, store: EntryStore) -> None:
    """Let in, recorded, and why."""
    await put(store, "block", "203.0.113.7", **given_)
    found = await ask(store, "203.0.113.7", mode=mode)
    assert (found.refused, found.would_refuse) == (False, True)
    assert why in found.answer


@pytest.mark.parametrize(
    ("given_", "area", "why"),
    [
        pytest.param({"expires": NOW - 1, "end_given": True}, "browse", "it ended on", id="ended"),
        pytest.param(
            {"scope": ("checkout",)}, "browse", "it is about checkout, not browse", id="another-area"
        ),
        pytest.param({}, "webhook", "it is about site, not webhook", id="exempt-area"),
    ],
)
async def test_entries_without_effect_say_why(given_: dict, area: str, why: str, store: EntryStore) -> None:
    """A block that does not count is shown with the reason, so that nobody wonders."""
    await put(store, "block", "203.0.113.7", **given_)
    found = await ask(store, "203.0.113.7", area=area)
    assert not found.refused
    assert why in found.without_effect[0]


@pytest.mark.parametrize(
    ("given_", "client", "how"),
    [
        pytest.param({}, "203.0.113.7", "taken as given", id="alone"),
        pytest.param({"peer": "10.0.0.1"}, "203.0.113.7", "no trusted proxy", id="through-a-proxy"),
        pytest.param({"peer": "198.51.100.1"}, "198.51.100.1", "ignored", id="through-a-stranger"),
        pytest.param(
            {"peer": "10.0.0.1", "headers": ("X-Forwarded-For: 9.9.9.9, 192.0.2.1",)},
            "192.0.2.1",
            "",
            id="header",
        ),
        pytest.param(
            {"headers": ("X-Forwarded-For: 192.0.2.1",)}, "203.0.113.7", "ignored", id="address-is-the-peer"
        ),
        pytest.param(
            {"peer": "10.0.0.1", "forwarding": Forwarding(trusted=TRUSTED, header=b"forwarded")},
            "203.0.113.7",
            "",
            id="forwarded",
        ),
    ],
)
async def test_the_client_address_is_derived_as_the_worker_does(
    given_: dict, client: str, how: str, store: EntryStore
) -> None:
    """Peer and headers go through the same code."""
    found = await ask(store, "203.0.113.7", **given_)
    assert found.client_address == client
    assert how in found.how


@pytest.mark.parametrize(
    ("given_", "client"),
    [
        pytest.param(
            {"peer": "10.0.0.1", "headers": ("X-Forwarded-For: 192.0.2.1",)}, "192.0.2.1", id="both"
        ),
        pytest.param({"peer": "198.51.100.1"}, "198.51.100.1", id="a-peer-that-says-nothing"),
    ],
)
async def test_peer_and_headers_need_no_address(given_: dict, client: str, store: EntryStore) -> None:
    """The address is what they give."""
    assert (await ask(store, None, **given_)).client_address == client


async def test_what_makes_the_answer_doubtful_is_said(store: EntryStore, redis_client: Redis) -> None:
    """Entries that cannot be read, and a list that only workers still hold."""
    assert (await ask(store, "203.0.113.7")).warnings == ()
    await redis_client.hset(store.keys.entries, "ip:203.0.113.7", '[{"id":"x","list":"watch"}]')
    await store.hold(Held("before", 77, 1234))
    lost, unreadable = (await ask(store, "203.0.113.7")).warnings
    assert "1,234 entries" in lost
    assert "1 entry cannot be read" in unreadable


async def test_an_ipv6_shopper_behind_a_forwarded_proxy(store: EntryStore) -> None:
    """IPv6 addresses stand in brackets and quotes in Forwarded (RFC 7239 section 6)."""
    forwarding = Forwarding(trusted=TRUSTED, header=b"forwarded")
    assert (
        await ask(store, "2001:db8::7", peer="10.0.0.1", forwarding=forwarding)
    ).client_address == "2001:db8::7"


async def test_an_unreadable_header_is_refused_when_so_set(store: EntryStore) -> None:
    """The setting for unreadable headers is part of the answer."""
    question = {"peer": "10.0.0.1", "headers": ("X-Forwarded-For: unknown",)}
    assert not (await ask(store, "10.0.0.1", **question)).refused
    strict = Forwarding(trusted=TRUSTED, unreadable="refuse")
    found = await ask(store, "10.0.0.1", forwarding=strict, **question)
    assert found.refused
    assert "400" in found.answer


@pytest.mark.parametrize(
    "given_",
    [
        pytest.param({"address": "1.2.3"}, id="address"),
        pytest.param({"address": "1.2.3.4", "peer": "x"}, id="peer"),
        pytest.param({"address": "1.2.3.4", "headers": ("nonsense",)}, id="header"),
        pytest.param({"address": "1.2.3.4", "area": "moon"}, id="area"),
        pytest.param({"address": None}, id="neither-address-nor-peer"),
        pytest.param({"address": None, "headers": ("X-Forwarded-For: 1.2.3.4",)}, id="header-of-nobody"),
    ],
)
async def test_bad_questions_are_refused(given_: dict, store: EntryStore) -> None:
    """What is no address, header or area is wrong input."""
    with pytest.raises(InputError):
        await ask(store, **given_)


@pytest.mark.parametrize(("text", "count"), [("203.0.113.7", 34), ("2001:db8::1", 130)])
def test_an_address_has_few_identifiers(text: str, count: int) -> None:
    """One address asks for a few fields, however long the list is."""
    assert len(covering_identifiers(pack(text))) == count


NEARBY = st.sampled_from(
    [
        "192.0.2.1",
        "192.0.2.2",
        "192.0.2.0/24",
        "192.0.2.0/31",
        "0.0.0.0/0",
        "2001:db8::1",
        "2001:db8::/64",
        "::/0",
    ]
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    listed=st.lists(st.tuples(st.sampled_from(["block", "allow"]), NEARBY), max_size=8),
    probes=st.lists(
        st.sampled_from(["192.0.2.1", "192.0.2.3", "2001:db8::1", "9.9.9.9"]), min_size=1, max_size=4
    ),
)
def test_few_fields_decide_as_the_whole_list_does(
    listed: Sequence[tuple[str, str]], probes: Sequence[str], valkey_url: str
) -> None:
    """The small snapshot of one address gives the decision that the full one gives."""
    import asyncio  # noqa: PLC0415 - hypothesis runs this test without a loop of its own

    async def run() -> None:
        async with EntryStore(valkey_url, f"explain-{time.monotonic_ns()}") as store:
            for list_name, text in listed:
                await put(store, list_name, text)
            whole = Snapshot()
            async for record in store.scan():
                whole.replace(record.identifier, record.entries)
            for probe in map(pack, probes):
                small = await read_snapshot(store, probe)
                args = (probe, "browse", NOW)
                assert decide(small, *args, mode="enforce") == decide(whole, *args, mode="enforce")

    asyncio.run(run())
