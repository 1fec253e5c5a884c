"""What commands print: plain lines, tables and JSON on standard output, warnings on standard error.

Colours only on a terminal, and never when NO_COLOR is set (no-color.org); a table that goes into a pipe is
not cut to a terminal's width.

What is printed may have been written by anybody who may write to the store: to a person it is shown with
control characters escaped, so that no note moves the cursor, names the window or adds a line of its own.
"""

from __future__ import annotations

import io
import os
import re
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from proxy.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Wide enough that rich never folds a cell of a table that goes into a file or a pipe.
_UNLIMITED = 10_000
_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")


class OutputError(InputError):
    """Standard output cannot be written: closed, or a file on a full disk."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"standard output cannot be written ({why.lower()}): what was printed is not whole; what the "
            "command did before stands"
        )


def printable(text: str) -> str:
    """Return `text` as one line that does nothing to a terminal: controls escaped, line ends as ⏎."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else _escape(one) for one in text.replace("\r\n", "\n"))


def print_text(*lines: str) -> None:
    """Print lines: no markup, no folding, each of them one line."""
    _write("".join(f"{printable(line)}\n" for line in lines))


def print_warning(text: str) -> None:
    """Print a warning of one line on standard error."""
    if sys.stderr is not None:  # closed by the caller, who wants to hear nothing
        sys.stderr.write(f"stockade: warning: {printable(text)}\n")


def print_json(value: Any) -> None:
    """Print any value of ours (structs and dataclasses too) as indented JSON."""
    print_json_text(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")


def print_json_text(text: str) -> None:
    """Print a part of a JSON document; to a terminal or pipe that takes no UTF-8, in ASCII (RFC 8259 section 7)."""
    _write(text if _takes_utf8() else _NOT_ASCII.sub(_escape_json, text))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table with a heading; cells are text and are never read as markup."""
    from rich import box  # noqa: PLC0415  # only tables need rich, which takes long to load
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    page = io.StringIO()  # the library would write by itself, and end the process when that fails
    terminal = sys.stdout is not None and sys.stdout.isatty()
    console = Console(
        file=page,
        force_terminal=terminal,
        width=None if terminal else _UNLIMITED,
        highlight=False,
        soft_wrap=False,
    )
    form = box.SIMPLE_HEAD if _takes_utf8() else box.ASCII
    table = Table(box=form, pad_edge=False, header_style="bold", show_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    console.print(table)
    _write(page.getvalue())


def _write(text: str) -> None:
    """Write to standard output, at once. Raises OutputError, and BrokenPipeError when the reader went away."""
    if sys.stdout is None:
        raise OutputError("it is closed")
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        # A character that the terminal's encoding lacks is shown by its number, as on standard error.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        with suppress(OSError):  # what is left in the buffer would fail once more when Python ends
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise OutputError(error.strerror or str(error)) from None


def _takes_utf8() -> bool:
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return encoding.lower().replace("-", "") == "utf8"


def _escape(character: str) -> str:
    return "⏎" if character == "\n" else character.encode("unicode_escape").decode("ascii")


def _escape_json(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
