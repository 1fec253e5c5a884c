"""Areas: what a request is for. Scopes: the areas an entry is about."""

from __future__ import annotations

AREAS = ("browse", "cart", "checkout", "login", "register", "account", "review", "webhook", "open")
SITE = "site"
DEFAULT_SCOPE = (SITE,)

# Payment notices and other calls between machines must not fail because of a shopper's address, and what is
# open (contact, terms, privacy) is where a refused person can read why and object.
_SITE_AREAS = frozenset(AREAS) - {"webhook", "open"}


def areas_of(scope: tuple[str, ...]) -> frozenset[str]:
    """Return the areas that a scope stands for: `site` is every area but `webhook` and `open`."""
    named = frozenset(scope)
    return (named - {SITE}) | _SITE_AREAS if SITE in named else named
