"""Options from the environment."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.errors import SettingsError
from proxy.settings import parse_settings
from proxy.settings.catalogue import options, value_of
from proxy.settings.environment import RESERVED


def value(name: str, variable: str, text: str) -> Any:
    """Return what an option is when a variable says so."""
    settings = parse_settings("", {variable: text}, "settings")
    return value_of(settings, next(option for option in options() if option.name == name))


@pytest.mark.parametrize(
    ("name", "variable", "text", "expected"),
    [
        pytest.param("store", "STOCKADE_STORE", "redis://:1@h/0", "redis://:1@h/0", id="text"),
        pytest.param("admin", "STOCKADE_ADMIN", "", "", id="empty-text"),
        pytest.param("workers", "STOCKADE_WORKERS", "3", 3, id="number"),
        pytest.param("limits.head_bytes", "STOCKADE_LIMITS__HEAD_BYTES", "64KiB", 65_536, id="size"),
        pytest.param("limits.connections", "STOCKADE_LIMITS__CONNECTIONS", "20_000", 20_000, id="underscore"),
        pytest.param("timeouts.head", "STOCKADE_TIMEOUTS__HEAD", "5", 5.0, id="seconds"),
        pytest.param("timeouts.head", "STOCKADE_TIMEOUTS__HEAD", "500ms", 0.5, id="time"),
        pytest.param("relay.tls_verify", "STOCKADE_RELAY__TLS_VERIFY", "False", False, id="false"),
        pytest.param("relay.tls_verify", "STOCKADE_RELAY__TLS_VERIFY", "0", False, id="zero"),
        pytest.param("relay.tls_verify", "STOCKADE_RELAY__TLS_VERIFY", "on", True, id="on"),
        pytest.param("mode", "STOCKADE_MODE", "monitor", "monitor", id="choice"),
        pytest.param("block_page.status", "STOCKADE_BLOCK_PAGE__STATUS", "451", 451, id="number-choice"),
        pytest.param("listen", "STOCKADE_LISTEN", "[::]:8080", "[::]:8080", id="bracket-is-no-list"),
        pytest.param("listen", "STOCKADE_LISTEN", "[::]:80, a:81", ("[::]:80", "a:81"), id="two-listeners"),
        pytest.param("upstream", "STOCKADE_UPSTREAM", '["http://a"]', ("http://a",), id="toml-list"),
        pytest.param("trusted_proxies", "STOCKADE_TRUSTED_PROXIES", "", (), id="empty-list"),
        pytest.param("trusted_proxies", "STOCKADE_TRUSTED_PROXIES", "10.0.0.0/8", ("10.0.0.0/8",), id="one"),
        pytest.param(
            "trusted_proxies",
            "STOCKADE_TRUSTED_PROXIES",
            "10.0.0.0/8,fd00::/8,",
            ("10.0.0.0/8", "fd00::/8"),
            id="commas",
        ),
        pytest.param(
            "client_address.single_value",
            "STOCKADE_CLIENT_ADDRESS__SINGLE_VALUE",
            '{"X-Real-IP": ["10.0.0.0/8"]}',
            {"X-Real-IP": ("10.0.0.0/8",)},
            id="json-table",
        ),
        pytest.param(
            "client_address.single_value",
            "STOCKADE_CLIENT_ADDRESS__SINGLE_VALUE",
            '{ X-Real-IP = ["10.0.0.0/8"] }',
            {"X-Real-IP": ("10.0.0.0/8",)},
            id="toml-table",
        ),
    ],
)
def test_a_variable_sets_its_option(name: str, variable: str, text: str, expected: object) -> None:
    """The text means what the same option's value in the file would mean."""
    assert value(name, variable, text) == expected


