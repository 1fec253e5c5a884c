"""Stockade: a polite edge blocker that stands between a load balancer and a storefront.

    bytes in ─ judge ─ health? ─ client address ─ decide ─┬─ refuse: a page, JSON or text
                                                          └─ relay: upstream pool, answer streamed back

Processes: a supervisor (sockets, restarts, drain, reload), workers (the data plane: all entries in memory, one event
loop each), a control process (status, metrics), and a Valkey of our own when no store is configured. Redis is the
authority and the way changes travel; it is never asked while a request waits.

Imports go down only (tests/test_architecture.py walks them; docs/architecture.md says why):

    cli            the `stockade` command              settings       options, their checks, what follows from them
    supervisor     processes                           refusal        pages and other refusals             (pure)
    listening      sockets, before the fork            http1          HTTP/1.1, bytes in and bytes out     (pure)
    edge           the worker                          observability  counters, decision log, service log
    admin, demo    control process; the demo store     policy         entries, index, `decide`             (pure)
    management     use cases; the only writer          identity       addresses, the client address        (pure)
    store          Redis: script, replication          errors         every error raised on purpose
"""
