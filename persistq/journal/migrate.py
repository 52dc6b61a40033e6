"""How an older journal becomes a present one; imported only when there is one, for Alembic is slow.

The migration with number n leads to schema version n.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.pool import NullPool

from persistq import failpoints
from persistq.errors import JournalUnavailable
from persistq.journal.backup import back_up
from persistq.journal.connection import connect
from persistq.journal.creation import lay_out, stamp
from persistq.journal.faults import reported

if TYPE_CHECKING:
    from collections.abc import Iterator


def upgrade(path: Path, old: int) -> None:
    """Back an older journal up, then bring it to the present schema.

    Crash: the journal is old or upgraded, never in between; the backup is complete before the
    upgrade begins.

    Args:
        path: The journal file.
        old: Its schema version.

    Raises:
        JournalUnavailable: The disk is full, the file cannot be written, or this installation of
            persistq has no migrations.
    """
    scripts = migrations_directory(path)
    with reported(path):
        failpoints.point("journal.before_backup")
        back_up(path, path.with_name(f"{path.name}.v{old}-backup"))
    with transaction(path) as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(scripts).replace("%", "%%"))
        command.upgrade(config, "head")


def migrations_directory(path: Path) -> Path:
    """Return where the migrations are: in an installed package, or beside it in a checkout.

    Args:
        path: The journal that needs them, for the message.

    Raises:
        JournalUnavailable: They are in neither place.
    """
    package = Path(__file__).parent.parent
    for place in (package / "migrations", package.parent / "migrations"):
        if (place / "env.py").is_file():
            return place
    raise JournalUnavailable(str(path), "it needs an upgrade: install persistq with its migrations")


@contextmanager
def transaction(path: Path) -> Iterator[Connection]:
    """Open a journal for migrations: all of them and the marks of the file in one transaction.

    Crash: everything in the ``with`` block is recorded, or nothing.

    Args:
        path: The journal file.
    """

    def open_file() -> sqlite3.Connection:
        connection = connect(path, "rw")
        lay_out(connection)
        connection.execute("PRAGMA synchronous = FULL")
        return connection

    engine = create_engine("sqlite://", creator=open_file, poolclass=NullPool)
    event.listen(engine, "begin", _begin)
    with reported(path), engine.begin() as connection:
        yield connection
        failpoints.point("journal.before_upgrade")
        _stamp(connection)


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _stamp(connection: Connection) -> None:
    revision = connection.exec_driver_sql("SELECT max(version_num) FROM alembic_version").scalar()
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    stamp(driver, int(revision or 0))
