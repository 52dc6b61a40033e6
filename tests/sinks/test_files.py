"""A file is there whole or not at all, and what is appended is there once."""

from __future__ import annotations

import csv
import gzip
import json
import multiprocessing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from persistq.errors import UsageError
from persistq.sinks import (
    Fault,
    FileSink,
    Loader,
    NotStored,
    Stored,
    append_output,
    open_output,
)

from .targets import Place, key

FORK = multiprocessing.get_context("fork")


@pytest.fixture
def loader(tmp_path: Path) -> Any:
    """A sink without a database."""
    opened = FileSink(str(tmp_path / "receipts.db")).open()
    yield opened
    opened.close()


def beside(directory: Path) -> list[str]:
    """Return the files that are not finished."""
    return [path.name for path in directory.iterdir() if path.name.startswith(".")]


def test_a_file_takes_its_name_when_the_item_is_stored(loader: Loader, tmp_path: Path) -> None:
    """Not while the handler writes."""
    path = tmp_path / "out.csv"

    def attempt(_: Any, positions: Sequence[int]) -> list[bytes]:
        with open_output(path) as file:
            csv.writer(file).writerows([["a", "ä"], [1, 2]])
        assert not path.exists()
        return [b"out"]

    assert loader.load([key(1)], attempt) == [Stored(b"out")]
    assert path.read_bytes() == "a,ä\r\n1,2\r\n".encode()
    assert beside(tmp_path) == []
    path.unlink()
    # It was collected by somebody, and does not come back.
    assert loader.load([key(1)], attempt) == [Stored(b"out", before=True)]
    assert not path.exists()


@pytest.mark.parametrize("mode", ["open", "append"])
def test_what_raises_leaves_no_file(loader: Loader, tmp_path: Path, mode: str) -> None:
    """Neither in the block, nor after it."""
    path = tmp_path / "out.txt"
    output = open_output if mode == "open" else append_output

    def attempt(_: Any, positions: Sequence[int]) -> list[None]:
        with output(path) as file:
            file.write("x")
            if positions[0] == 1:
                raise ValueError("within")
        raise ValueError("after")

    endings = loader.load([key(1), key(2)], attempt)
    assert [str(ending.error) for ending in endings] == ["after", "within"]  # type: ignore[union-attr]
    assert not path.exists()
    assert beside(tmp_path) == []


def test_a_bad_item_is_left_out_of_the_file_of_its_batch(loader: Loader, tmp_path: Path) -> None:
    """The good parts are appended, each once and with one header."""
    path = tmp_path / "out.csv"

    def attempt(_: Any, positions: Sequence[int]) -> list[None]:
        with append_output(path, header="n\n") as file:
            for position in positions:
                if position == 11:
                    raise ValueError("bad")
                file.write(f"{position}\n")
        return [None] * len(positions)

    loader.load([key(n) for n in range(1, 31)], attempt)
    first, *rows = path.read_text().split()
    assert first == "n"
    assert [int(row) for row in rows] == [n for n in range(30) if n != 11]
    assert beside(tmp_path) == []


def test_files_of_a_database_stage_follow_its_transaction(place: Place, tmp_path: Path) -> None:
    """What the database refuses is in neither; the files of failed parts are gone."""
    path = tmp_path / "accepted.txt"

    def attempt(connection: Any, positions: Sequence[int]) -> list[None]:
        with append_output(path) as file:
            file.writelines(f"{position}\n" for position in positions)
        return place.handler([-1 if n == 5 else n for n in range(12)])(connection, positions)

    place.open().load([key(n) for n in range(1, 13)], attempt)
    assert [int(line) for line in path.read_text().split()] == place.rows
    assert place.rows == [n for n in range(12) if n != 5]
    assert beside(tmp_path) == []


def test_a_savepoint_that_a_handler_has_released_takes_no_files_with_it(
    postgresql: Place, tmp_path: Path
) -> None:
    """The transaction cannot go back then; each part gets one of its own, and files of its own."""
    path = tmp_path / "out.txt"

    def attempt(connection: Any, positions: Sequence[int]) -> list[None]:
        with append_output(path) as file:
            file.writelines(f"{position}\n" for position in positions)
        if len(positions) == 12:
            raise ValueError("in parts, please")
        if 5 in positions:
            # The savepoint is the transaction's own; so it cannot be released.
            connection.exec_driver_sql("RELEASE SAVEPOINT persistq_part")
        return [None] * len(positions)

    endings = postgresql.open().load([key(n) for n in range(1, 13)], attempt)
    stored = [n for n, ending in enumerate(endings) if isinstance(ending, Stored)]
    assert sorted(int(line) for line in path.read_text().split()) == stored
    assert stored == [n for n in range(12) if n != 5]
    assert beside(tmp_path) == []


