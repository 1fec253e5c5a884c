"""Areas: what a request is for. Scopes: the areas in which an entry holds."""

from __future__ import annotations

from typing import Final

AREAS: Final = ("browse", "cart", "checkout", "login", "register", "account", "review", "webhook", "open")
SITE: Final = "site"
DEFAULT_SCOPE: Final = (SITE,)

# No entry refuses here: a payment provider's call must not fail because of an address, and what is open
# (contact, terms, order status) is where a refused person reads why and objects.
EXEMPT: Final = frozenset({"webhook", "open"})
REFUSABLE: Final = tuple(area for area in AREAS if area not in EXEMPT)


def covers(scope: tuple[str, ...], area: str) -> bool:
    """Tell whether an entry with this scope holds in an area.

    `site` is every area but the exempt ones, also one that has no name here: a misspelt area must not become
    a way round the list.
    """
    return area not in EXEMPT and (SITE in scope or area in scope)
