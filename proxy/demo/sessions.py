"""The session cookie, and the anti-CSRF token of forms."""

from __future__ import annotations

import hmac
import re
import secrets
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from aiohttp import web

from proxy.demo.state import STATE, Session

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

COOKIE = "potting_lane"
_KEY = re.compile(r"[A-Za-z0-9_-]{32}")
_SESSION = web.RequestKey("session", Session)
_NEW = web.RequestKey("new", bool)


class FormError(Exception):
    """A form without the token of its page: too old, or sent from another site."""


@web.middleware
async def carry_session(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Find the session the cookie names; set the cookie on the answer when a page made a new one."""
    key = request.cookies.get(COOKIE, "")
    state = request.app[STATE]
    if key in state.sessions:
        request[_SESSION] = state.sessions[key]
    else:
        # A key we forgot is used again, so that a restarted demo store does not lose the form on the screen.
        request[_SESSION] = Session(key=key if _KEY.fullmatch(key) else secrets.token_urlsafe(24))
    response = await handler(request)
    session = read_session(request)
    if request.get(_NEW) and session.key != key and not response.prepared:
        secure = request.secure or request.headers.get("X-Forwarded-Proto") == "https"
        response.set_cookie(COOKIE, session.key, httponly=True, samesite="Lax", secure=secure)
    return response


def read_session(request: web.Request) -> Session:
    """Give the request's session, which is not kept until `keep_session`."""
    return request[_SESSION]


def keep_session(request: web.Request) -> Session:
    """Remember the request's session from now on."""
    session = read_session(request)
    request.app[STATE].sessions[session.key] = session
    request[_NEW] = True
    return session


def renew_session(request: web.Request) -> Session:
    """Give the session a new key, as must be at every login, so that a planted cookie is worth nothing."""
    session = read_session(request)
    request.app[STATE].sessions.pop(session.key, None)
    session.key = secrets.token_urlsafe(24)
    return keep_session(request)


def write_token(request: web.Request) -> str:
    """Give the token for a form on this page; the browser gets its cookie with it."""
    request[_NEW] = True
    return request.app[STATE].derive_csrf(read_session(request))


async def read_form(request: web.Request) -> dict[str, str]:
    """Read an urlencoded form and check its token.

    Of a repeated field the last counts. Raises FormError for a missing or wrong token,
    HTTPUnsupportedMediaType for another kind of body and HTTPRequestEntityTooLarge for one over the limit.
    """
    if request.content_type != "application/x-www-form-urlencoded":
        raise web.HTTPUnsupportedMediaType(text="Please send the form as application/x-www-form-urlencoded.")
    body = (await request.read()).decode("utf-8", "replace")
    try:
        form = dict(parse_qsl(body, keep_blank_values=True, max_num_fields=200))
    except ValueError as error:
        raise web.HTTPBadRequest(text="The form has too many fields.") from error
    expected = request.app[STATE].derive_csrf(read_session(request))
    if not hmac.compare_digest(form.get("csrf", "").encode("utf-8", "replace"), expected.encode()):
        raise FormError
    return form
