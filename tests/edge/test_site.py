"""What the settings become for the data plane."""

from __future__ import annotations

import pytest

from proxy.edge.build import build_site
from proxy.edge.site import Inlet, Site
from proxy.identity.addresses import pack, unpack
from proxy.settings.load import parse_settings

PEER = b"\x7f\x00\x00\x01"


@pytest.fixture
def site() -> Site:
    """Settings that trust this machine."""
    return build_site(parse_settings('trusted_proxies = ["127.0.0.0/8"]', {}, "test.toml"))


def test_what_differs_from_request_to_request_is_no_key(site: Site) -> None:
    """A derived address is remembered by the headers that count, whatever else was noted."""
    for number in range(100):
        lines = [(b"x-request-id", b"%d" % number), (b"x-forwarded-for", b"203.0.113.7")]
        assert unpack(site.derive(PEER, lines).packed) == "203.0.113.7"
    assert len(site._derived) == 1


def test_invented_lists_are_not_remembered(site: Site) -> None:
    """A client that sends endless lists of its own costs no memory; what counts is derived all the same."""
    for number in range(100):
        value = b"198.51.100.%d, " % number * 2000 + b"203.0.113.7"
        assert unpack(site.derive(PEER, [(b"x-forwarded-for", value)]).packed) == "203.0.113.7"
    assert len(site._derived) == 0


def test_memory_of_derived_addresses_is_bounded(site: Site) -> None:
    """Many shoppers do not make it grow without end."""
    for number in range(10_000):
        value = b"10.%d.%d.1" % divmod(number, 250)
        assert site.derive(PEER, [(b"x-forwarded-for", value)]).packed == pack(value.decode())
    assert len(site._derived) <= 4096


def test_readers_are_shared(site: Site) -> None:
    """Connections of peers with equal rights share one reader: its expression is compiled once."""
    inlet = Inlet(tls=False, port=80)
    one, other, trusted = (
        site.enter(inlet, peer) for peer in (b"\x01\x01\x01\x01", b"\x02\x02\x02\x02", PEER)
    )
    assert one.reader is other.reader
    assert one.reader is not trusted.reader
    assert (one.speaks, trusted.speaks) == (False, True)
