from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from identity_inputs import PROXIES, packed, trusting

from proxy.identity.addresses import unpack
from proxy.identity.forwarding import MAX_HOPS, ClientAddress, Forwarding, derive_client_address

if TYPE_CHECKING:
    import ipaddress

PROXY = "10.0.0.1"
SHOPPER = "203.0.113.7"
XFF = b"x-forwarded-for"


def derive(
    peer: str, *values: str, forwarding: Forwarding | None = None, header: bytes | None = None
) -> ClientAddress:
    """Derive from header lines with these values, by default by a proxy trusted to write X-Forwarded-For."""
    settings = trusting(*PROXIES) if forwarding is None else forwarding
    name = settings.header if header is None else header
    return derive_client_address(
        packed(peer), [(name, value.encode("latin-1")) for value in values], settings
    )


@pytest.mark.parametrize(
    ("peer", "values", "client"),
    [
        pytest.param(PROXY, ["203.0.113.7"], "203.0.113.7", id="one"),
        pytest.param(PROXY, ["198.51.100.9, 203.0.113.7"], "203.0.113.7", id="invented-before"),
        pytest.param(PROXY, ["203.0.113.7, 10.1.1.1, 10.2.2.2"], "203.0.113.7", id="through-three-proxies"),
        pytest.param(PROXY, ["203.0.113.7, 198.51.100.9, 10.2.2.2"], "198.51.100.9", id="untrusted-between"),
        pytest.param(PROXY, ["198.51.100.9", "203.0.113.7"], "203.0.113.7", id="last-line-counts-first"),
        pytest.param(PROXY, ["203.0.113.7", "10.1.1.1", "10.2.2.2"], "203.0.113.7", id="one-line-a-hop"),
        pytest.param(PROXY, ["198.51.100.9, 203.0.113.7", "10.1.1.1"], "203.0.113.7", id="lists-on-lines"),
        pytest.param(PROXY, ["10.3.3.3, 10.1.1.1"], "10.3.3.3", id="all-trusted-leftmost"),
        pytest.param(PROXY, ["10.3.3.3", "10.1.1.1"], "10.3.3.3", id="all-trusted-leftmost-line"),
        pytest.param(PROXY, [], PROXY, id="no-header"),
        pytest.param(PROXY, [""], PROXY, id="empty-header"),
        pytest.param(PROXY, [" \t "], PROXY, id="blank-header"),
        pytest.param(PROXY, [" \t203.0.113.7\t "], "203.0.113.7", id="spaces"),
        pytest.param(PROXY, ["198.51.100.9,203.0.113.7"], "203.0.113.7", id="no-space"),
        pytest.param(PROXY, ["203.0.113.7, , 10.1.1.1,"], "203.0.113.7", id="empty-elements"),
        pytest.param(PROXY, ["203.0.113.7", ""], "203.0.113.7", id="empty-line"),
        pytest.param(PROXY, [",,10.1.1.1"], "10.1.1.1", id="empty-elements-only"),
        pytest.param(PROXY, ["203.0.113.7:49152"], "203.0.113.7", id="ipv4-port"),
        pytest.param(PROXY, ["[2001:db8::7]:49152"], "2001:db8::7", id="ipv6-port"),
        pytest.param(PROXY, ["[2001:db8::7]"], "2001:db8::7", id="ipv6-brackets"),
        pytest.param(PROXY, ["2001:DB8:0::7"], "2001:db8::7", id="ipv6"),
        pytest.param(PROXY, ["::ffff:203.0.113.7"], "203.0.113.7", id="mapped"),
        pytest.param(PROXY, ["::ffff:cb00:7107"], "203.0.113.7", id="mapped-in-hex"),
        pytest.param(PROXY, ["203.0.113.7, ::ffff:10.1.1.1"], "203.0.113.7", id="mapped-proxy"),
        pytest.param("::ffff:10.0.0.1", ["203.0.113.7"], "203.0.113.7", id="mapped-peer"),
        pytest.param("2001:db8:ff::1", ["203.0.113.7"], "203.0.113.7", id="ipv6-peer"),
        pytest.param(PROXY, ["unknown, 203.0.113.7"], "203.0.113.7", id="nonsense-is-not-looked-at"),
        pytest.param(
            PROXY, ["\xff\x00<script>, 203.0.113.7"], "203.0.113.7", id="odd-bytes-are-not-looked-at"
        ),
        pytest.param(PROXY, ["9, " * 5000 + "203.0.113.7"], "203.0.113.7", id="a-long-invented-past"),
    ],
)
def test_the_first_untrusted_address_from_the_right_is_the_client(
    peer: str, values: list[str], client: str
) -> None:
    """Over all lines as one list, right to left, trusted proxies are passed and the next entry counts."""
    found = derive(peer, *values)
    assert (unpack(found.packed), found.readable) == (client, True)


