"""The scripts that run inside Redis, one file each, loaded as text.

They are sent whole with EVAL: a script is about 2 kB beside changes of up to 100 kB, and a restarted or
failed-over server that has never seen it needs no second try (which EVALSHA would).
"""

from __future__ import annotations

from importlib.resources import files


def read_script(name: str) -> str:
    """Return the text of `name`.lua."""
    return files(__package__).joinpath(f"{name}.lua").read_text(encoding="utf-8")
