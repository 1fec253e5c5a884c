"""From settings to what the data plane runs with. Reads templates and certificates; raises before a swap."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from proxy.edge.pool import Pool, PoolOptions
from proxy.edge.site import Site
from proxy.errors import SettingsError
from proxy.refusal.refusals import Refusals
from proxy.refusal.texts import load_texts
from proxy.settings.derived import forwarding, page_style, upstreams

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.settings import Settings
    from proxy.settings.addresses import ListenerAddress


def build_site(settings: Settings) -> Site:
    """Compile the settings; raises SettingsError with every mistake of page style, template and texts."""
    return Site(
        settings,
        forwarding=forwarding(settings),
        refusals=Refusals(page_style(settings), load_texts()),
        upstream_host=upstreams(settings)[0].authority.encode(),
    )


def build_pool(settings: Settings, *, clock: Callable[[], float], counters: memoryview) -> Pool:
    """Make the (empty) upstream pool; raises SettingsError when the private CA cannot be used."""
    relay, timeouts = settings.relay, settings.timeouts
    addresses = upstreams(settings)
    options = PoolOptions(
        connect_timeout=timeouts.upstream_connect,
        idle_seconds=timeouts.upstream_keep_alive,
        idle_connections=relay.idle_connections,
        fail_after=relay.fail_after,
        fail_for=relay.fail_for,
        tls=build_upstream_tls(settings) if addresses[0].scheme == "https" else None,
        server_name=relay.tls_server_name,
    )
    return Pool(addresses, options, clock=clock, counters=counters)


def build_upstream_tls(settings: Settings) -> ssl.SSLContext:
    """Make the client context for https upstreams: verified against the system's or a private CA."""
    relay = settings.relay
    try:
        context = ssl.create_default_context(cafile=relay.tls_ca or None)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            "settings", [f"relay.tls_ca: {relay.tls_ca} holds no usable certificates: {error}"]
        ) from error
    # Python 3.13 asks for extensions (RFC 5280 §4.2) that the private authorities of many shops never wrote; a chain
    # that nginx and OpenSSL take by default must not depend on the Python version.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if not relay.tls_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context


def build_server_tls(address: ListenerAddress) -> ssl.SSLContext:
    """Make the server context of a TLS listener (TLS 1.2 and up, HTTP/1.1 by ALPN)."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(address.certificate, address.key)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            "settings", [f"listen: {address.certificate} and {address.key} make no certificate: {error}"]
        ) from error
    context.set_alpn_protocols(["http/1.1"])
    return context
