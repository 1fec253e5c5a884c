"""`stockade block`, `unblock`, `allow` and `list`: the lists, from the command line."""

from __future__ import annotations

import asyncio
import getpass
import os
import sys
import time
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from proxy.cli.app import FOR_LISTS, Config, Json, read_settings
from proxy.cli.entry_output import print_entries, print_result
from proxy.cli.output import print_warning
from proxy.errors import InputError
from proxy.identity.identifiers import parse_identifier
from proxy.management.doubts import Doubts
from proxy.management.entries import Addition, add, remove
from proxy.management.list_file import find_alone, read_file
from proxy.management.listing import Filter, find_entries
from proxy.management.opening import guard_rails, open_store
from proxy.management.times import parse_end
from proxy.management.writing import AGAIN
from proxy.policy.reasons import REASONS, UNSPECIFIED, check_reason
from proxy.store.entries import SLICE, SLICES_AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from pathlib import Path

    from proxy.identity.identifiers import Identifier
    from proxy.management.entries import Result
    from proxy.management.writing import Progress
    from proxy.policy.entry import ListName

Addresses = Annotated[str, Parameter(help="Addresses (203.0.113.7) or networks (2001:db8::/48).")]
FromFile = Annotated[
    str | None,
    Parameter(
        allow_leading_hyphen=True,
        help='A file with one address or network a line, "-" for standard input; # and ; begin comments.',
    ),
]
Exact = Annotated[
    bool,
    Parameter(
        negative=(),
        show_default=False,
        help="Take a single IPv6 address as itself, not as its whole /64 network.",
    ),
]
For = Annotated[
    str | None,
    Parameter(
        name="--for",
        help='How long: 30d, 12h, 2w, 1w2d, or "ever". Left out: 90 days for a block, "ever" for an allow.',
    ),
]
Until = Annotated[
    str | None, Parameter(help="Until when: 2026-12-31 (that day included) or 2026-12-31T18:00 UTC.")
]
Note = Annotated[
    str | None, Parameter(help="Internal note, such as the order number. Shoppers never see it.")
]
Case = Annotated[str | None, Parameter(help="Id of the case the entries belong to. Left out: a new one.")]
Author = Annotated[str | None, Parameter(help="Who does this. Left out: the user who is logged in.")]
Force = Annotated[
    bool,
    Parameter(
        negative=(),
        show_default=False,
        help="Do it although it covers everybody or our own machines, or begins a new list in a store that "
        "lost the one before.",
    ),
]


def block(
    *addresses: Addresses,
    from_file: FromFile = None,
    reason: Annotated[
        str | None,
        Parameter(help=f"Public reason, shown to the person: {', '.join(REASONS)}. Left out: {UNSPECIFIED}."),
    ] = None,
    lasting: For = None,
    until: Until = None,
    note: Note = None,
    exact: Exact = False,
    monitor: Annotated[
        bool,
        Parameter(negative=(), show_default=False, help="Only record whom this would refuse; refuse nobody."),
    ] = False,
    force: Force = False,
    case: Case = None,
    author: Author = None,
    as_json: Json = False,
    config: Config = None,
) -> int:
    """Put addresses or networks on the block list.

    A block ends by itself: after 90 days unless --for or --until says otherwise. An address that is blocked
    already keeps its entry: what is given now (end, reason, note) replaces what stood there, the rest stays.
    """
    settings = read_settings(config, FOR_LISTS)
    now = time.time()
    expires, end_given = parse_end(lasting=lasting, until=until, now=now)
    identifiers, _ = _read_identifiers(addresses, from_file, exact=exact)
    addition = Addition(
        list="block",
        identifiers=identifiers,
        author=author or _current_user(),
        reason=reason,
        note=note,
        mode="monitor" if monitor else "enforce",
        expires=expires,
        end_given=end_given,
        case=case,
        force=force,
    )

    async def run(progress: Progress) -> Result:
        async with open_store(settings, os.environ) as store:
            return await add(store, addition, guard_rails(settings), now, progress)

    print_result("block", _run(run), as_json=as_json)
    return 0


def allow(
    *addresses: Addresses,
    from_file: FromFile = None,
    lasting: For = None,
    until: Until = None,
    note: Note = None,
    exact: Exact = False,
    remove_: Annotated[
        bool,
        Parameter(
            name="--remove",
            negative=(),
            show_default=False,
            help="Take them off the allow list again.",
        ),
    ] = False,
    force: Force = False,
    case: Case = None,
    author: Author = None,
    as_json: Json = False,
    config: Config = None,
) -> int:
    """Put addresses or networks on the allow list, which beats the block list.

    An allow entry has no end unless --for or --until gives it one. --remove takes it off again.
    """
    settings = read_settings(config, FOR_LISTS)
    now = time.time()
    if remove_:
        if lasting or until or note or case:
            raise InputError("--remove takes entries away: it goes with no --for, --until, --note or --case")
        return _take_off(config, "allow", addresses, from_file, exact=exact, author=author, as_json=as_json)
    expires, end_given = parse_end(lasting=lasting, until=until, now=now)
    identifiers, _ = _read_identifiers(addresses, from_file, exact=exact)
    addition = Addition(
        list="allow",
        identifiers=identifiers,
        author=author or _current_user(),
        note=note,
        expires=expires,
        end_given=end_given,
        case=case,
        force=force,
    )

    async def run(progress: Progress) -> Result:
        async with open_store(settings, os.environ) as store:
            return await add(store, addition, guard_rails(settings), now, progress)

    print_result("allow", _run(run), as_json=as_json)
    return 0


