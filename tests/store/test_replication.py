from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING

import pytest
import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis
from store_entries import entry, identifier, put, take, until

from proxy.identity.addresses import pack
from proxy.store.entries import SLICE, EntryStore, Head
from proxy.store.replication import Replica

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from proxy.policy.snapshot import Snapshot
    from proxy.store.embedded import EmbeddedServer

A, B = entry("203.0.113.7"), entry("198.51.100.0/24")
# Addresses that can be told apart by one probe each, and networks around them.
PLACES = ("192.0.2.1", "192.0.2.2", "192.0.2.0/24", "2001:db8::1", "2001:db8::/48")
PROBES = [pack(text) for text in ("192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1", "2001:db8::2")]


@contextlib.asynccontextmanager
async def following(url: str, name: str) -> AsyncIterator[Replica]:
    """A replica that has loaded and follows; `states` and `swaps` keep what it reported."""
    replica = make_replica(url, name)
    task = asyncio.create_task(replica.run())
    try:
        await asyncio.wait_for(replica.loaded.wait(), 10)
        await until(lambda: replica.state == "following")
        yield replica
    finally:
        await replica.close()
        await task


def make_replica(url: str, name: str) -> Replica:
    """Return a replica, not running yet, that keeps what it reports."""
    states: list[tuple[str, str]] = []
    swaps: list[Snapshot] = []
    replica = Replica(
        url, name, on_swap=swaps.append, on_state=lambda state, text: states.append((state, text))
    )
    replica.states, replica.swaps = states, swaps
    return replica


def ids_for(replica: Replica, text: str) -> set[str]:
    """Return the ids of the entries that cover an address."""
    return {hit.entry.id for hit in replica.snapshot.hits(pack(text))}


def picture(snapshot: Snapshot) -> list[list[tuple[str, str]]]:
    """Return all that can be seen of a snapshot through the probes."""
    return [[(hit.entry.id, hit.entry.value) for hit in snapshot.hits(probe)] for probe in PROBES]


async def test_it_loads_what_is_there(valkey_url: str, store: EntryStore, store_name: str) -> None:
    """A first load stands for the store's list version, and is handed over once."""
    await put(store, A, B)
    async with following(valkey_url, store_name) as replica:
        assert ids_for(replica, "203.0.113.7") == {A.id}
        assert ids_for(replica, "198.51.100.77") == {B.id}
        assert replica.snapshot.version == 1
        assert replica.swaps == [replica.snapshot]


async def test_changes_arrive_in_milliseconds(valkey_url: str, store: EntryStore, store_name: str) -> None:
    """A block and its removal are in force at once, without another load."""
    async with following(valkey_url, store_name) as replica:
        delays = []
        for _ in range(50):
            version = await put(store, A)
            began = time.perf_counter()
            await until(lambda: replica.snapshot.version >= version)  # noqa: B023 - awaited in the loop
            delays.append(time.perf_counter() - began)
            assert ids_for(replica, "203.0.113.7") == {A.id}
            version = await take(store, A.value)
            await until(lambda: replica.snapshot.version >= version)  # noqa: B023 - awaited in the loop
            assert ids_for(replica, "203.0.113.7") == set()
        assert sorted(delays)[25] < 0.02
        assert replica.reloads == 1


async def test_age_stays_near_a_second_and_grows_when_away(own_server: EmbeddedServer) -> None:
    """Age is how long the snapshot may have been out of step; before the first load there is none."""
    assert make_replica(own_server.url, "s").age(0.0) is None
    async with following(own_server.url, "s") as replica:
        await asyncio.sleep(1.5)
        assert replica.age(time.monotonic()) < 1.4
        own_server.stop()
        await until(lambda: replica.state == "away")
        await asyncio.sleep(0.3)
        assert replica.age(time.monotonic()) > 0.3


