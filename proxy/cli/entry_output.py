"""What the list commands print: what became of each identifier, and tables of entries."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import msgspec

from proxy.cli.output import print_json, print_json_text, print_table, print_text, print_warning
from proxy.management.doubts import describe_unreadable
from proxy.management.entries import Change
from proxy.management.times import format_end, format_time
from proxy.management.wording import describe_change, describe_over

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from proxy.management.entries import Result
    from proxy.policy.entry import Entry

FEW = 20  # outcomes shown one by one; more are counted
SORTED = 1000  # entries that are held to be sorted and set as a table; more are printed as they are found
_COLUMNS = ("identifier", "list", "until", "reason", "by", "since", "case", "note")
_WIDTHS = (43, 7, 22, 17, 12, 22, 16)


def print_result(action: str, result: Result, *, as_json: bool) -> None:
    """Print what a command did; warnings go to standard error."""
    counts = {change: count for change in get_args(Change) if (count := result.count(change))}
    if result.unreadable:
        print_warning(describe_unreadable(result.unreadable))
    if as_json:
        outcomes = [
            {
                "identifier": str(one.identifier),
                "change": one.change,
                "entry": one.entry,
                "before": one.before,
                "over": one.over,
            }
            for one in result.outcomes
        ]
        print_json({"action": action, "case": result.case, **counts, "outcomes": outcomes})
        return
    over = [one for one in result.outcomes if one.over]
    if len(result.outcomes) <= FEW:
        print_text(*(describe_change(action, one) for one in result.outcomes))
    else:
        print_text(", ".join(f"{count:,} {change}" for change, count in counts.items()))
    for one in over[:FEW]:
        print_warning(describe_over(action, one))
    if len(over) > FEW:
        print_warning(f"… and {len(over) - FEW:,} more")
    if "added" in counts:
        print_text(f"Case {result.case}")


async def print_entries(entries: AsyncIterator[Entry], limit: int, *, as_json: bool) -> int:
    """Print entries as they come (a table when they are few) and return how many there were."""
    held: list[Entry] = []
    count = 0
    async for entry in entries:
        count += 1
        held.append(entry)
        if len(held) > SORTED:
            _print_stream(held, first=count == len(held), as_json=as_json)
            held.clear()
        if count == limit:
            break
    streamed = count > len(held)
    if streamed:
        _print_stream(held, first=False, as_json=as_json)
    elif as_json:
        _print_stream(sorted(held, key=_newest_first), first=True, as_json=True)
    elif held:
        print_table(_COLUMNS, [_cells(entry) for entry in sorted(held, key=_newest_first)])
    if as_json:
        print_json_text("\n]\n" if count else "[]\n")
    elif not count:
        print_text("No entries.")
    elif limit and count == limit:
        print_text(f"{count:,} shown; --limit 0 shows all.")
    return count


def _newest_first(entry: Entry) -> tuple[float, str]:
    return -entry.created, entry.id


def _print_stream(entries: list[Entry], *, first: bool, as_json: bool) -> None:
    """Print a part of a long list: objects of one JSON array, one a line, or lines of fixed columns."""
    if as_json:
        texts = [msgspec.json.encode(entry).decode() for entry in entries]
        if texts:
            print_json_text(("[\n" if first else ",\n") + ",\n".join(texts))
        return
    if first:
        print_text(_line(_COLUMNS))
    print_text(*(_line(_cells(entry)) for entry in entries))


def _line(cells: tuple[str, ...]) -> str:
    fixed = [cell.ljust(width) for cell, width in zip(cells, _WIDTHS, strict=False)]
    return "  ".join([*fixed, *cells[len(_WIDTHS) :]]).rstrip()


def _cells(entry: Entry) -> tuple[str, ...]:
    return (
        entry.value,
        f"{entry.list}*" if entry.mode == "monitor" else entry.list,
        format_end(entry.expires).removeprefix("until "),
        entry.reason,
        entry.author,
        format_time(entry.created),
        entry.case,
        entry.note,
    )
