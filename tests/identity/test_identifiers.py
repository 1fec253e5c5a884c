from __future__ import annotations

import pytest

from proxy.errors import InputError
from proxy.identity.identifiers import Identifier, is_canonical, parse_identifier


@pytest.mark.parametrize(
    ("text", "exact", "identifier", "warning"),
    [
        pytest.param("203.0.113.7", False, "ip:203.0.113.7", None, id="ipv4"),
        pytest.param("203.0.113.7/32", False, "ip:203.0.113.7", None, id="network-of-one"),
        pytest.param("203.0.113.0/24", False, "network:203.0.113.0/24", None, id="network"),
        pytest.param(
            "203.0.113.7/24",
            False,
            "network:203.0.113.0/24",
            "203.0.113.7/24 means all 256 addresses of 203.0.113.0/24; for the one address write 203.0.113.7",
            id="host-bits",
        ),
        pytest.param(
            "::ffff:203.0.113.7/120",
            False,
            "network:203.0.113.0/24",
            "means all 256 addresses",
            id="host-bits-mapped",
        ),
        pytest.param(
            "2001:db8::7/64",
            False,
            "network:2001:db8::/64",
            "means all addresses of 2001:db8::/64",
            id="host-bits-6",
        ),
        pytest.param("::ffff:203.0.113.7", False, "ip:203.0.113.7", None, id="mapped"),
        pytest.param(
            "2001:db8::7", False, "network:2001:db8::/64", "taken as 2001:db8::/64", id="ipv6-is-its-64"
        ),
        pytest.param("2001:db8::7", True, "ip:2001:db8::7", None, id="ipv6-exact"),
        pytest.param("2001:db8::7/128", False, "ip:2001:db8::7", None, id="ipv6-written-as-128"),
        pytest.param("2001:db8::/48", True, "network:2001:db8::/48", None, id="exact-changes-no-network"),
        pytest.param(
            "64:ff9b::203.0.113.7", False, "ip:64:ff9b::cb00:7107", "taken alone", id="nat64-stays-alone"
        ),
        pytest.param(
            "2001:0:1:2:3:4:5:6", False, "ip:2001:0:1:2:3:4:5:6", "taken alone", id="teredo-stays-alone"
        ),
        pytest.param("ip:2001:db8::7", False, "ip:2001:db8::7", None, id="as-printed-ipv6"),
        pytest.param("ip:203.0.113.7", False, "ip:203.0.113.7", None, id="as-printed"),
        pytest.param(
            " network:203.0.113.0/24 ", False, "network:203.0.113.0/24", None, id="as-printed-network"
        ),
    ],
)
def test_what_an_operator_types_is_understood(
    text: str, identifier: str, warning: str | None, *, exact: bool
) -> None:
    """An address or a network, with a sentence for each change; an IPv6 address means its /64."""
    found, warnings = parse_identifier(text, exact=exact)
    assert str(found) == identifier
    assert is_canonical(found)
    assert len(warnings) == (warning is not None)
    assert warning is None or warning in warnings[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("1.2.3", "did you mean 1.2.3.0/24?", id="short"),
        pytest.param("ip:1.2.3.0/24", "did you mean network:1.2.3.0/24?", id="network-called-ip"),
        pytest.param("network:1.2.3", "did you mean 1.2.3.0/24?", id="short-network"),
        pytest.param("someone@shop.example", "Checkout release", id="e-mail"),
        pytest.param("email:someone@shop.example", "Checkout release", id="e-mail-kind"),
    ],
)
def test_what_is_not_understood_is_told(text: str, message: str) -> None:
    """The way out stands in the message."""
    with pytest.raises(InputError) as error:
        parse_identifier(text)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("kind", "value", "canonical"),
    [
        pytest.param("ip", "203.0.113.7", True, id="ip"),
        pytest.param("ip", "2001:DB8::7", False, id="upper-case"),
        pytest.param("ip", "::ffff:203.0.113.7", False, id="mapped"),
        pytest.param("ip", "203.0.113.0/24", False, id="ip-with-prefix"),
        pytest.param("network", "203.0.113.0/24", True, id="network"),
        pytest.param("network", "203.0.113.0/024", False, id="prefix-zeros"),
        pytest.param("network", "203.0.113.7/32", False, id="network-of-one"),
        pytest.param("network", "203.0.113.7", False, id="network-without-prefix"),
        pytest.param("network", "::ffff:203.0.113.0/120", False, id="mapped-network"),
        pytest.param("email", "a@b.example", False, id="kind-without-values"),
    ],
)
def test_a_value_is_canonical_or_not(kind: str, value: str, *, canonical: bool) -> None:
    """One thing has one name, or a list would hold it twice."""
    assert is_canonical(Identifier(kind, value)) is canonical