@pytest.mark.parametrize(
    ("values", "hop", "why"),
    [
        pytest.param(["unknown"], PROXY, "does not know who it speaks for", id="unknown"),
        pytest.param(["_hidden"], PROXY, "hides who it speaks for", id="obfuscated"),
        pytest.param(["203.0.113.7, unknown"], PROXY, '"unknown"', id="never-skipped"),
        pytest.param(
            ["203.0.113.7, unknown, 10.1.1.1"], "10.1.1.1", "10.1.1.1 wrote", id="the-last-trusted-hop"
        ),
        pytest.param(["203.0.113.7", "unknown", "10.1.1.1"], "10.1.1.1", "10.1.1.1 wrote", id="over-lines"),
        pytest.param(["203.0.113"], PROXY, "no address", id="short"),
        pytest.param(["203.0.113.07"], PROXY, "no address", id="leading-zero"),
        pytest.param(["203.0.113.256"], PROXY, "no address", id="out-of-range"),
        pytest.param(["203.0.113.7 198.51.100.9"], PROXY, "no address", id="space-for-a-comma"),
        pytest.param(["203.0.113.7; 198.51.100.9"], PROXY, "no address", id="semicolon"),
        pytest.param(["fe80::1%eth0"], PROXY, "zone id", id="zone-id"),
        pytest.param(["[fe80::1%eth0]:80"], PROXY, "zone id", id="zone-id-in-brackets"),
        pytest.param(["[203.0.113.7]"], PROXY, "no address", id="ipv4-in-brackets"),
        pytest.param(["[2001:db8::7"], PROXY, "no address", id="open-bracket"),
        pytest.param(["2001:db8:0:0:0:0:0:7:443"], PROXY, "no address", id="ipv6-port-without-brackets"),
        pytest.param(["203.0.113.7:"], PROXY, "no address", id="empty-port"),
        pytest.param(["203.0.113.7:123456"], PROXY, "no address", id="long-port"),
        pytest.param(['"203.0.113.7"'], PROXY, "no address", id="quotes"),
        pytest.param(["for=203.0.113.7"], PROXY, "no address", id="forwarded-syntax"),
        pytest.param(["0x7f.1"], PROXY, "no address", id="inet-aton-forms"),
        pytest.param(["3405803783"], PROXY, "no address", id="one-number"),
        pytest.param(["\u0661.1.1.1".encode().decode("latin-1")], PROXY, "no address", id="other-digits"),
        pytest.param(["a" * 500], PROXY, "a" * 60 + "…", id="cut"),
        pytest.param(['\x1b[2J"'], PROXY, "\\x1b[2J", id="escaped"),
        pytest.param(["10.1.1.1," * MAX_HOPS + "10.1.1.1"], "10.1.1.1", "more than 30", id="too-many-hops"),
        pytest.param(["203.0.113.7" + "," * MAX_HOPS], PROXY, "more than 30", id="too-many-empty-elements"),
    ],
)
def test_what_cannot_be_read_is_never_guessed(values: list[str], hop: str, why: str) -> None:
    """The entry that counts is not skipped: the last trusted hop stands, marked as not readable."""
    found = derive(PROXY, *values)
    assert (unpack(found.packed), found.readable) == (hop, False)
    assert why in found.how
    assert found.how.isprintable()


def test_as_many_hops_as_allowed_are_walked() -> None:
    """The bound is on what is walked: thirty entries are, the thirty-first is not."""
    assert derive(PROXY, SHOPPER + ",10.1.1.1" * (MAX_HOPS - 1)).packed == packed(SHOPPER)
    assert not derive(PROXY, SHOPPER + ",10.1.1.1" * MAX_HOPS).readable


