"""The list of all options, read off the schema: what documentation, environment and messages go by."""

from __future__ import annotations

import types
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

from proxy.settings.option import BYTES, SECONDS, Details, Table
from proxy.settings.schema import Settings

ENVIRONMENT_PREFIX = "STOCKADE_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option of the file. `table` is empty at the top level; `type` is its type without annotations."""

    table: str
    key: str
    type: Any
    meta: msgspec.Meta
    default: Any

    @property
    def name(self) -> str:
        """The dotted name, such as `limits.head_bytes`."""
        return f"{self.table}.{self.key}" if self.table else self.key

    @property
    def variable(self) -> str:
        """The environment variable, such as `STOCKADE_LIMITS__HEAD_BYTES`."""
        return ENVIRONMENT_PREFIX + self.name.replace(".", "__").upper()

    @property
    def details(self) -> Details:
        """Source, unit, right form; empty when nothing more is said."""
        found = (self.meta.extra or {}).get("details")
        return found if isinstance(found, Details) else Details()

    @property
    def meaning(self) -> str:
        """What the option does, in a sentence or two."""
        return self.meta.description or ""

    def describe_type(self) -> str:
        """Return what may be written, in words: `a whole number from 1024 to 1048576`."""
        return describe_type(self.type, self.meta)


def split_annotated(annotation: Any) -> tuple[Any, msgspec.Meta]:
    """Return the bare type and the description that `option` put on it (an empty one if there is none)."""
    if get_origin(annotation) is Annotated:
        bare, *extras = get_args(annotation)
        return bare, next((extra for extra in extras if isinstance(extra, msgspec.Meta)), msgspec.Meta())
    return annotation, msgspec.Meta()


def is_table(kind: Any) -> bool:
    """Tell whether a type is a table of the file."""
    return isinstance(kind, type) and issubclass(kind, Table)


def is_union(kind: Any) -> bool:
    """Tell whether a type is a choice of types (`str | tuple[str, ...]`)."""
    return get_origin(kind) in (Union, types.UnionType)


@cache
def tables() -> dict[str, type[Table]]:
    """Return the tables by name, in the order of the file."""
    return {field.name: field.type for field in msgspec.structs.fields(Settings) if is_table(field.type)}


@cache
def options_of(table: type[Table], name: str = "") -> tuple[Option, ...]:
    """Return the options of one table, in order."""
    found = []
    for field in msgspec.structs.fields(table):
        if is_table(field.type):
            continue
        bare, meta = split_annotated(field.type)
        default = field.default
        if default is msgspec.NODEFAULT and field.default_factory is not msgspec.NODEFAULT:
            default = field.default_factory()
        found.append(Option(table=name, key=field.name, type=bare, meta=meta, default=default))
    return tuple(found)


@cache
def options() -> tuple[Option, ...]:
    """Return every option of the file, top level first, then table by table."""
    found = list(options_of(Settings))
    for name, table in tables().items():
        found += options_of(table, name)
    return tuple(found)


def value_of(settings: Settings, option: Option) -> Any:
    """Return the value that `settings` holds for an option."""
    return getattr(getattr(settings, option.table) if option.table else settings, option.key)


def describe_type(kind: Any, meta: msgspec.Meta) -> str:
    """Return in words what may be written for a type with its bounds, unit and stated form."""
    details = (meta.extra or {}).get("details", Details())
    if details.expected:
        return str(details.expected)
    if get_origin(kind) is Literal:
        return _describe_choice([repr_toml(choice) for choice in get_args(kind)])
    if get_origin(kind) is tuple:
        item = get_args(kind)[0]
        if get_origin(item) is Literal:
            return "a list of any of " + ", ".join(repr_toml(choice) for choice in get_args(item))
        return "a list of texts"
    if kind is bool:
        return "true or false"
    if kind is int:
        unit = 'a whole number of bytes (or "32KiB", "10MiB")' if details.unit == BYTES else "a whole number"
        return unit + _describe_bounds(meta)
    if kind is float:
        unit = 'a number of seconds (or "30s", "5m", "1h")' if details.unit == SECONDS else "a number"
        return unit + _describe_bounds(meta)
    return "a text in quotes"


def repr_toml(value: Any) -> str:
    """Return a value as one would write it in the file."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}" if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, int):
        return (
            str(value) if value.bit_length() <= 4096 else hex(value)
        )  # Python writes no more decimal digits
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(repr_toml(item) for item in value) + "]"
    if isinstance(value, Table):
        return repr_toml({f: getattr(value, f) for f in value.__struct_fields__ if getattr(value, f)})
    if isinstance(value, dict):
        if not value:
            return "{}"
        return "{ " + ", ".join(f"{_key(key)} = {repr_toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, str):  # a JSON string is a TOML basic string, but for DEL, which JSON leaves bare
        return msgspec.json.encode(value).decode().replace("\x7f", "\\u007f")
    return str(value)  # dates and times are TOML too


def _key(key: str) -> str:
    bare = bool(key) and all(char.isascii() and (char.isalnum() or char in "-_") for char in key)
    return key if bare else repr_toml(key)


def _describe_choice(choices: list[str]) -> str:
    return choices[0] if len(choices) == 1 else ", ".join(choices[:-1]) + " or " + choices[-1]


def _describe_bounds(meta: msgspec.Meta) -> str:
    if meta.gt is not None and meta.le is not None:
        return f" above {_whole(meta.gt)} up to {_whole(meta.le)}"
    if meta.ge is not None and meta.le is not None:
        return f" from {_whole(meta.ge)} to {_whole(meta.le)}"
    return f", at least {_whole(meta.ge)}" if meta.ge is not None else ""


def _whole(number: float) -> str:
    return str(int(number)) if float(number).is_integer() else str(number)
