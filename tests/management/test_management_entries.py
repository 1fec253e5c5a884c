from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from proxy.errors import ConflictError, InputError, StoreError
from proxy.identity.identifiers import Identifier, parse_identifier
from proxy.management.doubts import Doubts
from proxy.management.entries import FEW, Addition, Result, add, remove
from proxy.management.guard_rails import GuardRails
from proxy.management.listing import Filter, find_entries
from proxy.management.times import DEFAULT_BLOCK_DAYS
from proxy.management.writing import InterruptedWriteError, LostListError
from proxy.store.entries import SLICE, SLICES_AT_ONCE, EntryStore, Held

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from proxy.store.embedded import EmbeddedServer

NOW = 1_800_000_000.0
DAY = 86_400.0
RAILS = GuardRails()
X = "203.0.113.7"


def identifiers(*texts: str) -> list[Identifier]:
    """Return the identifiers of addresses and networks."""
    return [parse_identifier(text)[0] for text in texts]


async def block(store: EntryStore, *texts: str, now: float = NOW, **given: Any) -> Result:
    """Block addresses as the command does."""
    addition = Addition(**{"list": "block", "identifiers": identifiers(*texts), "author": "ann", **given})
    return await add(store, addition, RAILS, now)


async def read(store: EntryStore, text: str) -> tuple:
    """Return the entries of one identifier."""
    [record] = await store.read(identifiers(text))
    return record.entries


async def test_a_block_is_a_case_of_one_that_ends(store: EntryStore) -> None:
    """What is not said has a default: an end in 90 days, a case, no public reason."""
    result = await block(store, X)
    [entry] = await read(store, X)
    assert result.outcomes[0].change == "added"
    assert (entry.list, entry.mode, entry.reason, entry.author, entry.origin) == (
        "block",
        "enforce",
        "unspecified",
        "ann",
        "cli",
    )
    assert entry.case == result.case
    assert entry.expires == NOW + DEFAULT_BLOCK_DAYS * DAY
    assert entry.check() is entry


async def test_a_command_makes_one_case(store: EntryStore) -> None:
    """All that one command adds belongs together; ids differ."""
    result = await block(store, X, "198.51.100.0/24", X)
    assert len(result.outcomes) == 2
    assert len({one.entry.id for one in result.outcomes}) == 2
    assert {one.entry.case for one in result.outcomes} == {result.case}


async def test_blocking_again_renews_the_entry(store: EntryStore) -> None:
    """Id, case, creation and what is not said stay; the end, the reason and the note follow what is said."""
    await block(store, X, reason="fraud", note="order 1")
    [before] = await read(store, X)
    result = await block(
        store, X, now=NOW + DAY, reason="abuse", expires=NOW + 5 * DAY, end_given=True, author="bob"
    )
    [after] = await read(store, X)
    assert result.outcomes[0].change == "changed"
    assert result.outcomes[0].before == before
    assert after == msgspec.structs.replace(before, reason="abuse", expires=NOW + 5 * DAY)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        pytest.param({"end_given": True}, {}, None, id="no-end-stays"),
        pytest.param({"end_given": True, "expires": NOW + DAY}, {}, NOW + DAY, id="end-stays"),
        pytest.param({}, {"end_given": True}, None, id="ever-is-taken"),
        pytest.param(
            {"end_given": True}, {"end_given": True, "expires": NOW + DAY}, NOW + DAY, id="shorter-if-told"
        ),
    ],
)
async def test_an_end_changes_only_when_told(
    first: dict, second: dict, expected: float | None, store: EntryStore
) -> None:
    """Who says nothing about the end does not shorten or lengthen a block that stands."""
    await block(store, X, **first)
    await block(store, X, **second)
    assert (await read(store, X))[0].expires == expected


async def test_an_ended_block_stands_again(store: EntryStore) -> None:
    """Blocking what was blocked once gives it a new end."""
    await block(store, X, end_given=True, expires=NOW + DAY)
    await block(store, X, now=NOW + 2 * DAY)
    assert (await read(store, X))[0].expires == NOW + (2 + DEFAULT_BLOCK_DAYS) * DAY


async def test_the_same_again_writes_nothing(store: EntryStore) -> None:
    """A repeated command is no change of the list."""
    await block(store, X)
    head = await store.read_head()
    assert (await block(store, X)).outcomes[0].change == "unchanged"
    assert await store.read_head() == head


async def test_block_and_allow_stand_side_by_side(store: EntryStore) -> None:
    """Lists do not replace each other, and a block that an allow entry beats says so."""
    await block(store, X)
    result = await block(store, "203.0.113.0/24", list="allow", reason=None, note="office")
    assert result.outcomes[0].entry.expires is None
    again = await block(store, X, reason="fraud")
    assert [one.value for one in again.outcomes[0].over] == ["203.0.113.0/24"]
    allowed = await block(store, X, list="allow", reason=None)
    assert [one.value for one in allowed.outcomes[0].over] == [X]
    assert {entry.list for entry in await read(store, X)} == {"block", "allow"}