@pytest.mark.parametrize(
    "networks", [pytest.param((), id="nobody-trusted"), pytest.param(PROXIES, id="others-trusted")]
)
def test_an_untrusted_peer_speaks_for_itself_only(networks: tuple[str, ...]) -> None:
    """With nothing trusted, or from a peer that is not, headers are ignored."""
    forwarding = trusting(*networks, cf_connecting_ip=("192.0.2.0/24",))
    for header in (XFF, b"forwarded", b"cf-connecting-ip"):
        found = derive("198.51.100.9", SHOPPER, forwarding=forwarding, header=header)
        assert (unpack(found.packed), found.readable) == ("198.51.100.9", True)


def test_only_the_configured_header_is_read() -> None:
    """A proxy that writes one header lets the other through as the client sent it."""
    assert derive(PROXY, "for=203.0.113.7", header=b"forwarded").packed == packed(PROXY)
    forwarded = trusting(*PROXIES, header=b"forwarded")
    assert derive(PROXY, SHOPPER, forwarding=forwarded, header=XFF).packed == packed(PROXY)


@pytest.mark.parametrize(
    ("values", "client"),
    [
        pytest.param(["for=203.0.113.7"], "203.0.113.7", id="token"),
        pytest.param(
            ["For=203.0.113.7;proto=https;by=10.0.0.1"], "203.0.113.7", id="case-and-other-parameters"
        ),
        pytest.param(["proto=https;for=203.0.113.7"], "203.0.113.7", id="not-first"),
        pytest.param(['for="203.0.113.7:443"'], "203.0.113.7", id="port"),
        pytest.param(['for="203.0.113.7:_p"'], "203.0.113.7", id="obfuscated-port"),
        pytest.param(['for="[2001:db8::7]"'], "2001:db8::7", id="ipv6"),
        pytest.param(['for="[2001:db8:cafe::17]:4711"'], "2001:db8:cafe::17", id="rfc-7239-section-4"),
        pytest.param(['for="[::ffff:203.0.113.7]"'], "203.0.113.7", id="mapped"),
        pytest.param([r'for="203.0.113\.7"'], "203.0.113.7", id="quoted-pair"),
        pytest.param(["for=192.0.2.43, for=203.0.113.7"], "203.0.113.7", id="last-element"),
        pytest.param(["for=203.0.113.7, for=10.1.1.1"], "203.0.113.7", id="past-a-proxy"),
        pytest.param(["for=203.0.113.7", "for=10.1.1.1"], "203.0.113.7", id="over-lines"),
        pytest.param(['for=203.0.113.7;host="a,b;c"'], "203.0.113.7", id="comma-in-quotes"),
        pytest.param([r'for=203.0.113.7;host="a\",b"'], "203.0.113.7", id="escaped-quote"),
        pytest.param([r'for=203.0.113.7;host="a\\", for=10.1.1.1'], "203.0.113.7", id="escaped-backslash"),
        pytest.param(["for=203.0.113.7; proto=https"], "203.0.113.7", id="space-after-semicolon"),
        pytest.param(["for=203.0.113.7;;proto=https;"], "203.0.113.7", id="empty-pairs"),
        pytest.param([";for=203.0.113.7"], "203.0.113.7", id="leading-semicolon"),
        pytest.param(["for=[2001:db8::7]:80"], "2001:db8::7", id="not-quoted"),
        pytest.param([", for=203.0.113.7,, "], "203.0.113.7", id="empty-elements"),
        pytest.param(['for="x, for=203.0.113.7'], "203.0.113.7", id="opened-quote-of-the-client"),
        pytest.param(['for="\\, for="203.0.113.7"'], "203.0.113.7", id="opened-quote-and-backslash"),
        pytest.param(
            ["for=unknown, for=_x, for=203.0.113.7"], "203.0.113.7", id="what-lies-left-does-not-count"
        ),
    ],
)
def test_forwarded_is_read_likewise(values: list[str], client: str) -> None:
    """RFC 7239: elements right to left, parameters in any order and case, quoted strings undone."""
    found = derive(PROXY, *values, forwarding=trusting(*PROXIES, header=b"forwarded"))
    assert (unpack(found.packed), found.readable) == (client, True)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        pytest.param(["for=unknown"], "does not know", id="unknown"),
        pytest.param(['for="unknown:443"'], "does not know", id="unknown-with-port"),
        pytest.param(["for=_gazonk"], "hides", id="obfuscated"),
        pytest.param(["proto=https"], "malformed", id="no-for"),
        pytest.param(["for=203.0.113.7, proto=https"], "malformed", id="no-for-is-not-skipped"),
        pytest.param(["for=203.0.113.7;for=198.51.100.9"], "malformed", id="twice"),
        pytest.param(["203.0.113.7"], "malformed", id="no-name"),
        pytest.param(["for="], "malformed", id="no-value"),
        pytest.param(['for=""'], "no address", id="empty-value"),
        pytest.param(['for="203.0.113.7'], "malformed", id="open-quote"),
        pytest.param([r'for="203.0.113.7\"'], "malformed", id="escaped-closing-quote"),
        pytest.param(["for = 203.0.113.7"], "malformed", id="spaces-around-equals"),
        pytest.param(['for="203.0.113.7" x'], "malformed", id="rest"),
        pytest.param(['for="2001:db8::7"'], "no address", id="ipv6-without-brackets"),
        pytest.param(['for="[203.0.113.7]"'], "no address", id="ipv4-in-brackets"),
        pytest.param(['for="[fe80::1%25eth0]"'], "zone id", id="zone-id"),
        pytest.param(["for=shopper.example"], "no address", id="name"),
        pytest.param(["for=203.0.113.7;host=" + "x" * 2000], "malformed", id="too-long"),
        pytest.param(['for=203.0.113.7;host="' + "x" * 2000 + '"'], "malformed", id="too-long-in-quotes"),
        pytest.param(['for=203.0.113.7;host="' + '\\"' * 1000 + '"'], "malformed", id="too-long-of-escapes"),
    ],
)
def test_forwarded_that_cannot_be_read_is_never_guessed(values: list[str], why: str) -> None:
    """A malformed, unknown or hidden node next to the trusted hop is told, not passed over."""
    found = derive(PROXY, *values, forwarding=trusting(*PROXIES, header=b"forwarded"))
    assert (unpack(found.packed), found.readable) == (PROXY, False)
    assert why in found.how


