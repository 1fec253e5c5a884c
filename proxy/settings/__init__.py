"""The settings: their schema, how they are read and checked, and how they are shown.

`load_settings(path, environ)` reads a file and the environment and refuses both with every mistake at once.
`Settings` is what was typed; what follows from it (listeners, upstream addresses, networks, page style) comes
from the functions of `derived`.
"""

from __future__ import annotations

from proxy.settings.addresses import ListenerAddress, SocketAddress, UpstreamAddress
from proxy.settings.load import Loaded, load, load_settings, parse_settings
from proxy.settings.schema import Settings

__all__ = [
    "ListenerAddress",
    "Loaded",
    "Settings",
    "SocketAddress",
    "UpstreamAddress",
    "load",
    "load_settings",
    "parse_settings",
]
