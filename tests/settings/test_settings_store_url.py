"""The address of the store: what is taken, what is refused, and that no message repeats a password."""

from __future__ import annotations

import pytest

from proxy.errors import SettingsError
from proxy.settings import parse_settings
from proxy.settings.store_url import explain_store_url


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("redis://127.0.0.1:6379/0", id="usual"),
        pytest.param("redis://valkey_1", id="container-name"),
        pytest.param("redis://h/", id="slash"),
        pytest.param("redis://[::1]:6379", id="IPv6"),
        pytest.param("rediss://u:p%2Fs@h:1/3?ssl_ca_certs=/etc/ca.pem&ssl_password=x", id="tls"),
        pytest.param("redis://u:p@ss@h:1", id="at-in-a-password"),
        pytest.param("unix:///run/redis.sock?db=1&password=x", id="unix"),
        pytest.param("unix://user:pw@/run/redis.sock", id="unix-user"),
    ],
)
def test_addresses_that_the_client_library_understands_are_taken(url: str) -> None:
    """Nothing that works is refused."""
    assert explain_store_url(url) == ""


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        pytest.param("h:6379", "is no address of a store", id="no-scheme"),
        pytest.param("redis://:s3/cret@127.0.0.1:20379/0", "percent-encoded", id="slash-in-a-password"),
        pytest.param("redis://u:12/cret@h:1/0", "percent-encoded", id="slash-behind-digits"),
        pytest.param("redis://:s3#cret@h:1/0", "percent-encoded", id="hash-in-a-password"),
        pytest.param("redis://:12#cret@h:1/0", "percent-encoded", id="hash-behind-digits"),
        pytest.param("redis://:s3?cret@h:1/0", "percent-encoded", id="question-mark-in-a-password"),
        pytest.param("redis://:12?cret@h:1/0", "percent-encoded", id="question-mark-behind-digits"),
        pytest.param("redis://:s3 cret@h", "a space as %20", id="space"),
        pytest.param("redis://h:cret", "host or port that cannot be read", id="port-is-no-number"),
        pytest.param("redis://h:99999", "host or port that cannot be read", id="port-too-large"),
        pytest.param("redis://h:0", "port 0", id="port-0"),
        pytest.param("redis://[::1", "host or port that cannot be read", id="bracket"),
        pytest.param("redis:///0", "names no host", id="no-host"),
        pytest.param("redis://a!cret", "no host name or address", id="host"),
        pytest.param("redis://h/cret", "no number of a database", id="database"),
        pytest.param("unix://cret/redis.sock", "names no path of a unix socket", id="unix-relative"),
        pytest.param("unix:///" + "cret" * 50, "at most 103 bytes", id="unix-long"),
        pytest.param("unix://", "names no path of a unix socket", id="unix-nothing"),
    ],
)
def test_what_cannot_work_is_refused_without_repeating_it(url: str, expected: str) -> None:
    """The value may hold a password, so no message has any of it."""
    with pytest.raises(SettingsError) as refused:
        parse_settings("", {"STOCKADE_STORE": url}, "s")
    (mistake,) = refused.value.mistakes
    assert mistake.startswith("environment variable STOCKADE_STORE: store: ")
    assert expected in mistake
    assert "cret" not in mistake
