"""The workers' counters as Prometheus metrics (text format 0.0.4, OpenMetrics by content negotiation)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from proxy.observability.counters import REPLICATION_STATES, CounterPage, Slot

if TYPE_CHECKING:
    from collections.abc import Iterable

_COUNTERS: Final = (
    (Slot.CONNECTIONS, "stockade_connections", "Client connections accepted"),
    (Slot.TURNED_AWAY, "stockade_connections_turned_away", "Connections over a limit, answered 503"),
    (Slot.REQUESTS, "stockade_requests", "Requests read"),
    (Slot.REFUSED, "stockade_refused", "Requests refused by an entry"),
    (Slot.MONITORED, "stockade_would_refuse", "Requests that an entry in monitor mode would have refused"),
    (Slot.BAD_REQUESTS, "stockade_bad_requests", "Requests that were malformed or over a limit"),
    (Slot.UPSTREAM_CONNECTS, "stockade_upstream_connects", "Connections opened to the upstream"),
    (Slot.UPSTREAM_FAILURES, "stockade_upstream_failures", "Upstream connections that failed"),
    (Slot.UPSTREAM_TIMEOUTS, "stockade_upstream_timeouts", "Upstream time limits that ran out"),
    (Slot.UPSTREAM_RETRIES, "stockade_upstream_retries", "Requests sent again on a fresh upstream connection"),
    (Slot.BROKEN_RESPONSES, "stockade_broken_responses", "Upstream answers that were malformed or broke off"),
    (Slot.TUNNELS, "stockade_tunnels", "Connections that became tunnels (WebSocket)"),
    (Slot.SNAPSHOT_LOADS, "stockade_snapshot_loads", "Times the whole list was read from the store"),
    (Slot.DECISIONS_DROPPED, "stockade_decisions_dropped", "Lines of the decision log that could not be written"),
    (Slot.STARTS, "stockade_worker_starts", "Times a worker was started"),
)  # fmt: skip
_GAUGES: Final = (
    (Slot.OPEN_CONNECTIONS, "stockade_open_connections", "Client connections open now"),
    (Slot.OPEN_TUNNELS, "stockade_open_tunnels", "Tunnels open now"),
    (Slot.READY, "stockade_ready", "1 when the worker is ready for traffic"),
    (Slot.DRAINING, "stockade_draining", "1 while the worker is leaving"),
    (Slot.LIST_VERSION, "stockade_list_version", "List version of the worker's snapshot"),
    (Slot.ENTRIES, "stockade_entries", "Entries in the worker's snapshot"),
)
_CLASSES: Final = (
    ("1xx", Slot.RESPONSES_1XX),
    ("2xx", Slot.RESPONSES_2XX),
    ("3xx", Slot.RESPONSES_3XX),
    ("4xx", Slot.RESPONSES_4XX),
    ("5xx", Slot.RESPONSES_5XX),
)


class WorkerCollector(Collector):
    """Reads every worker's row when asked; one label, the worker's number, so the number of series is fixed."""

    def __init__(self, page: CounterPage) -> None:
        self._page = page

    def collect(self) -> Iterable[Metric]:
        """Give all metrics as they stand."""
        rows = [(str(index), self._page.row(index)) for index in range(self._page.rows)]
        for slot, name, text in _COUNTERS:
            counter = CounterMetricFamily(name, text, labels=["worker"])
            for worker, row in rows:
                counter.add_metric([worker], row[slot])
            yield counter
        for slot, name, text in _GAUGES:
            gauge = GaugeMetricFamily(name, text, labels=["worker"])
            for worker, row in rows:
                gauge.add_metric([worker], row[slot])
            yield gauge
        responses = CounterMetricFamily(
            "stockade_responses", "Responses sent, by class", labels=["worker", "class"]
        )
        for worker, row in rows:
            for name, slot in _CLASSES:
                responses.add_metric([worker, name], row[slot])
        yield responses
        state = GaugeMetricFamily(
            "stockade_replication", "1 for the state replication is in", labels=["worker", "state"]
        )
        age = GaugeMetricFamily(
            "stockade_snapshot_age_seconds",
            "Time since the snapshot was last in step with the store",
            labels=["worker"],
        )
        for worker, row in rows:
            for index, name in enumerate(REPLICATION_STATES):
                state.add_metric([worker, name], int(row[Slot.REPLICATION] == index))
            if row[Slot.SNAPSHOT_SEEN_MS]:
                age.add_metric([worker], max(0.0, time.time() - row[Slot.SNAPSHOT_SEEN_MS] / 1000))
        yield state
        yield age
