"""Tables of the settings file about the client address, the relay, health, the block page, logs and store."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from proxy.settings.option import DAY, SECONDS, Table, option

ForwardHeader = Literal[
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "X-Real-IP",
    "X-Request-Id",
    "Forwarded",
]


class Listener(Table, frozen=True, kw_only=True):
    """An address to listen on that needs more said than its name."""

    address: Annotated[str, option('"host:port", "[::]:8080" or "unix:/path".')]
    proxy_protocol: Annotated[
        bool,
        option(
            "Every connection starts with a PROXY protocol header, version 1 or 2; others are refused. "
            "It is believed from trusted proxies only.",
            source="HAProxy's proxy-protocol.txt, section 5: a receiver must not guess whether a header is "
            "there",
        ),
    ] = False
    certificate: Annotated[
        str, option("PEM file with the certificate chain: makes this a TLS listener.", file="read")
    ] = ""
    key: Annotated[str, option("PEM file with the private key of the certificate.", file="read")] = ""


class ClientAddressTable(Table, frozen=True, kw_only=True):
    """How the shopper's address is found when a trusted proxy stands in front."""

    header: Annotated[
        Literal["X-Forwarded-For", "Forwarded"],
        option(
            "The header that trusted proxies append to. Read right to left over every line; the first "
            "address that is not a trusted proxy is the client.",
            source="RFC 7239 section 5.2 for Forwarded; X-Forwarded-For is what load balancers send by "
            "default",
        ),
    ] = "X-Forwarded-For"
    single_value: Annotated[
        dict[str, tuple[str, ...]],
        option(
            "Headers that hold the client address alone, each with the networks it is believed from. "
            "They go before `header`.",
            expected='header names with lists of networks, such as {"CF-Connecting-IP" = '
            '["173.245.48.0/20"]}',
        ),
    ] = msgspec.field(default_factory=dict)
    unreadable: Annotated[
        Literal["peer", "refuse"],
        option(
            'What happens when the entry next to the trusted proxy cannot be read: "peer" takes the trusted '
            'proxy\'s own address for the client, "refuse" answers 400. Nothing is ever guessed.',
        ),
    ] = "peer"


class RelayTable(Table, frozen=True, kw_only=True):
    """How requests go to the upstream."""

    host: Annotated[
        str,
        option(
            'The Host header the upstream sees: "keep" (as the shopper sent it), "upstream" (the name in '
            "`upstream`), or a name to send always.",
            source="shops build links and choose tenants by Host, so it is kept",
        ),
    ] = "keep"
    forward_headers: Annotated[
        tuple[ForwardHeader, ...],
        option(
            "The headers we set for the upstream. Those from an untrusted peer are dropped first; those from "
            "a trusted proxy are continued.",
            source="the de-facto set of nginx, HAProxy and Envoy set-ups; Forwarded is RFC 7239",
        ),
    ] = ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Request-Id")
    via: Annotated[
        str,
        option(
            "Our name in the Via header; empty: no Via.",
            source="RFC 9110 section 7.6.3; off because nginx upstreams stop compressing when Via is there "
            "(gzip_proxied off)",
        ),
    ] = ""
    upgrades: Annotated[
        tuple[str, ...],
        option(
            "Protocols a request may upgrade to; after 101 the connection is a plain two-way pipe.",
            source="RFC 9110 section 7.8; RFC 6455 for websocket",
        ),
    ] = ("websocket",)
    tls_verify: Annotated[bool, option("Check the certificate of an https upstream.")] = True
    tls_ca: Annotated[
        str,
        option("PEM file with the upstream's certificate authorities; empty: the system's.", file="read"),
    ] = ""
    tls_server_name: Annotated[
        str,
        option(
            "The name asked for (SNI) and checked in the upstream's certificate; empty: the host in `upstream`."
        ),
    ] = ""
    resolve_every: Annotated[
        float,
        option(
            "How often the names in `upstream` are looked up again.",
            unit=SECONDS,
            gt=0,
            le=DAY,
            source="between Envoy's dns_refresh_rate (5s) and the 60s that AWS load balancers give their "
            "names",
        ),
    ] = 30.0
    fail_after: Annotated[
        int,
        option(
            "Connects in a row that must fail before an upstream address is left out.",
            ge=1,
            le=1000,
            source="nginx max_fails=1",
        ),
    ] = 1
    fail_for: Annotated[
        float,
        option(
            "How long a failed upstream address is left out, unless no other works.",
            unit=SECONDS,
            gt=0,
            le=DAY,
            source="nginx fail_timeout=10s",
        ),
    ] = 10.0
    idle_connections: Annotated[
        int,
        option(
            "Idle connections kept open for each upstream address in each worker; 0: none.",
            ge=0,
            le=65_536,
            source="nginx manual's example is `keepalive 16` to 32 a worker; twice that holds a busy hour",
        ),
    ] = 64


