"""Settings from a TOML file and the environment, with every mistake at once."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from proxy.errors import InputError, SettingsError
from proxy.settings.catalogue import ENVIRONMENT_PREFIX, options, tables
from proxy.settings.checks import find_mistakes, find_warnings
from proxy.settings.decode import decode_settings
from proxy.settings.environment import read_variables
from proxy.settings.files import find_file_mistakes, resolve_files
from proxy.settings.masking import hide_passwords
from proxy.settings.mistake import Mistake, Origins, dotted, nearest, on_one_line
from proxy.settings.nesting import DEEPEST, is_too_deep
from proxy.settings.positions import find_positions
from proxy.settings.text_file import read_text, reason_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from proxy.settings.environment import Name
    from proxy.settings.schema import Settings

# Asked in this order when a command is given no file. A file in the working directory serves who tries
# Stockade out; the one under /etc is the installed service's.
SEARCHED = (Path("stockade.toml"), Path("/etc/stockade/stockade.toml"))

# Every name that stands in a settings file of ours; any other is probably one of these, mistyped.
_NAMES = frozenset(part for name in (*tables(), *(one.name for one in options())) for part in name.split("."))

_TOML_PLACE = re.compile(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", re.DOTALL)
_BARE_TEXT = re.compile(r"[\w.-]+\s*=\s*(?![\d.]+\Z)[^\"'\[{\s#][^\"'#]*")
_LONG_NUMBER = re.compile(r"[0-9_]{4000,}")  # Python reads decimal numbers of up to 4300 digits
_YAML = re.compile(r"[\w-]+:\s+\S.*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Settings, the file they came from (None: defaults and environment only), warnings, and every origin.

    `empty`: there is a file, and it sets nothing; right for a start, but probably cut off when it set something before.
    """

    settings: Settings
    path: Path | None
    empty: bool
    warnings: tuple[str, ...]
    origins: Origins


