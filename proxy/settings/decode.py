"""From the plain values of a TOML file to `Settings`: every mistake is noted, none stops the reading."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, get_args, get_origin

import msgspec

from proxy.errors import InputError
from proxy.settings.catalogue import (
    Option,
    describe_type,
    is_table,
    is_union,
    options,
    options_of,
    repr_toml,
    split_annotated,
    tables,
)
from proxy.settings.masking import hide_passwords
from proxy.settings.mistake import Mistake, dotted, nearest
from proxy.settings.option import BYTES, SECONDS, Table
from proxy.settings.quantity import parse_bytes, parse_seconds
from proxy.settings.schema import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from proxy.settings.positions import Path

_WRONG: Final = object()  # stands for a value that could not be taken; its mistake is noted


def decode_settings(raw: dict[str, Any]) -> tuple[Settings, list[Mistake]]:
    """Return the settings that `raw` holds and its mistakes. Whatever is wrong stays at its default."""
    decoder = _Decoder()
    found: dict[str, Any] = {}
    for name, kind in tables().items():
        values = raw.get(name)
        if values is None:
            continue
        if isinstance(values, dict):
            found[name] = kind(**decoder.take_table(kind, values, (name,), options_of(kind, name)))
        else:
            text = f"{_shown(values)} stands where a table belongs; write [{name}] and its options below it"
            decoder.note((name,), text)
    rest = {key: value for key, value in raw.items() if key not in tables()}
    found |= decoder.take_table(Settings, rest, (), options_of(Settings))
    return Settings(**found), decoder.mistakes


class _Decoder:
    def __init__(self) -> None:
        self.mistakes: list[Mistake] = []

    def note(self, path: Path, text: str) -> None:
        self.mistakes.append(Mistake(path=path, text=text))

    def take_table(
        self, kind: type[Table], values: dict[str, Any], path: Path, known: tuple[Option, ...]
    ) -> dict[str, Any]:
        by_key = {option.key: option for option in known}
        taken: dict[str, Any] = {}
        for key, value in values.items():
            if key not in by_key:
                self.note((*path, key), _explain_unknown(kind, path, key, is_group=isinstance(value, dict)))
                continue
            option = by_key[key]
            result = self._take(value, option.type, option.meta, (*path, key))
            if result is not _WRONG:
                taken[key] = result
        return taken

    def _take(self, value: Any, kind: Any, meta: msgspec.Meta, path: Path) -> Any:
        if is_union(kind):
            kind = _choose(kind, value)
        if is_table(kind):
            return self._take_group(value, kind, path)
        if get_origin(kind) is tuple:
            return self._take_list(value, kind, meta, path)
        if get_origin(kind) is dict:
            return self._take_mapping(value, kind, meta, path)
        return self._take_scalar(value, kind, meta, path)

    def _take_list(self, value: Any, kind: Any, meta: msgspec.Meta, path: Path) -> Any:
        if not isinstance(value, list):
            way_out = f"; write {path[-1]} = [{_shown(value)}]" if isinstance(value, str) else ""
            self.note(path, f"{_shown(value)} is not {describe_type(kind, meta)}{way_out}")
            return _WRONG
        bare, own = split_annotated(get_args(kind)[0])
        items = [self._take(item, bare, own, (*path, index)) for index, item in enumerate(value)]
        return _WRONG if any(item is _WRONG for item in items) else tuple(items)

    def _take_mapping(self, value: Any, kind: Any, meta: msgspec.Meta, path: Path) -> Any:
        if not isinstance(value, dict):
            self.note(path, f"{_shown(value)} is not {describe_type(kind, meta)}")
            return _WRONG
        bare, own = split_annotated(get_args(kind)[1])
        items = {key: self._take(item, bare, own, (*path, key)) for key, item in value.items()}
        return _WRONG if any(item is _WRONG for item in items.values()) else items

    def _take_group(self, value: dict[str, Any], kind: type[Table], path: Path) -> Any:
        before = len(self.mistakes)
        taken = self.take_table(kind, value, path, options_of(kind))
        for option in options_of(kind):
            if option.default is msgspec.NODEFAULT and option.key not in value:
                self.note(path, f"{option.key} is missing: {option.meaning}")
        return kind(**taken) if len(self.mistakes) == before else _WRONG

    def _take_scalar(self, value: Any, kind: Any, meta: msgspec.Meta, path: Path) -> Any:
        unit = (meta.extra or {})["details"].unit if meta.extra else ""
        try:
            if isinstance(value, str) and unit == SECONDS:
                value = parse_seconds(value)
            elif isinstance(value, str) and unit == BYTES:
                value = parse_bytes(value)
        except InputError as error:
            self.note(path, f"{_shown(value)} cannot be read: {error}")
            return _WRONG
        try:
            taken = msgspec.convert(value, Annotated[kind, meta])
        except msgspec.ValidationError:
            taken = _WRONG
        if isinstance(taken, float) and not math.isfinite(taken):  # TOML has inf and nan
            taken = _WRONG
        if taken is _WRONG:
            self.note(path, f"{_shown(value)} is not {describe_type(kind, meta)}{_guess_choice(value, kind)}")
        return taken


def _choose(kind: Any, value: Any) -> Any:
    """Return the member of a union that a value of this shape is meant for; plain text when none is."""
    members = get_args(kind)
    for member in members:
        if isinstance(value, list) and get_origin(member) is tuple:
            return member
        if isinstance(value, dict) and is_table(member):
            return member
    return next(member for member in members if not is_table(member) and get_origin(member) is not tuple)


def _shown(value: Any) -> str:
    """Return a value as the file has it, cut when it is long."""
    text = hide_passwords(repr_toml(value))
    return text if len(text) <= 80 else text[:77] + "..."


def _guess_choice(value: Any, kind: Any) -> str:
    """Return a hint when a value is near to one of the choices, or has quotes too many."""
    if get_origin(kind) is Literal and isinstance(value, str):
        choices = [str(choice) for choice in get_args(kind)]
        same = [choice for choice in choices if choice.lower() == value.strip().lower()]
        guess = same[0] if same else nearest(value, choices)
        return f"; did you mean {repr_toml(guess)}?" if guess else ""
    quoted = isinstance(value, str) and re.fullmatch(r"true|false" if kind is bool else r"\d+(\.\d+)?", value)
    return "; write it without quotes" if quoted and kind in (bool, int, float) else ""


def _explain_unknown(kind: type[Table], path: Path, key: str, *, is_group: bool) -> str:
    """Return what to do about a name that is no option: the one meant, from this table or another."""
    if not path and is_group:
        guess = nearest(key, tables())
        return f"unknown table{f'; did you mean [{guess}]?' if guess else _list_known(tables())}"
    if kind is not Settings and not (len(path) == 1 and path[0] in tables()):
        known = [option.key for option in options_of(kind)]
        guess = nearest(key, known)
        return f"unknown option{f'; did you mean {guess}?' if guess else _list_known(known)}"
    here = options_of(kind, str(path[0]) if path else "")
    own = nearest(key, [option.key for option in here])
    elsewhere = [option.name for option in options() if option.key == key]
    if own and not elsewhere:
        guess = next(option.name for option in here if option.key == own)
        return f"unknown option; did you mean {guess}?"
    if elsewhere and path and "." not in elsewhere[0]:
        return f"unknown option; {key} is no option of a table: write it above the first [table] of the file"
    if elsewhere:
        table, _, name = elsewhere[0].rpartition(".")
        return f"unknown option; did you mean {elsewhere[0]}? ({name} belongs below [{table}])"
    guess = nearest(dotted((*path, key)), [option.name for option in options()])
    return f"unknown option{f'; did you mean {guess}?' if guess else _list_known(o.key for o in here)}"


def _list_known(names: Iterable[str]) -> str:
    return f"; known here are {', '.join(names)}"
