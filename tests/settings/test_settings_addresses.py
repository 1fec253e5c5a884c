"""Addresses to listen on, and addresses of the upstream."""

from __future__ import annotations

import pytest

from proxy.errors import InputError
from proxy.settings.addresses import (
    ListenerAddress,
    SocketAddress,
    meets,
    parse_listeners,
    parse_socket_address,
    parse_upstream,
    parse_upstreams,
)
from proxy.settings.schema import Listener


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("127.0.0.1:8080", SocketAddress(host="127.0.0.1", port=8080), id="ipv4"),
        pytest.param("0.0.0.0:0", SocketAddress(host="0.0.0.0", port=0), id="free-port"),
        pytest.param("[::]:8080", SocketAddress(host="::", port=8080), id="ipv6-wildcard"),
        pytest.param("[2001:db8::1]:65535", SocketAddress(host="2001:db8::1", port=65535), id="ipv6"),
        pytest.param("localhost:80", SocketAddress(host="localhost", port=80), id="name"),
        pytest.param(
            "shop_app-1.internal.:80", SocketAddress(host="shop_app-1.internal.", port=80), id="dns"
        ),
        pytest.param("unix:/run/http.sock", SocketAddress(path="/run/http.sock"), id="unix"),
        pytest.param("unix:///run/http.sock", SocketAddress(path="/run/http.sock"), id="unix-url"),
    ],
)
def test_a_socket_address_is_read(text: str, expected: SocketAddress) -> None:
    """Host and port, an IPv6 address in brackets, or a full unix path."""
    assert parse_socket_address(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", 'did you mean ":8080"', id="empty"),
        pytest.param("8080", 'write "127.0.0.1:8080"', id="port-alone"),
        pytest.param("127.0.0.1", 'did you mean "127.0.0.1:8080"?', id="host-alone"),
        pytest.param(":8080", 'write "0.0.0.0:8080" or "[::]:8080"', id="no-host"),
        pytest.param("*:8080", 'write "0.0.0.0:8080" or "[::]:8080"', id="star"),
        pytest.param("127.0.0.1:http", "'http' is no port", id="named-port"),
        pytest.param("127.0.0.1:65536", "'65536' is no port", id="port-too-high"),
        pytest.param("127.0.0.1:-1", "'-1' is no port", id="negative-port"),
        pytest.param("127.0.0.1:٨٠", "is no port", id="arabic-digits"),
        pytest.param("300.0.0.1:80", "'300.0.0.1' is no IPv4 address", id="octet-too-high"),
        pytest.param("1.2.3:80", "'1.2.3' is no IPv4 address", id="three-octets"),
        pytest.param("::1:8080", '"[::1]:8080"', id="ipv6-and-port-bare"),
        pytest.param("2001:db8::1", '"[2001:db8::1]:8080"', id="ipv6-bare"),
        pytest.param("[1.2.3.4]:80", "is no IPv6 address", id="ipv4-in-brackets"),
        pytest.param("sh op:80", "'sh op' is no host name", id="space"),
        pytest.param("-:80", "is no host name", id="dash"),
        pytest.param("unix:http.sock", "full path", id="relative-socket"),
        pytest.param("unix:/run/", "full path", id="socket-directory"),
        pytest.param("unix:/" + "a" * 110, "at most 103 bytes", id="socket-too-long"),
    ],
)
def test_a_wrong_socket_address_is_refused(text: str, message: str) -> None:
    """The message names the nearest right form."""
    with pytest.raises(InputError) as refused:
        parse_socket_address(text)
    assert message in str(refused.value)


def test_listeners_keep_what_their_tables_say() -> None:
    """A plain address is plain HTTP; a table may ask for TLS and the PROXY protocol."""
    table = Listener(address="[::]:8443", proxy_protocol=True, certificate="a.pem", key="a.key")
    plain, secure = parse_listeners(("127.0.0.1:80", table))
    assert plain == ListenerAddress(address=SocketAddress(host="127.0.0.1", port=80))
    assert not plain.tls
    assert secure.tls
    assert (str(plain), str(secure)) == ("127.0.0.1:80", "[::]:8443 (TLS, PROXY protocol)")
    assert parse_listeners("127.0.0.1:80") == (plain,)


