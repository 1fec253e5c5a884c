"""`stockade serve`: run the service."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from proxy.cli.app import Config, load_config

if TYPE_CHECKING:
    from proxy.listening import Binding
    from proxy.settings import Settings


def serve(*, config: Config = None) -> None:
    """Run the service: workers, control process and, when no store is configured, a store of our own.

    SIGTERM drains (readiness fails at once, new connections are served for timeouts.drain_wait, requests in flight
    finish) and exits 0; Ctrl-C does the same without the wait; SIGHUP reads the settings anew.
    """
    # Until the supervisor hears signals, one that asks for a reload must not end us.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    from proxy.observability.logs import get_logger  # noqa: PLC0415 - `stockade --help` must not wait for it
    from proxy.settings.load import reload  # noqa: PLC0415
    from proxy.supervisor import Supervisor  # noqa: PLC0415

    loaded = load_config(config)
    log = get_logger("supervisor")

    def read_again() -> Settings:
        nonlocal loaded
        loaded = reload(loaded, os.environ)
        for warning in loaded.warnings:
            log.warning("settings", warning=warning)
        return loaded.settings

    def started(bindings: list[Binding]) -> None:
        for binding in bindings:
            log.info("serving", listen=str(binding.bound), upstream=loaded.settings.upstream)

    Supervisor(loaded.settings, read_again).run(started=started)
