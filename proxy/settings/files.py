"""Files that the settings name: made absolute, then looked at, so that a start cannot fail on one later."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from proxy.errors import SettingsError
from proxy.settings.catalogue import options, options_of, value_of
from proxy.settings.derived import page_style
from proxy.settings.mistake import Mistake
from proxy.settings.tables import BlockPageTable, Listener

if TYPE_CHECKING:
    from collections.abc import Iterator

    from proxy.settings.positions import Path as SettingPath
    from proxy.settings.schema import Settings


def resolve_files(settings: Settings, base: Path) -> Settings:
    """Return the settings with every path in them taken from the directory `base` and made absolute."""
    changed: dict[str, Any] = {}
    for option in options():
        value = value_of(settings, option)
        if not option.details.file or not value:
            continue
        table = changed.get(option.table, getattr(settings, option.table)) if option.table else None
        resolved = str(base / Path(value).expanduser())
        if table is None:
            changed[option.key] = resolved
        else:
            changed[option.table] = msgspec.structs.replace(table, **{option.key: resolved})
    if not isinstance(settings.listen, str):
        changed["listen"] = tuple(_resolve_listener(item, base) for item in settings.listen)
    return msgspec.structs.replace(settings, **changed)


def find_file_mistakes(settings: Settings) -> Iterator[Mistake]:
    """Yield a mistake for every file that cannot be read, or does not hold what it is named for."""
    for option in options():
        value = value_of(settings, option)
        path: SettingPath = tuple(option.name.split("."))
        if value and option.details.file and (text := _explain_file(Path(value), option.details.file)):
            yield Mistake(path=path, text=text)
    if not isinstance(settings.listen, str):
        for index, item in enumerate(settings.listen):
            if isinstance(item, Listener):
                yield from _check_listener(item, ("listen", index))
    if _is_file(settings.relay.tls_ca) and (text := _explain_ca(settings.relay.tls_ca)):
        yield Mistake(path=("relay", "tls_ca"), text=text)
    yield from _check_block_page(settings)


def _resolve_listener(item: str | Listener, base: Path) -> str | Listener:
    if isinstance(item, str):
        return item
    named = {
        option.key: str(base / Path(getattr(item, option.key)).expanduser())
        for option in options_of(Listener)
        if option.details.file and getattr(item, option.key)
    }
    return msgspec.structs.replace(item, **named)


def _explain_file(path: Path, use: str) -> str:
    if use == "directory":
        return f"{path} is no directory" if path.exists() and not path.is_dir() else ""
    if use == "write":
        if path.is_dir():
            return f"{path} is a directory; name a file in it"
        if not path.parent.is_dir():
            return f"the directory {path.parent} does not exist; make it first"
        target = path if path.exists() else path.parent
        return "" if os.access(target, os.W_OK) else f"{target} may not be written by this user"
    if not path.exists():
        return f"{path} does not exist"
    if not path.is_file():
        return f"{path} is no file"
    return "" if os.access(path, os.R_OK) else f"{path} may not be read by this user"


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
    except ssl.SSLError as error:
        reason = (error.reason or str(error)).replace("_", " ").lower()
        text = f"{item.certificate} and {item.key} cannot be used together: {reason}"
        yield Mistake(path=(*path, "certificate"), text=text)


def _no_password() -> str:
    return ""  # a key that wants a password fails at once instead of asking on the terminal


def _explain_ca(name: str) -> str:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(name)
    except ssl.SSLError:
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
    return bool(name) and os.access(name, os.R_OK) and Path(name).is_file()