def unblock(
    *addresses: Addresses,
    from_file: FromFile = None,
    exact: Exact = False,
    author: Author = None,
    as_json: Json = False,
    config: Config = None,
) -> int:
    """Take addresses or networks off the block list; in force everywhere within a second.

    A single IPv6 address is taken off however it was put there: alone, or as its whole /64 network.
    Exits with 1 when one of them was not on the list itself. Says so when a wider network that stays blocked
    refuses it all the same.
    """
    return _take_off(config, "block", addresses, from_file, exact=exact, author=author, as_json=as_json)


def list_(
    *,
    list_name: Annotated[
        Literal["block", "allow"] | None, Parameter(name="--list", help="Only this list. Left out: both.")
    ] = None,
    kind: Annotated[
        Literal["ip", "network"] | None, Parameter(help="Only addresses or only networks.")
    ] = None,
    reason: Annotated[str | None, Parameter(help="Only entries with this public reason.")] = None,
    contains: Annotated[
        str | None, Parameter(help="Only entries that cover this address or network.")
    ] = None,
    expired: Annotated[
        bool,
        Parameter(
            negative=(), show_default=False, help="Entries that have ended, instead of those that stand."
        ),
    ] = False,
    limit: Annotated[int, Parameter(help="Show at most so many; 0: all.")] = 0,
    as_json: Json = False,
    config: Config = None,
) -> int:
    """Show the entries: newest first, or as they are found when there are more than a thousand.

    With --limit, the reading ends after so many, whichever come first. Exits with 1 when there is none.
    """
    settings = read_settings(config, FOR_LISTS)
    if limit < 0:
        raise InputError("--limit is a number of entries, 0 for all")
    if reason:
        check_reason(reason)
    wanted = Filter(
        list=list_name,
        kind=kind or "",
        reason=reason or "",
        contains=parse_identifier(contains, exact=True)[0] if contains else None,
        ended=expired,
    )
    doubts = Doubts()

    async def run() -> int:
        now = time.time()
        async with open_store(settings, os.environ) as store:
            found = find_entries(store, wanted, now, doubts)
            return await print_entries(found, limit, as_json=as_json)

    count = asyncio.run(run())
    for line in doubts.lines():
        print_warning(line)
    return 0 if count else 1


def _take_off(
    config: Path | None,
    list_name: ListName,
    addresses: Sequence[str],
    from_file: str | None,
    *,
    exact: bool,
    author: str | None,
    as_json: bool,
) -> int:
    settings = read_settings(config, FOR_LISTS)
    identifiers, alone = _read_identifiers(addresses, from_file, exact=exact)

    async def run(progress: Progress) -> Result:
        async with open_store(settings, os.environ) as store:
            return await remove(
                store,
                identifiers,
                list_name,
                author=author or _current_user(),
                now=time.time(),
                alone=alone,
                progress=progress,
            )

    result = _run(run)
    print_result(f"remove-{list_name}", result, as_json=as_json)
    return 1 if result.count("absent") else 0


def _run(command: Callable[[Progress], Coroutine[Any, Any, Result]]) -> Result:
    """Run a command; when Ctrl-C ends it in the middle of many, say how many stand."""
    done: list[tuple[int, int]] = []
    try:
        return asyncio.run(command(lambda *so_far: done.append(so_far)))
    except KeyboardInterrupt:
        if done:
            written, total = done[-1]
            left = min(total - written, SLICE * SLICES_AT_ONCE)
            print_warning(f"stopped: {written:,} of {total:,} are written (another {left:,} may be). {AGAIN}")
        raise


def _read_identifiers(
    addresses: Sequence[str], from_file: str | None, *, exact: bool
) -> tuple[list[Identifier], dict[Identifier, Identifier]]:
    """Return what the command names, and the addresses in it that were taken as their network.

    Raises InputError with every mistake, and when it names nothing.
    """
    found: list[Identifier] = []
    alone: dict[Identifier, Identifier] = {}
    mistakes: list[str] = []
    for text in addresses:
        try:
            identifier, warnings = parse_identifier(text, exact=exact)
        except InputError as error:
            mistakes.append(str(error))
            continue
        found.append(identifier)
        alone |= find_alone(text, identifier)
        for warning in warnings:
            print_warning(warning)
    if mistakes:
        raise InputError("\n".join(mistakes))
    if from_file is not None:
        listed = read_file(from_file, sys.stdin.buffer, exact=exact)
        for warning in listed.warnings:
            print_warning(warning)
        if listed.repeated:
            print_warning(f"{listed.repeated:,} lines repeat what an earlier line says")
        found += listed.identifiers
        alone |= listed.alone
    if not found:
        raise InputError("name an address or a network, or a file of them with --from-file")
    return found, alone


def _current_user() -> str:
    """Return who is at the keyboard: behind sudo, the person and not root."""
    named = os.environ.get("SUDO_USER") or os.environ.get("USER")
    if named:
        return named
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