async def test_allows_over_many_blocks_are_found(store: EntryStore) -> None:
    """For a file's worth of blocks too, those that an allow entry beats are named."""
    await block(store, "10.9.0.0/24", list="allow", reason=None)
    result = await block(store, *(f"10.9.{n // 100}.{n % 100}" for n in range(FEW + 100)))
    over = {one.identifier.value for one in result.outcomes if one.over}
    assert over == {f"10.9.0.{n}" for n in range(100)}


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"reason": "review"}, id="review-is-no-reason"),
        pytest.param({"reason": "nonsense"}, id="unknown-reason"),
        pytest.param({"expires": NOW - 1, "end_given": True}, id="ends-before-it-starts"),
        pytest.param({"scope": ("moon",)}, id="unknown-scope"),
        pytest.param({"identifiers": identifiers(X, "127.0.0.1")}, id="one-refused-by-the-rails"),
    ],
)
async def test_bad_input_writes_nothing(given: dict, store: EntryStore) -> None:
    """One mistake and nothing stands."""
    with pytest.raises(InputError):
        await block(store, X, **given)
    assert (await store.read_head()).empty


async def test_force_does_what_the_rails_refuse(store: EntryStore) -> None:
    """The operator has the last word."""
    await block(store, "127.0.0.1", force=True)
    assert await read(store, "127.0.0.1")


async def test_unblocking_takes_every_block_and_leaves_allows(store: EntryStore) -> None:
    """Whatever the scope; the note of who allowed it stays."""
    await block(store, X)
    await block(store, X, scope=("checkout",))
    await block(store, X, list="allow", reason=None)
    result = await remove(store, identifiers(X), "block", author="bob", now=NOW)
    assert result.outcomes[0].change == "removed"
    assert [entry.list for entry in await read(store, X)] == ["allow"]
    assert (await remove(store, identifiers(X), "allow", author="bob", now=NOW)).outcomes[
        0
    ].change == "removed"
    assert await store.count() == 0


async def test_unblocking_what_a_network_covers_names_the_network(store: EntryStore) -> None:
    """An address that is refused by a wider block is still refused, and by what is said."""
    await block(store, "203.0.112.0/23", "203.0.113.0/24", X)
    removed = (await remove(store, identifiers(X), "block", author="bob", now=NOW)).outcomes[0]
    assert removed.change == "removed"
    assert [one.value for one in removed.over] == ["203.0.113.0/24", "203.0.112.0/23"]
    absent = (await remove(store, identifiers("203.0.112.9"), "block", author="bob", now=NOW)).outcomes[0]
    assert (absent.change, [one.value for one in absent.over]) == ("absent", ["203.0.112.0/23"])
    later = (
        await remove(store, identifiers("203.0.112.9"), "block", author="bob", now=NOW + 1000 * DAY)
    ).outcomes[0]
    assert later.over == ()


async def test_the_audit_says_who_did_what(store: EntryStore, redis_client: Redis) -> None:
    """Who, when, what, and what stood before."""
    await block(store, X, note="order 1042")
    await remove(store, identifiers(X), "block", author="bob", now=NOW + 1)
    items = [msgspec.json.decode(item[1][b"a"]) for item in await redis_client.xrange(store.keys.audit)]
    assert [(item["author"], item["action"], item["at"]) for item in items] == [
        ("ann", "block", NOW),
        ("bob", "remove-block", NOW + 1),
    ]
    assert items[1]["before"][0][0]["note"] == "order 1042"
    assert items[1]["identifiers"] == [f"ip:{X}"]


async def test_operators_who_act_at_once_all_count(
    valkey_url: str, store_name: str, store: EntryStore
) -> None:
    """Commands on the same address at the same moment neither fail nor lose each other's entry."""
    async with EntryStore(valkey_url, store_name) as other:
        await asyncio.gather(
            block(store, X, "198.51.100.1"),
            block(other, X, list="allow", reason=None),
            block(store, X, scope=("checkout",)),
        )
    assert len(await read(store, X)) == 3


class Contested(EntryStore):
    """A store in which somebody else is faster every time."""

    async def read(self, wanted: Sequence[Identifier]) -> list:
        """Read, then change what was read."""
        records = await super().read(wanted)
        async with EntryStore(self.url, self.keys.entries[1:].partition("}")[0]) as other:
            await block(other, X, note=str(self.turn))
        self.turn += 1
        return records

    turn = 0


