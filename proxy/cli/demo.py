"""`stockade demo`: a small working shop to try things on, alone or with the proxy in front of it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from proxy.cli.app import Config  # noqa: TC001 - cyclopts reads annotations at run time
from proxy.cli.output import print_text


def demo(
    *,
    listen: Annotated[
        str, Parameter(help="Where the shop listens: host:port; port 0 takes a free one.")
    ] = "127.0.0.1:9001",
    with_proxy: Annotated[
        bool,
        Parameter(negative=(), help="Start Stockade in front of it too, with a store and a sample list."),
    ] = False,
    directory: Annotated[
        Path, Parameter(help="Where --with-proxy keeps its settings and its store; made anew at each start.")
    ] = Path("var/demo"),
    config: Config = None,
) -> None:
    """Run the demo store until Ctrl-C or SIGTERM.

    The shop keeps everything in memory. It needs no settings; --config is taken so that every command takes it.
    """
    del config
    if with_proxy:
        from proxy.cli.demo_with_proxy import run  # noqa: PLC0415 - the shop alone needs none of it

        run(listen, directory)
        return
    asyncio.run(_run_shop(listen))


async def _run_shop(listen: str) -> None:
    from proxy.demo.serve import serve  # noqa: PLC0415 - `stockade --help` must not wait for it
    from proxy.settings.addresses import parse_socket_address  # noqa: PLC0415

    address = parse_socket_address(listen)
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - we are inside it
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await serve(address.host, address.port, ready=_announce)


def _announce(url: str) -> None:
    print_text(f"demo store: {url}")
    sys.stdout.flush()