async def test_a_killed_server_is_waited_for(own_server: EmbeddedServer) -> None:
    """Kill -9 takes nothing from the snapshot; after the restart changes arrive again, without a reload."""
    async with EntryStore(own_server.url) as store, following(own_server.url, "stockade") as replica:
        await put(store, A)
        await until(lambda: replica.snapshot.version == 1)
        await asyncio.sleep(1.2)  # appendfsync everysec
        own_server.process.kill()
        own_server.process.wait()
        await until(lambda: replica.state == "away")
        assert ids_for(replica, "203.0.113.7") == {A.id}
        own_server.start()
        own_server.wait_ready()
        version = await put(store, B)
        await until(lambda: replica.snapshot.version == version, 2.0)
        assert replica.state == "following"
        assert replica.reloads == 1


async def test_a_start_without_a_server_is_no_failure(own_server: EmbeddedServer) -> None:
    """A worker that starts first says it is away and loads when the server comes."""
    own_server.stop()
    replica = make_replica(own_server.url, "stockade")
    task = asyncio.create_task(replica.run())
    await until(lambda: replica.state == "away")
    assert not replica.loaded.is_set()
    own_server.start()
    await asyncio.wait_for(replica.loaded.wait(), 5)
    await replica.close()
    await task


async def test_a_frozen_server_is_noticed(own_server: EmbeddedServer) -> None:
    """A server that neither answers nor hangs up is away within seconds, and caught up with afterwards."""
    async with EntryStore(own_server.url) as store, following(own_server.url, "stockade") as replica:
        await put(store, A)
        await until(lambda: replica.snapshot.version == 1)
        os.kill(own_server.process.pid, signal.SIGSTOP)
        try:
            await until(lambda: replica.state == "away", 8.0)
        finally:
            os.kill(own_server.process.pid, signal.SIGCONT)
        await put(store, B)
        await until(lambda: replica.snapshot.version == 2)


async def test_an_empty_server_does_not_empty_the_snapshot(own_server: EmbeddedServer) -> None:
    """After FLUSHALL the last snapshot is kept and the state says so loudly; a list as long ends it."""
    client = Redis.from_url(own_server.url)
    async with EntryStore(own_server.url) as store, following(own_server.url, "stockade") as replica:
        await put(store, A)
        await until(lambda: replica.snapshot.version == 1)
        await client.flushall()
        await until(lambda: replica.state == "degraded")
        assert "1 entries" in replica.message
        assert ids_for(replica, "203.0.113.7") == {A.id}
        await put(store, B)
        await until(lambda: replica.state == "following")
        assert ids_for(replica, "203.0.113.7") == set()
        assert ids_for(replica, "198.51.100.1") == {B.id}
    await client.aclose()


async def test_the_beginnings_of_another_list_do_not_replace_ours(own_server: EmbeddedServer) -> None:
    """One block after a FLUSHALL unblocks nobody: it takes somebody's word that the loss is accepted."""
    client = Redis.from_url(own_server.url)
    async with EntryStore(own_server.url) as store, following(own_server.url, "stockade") as replica:
        await put(store, A, B)
        await until(lambda: replica.snapshot.version == 1)
        await client.flushall()
        await put(store, entry("192.0.2.1"))
        await until(lambda: replica.state == "degraded")
        await until(lambda: "another list of 1 entries" in replica.message)
        await put(store, entry("192.0.2.2", id="x", expires=1.0))
        await take(store, "192.0.2.2")
        await asyncio.sleep(1.5)
        assert replica.state == "degraded"
        assert ids_for(replica, "203.0.113.7") == {A.id}
        lost = (await store.read_head()).lost
        assert (lost.entries, lost.version) == (2, 1)
        await store.accept_loss()
        await until(lambda: replica.state == "following")
        assert ids_for(replica, "203.0.113.7") == set()
        version = await put(store, entry("192.0.2.9"))
        await until(lambda: replica.snapshot.version == version)
        assert (await store.read_head()).lost is None
    await client.aclose()


