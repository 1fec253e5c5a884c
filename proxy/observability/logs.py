"""Structured logs of the service itself: what started, stopped, failed or was repaired. Never one line a request.

A log call never raises and never waits: lines for which there is no reader, no room or no disk are lost and counted,
and the next line that gets through tells how many.
"""

from __future__ import annotations

import io
import logging
import os
import sys
from typing import Final, TextIO, cast

import structlog

from proxy.observability.writer import DirectWriter, LineWriter, Writer

_LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
# Lines that wait for a slow reader; some thousand of them.
_CAPACITY: Final = 256 * 1024
_END_SECONDS: Final = 0.5


class _LogFile(io.TextIOBase):
    """Standard error as a text file that gives whole lines to a writer and neither raises nor waits."""

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, writer: Writer) -> None:
        super().__init__()
        self.writer = writer
        self._begun = ""

    def write(self, text: str) -> int:
        """Take text; what ends no line yet waits for the rest of it."""
        begun, self._begun = self._begun, ""
        lines, feed, self._begun = (begun + text).rpartition("\n")
        if feed:
            self.writer.write((lines + feed).encode("utf-8", "backslashreplace"))
        return len(text)

    def flush(self) -> None:
        """Take what ends no line; whether it is written yet is asked of `flush_logs`."""
        begun, self._begun = self._begun, ""
        if begun:
            self.writer.write(begun.encode("utf-8", "backslashreplace"))

    def close(self) -> None:
        """Stay open: what is written last, when the interpreter ends, comes after this."""

    def fileno(self) -> int:
        return 2

    def isatty(self) -> bool:
        try:
            return os.isatty(2)
        except OSError:
            return False

    def writable(self) -> bool:
        return True


class _Forward(logging.Handler):
    """Turns what libraries say by `logging` (asyncio, aiohttp) into events of ours."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001 - arguments that do not fit the text; a log call never raises
            message = str(record.msg)
        log = structlog.get_logger(source=record.name)
        tell = log.error if record.levelno >= logging.ERROR else log.warning
        tell(message, exc_info=record.exc_info)


_forward: Final = _Forward(level=logging.WARNING)
_file: _LogFile | None = None


def configure_logs(*, level: str, form: str, threaded: bool = False) -> None:
    """Send structlog's events, and all that goes to `sys.stderr`, to standard error.

    As `text` (for people) or `json` (for collectors). `threaded`: by a thread, for a process with an event loop and
    after its fork; otherwise at once or not at all, for one that forks. May be called again with other values.
    """
    global _file  # noqa: PLW0603 - a process has one standard error
    _hold_standard_streams()
    if _file is None or isinstance(_file.writer, LineWriter) is not threaded:
        _file = _LogFile(LineWriter(None, capacity=_CAPACITY) if threaded else DirectWriter())
        sys.stderr = _file
    renderer: structlog.typing.Processor
    if form == "json":
        renderer = structlog.processors.JSONRenderer()
    else:
        # Other formatters of exceptions warn about format_exc_info, and measure a terminal that is not there.
        renderer = structlog.dev.ConsoleRenderer(
            colors=_file.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _tell_lost,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", _file)),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    if _forward not in root.handlers:
        root.addHandler(_forward)


def get_logger(process: str, **known: object) -> structlog.typing.FilteringBoundLogger:
    """Give a logger whose lines say which process (`supervisor`, `worker`, `control`) speaks, and what is `known`.

    Unlike one that was bound, it follows a later `configure_logs`.
    """
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(process=process, **known)
    return logger


def flush_logs(timeout: float = _END_SECONDS) -> bool:
    """Wait at most `timeout` seconds until all lines are written: before `os._exit`. False when some are not."""
    if _file is None:
        return True
    _file.flush()
    return _file.writer.flush(timeout)


def _tell_lost(_logger: object, _name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Add how many lines of this process were lost, if any were."""
    if _file is not None and _file.writer.dropped:
        event["log_lines_lost"] = _file.writer.dropped
    return event


def _hold_standard_streams() -> None:
    """Put /dev/null where a standard descriptor is closed: else the next socket gets its number, and our log lines."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != descriptor:
                os.dup2(null, descriptor)
                os.close(null)
            else:
                os.set_inheritable(null, True)
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", closefd=False)  # None is what Python starts with where 1 is closed
