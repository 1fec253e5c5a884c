"""The addresses in the settings: where to listen, and where the upstream is. Pure; nothing is looked up."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from proxy.errors import InputError
from proxy.identity.addresses import pack

if TYPE_CHECKING:
    from proxy.settings.tables import Listener

# sun_path holds 108 bytes on Linux and 104 on macOS, the closing NUL included (unix(7), unix(4)).
_LONGEST_SOCKET_PATH = 103
# RFC 1123 section 2.1: labels up to 63, 253 in all; and the "_" that container names have.
_HOST_NAME = re.compile(
    r"(?=.{1,253}\.?\Z)(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.?)+", re.ASCII
)
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketAddress:
    """Where a socket is bound: `host` (name or address without brackets) and `port`, or a unix `path`."""

    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        return f"unix:{self.path}" if self.path else f"{_bracket(self.host)}:{self.port}"

    @property
    def is_unix(self) -> bool:
        """Tell whether this is a unix socket."""
        return bool(self.path)

    @property
    def is_loopback(self) -> bool:
        """Tell whether only this machine can reach it: a unix socket, localhost, 127.0.0.0/8 or ::1."""
        packed = pack(self.host)
        if packed is None:
            return self.is_unix or self.host.lower() == "localhost"
        return packed[:1] == b"\x7f" if len(packed) == 4 else packed == bytes(15) + b"\x01"

    @property
    def is_wildcard(self) -> bool:
        """Tell whether it takes connections on every address of the machine (0.0.0.0 or ::)."""
        packed = pack(self.host)
        return packed is not None and not any(packed)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerAddress:
    """A listener: its address, and how its connections begin. `certificate` and `key` are PEM paths or ""."""

    address: SocketAddress
    proxy_protocol: bool = False
    certificate: str = ""
    key: str = ""

    def __str__(self) -> str:
        extras = [name for name, on in (("TLS", self.tls), ("PROXY protocol", self.proxy_protocol)) if on]
        return f"{self.address} ({', '.join(extras)})" if extras else str(self.address)

    @property
    def tls(self) -> bool:
        """Tell whether shoppers speak TLS to it."""
        return bool(self.certificate)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamAddress:
    """An address of the upstream as typed; a name is looked up by the edge, again and again."""

    scheme: Literal["http", "https"]
    address: SocketAddress

    def __str__(self) -> str:
        return str(self.address) if self.address.is_unix else f"{self.scheme}://{self.address}"

    @property
    def authority(self) -> str:
        """The Host header that names it (RFC 9110 section 7.2), without the port that is the scheme's own."""
        if self.address.is_unix:
            return "localhost"
        host = _bracket(self.address.host)
        return host if self.address.port == _PORTS[self.scheme] else f"{host}:{self.address.port}"


def parse_socket_address(text: str) -> SocketAddress:
    """Return the address of "host:port", "[::]:8080" or "unix:/path"; InputError with the nearest form."""
    if text.startswith("unix:"):
        return SocketAddress(path=_parse_socket_path(text))
    host, colon, digits = text.rpartition(":")
    if not colon:
        raise InputError(_explain_port(text))
    port = int(digits) if re.fullmatch(r"\d{1,5}", digits, re.ASCII) else -1
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        if pack(host) is None or ":" not in host:
            raise InputError(f"{text!r}: {host!r} in brackets is no IPv6 address")
    elif ":" in host:
        # "::1:8080" can be read as an address too, but four digits that end one were most likely the port.
        meant = f"[{host}]:{digits}" if (pack(host) and port >= 10) or not pack(text) else f"[{text}]:8080"
        raise InputError(f'{text!r}: an IPv6 address stands in brackets: "{meant}"')
    if not 0 <= port <= 65535:
        raise InputError(f"{text!r}: {digits!r} is no port; a port is a number from 0 to 65535")
    if host in ("", "*"):
        raise InputError(f'{text!r} names no address; for every one write "0.0.0.0:{port}" or "[::]:{port}"')
    _check_host(host, text)
    return SocketAddress(host=host, port=port)


def parse_listeners(listen: str | tuple[str | Listener, ...]) -> tuple[ListenerAddress, ...]:
    """Return the listeners of the `listen` option. Raises InputError on the first wrong one."""
    items = (listen,) if isinstance(listen, str) else listen
    return tuple(parse_listener(item) for item in items)


