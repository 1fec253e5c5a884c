"""A file with one address or network a line.

Taken as such files come: a byte order mark, CRLF, blank lines, `#` and `;` comments on lines of their own or
behind an address. A line that is neither is reported with its number, and then nothing of the file counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from proxy.errors import InputError
from proxy.identity.identifiers import parse_identifier

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxy.identity.identifiers import Identifier

SHOWN = 20  # mistakes and warnings in one message; the rest are counted
LARGEST = 256 * 1024 * 1024  # bytes: some ten million addresses


@dataclass(frozen=True, slots=True)
class ListFile:
    """What a file names: each identifier once, in the file's order."""

    identifiers: tuple[Identifier, ...]
    repeated: int  # lines that name what an earlier line named
    warnings: tuple[str, ...]  # lines that were set right, at most SHOWN and a count
    alone: Mapping[Identifier, Identifier]  # addresses that were taken as their network, and that network


def read_file(name: str, stdin: BinaryIO, *, exact: bool = False) -> ListFile:
    """Read the file called `name`, or standard input for "-". Raises InputError with every bad line."""
    try:
        if name == "-":
            data = stdin.read(LARGEST + 1)
        else:
            with Path(name).open("rb") as file:
                data = file.read(LARGEST + 1)
    except OSError as error:
        raise InputError(f"{name} cannot be read: {(error.strerror or str(error)).lower()}") from None
    if len(data) > LARGEST:
        raise InputError(f"{name} is larger than {LARGEST // 1024**2} MiB: split it")
    return parse_list("standard input" if name == "-" else name, data, exact=exact)


def parse_list(source: str, data: bytes, *, exact: bool = False) -> ListFile:
    """Read the lines of a file. Raises InputError with every bad line, or when it names nothing."""
    found: dict[Identifier, None] = {}
    mistakes: list[str] = []
    warnings: list[str] = []
    alone: dict[Identifier, Identifier] = {}
    named = 0
    for number, line in enumerate(data.decode("utf-8-sig", errors="replace").splitlines(), 1):
        words = line.split(None, 1)
        if not words or words[0][0] in "#;":
            continue
        if len(words) == 2 and words[1][0] not in "#;":
            mistakes.append(
                f"line {number}: {_shorten(line)!r} is more than one address; a comment begins with #"
            )
            continue
        try:
            identifier, notes = parse_identifier(words[0], exact=exact)
        except InputError as error:
            mistakes.append(f"line {number}: {error}")
            continue
        named += 1
        found[identifier] = None
        alone |= find_alone(words[0], identifier)
        warnings += [f"line {number}: {note}" for note in notes]
    if mistakes:
        lines = "line is" if len(mistakes) == 1 else "lines are"
        raise InputError(
            "\n".join([f"{source}: {len(mistakes):,} {lines} wrong, so nothing was written", *cap(mistakes)])
        )
    if not found:
        raise InputError(f"{source} names no address")
    return ListFile(tuple(found), named - len(found), tuple(cap(warnings)), alone)


def find_alone(text: str, identifier: Identifier) -> dict[Identifier, Identifier]:
    """Return the address that was typed, and the network it was taken as; nothing if it was taken as it is."""
    if identifier.kind == "ip":
        return {}
    address, _ = parse_identifier(text, exact=True)
    return {} if address == identifier else {address: identifier}


def cap(lines: list[str]) -> list[str]:
    """Return at most SHOWN lines and, in one more, how many others there are."""
    return lines if len(lines) <= SHOWN else [*lines[:SHOWN], f"… and {len(lines) - SHOWN:,} more"]


def _shorten(text: str) -> str:
    stripped = text.strip()
    return stripped if len(stripped) <= 60 else stripped[:57] + "…"
