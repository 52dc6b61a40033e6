"""Rows in batch files: published whole, read in order, and never lost with their producer."""

from __future__ import annotations

import errno
import json
import os
import pickle
import queue as stdlib
import signal
import subprocess
import sys
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from persistq import DONE, FolderError, FolderQueue, QueueClosed, UsageError
from persistq.errors import ItemNotStorable
from persistq.folder import rows
from persistq.folder.batchfile import BatchFault, BatchWriter, check_batch, read_lines, salvage
from persistq.folder.rowreader import RowReader

ROWS = [None, 0, {}, "", [], False, {"day": "é", "n": 1.5}, {"end": {"rows": 0}}]


def batches(folder: Path) -> list[Path]:
    """Return the files that wait, in order."""
    return sorted(folder.glob("*.jsonl"))


def test_every_json_value_is_a_row_and_none_is_an_end(folder: Path, open_rows: Any) -> None:
    """They come in their order, across files, as they were put."""
    queue = open_rows(producer="north", batch=3)
    for row in ROWS:
        queue.put(row)
    assert len(batches(folder)) == 2
    queue.close()
    got = []
    for row in queue:
        got.append(row)
        queue.task_done()
    assert got == ROWS
    assert queue.get() is DONE
    assert len(list((folder / ".done").iterdir())) == 3


def test_a_batch_file_is_plain_text_with_a_sum(folder: Path, open_rows: Any) -> None:
    """A row is a line; the last one says how many there are, and their CRC-32."""
    queue = open_rows(producer="north")
    queue.put({"a": 1})
    queue.put("b")
    queue.flush()
    (path,) = batches(folder)
    rows, end = path.read_bytes().splitlines(keepends=True)[:-1], path.read_bytes().splitlines()[-1]
    assert rows == [b'{"a":1}\n', b'"b"\n']
    crc = f"{zlib.crc32(b''.join(rows)):08x}"
    assert json.loads(end) == {"end": {"rows": 2, "crc32": crc}}


def test_what_is_no_row_is_refused(open_rows: Any) -> None:
    """By put itself; the rows around it are not harmed."""
    queue = open_rows(producer="north")
    queue.put(1)
    for bad in ({1, 2}, float("nan"), object()):
        with pytest.raises(ItemNotStorable):
            queue.put(bad)
    with pytest.raises(UsageError):
        queue.put(DONE)
    with pytest.raises(UsageError):
        queue.put(1, name="x")
    queue.close()
    assert queue.get() == 1


def test_a_file_is_published_when_it_has_waited(folder: Path, open_rows: Any) -> None:
    """Also if its producer puts nothing more."""
    producer, reader = open_rows(producer="north", linger=0.05), open_rows()
    producer.put("one")
    assert batches(folder) == []
    assert reader.get(timeout=30) == "one"


def test_the_end_of_a_program_publishes(folder: Path) -> None:
    """A script needs neither close nor flush for its rows to be there."""
    script = f"from persistq import FolderQueue\nFolderQueue.rows({str(folder)!r}).put('last')"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=50)
    (path,) = batches(folder)
    assert list(read_lines(path)) == [b'"last"\n']


def test_rows_of_a_killed_producer_are_there(folder: Path, open_rows: Any) -> None:
    """All of them, without a flush; half a line is cut off."""
    if not (pid := os.fork()):
        queue = FolderQueue.rows(folder)
        for number in range(10):
            queue.put(number)
        queue._batching._writer._file.write(b'{"half')
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    reader = open_rows(drain=True)
    assert [reader.get(timeout=30) for _ in range(10)] == list(range(10))


def test_a_fork_does_not_write_the_rows_of_its_parent(folder: Path, open_rows: Any) -> None:
    """They are published before it; so a child cannot overtake its parent either."""
    queue = open_rows(producer="north")
    queue.put("parent")
    if not (pid := os.fork()):
        queue.put("child")
        queue.flush()
        os._exit(0)
    os.waitpid(pid, 0)
    queue.close()
    assert list(queue.outstanding()) == ["parent", "child"]


def test_put_waits_while_enough_files_wait(open_rows: Any) -> None:
    """A file that was begun is filled all the same."""
    queue = open_rows(producer="north", batch=2, ready_max=1)
    queue.put(1)
    queue.put(2)
    with pytest.raises(stdlib.Full):
        queue.put(3, block=False)
    assert queue.get() == 1
    queue.put(3, timeout=30)


def test_rows_that_were_taken_are_delivered_after_a_close(open_rows: Any) -> None:
    """A process that had begun a file before another one closed writes it to its end."""
    first, second = open_rows(producer="north"), open_rows(producer="north")
    first.put("early")
    second.close()
    first.put("late")
    reader = open_rows()
    with pytest.raises(stdlib.Empty):
        reader.get(timeout=0.05)
    first.flush()
    assert [reader.get(timeout=30), reader.get(timeout=30)] == ["early", "late"]
    with pytest.raises(QueueClosed):
        first.put("too late")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1\n2\n", "no last line"),
        ('1\n{"end":{"rows":2}}\n', "has 1 rows"),
        ('1\n{"end":{"rows":1,"crc32":"00000000"}}\n', "not those"),
        ("", "no last line"),
        ('1\n{"end":{"rows":"x"}}', "no last line"),
    ],
)
def test_what_is_no_whole_batch_is_parked(
    folder: Path, open_rows: Any, text: str, reason: str
) -> None:
    """None of its rows is handed out."""
    (folder / "a.jsonl").write_text(text)
    queue = open_rows(drain=True)
    assert queue.get(timeout=30) is DONE
    assert reason in (folder / ".parked/a.jsonl.why.json").read_text()


