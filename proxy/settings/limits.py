"""The tables `limits` and `timeouts`: how much is too much, how long is too long, each with its source."""

from __future__ import annotations

from typing import Annotated

from proxy.settings.option import BYTES, DAY, SECONDS, WEEK, Table, option


class LimitsTable(Table, frozen=True, kw_only=True):
    """What is too much. Each limit has its own polite answer."""

    head_bytes: Annotated[
        int,
        option(
            "Request line and headers together; more is answered with 431.",
            unit=BYTES,
            ge=1024,
            le=262_144,
            source="nginx large_client_header_buffers 4 8k; Envoy 60 KiB, Node 16 KiB; at most 256 KiB, for a head "
            "that comes in small pieces is copied again and again",
        ),
    ] = 32_768
    header_count: Annotated[
        int,
        option(
            "Header lines in a request; more is answered with 431.",
            ge=10,
            le=10_000,
            source="Apache LimitRequestFields 100; Envoy max_headers_count 100; HAProxy tune.http.maxhdr 101",
        ),
    ] = 100
    url_bytes: Annotated[
        int,
        option(
            "The request target; more is answered with 414.",
            unit=BYTES,
            ge=256,
            le=262_144,
            source="RFC 9110 section 4.1 asks for at least 8000 octets; nginx 8k, Apache LimitRequestLine "
            "8190",
        ),
    ] = 8192
    body_bytes: Annotated[
        int,
        option(
            "A request body; more is answered with 413. 0: no limit (bodies stream, none is held in memory).",
            unit=BYTES,
            ge=0,
            source="what may be uploaded is the shop's own rule; HAProxy sets no limit either",
        ),
    ] = 0
    connections: Annotated[
        int,
        option(
            "Client connections of all workers together; more are turned away with 503.",
            ge=1,
            le=1_000_000,
            source="each may need a second descriptor for the upstream: 8000 fit far under systemd's hard "
            "limit of 524288",
        ),
    ] = 4000
    connections_per_client: Annotated[
        int,
        option(
            "Connections from one client address, counted by each worker; more are turned away with 503. "
            "0: no limit. Not applied to trusted proxies, who carry everybody.",
            ge=0,
            le=1_000_000,
            source="browsers open 6 a host; 512 leaves room for an office or a mobile carrier behind one "
            "address",
        ),
    ] = 512


class TimeoutsTable(Table, frozen=True, kw_only=True):
    """How long we wait. Numbers are seconds; "500ms", "30s", "5m" and "1h" are understood too."""

    head: Annotated[
        float,
        option(
            "From the first byte of a request to the end of its headers; then 408.",
            unit=SECONDS,
            gt=0,
            le=DAY,
            source="Apache mod_reqtimeout header=20; nginx client_header_timeout 60s",
        ),
    ] = 20.0
    body_idle: Annotated[
        float,
        option(
            "Without a byte of a request body; then 408.",
            unit=SECONDS,
            gt=0,
            le=DAY,
            source="nginx client_body_timeout 60s, likewise between two reads",
        ),
    ] = 60.0
    send_idle: Annotated[
        float,
        option(
            "Without the client taking a byte of the answer; then the connection is closed.",
            unit=SECONDS,
            gt=0,
            le=DAY,
            source="nginx send_timeout 60s",
        ),
    ] = 60.0
    upstream_connect: Annotated[
        float,
        option(
            "For a connection to an upstream address, TLS included; then the next address, at last 504.",
            unit=SECONDS,
            gt=0,
            le=DAY,
            source="Envoy connect_timeout 5s",
        ),
    ] = 5.0
    first_byte: Annotated[
        float,
        option(
            "From the end of the request to the first byte of the upstream's answer; then 504.",
            unit=SECONDS,
            gt=0,
            le=DAY,
            source="nginx proxy_read_timeout 60s",
        ),
    ] = 60.0
    upstream_idle: Annotated[
        float,
        option(
            "Without a byte to or from the upstream within a body; then the answer is broken off.",
            unit=SECONDS,
            gt=0,
            le=DAY,
            source="nginx proxy_read_timeout and proxy_send_timeout 60s",
        ),
    ] = 60.0
    keep_alive: Annotated[
        float,
        option(
            "An idle client connection is kept this long for the next request; 0: closed after each answer. "
            "Longer than the load balancer's own, or it meets a connection that we are closing.",
            unit=SECONDS,
            ge=0,
            le=DAY,
            source="nginx keepalive_timeout 75s; AWS ALB keeps its idle connections 60s",
        ),
    ] = 75.0
    upstream_keep_alive: Annotated[
        float,
        option(
            "An idle upstream connection is used again for this long; 0: never. Shorter than the upstream's "
            "own, or we meet a connection that it is closing.",
            unit=SECONDS,
            ge=0,
            le=DAY,
            source="under the 5s of Apache's KeepAliveTimeout and of Node's keepAliveTimeout (up to Node 25)",
        ),
    ] = 4.0
    tunnel_idle: Annotated[
        float,
        option(
            "Without a byte in either direction of a tunnel (WebSocket); then both ends are closed.",
            unit=SECONDS,
            gt=0,
            le=WEEK,
            source="HAProxy manual's `timeout tunnel 1h`",
        ),
    ] = 3600.0
    drain_wait: Annotated[
        float,
        option(
            "After SIGTERM readiness fails at once, and new connections are still served for this long. At "
            "least as long as the load balancer needs to notice.",
            unit=SECONDS,
            ge=0,
            le=3600,
            source="HAProxy's `check inter 2s` with `fall 2`, rounded up; Kubernetes set-ups sleep 5s in "
            "preStop",
        ),
    ] = 5.0
    drain_limit: Annotated[
        float,
        option(
            "Then requests in flight may take this long to finish before they are cut. With `drain_wait` it "
            "must stay below the time the service manager gives before it kills.",
            unit=SECONDS,
            ge=0,
            le=3600,
            source="systemd kills after 90s (TimeoutStopSec), Kubernetes after 30s (set "
            "terminationGracePeriodSeconds to 40), `docker stop` after 10s (`-t 40`)",
        ),
    ] = 30.0
