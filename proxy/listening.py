"""What the service takes of the system before anything is forked: listening sockets and file descriptors."""

from __future__ import annotations

import errno
import os
import resource
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from proxy.errors import StartError
from proxy.settings.addresses import ListenerAddress, SocketAddress
from proxy.settings.derived import admin_address, listeners

if TYPE_CHECKING:
    from proxy.settings import Settings

# Connections the kernel holds while a worker is being replaced; cut to net.core.somaxconn (4096 since Linux 5.4).
BACKLOG: Final = 4096

# Besides a client and an upstream connection each, a worker holds sockets, logs, its store connection and its loop.
_SPARE_DESCRIPTORS: Final = 128


@dataclass(slots=True, kw_only=True)
class Binding:
    """One listening address with its sockets: one a worker, or one for all of them on a unix path.

    `bound` is the address as bound (port 0 has become a real one); `file` tells a unix socket's file from one that
    somebody else has put in its place meanwhile (device and inode).
    """

    address: ListenerAddress
    bound: SocketAddress
    sockets: list[socket.socket]
    file: tuple[int, int] | None = None

    def keep(self, row: int) -> socket.socket:
        """In a worker: close the others' sockets and give its own."""
        own = self.sockets[row % len(self.sockets)]
        for sock in self.sockets:
            if sock is not own:
                sock.close()
        return own

    def close(self, *, remove: bool = False) -> None:
        """Close the sockets; `remove` a unix socket's file as well, if it still is ours."""
        for sock in self.sockets:
            sock.close()
        if remove and self.bound.is_unix and _identity(self.bound.path) == self.file:
            Path(self.bound.path).unlink(missing_ok=True)


def bind_listeners(settings: Settings, workers: int) -> list[Binding]:
    """Bind every listener of the settings for `workers` processes; raises StartError that names the address."""
    bindings: list[Binding] = []
    wanted = listeners(settings)
    # [::] takes IPv4 as well, unless the same port is asked for there by itself.
    by_itself = {listener.address.port for listener in wanted if ":" not in listener.address.host}
    try:
        for listener in wanted:
            dual = listener.address.port not in by_itself or not listener.address.port
            bindings.append(_bind(listener, workers, dual=dual))
    except StartError:
        for binding in bindings:
            binding.close(remove=True)
        raise
    return bindings


def bind_admin(settings: Settings) -> Binding | None:
    """Bind the control process's socket, None when it is off; raises StartError."""
    address = admin_address(settings)
    if address is None:
        return None
    sock = bind_one(address, "admin")
    return Binding(
        address=ListenerAddress(address=address), bound=address, sockets=[sock], file=_identity(address.path)
    )


def raise_descriptor_limit(settings: Settings) -> None:
    """Raise the soft limit as far as the configured connections need it; raises StartError when it cannot be."""
    needed = _descriptors(settings)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise StartError(
            f"limits.connections = {settings.limits.connections} needs {needed} file descriptors, but only {hard} "
            "are allowed: raise the limit (ulimit -Hn, systemd LimitNOFILE=, docker --ulimit nofile=) or set "
            f"limits.connections to at most {(hard - _SPARE_DESCRIPTORS) // 2}"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def descriptors_suffice(settings: Settings) -> bool:
    """Tell whether the limit as it stands covers the configured connections."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft == resource.RLIM_INFINITY or soft >= _descriptors(settings)


def _descriptors(settings: Settings) -> int:
    """What one worker may need: every connection could come to the same one."""
    return 2 * settings.limits.connections + _SPARE_DESCRIPTORS


def _bind(listener: ListenerAddress, workers: int, *, dual: bool) -> Binding:
    address = listener.address
    # Bound alone first: with SO_REUSEPORT a second service of the same user would share the port unnoticed.
    first = bind_one(address, "listen", dual=dual)
    if address.is_unix:
        return Binding(address=listener, bound=address, sockets=[first], file=_identity(address.path))
    port = first.getsockname()[1]
    bound = SocketAddress(host=address.host, port=port)
    first.close()
    sockets = [bind_one(bound, "listen", share=True, dual=dual) for _ in range(workers)]
    return Binding(address=listener, bound=bound, sockets=sockets)


def bind_one(address: SocketAddress, option: str, *, share: bool = False, dual: bool = True) -> socket.socket:
    """Bind and listen on one address; raises StartError that begins with `option`.

    `share`: with others of ours (SO_REUSEPORT); `dual`: an IPv6 wildcard takes IPv4 connections too.
    """
    try:
        if address.is_unix:
            return _bind_unix(address.path)
        family, _, _, _, where = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if share:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if dual else 1)
            sock.bind(where)
            sock.listen(BACKLOG)
            sock.setblocking(False)
        except OSError:
            sock.close()
            raise
    except OSError as error:
        raise StartError(f"{option}: {_explain(address, error)}") from error
    return sock


def _identity(path: str) -> tuple[int, int] | None:
    """Device and inode of a file, None when there is none."""
    try:
        found = Path(path).lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _bind_unix(path: str) -> socket.socket:
    """Bind a unix socket for the owner and group, in place of one that nobody listens on any more."""
    file = Path(path)
    if file.exists():
        if not file.is_socket():
            raise OSError(errno.EEXIST, "a file that is no socket is in the way")
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(path) == 0:
                raise OSError(errno.EADDRINUSE, "somebody listens there")
        file.unlink()
    sock = socket.socket(socket.AF_UNIX)
    try:
        mask = os.umask(0o117)
        try:
            sock.bind(path)
        finally:
            os.umask(mask)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


def _explain(address: SocketAddress, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"{address} is taken by another program: stop it (`ss -ltnp` names it), or choose another address"
        )
    if error.errno == errno.EACCES and not address.is_unix and address.port < 1024:
        return (
            f"{address}: ports below 1024 need CAP_NET_BIND_SERVICE (systemd AmbientCapabilities=); "
            "grant it, or take a higher port"
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{address} is no address of this machine"
    return f"{address} cannot be bound: {error.strerror or error}"
