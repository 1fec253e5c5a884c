from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import InputError
from proxy.identity.addresses import pack, parse_address, unpack


@pytest.mark.parametrize(
    ("text", "packed"),
    [
        pytest.param("203.0.113.7", b"\xcb\x00\x71\x07", id="ipv4"),
        pytest.param("2001:db8::7", bytes.fromhex("20010db8000000000000000000000007"), id="ipv6"),
        pytest.param("2001:DB8:0::7", bytes.fromhex("20010db8000000000000000000000007"), id="ipv6-spelling"),
        pytest.param("::ffff:203.0.113.7", b"\xcb\x00\x71\x07", id="mapped-folds"),
        pytest.param("::FFFF:cb00:7107", b"\xcb\x00\x71\x07", id="mapped-in-hex-folds"),
        pytest.param("::203.0.113.7", bytes(12) + b"\xcb\x00\x71\x07", id="compatible-does-not"),
        pytest.param(
            "64:ff9b::203.0.113.7", bytes.fromhex("0064ff9b0000000000000000cb007107"), id="nat64-does-not"
        ),
    ],
)
def test_a_plain_address_is_packed(text: str, packed: bytes) -> None:
    """IPv4 is 4 bytes, IPv6 is 16, and an IPv4-mapped address is the IPv4 address it means."""
    assert pack(text) == packed


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param(" 203.0.113.7", id="space"),
        pytest.param("203.0.113.7\n", id="newline"),
        pytest.param("203.0.113.07", id="leading-zero"),
        pytest.param("203.0.113", id="short"),
        pytest.param("203.0.113.7.9", id="long"),
        pytest.param("203.0.113.256", id="too-large"),
        pytest.param("3405803783", id="number"),
        pytest.param("0xcb007107", id="hex"),
        pytest.param("203.0.113.7:80", id="port"),
        pytest.param("[2001:db8::7]", id="brackets"),
        pytest.param("fe80::1%eth0", id="zone-id"),
        pytest.param("::ffff:203.0.113.7%1", id="mapped-zone-id"),
        pytest.param("203.0.113.0/24", id="network"),
        pytest.param("203.0.113.\u0667", id="other-digits"),
        pytest.param("203.0.113.7\x00", id="nul"),
        pytest.param("\ud800:", id="surrogate"),
    ],
)
def test_anything_else_is_none(text: str) -> None:
    """What is no plain address has no packed form, and never raises."""
    assert pack(text) is None


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        pytest.param("2001:0DB8:0:0:0:0:0:7", "2001:db8::7", id="longest-run-lower-case"),
        pytest.param("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1", id="single-zero-group-stays"),
        pytest.param("2001:0:0:1:0:0:0:1", "2001:0:0:1::1", id="longest-of-two-runs"),
        pytest.param("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1", id="first-of-equal-runs"),
        pytest.param("::1", "::1", id="loopback"),
        pytest.param("::", "::", id="unspecified"),
        pytest.param("::1.2.3.4", "::102:304", id="compatible-in-hex-on-every-system"),
        pytest.param(" ::ffff:203.0.113.7\n", "203.0.113.7", id="mapped-and-spaces"),
    ],
)
def test_an_address_has_one_text(text: str, canonical: str) -> None:
    """The canonical text is that of RFC 5952 section 4, for it is the key in the store."""
    assert parse_address(text) == canonical


@given(st.ip_addresses())
def test_packing_agrees_with_the_standard_library(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    """Any address: same bytes, same text, both ways, in short and long spelling."""
    mapped = getattr(address, "ipv4_mapped", None)
    meant = mapped or address
    assert pack(str(address)) == pack(address.exploded) == meant.packed
    assert unpack(meant.packed) == str(meant)
    assert parse_address(address.exploded.upper()) == str(meant)


@given(st.text(alphabet="0123456789abcdef.:/%[]xg -", max_size=24) | st.text(max_size=24))
def test_packing_takes_what_the_standard_library_takes_and_no_more(text: str) -> None:
    """Any text: packed when it is an address, InputError otherwise, nothing else."""
    try:
        expected = ipaddress.ip_address(text).packed if "%" not in text else None
    except ValueError:
        expected = None
    packed = pack(text)
    assert (packed is None) == (expected is None)
    if pack(text.strip()) is None:
        with pytest.raises(InputError):
            parse_address(text)
    else:
        assert unpack(pack(parse_address(text)) or b"") == parse_address(text)


@pytest.mark.parametrize("length", [0, 3, 5, 15, 17])
def test_other_lengths_have_no_text(length: int) -> None:
    """Only 4 and 16 bytes are an address."""
    with pytest.raises(ValueError):  # noqa: PT011 - the library's own words
        unpack(bytes(length))


@pytest.mark.parametrize("text", ["203.0.113.7/24", "203.0.113.7/33", "203.0.113.7/", "203.0.113.7/x"])
def test_a_network_is_not_one_address(text: str) -> None:
    """Where one address is wanted a network is told so, not called malformed."""
    with pytest.raises(InputError, match=r"one address is wanted here; did you mean 203\.0\.113\.7\?$"):
        parse_address(text)
