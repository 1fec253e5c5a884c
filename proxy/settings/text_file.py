"""Reading the small files that settings are made of: never waits for a FIFO, never fills memory with a device."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final

from proxy.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

# Settings, templates and texts are written by hand: the longest we know of has some 30 KiB.
LONGEST_TEXT: Final = 1024 * 1024
# Certificates: the bundle of all public authorities has some 250 KiB, with comments a megabyte.
LONGEST_PEM: Final = 4 * 1024 * 1024


def read_text(path: Path) -> str:
    """Return the UTF-8 text of a regular file of at most LONGEST_TEXT bytes.

    Raises FileNotFoundError when there is none, else InputError with what is wrong and the way out, without the path.
    """
    try:
        # O_NONBLOCK: opening a FIFO must not wait for somebody to write into it; regular files know no such thing.
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise InputError(f"cannot be read: {reason_of(error)}") from None
    except ValueError:
        raise InputError("cannot be read: a path holds no NUL character") from None
    try:
        data = _read_regular(file)
    except OSError as error:
        raise InputError(f"cannot be read: {reason_of(error)}") from None
    finally:
        os.close(file)
    if len(data) > LONGEST_TEXT:
        raise InputError(f"is too large: at most {LONGEST_TEXT} bytes are read; is it the right file?")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"is not UTF-8 text (byte {error.start}); save it as UTF-8") from None


def _read_regular(file: int) -> bytes:
    """Return at most LONGEST_TEXT + 1 bytes of an open file."""
    kind = os.fstat(file).st_mode
    if stat.S_ISDIR(kind):
        raise InputError("cannot be read: is a directory")
    if not stat.S_ISREG(kind):
        raise InputError("is a pipe or a device; name a regular file")
    with os.fdopen(file, "rb", closefd=False) as opened:
        return opened.read(LONGEST_TEXT + 1)


def reason_of(error: OSError) -> str:
    """Return the system's words for an error, as they fit into a sentence."""
    return (error.strerror or str(error)).lower()
