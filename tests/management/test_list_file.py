from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import InputError
from proxy.management.list_file import SHOWN, parse_list, read_file

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("data", "values"),
    [
        pytest.param(b"1.1.1.1\n2.2.2.2\n", ["1.1.1.1", "2.2.2.2"], id="plain"),
        pytest.param(b"1.1.1.1", ["1.1.1.1"], id="no-last-newline"),
        pytest.param(b"\xef\xbb\xbf1.1.1.1\r\n2.2.2.2\r\n", ["1.1.1.1", "2.2.2.2"], id="bom-and-crlf"),
        pytest.param(b"# head\n; head\n\n  \n1.1.1.1\n", ["1.1.1.1"], id="comments-and-blanks"),
        pytest.param(b"1.1.1.1 # bad\n1.10.16.0/20 ; SBL256894\n", ["1.1.1.1", "1.10.16.0/20"], id="inline"),
        pytest.param(b"  1.1.1.1\t\n", ["1.1.1.1"], id="indented"),
        pytest.param(b"2001:db8::/48\n::ffff:1.2.3.4\n", ["2001:db8::/48", "1.2.3.4"], id="ipv6"),
        pytest.param(b"1.1.1.1 # caf\xe9\n", ["1.1.1.1"], id="latin-1-comment"),
    ],
)
def test_files_as_they_come(data: bytes, values: list[str]) -> None:
    """Marks, line ends, blank lines and comments are no obstacles."""
    assert [one.value for one in parse_list("f", data).identifiers] == values


def test_every_bad_line_is_named_with_its_number() -> None:
    """All mistakes at once, and nothing of the file counts."""
    with pytest.raises(InputError) as caught:
        parse_list("bad.txt", b"1.1.1.1\nhello\n\n300.1.1.1\n1.2.3.4 5\n")
    text = str(caught.value)
    assert text.startswith("bad.txt: 3 lines are wrong, so nothing was written\n")
    assert [line.split(":")[0] for line in text.splitlines()[1:]] == ["line 2", "line 4", "line 5"]


def test_many_bad_lines_are_counted() -> None:
    """The first are shown, the rest are a number."""
    with pytest.raises(InputError, match="… and 80 more") as caught:
        parse_list("f", b"x\n" * (SHOWN + 80))
    assert len(str(caught.value).splitlines()) == SHOWN + 2


def test_repeated_lines_count_once() -> None:
    """An address in two spellings is one identifier."""
    listed = parse_list("f", b"1.1.1.1\n::ffff:1.1.1.1\n1.1.1.1/32\n10.0.0.0/24\n10.0.0.7/24\n")
    assert [one.value for one in listed.identifiers] == ["1.1.1.1", "10.0.0.0/24"]
    assert listed.repeated == 3
    assert any(warning.startswith("line 5:") for warning in listed.warnings)


@pytest.mark.parametrize("data", [b"", b"# nothing\n", b"\xef\xbb\xbf"])
def test_a_file_that_names_nothing_is_a_mistake(data: bytes) -> None:
    """An empty file is more likely a failed download than a wish."""
    with pytest.raises(InputError, match="names no address"):
        parse_list("f", data)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """Nothing a file may hold raises anything but InputError."""
    with contextlib.suppress(InputError):
        assert parse_list("f", data).identifiers


def test_files_and_standard_input(tmp_path: Path) -> None:
    """A dash is standard input; a file that is not there is named."""
    (tmp_path / "l").write_bytes(b"1.1.1.1")
    assert (
        read_file(str(tmp_path / "l"), io.BytesIO()).identifiers
        == read_file("-", io.BytesIO(b"1.1.1.1")).identifiers
    )
    with pytest.raises(InputError, match="cannot be read: no such file"):
        read_file(str(tmp_path / "none"), io.BytesIO())
    with pytest.raises(InputError, match="cannot be read"):
        read_file(str(tmp_path), io.BytesIO())


def test_a_file_without_end_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Larger than the bound is refused before it is parsed."""
    monkeypatch.setattr("proxy.management.list_file.LARGEST", 10)
    with pytest.raises(InputError, match="split it"):
        read_file("-", io.BytesIO(b"1.1.1.1\n2.2.2.2\n"))