def load_settings(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Return the settings of a file (None: the one that is found) and the environment; see `load`."""
    return load(path, environ).settings


def load(path: Path | None, environ: Mapping[str, str], needed: Collection[str] | None = None) -> Loaded:
    """Read the file (None: the one that is found, else no file), let variables override it, and check it all.

    Paths of files in the settings are taken from the directory of the settings file and come back absolute.
    Raises SettingsError with every mistake, each one line: place, option, what is wrong, the way out.

    `needed` names the options and tables that the caller uses (None: all). What is wrong with any other is one
    warning, its value may be anything, and nothing is told about values that are only odd.
    """
    path = find_file(environ) if path is None else path
    source = "settings" if path is None else _shown(path)
    text = "" if path is None else _read(path)
    settings, origins, mistakes = _parse(text, environ, source)
    settings, unusable = resolve_files(settings, _directory_of(path, source))
    found = [*mistakes, *unusable, *find_file_mistakes(settings)]
    _refuse_mistakes(origins, [one for one in found if needed is None or _concerns(one, needed)])
    warnings = (
        _render_mistakes(origins, found)
        if found
        else tuple(
            origins.render(one) for one in find_warnings(settings) if needed is None or one.path[0] in needed
        )
    )
    # Tables without an option below them have a line too, but no value.
    empty = path is not None and not any(dotted(key) not in tables() for key in origins.lines)
    return Loaded(settings=settings, path=path, empty=empty, warnings=warnings, origins=origins)


def _concerns(mistake: Mistake, needed: Collection[str]) -> bool:
    """Tell whether a mistake is about an option that is needed, or about a name that may be meant for one."""
    names = [part for part in mistake.path if isinstance(part, str)]
    if not names:  # a variable that is no option
        variable = mistake.place.rpartition(" ")[2].removeprefix(ENVIRONMENT_PREFIX).lower()
        names = variable.split("__")
    return any(name in needed for name in names) or any(
        nearest(name, needed) for name in names if name not in _NAMES
    )


def _render_mistakes(origins: Origins, mistakes: list[Mistake]) -> tuple[str]:
    """Return the one warning about mistakes that do not matter to the caller."""
    first, *others = sorted(mistakes, key=origins.order)
    count = f"{len(mistakes)} mistakes that do" if others else "1 mistake that does"
    listed = f"{origins.render(first)}{'; …' if others else ''}"
    return (f"settings: {count} not matter here: {listed} (`stockade config check` shows all)",)


def reload(before: Loaded, environ: Mapping[str, str]) -> Loaded:
    """Read the file that `before` came from again, and no other: one that vanished is a mistake, not the defaults.

    So is one that sets nothing though it did before: it is being written, or the disk was full. Raises SettingsError.
    """
    loaded = load(before.path, environ)
    if loaded.empty and before.path is not None and not before.empty:
        source = loaded.origins.source
        raise SettingsError(source, [f"{source}: sets nothing any more; if that is meant, restart with it"])
    return loaded


def find_file(environ: Mapping[str, str]) -> Path | None:
    """Return the settings file to read when a command was given none; None if there is none."""
    named = environ.get("STOCKADE_CONFIG")
    if named:
        return Path(named)
    return next((path for path in SEARCHED if _is_there(path)), None)


def _is_there(path: Path) -> bool:
    """Tell whether a name is taken, by whatever: what is there and cannot be read must not be passed over."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def _directory_of(path: Path | None, source: str) -> Path:
    try:
        return (path.parent if path else Path()).absolute()
    except OSError as error:
        text = f"{source}: the working directory cannot be used ({reason_of(error)}); change to another"
        raise SettingsError(source, [text]) from None


def parse_settings(text: str, environ: Mapping[str, str], source: str) -> Settings:
    """Return the settings of a TOML text, overridden by variables. Pure; raises SettingsError."""
    settings, origins, mistakes = _parse(text, environ, source)
    _refuse_mistakes(origins, mistakes)
    return settings


def _parse(text: str, environ: Mapping[str, str], source: str) -> tuple[Settings, Origins, list[Mistake]]:
    values, variables, mistakes = read_variables(environ)
    raw = _read_toml(text, source)
    if isinstance(raw, Mistake):
        # Nothing after a broken line can be understood, so this mistake stands alone among the file's.
        origins = Origins(source=source, lines={}, variables=variables)
        found = [raw, *mistakes]
        raise _refusal(origins, found)
    origins = Origins(source=source, lines=find_positions(text), variables=variables)
    settings, found = decode_settings(_override(raw, values))
    wrong = frozenset(mistake.path[:length] for mistake in found for length in (1, 2))
    return settings, origins, [*found, *find_mistakes(settings, wrong), *mistakes]


def _read_toml(text: str, source: str) -> dict[str, Any] | Mistake:
    """Return the values of a TOML text, or what is wrong with it."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return _explain_syntax(error, text, source)
    except ValueError:  # Python's own limit of digits
        lines = text.splitlines()
        number = next((i for i, line in enumerate(lines, 1) if _LONG_NUMBER.search(line)), len(lines))
        return Mistake(place=f"{source}:{number}", text="a number has far too many digits")
    except RecursionError:
        raw = None
    if raw is None or is_too_deep(raw):
        return Mistake(place=source, text=f"lists or tables stand more than {DEEPEST} deep in one another")
    return raw


def _override(raw: dict[str, Any], values: Mapping[Name, Any]) -> dict[str, Any]:
    """Put the environment's values over those of the file."""
    merged = {key: dict(value) if isinstance(value, dict) else value for key, value in raw.items()}
    for path, value in values.items():
        *tables, key = path
        target = merged
        for table in tables:
            if not isinstance(target.get(table), dict):
                target[table] = {}
            target = target[table]
        target[key] = value
    return merged


def _refuse_mistakes(origins: Origins, mistakes: Iterable[Mistake]) -> None:
    if found := list(mistakes):
        raise _refusal(origins, found)


def _refusal(origins: Origins, mistakes: list[Mistake]) -> SettingsError:
    found = sorted(mistakes, key=origins.order)
    return SettingsError(origins.source, list(dict.fromkeys(origins.render(mistake) for mistake in found)))


def _explain_syntax(error: tomllib.TOMLDecodeError, text: str, source: str) -> Mistake:
    match = _TOML_PLACE.fullmatch(str(error))
    lines = text.splitlines() or [""]
    message = match[1] if match else str(error)
    number = int(match[2]) if match and match[2] else len(lines)
    line = lines[min(number, len(lines)) - 1].strip()
    hint = ""
    if message == "Cannot overwrite a value":
        message, hint = "This name was given a value above", "; keep one of the two"
    elif message.startswith("Cannot declare"):
        message, hint = "This table stands above already", "; join the two"
    elif _BARE_TEXT.fullmatch(line):
        name, _, value = line.partition("=")
        hint = f'; texts stand in quotes: {name.strip()} = "{value.strip()}"'
    elif _YAML.fullmatch(line):
        name, _, value = line.partition(":")
        hint = f"; write {name.strip()} = {_quoted(value.strip())}"
    shown = f" in: {line}" if line else ""
    return Mistake(
        place=f"{source}:{number}",
        text=hide_passwords(f"no valid TOML ({message[:1].lower()}{message[1:]}){shown}{hint}"),
    )


def _quoted(value: str) -> str:
    """Return a value of another format as TOML has it: in quotes, unless it is a number, a list or so already."""
    plain = re.fullmatch(r"true|false|-?\d+(\.\d+)?|[\"'\[{].*", value)
    return value if plain else f'"{value}"'


def _read(path: Path) -> str:
    shown = _shown(path)
    try:
        return read_text(path)
    except FileNotFoundError:
        raise SettingsError(shown, [f"{shown}: there is no such file"]) from None
    except InputError as error:
        raise SettingsError(shown, [f"{shown}: {error}"]) from None


def _shown(path: Path) -> str:
    """Return a file's name for people, on one line; a name may hold any bytes but NUL and /."""
    return on_one_line(str(path))
