from __future__ import annotations

import pytest
import redis.exceptions as e
from redis._parsers import BaseParser

from proxy.errors import StoreError
from proxy.store.connection import explain_error, masked, open_client, store_errors
from proxy.store.entries import EntryStore


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        pytest.param("redis://h:6379/0", "redis://h:6379/0", id="plain"),
        pytest.param("redis://:geheim@h:6379/0", "redis://:***@h:6379/0", id="password"),
        pytest.param("rediss://u:ge@heim@h/1", "rediss://u:***@h/1", id="at-sign-in-password"),
        pytest.param(
            "unix:///run/v.sock?db=1&password=geheim", "unix:///run/v.sock?db=1&password=***", id="unix"
        ),
        pytest.param("redis://[::1", "redis://[::1", id="broken"),
        pytest.param("redis://:pa/ss@h:6379/0", "redis://***@h:6379/0", id="slash-in-password"),
        pytest.param("redis://:pa?ss@h:6379/0", "redis://***@h:6379/0", id="question-mark-in-password"),
        pytest.param("redis://:pa#ss@h:6379/0", "redis://***@h:6379/0", id="hash-in-password"),
        pytest.param("redis://u:pa ss'\"\n@h/0", "redis://u:***@h/0", id="blanks-and-quotes-in-password"),
        pytest.param("redis://se[cret@h/0", "redis://***@h/0", id="broken-and-no-colon"),
        pytest.param(
            "redis://h/0?ssl_password=a&db=1", "redis://h/0?ssl_password=***&db=1", id="key-password"
        ),
        pytest.param(
            "redis://h/0?db=1&Api%54oken=a@b c", "redis://h/0?db=1&Api%54oken=***", id="encoded-key"
        ),
        pytest.param("http://u:geheim@h", "http://***@h", id="no-redis-url"),
    ],
)
def test_a_password_is_never_shown(url: str, shown: str) -> None:
    """Messages carry the URL without its password."""
    assert masked(url) == shown


@pytest.mark.parametrize(
    "url",
    ["http://h", "h:6379", "", "redis://h:port/0", "redis://[::1", "redis://:geheim/1@h", "redis://h:99999"],
)
def test_what_is_no_redis_url_is_refused(url: str) -> None:
    """A wrong URL is a StoreError before anything connects, and quotes no password."""
    with pytest.raises(StoreError, match=r"redis://host:6379/0") as caught:
        open_client(url)
    assert "geheim" not in str(caught.value)


def test_an_option_that_nobody_knows_is_refused() -> None:
    """By its name, before anything connects; not as a mistake of ours with the first command."""
    with pytest.raises(StoreError, match="'colour'"):
        open_client("redis://h/0?colour=red")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        pytest.param("NOAUTH Authentication required.", "password", id="noauth"),
        pytest.param("WRONGPASS invalid username-password pair", "password", id="wrongpass"),
        pytest.param("NOPERM this user has no permissions", "ACL", id="noperm"),
        pytest.param("LOADING Redis is loading the dataset", "loading", id="loading"),
        pytest.param("READONLY You can't write against a replica", "primary", id="readonly"),
        pytest.param("OOM command not allowed", "maxmemory", id="oom"),
        pytest.param("MISCONF Redis is configured to save", "disk", id="misconf"),
        pytest.param("WRONGTYPE Operation against a key", "store_name", id="wrongtype"),
        pytest.param("ERR something new", "something new", id="unknown"),
    ],
)
def test_each_refusal_says_the_way_out(answer: str, told: str) -> None:
    """What a server can answer becomes one sentence that a person can act on, without the password."""
    text = explain_error("redis://:geheim@h/0", BaseParser.parse_error(answer))
    assert told in text
    assert "geheim" not in text


@pytest.mark.parametrize("error", [e.TimeoutError("x"), e.ConnectionError("x"), OSError(111, "refused")])
def test_library_errors_become_ours(error: Exception) -> None:
    """Nothing of the client library leaves the store package."""
    with pytest.raises(StoreError), store_errors("redis://h/0"):
        raise error


async def test_a_server_that_is_not_there_is_a_store_error() -> None:
    """A refused connection says which store cannot be reached."""
    async with EntryStore("unix:///nonexistent/valkey.sock") as store:
        with pytest.raises(StoreError, match=r"unix:///nonexistent/valkey.sock cannot be reached"):
            await store.read_head()


async def test_why_a_store_is_away_is_said_in_plain_words() -> None:
    """The system's word for it, not the library's text with a tuple of Python's in it."""
    async with EntryStore("redis://127.0.0.1:1/0") as store:
        with pytest.raises(StoreError) as refused:
            await store.read_head()
    assert str(refused.value) == (
        "the store at redis://127.0.0.1:1/0 cannot be reached (connection refused): see whether the server runs"
    )
