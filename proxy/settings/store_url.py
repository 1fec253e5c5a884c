"""What is wrong with the address of a store. Pure; no message repeats the address, for it may hold a password."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote, urlsplit

from proxy.settings.addresses import is_host, is_socket_path

_SCHEMES: Final = ("redis://", "rediss://", "unix://")
_ENCODE: Final = (
    "a password with / ? # or @ in it is percent-encoded (/ as %2F, ? as %3F, # as %23, @ as %40)"
)


def explain_store_url(url: str) -> str:
    """Return what is wrong with `store` and the way out; empty when nothing is."""
    if not url.startswith(_SCHEMES):
        return 'is no address of a store; write "redis://host:6379/0", "rediss://…" (TLS) or "unix:///path"'
    if re.search(r"[\s\x00-\x1f\x7f]", url):
        return "holds a space or a control character; one in a password is percent-encoded (a space as %20)"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return f"has a host or port that cannot be read; {_ENCODE}"
    if parts.scheme == "unix":
        return _explain_unix(parts.netloc, unquote(parts.path))
    if "@" in parts.path or "@" in parts.fragment or parts.fragment:
        return f"goes on where its address should have ended; {_ENCODE}"
    if not parts.hostname:
        return f'names no host; write "{parts.scheme}://127.0.0.1:6379/0" for this machine; {_ENCODE}'
    if not is_host(parts.hostname):
        return f"has a host that is no host name or address; {_ENCODE}"
    if port == 0:
        return "has port 0, on which nobody listens; a store's port is usually 6379"
    if not re.fullmatch(r"/?|/\d{1,9}", parts.path, re.ASCII):
        return 'has a path that is no number of a database; write it as in "redis://host:6379/0"'
    return ""


def _explain_unix(netloc: str, path: str) -> str:
    if (netloc and not netloc.endswith("@")) or not is_socket_path(path):
        return 'names no path of a unix socket; write the full path (at most 103 bytes), as in "unix:///run/redis.sock"'
    return ""
