"""Every sentence an operator can meet for a mistyped address, row by row."""

from __future__ import annotations

import ipaddress
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import InputError
from proxy.identity.networks import parse_network

NEAREST = re.compile(r"did you mean (\S+)\?$")


def mistake(text: str) -> str:
    """Return the message for a text that is refused."""
    with pytest.raises(InputError) as error:
        parse_network(text)
    return str(error.value)


@pytest.mark.parametrize(
    ("text", "why", "nearest"),
    [
        pytest.param("1.2.3", "it has 3 of 4 parts", "1.2.3.0/24", id="three-parts"),
        pytest.param("1.2.3.", "it has 3 of 4 parts", "1.2.3.0/24", id="three-parts-and-a-dot"),
        pytest.param("10", "it has 1 of 4 parts", "10.0.0.0/8", id="one-part"),
        pytest.param("1.2.3/20", "it has 3 of 4 parts", "1.2.0.0/20", id="short-with-prefix"),
        pytest.param("1.2.3.4.", "it ends with a dot", "1.2.3.4", id="final-dot"),
        pytest.param("1..2.3.4", "two dots in a row", "1.2.3.4", id="two-dots"),
        pytest.param("1.2.3.4.5", "it has 5 parts", None, id="five-parts"),
        pytest.param("1.2.3.256", "256 is more than 255", None, id="part-too-large"),
        pytest.param("192.168.010.001", "leading zeros mean octal", "192.168.10.1", id="leading-zeros"),
        pytest.param(
            "010.0.0.0/8", "leading zeros mean octal", "10.0.0.0/8", id="leading-zeros-in-a-network"
        ),
        pytest.param("3405803783", "it is a single number", "203.0.113.7", id="number"),
        pytest.param("1.2.3.4:443", "a port is no part of an address", "1.2.3.4", id="port"),
        pytest.param("[2001:db8::1]:443", "brackets and a port", "2001:db8::1", id="brackets-and-port"),
        pytest.param("[2001:db8::1]", "brackets", "2001:db8::1", id="brackets"),
        pytest.param("[::1", "brackets", "::1", id="open-bracket"),
        pytest.param("::1]", "brackets", "::1", id="closing-bracket"),
        pytest.param("1:2:3:4:5:6:7:8:443", "a port", "1:2:3:4:5:6:7:8", id="ipv6-port"),
        pytest.param("fe80::1%eth0", "a zone id (after the %)", "fe80::1", id="zone-id"),
        pytest.param("fe80::%eth0/64", "a zone id (after the %)", "fe80::/64", id="zone-id-in-a-network"),
        pytest.param("https://1.2.3.4/cart?x=1", "it is a URL", "1.2.3.4", id="url"),
        pytest.param("http://[2001:db8::1]:8080/", "it is a URL", "2001:db8::1", id="url-ipv6"),
        pytest.param("http://user@1.2.3.4:80", "it is a URL", "1.2.3.4", id="url-user-and-port"),
        pytest.param("https://shop.example/", "it is a URL", None, id="url-host"),
        pytest.param("shop.example", "it is a host name", None, id="host-name"),
        pytest.param("a@b.example", "e-mail entries come with the Checkout release", None, id="e-mail"),
        pytest.param("1.2.3.*", "wildcards are written as a network", "1.2.3.0/24", id="wildcard"),
        pytest.param("1.2.*.*", "wildcards are written as a network", "1.2.0.0/16", id="two-wildcards"),
        pytest.param("1.2.x", "wildcards are written as a network", "1.2.0.0/16", id="wildcard-x"),
        pytest.param("1.*.3.4", "wildcards are written as a network", None, id="wildcard-inside"),
        pytest.param("*", "wildcards are written as a network", None, id="only-a-wildcard"),
        pytest.param("1.2.3.0-1.2.3.255", "a range is written as a network", "1.2.3.0/24", id="range"),
        pytest.param("1.2.3.4 - 1.2.3.4", "a range is written as a network", "1.2.3.4", id="range-of-one"),
        pytest.param("1.2.3.4-1.2.3.9", "as networks: 1.2.3.4/30, 1.2.3.8/31", None, id="range-of-several"),
        pytest.param("1.2.3.1-1.2.3.254", "… (14 in all)", None, id="range-of-many"),
        pytest.param("2001:db8::-2001:db8::ffff", "a range", "2001:db8::/112", id="range-ipv6"),
        pytest.param("1.2.3.9-1.2.3.4", "no range from a lower to a higher", None, id="range-backwards"),
        pytest.param(
            "1.2.3.9-2001:db8::", "no range from a lower to a higher", None, id="range-of-two-families"
        ),
        pytest.param("1.2.3.4, 5.6.7.8", "it holds several", None, id="several"),
        pytest.param("1.2.3.4,", "apart by spaces", "1.2.3.4", id="comma-behind"),
        pytest.param("1.2.3.4 5.6.7.0/24", "it holds several", None, id="several-by-space"),
        pytest.param("1.2.3.4 # bad one", "it holds a space", "1.2.3.4", id="comment"),
        pytest.param("1.2.3.0 /24", "it holds a space", "1.2.3.0/24", id="space-inside"),
        pytest.param("1.2.3.4\u200b", "U+200B, zero width space", "1.2.3.4", id="invisible"),
        pytest.param("1.2.3.4 \u200bx", "U+200B, zero width space", None, id="invisible-after-a-space"),
        pytest.param("1.2.3.\u00a04", "U+00A0, no-break space", "1.2.3.4", id="no-break-space"),
        pytest.param("1.2.3.4\x1b[0m", "U+001B, a control character", None, id="escape"),
        pytest.param("1O.0.0.l", "a character only looks like the right one", "10.0.0.1", id="letters"),
        pytest.param("1,2,3,4", "a character only looks like the right one", "1.2.3.4", id="commas"),
        pytest.param("\uff11.2.3.4", "a character only looks like the right one", "1.2.3.4", id="full-width"),
        pytest.param(
            "\u0661.2.3.4", "a character only looks like the right one", "1.2.3.4", id="other-digits"
        ),
        pytest.param("2001:db8", "it has 2 of 8 groups", "2001:db8::/32", id="two-groups"),
        pytest.param("2001:db8:1:2", "it has 4 of 8 groups", "2001:db8:1:2::/64", id="four-groups"),
        pytest.param("2001:db8:1:/48", "it has 3 of 8 groups", "2001:db8:1::/48", id="one-colon-for-two"),
        pytest.param("2001:db8:::1", "three colons in a row", "2001:db8::1", id="three-colons"),
        pytest.param("2001::db8::1", "it has :: twice", None, id="twice"),
        pytest.param("2001:db8::12345", '"12345" is no group', None, id="long-group"),
        pytest.param("2001:db8::g", '"g" is no group', None, id="no-hex"),
        pytest.param("::ffff:1.2.3.444", '"1.2.3.444", which is no IPv4 address', None, id="bad-ipv4-tail"),
        pytest.param("1:2:3:4:5:6:7:8:9:a", "it has 10 groups", None, id="ten-groups"),
        pytest.param("1:2:3:4:5:6:7:8::", "it has 8 groups and ::", None, id="eight-groups-and-colons"),
        pytest.param(
            ":1:2:3:4:5:6:7:8", "its colons and groups make no IPv6 address", None, id="leading-colon"
        ),
        pytest.param("1.2.3.4/24/5", "more than one slash", None, id="two-slashes"),
        pytest.param("hello", "an address reads like 203.0.113.7", None, id="a-word"),
        pytest.param(
            "1.2.3.0/33", "more bits in the prefix length than an IPv4 address, 32", None, id="prefix-33"
        ),
        pytest.param("2001:db8::/129", "than an IPv6 address, 128", None, id="prefix-129"),
        pytest.param("1.2.3.0/" + "9" * 5000, "more bits in the prefix length", None, id="prefix-endless"),
        pytest.param("9" * 5000, "it has 5000 characters", None, id="endless"),
        pytest.param("9." * 60, "it has 60 parts", None, id="endless-parts"),
        pytest.param("1.2.3.0/024", "leading zeros in the prefix length", "1.2.3.0/24", id="prefix-zeros"),
        pytest.param("1.2.3.0/", "ends before the prefix length", None, id="prefix-missing"),
        pytest.param("1.2.3.0/-1", "has no number of bits after the slash", None, id="prefix-negative"),
        pytest.param(
            "1.2.3.0/\u0662\u0664", "has no number of bits after the slash", None, id="prefix-other-digits"
        ),
        pytest.param("2001:db8::/ffff::", "has no number of bits after the slash", None, id="mask-ipv6"),
        pytest.param("1.2.3.0/0.0.0.255", "a wildcard mask", "1.2.3.0/24", id="wildcard-mask"),
        pytest.param("1.2.3.4/0.0.0.0", "a wildcard mask", "1.2.3.4/32", id="mask-of-nothing"),
        pytest.param("1.2.3.0/255.0.255.0", "which is no netmask", None, id="mask-with-holes"),
        pytest.param("::ffff:0:0/90", "reaches beyond the IPv4-mapped addresses", None, id="mapped-and-more"),
    ],
)
def test_a_mistake_is_named_with_the_nearest_right_form(text: str, why: str, nearest: str | None) -> None:
    """The message says what is wrong with which text, and offers what was probably meant."""
    message = mistake(text)
    assert why in message
    assert message.isprintable()
    found = NEAREST.search(message)
    assert (found and found[1]) == nearest


