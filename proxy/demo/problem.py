"""Errors of the JSON API in the form of RFC 9457, and of everything else as pages or plain text."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from aiohttp import web

from proxy.demo.rendering import render_page
from proxy.demo.sessions import FormError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from proxy.demo.orders import Mistake

_log = logging.getLogger(__name__)

_PAGES = {
    403: (
        "Please send that once more",
        "The form on your screen had grown old. Go back, reload the page and try again.",
    ),
    404: ("Nothing grows here", "The page may have moved, or the link has a typing error."),
    405: ("That does not work here", "This page cannot be asked for in that way."),
    413: ("That is a little too much", "What was sent is larger than this page takes."),
    415: ("We could not read that", "The form came in a shape that we do not know."),
    500: ("Something fell off the shelf", "The mistake is ours. Please try again in a moment."),
}


class ProblemError(Exception):
    """A refused API call: status, one sentence, and the fields at fault."""

    def __init__(self, status: int, title: str, detail: str, mistakes: Sequence[Mistake] = ()) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title
        self.detail = detail
        self.mistakes = mistakes


def render_problem(problem: ProblemError) -> web.Response:
    """Write an RFC 9457 problem document; `errors` lists {field, message} where fields are at fault."""
    document: dict[str, object] = {
        "type": "about:blank",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
    }
    if problem.mistakes:
        document["errors"] = [{"field": item.field, "message": item.message} for item in problem.mistakes]
    return web.Response(
        status=problem.status,
        text=json.dumps(document),
        content_type="application/problem+json",
        headers={"Cache-Control": "no-store"},
    )


@web.middleware
async def answer_errors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Turn what handlers raise into an answer in the form the caller reads."""
    allow: dict[str, str] = {}
    try:
        return await handler(request)
    except ProblemError as problem:
        return render_problem(problem)
    except FormError:
        status, detail = 403, ""
    except web.HTTPException as error:
        if error.status < 400:
            raise
        default = f"{error.status}: {error.reason}"  # aiohttp's own words, less kind than ours
        status, detail = error.status, "" if error.text in (None, default) else error.text
        if "Allow" in error.headers:
            allow["Allow"] = error.headers["Allow"]
    except (ConnectionError, web.RequestPayloadError):
        raise  # the other side is gone: nobody to answer
    except Exception:  # noqa: BLE001 - logged with its traceback; the shopper gets a page all the same
        _log.exception("the demo store failed on %s %s", request.method, request.path)
        status, detail = 500, ""
    response = _render_error(request, status, detail)
    response.headers.update(allow)
    return response


def _render_error(request: web.Request, status: int, detail: str) -> web.Response:
    title, text = _PAGES.get(status, ("That did not work", detail))
    if request.path.startswith("/api/"):
        return render_problem(ProblemError(status, title, text))
    if "text/html" in request.headers.get("Accept", ""):
        return render_page(request, "error.html", status=status, title=title, text=text)
    return web.Response(status=status, text=(detail or f"{title}. {text}").rstrip() + "\n")
