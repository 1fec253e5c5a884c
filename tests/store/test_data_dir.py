from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from proxy.errors import StartError
from proxy.store.data_dir import find_danger, make_socket_dir, open_data_dir

if TYPE_CHECKING:
    from pathlib import Path

ME, OTHER = 1000, 4711


def directory(mode: int, uid: int, gid: int) -> os.stat_result:
    """Return what stat says of a directory with this mode, owner and group."""
    return os.stat_result((stat.S_IFDIR | mode, 1, 1, 2, uid, gid, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("mode", "uid", "gid", "told"),
    [
        pytest.param(0o700, ME, ME, "", id="ours"),
        pytest.param(0o755, ME, ME, "", id="others-may-read"),
        pytest.param(0o775, ME, ME, "", id="a-user's-own-group"),
        pytest.param(0o775, ME, OTHER, "whole group", id="another-group-may-write"),
        pytest.param(0o777, ME, ME, "everybody", id="everybody-may-write"),
        pytest.param(0o1777, 0, 0, "everybody", id="like-tmp"),
        pytest.param(0o2775, 0, OTHER, "", id="kubernetes-fsgroup"),
        pytest.param(0o755, 0, 0, "", id="root's"),
        pytest.param(0o700, OTHER, ME, f"user {OTHER}", id="another-user's"),
    ],
)
def test_who_may_be_trusted_with_the_lists(mode: int, uid: int, gid: int, told: str) -> None:
    """Refused is what lets others write: they could put links and lists there."""
    danger = find_danger(directory(mode, uid, gid), ME)
    assert told in danger
    assert bool(danger) == bool(told)


def test_a_dangerous_directory_is_refused_with_the_way_out(tmp_path: Path) -> None:
    """The message names it, what is wrong and what to do."""
    tmp_path.chmod(0o777)
    with pytest.raises(StartError, match=r"everybody.*chmod o-w.*`data_dir`") as caught:
        open_data_dir(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    os.close(open_data_dir(tmp_path / "inside"))


def test_a_link_is_no_directory_for_a_socket(tmp_path: Path) -> None:
    """Where everybody may write, the name may be taken already, by a link to somewhere else."""
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StartError, match="no directory"):
        make_socket_dir(tmp_path / "link")
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(StartError, match="everybody"):
        make_socket_dir(tmp_path / "open")
    make_socket_dir(tmp_path / "elsewhere")