def test_a_bad_row_is_parked_alone_as_a_file_that_can_be_moved_back(
    folder: Path, open_rows: Any
) -> None:
    """One that is no JSON, and one that its handler has refused."""
    (folder / "a.jsonl").write_text('"good"\n{broken\n"bad"\n{"end":{"rows":3}}\n')
    queue = open_rows(drain=True)
    for row in queue:
        queue.task_failed(row, "no") if row == "bad" else queue.task_done(row)
    parked = sorted(path.name for path in (folder / ".parked").glob("*.jsonl"))
    assert parked == ["a.row-2.jsonl", "a.row-3.jsonl"]
    (folder / ".parked/a.row-3.jsonl").rename(folder / "a.row-3.jsonl")
    assert queue.get(timeout=30) == "bad"
    assert [path.name for path in (folder / ".done").iterdir()] == ["a.jsonl"]


def test_a_batch_is_finished_with_its_last_row(folder: Path, open_rows: Any) -> None:
    """In whatever order they are finished; given back, all of it comes again."""
    (folder / "a.jsonl").write_text('1\n2\n{"end":{"rows":2}}\n')
    queue = open_rows(drain=True)
    first, second = queue.get(), queue.get()
    queue.task_done(second)
    queue.dispose()
    assert [queue.get(), queue.get()] == [1, 2]
    assert len({queue.key(1), queue.key(2)}) == 2
    queue.task_done(second)
    assert not (folder / ".done/a.jsonl").exists()
    queue.task_done(first)
    assert (folder / ".done/a.jsonl").exists()


def test_a_batch_is_made_whole_of_what_there_is(tmp_path: Path) -> None:
    """What is whole stays as it is; doing it again changes nothing."""
    writer = BatchWriter(tmp_path / "a")
    writer.add(b"1\n")
    writer.add(b"2\n")
    writer.finish()
    whole = (tmp_path / "a").read_bytes()
    for cut in range(len(whole) + 1):
        (tmp_path / "a").write_bytes(whole[:cut])
        rows = salvage(tmp_path / "a")
        assert rows == min(2, cut // 2)
        assert check_batch(tmp_path / "a") == rows
        assert salvage(tmp_path / "a") == rows


@pytest.mark.parametrize("failing", ["fsync", "rename"])
def test_an_error_at_the_end_of_a_file_costs_no_row_that_is_put_then(
    folder: Path, open_rows: Any, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    """Neither those before it nor those behind it."""
    queue = open_rows(producer="north", ready_max=0)

    def fails(*_: Any) -> None:
        raise OSError(errno.EIO, "no such luck")

    queue.put(1)
    with monkeypatch.context() as patched:
        patched.setattr(*((os, "fsync") if failing == "fsync" else (Path, "rename")), fails)
        with pytest.raises(FolderError):
            queue.flush()
    queue.put(2)
    queue.close()
    assert list(queue.outstanding()) == [1, 2]
    assert [check_batch(path) for path in batches(folder)] == (
        [2] if failing == "fsync" else [1, 1]
    )


def test_a_full_disk_costs_no_row_that_was_put(tmp_path: Path) -> None:
    """Half a row is cut off again, and the error is the caller's."""
    writer = BatchWriter(tmp_path / "a")
    writer.add(b"1\n")
    write = writer._file.write

    class Full:
        def write(self, data: bytes) -> int:
            return int(write(data[:1]))

        def __getattr__(self, name: str) -> Any:
            return getattr(file, name)

    file, writer._file = writer._file, Full()  # type: ignore[assignment]
    with pytest.raises(OSError, match="No space"):
        writer.add(b"22\n")
    writer._file = file
    writer.add(b"3\n")
    writer.finish()
    assert list(read_lines(tmp_path / "a")) == [b"1\n", b"3\n"]
    (tmp_path / "b").write_bytes(b"1\n")
    with pytest.raises(BatchFault):
        check_batch(tmp_path / "b")


@pytest.mark.parametrize("sync", [True, False])
def test_nothing_waits_for_the_disk_where_it_need_not(
    open_rows: Any, monkeypatch: pytest.MonkeyPatch, sync: bool
) -> None:
    """A batch file is synced before it takes its name, and the name behind it, or neither is."""
    synced = []
    monkeypatch.setattr(os, "fsync", synced.append)
    queue = open_rows(batch=2, sync=sync)
    for number in range(4):
        queue.put(number)
    assert len(synced) == (4 if sync else 0)
    assert pickle.loads(pickle.dumps(queue))._written == queue._written
    assert [queue.get() for _ in range(4)] == list(range(4))


def test_sync_is_yes_or_no(open_rows: Any) -> None:
    """What only looks like one of them is refused."""
    with pytest.raises(UsageError, match="sync='normal' is refused: give True or False"):
        open_rows(sync="normal")


def test_threads_that_get_first_have_one_reader(
    folder: Path, open_rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its numbers say which row is finished."""
    for number in (1, 2):
        (folder / f"{number}.jsonl").write_text(f'{number}\n{{"end":{{"rows":1}}}}\n')
    queue, met, made = open_rows(drain=True), threading.Barrier(2), []

    class Slow(RowReader):
        def __init__(self, *args: Any) -> None:
            made.append(self)
            with suppress(threading.BrokenBarrierError):
                met.wait(0.2)
            super().__init__(*args)

    monkeypatch.setattr(rows, "RowReader", Slow)
    with ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(lambda _: queue.get(timeout=30), range(2))) == [1, 2]
    assert len(made) == 1
