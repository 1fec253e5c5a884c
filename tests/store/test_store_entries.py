from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
import pytest
from redis.asyncio import Redis
from store_entries import entry, identifier, put, take

import proxy.store.entries
from proxy.errors import StoreError
from proxy.store.entries import SLICE, Applied, Change, EntryStore, RecordConflictError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

A, B = entry("203.0.113.7"), entry("198.51.100.0/24")


async def test_what_was_put_is_read(store: EntryStore) -> None:
    """Records come back in the order asked, absent ones with no text."""
    assert await put(store, A, B) == 1
    records = await store.read([B.identifier, identifier("192.0.2.1"), A.identifier])
    assert [record.entries for record in records] == [(B,), (), (A,)]
    assert records[1].raw is None
    assert await store.count() == 2


async def test_a_change_sets_version_epoch_stream_and_audit_together(
    store: EntryStore, redis_client: Redis
) -> None:
    """One change: one version, one item in each stream, and an epoch that stays."""
    await put(store, A)
    epoch = (await store.read_head()).epoch
    [record] = await store.read([A.identifier])
    await store.apply([Change(record, ())], b'{"who":"ann"}')
    head = await store.read_head()
    assert (head.version, head.last_version, head.epoch) == (2, 2, epoch)
    items = await redis_client.xrange(store.keys.changes)
    assert [int(item[1][b"v"]) for item in items] == [1, 2]
    assert msgspec.json.decode(items[1][1][b"c"]) == [["ip:203.0.113.7", None]]
    assert (await redis_client.xrange(store.keys.audit))[1][1] == {b"v": b"2", b"a": b'{"who":"ann"}'}


async def test_an_empty_store_has_an_empty_head(store: EntryStore) -> None:
    """Nothing written is version 0 and no epoch."""
    assert (await store.read_head()).empty


async def test_the_second_of_two_writers_is_told(store: EntryStore) -> None:
    """Who changes what somebody else has changed since gets a conflict that shows it; nothing is written."""
    [mine] = await store.read([A.identifier])
    await put(store, A)
    theirs = entry("203.0.113.7", id="mine")
    with pytest.raises(RecordConflictError, match=r"203\.0\.113\.7") as caught:
        await store.apply([Change(mine, (theirs,))], b"{}")
    assert caught.value.record.entries == (A,)
    assert (await store.read_head()).version == 1


async def test_a_conflict_in_one_record_writes_none_of_the_change(store: EntryStore) -> None:
    """All of a change or none of it."""
    records = await store.read([A.identifier, B.identifier])
    await put(store, B)
    with pytest.raises(RecordConflictError):
        await store.apply([Change(records[0], (A,)), Change(records[1], (entry(B.value, id="x"),))], b"{}")
    assert [record.raw for record in await store.read([A.identifier])] == [None]


async def test_a_repeated_change_is_done_already(store: EntryStore) -> None:
    """A call that is sent again after a lost answer changes nothing more and is no conflict."""
    [record] = await store.read([A.identifier])
    change = Change(record, (A,))
    assert await store.apply([change], b"{}") == Applied(1, 1)
    assert await store.apply([change], b"{}") == Applied(1, 0)


async def test_concurrent_writers_each_win_or_are_told(
    valkey_url: str, store_name: str, store: EntryStore
) -> None:
    """However many write the same record at once, every change that counts was made on what was there."""
    async with EntryStore(valkey_url, store_name) as other:

        async def add(through: EntryStore, number: int) -> None:
            while True:
                [record] = await through.read([A.identifier])
                mine = (*record.entries, entry(A.value, id=f"n{number}"))
                try:
                    await through.apply([Change(record, mine)], b"{}")
                except RecordConflictError:
                    continue
                return

        await asyncio.gather(*(add((store, other)[number % 2], number) for number in range(20)))
    [record] = await store.read([A.identifier])
    assert {one.id for one in record.entries} == {f"n{number}" for number in range(20)}
    assert (await store.read_head()).version == 20


async def test_slices_stand_or_fall_alone(store: EntryStore) -> None:
    """In one round trip, a slice with a conflict does not hold up the others."""
    [first, second] = await store.read([A.identifier, B.identifier])
    await put(store, A)
    stale = [Change(first, (entry(A.value, id="x"),))]
    outcomes = await store.apply_slices([(stale, b"{}"), ([Change(second, (B,))], b"{}")])
    assert isinstance(outcomes[0], RecordConflictError)
    assert outcomes[1] == Applied(2, 1)


async def test_a_scan_finds_everything(store: EntryStore) -> None:
    """More records than a slice holds are all read, and a filter on the text leaves out the others."""
    entries = [entry(f"10.0.{number // 256}.{number % 256}") for number in range(SLICE)]
    await put(store, *entries)
    await put(store, *(entry(f"10.1.{n // 256}.{n % 256}", reason="fraud") for n in range(SLICE)))
    found = {one async for record in store.scan() for one in record.entries}
    assert len(found) == 2 * SLICE
    assert found >= set(entries)
    assert {record.entries[0] async for record in store.scan(containing=b'"abuse"')} == set(entries)


async def test_removing_leaves_nothing_behind(store: EntryStore, redis_client: Redis) -> None:
    """A record with no entries is no field of the hash."""
    await put(store, A)
    await take(store, A.value)
    assert await redis_client.hlen(store.keys.entries) == 0


