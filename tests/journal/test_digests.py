"""The multiset of digests that absorbs repeated puts."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from persistq.errors import JournalUnavailable
from persistq.journal.digests import Digests


@pytest.fixture
def digests() -> Iterator[Digests]:
    """An empty multiset."""
    made = Digests()
    yield made
    made.close()
    made.close()


def test_digests_are_a_multiset(digests: Digests) -> None:
    """Each is taken as often as it was added, also within one call."""
    digests.add(iter([b"a", b"a", b"b"]))
    assert digests.take([b"a", b"c", b"a", b"a", b"b"]) == [True, False, True, False, True]
    digests.add([b"a"])
    assert digests.take([b"a"]) == [True]


def test_digests_are_bytes_of_any_kind(digests: Digests) -> None:
    """One that begins like another, or has zero bytes, is another one."""
    some = [b"", b"\0", b"\0\0", b"a", b"A", bytes(range(256))]
    digests.add(some)
    assert digests.take(some * 2) == [True] * 6 + [False] * 6


def test_call_that_fails_counts_nothing(digests: Digests) -> None:
    """Neither what was before the error; the next call goes on."""

    def broken() -> Iterator[bytes]:
        yield b"a"
        raise KeyError

    with pytest.raises(KeyError):
        digests.add(broken())
    assert digests.take([b"a"]) == [False]


def test_two_do_not_share_a_file(digests: Digests) -> None:
    """Each queue has its own."""
    other = Digests()
    other.add([b"a"])
    assert digests.take([b"a"]) == [False]
    other.close()


def test_digests_leave_no_file(tmp_path: Path) -> None:
    """Though there is one while they are used, whose name is gone at once."""
    code = (
        "import os; from persistq.journal import digests; digests._CACHE_KIB = 64;"
        "d = digests.Digests(); d.add(os.urandom(16) for _ in range(20_000));"
        "print(os.listdir(os.environ['TMPDIR']));"
        "print(any('(deleted)' in os.readlink(f'/proc/self/fd/{n}')"
        " for n in range(3, 20) if os.path.islink(f'/proc/self/fd/{n}')))"
    )
    if not Path("/proc/self/fd").exists():
        pytest.skip("no list of open files here")
    environment = {"TMPDIR": str(tmp_path), "PATH": ""}
    answer = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert answer.stdout.split("\n")[:2] == ["[]", "True"]


def test_no_room_for_the_file_is_one_sentence(digests: Digests) -> None:
    """It says where, and what to do; and what is there is still counted afterwards."""
    digests.add([b"a"])
    connection = digests._scratch._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(JournalUnavailable, match=r"full.*TMPDIR"):
        digests.add(n.to_bytes(16, "big") for n in range(10_000))
    assert digests.take([b"a", (1).to_bytes(16, "big")]) == [True, False]
