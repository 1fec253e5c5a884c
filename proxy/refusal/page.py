"""The HTML page: a Jinja2 template, ours or the operator's, compiled once and tried out before it is used."""

from __future__ import annotations

import traceback
from base64 import b64encode
from hashlib import sha256
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from jinja2 import StrictUndefined, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from proxy.refusal.css import render_css
from proxy.refusal.style import derive_colours, derive_logo_source

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jinja2 import Template

    from proxy.refusal.style import PageStyle

_OWN_NAME: Final = "<template>"


class Page:
    """Renders the HTML of every refusal of one style."""

    __slots__ = ("_css", "_own", "_shipped", "policy")

    def __init__(self, style: PageStyle, shipped: str) -> None:
        """Compile the page; raises TemplateSyntaxError when the operator's template does not parse."""
        self._css = Markup(render_css(*derive_colours(style)))  # noqa: S704  holds nothing of the operator's but colours
        self._shipped = _compile(shipped)
        self._own = None if style.template is None else _compile(style.template)
        self.policy = _derive_policy(style, self._css)

    def render(self, values: Mapping[str, object]) -> str:
        """Write the page. Where the operator's template fails after all, ours stands in: an answer must go out."""
        if self._own is not None:
            try:
                return self._own.render(values, css=self._css)
            except Exception:  # noqa: BLE001  a template is somebody's program and may raise anything
                return self._shipped.render(values, css=self._css)
        return self._shipped.render(values, css=self._css)

    def find_mistakes(self, samples: Sequence[Mapping[str, object]]) -> list[str]:
        """Try the operator's template on sample pages; each mistake names the line."""
        if self._own is None:
            return []
        mistakes: dict[str, None] = {}
        for values in samples:
            try:
                html = self._own.render(values, css=self._css)
            except Exception as error:  # noqa: BLE001  as above
                mistakes[f"template: line {_find_line(error)}: {error}"] = None
            else:
                # A place for later that went through `urlencode` would be shown as it stands.
                if quote(str(values["reference"])) in html:
                    mistakes[
                        "template: reference and contact are filled in last and cannot be urlencoded"
                    ] = None
                if str(values["reference"]) not in html:
                    kind = values["kind"]
                    mistakes[
                        f"template: the {kind} page does not show {{{{ reference }}}} as it is; "
                        "by the reference support finds the decision"
                    ] = None
        return list(mistakes)


def render_syntax_mistake(error: TemplateSyntaxError) -> str:
    """Say what is wrong with a template that does not parse."""
    return f"template: line {error.lineno}: {error.message}"


def _compile(source: str) -> Template:
    # Sandboxed because a template often comes from a theme or a forum; immutable because values are shared
    # by renders.
    environment = ImmutableSandboxedEnvironment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(source)


def _find_line(error: Exception) -> int:
    """Find the template line an error came from: Jinja2 puts it into the traceback."""
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == _OWN_NAME
    ]
    return (lines and lines[-1]) or getattr(error, "lineno", None) or 1


def _derive_policy(style: PageStyle, css: str) -> str:
    """Derive the Content-Security-Policy: nothing but what the page needs, and never a script."""
    always = "default-src 'none'; base-uri 'none'; frame-ancestors 'self'"
    if style.template is not None:
        return (
            f"{always}; style-src 'unsafe-inline' https:; img-src data: https:; font-src data: https:; "
            "form-action 'self' https:"
        )
    digest = b64encode(sha256(css.encode()).digest()).decode()
    images = f"data: {derive_logo_source(style)}".strip()
    return f"{always}; style-src 'sha256-{digest}'; img-src {images}; form-action 'none'"
