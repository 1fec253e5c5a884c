"""The decision log: one JSON line for every decision that refused, or would have, and for every error answer of ours.

By its reference support finds the decision; by entry and case, what stood behind it. Lines carry the client address
(they are worthless without) and never an e-mail. They are gathered and written a few times a second by a thread, off
the path of the request; when the disk or the reader does not keep up, lines are dropped and counted.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import orjson

from proxy.observability.logs import get_logger
from proxy.observability.writer import LineWriter

if TYPE_CHECKING:
    from pathlib import Path

    from proxy.policy.decision import Decision

# A line is about 400 bytes: this much is some ten thousand refusals that wait to be written.
_CAPACITY: Final = 4 * 1024 * 1024
# Lines are gathered for this long: a thread that is woken by every refusal would cost more than its line.
_LINGER_SECONDS: Final = 0.25
_END_SECONDS: Final = 0.5


class DecisionLog:
    """Appends decisions to a file (mode 0640) or to standard error (None); lines of several workers stay whole.

    Made after the fork: it starts a thread, which also opens the file. Nothing here raises or waits for a disk.
    """

    def __init__(self, path: Path | None) -> None:
        self._writer = LineWriter(path, capacity=_CAPACITY, linger=_LINGER_SECONDS, on_failure=_complain)
        self._write = self._writer.write
        self._told = 0
        self._writer.start()

    @property
    def dropped(self) -> int:
        """Lines lost so far: more came than could be written."""
        return self._writer.dropped

    def take_dropped(self) -> int:
        """Return how many lines were lost since this was last asked."""
        dropped = self._writer.dropped
        fresh, self._told = dropped - self._told, dropped
        return fresh

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
        decided = decision.hit.entry if decision.hit else None
        self._note(
            "refused" if decision.refused else "would refuse",
            reference,
            client,
            (method, target),
            {
                "entry": decided.id if decided else "",
                "case": decided.case if decided else "",
                "reason": decision.reason,
                "hits": [hit.entry.id for hit in decision.hits],
                "list_version": version,
            },
        )

    def record_error(
        self, *, reference: str, client: str, method: bytes, target: bytes, status: int, detail: str
    ) -> None:
        """Note one answer that says why we could not serve; method and target are empty when they were not read."""
        self._note("error", reference, client, (method, target), {"status": status, "detail": detail})

    def _note(
        self, event: str, reference: str, client: str, request: tuple[bytes, bytes], more: dict[str, object]
    ) -> None:
        method, target = request
        line = {
            "time": round(time.time(), 3),
            "event": event,
            "reference": reference,
            "client": client,
            "method": method.decode("ascii", "replace"),
            # The path alone: a query may hold an e-mail, and e-mails do not go into logs.
            "path": target.partition(b"?")[0][:256].decode("utf-8", "backslashreplace"),
            **more,
        }
        self._write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))

    def flush(self, timeout: float = _END_SECONDS) -> bool:
        """Wait at most `timeout` seconds until what was noted is written; not for a request's path."""
        return self._writer.flush(timeout)

    def reopen(self, path: Path | None) -> None:
        """Go on in `path`, opened anew (after a rotation or new settings); where that fails, in the old file."""
        self._writer.reopen(path)

    def close(self, timeout: float = _END_SECONDS) -> None:
        """Write what was noted, within `timeout` seconds, and close."""
        self._writer.close(timeout)


def _complain(error: Exception) -> None:
    get_logger("worker").error("the decision log cannot be opened", error=str(error))
