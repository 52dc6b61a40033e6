"""Ready-made sources, called as a pipeline calls them."""

from __future__ import annotations

import gzip
import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from persistq import Put, UsageError
from persistq.sources import FileChanged, csv_rows, files, json_lines, table_rows, unchanged

Write = Callable[[Path, str], str]


def write_plain(path: Path, text: str) -> str:
    """Write a file, and return its path."""
    path.write_bytes(text.encode())
    return str(path)


def write_compressed(path: Path, text: str) -> str:
    """Write a file that has to be unpacked, and return its path."""
    packed = path.with_name(f"{path.name}.gz")
    packed.write_bytes(gzip.compress(text.encode()))
    return str(packed)


@pytest.fixture(params=[write_plain, write_compressed])
def write(request: pytest.FixtureRequest) -> Write:
    """Each way a file may be written."""
    wrote: Write = request.param
    return wrote


def items(puts: Iterator[Put]) -> list[Any]:
    """Return what was put, without how far that is."""
    return [put.item for put in puts]


CSV = 'id,town\n1,Oslo\n2,"Nes,\r\nnear ""here"""\n\n3,Røros\n'
ROWS = [
    {"id": "1", "town": "Oslo"},
    {"id": "2", "town": 'Nes,\r\nnear "here"'},
    {"id": "3", "town": "Røros"},
]


@pytest.mark.parametrize("text", [CSV, "\ufeff" + CSV, CSV.rstrip("\n"), CSV.replace("\n", "\r\n")])
def test_csv_goes_on_behind_each_of_its_rows(tmp_path: Path, write: Write, text: str) -> None:
    """Lines within quotes and empty ones too; no row comes twice, and none is missing."""
    path = write(tmp_path / "a.csv", text)
    puts = list(csv_rows(path))
    rows = [put.item for put in puts]
    assert [row["id"] for row in rows] == ["1", "2", "3"]
    assert [rows[0], rows[2]] == [ROWS[0], ROWS[2]]
    for done, put in enumerate(puts, 1):
        cursor = json.loads(json.dumps(put.cursor))
        assert items(csv_rows(path, cursor)) == rows[done:]


def test_rows_of_csv_are_what_was_written(tmp_path: Path) -> None:
    """With another delimiter and encoding as well."""
    path = write_plain(tmp_path / "a.csv", CSV)
    assert items(csv_rows(path)) == ROWS
    (tmp_path / "b.csv").write_bytes("id;town\n3;Røros\n".encode("latin-1"))
    found = csv_rows(str(tmp_path / "b.csv"), encoding="latin-1", delimiter=";")
    assert items(found) == ROWS[2:]
    assert items(csv_rows(write_plain(tmp_path / "c.csv", ""))) == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"id,town\n1,Oslo\n2\n", "has a row of 1 fields, and 2 names in its first line"),
        (b'id,town\n1,"Oslo\n', "is no CSV at byte"),
        (b"id,town\n1,\xff\n", "behind byte 8 is not utf-8"),
    ],
)
def test_what_is_no_csv_is_told_with_its_place(tmp_path: Path, text: bytes, sentence: str) -> None:
    """In one sentence, and rows before it are put."""
    (tmp_path / "a.csv").write_bytes(text)
    with pytest.raises(UsageError, match=sentence):
        list(csv_rows(str(tmp_path / "a.csv")))


def test_json_lines_go_on_behind_each_of_them(tmp_path: Path, write: Write) -> None:
    """Empty lines are left out, and so is a mark of the byte order."""
    values = [{"n": 1}, [2], "drei", None]
    text = "\ufeff" + "\n\n".join(json.dumps(value, ensure_ascii=False) for value in values)
    path = write(tmp_path / "a.jsonl", text)
    puts = list(json_lines(path))
    assert [put.item for put in puts] == values
    for done, put in enumerate(puts, 1):
        assert items(json_lines(path, put.cursor)) == values[done:]


