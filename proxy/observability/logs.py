"""Structured logs of the service itself: what started, stopped, failed or was repaired. Never one line a request."""

from __future__ import annotations

import logging
import sys
from typing import Final

import structlog

_LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def configure_logs(*, level: str, form: str) -> None:
    """Send structlog's events to standard error, as `text` (for people) or `json` (for collectors)."""
    colours = form == "text" and sys.stderr.isatty()
    renderer: structlog.typing.Processor
    renderer = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=colours)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def get_logger(process: str) -> structlog.typing.FilteringBoundLogger:
    """Give a logger whose lines say which process (`supervisor`, `worker`, `control`) speaks."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(process=process)
    return logger
