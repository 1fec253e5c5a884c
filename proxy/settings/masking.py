"""Passwords in addresses, taken out before a person or a log sees the text."""

from __future__ import annotations

import re

# From the colon after the user name to the last @: a password that was not percent-encoded is hidden whole.
_PASSWORD = re.compile(r"(://[^\s:/@\"']*):[^\s\"']*@")
_QUERY = re.compile(r"([?&]password=)[^&\s\"']*", re.IGNORECASE)


def hide_passwords(text: str) -> str:
    """Return `text` with the passwords of its URLs as ***."""
    return _QUERY.sub(r"\1***", _PASSWORD.sub(r"\1:***@", text))
