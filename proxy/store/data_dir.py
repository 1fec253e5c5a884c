"""The data directory: who may be trusted with it, and the lock that makes it one Stockade's.

Whoever can write into it can put a link where we write, and a list where the server reads. So it must be ours,
and nothing in it is opened through a link.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import pwd
import stat
from typing import TYPE_CHECKING

from proxy.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def open_data_dir(path: Path) -> int:
    """Make the directory if need be, check whose it is, and return the descriptor that locks it.

    The lock lasts until the descriptor is closed or its process ends. Raises StartError when another Stockade
    holds it, when it is not safe, and when it cannot be used.
    """
    with _unusable(path):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        mistake = find_danger(path.stat(), os.geteuid())
    if mistake:
        raise StartError(
            f"the data directory {path} {mistake}, or set `data_dir` to another one, or to one inside it"
        )
    with _unusable(path):
        descriptor = _open_private(path / "lock")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
        os.close(descriptor)
        raise StartError(
            f"the data directory {path} is in use by another Stockade"
            f"{f' (process {holder})' if holder else ''}: stop that one, or set another `data_dir`"
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
    return descriptor


def make_socket_dir(path: Path) -> None:
    """Make the directory of a socket that does not fit into the data directory; StartError if it is not safe."""
    with _unusable(path):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()  # it stands where everybody may write: a link would be somebody's trap
    if not stat.S_ISDIR(found.st_mode):
        raise StartError(f"{path} is no directory: remove it, or set a shorter `data_dir`")
    if mistake := find_danger(found, os.geteuid()):
        raise StartError(f"the socket's directory {path} {mistake}, or set a shorter `data_dir`")


def find_danger(found: os.stat_result, me: int) -> str:
    """Return what lets others than user `me` and root write into a directory, and the way out; "" when nothing does.

    A directory of root's is an administrator's choice, and so is its group: Kubernetes gives a volume to root
    and the pod's fsGroup, with write permission for that group. A user's own group of the same number is how
    Debian and Red Hat set up accounts; with umask 002 it may write, and nobody else is in it.
    """
    if found.st_uid not in (me, 0):
        return f"belongs to {_name_of(found.st_uid)}: run Stockade as that user, change its owner"
    if found.st_mode & stat.S_IWOTH:
        return "may be written by everybody: take that away (chmod o-w)"
    if found.st_mode & stat.S_IWGRP and found.st_uid != 0 and found.st_gid not in (me, 0):
        return "may be written by its whole group: take that away (chmod g-w)"
    return ""


def write_private(path: Path, text: str) -> None:
    """Write a small file anew that nobody else may read; whatever stood there, a link too, is replaced."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def _open_private(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    os.fchmod(descriptor, 0o600)  # one that stood there already
    return descriptor


@contextlib.contextmanager
def _unusable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        link = error.errno == errno.ELOOP  # open(2), O_NOFOLLOW
        why = f"{error.filename} is a symbolic link" if link else str(error.strerror)
        raise StartError(
            f"the data directory {path} cannot be used ({why}): set `data_dir` to one that this user may write"
        ) from None


def _name_of(uid: int) -> str:
    try:
        return f"user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"user {uid}"