CDN = trusting(
    *PROXIES, cf_connecting_ip=("198.51.100.0/24", "10.9.0.0/16"), true_client_ip=("198.51.100.0/25",)
)


@pytest.mark.parametrize(
    ("peer", "lines", "client", "readable"),
    [
        pytest.param("198.51.100.1", [("cf-connecting-ip", SHOPPER)], SHOPPER, True, id="from-its-network"),
        pytest.param("198.51.100.1", [("cf-connecting-ip", " 2001:db8::7 ")], "2001:db8::7", True, id="ipv6"),
        pytest.param(
            "198.51.100.1",
            [("cf-connecting-ip", SHOPPER), ("true-client-ip", "1.1.1.1")],
            SHOPPER,
            True,
            id="in-order",
        ),
        pytest.param("198.51.100.1", [("true-client-ip", SHOPPER)], SHOPPER, True, id="second-header"),
        pytest.param(
            "198.51.100.200", [("true-client-ip", SHOPPER)], "198.51.100.200", True, id="other-network"
        ),
        pytest.param("10.0.0.1", [("cf-connecting-ip", SHOPPER)], "10.0.0.1", True, id="from-a-mere-proxy"),
        pytest.param("192.0.2.1", [("cf-connecting-ip", SHOPPER)], "192.0.2.1", True, id="from-a-stranger"),
        pytest.param(
            "198.51.100.1", [("x-forwarded-for", SHOPPER)], "198.51.100.1", True, id="its-header-only"
        ),
        pytest.param(
            "10.9.0.1", [("x-forwarded-for", SHOPPER)], SHOPPER, True, id="absent-so-the-list-counts"
        ),
        pytest.param(
            "10.9.0.1",
            [("x-forwarded-for", "1.1.1.1"), ("cf-connecting-ip", SHOPPER)],
            SHOPPER,
            True,
            id="before-the-list",
        ),
        pytest.param(
            "198.51.100.1",
            [("cf-connecting-ip", SHOPPER), ("cf-connecting-ip", SHOPPER)],
            "198.51.100.1",
            False,
            id="two-lines",
        ),
        pytest.param(
            "198.51.100.1", [("cf-connecting-ip", "1.1.1.1, 2.2.2.2")], "198.51.100.1", False, id="list"
        ),
        pytest.param("198.51.100.1", [("cf-connecting-ip", "")], "198.51.100.1", False, id="empty"),
        pytest.param(
            "10.9.0.1",
            [("cf-connecting-ip", "?"), ("x-forwarded-for", SHOPPER)],
            "10.9.0.1",
            False,
            id="no-guess",
        ),
    ],
)
def test_a_single_value_header_counts_from_its_own_networks_only(
    peer: str, lines: list[tuple[str, str]], client: str, *, readable: bool
) -> None:
    """One line with one address, from a peer that may send it; anything else in it is not readable."""
    found = derive_client_address(
        packed(peer), [(name.encode(), value.encode()) for name, value in lines], CDN
    )
    assert (unpack(found.packed), found.readable) == (client, readable)