def test_compressed_files_are_appended_as_members(loader: Loader, tmp_path: Path) -> None:
    """JSON lines with a header in front, text and bytes."""
    path = tmp_path / "out.jsonl.gz"
    for n in range(1, 4):

        def attempt(_: Any, positions: Sequence[int], n: int = n) -> list[None]:
            with append_output(path, "wb", header='{"n": 0}\n') as file:
                file.write(json.dumps({"n": n}).encode() + b"\n")
            return [None]

        assert loader.load([key(n)], attempt) == [Stored(None)]
    with gzip.open(path, "rt") as file:
        assert [json.loads(line)["n"] for line in file] == [0, 1, 2, 3]


def _append_many(directory: str, worker: int) -> None:
    loader = FileSink(f"{directory}/receipts.db").open()
    for n in range(20):

        def attempt(_: Any, positions: Sequence[int], n: int = n) -> list[None]:
            with append_output(f"{directory}/out.txt") as file:
                file.write(f"{worker}-{n}\n" * 100)
            return [None]

        assert loader.load([key(worker * 100 + n)], attempt) == [Stored(None)]
    loader.close()


def test_workers_that_append_to_one_file_do_not_mix(tmp_path: Path) -> None:
    """Each item's lines lie together."""
    workers = [FORK.Process(target=_append_many, args=(str(tmp_path), n)) for n in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    lines = (tmp_path / "out.txt").read_text().split()
    groups = [lines[start : start + 100] for start in range(0, len(lines), 100)]
    assert all(len(set(group)) == 1 for group in groups)
    assert sorted(group[0] for group in groups) == sorted(
        f"{worker}-{n}" for worker in range(3) for n in range(20)
    )


def test_outside_of_a_load_a_file_is_finished_at_once(tmp_path: Path) -> None:
    """Handlers stay functions that a test can call."""
    for _ in range(2):
        with open_output(tmp_path / "whole.txt") as file:
            file.write("whole")
        with append_output(tmp_path / "all.txt", header="h") as file:
            file.write("x")
    assert (tmp_path / "whole.txt").read_text() == "whole"
    assert (tmp_path / "all.txt").read_text() == "hxx"
    assert beside(tmp_path) == []


def test_wrong_words_are_refused(loader: Loader, tmp_path: Path) -> None:
    """A mode that would read, and one file twice in one attempt."""
    with pytest.raises(UsageError, match="mode='a'"), open_output(tmp_path / "x", "a"):
        pass

    def attempt(_: Any, positions: Sequence[int]) -> list[None]:
        for _ in range(2):
            with append_output(tmp_path / "x") as file:
                file.write("x")
        return [None]

    (ending,) = loader.load([key(1)], attempt)
    assert isinstance(ending, NotStored)
    assert "twice" in str(ending.error)


def test_a_file_that_somebody_else_has_changed_is_left_alone(
    loader: Loader, tmp_path: Path
) -> None:
    """After a process died while it appended; cutting would take somebody's lines away."""
    path = tmp_path / "out.txt"
    path.write_text("theirs, and more of it\n")
    (tmp_path / ".out.txt.some-1.0.at-3").write_text("ours\n")

    def attempt(_: Any, positions: Sequence[int]) -> list[None]:
        with append_output(path) as file:
            file.write("mine\n")
        return [None]

    (ending,) = loader.load([key(1)], attempt)
    assert isinstance(ending, NotStored)
    assert ending.fault is Fault.AWAY
    assert "somebody else has written to it" in str(ending.error)
    assert path.read_text() == "theirs, and more of it\n"
    # When that is put right, the item is found stored, and its lines are appended.
    path.write_text("theirs\n"[:3])
    assert loader.load([key(1)], attempt) == [Stored(None, before=True)]
    assert path.read_text() == "theours\nmine\n"
