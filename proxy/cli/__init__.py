"""The `stockade` command. `main` is where errors become one message and an exit code."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from typing import TYPE_CHECKING, Final

from proxy.errors import (
    ConflictError,
    InputError,
    NoStoreError,
    SettingsError,
    StartError,
    StockadeError,
    StoreError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

OK: Final = 0
NO: Final = 1  # the answer is no, nothing was found, or somebody else was faster
WRONG_INPUT: Final = 2
STORE_UNREACHABLE: Final = 3
CANNOT_START: Final = 4
BROKEN: Final = 70  # EX_SOFTWARE of sysexits.h: a mistake of ours
INTERRUPTED: Final = 130  # 128 + SIGINT, as shells count
PIPE_CLOSED: Final = 141  # 128 + SIGPIPE: `stockade list | head` is no error worth a message

# By whose fault; the first that fits counts.
_EXIT_CODES: Final = (
    (InputError, WRONG_INPUT),
    (ConflictError, NO),
    (StoreError, STORE_UNREACHABLE),
    (StartError, CANNOT_START),
    (StockadeError, NO),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with these arguments (the process's own if None) and return its exit code."""
    from cyclopts import CycloptsError  # noqa: PLC0415  # importing proxy.cli for a code costs nothing

    from proxy.cli.app import build_app  # noqa: PLC0415  # as above

    tokens = sys.argv[1:] if arguments is None else list(arguments)
    if tokens[:1] == ["help"]:
        tokens = [*tokens[1:], "--help"]
    app = build_app(tokens)
    try:
        result = app(
            tokens,
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
        )
        sys.stdout.flush()
    except CycloptsError as error:
        from proxy.cli.wrong_arguments import explain_arguments  # noqa: PLC0415  # as above

        _complain(explain_arguments(error))
        return WRONG_INPUT
    except NoStoreError as error:
        return _explain(StoreError(f"{error}{_hint_at_settings(tokens)}"))
    except StockadeError as error:
        return _explain(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except Exception as error:  # noqa: BLE001  # the last place: a person gets a sentence, not a stack
        _show_traceback()
        _complain(f"internal error: {type(error).__name__}: {error}; STOCKADE_DEBUG=1 shows where")
        return BROKEN
    return result if isinstance(result, int) else OK


def _explain(error: StockadeError) -> int:
    _show_traceback()
    if isinstance(error, SettingsError):
        _write("".join(f"{mistake}\n" for mistake in error.mistakes))
        count = len(error.mistakes)
        _complain(f"{error.source}: {count} mistake{'s' if count > 1 else ''}; nothing was done")
    else:
        _complain(str(error))
    return next(code for kind, code in _EXIT_CODES if isinstance(error, kind))


def _complain(text: str) -> None:
    _write(f"stockade: {text}\n")


def _write(text: str) -> None:
    """Write to standard error, unless the caller closed it: the exit code is told all the same."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            sys.stderr.write(text)


def _show_traceback() -> None:
    if os.environ.get("STOCKADE_DEBUG"):
        traceback.print_exc()


def _hint_at_settings(tokens: Sequence[str]) -> str:
    """Return what else may be the cause when a command found no store: it knew of no settings."""
    from proxy.cli.wrong_arguments import names_settings  # noqa: PLC0415  # as above
    from proxy.settings.load import find_file  # noqa: PLC0415  # as above

    if names_settings(tokens) or find_file(os.environ) is not None:
        return ""
    return "; no settings file was given or found: name it with -c FILE"
