"""`python -m proxy.settings` writes what is made from the option descriptions: run it after changing one.

Written are `config/stockade.toml` and the part of `docs/configuration.md` below its marker, in the working
directory. A test holds both equal to what this would write.
"""

from __future__ import annotations

from pathlib import Path

from proxy.settings.render import render_default_file, render_reference

MARKER = "<!-- Below this line: made by `python -m proxy.settings` from proxy/settings. -->\n"


def render_manual(text: str) -> str:
    """Return the manual page with its reference made anew; ValueError when the marker is missing."""
    head, marker, _ = text.partition(MARKER)
    if not marker:
        raise ValueError(f"docs/configuration.md must hold the line {MARKER!r}")
    return f"{head}{marker}\n{render_reference()}"


def save_made_files(root: Path) -> None:
    """Write the default file and the manual's reference below `root`."""
    (root / "config" / "stockade.toml").write_text(render_default_file(), "utf-8")
    manual = root / "docs" / "configuration.md"
    manual.write_text(render_manual(manual.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    save_made_files(Path())