def test_a_line_that_is_no_json_is_told_with_its_place(tmp_path: Path) -> None:
    """What comes before it is put."""
    path = write_plain(tmp_path / "a.jsonl", "1\n{2\n")
    puts = json_lines(path)
    assert next(puts).item == 1
    with pytest.raises(UsageError, match="ends at byte 5 is not JSON"):
        next(puts)


@pytest.mark.parametrize("read", [csv_rows, json_lines])
def test_a_file_that_has_changed_is_told_and_not_guessed(tmp_path: Path, read: Any) -> None:
    """When a source goes on with it, and when it comes to its end."""
    path = write_plain(tmp_path / "a", "1\n2\n3\n")
    puts = read(path)
    cursor = next(puts).cursor
    with Path(path).open("a") as file:
        file.write("4\n")
    with pytest.raises(FileChanged, match="it had 6 bytes, and has 8"):
        list(puts)
    with pytest.raises(FileChanged, match="has changed since it was put"):
        next(read(path, cursor))
    other = write_plain(tmp_path / "b", "1\n2\n3\n")
    with pytest.raises(UsageError, match="is to go on with"):
        list(read(other, cursor))


def test_files_are_found_in_the_order_that_was_asked_for(tmp_path: Path) -> None:
    """With size and time, which are their fingerprint; directories are none."""
    (tmp_path / "deep").mkdir()
    for age, (name, size) in enumerate([("b", 1), ("a", 1), ("deep/c", 5)]):
        path = tmp_path / name
        path.write_bytes(b"x" * size)
        os.utime(path, ns=(0, 1_000_000_000 - age))

    def named(**order: Any) -> list[str]:
        found = files(f"{tmp_path}/**", **order)
        return [Path(file["path"]).name for file in found]

    assert named() == named(order="name") == ["a", "b", "c"]
    assert named(order="largest") == ["c", "a", "b"]
    assert named(order="oldest") == ["c", "a", "b"]
    with pytest.raises(UsageError, match="order='newest' is unknown"):
        named(order="newest")


def test_a_handler_is_told_of_a_file_that_has_changed(tmp_path: Path) -> None:
    """Grown, written anew with as many bytes, or gone."""
    path = tmp_path / "a"
    path.write_bytes(b"1")
    [file] = files(str(path))
    assert unchanged(file) == str(path)
    os.utime(path, ns=(0, file["modified"] + 1))
    with pytest.raises(FileChanged, match="has 1 as well, written later"):
        unchanged(file)
    path.unlink()
    with pytest.raises(FileChanged, match="is gone since it was put"):
        unchanged(file)


PAGE = "SELECT id, town FROM place WHERE id > :cursor ORDER BY id LIMIT 2"


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A database with five rows."""
    path = tmp_path / "places.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE place (id INTEGER, town TEXT)")
        rows = [(n, f"town {n}") for n in (1, 2, 5, 7, 9)]
        connection.executemany("INSERT INTO place VALUES (?, ?)", rows)
        connection.commit()
    return f"sqlite:///{path}"


def test_rows_of_a_table_come_page_by_page_behind_their_key(url: str) -> None:
    """Each once, wherever the source goes on."""
    puts = list(table_rows(url, PAGE, "id"))
    assert [put.cursor for put in puts] == [1, 2, 5, 7, 9]
    assert puts[2].item == {"id": 5, "town": "town 5"}
    for done, put in enumerate(puts, 1):
        assert list(table_rows(url, PAGE, "id", put.cursor)) == puts[done:]
    assert [put.cursor for put in table_rows(url, PAGE, "id", start=5)] == [7, 9]


@pytest.mark.parametrize(
    ("query", "key", "sentence"),
    [
        (PAGE, "number", "returns no column 'number', only id, town"),
        (PAGE.replace("id, town", "id / 6 AS id, town"), "id", "two rows have the id 0"),
        ("SELECT 1 AS id WHERE 0 < 1 OR :cursor", "id", "two rows have the id 1"),
    ],
)
def test_a_query_that_may_miss_rows_is_told(url: str, query: str, key: str, sentence: str) -> None:
    """Nobody would notice what is missing."""
    with pytest.raises(UsageError, match=sentence):
        list(table_rows(url, query, key))
