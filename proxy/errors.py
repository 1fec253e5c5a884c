"""Every error Stockade raises on purpose, flat and by whose fault it is.

Errors of libraries are translated into these at the seam where they enter (one place per library) and
into exit codes, answers or log lines at the seam where they leave (`cli`, `admin`, `edge`).
"""

from __future__ import annotations


class StockadeError(Exception):
    """Base of all errors below; its text is one message a person can act on."""


class InputError(StockadeError):
    """What an operator typed or a file holds is wrong: names the thing, the rule and the way out."""


class SettingsError(InputError):
    """The settings are wrong. `mistakes` holds every mistake found, each one line of text."""

    def __init__(self, source: str, mistakes: list[str]) -> None:
        self.source = source
        self.mistakes = mistakes
        super().__init__("\n".join(mistakes))


class ConflictError(StockadeError):
    """Somebody else changed the same record first; nothing was written."""


class StoreError(StockadeError):
    """The Redis or Valkey server cannot be reached, refuses us, or holds what we cannot read."""


class NoStoreError(StoreError):
    """No store is configured, and no embedded one runs: perhaps the settings that name one were not read."""


class StartError(StockadeError):
    """The service cannot start (port taken, no store server, limits too low): one line that says why."""
