"""Finding, reading and dropping field lines."""

from __future__ import annotations

import pytest

from proxy.http1.field_lines import compile_lines, drop_lines, parse_length, parse_options


def found(pattern_names: list[bytes], head: bytes, *, underscores: bool = False) -> list[tuple[bytes, bytes]]:
    """Give what the expression for the names finds in a head."""
    return [found[1:] for found in compile_lines(pattern_names, underscores=underscores).findall(head)]


@pytest.mark.parametrize(
    ("name", "line", "finds"),
    [
        pytest.param(b"a.b", b"A.B: 1", True, id="dot"),
        pytest.param(b"a.b", b"aXb: 1", False, id="dot-is-no-pattern"),
        pytest.param(b"a*", b"a*: 1", True, id="star"),
        pytest.param(b"a*", b"aaa: 1", False, id="star-is-no-pattern"),
        pytest.param(b"a|b", b"A|b: 1", True, id="bar"),
        pytest.param(b"a|b", b"a: 1", False, id="bar-is-no-pattern"),
        pytest.param(b"^a+$", b"^A+$: 1", True, id="anchors"),
        pytest.param(b"-a", b"-a: 1", True, id="dash-first"),
        pytest.param(b"a", b"a: 1", True, id="one-letter"),
        pytest.param(b"te", b"tea: 1", False, id="longer-name"),
        pytest.param(b"te", b"t: 1", False, id="shorter-name"),
    ],
)
@pytest.mark.parametrize("underscores", [False, True], ids=["exact", "underscores"])
def test_names_are_taken_literally(name: bytes, line: bytes, *, finds: bool, underscores: bool) -> None:
    """Field names hold characters that mean something in expressions."""
    names = [b"te", b"host", name]
    head = b"GET / HTTP/1.1\r\n%b\r\n\r\n" % line
    assert [key for key, _ in found(names, head, underscores=underscores)] == (
        [line.partition(b":")[0]] if finds else []
    )


def test_underscores_stand_for_dashes_only_when_asked() -> None:
    """And a name's own underscore stays one."""
    head = b"\r\nx_a-b: 1\r\nx-a-b: 2\r\nx_y: 3\r\nx-y: 4\r\n"
    assert found([b"x-a-b", b"x_y"], head) == [(b"x-a-b", b"2"), (b"x_y", b"3")]
    assert found([b"x-a-b", b"x_y"], head, underscores=True) == [
        (b"x_a-b", b"1"),
        (b"x-a-b", b"2"),
        (b"x_y", b"3"),
    ]


def test_a_start_line_is_no_field_line() -> None:
    """What looks like a field line in a target or reason is not found."""
    assert found([b"host"], b"GET /Host: HTTP/1.1\r\nA: Host: b\r\n\r\n") == []


def test_dropping_takes_whole_lines_by_name() -> None:
    """Whatever their case; the start line stays even when it looks like one."""
    lines = b"a: b HTTP/1.1\r\nA: 1\r\nAB: 2\r\na:\r\nB:a: 3"
    assert drop_lines(lines, {b"a"}) == b"a: b HTTP/1.1\r\nAB: 2\r\nB:a: 3"
    assert drop_lines(lines, {b"none"}) == lines


def test_options_are_members_of_a_list() -> None:
    """Lower case and trimmed; empty members stay empty."""
    assert parse_options(b" Close,\tKEEP-alive\t,,x y") == [b"close", b"keep-alive", b"", b"x y"]


@pytest.mark.parametrize(
    ("value", "length"),
    [(b"0", 0), (b"5 \t", 5), (b"007", 7), (b"9" * 18, 10**18 - 1), (b"1" * 19, -1), (b"0" * 5000, -1)],
    ids=["zero", "trailing-space", "zeros-first", "longest", "too-long", "5000-zeros"],
)
def test_a_length_is_a_number_of_bounded_digits(value: bytes, length: int) -> None:
    """What counts bytes behind us has 63 bits."""
    assert parse_length(value) == length
