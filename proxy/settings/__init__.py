"""The settings: their schema, how they are read and checked, and how they are shown.

`load_settings(path, environ)` reads; `Settings` is what was typed; what follows from it comes from its
functions in `proxy.settings.derived` (`listeners`, `upstreams`, `forwarding`, …).
"""

from __future__ import annotations

from proxy.settings.schema import Settings

__all__ = ["Settings"]
