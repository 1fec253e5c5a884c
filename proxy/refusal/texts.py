"""The texts of the pages, one TOML file a language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """What the package ships: the texts by language tag, and the page they go into (a Jinja2 source)."""

    languages: Mapping[str, Mapping[str, str]]
    page: str


@cache
def load_texts() -> Texts:
    """Read the shipped texts and page once; the only I/O of this package."""
    return Texts(languages={}, page="")
