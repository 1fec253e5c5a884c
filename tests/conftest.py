"""What all tests share: a real Valkey server, started as the product starts its own, and the Hypothesis profile."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from redis.asyncio import Redis

from proxy.store.embedded import EmbeddedServer
from proxy.store.entries import EntryStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

# A busy machine's pauses are no failures of what is tested.
settings.register_profile("stockade", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("stockade")

_NAMES = itertools.count(1)


@pytest.fixture(scope="session")
def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a server on a unix socket that lives as long as the test run; share it, never flush it."""
    with EmbeddedServer(tmp_path_factory.mktemp("valkey")) as server:
        yield server.url


@pytest.fixture
def store_name() -> str:
    """A store name no other test uses, so that tests share the server and see nothing of each other."""
    return f"test-{os.getpid()}-{next(_NAMES)}"


@pytest.fixture
async def store(valkey_url: str, store_name: str) -> AsyncIterator[EntryStore]:
    """The test's own, empty store."""
    async with EntryStore(valkey_url, store_name) as opened:
        yield opened


@pytest.fixture
async def redis_client(valkey_url: str) -> AsyncIterator[Redis]:
    """A plain client to the shared server, to look and to meddle."""
    client: Redis = Redis.from_url(valkey_url, protocol=2)
    yield client
    await client.aclose()


@pytest.fixture
def settings_for_store(valkey_url: str, store_name: str, tmp_path: Path) -> Callable[..., Path]:
    """Write a settings file that names the test's own store; more lines may be given. Returns its path."""

    def write(*lines: str) -> Path:
        path = tmp_path / "stockade.toml"
        own = (f'store = "{valkey_url}"', f'store_name = "{store_name}"')
        path.write_text("\n".join([*own, *lines, ""]), encoding="utf-8")
        return path

    return write


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    """A server of this test alone, to be killed, paused and flushed; started and ready."""
    with EmbeddedServer(tmp_path / "data") as server:
        yield server
