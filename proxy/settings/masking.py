"""Passwords in addresses, taken out before a person or a log sees the text. Pure; `store` uses it too."""

from __future__ import annotations

import re
from urllib.parse import unquote_plus

_URL = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*://)([^\s\"']*)")
_OPTION = re.compile(r"([?&;]([^?&;=]*)=)([^&;]*)")
# Options of a Redis URL that are secrets: password, ssl_password, …; and what others call theirs.
_SECRET = re.compile(r"pass|pwd|secret|token", re.IGNORECASE)
_PORT = re.compile(r"\d{0,5}[;,.:)]*", re.ASCII)  # a message may go on behind it


def hide_passwords(text: str) -> str:
    """Return `text` with *** for the passwords of its URLs: before the host, and in options named like one."""
    return _URL.sub(lambda found: found[1] + _hide(found[2]), text)


def _hide(rest: str) -> str:
    """Return what stands behind :// without its passwords; in doubt too much is hidden."""
    query = rest.find("?")
    at = rest.rfind("@")
    if 0 <= query < at and "=" in rest[query:at]:
        at = rest.rfind("@", 0, query)  # the later one stands in an option
    if at >= 0:
        # Up to the last @: a password that was not percent-encoded is hidden whole.
        user, colon, _ = rest[:at].partition(":")
        return f"{user}{':***' if colon else ''}{_OPTION.sub(_star, rest[at:])}"
    # No user is named, so that what follows a colon is a port; or a password that was cut off.
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    host, colon, port = authority.rpartition(":")
    if colon and not _PORT.fullmatch(port) and not authority.endswith("]"):
        return f"{host}:***"
    return _OPTION.sub(_star, rest)


def _star(found: re.Match[str]) -> str:
    # Names may be percent-encoded as well.
    return f"{found[1]}***" if _SECRET.search(unquote_plus(found[2])) else found[0]
