"""`stockade explain`: what would happen to an address, and why."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from proxy.cli.app import FOR_LISTS, Config, Json, read_settings
from proxy.cli.output import print_json, print_text, print_warning
from proxy.errors import InputError
from proxy.identity.addresses import pack
from proxy.management.explain import Question
from proxy.management.explain import explain as explain_address
from proxy.management.opening import open_store
from proxy.refusal.reference import parse_reference
from proxy.settings.derived import forwarding

if TYPE_CHECKING:
    from proxy.management.explain import Explanation


def explain(
    address: Annotated[
        str | None,
        Parameter(help="The address the question is about. Left out: the one that --peer and --header give."),
    ] = None,
    *,
    peer: Annotated[
        str | None, Parameter(help="The load balancer or other peer the request would come from.")
    ] = None,
    header: Annotated[
        tuple[str, ...],
        Parameter(
            negative=(), help='A header line of the request: "X-Forwarded-For: 203.0.113.7". Repeatable.'
        ),
    ] = (),
    area: Annotated[
        str, Parameter(help="What the request would be for: browse, cart, checkout, …")
    ] = "browse",
    as_json: Json = False,
    config: Config = None,
) -> int:
    """Say what would happen to a client address, and why, by the code that decides about requests.

    Alone, the address is the client's. With --peer, it is what that peer would say in the forwarding header;
    with --header, the lines say it. Exits with 0 when it would be let in, with 1 when it would be refused.
    """
    settings = read_settings(config, FOR_LISTS)
    if address is not None:
        _refuse_reference(address, settings.log.decisions)
    question = Question(address=address, peer=peer, headers=tuple(header), area=area)

    async def run() -> Explanation:
        async with open_store(settings, os.environ) as store:
            return await explain_address(store, question, forwarding(settings), settings.mode, time.time())

    explanation = asyncio.run(run())
    for warning in explanation.warnings:
        print_warning(warning)
    if as_json:
        print_json(explanation)
    else:
        print_text(*explanation.lines())
    return 1 if explanation.refused else 0


def _refuse_reference(address: str, decisions: str) -> None:
    """Raise InputError when what was typed is no address but the reference of a page, and say where to look for it."""
    reference = parse_reference(address)
    if reference is None or pack(address) is not None:
        return
    place = (
        f"grep {reference} {decisions}"
        if decisions
        else f"journalctl -u stockade | grep {reference} (log.decisions is not set, so it is in the service log)"
    )
    raise InputError(
        f'"{address}" is the reference of a page, not an address: the decision log says who it was and why: {place}'
    )