async def test_a_record_that_keeps_changing_is_given_up(valkey_url: str, store_name: str) -> None:
    """After a few attempts the operator is asked to look."""
    async with Contested(valkey_url, store_name) as store:
        with pytest.raises(ConflictError, match="somebody else changed"):
            await block(store, X, reason="fraud")


class Breaking(EntryStore):
    """A store whose server dies after some windows."""

    windows = 2

    async def apply_slices(self, slices: Any) -> list:
        """Apply, or find the server dead."""
        self.windows -= 1
        if self.windows < 0:
            raise StoreError("the store at x cannot be reached")
        return await super().apply_slices(slices)


async def test_an_interrupted_write_says_what_stands(valkey_url: str, store_name: str) -> None:
    """How many are written for certain, how many may be, and that running it again is safe."""
    window = SLICE * SLICES_AT_ONCE
    many = [Identifier("ip", f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}") for n in range(3 * window)]
    async with Breaking(valkey_url, store_name) as store:
        with pytest.raises(
            InterruptedWriteError, match=r"4,000 of 6,000 are written .*2,000 may be.*again is safe"
        ):
            await block(store, identifiers=many)
        store.windows = 99
        result = await block(store, identifiers=many)
        assert (result.count("unchanged"), result.count("added")) == (2 * window, window)
        assert await store.count() == len(many)


async def test_a_store_that_is_away_writes_nothing_and_says_so(own_server: EmbeddedServer) -> None:
    """No server, no half command."""
    async with EntryStore(own_server.url) as store:
        own_server.stop()
        with pytest.raises(StoreError, match="cannot be reached"):
            await block(store, X)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        pytest.param(Filter(), {"203.0.113.7", "203.0.113.0/24", "192.0.2.1"}, id="all-that-stand"),
        pytest.param(Filter(list="block"), {"203.0.113.7", "203.0.113.0/24"}, id="list"),
        pytest.param(Filter(kind="network"), {"203.0.113.0/24"}, id="kind"),
        pytest.param(Filter(reason="fraud"), {"203.0.113.7"}, id="reason"),
        pytest.param(Filter(ended=True), {"198.51.100.1"}, id="ended"),
        pytest.param(
            Filter(contains=identifiers("203.0.113.7")[0]), {"203.0.113.7", "203.0.113.0/24"}, id="contains"
        ),
        pytest.param(
            Filter(contains=identifiers("203.0.113.0/25")[0]), {"203.0.113.0/24"}, id="contains-network"
        ),
        pytest.param(Filter(list="allow", reason="fraud"), set(), id="nothing"),
    ],
)
async def test_listing(wanted: Filter, found: set[str], store: EntryStore) -> None:
    """Each filter admits what it says."""
    await block(store, "203.0.113.7", reason="fraud")
    await block(store, "203.0.113.0/24", reason="abuse")
    await block(store, "192.0.2.1", list="allow", reason=None)
    await block(store, "198.51.100.1", reason="fraud", now=NOW - 200 * DAY)
    assert {entry.value async for entry in find_entries(store, wanted, NOW, Doubts())} == found


async def test_a_store_that_lost_its_list_takes_no_change(store: EntryStore, redis_client: Redis) -> None:
    """While workers hold a list that the store has lost, neither command pretends: both are refused."""
    await store.hold(Held("before", 77, 1234))
    with pytest.raises(LostListError, match=r"1,234 entries .*77.*Restore .*--force"):
        await block(store, X)
    with pytest.raises(LostListError):
        await remove(store, identifiers(X), "block", author="bob", now=NOW)
    assert await store.count() == 0
    doubts = Doubts()
    assert [entry async for entry in find_entries(store, Filter(), NOW, doubts)] == []
    assert "1,234 entries" in doubts.lines()[0]

    await block(store, X, force=True)
    head = await store.read_head()
    assert (head.lost, head.begun_on_purpose, head.version) == (None, True, 1)
    [item] = await redis_client.xrange(store.keys.audit)
    assert msgspec.json.decode(item[1][b"a"])["accepted_loss"]["entries"] == 1234
    await block(store, "198.51.100.1")


async def test_a_healthy_list_is_not_given_up_by_force(store: EntryStore) -> None:
    """Force against the guard rails says nothing about a list that is there."""
    await block(store, X)
    await block(store, "127.0.0.1", force=True)
    assert not (await store.read_head()).begun_on_purpose


async def test_a_command_faster_than_the_workers_may_be_repeated_with_force(store: EntryStore) -> None:
    """A block written before a worker noticed the loss is not followed; the same with force is."""
    await block(store, X)
    await store.hold(Held("before", 77, 1234))
    assert (await block(store, X, force=True)).count("unchanged") == 1
    assert (await store.read_head()).begun_on_purpose
