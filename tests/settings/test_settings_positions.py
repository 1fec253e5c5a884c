"""Lines of keys in TOML text."""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from proxy.settings.catalogue import repr_toml
from proxy.settings.positions import Path, find_positions

EVERYTHING = '''\
# comment = 1
plain = 1 # x = 2
"quoted \\u0041" = "a # b = [c"
'literal' = 'it # is'
dotted . "key" . third = true

array = [ "a", # comment ]
  "b",
  [ 1, 2 ], { in = "side", "x y" = 3 },
]
multi = """
not = "a key"
[nor.a.table] \\""" still inside
"""
raw = \'\'\'
[[no]]
x = ''\'\'\'
after = 1979-05-27T07:32:00Z

[table]
key = { a = { b = 1 }, c = [
    2 ] }

  [ table . sub ]
value=1

[[many]]
name = "first"
[[many.parts]]
size = 1
[[many.parts]]
size = 2
[[many]]
[many.detail]
deep = 1
'''


def test_every_kind_of_key_is_found() -> None:
    """Keys, tables, array items and inline tables each have their own line; text inside strings has none."""
    tomllib.loads(EVERYTHING)
    assert find_positions(EVERYTHING) == {
        ("plain",): 2,
        ("quoted A",): 3,
        ("literal",): 4,
        ("dotted",): 5,
        ("dotted", "key"): 5,
        ("dotted", "key", "third"): 5,
        ("array",): 7,
        ("array", 0): 7,
        ("array", 1): 8,
        ("array", 2): 9,
        ("array", 2, 0): 9,
        ("array", 2, 1): 9,
        ("array", 3): 9,
        ("array", 3, "in"): 9,
        ("array", 3, "x y"): 9,
        ("multi",): 11,
        ("raw",): 15,
        ("after",): 18,
        ("table",): 20,
        ("table", "key"): 21,
        ("table", "key", "a"): 21,
        ("table", "key", "a", "b"): 21,
        ("table", "key", "c"): 21,
        ("table", "key", "c", 0): 22,
        ("table", "sub"): 24,
        ("table", "sub", "value"): 25,
        ("many",): 27,
        ("many", 0): 27,
        ("many", 0, "name"): 28,
        ("many", 0, "parts"): 29,
        ("many", 0, "parts", 0): 29,
        ("many", 0, "parts", 0, "size"): 30,
        ("many", 0, "parts", 1): 31,
        ("many", 0, "parts", 1, "size"): 32,
        ("many", 1): 33,
        ("many", 1, "detail"): 34,
        ("many", 1, "detail", "deep"): 35,
    }


def test_lines_are_counted_with_either_line_end() -> None:
    """A file from Windows has the same line numbers."""
    text = 'a = 1\nb = [\n  2,\n]\nc = """x\ny"""\nd = 1\n'
    assert find_positions(text.replace("\n", "\r\n")) == find_positions(text)


def test_no_line_end_is_needed_at_the_end() -> None:
    """The last line may end with the file."""
    assert find_positions("a = 1") == {("a",): 1}
    assert find_positions("a = 1 # b") == {("a",): 1}
    assert find_positions("[a]") == {("a",): 1}
    assert find_positions("") == {}


def paths(value: Any, path: Path = ()) -> set[Path]:
    """List the path of everything inside a value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return {found for key, item in items for found in ({(*path, key)} | paths(item, (*path, key)))}


TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)
VALUES = st.recursive(
    st.integers(-(2**60), 2**60) | st.booleans() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(TEXTS, VALUES, max_size=5))
def test_whatever_tomllib_reads_has_positions(values: dict[str, Any]) -> None:
    """Every path that tomllib finds is found here too, on the line of its top-level key, and no other."""
    text = "".join(f"{repr_toml({key: value})[2:-2]}\n" for key, value in values.items())
    assert tomllib.loads(text) == values
    found = find_positions(text)
    assert set(found) == paths(values)
    order = list(values)
    assert all(line == order.index(str(path[0])) + 1 for path, line in found.items())
