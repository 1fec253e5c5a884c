"""What commands print: plain lines, tables and JSON on standard output, warnings on standard error.

Colours only on a terminal, and never when NO_COLOR is set (no-color.org); a table that goes into a pipe is
not cut to a terminal's width.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Wide enough that rich never folds a cell of a table that goes into a file or a pipe.
_UNLIMITED = 10_000


def print_text(*lines: str) -> None:
    """Print lines as they are: no markup, no folding."""
    for line in lines:
        sys.stdout.write(line + "\n")


def print_warning(text: str) -> None:
    """Print a warning on standard error."""
    sys.stderr.write(f"stockade: warning: {text}\n")


def print_json(value: Any) -> None:
    """Print any value of ours (structs and dataclasses too) as indented JSON."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table with a heading; cells are text and are never read as markup."""
    from rich import box  # noqa: PLC0415  # only tables need rich, which takes long to load
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console(width=None if sys.stdout.isatty() else _UNLIMITED, highlight=False, soft_wrap=False)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", show_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)
