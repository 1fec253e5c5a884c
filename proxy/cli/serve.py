"""`stockade serve`: run the service."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from proxy.cli.app import Config, read_settings

if TYPE_CHECKING:
    from proxy.listening import Binding


def serve(*, config: Config = None) -> None:
    """Run the service: workers, control process and, when no store is configured, a store of our own.

    SIGTERM drains (readiness fails at once, new connections are served for timeouts.drain_wait, requests in flight
    finish) and exits 0; Ctrl-C does the same without the wait; SIGHUP reads the settings anew.
    """
    from proxy.observability.logs import get_logger  # noqa: PLC0415 - `stockade --help` must not wait for it
    from proxy.settings.load import load_settings  # noqa: PLC0415
    from proxy.supervisor import Supervisor  # noqa: PLC0415

    settings = read_settings(config)

    def started(bindings: list[Binding]) -> None:
        for binding in bindings:
            get_logger("supervisor").info("serving", listen=str(binding.bound), upstream=settings.upstream)

    Supervisor(settings, lambda: load_settings(config, os.environ)).run(started=started)