@pytest.mark.parametrize(
    ("text", "shown", "authority"),
    [
        pytest.param("http://127.0.0.1:9001", "http://127.0.0.1:9001", "127.0.0.1:9001", id="port"),
        pytest.param("http://shop.example", "http://shop.example:80", "shop.example", id="http-default"),
        pytest.param("https://shop.example/", "https://shop.example:443", "shop.example", id="https-slash"),
        pytest.param(
            "https://shop.example:80", "https://shop.example:80", "shop.example:80", id="other-port"
        ),
        pytest.param("http://[::1]:80", "http://[::1]:80", "[::1]", id="ipv6"),
        pytest.param("unix:/run/app.sock", "unix:/run/app.sock", "localhost", id="unix"),
    ],
)
def test_an_upstream_is_read(text: str, shown: str, authority: str) -> None:
    """Scheme and place; the Host header leaves out the scheme's own port."""
    upstream = parse_upstream(text)
    assert (str(upstream), upstream.authority) == (shown, authority)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("127.0.0.1:9001", 'did you mean "http://127.0.0.1:9001"?', id="no-scheme"),
        pytest.param("ftp://a", 'write "http://a" or https', id="scheme"),
        pytest.param("http://a/shop", 'write "http://a" alone', id="path"),
        pytest.param("http://a?b=c", "has a path", id="query"),
        pytest.param("http://", "'' is no host name", id="no-host"),
        pytest.param("http://a:0", "port 0", id="port-0"),
        pytest.param("http://a:99999", "is no address", id="port-too-high"),
        pytest.param("http://[::1", "is no address", id="open-bracket"),
        pytest.param("http://1.2.3", "'1.2.3' is no IPv4 address", id="three-octets"),
    ],
)
def test_a_wrong_upstream_is_refused(text: str, message: str) -> None:
    """The message names the nearest right form."""
    with pytest.raises(InputError) as refused:
        parse_upstreams(("http://127.0.0.1", text))
    assert message in str(refused.value)


def test_a_password_in_an_upstream_is_not_repeated() -> None:
    """Messages go to logs; what looks like a secret stays out of them."""
    with pytest.raises(InputError) as refused:
        parse_upstream("http://user:s3cret@shop.example")
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        pytest.param("127.0.0.1:80", "127.0.0.1:80", True, id="same"),
        pytest.param("127.0.0.1:80", "127.0.0.1:81", False, id="other-port"),
        pytest.param("127.0.0.1:80", "0.0.0.0:80", True, id="loopback-meets-every-address"),
        pytest.param("[::1]:80", "[::]:80", True, id="ipv6"),
        pytest.param("localhost:80", "127.0.0.1:80", True, id="localhost"),
        pytest.param("127.0.0.1:80", "127.0.0.2:80", False, id="other-loopback"),
        pytest.param("10.0.0.1:80", "0.0.0.0:80", False, id="another-machine"),
        pytest.param("unix:/a", "unix:/a", True, id="socket"),
        pytest.param("unix:/a", "127.0.0.1:80", False, id="socket-and-port"),
    ],
)
def test_a_way_back_to_ourselves_is_seen(one: str, other: str, *, expected: bool) -> None:
    """An upstream that is our own listener would be an endless loop."""
    assert meets(parse_socket_address(one), parse_socket_address(other)) is expected


@pytest.mark.parametrize(
    ("text", "loopback", "wildcard"),
    [
        pytest.param("127.1.2.3:80", True, False, id="ipv4-loopback"),
        pytest.param("[::1]:80", True, False, id="ipv6-loopback"),
        pytest.param("LocalHost:80", True, False, id="localhost"),
        pytest.param("unix:/a", True, False, id="socket"),
        pytest.param("0.0.0.0:80", False, True, id="ipv4-every"),
        pytest.param("[::]:80", False, True, id="ipv6-every"),
        pytest.param("10.0.0.1:80", False, False, id="lan"),
        pytest.param("shop.example:80", False, False, id="name"),
    ],
)
def test_reach_is_known(text: str, *, loopback: bool, wildcard: bool) -> None:
    """Who can reach a socket decides about warnings."""
    address = parse_socket_address(text)
    assert (address.is_loopback, address.is_wildcard) == (loopback, wildcard)