@pytest.mark.parametrize("text", ["", "  ", "\n"])
def test_nothing_is_told_what_to_write(text: str) -> None:
    """An empty value has a message of its own."""
    assert mistake(text).startswith("there is no address: write one like ")


def test_a_message_stays_short() -> None:
    """However long the text, the message is one a terminal can show."""
    assert len(mistake("x" * 100_000)) < 300


@given(
    st.text(max_size=30)
    | st.text(alphabet="0123456789abcdefgxXoOlI.:/%[]*-,;@ \u200b\u0661", max_size=30)
    | st.ip_addresses().map(str).flatmap(lambda text: st.text(alphabet=text + ".:/*", max_size=len(text) + 3))
)
def test_any_text_is_a_network_or_an_input_error(text: str) -> None:
    """Nothing else is ever raised, and what is suggested is itself right."""
    try:
        network, warning = parse_network(text)
    except InputError as error:
        message = str(error)
        assert message.isprintable()
        found = NEAREST.search(message)
        if found:
            again, warning = parse_network(found[1])
            assert warning is None
            assert found[1] in {str(again), str(again).rpartition("/")[0]}
    else:
        expected = ipaddress.ip_network(text.strip(), strict=False)
        assert warning is None or str(network) in warning
        if network.prefix <= 32 and expected.version == 6 and len(network.packed) == 4:
            expected = ipaddress.ip_network(
                (expected.network_address.packed[12:], expected.prefixlen - 96)  # folded
            )
        assert str(network) == str(expected)
