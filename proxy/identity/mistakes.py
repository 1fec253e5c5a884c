"""What is wrong with a text that is no address or network, told to whoever typed it."""

from __future__ import annotations


def describe_mistake(text: str) -> str:
    """Return a sentence that names the mistake in `text` and, if there is one, the nearest right form."""
    return f"{text.strip()!r} is no IP address or network"
