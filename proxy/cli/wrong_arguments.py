"""What the command line's library finds wrong, in the words of who typed it, with the way out."""

from __future__ import annotations

import difflib
import shlex
from typing import TYPE_CHECKING, Any, Final

from cyclopts.exceptions import (
    CoercionError,
    MissingArgumentError,
    UnknownCommandError,
    UnusedCliTokensError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cyclopts import CycloptsError

# What a command that got too much takes instead.
_TAKES: Final = {
    "serve": "takes no FILE by itself: write -c FILE",
    "list": "takes no address by itself: write --contains ADDRESS",
    "explain": "takes one ADDRESS: ask about each on its own",
    "config check": "takes one FILE: check each on its own",
    "config show": "takes no FILE by itself: write -c FILE",
}
_KINDS: Final[dict[Any, str]] = {int: "a whole number", float: "a number"}


def explain_arguments(error: CycloptsError) -> str:
    """Return one sentence that names what was typed, what is wanted, and where help is."""
    if isinstance(error, UnknownCommandError):
        return _explain_unknown_command(error)
    return f"{_explain(error).rstrip('.')}; try {_command(error)} --help"


def names_settings(tokens: Sequence[str]) -> bool:
    """Tell whether a command line names a settings file."""
    return any(token.startswith(("-c", "--config")) for token in tokens)


def _explain(error: CycloptsError) -> str:
    name = " ".join(error.command_chain or ())
    if isinstance(error, UnusedCliTokensError):
        left = shlex.join(error.unused_tokens or ())
        return f"{name} {_TAKES.get(name, 'takes options only')}; {left} is left over"
    if isinstance(error, CoercionError) and error.token is not None and error.token.keyword:
        option, typed, kind = error.token.keyword, error.token.value, error.target_type
        if kind is bool:
            return f"{option} takes no value: write {option} alone"
        if kind in _KINDS:
            return f'{option} takes {_KINDS[kind]}, and "{typed}" is none'
    if isinstance(error, MissingArgumentError) and error.argument is not None:
        argument = error.argument
        if argument.index is not None:
            what = argument.name.lstrip("-").upper()
            return f"{what} is missing: write it behind {_command(error)}, with no {argument.name} before it"
        return f"{'/'.join(argument.names)} takes a value, and none stands behind it"
    return str(error)


def _explain_unknown_command(error: UnknownCommandError) -> str:
    """Name the nearest command; the library's own text would load every command to list it."""
    tokens = error.unused_tokens or [""]
    known = [name for name in error.app or () if not name.startswith("-")]
    if names_settings(tokens[:1]):
        used = 1 if "=" in tokens[0] else 2
        command = next((token for token in tokens[used:] if token in known), "COMMAND")
        return f"-c FILE stands behind the command: stockade {command} {shlex.join(tokens[:used])}"
    guess = difflib.get_close_matches(tokens[0], known, n=1)
    way_out = f"did you mean {guess[0]}?" if guess else f"there are {', '.join(known)}"
    return f"there is no command {tokens[0]!r}; {way_out}"


def _command(error: CycloptsError) -> str:
    return " ".join(("stockade", *(error.command_chain or ())))
