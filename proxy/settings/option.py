"""How one option is described: everything that is said about it, beside its type and default.

The reference in `docs/configuration.md`, the commented `config/stockade.toml` and the messages of
`stockade config check` are made from these descriptions.
"""

from __future__ import annotations

from typing import Literal

import msgspec

# What a path in the settings is for: a file that is read or written, or a directory of ours.
FileUse = Literal["", "read", "write", "directory"]

SECONDS = "seconds"
BYTES = "bytes"
DAY = 86_400.0
WEEK = 7 * DAY


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the settings file; its fields are its options."""


class Details(msgspec.Struct, frozen=True, kw_only=True):
    """What is said about an option beyond its meaning, type and bounds."""

    source: str = ""
    unit: str = ""
    expected: str = ""
    file: FileUse = ""


def option(
    meaning: str,
    *,
    source: str = "",
    unit: str = "",
    expected: str = "",
    file: FileUse = "",
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
) -> msgspec.Meta:
    """Describe an option.

    `meaning` is one or two sentences; `source` says where the default (or the rule) comes from; `unit` is
    SECONDS or BYTES when the value may also be written as "30s" or "32KiB"; `expected` names the right form
    in a message when the type alone does not say it; `file` says that the value is a path, and of what;
    `ge` or `gt`, and `le`, bound a number.
    """
    details = Details(source=source, unit=unit, expected=expected, file=file)
    extra = {"details": details}
    if gt is not None:
        return msgspec.Meta(description=meaning, extra=extra, gt=gt, le=le)
    return msgspec.Meta(description=meaning, extra=extra, ge=ge, le=le)
