"""Options from the environment: `STOCKADE_LISTEN`, `STOCKADE_LIMITS__HEAD_BYTES` (`__` after a table)."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

import msgspec

from proxy.settings.catalogue import ENVIRONMENT_PREFIX, Option, is_union, options, tables
from proxy.settings.mistake import Mistake, nearest
from proxy.settings.nesting import is_too_deep

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxy.settings.positions import Path

Name = tuple[str, ...]  # ("listen",) or ("limits", "head_bytes")

# Ours, but no option: the file's name, and tracebacks for those who look for our mistakes.
RESERVED = frozenset({"STOCKADE_CONFIG", "STOCKADE_DEBUG"})

# Kubernetes and Docker put these into every container beside a service that is named stockade or stockade-…
# (kubernetes.io/docs: "Environment variables" of a Service); they are nobody's mistake.
_SERVICE_LINK = re.compile(
    r"STOCKADE_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?|NAME|ENV_\w+)"
)
_SERVICE_PORT = re.compile(r"STOCKADE_(\w+_)?PORT")

_WORDS = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}


def read_variables(environ: Mapping[str, str]) -> tuple[dict[Name, Any], dict[Path, str], list[Mistake]]:
    """Return the values of our variables by (table, key), their names, and the mistakes among the names.

    Values have the shape that the same option has in TOML; whether they are right is decided there.
    """
    known = {option.variable: option for option in options()}
    values: dict[Name, Any] = {}
    names: dict[Path, str] = {}
    mistakes: list[Mistake] = []
    for name in sorted(environ):
        if (
            not name.startswith(ENVIRONMENT_PREFIX)
            or name in RESERVED
            or _is_service_link(name, environ[name])
        ):
            continue
        option = known.get(name)
        if option is None:
            mistakes.append(_explain_unknown(name, known))
            continue
        if not _is_text(environ[name]):
            text = "holds bytes that are no UTF-8 text"
            mistakes.append(Mistake(place=f"environment variable {name}", text=text))
            continue
        path = tuple(option.name.split("."))
        values[path] = parse_variable(environ[name], option)
        names[path] = name
    return values, names, mistakes


def parse_variable(text: str, option: Option) -> Any:
    """Return the TOML value that a variable's text means: a list may be written "a, b" or ["a", "b"]."""
    kind = option.type
    members = get_args(kind) if is_union(kind) else (kind,)
    takes_list = any(get_origin(member) is tuple for member in members)
    if takes_list or get_origin(kind) is dict:
        literal = _read_literal(text) if text.lstrip().startswith(("[", "{")) else None
        if isinstance(literal, (list, dict)):
            return literal
        if not takes_list:
            return text
        items = [item.strip() for item in text.split(",") if item.strip()]
        return text.strip() if str in members and len(items) < 2 else items
    if kind is bool:
        return _WORDS.get(text.strip().lower(), text)
    if kind in (int, float) or (get_origin(kind) is Literal and isinstance(get_args(kind)[0], int)):
        number = _read_literal(text)
        return number if isinstance(number, (int, float)) else text
    return text


def _read_literal(text: str) -> Any:
    """Return the value of a JSON or TOML text, None if it is neither."""
    for read in (msgspec.json.decode, _read_toml_value):
        try:
            value = read(text)
        except (msgspec.DecodeError, ValueError, RecursionError, KeyError):
            continue
        # What stands too deep is no value of any option: as a text it is refused in the option's own words.
        return None if is_too_deep(value) else value
    return None


def _read_toml_value(text: str) -> Any:
    return tomllib.loads(f"value = {text.strip()}")["value"]


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_service_link(name: str, value: str) -> bool:
    if _SERVICE_LINK.fullmatch(name):
        return True
    return _SERVICE_PORT.fullmatch(name) is not None and value.startswith(("tcp://", "udp://", "sctp://"))


def _explain_unknown(name: str, known: Mapping[str, Option]) -> Mistake:
    place = f"environment variable {name}"
    if name.removeprefix(ENVIRONMENT_PREFIX).lower() in tables():
        return Mistake(place=place, text=f"is a table, not an option; name an option of it: {name}__OPTION")
    # Compared without the prefix that all share, or everything would be near to everything.
    bare = name.removeprefix(ENVIRONMENT_PREFIX)
    guess = nearest(bare, [variable.removeprefix(ENVIRONMENT_PREFIX) for variable in known])
    way_out = (
        f"did you mean {ENVIRONMENT_PREFIX}{guess}?"
        if guess
        else "docs/configuration.md names those there are"
    )
    return Mistake(place=place, text=f"unknown option; {way_out}")