def parse_listener(item: str | Listener) -> ListenerAddress:
    """Return one listener. Raises InputError."""
    if isinstance(item, str):
        return ListenerAddress(address=parse_socket_address(item))
    return ListenerAddress(
        address=parse_socket_address(item.address),
        proxy_protocol=item.proxy_protocol,
        certificate=item.certificate,
        key=item.key,
    )


def parse_upstreams(upstream: str | tuple[str, ...]) -> tuple[UpstreamAddress, ...]:
    """Return the addresses of the `upstream` option. Raises InputError on the first wrong one."""
    return tuple(parse_upstream(item) for item in ((upstream,) if isinstance(upstream, str) else upstream))


def parse_upstream(text: str) -> UpstreamAddress:
    """Return one upstream address. Raises InputError with the nearest right form."""
    if text.startswith("unix:"):
        return UpstreamAddress(scheme="http", address=SocketAddress(path=_parse_socket_path(text)))
    scheme, separator, rest = text.partition("://")
    if not separator:
        raise InputError(f'{text!r} has no scheme; did you mean "http://{text}"?')
    if scheme not in ("http", "https"):
        raise InputError(
            f'{text!r}: {scheme}:// is not spoken to an upstream; write "http://{rest}" or https'
        )
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise InputError(f"{text!r} is no address of an upstream: {error}") from None
    host = parts.hostname or ""
    if parts.username is not None:
        raise InputError(
            f"{scheme}://{parts.netloc.rpartition('@')[2]}: a user name or password has no place here"
        )
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise InputError(
            f'{text!r} has a path; requests keep their own, so write "{scheme}://{parts.netloc}" alone'
        )
    _check_host(host, text)
    if port == 0:
        raise InputError(f"{text!r}: nobody listens on port 0")
    known: Literal["http", "https"] = "https" if scheme == "https" else "http"
    return UpstreamAddress(
        scheme=known, address=SocketAddress(host=host, port=port if port is not None else _PORTS[known])
    )


def is_host(text: str) -> bool:
    """Tell whether a text is an address without brackets or port, or a host name."""
    return pack(text) is not None or _HOST_NAME.fullmatch(text) is not None


def is_socket_path(text: str) -> bool:
    """Tell whether a unix socket can have this path."""
    fits = len(text.encode()) <= _LONGEST_SOCKET_PATH
    return fits and text.startswith("/") and not text.endswith("/") and "\0" not in text


def meets(one: SocketAddress, other: SocketAddress) -> bool:
    """Tell whether connecting to `one` ends at a socket bound to `other`, as far as the texts show."""
    if one.is_unix or other.is_unix:
        return one.path == other.path
    if one.port != other.port or one.port == 0:
        return False
    if one.host.lower() == other.host.lower():
        return True
    local = one.is_loopback or one.is_wildcard
    return local and (other.is_wildcard or (other.is_loopback and "localhost" in (one.host, other.host)))


def _parse_socket_path(text: str) -> str:
    path = text.removeprefix("unix:")
    path = path.removeprefix("//") if path.startswith("///") else path
    if not path.startswith("/") or path.endswith("/") or "\0" in path:
        raise InputError(
            f'{text!r}: a unix socket is named by its full path, as in "unix:/run/stockade/http.sock"'
        )
    if len(path.encode()) > _LONGEST_SOCKET_PATH:
        raise InputError(
            f"{text!r}: the path of a unix socket has at most {_LONGEST_SOCKET_PATH} bytes, this one "
            f"{len(path.encode())}; use a shorter one"
        )
    return path


def _check_host(host: str, text: str) -> None:
    if pack(host) is not None:
        return
    if re.fullmatch(r"[\d.]+", host, re.ASCII):
        raise InputError(f"{text!r}: {host!r} is no IPv4 address")
    if not _HOST_NAME.fullmatch(host):
        raise InputError(f"{text!r}: {host!r} is no host name or address")


def _explain_port(text: str) -> str:
    if text.isdigit():
        return f'{text!r} names no address; for this machine alone write "127.0.0.1:{text}"'
    return f'{text!r} has no port; did you mean "{text}:8080"?'


def _bracket(host: str) -> str:
    return f"[{host}]" if ":" in host else host
