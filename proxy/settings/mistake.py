"""One thing that is wrong with the settings, and where it stands."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from proxy.settings.positions import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """What is wrong with the value at `path`; `text` gives the meaning and the way out.

    `place` is given when it is not the value's own (a line of bad TOML, a variable that is no option).
    """

    path: Path = ()
    text: str
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origins:
    """Where each value came from: the lines of the file `source`, and variables by (table, key)."""

    source: str
    lines: Mapping[Path, int]
    variables: Mapping[Path, str]

    def locate(self, path: Path) -> str:
        """Return `stockade.toml:12`, `STOCKADE_LISTEN` or, for a default, the file's name alone."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.variables:
                return f"environment variable {self.variables[path[:length]]}"
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                return f"{self.source}:{self.lines[path[:length]]}"
        return self.source

    def describe(self, path: Path) -> str:
        """Return where the option at `path` was set: a place, or `default`."""
        known = path in self.variables or path in self.lines
        return self.locate(path) if known else "default"

    def render(self, mistake: Mistake) -> str:
        """Return the mistake as one line: place, name, what is wrong and the way out."""
        place = mistake.place or self.locate(mistake.path)
        return on_one_line(": ".join(part for part in (place, dotted(mistake.path), mistake.text) if part))

    def order(self, mistake: Mistake) -> tuple[int, int]:
        """Return a key that sorts mistakes as they stand in the file, those of the environment last."""
        for length in range(len(mistake.path), 0, -1):
            if mistake.path[:length] in self.variables:
                return (1, 0)
        for length in range(len(mistake.path), 0, -1):
            if mistake.path[:length] in self.lines:
                return (0, self.lines[mistake.path[:length]])
        return (2, 0)


def on_one_line(text: str) -> str:
    """Return the text with line feeds, terminal controls and direction marks of quoted values escaped."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def dotted(path: Path) -> str:
    """Return `limits.head_bytes` or `listen[0].address`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that was most probably meant, if any is near."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return found[0] if found else None
