"""``persistq sink sql``: the SQL for people who may not make tables."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from .acting import Call


def test_the_sql_of_a_dialect_makes_the_table(call: Call) -> None:
    """What is printed can be run as it is, and again."""
    result = call("sink", "sql", "--dialect", "sqlite")
    assert result.exit_code == 0
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(result.stdout)
        connection.execute(result.stdout)
        names = [row[1] for row in connection.execute("PRAGMA table_info(persistq_receipt)")]
    assert names == ["run", "item", "outputs", "files"]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("postgresql://me:secret@nowhere/x",), "run uuid NOT NULL"),
        (
            ("postgresql+psycopg2://me:secret@nowhere/x", "--schema", "etl"),
            '"etl".persistq_receipt',
        ),
        (("--dialect", "mysql"), "outputs LONGTEXT"),
        (("--dialect", "oracle"), "item NUMBER(19) NOT NULL"),
        (("--dialect", "mssql", "--schema", "etl"), "CREATE TABLE etl.persistq_receipt"),
    ],
)
def test_nobody_is_connected_to(call: Call, words: tuple[str, ...], found: str) -> None:
    """The URL only says which dialect it is."""
    result = call("sink", "sql", *words)
    assert result.exit_code == 0
    assert found in result.stdout
    assert "secret" not in result.output


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("sqlite://", "--dialect", "sqlite"),
        ("nosuch://me:secret@host/x",),
        ("secret.db",),
        ("--dialect", "sqlite", "--schema", "a b"),
    ],
)
def test_wrong_words_are_told_in_one_sentence(call: Call, words: tuple[str, ...]) -> None:
    """And what was typed is not repeated: it may hold a password."""
    result = call("sink", "sql", *words)
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "secret" not in result.output
