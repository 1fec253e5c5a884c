"""The texts of the pages: shipped as one TOML file a language, changed by operators key by key."""

from __future__ import annotations

import difflib
import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

LANGUAGES: Final = ("en", "fr", "nl", "de", "es", "it", "pt", "pl", "sv", "da", "ja", "ar")

_PLACEHOLDER: Final = re.compile(r"\{([a-z]+)\}")
# A shipped language, or a regional kind of one such as "pt-BR" (RFC 5646 section 2.1, cut down to what is
# useful here).
_TAG: Final = re.compile(r"[a-z]{2}(?:-[A-Za-z0-9]{2,8})*")
# What each key may hold; keys not named here may hold _ANYWHERE.
_ANYWHERE: Final = frozenset({"shop", "reference"})
_SPECIAL: Final = {
    "date-format": frozenset({"day", "month", "year", "hour", "minute"}),
    "label-join": frozenset({"label", "text"}),
}
_BARE: Final = ("direction", "day-first", "month-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """What the package ships: texts by language tag and key, and the page they go into (a Jinja2 source)."""

    languages: Mapping[str, Mapping[str, str]]
    page: str


@cache
def load_texts() -> Texts:
    """Read the shipped texts and page, once a process; the only I/O of this package."""
    package = resources.files("proxy.refusal")
    folder = package / "texts"
    return Texts(
        languages={tag: tomllib.loads((folder / f"{tag}.toml").read_text("utf-8")) for tag in LANGUAGES},
        page=(package / "page.html").read_text("utf-8"),
    )


def fill(text: str, values: Mapping[str, str]) -> str:
    """Put values in the places of "{name}"; a place without a value stays as it is written.

    Not str.format: its places reach into attributes, and operators write these texts.
    """
    return _PLACEHOLDER.sub(lambda place: values.get(place[1], place[0]), text)


def places(text: str) -> set[str]:
    """List the names of the places in a text."""
    return set(_PLACEHOLDER.findall(text))


def apply_overrides(
    shipped: Mapping[str, Mapping[str, str]], overrides: Mapping[str, Mapping[str, str]]
) -> dict[str, Mapping[str, str]]:
    """Lay the operator's texts over ours. A regional kind ("pt-BR") stands on its language ("pt") as changed."""
    languages = dict(shipped)
    for tag in sorted(overrides, key=len):
        kin = languages.get(tag) or languages.get(tag.partition("-")[0])
        if kin is not None:
            languages[tag] = {**kin, **overrides[tag]}
    return languages


def find_text_mistakes(
    shipped: Mapping[str, Mapping[str, str]], overrides: Mapping[str, Mapping[str, str]]
) -> list[str]:
    """Find everything wrong with the operator's texts; each mistake names language, key, rule and way out."""
    mistakes = []
    for tag, texts in overrides.items():
        if not _TAG.fullmatch(tag) or tag.partition("-")[0] not in shipped:
            mistakes.append(
                f'texts.{tag}: there is no language "{tag}"{_nearest(tag, shipped)}. '
                f"Known: {', '.join(shipped)}, and regional kinds such as pt-BR"
            )
            continue
        known = shipped[tag.partition("-")[0]]
        for key, text in texts.items():
            mistakes += (f"texts.{tag}.{key}: {wrong}" for wrong in _judge(key, text, known))
    return mistakes


def _judge(key: str, text: object, known: Mapping[str, str]) -> list[str]:
    if key not in known:
        return [f'there is no text "{key}"{_nearest(key, known)}. docs/block-page.md lists all']
    if not isinstance(text, str):
        return ["a text must be written in quotes"]
    if not text.strip():
        return ["a text must not be empty; leave the key out to keep the shipped one"]
    if key == "direction" and text not in {"ltr", "rtl"}:
        return ['the direction is "ltr" (left to right) or "rtl"']
    allowed = frozenset[str]() if key.startswith(_BARE) else _SPECIAL.get(key, _ANYWHERE)
    return [
        f'"{{{place}}}" has no meaning here; allowed: '
        + (", ".join(f"{{{name}}}" for name in sorted(allowed)) or "none")
        for place in sorted(places(text) - allowed)
    ]


def _nearest(word: str, known: Mapping[str, object]) -> str:
    found = difflib.get_close_matches(word, known, n=1)
    return f' (did you mean "{found[0]}"?)' if found else ""