async def test_a_full_slice_holds_the_server_for_less_than_5_ms(
    store: EntryStore, redis_client: Redis
) -> None:
    """Other clients do not feel a bulk write (the server's own clock, best of three)."""
    best = 1e9
    for attempt in range(3):
        before = await redis_client.info("commandstats")
        await put(store, *(entry(f"10.{attempt}.1.{n}", note="x" * 80) for n in range(SLICE)))
        after = await redis_client.info("commandstats")
        best = min(best, after["cmdstat_eval"]["usec"] - before.get("cmdstat_eval", {"usec": 0})["usec"])
    assert best < 5000


async def test_foreign_data_under_our_names_is_an_error(store: EntryStore, redis_client: Redis) -> None:
    """Keys of the wrong type or with text that is not ours are named, not overwritten."""
    await redis_client.set(store.keys.entries, "hello")
    with pytest.raises(StoreError, match="store_name"):
        await store.read([A.identifier])
    await redis_client.set(store.keys.version, "hello")
    with pytest.raises(StoreError, match="not ours"):
        await store.read_head()


async def test_the_change_stream_does_not_grow_for_ever(store: EntryStore, redis_client: Redis) -> None:
    """History older than some minutes is trimmed with the next change."""
    for number in range(300):
        await redis_client.xadd(store.keys.changes, {"v": number}, id=f"{1000 + number}-0")
    await put(store, A)
    assert await redis_client.xlen(store.keys.changes) < 150


# Everything the manual's ACL grants; each test leaves out one of them.
RIGHTS = (
    "+ping +client|setname +client|setinfo +select +multi +exec +eval +get +set +mget +hmget +hset +hdel "
    "+hlen +hscan +xadd +xtrim +xread +xrange +xrevrange +time"
)


@pytest.fixture
async def as_user(
    redis_client: Redis, valkey_url: str, store_name: str
) -> AsyncIterator[Callable[[str], Awaitable[EntryStore]]]:
    """Open the store as a user who lacks one command."""
    opened: list[EntryStore] = []

    async def open_without(command: str) -> EntryStore:
        rights = [right for right in RIGHTS.split() if right != f"+{command}"]
        await redis_client.execute_command(
            "ACL", "SETUSER", store_name, "on", ">pw", f"~{{{store_name}}}:*", "-@all", *rights
        )
        client: Redis = Redis.from_url(valkey_url, username=store_name, password="pw", protocol=2)
        opened.append(EntryStore(valkey_url, store_name, client=client))
        return opened[-1]

    yield open_without
    for store in opened:
        await store.close()
    await redis_client.execute_command("ACL", "DELUSER", store_name)


@pytest.fixture(params=["asks-the-acl", "tries-as-before-7"])
def script_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The script as it runs on Redis 7 and Valkey, and as on 6.2, which has no redis.acl_check_cmd."""
    if request.param == "tries-as-before-7":
        text = proxy.store.entries._APPLY.replace("if redis.acl_check_cmd then", "if false then")
        assert text != proxy.store.entries._APPLY
        monkeypatch.setattr(proxy.store.entries, "_APPLY", text)


async def everything(store: EntryStore, client: Redis) -> dict[str, object]:
    """Return all that the store holds."""
    keys = store.keys
    return {
        "entries": await client.hgetall(keys.entries),
        "head": await store.read_head(),
        "epoch": await client.get(keys.epoch),
        "changes": await client.xlen(keys.changes),
        "audit": await client.xlen(keys.audit) if await client.type(keys.audit) == b"stream" else None,
    }


@pytest.mark.usefixtures("script_way")
@pytest.mark.parametrize("command", ["xadd", "hset", "hdel", "set", "xrevrange"])
async def test_a_user_without_a_right_changes_nothing(
    command: str, store: EntryStore, redis_client: Redis, as_user: Callable[[str], Awaitable[EntryStore]]
) -> None:
    """No half of a change is ever written: above all, no block without its audit item."""
    await put(store, A)
    limited = await as_user(command)
    before = await everything(store, redis_client)
    old, new = await store.read([A.identifier, B.identifier])
    with pytest.raises(StoreError, match=r"(?i)ACL|error"):
        await limited.apply([Change(old, ()), Change(new, (B,))], b"{}")
    assert await everything(store, redis_client) == before


@pytest.mark.usefixtures("script_way")
@pytest.mark.parametrize("command", ["xtrim", "time"])
async def test_a_change_that_is_written_is_no_failure(
    command: str, store: EntryStore, as_user: Callable[[str], Awaitable[EntryStore]]
) -> None:
    """Who may not trim the history changes the lists all the same."""
    limited = await as_user(command)
    old, new = await store.read([A.identifier, B.identifier])
    assert await limited.apply([Change(old, (A,)), Change(new, (B,))], b"{}") == Applied(1, 2)
    [old] = await store.read([A.identifier])
    assert await limited.apply([Change(old, ())], b"{}") == Applied(2, 1)


@pytest.mark.parametrize("key", ["audit", "changes", "version", "epoch"])
async def test_foreign_data_under_one_name_stops_a_change_whole(
    key: str, store: EntryStore, redis_client: Redis
) -> None:
    """A key of another type is found before anything is written."""
    name = getattr(store.keys, key)
    await redis_client.rpush(name, "foreign")
    [record] = await store.read([A.identifier])
    with pytest.raises(StoreError, match="store_name"):
        await store.apply([Change(record, (A,))], b"{}")
    assert [k async for k in redis_client.scan_iter(f"{store.keys.entries[:-7]}*")] == [name.encode()]
