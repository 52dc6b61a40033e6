"""Groups of files: handed out whole, once, and never in part unless that is said."""

from __future__ import annotations

import queue as stdlib
from pathlib import Path
from typing import Any

import pytest

from persistq import DONE, FAILED

NAMED = {"group": r"(?P<group>\d+)_(?P<member>\w+)\.csv", "members": {"north", "south"}}


def taken(queue: Any) -> list[str]:
    """Return the names of the next group."""
    return [path.name for path in queue.get(timeout=30)]


def test_a_group_comes_when_all_its_members_are_there(
    folder: Path, open_folder: Any, write: Any
) -> None:
    """It is one item: it is claimed, finished and parked by one rename."""
    queue = open_folder(**NAMED)
    write("0301_north.csv", "0302_north.csv")
    with pytest.raises(stdlib.Empty):
        queue.get_nowait()
    write("0302_south.csv")
    assert taken(queue) == ["0302_north.csv", "0302_south.csv"]
    assert [path.name for path in folder.iterdir() if path.is_file()] == ["0301_north.csv"]
    queue.task_done()
    assert sorted(path.name for path in (folder / ".done/0302").iterdir()) == [
        "0302_north.csv",
        "0302_south.csv",
    ]
    write("0301_south.csv")
    queue.task_failed(queue.get(), "bad")
    assert (folder / ".parked/0301/0301_south.csv").exists()
    assert (folder / ".parked/0301.why.json").exists()


def test_the_same_group_may_come_again(open_folder: Any, write: Any) -> None:
    """Nothing of it is remembered."""
    queue = open_folder(**NAMED, drain=True)
    for _ in range(2):
        write("0301_north.csv", "0301_south.csv")
        assert taken(queue) == ["0301_north.csv", "0301_south.csv"]
        queue.task_done()
    assert queue.get(timeout=30) is DONE


@pytest.mark.parametrize(
    ("options", "names", "group"),
    [
        ({"group_size": 3}, ["1_a.csv", "1_b.csv", "1_c.csv"], ["1_a.csv", "1_b.csv", "1_c.csv"]),
        (
            {"members": lambda group: {"a"} if group == "1" else {"a", "b"}},
            ["1_a.csv", "2_a.csv"],
            ["1_a.csv"],
        ),
        ({"members": "by file"}, ["1_a.csv", "2_a.csv", "2.complete"], ["2_a.csv"]),
    ],
    ids=["size", "function", "file"],
)
def test_what_is_complete_can_be_said_in_several_ways(
    open_folder: Any, write: Any, options: dict[str, Any], names: list[str], group: list[str]
) -> None:
    """By a number, by a function of the group, or by a file."""
    write(*names)
    queue = open_folder(match="*.csv", group=NAMED["group"], **options)
    assert taken(queue) == group
    queue.task_done()
    with pytest.raises(stdlib.Empty):
        queue.get_nowait()


@pytest.mark.parametrize("incomplete", ["park", "fail", "deliver"])
def test_what_is_incomplete_at_the_end_is_told(
    folder: Path, open_folder: Any, write: Any, incomplete: str
) -> None:
    """What is missing is said; that it is delivered has to be asked for."""
    write("0301_north.csv", "stray.csv")
    (folder / "north.done").touch()
    queue = open_folder(**NAMED, incomplete=incomplete)
    if incomplete == "fail":
        assert queue.get(timeout=30) is FAILED
        return
    if incomplete == "deliver":
        for name in ("0301_north.csv", "stray.csv"):
            assert taken(queue) == [name]
            queue.task_done()
    assert queue.get(timeout=30) is DONE
    if incomplete == "park":
        assert "south missing" in (folder / ".parked/0301.why.json").read_text()
        assert "no group" in (folder / ".parked/(none).why.json").read_text()


def test_two_files_of_one_member_are_no_group(folder: Path, open_folder: Any, write: Any) -> None:
    """Which of them is meant nobody knows; so neither is taken."""
    write("0301_north.csv", "0301_north~2.csv", "0301_south.csv")
    (folder / "north.done").touch()
    queue = open_folder(**NAMED)
    assert queue.get(timeout=30) is DONE
    assert "several files of north" in (folder / ".parked/0301.why.json").read_text()


def test_rivals_leave_no_group_in_pieces(open_folder: Any, write: Any) -> None:
    """Who finds a member gone gives back what it has taken."""
    write("0301_north.csv", "0301_south.csv")
    first, second = open_folder(**NAMED), open_folder(**NAMED)
    reader = second._open_channel()
    first.get()
    with pytest.raises(stdlib.Empty):
        second.get_nowait()
    first.dispose()
    reader._listed()
    (first.path / "0301_south.csv").rename(first.path.parent / "gone")
    assert reader._from_line() is None
    assert (first.path / "0301_north.csv").exists()
