"""Batch files that are compressed: whole, once, and readable by zcat."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from persistq import DONE, FolderQueue, UsageError, failpoints
from persistq.folder import batchfile
from persistq.folder.batchfile import compress, read_lines
from persistq.folder.listing import pattern_of
from persistq.folder.owner import Watch
from persistq.folder.place import place_of
from persistq.folder.standing import problems_of

END = b'{"end":{"rows":2}}\n'


def packed(folder: Path) -> list[Path]:
    """Return the compressed files that wait, in order."""
    return sorted(folder.glob("*.jsonl.gz"))


def test_a_file_is_compressed_when_it_is_published(folder: Path, open_rows: Any) -> None:
    """Until then it is written as ever; both kinds are read, in their order."""
    with open_rows(producer="north", batch=2, compress=True) as queue:
        for row in ("a", None, "c"):
            queue.put(row)
        (writing,) = (folder / ".tmp").rglob("*.jsonl")
        assert writing.read_bytes() == b'"c"\n'
    with open_rows(producer="south", batch=2) as queue:
        queue.put("plain")
    assert len(packed(folder)) == 2
    text = subprocess.run(["zcat", packed(folder)[0]], capture_output=True, check=True).stdout
    assert text.splitlines()[:2] == [b'"a"', b"null"]
    crc = f"{zlib.crc32(text[: text.index(b'{')]):08x}"
    assert json.loads(text.splitlines()[-1])["end"] == {"rows": 2, "crc32": crc}
    assert list(open_rows().outstanding()) == ["a", None, "c", "plain"]
    assert list(read_lines(packed(folder)[0])) == [b'"a"\n', b"null\n"]
    assert problems_of(place_of(folder), "*", Watch(place_of(folder), 60.0)) == []
    reader, got = open_rows(), []
    while (row := reader.get(timeout=30)) is not DONE:
        got.append(row)
        reader.task_failed(row, "no") if row == "c" else reader.task_done(row)
    assert got == ["a", None, "c", "plain"]
    (aside,) = (folder / ".parked").glob("*.jsonl")
    assert aside.read_bytes().startswith(b'"c"\n')
    assert aside.name.endswith(".row-1.jsonl")


@pytest.mark.parametrize(
    "point", ["before_packed", "after_packed", "before_batch", "after_batch", "within_salvage"]
)
def test_who_dies_while_a_file_is_compressed_loses_and_doubles_no_row(
    folder: Path, open_rows: Any, point: str
) -> None:
    """It is the one file or the other at every moment, and published once."""
    if not (pid := os.fork()):
        queue = FolderQueue.rows(folder, compress=True)
        failpoints._armed = failpoints._parse(f"folder.{point}:kill")
        queue.put("a")
        queue.put("b")
        queue.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    reader = open_rows(drain=True)
    for row in ("a", "b"):
        assert reader.get(timeout=30) == row
        reader.task_done(row)
    assert reader.get(timeout=30) is DONE
    assert not [path for path in (folder / ".tmp").rglob("*") if path.is_file()]


def test_a_full_disk_while_it_is_compressed_costs_no_row(
    folder: Path, open_rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried again with the next row, or at the end."""
    queue = open_rows(producer="north", compress=True)
    queue.put("a")
    with monkeypatch.context() as patched:
        patched.setattr(
            failpoints, "_armed", failpoints._parse("folder.before_packed:error:ENOSPC")
        )
        with pytest.raises(Exception, match="No space"):
            queue.flush()
    queue.put("b")
    queue.close()
    assert list(queue.outstanding()) == ["a", "b"]
    assert not list((folder / ".tmp").rglob("*.packing"))


WHOLE = gzip.compress(b"1\n2\n" + END, mtime=0)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (WHOLE[:-9], "gzip cannot read it to its end"),
        (WHOLE[:20] + b"xxxx" + WHOLE[24:], "gzip cannot read it to its end"),
        (WHOLE[:-8] + bytes(8), "gzip cannot read it to its end"),
        (gzip.compress(b"1\n2\n", mtime=0), "no last line"),
        (gzip.compress(b"1\n" + END, mtime=0), "has 1 rows"),
        (gzip.compress(b"x" * 5000, mtime=0), "a line of more than"),
    ],
    ids=["cut short", "damaged", "another sum", "no end", "another count", "a long line"],
)
def test_what_is_no_whole_compressed_batch_is_parked(
    folder: Path, open_rows: Any, monkeypatch: pytest.MonkeyPatch, data: bytes, reason: str
) -> None:
    """None of its rows is handed out; a small file cannot fill the memory."""
    monkeypatch.setattr(batchfile, "_BLOCK", 1024)
    monkeypatch.setattr(batchfile, "_LINE_MAX", 4096)
    (folder / "a.jsonl.gz").write_bytes(data)
    assert problems_of(place_of(folder), "*", Watch(place_of(folder), 60.0)) != []
    assert open_rows(drain=True).get(timeout=30) is DONE
    assert reason in (folder / ".parked/a.jsonl.gz.why.json").read_text()


def test_a_whole_file_of_somebody_else_is_one(folder: Path, open_rows: Any) -> None:
    """Of several members too, as `cat a.gz b.gz` makes them; twice compressed is once."""
    (folder / "a.jsonl.gz").write_bytes(gzip.compress(b"1\n") + gzip.compress(b"2\n" + END))
    compress(folder / "a.jsonl.gz")
    queue = open_rows(drain=True)
    assert [queue.get(timeout=30), queue.get(timeout=30)] == [1, 2]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda data: data[:-4], "gzip cannot read it"),
        (lambda data: gzip.compress(b'"a"\n'), "no last line"),
    ],
)
def test_what_was_damaged_beside_its_dead_producer_is_parked(
    folder: Path, open_rows: Any, spoil: Callable[[bytes], bytes], reason: str
) -> None:
    """Recovery ends, and says why; nothing is written behind what is compressed."""
    if not (pid := os.fork()):
        queue = FolderQueue.rows(folder, compress=True)
        failpoints._armed = failpoints._parse("folder.after_packed:kill")
        queue.put("a")
        queue.flush()
    os.waitpid(pid, 0)
    (left,) = (folder / ".tmp").rglob("*.jsonl")
    left.write_bytes(spoil(left.read_bytes()))
    assert open_rows(drain=True).get(timeout=30) is DONE
    (why,) = (folder / ".parked").glob("*.jsonl.gz.why.json")
    assert reason in why.read_text()


def test_options_say_what_they_can_be(folder: Path) -> None:
    """A level is none; several patterns are."""
    with pytest.raises(UsageError, match="compress=9"):
        FolderQueue.rows(folder, compress=9)
    with pytest.raises(UsageError, match="match"):
        FolderQueue(folder, match=("*.csv", 1))  # type: ignore[arg-type]
    assert pattern_of(("*.a", "*.b")).match("x.b")
    assert not pattern_of(("*.a", "*.b")).match("x.ab.c")
