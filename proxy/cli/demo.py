"""`stockade demo`: a small working shop to try things on."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import Annotated

from cyclopts import Parameter

from proxy.cli.app import Config  # noqa: TC001 - cyclopts reads annotations at run time


def demo(
    *,
    listen: Annotated[
        str, Parameter(help="Where the shop listens: host:port; port 0 takes a free one.")
    ] = "127.0.0.1:9001",
    config: Config = None,
) -> None:
    """Run the demo store until Ctrl-C or SIGTERM.

    It keeps everything in memory and needs no settings; --config is taken so that every command takes it.
    """
    from proxy.demo.serve import serve  # noqa: PLC0415 - `stockade --help` must not wait for it
    from proxy.settings.addresses import parse_socket_address  # noqa: PLC0415

    del config
    address = parse_socket_address(listen)

    async def run() -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - we are inside it
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, task.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await serve(address.host, address.port, ready=_announce)

    asyncio.run(run())


def _announce(url: str) -> None:
    pass