def test_the_environment_beats_the_file() -> None:
    """The file is the image's, the environment the machine's."""
    text = 'mode = "enforce"\nworkers = 2\n[limits]\nheader_count = 50\nurl_bytes = 4096'
    environ = {"STOCKADE_MODE": "monitor", "STOCKADE_LIMITS__HEADER_COUNT": "60"}
    settings = parse_settings(text, environ, "settings")
    assert (settings.mode, settings.workers) == ("monitor", 2)
    assert (settings.limits.header_count, settings.limits.url_bytes) == (60, 4096)


@pytest.mark.parametrize(
    ("variable", "text", "message"),
    [
        pytest.param(
            "STOCKADE_LISEN", "a", "STOCKADE_LISEN: unknown option; did you mean STOCKADE_LISTEN?", id="typo"
        ),
        pytest.param(
            "STOCKADE_LIMITS_HEAD_BYTES",
            "1",
            "STOCKADE_LIMITS_HEAD_BYTES: unknown option; did you mean STOCKADE_LIMITS__HEAD_BYTES?",
            id="one-underscore",
        ),
        pytest.param(
            "STOCKADE_QQQQQQQQQQQQQQQQQQ",
            "1",
            "STOCKADE_QQQQQQQQQQQQQQQQQQ: unknown option; docs/configuration.md names those there are",
            id="nothing-near",
        ),
        pytest.param(
            "STOCKADE_LIMITS",
            "{}",
            "STOCKADE_LIMITS: is a table, not an option; name an option of it: STOCKADE_LIMITS__OPTION",
            id="table",
        ),
        pytest.param(
            "STOCKADE_WORKERS",
            "many",
            'STOCKADE_WORKERS: workers: "many" is not a whole number from 0 to 256',
            id="type",
        ),
        pytest.param(
            "STOCKADE_RELAY__TLS_VERIFY",
            "maybe",
            'STOCKADE_RELAY__TLS_VERIFY: relay.tls_verify: "maybe" is not true or false',
            id="switch",
        ),
        pytest.param(
            "STOCKADE_PORT",
            "8080",
            "STOCKADE_PORT: unknown option; docs/configuration.md names those there are",
            id="port-is-no-link",
        ),
        pytest.param(
            "STOCKADE_CLIENT_ADDRESS__SINGLE_VALUE",
            "X-Real-IP",
            "STOCKADE_CLIENT_ADDRESS__SINGLE_VALUE: client_address.single_value: "
            '"X-Real-IP" is not header names with lists of networks, such as '
            '{"CF-Connecting-IP" = ["173.245.48.0/20"]}',
            id="no-table",
        ),
    ],
)
def test_a_wrong_variable_is_refused(variable: str, text: str, message: str) -> None:
    """A typing mistake in the environment cannot pass for a setting."""
    with pytest.raises(SettingsError) as refused:
        parse_settings("", {variable: text}, "settings")
    assert refused.value.mistakes == [f"environment variable {message}"]


def test_what_others_set_is_left_alone() -> None:
    """Service links of Kubernetes and Docker, our own two variables, and everything with another name."""
    environ = {
        "STOCKADE_SERVICE_HOST": "10.96.0.7",
        "STOCKADE_SERVICE_PORT": "8080",
        "STOCKADE_SERVICE_PORT_HTTP": "8080",
        "STOCKADE_PORT": "tcp://10.96.0.7:8080",
        "STOCKADE_PORT_8080_TCP": "tcp://10.96.0.7:8080",
        "STOCKADE_PORT_8080_TCP_ADDR": "10.96.0.7",
        "STOCKADE_ADMIN_PORT": "tcp://10.96.0.8:9180",
        "STOCKADE_ADMIN_SERVICE_HOST": "10.96.0.8",
        "stockade_listen": "nonsense",
        "PATH": "/bin",
        **dict.fromkeys(RESERVED, "1"),
    }
    assert parse_settings("", environ, "settings") == parse_settings("", {}, "settings")


def test_every_option_has_its_own_variable() -> None:
    """No two options share a variable, and none is one of the reserved names."""
    names = [option.variable for option in options()]
    assert len(names) == len(set(names))
    assert not RESERVED & set(names)
