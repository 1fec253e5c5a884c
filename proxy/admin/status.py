"""What /statusz shows: the service as its processes see it, for a person first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proxy.observability.counters import REPLICATION_STATES, CounterPage, Slot

if TYPE_CHECKING:
    from proxy.settings import Settings


def describe(page: CounterPage, settings: Settings, *, store: str, now: float) -> dict[str, Any]:
    """Gather the status at `now` (Unix seconds); `store` is the store's URL without its password."""
    workers = []
    for index in range(page.rows):
        row = page.row(index)
        seen = row[Slot.SNAPSHOT_SEEN_MS]
        beat = row[Slot.HEARTBEAT_MS]
        workers.append(
            {
                "worker": index,
                "pid": row[Slot.PID],
                "ready": bool(row[Slot.READY]),
                "draining": bool(row[Slot.DRAINING]),
                "heartbeat_age_seconds": round(now - beat / 1000, 1) if beat else None,
                "open_connections": row[Slot.OPEN_CONNECTIONS],
                "requests": row[Slot.REQUESTS],
                "refused": row[Slot.REFUSED],
                "would_refuse": row[Slot.MONITORED],
                "list_version": row[Slot.LIST_VERSION],
                "entries": row[Slot.ENTRIES],
                "replication": REPLICATION_STATES[row[Slot.REPLICATION]],
                "snapshot_age_seconds": round(max(0.0, now - seen / 1000), 1) if seen else None,
                "starts": row[Slot.STARTS],
            }
        )
    return {
        "ready": all(worker["ready"] for worker in workers),
        "mode": settings.mode,
        "platform": settings.platform,
        "store": store,
        "upstream": settings.upstream,
        "trusted_proxies": list(settings.trusted_proxies),
        "workers": workers,
    }


def render_text(status: dict[str, Any]) -> str:
    """Write the status as a few lines and one line a worker."""
    lines = [
        "ready" if status["ready"] else "NOT READY",
        f"mode: {status['mode']}    platform: {status['platform']}",
        f"store: {status['store']}    upstream: {status['upstream']}",
        f"trusted proxies: {', '.join(status['trusted_proxies']) or 'none: forwarding headers are ignored'}",
        "",
        (
            f"{'worker':>6} {'pid':>8} {'state':<9} {'conns':>6} {'requests':>10} {'refused':>8} {'entries':>8} "
            f"{'version':>8} {'list':<10} {'age':>6}"
        ),
    ]
    for worker in status["workers"]:
        state = "draining" if worker["draining"] else "ready" if worker["ready"] else "not ready"
        age = worker["snapshot_age_seconds"]
        lines.append(
            f"{worker['worker']:>6} {worker['pid']:>8} {state:<9} {worker['open_connections']:>6} "
            f"{worker['requests']:>10} {worker['refused']:>8} {worker['entries']:>8} {worker['list_version']:>8} "
            f"{worker['replication']:<10} {'-' if age is None else f'{age:.1f}s':>6}"
        )
    return "\n".join(lines) + "\n"
