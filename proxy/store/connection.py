"""Clients for Redis and Valkey, and the one place where the library's errors become ours."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from proxy.errors import StoreError
from proxy.settings.masking import hide_passwords

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis.asyncio import Redis

CONNECT_TIMEOUT = 2.0  # seconds; a server in the same data centre answers in milliseconds
ANSWER_TIMEOUT = 5.0  # seconds for one command: our longest runs 5 ms, the rest is a busy or forking server
SCHEMES = ("redis", "rediss", "unix")


_ENDS = re.compile(r"[\s\"']")  # what ends a URL in running text; here all of it is one
_WHO = re.compile(r"://.*@", re.DOTALL)


def masked(url: str) -> str:
    """Return `url` fit for messages and logs: passwords in it become ***, also when it cannot be parsed."""
    text = hide_passwords(_ENDS.sub(lambda found: quote(found[0]), url))
    return _WHO.sub("://***@", text) if _describe_mistake(url) else text


def _describe_mistake(url: str) -> str:
    """Return why `url` cannot be taken apart; "" when it can."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        # Not the library's words: they quote the part they trip over, which may be half of a password.
        return "its host and port cannot be read; in a password write % / ? # @ : as %25 %2F %3F %23 %40 %3A"
    return "" if parts.scheme in SCHEMES else "that is no Redis URL"


def open_client(
    url: str, *, retries: int = 3, answer_timeout: float = ANSWER_TIMEOUT, name: str = "stockade"
) -> Redis:
    """Return a client for `url` (redis://, rediss:// or unix://). It connects with its first command.

    Everything redis-py 8 would choose by itself is chosen here: it defaults to ten retries (minutes of
    silence when a server is away), and to RESP3, whose answers have other shapes. A command that is
    retried may have run already: whatever we send more than once is safe to run twice.
    """
    if mistake := _describe_mistake(url):
        raise StoreError(
            f"store {masked(url)!r}: {mistake}: write redis://host:6379/0, rediss://… for TLS, "
            "or unix:///path/to/socket"
        )
    tcp = {} if url.startswith("unix") else {"socket_keepalive": True}
    backoff = ExponentialWithJitterBackoff(base=0.05, cap=0.5) if retries else NoBackoff()
    try:
        client = redis.asyncio.Redis.from_url(
            url,
            protocol=2,
            client_name=name,
            socket_timeout=answer_timeout,
            socket_connect_timeout=CONNECT_TIMEOUT,
            socket_read_size=256 * 1024,
            health_check_interval=0,
            retry=Retry(backoff, retries),
            **tcp,
        )
        pool = client.connection_pool
        pool.connection_class(
            **pool.connection_kwargs
        )  # connects to nothing; what it does not know it refuses
    except (ValueError, TypeError, RedisError) as error:
        raise StoreError(f"store {masked(url)!r} cannot be used: {error}") from None
    return client


@contextmanager
def store_errors(url: str) -> Iterator[None]:
    """Raise StoreError, with a message that says what to do, for whatever the client library raises."""
    try:
        yield
    except (RedisError, OSError) as error:
        raise StoreError(explain_error(url, error)) from error


def explain_error(url: str, error: Exception) -> str:
    """Return one sentence on what the server at `url` did, and the way out."""
    text = str(error)
    for kind, start, meaning in _MEANINGS:
        if isinstance(error, kind) and text.startswith(start):
            return f"the store at {masked(url)} {meaning.format(_reason(error))}"
    return f"the store at {masked(url)} answered with an error: {text}"


def _reason(error: BaseException) -> str:
    """Return why, as the system says it when it is the cause: the library's text holds Python's own of a tuple."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno:
            # asyncio puts a text of its own in place of the system's; a name that is not found has no errno.
            return (os.strerror(cause.errno) if cause.errno > 0 else cause.strerror or str(cause)).lower()
        cause = cause.__cause__ or cause.__context__
    return str(error).rstrip(".") or type(error).__name__


# The first that fits, so subclasses come before what they derive from. {} is what the library says.
_MEANINGS: tuple[tuple[type[Exception], str, str], ...] = (
    (AuthenticationError, "", "refuses our user name or password: set `store` to redis://user:password@host"),
    (AuthorizationError, "", "refuses our user name or password: set `store` to redis://user:password@host"),
    (ResponseError, "NOAUTH", "wants a password: set `store` to redis://:password@host"),
    (ResponseError, "WRONGPASS", "refuses our password: set `store` to redis://user:password@host"),
    (NoPermissionError, "", "does not let our user do this ({}): widen its ACL"),
    (BusyLoadingError, "", "is still loading its data: try again in a moment"),
    (ReadOnlyError, "", "is a read-only replica: point `store` at the primary"),
    (OutOfMemoryError, "", "has no memory left for new entries: raise its maxmemory"),
    (ResponseError, "MISCONF", "takes no changes because it cannot save to its disk: see its log and disk"),
    (ResponseError, "WRONGTYPE", "keeps something else under our names: set another `store_name`"),
    (RedisTimeoutError, "", "does not answer in time: see whether it is overloaded or cut off"),
    (RedisConnectionError, "", "cannot be reached ({}): see whether the server runs"),
    (OSError, "", "cannot be reached ({}): see whether the server runs"),
)