# What a client can put before what the proxies append: any bytes of a header value, lists, quotes, addresses.
inventions = st.lists(
    st.one_of(
        st.binary(max_size=20).map(lambda value: bytes(set(value) - {0, 10, 13})),
        st.sampled_from(
            [b"10.1.1.1", b"1.1.1.1", b"unknown", b",", b'"', b"\\", b'for="', b"for=10.1.1.1", b";", b"="]
        ),
    ),
    max_size=12,
).map(b"".join)
lines_before = st.lists(inventions, max_size=3)
clients = st.ip_addresses()
hops = st.lists(st.sampled_from(["10.1.1.1", "10.2.2.2", "2001:db8:ff::9"]), max_size=4)
joins = st.sampled_from([b", ", b",", None])


def as_entry(address: str, header: bytes) -> bytes:
    """Write an address as a proxy does."""
    if header == XFF:
        return address.encode()
    return f'for="[{address}]";proto=https'.encode() if ":" in address else f"for={address}".encode()


@given(
    st.sampled_from([XFF, b"forwarded"]),
    lines_before,
    inventions,
    joins,
    clients,
    hops,
    st.sampled_from([None, "unknown"]),
)
def test_nothing_prepended_changes_the_client_address(  # noqa: PLR0917 - Hypothesis draws them
    header: bytes,
    before: list[bytes],
    invented: bytes,
    join: bytes | None,
    client: ipaddress.IPv4Address | ipaddress.IPv6Address,
    path: list[str],
    instead: str | None,
) -> None:
    """Whatever the client sends first, on its own lines or in front of the proxies' own, the result is the same."""
    forwarding = trusting(*PROXIES, header=header)
    assume(packed(str(client)) not in forwarding.trusted)
    first = as_entry(str(client), header) if instead is None else instead.encode()
    appended = b", ".join([first, *(as_entry(hop, header) for hop in path)])
    honest = derive_client_address(packed(PROXY), [(header, appended)], forwarding)
    tail = (
        [(header, invented), (header, appended)] if join is None else [(header, invented + join + appended)]
    )
    attacked = derive_client_address(
        packed(PROXY), [*((header, value) for value in before), *tail], forwarding
    )
    assert attacked == honest
    if instead is None:
        assert honest.packed == packed(str(client))


@given(
    st.lists(
        st.tuples(
            st.sampled_from([XFF, b"forwarded", b"cf-connecting-ip", b"true-client-ip", b"x-other"]),
            inventions,
        )
    ),
    clients,
    st.sampled_from([XFF, b"forwarded"]),
)
def test_no_header_of_an_untrusted_peer_changes_the_client_address(
    lines: list[tuple[bytes, bytes]], peer: ipaddress.IPv4Address | ipaddress.IPv6Address, header: bytes
) -> None:
    """Any headers whatever: an untrusted peer is its own client."""
    forwarding = trusting(*PROXIES, header=header, cf_connecting_ip=("198.51.100.0/24",))
    assume(packed(str(peer)) not in forwarding.trusted and not str(peer).startswith("198.51.100."))
    assert derive_client_address(packed(str(peer)), lines, forwarding).packed == packed(str(peer))


@given(
    st.lists(st.tuples(st.sampled_from([XFF, b"forwarded", b"cf-connecting-ip"]), st.binary(max_size=200)))
)
def test_deriving_never_raises(lines: list[tuple[bytes, bytes]]) -> None:
    """Any bytes in any header give an address and a printable sentence."""
    for header in (XFF, b"forwarded"):
        found = derive_client_address(
            packed(PROXY), lines, trusting(*PROXIES, header=header, cf_connecting_ip=PROXIES)
        )
        assert len(found.packed) in (4, 16)
        assert found.how.isprintable()