class HealthTable(Table, frozen=True, kw_only=True):
    """Health for load balancers, answered on the traffic port."""

    path: Annotated[
        str,
        option(
            "Health is answered under this path (/livez and /readyz); these two are never blocked and never "
            "relayed.",
        ),
    ] = "/.stockade"
    upstream_path: Annotated[
        str,
        option(
            "What is asked of the upstream while no traffic shows that it answers. Any HTTP answer will do: a "
            "shop in maintenance shows its own page."
        ),
    ] = "/"
    upstream_every: Annotated[
        float,
        option(
            "How often the upstream is asked.",
            unit=SECONDS,
            gt=0,
            le=3600,
            source="nginx Plus health_check interval=5s; HAProxy inter 2s",
        ),
    ] = 5.0
    upstream_timeout: Annotated[
        float,
        option(
            "How long it may take to answer.",
            unit=SECONDS,
            gt=0,
            le=3600,
            source="HAProxy inter 2s bounds a check",
        ),
    ] = 2.0


class BlockPageTable(Table, frozen=True, kw_only=True):
    """What a refused shopper sees."""

    status: Annotated[
        Literal[403, 404, 429, 451],
        option(
            "The status of a refusal.",
            expected="403, 404, 429 or 451 (200 reads as success, 410 as gone for good, 5xx as our failure)",
            source="RFC 9110 sections 15.5.4 (403) and 15.5.5 (404), RFC 6585 section 4 (429), RFC 7725 (451). "
            "Not 200: scripts and caches take it for success; not 410: search engines drop the page for good; "
            "not 5xx: load balancers take us for broken",
        ),
    ] = 403
    shop_name: Annotated[str, option("The shop's name at the top of the page; empty: none.")] = ""
    accent: Annotated[
        str, option('Colour of rule and button, "#rgb" or "#rrggbb".', expected='a colour such as "#2f5d50"')
    ] = "#2f5d50"
    background: Annotated[
        str, option("Colour around the page's sheet.", expected='a colour such as "#f6f2ea"')
    ] = "#f6f2ea"
    text_colour: Annotated[
        str,
        option(
            "Colour of the text; empty: one that reads well on the background is chosen.",
            expected='a colour such as "#222222"',
            source="WCAG 2.2 success criterion 1.4.3 asks for a contrast of 4.5:1; less is refused",
        ),
    ] = ""
    logo: Annotated[
        str,
        option(
            "The shop's logo: a data: URL (the page stays one request), or an https: URL on a host that does not "
            "refuse the shopper too.",
        ),
    ] = ""
    contact: Annotated[
        str,
        option(
            'Where a shopper can object: "mailto:help@shop.example", "https://…" or "tel:+31…"; empty: none. '
            "`{reference}` in it becomes the reference.",
        ),
    ] = ""
    contact_label: Annotated[
        str, option("The words of the contact link; empty: a translated standard text.")
    ] = ""
    default_language: Annotated[
        str,
        option(
            "The language for those who ask for none that we speak: en, fr, nl, de, es, it, pt, pl, sv, da, ja, "
            "ar, or one that `texts` adds.",
        ),
    ] = "en"
    template: Annotated[
        str,
        option("File with an HTML template of your own (docs/block-page.md); empty: ours.", file="read"),
    ] = ""
    texts: Annotated[
        str,
        option(
            "TOML file with texts of your own, a table a language; what it leaves out stays ours.",
            file="read",
        ),
    ] = ""


class LogTable(Table, frozen=True, kw_only=True):
    """What is written down, and where."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"], option("The least serious thing that is logged.")
    ] = "info"
    format: Annotated[
        Literal["text", "json"], option('"text" for people, "json" for machines: one object a line.')
    ] = "text"
    decisions: Annotated[
        str,
        option(
            "File of the decision log, one JSON object a refusal; empty: among the other log lines.",
            file="write",
        ),
    ] = ""


class StoreOptionsTable(Table, frozen=True, kw_only=True):
    """How the store is reached; its address is `store`."""

    start_wait: Annotated[
        float,
        option(
            "How long a starting worker waits for its first snapshot before it serves without.",
            unit=SECONDS,
            ge=0,
            le=600,
            source="a list of a million entries loads in about this time; readiness stays false until then",
        ),
    ] = 5.0