async def test_a_restored_list_is_followed(own_server: EmbeddedServer) -> None:
    """The same list again, and another one that is no shorter, need nobody's word."""
    client = Redis.from_url(own_server.url, protocol=2)
    async with EntryStore(own_server.url) as store, following(own_server.url, "stockade") as replica:
        await put(store, A, B)
        await until(lambda: replica.snapshot.version == 1)
        dumps = {key: await client.dump(key) for key in await client.keys("*")}
        await put(store, entry("192.0.2.1"))
        await until(lambda: replica.snapshot.version == 2)
        await client.flushall()
        await until(lambda: replica.state == "degraded")
        await _restore(client, dumps)  # shorter, but ours
        await until(lambda: replica.state == "following")
        assert ids_for(replica, "192.0.2.1") == set()
        await client.flushall()
        await until(lambda: replica.state == "degraded")
        await put(store, A, entry("192.0.2.9"))
        await until(lambda: replica.state == "following")
        assert ids_for(replica, "192.0.2.9")
    await client.aclose()


async def test_a_store_that_vanishes_during_a_load_is_no_empty_list(own_server: EmbeddedServer) -> None:
    """What a load found is compared with what we hold before it is swapped in."""
    client = Redis.from_url(own_server.url)
    async with EntryStore(own_server.url) as store, following(own_server.url, "stockade") as replica:
        await put(store, A)
        await until(lambda: replica.snapshot.version == 1)
        await replica.close()
        await client.flushall()
        again = replica._store = EntryStore(own_server.url)
        loss = await replica._load()
        assert (loss.entries, loss.at.empty) == (0, True)
        assert ids_for(replica, "203.0.113.7") == {A.id}
        await again.close()
    await client.aclose()


async def test_a_server_that_lost_changes_is_followed_back(
    valkey_url: str, store: EntryStore, store_name: str, redis_client: Redis
) -> None:
    """A version that went back (a failover to a replica that was behind) leads to a reload."""
    await put(store, A)
    dumps = {key: await redis_client.dump(key) for key in await redis_client.keys(f"{{{store_name}}}*")}
    async with following(valkey_url, store_name) as replica:
        await put(store, B)
        await until(lambda: replica.snapshot.version == 2)
        pipe = redis_client.pipeline(transaction=True)
        for key, dump in dumps.items():
            pipe.restore(key, 0, dump, replace=True)
        await pipe.execute()
        await until(lambda: replica.reloads == 2)
        assert ids_for(replica, "198.51.100.1") == set()
        assert ids_for(replica, "203.0.113.7") == {A.id}


async def test_another_history_of_the_same_length_is_noticed(own_server: EmbeddedServer) -> None:
    """While we were cut off the server lost changes and counted on to our version and past it with others."""
    client = Redis.from_url(own_server.url, protocol=2)
    async with EntryStore(own_server.url) as store, following(own_server.url, "stockade") as replica:
        await put(store, A)
        dumps = {key: await client.dump(key) for key in await client.keys("*")}
        await put(store, B)
        await until(lambda: replica.snapshot.version == 2)
        os.kill(own_server.process.pid, signal.SIGSTOP)
        pipe = asyncio.create_task(_restore(client, dumps))
        kills = asyncio.create_task(client.client_kill_filter(skipme=True))
        await asyncio.sleep(0.05)
        os.kill(own_server.process.pid, signal.SIGCONT)
        await asyncio.gather(pipe, kills)
        await put(store, entry("192.0.2.1"))
        await put(store, entry("192.0.2.2"))
        await until(lambda: bool(ids_for(replica, "192.0.2.2")))
        assert ids_for(replica, "198.51.100.1") == set()
        assert ids_for(replica, "192.0.2.1")
    await client.aclose()


async def _restore(client: Redis, dumps: dict[bytes, bytes]) -> None:
    pipe = client.pipeline(transaction=True)
    for key, dump in dumps.items():
        pipe.restore(key, 0, dump, replace=True)
    await pipe.execute()


