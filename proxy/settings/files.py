"""Files that the settings name: made absolute, then looked at, so that a start cannot fail on one later."""

from __future__ import annotations

import os
import ssl
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from proxy.settings.catalogue import options, options_of, value_of
from proxy.settings.mistake import Mistake
from proxy.settings.tables import Listener

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

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
    if _is_file(settings.block_page.texts) and (text := _explain_toml(settings.block_page.texts)):
        yield Mistake(path=("block_page", "texts"), text=text)


def resolve_data_dir(settings: Settings, environ: Mapping[str, str]) -> Path:
    """Return the directory for snapshots and the embedded store; it need not exist yet.

    Left out: systemd's StateDirectory= (systemd.exec(5), several are joined by colons), else /var/lib for
    root, else the XDG state directory.
    """
    if settings.data_dir:
        return Path(settings.data_dir)
    if given := environ.get("STATE_DIRECTORY", "").partition(":")[0]:
        return Path(given)
    if os.geteuid() == 0:
        return Path("/var/lib/stockade")
    home = environ.get("XDG_STATE_HOME", "")
    # The XDG specification has relative paths ignored.
    base = Path(home) if home.startswith("/") else Path("~/.local/state").expanduser()
    return base / "stockade"


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


def _explain_toml(name: str) -> str:
    try:
        tomllib.loads(Path(name).read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        return f"{name} is no TOML: {error}"
    return ""


def _is_file(name: str) -> bool:
    return bool(name) and os.access(name, os.R_OK) and Path(name).is_file()
