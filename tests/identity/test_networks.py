from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from identity_inputs import network_set, packed

from proxy.identity.networks import Network, NetworkSet, clear_host_bits, pack_network, parse_network

networks = st.builds(
    lambda address, prefix: Network(
        clear_host_bits(address.packed, min(prefix, len(address.packed) * 8)),
        min(prefix, len(address.packed) * 8),
    ),
    st.ip_addresses(),
    st.integers(0, 128),
)


@pytest.mark.parametrize(
    ("text", "canonical", "warned"),
    [
        pytest.param("203.0.113.0/24", "203.0.113.0/24", False, id="ipv4"),
        pytest.param("2001:DB8::/32", "2001:db8::/32", False, id="ipv6"),
        pytest.param("203.0.113.7", "203.0.113.7/32", False, id="one-address"),
        pytest.param("2001:db8::7", "2001:db8::7/128", False, id="one-ipv6-address"),
        pytest.param("0.0.0.0/0", "0.0.0.0/0", False, id="everybody"),
        pytest.param(" 203.0.113.0/24\t", "203.0.113.0/24", False, id="spaces-around"),
        pytest.param("203.0.113.7/24", "203.0.113.0/24", True, id="host-bits"),
        pytest.param("2001:db8::7/64", "2001:db8::/64", True, id="ipv6-host-bits"),
        pytest.param("203.0.113.0/255.255.255.0", "203.0.113.0/24", False, id="netmask"),
        pytest.param("203.0.113.7/255.255.254.0", "203.0.112.0/23", True, id="netmask-and-host-bits"),
        pytest.param("203.0.113.7/255.255.255.255", "203.0.113.7/32", False, id="netmask-of-one"),
        pytest.param("::ffff:203.0.113.0/120", "203.0.113.0/24", False, id="mapped"),
        pytest.param("::ffff:203.0.113.7", "203.0.113.7/32", False, id="mapped-address"),
        pytest.param("::ffff:0:0/96", "0.0.0.0/0", False, id="all-mapped"),
        pytest.param("::ffff:203.0.113.7/120", "203.0.113.0/24", True, id="mapped-host-bits"),
    ],
)
def test_a_network_is_normalised(text: str, canonical: str, *, warned: bool) -> None:
    """What can be read in one way only is taken in its canonical form; cleared host bits come with a warning."""
    network, warning = parse_network(text)
    assert str(network) == canonical
    assert (warning is not None) is warned
    assert not warning or canonical in warning


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("203.0.113.0/24", (b"\xcb\x00\x71\x00", 24), id="ipv4"),
        pytest.param("::/0", (bytes(16), 0), id="all-ipv6"),
        pytest.param("203.0.113.7/24", None, id="host-bits"),
        pytest.param("203.0.113.0/33", None, id="prefix"),
        pytest.param("203.0.113.0", None, id="no-prefix"),
        pytest.param("203.0.113.0/0x18", None, id="hex-prefix"),
        pytest.param("203.0.113.0/\u0662", None, id="other-digits"),
        pytest.param("203.0.113.0/" + "1" * 5000, None, id="endless"),
        pytest.param("nonsense/24", None, id="nonsense"),
        pytest.param("::ffff:203.0.113.0/24", None, id="mapped"),
        pytest.param("::ffff:203.0.113.0/120", None, id="mapped-with-its-own-prefix"),
    ],
)
def test_a_canonical_text_is_packed(text: str, expected: tuple[bytes, int] | None) -> None:
    """The reader of stored values takes networks only, and never raises."""
    assert pack_network(text) == expected


@pytest.mark.parametrize(
    ("packed_address", "prefix"),
    [
        pytest.param(b"\xcb\x00\x71\x07", 24, id="host-bits"),
        pytest.param(bytes(4), 33, id="prefix"),
        pytest.param(bytes(4), -1, id="negative"),
        pytest.param(bytes(5), 8, id="length"),
    ],
)
def test_an_impossible_network_cannot_be_made(packed_address: bytes, prefix: int) -> None:
    """The value checks itself, so whoever holds one need not."""
    with pytest.raises(ValueError, match=r"no network|host bits"):
        Network(packed_address, prefix)


@pytest.mark.parametrize(
    ("one", "other", "overlaps"),
    [
        pytest.param("10.0.0.0/8", "10.1.0.0/16", True, id="holds"),
        pytest.param("10.0.0.0/8", "10.0.0.0/8", True, id="equal"),
        pytest.param("10.0.0.0/9", "10.128.0.0/9", False, id="neighbours"),
        pytest.param("0.0.0.0/0", "::/0", False, id="families"),
        pytest.param("127.0.0.0/8", "127.0.0.1", True, id="one-address"),
    ],
)
def test_networks_overlap_when_one_holds_the_other(one: str, other: str, *, overlaps: bool) -> None:
    """It does not matter which is asked."""
    first, second = parse_network(one)[0], parse_network(other)[0]
    assert first.overlaps(second) is second.overlaps(first) is overlaps


@given(networks, networks, st.ip_addresses())
def test_networks_agree_with_the_standard_library(
    one: Network, other: Network, address: ipaddress.IPv4Address | ipaddress.IPv6Address
) -> None:
    """Containment and overlap of any two networks are those of `ipaddress`."""
    first, second = (ipaddress.ip_network((network.packed, network.prefix)) for network in (one, other))
    assert one.contains(address.packed) is (address in first)
    assert one.overlaps(other) is (first.version == second.version and first.overlaps(second))


@given(st.lists(networks, max_size=8), st.ip_addresses(), st.data())
def test_a_set_equals_asking_each_network(
    members: list[Network], address: ipaddress.IPv4Address | ipaddress.IPv6Address, data: st.DataObject
) -> None:
    """Any networks, and addresses inside and outside them."""
    found = NetworkSet(members)
    tried = [address.packed]
    if members:
        chosen = data.draw(st.sampled_from(members))
        host = (1 << (len(chosen.packed) * 8 - chosen.prefix)) - 1
        tried += [chosen.packed, (int.from_bytes(chosen.packed) | host).to_bytes(len(chosen.packed))]
    for candidate in tried:
        assert (candidate in found) is any(network.contains(candidate) for network in members)


def test_a_set_tells_its_size_and_members() -> None:
    """Twice the same network is one; an empty set is false."""
    found = network_set("10.0.0.0/8", "10.0.0.0/8", "2001:db8::/32")
    assert (len(found), bool(found), bool(NetworkSet())) == (2, True, False)
    assert repr(found) == "NetworkSet(10.0.0.0/8, 2001:db8::/32)"
    assert {str(network) for network in found.networks} == {"10.0.0.0/8", "2001:db8::/32"}


def test_what_is_no_address_is_in_no_set() -> None:
    """A peer without an address, as on a unix socket, is nobody's."""
    everybody = network_set("0.0.0.0/0", "::/0")
    assert b"" not in everybody
    assert packed("203.0.113.7") in everybody
