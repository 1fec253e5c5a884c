"""What must hold beyond types: addresses, networks, and options that only make sense together. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final

from proxy.errors import InputError
from proxy.identity.networks import Network, parse_network
from proxy.settings.addresses import (
    ListenerAddress,
    SocketAddress,
    UpstreamAddress,
    is_host,
    meets,
    parse_listener,
    parse_listeners,
    parse_socket_address,
    parse_upstream,
    parse_upstreams,
)
from proxy.settings.mistake import Mistake, nearest
from proxy.settings.schema import Settings
from proxy.settings.store_url import explain_store_url

if TYPE_CHECKING:
    from proxy.settings.positions import Path

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
_AUTHORITY = re.compile(r"[A-Za-z0-9._-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?", re.ASCII)
_LONGEST_AUTHORITY: Final = 260  # a name of 253 characters (RFC 1123 section 2.1), a colon, a port
_STORE_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
# Shop systems whose checkout will be known; until then they get the generic treatment by that name.
_LATER_PLATFORMS: Final = (
    "bigcommerce",
    "magento",
    "medusa",
    "opencart",
    "prestashop",
    "saleor",
    "shopify",
    "shopware",
    "spree",
    "sylius",
    "vendure",
    "woocommerce",
)
# The widest network that may be one operator's own: 10.0.0.0/8 for IPv4, a regional registry's /16 or the
# whole of the private ranges for IPv6. What is wider trusts strangers.
_WIDEST_4: Final = 8
_WIDEST_6: Final = 16
_PRIVATE_6: Final = (parse_network("fc00::/7")[0], parse_network("fe80::/10")[0])  # RFC 4193, RFC 4291

Check = Callable[[Settings], Iterator[Mistake]]


def find_mistakes(settings: Settings, wrong: frozenset[Path]) -> list[Mistake]:
    """Return what does not hold. Checks that read an option of `wrong` (already refused) are left out."""
    found: list[Mistake] = []
    for needed, check in _CHECKS:
        if not any(tuple(name.split(".")) in wrong for name in needed):
            found += check(settings)
    return found


def find_warnings(settings: Settings) -> list[Mistake]:
    """Return what is allowed but probably not meant. Only for settings without mistakes."""
    found = [
        Mistake(path=path, text=warning)
        for path, text in _network_texts(settings)
        if (warning := parse_network(text)[1])
    ]
    secure = parse_upstreams(settings.upstream)[0].scheme == "https"
    if secure and not settings.relay.tls_verify:
        text = (
            "the upstream's certificate is not checked: whoever stands between can read and change everything"
        )
        found.append(Mistake(path=("relay", "tls_verify"), text=text))
    found += [
        Mistake(path=("relay", name), text="has no effect: the upstream is not https")
        for name in ("tls_ca", "tls_server_name")
        if getattr(settings.relay, name) and not secure
    ]
    admin = parse_socket_address(settings.admin) if settings.admin else None
    if admin is not None and not admin.is_loopback:
        text = f"status and metrics can be read by whoever reaches {admin}; keep it off the public network"
        found.append(Mistake(path=("admin",), text=text))
    if (
        any(listener.proxy_protocol for listener in parse_listeners(settings.listen))
        and not settings.trusted_proxies
    ):
        text = "a listener expects the PROXY protocol, but no proxy is trusted to state a client address"
        found.append(Mistake(path=("trusted_proxies",), text=text))
    if settings.mode == "enforce" and not settings.block_page.contact:
        text = "is empty: a refused person is told to contact you but not how; set it to mailto:… or https:…"
        found.append(Mistake(path=("block_page", "contact"), text=text))
    return found


def _check_listen(settings: Settings) -> Iterator[Mistake]:
    if not settings.listen:
        yield Mistake(path=("listen",), text='names no address; write one such as "127.0.0.1:8080"')
    seen: list[SocketAddress] = []
    for path, listener in _listeners(settings):
        if isinstance(listener, Mistake):
            yield listener
            continue
        if listener.address in seen and (listener.address.is_unix or listener.address.port):
            yield Mistake(path=path, text=f"{listener.address} is listed twice; take one away")
        seen.append(listener.address)
        if bool(listener.certificate) != bool(listener.key):
            given, missing = ("certificate", "key") if listener.certificate else ("key", "certificate")
            text = f"{given} is given without {missing}; TLS needs both, plain HTTP neither"
            yield Mistake(path=path, text=text)


def _check_upstream(settings: Settings) -> Iterator[Mistake]:
    if not settings.upstream:
        yield Mistake(path=("upstream",), text='names no address; write one such as "http://127.0.0.1:9001"')
    seen: list[UpstreamAddress] = []
    for path, upstream in _upstreams(settings):
        if isinstance(upstream, Mistake):
            yield upstream
            continue
        if upstream in seen:
            yield Mistake(path=path, text=f"{upstream} is listed twice; take one away")
        elif seen and upstream.scheme != seen[0].scheme:
            text = f"{upstream} and {seen[0]} differ in scheme; all addresses of the upstream share one"
            yield Mistake(path=path, text=text)
        seen.append(upstream)


def _check_admin(settings: Settings) -> Iterator[Mistake]:
    if not settings.admin:
        return
    try:
        admin = parse_socket_address(settings.admin)
    except InputError as error:
        yield Mistake(path=("admin",), text=str(error))
        return
    for _, listener in _listeners(settings):
        if not isinstance(listener, Mistake) and _collide(admin, listener.address):
            text = (
                f"{admin} is also a listener for shoppers ({listener.address}); give it an address of its own"
            )
            yield Mistake(path=("admin",), text=text)


def _check_loop(settings: Settings) -> Iterator[Mistake]:
    own = [found for _, found in _listeners(settings) if isinstance(found, ListenerAddress)]
    for path, upstream in _upstreams(settings):
        if isinstance(upstream, Mistake):
            continue
        for listener in own:
            if meets(upstream.address, listener.address):
                text = f"{upstream} is our own listener ({listener.address}): requests would go in circles"
                yield Mistake(path=path, text=text)


def _check_trusted(settings: Settings) -> Iterator[Mistake]:
    yield from _check_networks(
        (("trusted_proxies", i), text) for i, text in enumerate(settings.trusted_proxies)
    )


def _check_networks(texts: Iterable[tuple[Path, str]]) -> Iterator[Mistake]:
    for path, text in texts:
        try:
            network, _ = parse_network(text)
        except InputError as error:
            yield Mistake(path=path, text=str(error))
            continue
        if _is_too_wide(network):
            way_out = "name the networks your proxies are in"
            reason = "trusts strangers: they could claim any client address in a header"
            yield Mistake(path=path, text=f"{network} {reason}; {way_out}")


def _check_single_value(settings: Settings) -> Iterator[Mistake]:
    for name, networks in settings.client_address.single_value.items():
        path: Path = ("client_address", "single_value", name)
        if not _TOKEN.fullmatch(name):
            yield Mistake(path=path, text=f"{name!r} is no header name (RFC 9110 section 5.1)")
        elif name.lower() in ("x-forwarded-for", "forwarded"):
            text = f"{name} holds a list, not one address; it is set by client_address.header"
            yield Mistake(path=path, text=text)
        elif not networks:
            text = f'nobody may send {name}; name its networks, as in "{name}" = ["173.245.48.0/20"]'
            yield Mistake(path=path, text=text)
        yield from _check_networks(((*path, i), text) for i, text in enumerate(networks))


def _check_store(settings: Settings) -> Iterator[Mistake]:
    # The value may hold a password, so that no message repeats it.
    if settings.store and (text := explain_store_url(settings.store)):
        yield Mistake(path=("store",), text=text)


def _check_names(settings: Settings) -> Iterator[Mistake]:
    if not _STORE_NAME.fullmatch(settings.store_name):
        text = f"{settings.store_name!r} is no name for keys; use 1 to 64 letters, digits, '-', '_' or '.'"
        yield Mistake(path=("store_name",), text=text)
    if settings.platform != "generic":
        yield Mistake(path=("platform",), text=_explain_platform(settings.platform))


def _check_relay(settings: Settings) -> Iterator[Mistake]:
    relay = settings.relay
    if len(relay.host) > _LONGEST_AUTHORITY or not _AUTHORITY.fullmatch(relay.host):
        text = f'{relay.host!r} is neither "keep", "upstream" nor a host name such as "shop.example"'
        yield Mistake(path=("relay", "host"), text=text)
    if relay.via and not _TOKEN.fullmatch(relay.via):
        text = f"{relay.via!r} is no name for Via; use letters, digits and -._ (RFC 9110 section 7.6.3)"
        yield Mistake(path=("relay", "via"), text=text)
    for index, protocol in enumerate(relay.upgrades):
        if not all(_TOKEN.fullmatch(part) for part in protocol.split("/", 1)):
            text = f'{protocol!r} is no protocol name such as "websocket" (RFC 9110 section 7.8)'
            yield Mistake(path=("relay", "upgrades", index), text=text)
    if relay.tls_server_name and not is_host(relay.tls_server_name):
        text = f"{relay.tls_server_name!r} is no host name"
        yield Mistake(path=("relay", "tls_server_name"), text=text)


def _check_limits(settings: Settings) -> Iterator[Mistake]:
    limits = settings.limits
    if limits.url_bytes > limits.head_bytes:
        text = f"{limits.url_bytes} is more than limits.head_bytes ({limits.head_bytes}), which holds the URL"
        yield Mistake(path=("limits", "url_bytes"), text=text)


def _check_health(settings: Settings) -> Iterator[Mistake]:
    path = settings.health.path
    if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", path) or "/./" in f"{path}/" or "/../" in f"{path}/":
        text = f'{path!r} must be a path such as "/.stockade": it starts with a slash and ends without one'
        yield Mistake(path=("health", "path"), text=text)
    if not re.fullmatch(r"/[!-~]*", settings.health.upstream_path) or "#" in settings.health.upstream_path:
        text = f"{settings.health.upstream_path!r} must be a path of the shop that starts with a slash"
        yield Mistake(path=("health", "upstream_path"), text=text)


_CHECKS: Final[tuple[tuple[tuple[str, ...], Check], ...]] = (
    (("listen",), _check_listen),
    (("upstream",), _check_upstream),
    (("admin",), _check_admin),
    (("listen", "upstream"), _check_loop),
    (("trusted_proxies",), _check_trusted),
    (("client_address.single_value",), _check_single_value),
    (("store",), _check_store),
    (("store_name", "platform"), _check_names),
    (("relay.host", "relay.via", "relay.upgrades", "relay.tls_server_name"), _check_relay),
    (("limits.url_bytes", "limits.head_bytes"), _check_limits),
    (("health.path", "health.upstream_path"), _check_health),
)


def _listeners(settings: Settings) -> Iterator[tuple[Path, ListenerAddress | Mistake]]:
    single = isinstance(settings.listen, str)
    for index, item in enumerate((settings.listen,) if isinstance(settings.listen, str) else settings.listen):
        path: Path = ("listen",) if single else ("listen", index)
        try:
            yield path, parse_listener(item)
        except InputError as error:
            yield path, Mistake(path=path, text=str(error))


def _upstreams(settings: Settings) -> Iterator[tuple[Path, UpstreamAddress | Mistake]]:
    single = isinstance(settings.upstream, str)
    items = (settings.upstream,) if isinstance(settings.upstream, str) else settings.upstream
    for index, item in enumerate(items):
        path: Path = ("upstream",) if single else ("upstream", index)
        try:
            yield path, parse_upstream(item)
        except InputError as error:
            yield path, Mistake(path=path, text=str(error))


def _network_texts(settings: Settings) -> Iterator[tuple[Path, str]]:
    for index, text in enumerate(settings.trusted_proxies):
        yield ("trusted_proxies", index), text
    for name, networks in settings.client_address.single_value.items():
        for index, text in enumerate(networks):
            yield ("client_address", "single_value", name, index), text


def _is_too_wide(network: Network) -> bool:
    if len(network.packed) == 4:
        return network.prefix < _WIDEST_4
    private = any(own.prefix <= network.prefix and own.overlaps(network) for own in _PRIVATE_6)
    return network.prefix < _WIDEST_6 and not private


def _collide(one: SocketAddress, other: SocketAddress) -> bool:
    same_port = not one.is_unix and not other.is_unix and one.port == other.port != 0
    return one == other if not same_port else one == other or one.is_wildcard or other.is_wildcard


def _explain_platform(platform: str) -> str:
    known = nearest(platform.lower(), _LATER_PLATFORMS)
    if known:
        return f'{known} comes with the checkout; until then write platform = "generic" (or leave it out)'
    return f'{platform!r} is no shop system known here; write platform = "generic" (or leave it out)'
