"""On which line of a TOML text each key stands, so that a mistake can be pointed at.

`tomllib` keeps no positions. This scanner runs only over text that `tomllib` has accepted, so it need not
check anything: it only has to find where keys, array items and values begin (TOML 1.0).
"""

from __future__ import annotations

import re

Path = tuple[str | int, ...]

_SPACE = re.compile(r"(?:[ \t]|#[^\n]*)*")
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'""")
_STRING = re.compile(
    r'''"""(?:[^\\]|\\.)*?"""(?:"{1,2}(?!"))?|\'\'\'.*?\'\'\'(?:'{1,2}(?!'))?|"(?:[^"\\\n]|\\.)*"|'[^'\n]*\'''',
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}#\r\n]+")


def find_positions(text: str) -> dict[Path, int]:
    """Return the 1-based line of every table, key and array item of a valid TOML text, by its path."""
    return _Scanner(text.replace("\r\n", "\n")).scan()


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._lines: dict[Path, int] = {}
        self._tables: dict[Path, int] = {}  # how many [[tables]] of this name were opened so far

    def scan(self) -> dict[Path, int]:
        table: Path = ()
        while True:
            self._skip(_BLANK)
            if self._at >= len(self._text):
                return self._lines
            if self._text[self._at] == "[":
                table = self._read_header()
            else:
                self._read_pair(table)

    def _skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:  # text that tomllib accepted does not come here
            raise ValueError(f"cannot find my way at character {self._at}")
        self._at = match.end()
        return match.group()

    def _note(self, path: Path) -> None:
        for length in range(1, len(path) + 1):
            self._lines.setdefault(path[:length], self._text.count("\n", 0, self._at) + 1)

    def _read_key(self) -> Path:
        parts: list[str] = []
        while True:
            self._skip(_SPACE)
            part = self._skip(_KEY)
            parts.append(_unquote(part))
            self._skip(_SPACE)
            if self._text[self._at] != ".":
                return tuple(parts)
            self._at += 1

    def _read_header(self) -> Path:
        start = self._at
        repeated = self._text.startswith("[[", self._at)
        self._at += 2 if repeated else 1
        name = self._resolve(self._read_key())
        end, self._at = self._at, start
        if repeated:
            index = self._tables.get(name, -1) + 1
            self._tables[name] = index
            name = (*name, index)
        self._note(name)
        self._at = end + (2 if repeated else 1)
        return name

    def _resolve(self, name: Path) -> Path:
        """Put the number of the last opened [[table]] after each name that is an array of tables."""
        resolved: Path = ()
        for position, part in enumerate(name):
            resolved = (*resolved, part)
            if resolved in self._tables and position < len(name) - 1:
                resolved = (*resolved, self._tables[resolved])
        return resolved

    def _read_pair(self, table: Path) -> None:
        start = self._at
        key = (*table, *self._read_key())
        end, self._at = self._at, start
        self._note(key)
        self._at = end + 1  # the equals sign
        self._skip(_SPACE)
        self._read_value(key)

    def _read_value(self, path: Path) -> None:
        first = self._text[self._at]
        if first == "[":
            self._read_items(path)
        elif first == "{":
            self._read_inline(path)
        elif first in "\"'":
            self._skip(_STRING)
        else:
            self._skip(_SCALAR)

    def _read_items(self, path: Path) -> None:
        self._at += 1
        index = 0
        while True:
            self._skip(_BLANK)
            if self._text[self._at] == "]":
                self._at += 1
                return
            self._note((*path, index))
            self._read_value((*path, index))
            index += 1
            self._skip(_BLANK)
            if self._text[self._at] == ",":
                self._at += 1

    def _read_inline(self, path: Path) -> None:
        self._at += 1
        while True:
            self._skip(_BLANK)
            if self._text[self._at] == "}":
                self._at += 1
                return
            self._read_pair(path)
            self._skip(_BLANK)
            if self._text[self._at] == ",":
                self._at += 1


def _unquote(part: str) -> str:
    if part[0] == "'":
        return part[1:-1]
    if part[0] == '"':
        return re.sub(r"\\(u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)", _unescape, part[1:-1])
    return part


def _unescape(match: re.Match[str]) -> str:
    code = match[1]
    if code[0] in "uU" and len(code) > 1:
        return chr(int(code[1:], 16))
    return {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r"}.get(code, code)