@pytest.mark.parametrize(
    "meddle",
    [
        pytest.param(lambda c, k: c.delete(k.changes), id="stream-deleted"),
        pytest.param(lambda c, k: c.xtrim(k.changes, maxlen=0, approximate=False), id="stream-trimmed"),
        pytest.param(lambda c, k: c.incr(k.version), id="version-left-out"),
        pytest.param(lambda c, k: c.xadd(k.changes, {"what": "ever"}), id="foreign-item"),
        pytest.param(lambda c, k: c.set(k.epoch, "another"), id="another-epoch"),
    ],
)
async def test_a_gap_leads_to_a_reload(
    meddle: object, valkey_url: str, store: EntryStore, store_name: str, redis_client: Redis
) -> None:
    """Whatever breaks the chain of changes, the replica ends with what the store holds."""
    await put(store, A)
    async with following(valkey_url, store_name) as replica:
        await meddle(redis_client, store.keys)
        await put(store, B)
        await until(lambda: bool(ids_for(replica, "198.51.100.1")))
        assert ids_for(replica, "203.0.113.7") == {A.id}
        await until(lambda: replica.state == "following")
        await put(store, entry("192.0.2.1"))
        await until(lambda: bool(ids_for(replica, "192.0.2.1")))


async def test_a_replica_that_missed_a_trimmed_stream_reloads(own_server: EmbeddedServer) -> None:
    """Away while changes were made and trimmed: the version does not follow on, so all is read again."""
    client = Redis.from_url(own_server.url, protocol=2)
    async with EntryStore(own_server.url) as store, following(own_server.url, "stockade") as replica:
        await put(store, A)
        await until(lambda: replica.snapshot.version == 1)
        os.kill(own_server.process.pid, signal.SIGSTOP)
        writes = asyncio.create_task(_write_and_trim(client, store))
        await asyncio.sleep(0.05)
        os.kill(own_server.process.pid, signal.SIGCONT)
        await writes
        await until(lambda: bool(ids_for(replica, "198.51.100.1")))
        assert ids_for(replica, "203.0.113.7") == set()
    await client.aclose()


async def _write_and_trim(client: Redis, store: EntryStore) -> None:
    await client.client_kill_filter(skipme=True)
    await take(store, A.value)
    await put(store, B)
    await put(store, entry("192.0.2.9"))
    await client.xtrim(store.keys.changes, maxlen=1, approximate=False)


async def test_unreadable_entries_do_not_stop_it(
    valkey_url: str, store: EntryStore, store_name: str, redis_client: Redis
) -> None:
    """Entries and kinds of a newer version are counted; all others are in force."""
    await put(store, A)
    await redis_client.hset(store.keys.entries, "colour:red", '[{"id":"x","list":"grey"}]')
    await redis_client.hset(store.keys.entries, b"\xff\xfe", b"\xff")
    async with following(valkey_url, store_name) as replica:
        assert ids_for(replica, "203.0.113.7") == {A.id}
        assert replica.unreadable >= 2


async def test_a_failing_callback_does_not_stop_it(
    valkey_url: str, store: EntryStore, store_name: str
) -> None:
    """Not even a mistake of ours ends the following."""
    failures = iter([RuntimeError("first swap")])

    def swap(_: Snapshot) -> None:
        for failure in failures:
            raise failure

    replica = Replica(valkey_url, store_name, on_swap=swap)
    task = asyncio.create_task(replica.run())
    await asyncio.wait_for(replica.loaded.wait(), 5)
    version = await put(store, A)
    await until(lambda: replica.snapshot.version == version)
    await replica.close()
    await task


async def test_a_failing_log_does_not_stop_it(own_server: EmbeddedServer) -> None:
    """Each state is told, each telling fails (whoever read the log is gone): it follows all the same."""
    told: list[str] = []

    def tell(state: str, _: str) -> None:
        told.append(state)
        raise BrokenPipeError

    replica = Replica(own_server.url, on_state=tell)
    task = asyncio.create_task(replica.run())
    await asyncio.wait_for(replica.loaded.wait(), 5)
    own_server.stop()
    await until(lambda: replica.state == "away")
    own_server.start()
    own_server.wait_ready()
    async with EntryStore(own_server.url) as store:
        version = await put(store, A)
        await until(lambda: replica.snapshot.version == version)
    assert {"loading", "following", "away"} <= set(told)
    await replica.close()
    await task


async def test_close_before_and_during_a_load(valkey_url: str, store_name: str) -> None:
    """Closing is quiet at any time."""
    await make_replica(valkey_url, store_name).close()
    replica = make_replica(valkey_url, store_name)
    task = asyncio.create_task(replica.run())
    await asyncio.sleep(0)
    await replica.close()
    await task


