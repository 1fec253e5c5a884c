from __future__ import annotations

import pytest

from proxy.errors import InputError
from proxy.identity.identifiers import parse_identifier
from proxy.identity.networks import parse_network
from proxy.management.guard_rails import SHOWN, GuardRails

RAILS = GuardRails((parse_network("10.0.0.0/8")[0], parse_network("2001:db8:ffff::/48")[0]))


def check(text: str, list_name: str = "block") -> None:
    """Ask the guard rails about one address or network."""
    RAILS.check([parse_identifier(text, exact=True)[0]], list_name)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("0.0.0.0/0", "everybody", id="all-v4"),
        pytest.param("::/0", "everybody", id="all-v6"),
        pytest.param("0.0.0.0/1", "wider than /8", id="half-v4"),
        pytest.param("192.0.0.0/7", "wider than /8", id="wide-v4"),
        pytest.param("2000::/15", "wider than /16", id="wide-v6"),
        pytest.param("127.0.0.1", "loopback", id="loopback"),
        pytest.param("127.0.0.0/8", "loopback", id="loopback-network"),
        pytest.param("::1", "loopback", id="loopback-v6"),
        pytest.param("::ffff:127.0.0.1", "loopback", id="mapped-loopback"),
        pytest.param("0.0.0.0", "unspecified", id="unspecified"),
        pytest.param("::", "unspecified", id="unspecified-v6"),
        pytest.param("169.254.169.254", "link-local", id="link-local"),
        pytest.param("fe80::1", "link-local", id="link-local-v6"),
        pytest.param("::/16", "loopback|unspecified", id="covers-loopback-v6"),
        pytest.param("10.1.2.3", "trusted proxies", id="proxy"),
        pytest.param("10.0.0.0/8", "trusted proxies", id="proxy-network"),
        pytest.param("2001:db8::/32", "trusted proxies", id="around-a-proxy"),
    ],
)
def test_what_is_refused_without_force(text: str, why: str) -> None:
    """Everybody, the machine itself and its proxies are no targets; the way out is named."""
    with pytest.raises(InputError, match=why) as caught:
        check(text)
    assert "--force" in str(caught.value)


@pytest.mark.parametrize(
    "text", ["9.0.0.0/8", "11.0.0.1", "192.168.0.0/16", "2001:db8::1", "2400::/16", "128.0.0.1"]
)
def test_what_is_taken(text: str) -> None:
    """Neighbours of what is refused are blocked like any other."""
    check(text)


def test_an_allow_entry_may_name_proxies_but_not_everybody() -> None:
    """To let a proxy in harms nobody; to let everybody in turns the block list off."""
    check("10.1.2.3", "allow")
    with pytest.raises(InputError, match="everybody"):
        check("0.0.0.0/0", "allow")


def test_every_refusal_is_named_up_to_a_bound() -> None:
    """All mistakes at once, but no wall of text."""
    with pytest.raises(InputError, match=r"… and 5 more") as caught:
        RAILS.check([parse_identifier(f"127.0.0.{n}")[0] for n in range(SHOWN + 5)], "block")
    assert len(str(caught.value).splitlines()) == SHOWN + 2
