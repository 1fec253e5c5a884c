"""Files that the settings name: made absolute, then looked at, so that a start cannot fail on one later."""

from __future__ import annotations

import os
import ssl
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from proxy.errors import InputError, SettingsError
from proxy.settings.catalogue import options, options_of, value_of
from proxy.settings.derived import page_style
from proxy.settings.mistake import Mistake
from proxy.settings.tables import BlockPageTable, Listener
from proxy.settings.text_file import LONGEST_PEM, LONGEST_TEXT, reason_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from proxy.settings.option import FileUse
    from proxy.settings.positions import Path as SettingPath
    from proxy.settings.schema import Settings


# Read as texts; the other files are certificates and keys.
_TEXT_OPTIONS = ("block_page.template", "block_page.texts")


def resolve_files(settings: Settings, base: Path) -> tuple[Settings, list[Mistake]]:
    """Return the settings with every path in them taken from the directory `base` and made absolute.

    A path that cannot be one is left out, with a mistake.
    """
    mistakes: list[Mistake] = []

    def resolve(value: str, path: SettingPath) -> str:
        try:
            return _resolve(value, base)
        except InputError as error:
            mistakes.append(Mistake(path=path, text=str(error)))
            return ""

    changed: dict[str, Any] = {}
    for option in options():
        value = value_of(settings, option)
        if not option.details.file or not value:
            continue
        table = changed.get(option.table, getattr(settings, option.table)) if option.table else None
        resolved = resolve(value, tuple(option.name.split(".")))
        if table is None:
            changed[option.key] = resolved
        else:
            changed[option.table] = msgspec.structs.replace(table, **{option.key: resolved})
    if not isinstance(settings.listen, str):
        changed["listen"] = tuple(
            item if isinstance(item, str) else _resolve_listener(item, ("listen", index), resolve)
            for index, item in enumerate(settings.listen)
        )
    return msgspec.structs.replace(settings, **changed), mistakes


def find_file_mistakes(settings: Settings) -> Iterator[Mistake]:
    """Yield a mistake for every file that cannot be read, or does not hold what it is named for."""
    for option in options():
        value = value_of(settings, option)
        path: SettingPath = tuple(option.name.split("."))
        if not value or not option.details.file:
            continue
        longest = LONGEST_TEXT if option.name in _TEXT_OPTIONS else LONGEST_PEM
        if text := _explain_file(Path(value), option.details.file, longest):
            yield Mistake(path=path, text=text)
    if not isinstance(settings.listen, str):
        for index, item in enumerate(settings.listen):
            if isinstance(item, Listener):
                yield from _check_listener(item, ("listen", index))
    ca = settings.relay.tls_ca
    if ca and not _explain_file(Path(ca), "read") and (text := _explain_ca(ca)):
        yield Mistake(path=("relay", "tls_ca"), text=text)
    yield from _check_block_page(settings)


def _resolve(value: str, base: Path) -> str:
    if "\0" in value:
        raise InputError(f"{value!r} holds a NUL character, which no path can; take it away")
    try:
        return str(base / Path(value).expanduser())
    except RuntimeError:
        user = value.partition("/")[0]
        raise InputError(
            f"{value!r}: {user} is the home of no user of this machine; write the full path"
        ) from None


def _resolve_listener(
    item: Listener, path: SettingPath, resolve: Callable[[str, SettingPath], str]
) -> Listener:
    named = {
        option.key: resolve(getattr(item, option.key), (*path, option.key))
        for option in options_of(Listener)
        if option.details.file and getattr(item, option.key)
    }
    return msgspec.structs.replace(item, **named)


def _explain_file(path: Path, use: FileUse, longest: int = LONGEST_PEM) -> str:
    """Return what is wrong with a file or directory for its use; empty when nothing is."""
    try:
        found = _look(path)
        parent = _look(path.parent) if use == "write" else None
    except OSError as error:
        return f"{_cut(path)} cannot be used: {reason_of(error)}"
    if use == "directory":
        return f"{path} is no directory" if found and not stat.S_ISDIR(found.st_mode) else ""
    if use == "write":
        if found and stat.S_ISDIR(found.st_mode):
            return f"{path} is a directory; name a file in it"
        if parent is None or not stat.S_ISDIR(parent.st_mode):
            return f"the directory {path.parent} does not exist; make it first"
        target = path if found else path.parent
        return "" if os.access(target, os.W_OK) else f"{target} may not be written by this user"
    if found is None:
        return f"{path} does not exist"
    if not stat.S_ISREG(found.st_mode):
        return f"{path} is no file"
    if found.st_size > longest:
        return f"{path} is too large: at most {longest} bytes are read; is it the right file?"
    return "" if os.access(path, os.R_OK) else f"{path} may not be read by this user"


def _look(path: Path) -> os.stat_result | None:
    """Return what is at a path, None when nothing is. Raises OSError when that cannot be told."""
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _cut(path: Path) -> str:
    text = str(path)
    return text if len(text) <= 120 else f"{text[:80]}…{text[-30:]}"


def _check_listener(item: Listener, path: SettingPath) -> Iterator[Mistake]:
    wrong = False
    for key in ("certificate", "key"):
        name = getattr(item, key)
        if name and (text := _explain_file(Path(name), "read")):
            wrong = True
            yield Mistake(path=(*path, key), text=text)
    if wrong or not item.certificate or not item.key:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
            item.certificate, item.key, password=_no_password
        )
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        told = error.reason if isinstance(error, ssl.SSLError) else ""
        reason = (told or str(error)).replace("_", " ").lower()
        text = f"{item.certificate} and {item.key} cannot be used together: {reason}"
        yield Mistake(path=(*path, "certificate"), text=text)


def _no_password() -> str:
    return ""  # a key that wants a password fails at once instead of asking on the terminal


def _explain_ca(name: str) -> str:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(name)
    except (OSError, ValueError):  # an SSLError is an OSError
        return f"{name} holds no certificate in PEM form"
    return ""


def _check_block_page(settings: Settings) -> Iterator[Mistake]:
    page = settings.block_page
    # A file that is missing was complained of already; the rest can be looked at without it.
    readable = {name: "" for name in ("template", "texts") if not _is_file(getattr(page, name))}
    page = msgspec.structs.replace(page, **readable)
    if page == BlockPageTable():
        return  # nothing of theirs: spares every command the loading of template and texts
    from proxy.refusal.refusals import Refusals  # noqa: PLC0415  # brings the template engine with it
    from proxy.refusal.texts import load_texts  # noqa: PLC0415  # as above

    try:
        Refusals(page_style(msgspec.structs.replace(settings, block_page=page)), load_texts())
    except SettingsError as error:
        for mistake in error.mistakes:
            key, _, text = mistake.partition(": ")
            option = key.partition(".")[0]
            yield Mistake(
                path=("block_page", option), text=f"{key.removeprefix(option).lstrip('.')} {text}".strip()
            )


def _is_file(name: str) -> bool:
    """Tell whether a file may be read; what is wrong with it was said by `_explain_file`."""
    return bool(name) and not _explain_file(Path(name), "read", LONGEST_TEXT)