async def test_cancelling_run_ends_it(valkey_url: str, store_name: str) -> None:
    """A worker that cancels its tasks is obeyed."""
    replica = make_replica(valkey_url, store_name)
    task = asyncio.create_task(replica.run())
    await replica.loaded.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_it_runs_on_uvloop(valkey_url: str, store_name: str) -> None:
    """The worker's event loop is uvloop."""

    async def run() -> None:
        async with EntryStore(valkey_url, store_name) as store, following(valkey_url, store_name) as replica:
            version = await put(store, A)
            await until(lambda: replica.snapshot.version == version)

    uvloop.run(run())


async def test_requests_get_their_turn_during_a_load(
    valkey_url: str, store: EntryStore, store_name: str
) -> None:
    """The loop is never held for long while many entries are read (figures: median of the longest holds)."""
    for part in range(40):
        await put(store, *(entry(f"10.{part}.{n // 200}.{n % 200}") for n in range(SLICE)))
    longest = []
    for _ in range(3):
        gaps = [0.0]

        async def tick(gaps: list[float] = gaps) -> None:
            while True:
                began = time.perf_counter()
                await asyncio.sleep(0)
                gaps.append(time.perf_counter() - began)

        replica = make_replica(valkey_url, store_name)
        ticking = asyncio.create_task(tick())
        task = asyncio.create_task(replica.run())
        await asyncio.wait_for(replica.loaded.wait(), 20)
        ticking.cancel()
        longest.append(max(gaps))
        assert len(replica.snapshot) == 40 * SLICE
        await replica.close()
        await task
    assert sorted(longest)[1] < 0.05  # 1 to 3 ms alone; the machine may be busy with other tests


CHANGES = st.lists(
    st.tuples(st.lists(st.sampled_from(PLACES), min_size=1, max_size=3, unique=True), st.booleans()),
    min_size=1,
    max_size=12,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=CHANGES, join_at=st.integers(0, 11), joins=st.sampled_from(["loading", "loaded"]))
def test_following_from_any_point_equals_a_fresh_load(
    changes: list[tuple[list[str], bool]], join_at: int, joins: str, valkey_url: str
) -> None:
    """Whenever a replica joins, and whatever changes then, it ends as one that loads afresh."""

    async def run() -> None:
        name = f"property-{time.monotonic_ns()}"
        async with EntryStore(valkey_url, name) as store, contextlib.AsyncExitStack() as stack:
            follower = None
            version = 0
            for number, (texts, adds) in enumerate(changes):
                if number == min(join_at, len(changes) - 1):
                    follower = make_replica(valkey_url, name)
                    task = asyncio.create_task(follower.run())
                    stack.push_async_callback(asyncio.wait, [task])
                    stack.push_async_callback(follower.close)
                    if joins == "loaded":
                        await follower.loaded.wait()
                if adds:
                    version = await put(store, *(entry(text, id=f"{number}-{text}") for text in texts))
                else:
                    version = await take(store, *texts)
            await asyncio.wait_for(follower.loaded.wait(), 5)
            await until(lambda: follower.snapshot.version == version)
            async with following(valkey_url, name) as fresh:
                assert picture(follower.snapshot) == picture(fresh.snapshot)
                assert len(follower.snapshot) == len(fresh.snapshot)
                assert follower.snapshot.version == fresh.snapshot.version

    asyncio.run(run())


def test_identifiers_of_the_property_are_what_they_seem() -> None:
    """The probes cover each place, or the property would hold for nothing."""
    assert {identifier(text).kind for text in PLACES} == {"ip", "network"}


async def test_the_first_change_of_all_needs_no_second_load(
    valkey_url: str, store: EntryStore, store_name: str
) -> None:
    """A replica that loaded an empty store follows on to the first change, unless that is trimmed away."""
    replica = make_replica(valkey_url, store_name)
    await put(store, A)
    await put(store, B)
    assert await replica._continues(Head(), await store.read_head())
    await store._client.xtrim(store.keys.changes, maxlen=1, approximate=False)
    assert not await replica._continues(Head(), await store.read_head())
    await replica.close()
