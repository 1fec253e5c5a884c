"""The decision log: one JSON line for every decision that refused, or would have.

By its reference support finds the decision; by entry and case, what stood behind it. Lines carry the client address
(they are worthless without) and never an e-mail. They are gathered and written a few times a second, off the path of
the request; when the disk does not keep up, lines are dropped and counted rather than held.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final

import orjson

if TYPE_CHECKING:
    from proxy.policy.decision import Decision

if TYPE_CHECKING:
    from pathlib import Path

# A line is about 400 bytes: this much is some ten thousand refusals that wait for one write.
_MAX_PENDING: Final = 4 * 1024 * 1024


class DecisionLog:
    """Appends decisions to a file (opened with O_APPEND, mode 0640: whole lines of several workers do not mix)."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file = self._open()
        self._pending: list[bytes] = []
        self._size = 0
        self.dropped = 0

    def _open(self) -> int:
        if self._path is None:
            return os.dup(2)
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)

    def record(
        self,
        *,
        reference: str,
        client: str,
        method: bytes,
        target: bytes,
        decision: Decision,
        version: int,
    ) -> None:
        """Note one decision that refused, or would have; `version` is the list version it was made from."""
        if self._size > _MAX_PENDING:
            self.dropped += 1
            return
        decided = decision.hit.entry if decision.hit else None
        line = orjson.dumps(
            {
                "time": round(time.time(), 3),
                "event": "refused" if decision.refused else "would refuse",
                "reference": reference,
                "client": client,
                "method": method.decode("ascii", "replace"),
                # The path alone: a query may hold an e-mail, and e-mails do not go into logs.
                "path": target.partition(b"?")[0][:256].decode("utf-8", "backslashreplace"),
                "entry": decided.id if decided else "",
                "case": decided.case if decided else "",
                "reason": decision.reason,
                "hits": [hit.entry.id for hit in decision.hits],
                "list_version": version,
            },
            option=orjson.OPT_APPEND_NEWLINE,
        )
        self._pending.append(line)
        self._size += len(line)

    def flush(self) -> None:
        """Write what was gathered; a failing disk costs lines, never a request."""
        if not self._pending:
            return
        data = b"".join(self._pending)
        count = len(self._pending)
        self._pending.clear()
        self._size = 0
        try:
            while data:
                data = data[os.write(self._file, data) :]
        except OSError:
            self.dropped += count

    def reopen(self) -> None:
        """Open the file anew, after a log rotation moved it."""
        self.flush()
        fresh = self._open()
        os.close(self._file)
        self._file = fresh

    def close(self) -> None:
        """Write what was gathered and close."""
        self.flush()
        os.close(self._file)
