"""The settings as text: the commented default file, the reference in the manual, and what is in effect. Pure."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import msgspec

from proxy.settings.catalogue import Option, options, options_of, repr_toml, tables, value_of
from proxy.settings.masking import hide_passwords
from proxy.settings.schema import Listener, Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from proxy.settings.mistake import Origins

_WIDTH = 100

_FILE_HEAD = """\
Stockade's settings. Every option stands here, commented out, at its default: take the # from a line to
change it. What is left out keeps its default. Every option can also be set by an environment variable
(limits.head_bytes is STOCKADE_LIMITS__HEAD_BYTES), which beats this file. Times may be written "500ms",
"30s", "5m" or "1h", sizes "32KiB" or "10MiB"; paths of files are taken from the directory of this file.
See what a file means with: stockade config check FILE. The reference is docs/configuration.md."""


def render_default_file() -> str:
    """Return the text of `config/stockade.toml`: every option commented out at its default."""
    lines = [*_comment(_FILE_HEAD), ""]
    lines += _render_options(options_of(Settings))
    for name, table in tables().items():
        lines += ["", *_comment(table.__doc__ or ""), f"[{name}]", ""]
        lines += _render_options(options_of(table, name))
    return "\n".join(lines).rstrip() + "\n"


def render_reference() -> str:
    """Return the Markdown reference of every option, table by table."""
    blocks = ["### Top level", *(_describe(option) for option in options_of(Settings))]
    blocks += ["### Listeners", _LISTENERS, *(_describe(option) for option in options_of(Listener))]
    for name, table in tables().items():
        blocks += [f"### `[{name}]`", table.__doc__ or "", *(_describe(o) for o in options_of(table, name))]
    return "\n\n".join(blocks) + "\n"


def render_effective(settings: Settings, origins: Origins) -> str:
    """Return the settings in effect as TOML, each option with its origin in a comment; passwords are hidden."""
    rows: list[tuple[str, str]] = []
    table = ""
    for option in options():
        if option.table != table:
            table = option.table
            rows += [("", ""), (f"[{table}]", "")]
        value = hide_passwords(repr_toml(value_of(settings, option)))
        rows.append((f"{option.key} = {value}", origins.describe(tuple(option.name.split(".")))))
    width = min(48, max(len(left) for left, _ in rows))
    return "\n".join(f"{left:<{width}}  # {right}" if right else left for left, right in rows) + "\n"


def effective_values(settings: Settings, origins: Origins) -> dict[str, dict[str, Any]]:
    """Return each option's value and origin by its dotted name, fit for JSON; passwords are hidden."""
    return {
        option.name: {
            "value": _hide(msgspec.to_builtins(value_of(settings, option))),
            "from": origins.describe(tuple(option.name.split("."))),
        }
        for option in options()
    }


_LISTENERS = """\
`listen` may hold tables that say more than an address. `listen` is a top-level option, so the array stands
in the first part of the file, or each listener is a `[[listen]]` table anywhere below the top-level options."""


def _hide(value: Any) -> Any:
    if isinstance(value, str):
        return hide_passwords(value)
    return [_hide(item) for item in value] if isinstance(value, (list, tuple)) else value


def _render_options(found: Iterable[Option]) -> Iterator[str]:
    for option in found:
        yield from _comment(option.meaning)
        if option.details.source:
            yield from _comment(f"Reason: {option.details.source}.")
        yield f"#{option.key} = {repr_toml(option.default)}"
        yield ""


def _comment(text: str) -> list[str]:
    return [
        f"# {line}"
        for line in textwrap.wrap(text, _WIDTH - 2, break_long_words=False, break_on_hyphens=False)
    ]


def _describe(option: Option) -> str:
    required = option.default is msgspec.NODEFAULT
    lines = [f"#### `{option.name}`", "", option.meaning, "", f"- Value: {option.describe_type()}"]
    if required:
        lines.append("- Must be given.")
    else:
        lines.append(f"- Default: `{repr_toml(option.default)}`")
    if option in options():
        lines.append(f"- Environment: `{option.variable}`")
    if option.details.source:
        lines.append(f"- Reason: {option.details.source}.")
    return "\n".join(lines)
