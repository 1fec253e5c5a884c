"""Entries in plain words, as a support agent reads them out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.management.times import format_end, format_time

if TYPE_CHECKING:
    from proxy.identity.identifiers import Identifier
    from proxy.management.entries import Outcome
    from proxy.policy.entry import Entry

_LISTS = {"block": "blocked", "allow": "allowed"}


def describe_entry(entry: Entry) -> str:
    """Return one line: what, on which list, why, until when, by whom, under which case."""
    watched = " (monitor only)" if entry.mode == "monitor" else ""
    reason = f", {entry.reason}" if entry.reason else ""
    note = f', note "{entry.note}"' if entry.note else ""
    return (
        f"{entry.value} is {_LISTS[entry.list]}{watched} {format_end(entry.expires)}{reason}{note}; "
        f"by {entry.author}, {format_time(entry.created)}, case {entry.case}"
    )


def describe_hit(entry: Entry) -> str:
    """Return what an entry is, in a few words: "the block of 203.0.113.0/24"."""
    return f"the {'block' if entry.list == 'block' else 'allow entry'} of {entry.value}"


def describe_change(action: str, outcome: Outcome) -> str:
    """Return one line on what became of an identifier; `action` is block, allow or remove-block, -allow."""
    value, entry, before = outcome.identifier.value, outcome.entry, outcome.before
    state = _LISTS[action.removeprefix("remove-")]
    if outcome.change == "removed" and before is not None:
        return f"{value} is no longer {state} (it was, {format_end(before.expires)}{_reason(before)})"
    if entry is None:
        return f"{value} is not {state}"
    watched = " (monitor only)" if entry.mode == "monitor" else ""
    if outcome.change == "unchanged":
        return f"{value} is already {state}{watched} {format_end(entry.expires)}; nothing changed"
    if before is None:
        return f"{value} is now {state}{watched} {format_end(entry.expires)}{_reason(entry)}"
    changed = [
        f"{name} {old or 'none'} -> {new or 'none'}"
        for name, old, new in (
            ("reason", before.reason, entry.reason),
            ("note", before.note, entry.note),
            ("mode", before.mode, entry.mode),
            ("case", before.case, entry.case),
        )
        if old != new
    ]
    if entry.expires == before.expires:
        told = ", ".join(changed) or "it begins now"
        return f"{value} is already {state}{watched} {format_end(entry.expires)}; changed: {told}"
    told = "".join(f", {change}" for change in changed)
    return (
        f"{value} was already {state} {format_end(before.expires)}; "
        f"now {format_end(entry.expires)}{watched}{told}"
    )


def describe_over(action: str, outcome: Outcome) -> str:
    """Return one line on what decides about an identifier all the same."""
    value, first = outcome.identifier.value, outcome.over[0]
    if action == "block":
        return f"{value} is let in all the same: {describe_entry(first)}, and allow beats block"
    if action == "allow":
        refusing = next((entry for entry in outcome.over if entry.mode == "enforce"), None)
        if refusing is None:
            return f"{value} was watched until now, by {describe_hit(first)}; from now on it is not"
        return f"{value} was refused until now, by {describe_hit(refusing)}; from now on it is let in"
    effect = "watched" if first.mode == "monitor" else "refused"
    return (
        f"{value} is still {effect}: {describe_entry(first)}. "
        f"Take that away with `stockade unblock {_as_typed(first.identifier)}`, or let in {value} alone with "
        f"`stockade allow {_as_typed(outcome.identifier)}`"
    )


def _as_typed(identifier: Identifier) -> str:
    """Return what to type for exactly this identifier: a single IPv6 address alone is taken as its /64."""
    return (
        f"{identifier.value} --exact"
        if identifier.kind == "ip" and ":" in identifier.value
        else identifier.value
    )


def _reason(entry: Entry) -> str:
    return f", {entry.reason}" if entry.reason else ""
