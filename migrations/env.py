"""Run the migrations, on the connection of an upgrading persistq or on a journal given by hand.

By hand: ``alembic -x journal=PATH upgrade head``. Revisions are numbered ``0001``, ``0002``, ...:
the number is the schema version of the journal. A new one begins as
``alembic revision --rev-id 0002 -m "what it does"``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic import context
from alembic.util import CommandError

from persistq.journal import migrate

if TYPE_CHECKING:
    from sqlalchemy import Connection

_ALEMBIC_VERSION = """\
CREATE TABLE IF NOT EXISTS alembic_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
)"""


def migrate_on(connection: Connection) -> None:
    """Run the migrations within the transaction that the connection is in."""
    # Alembic would make it too, and write it otherwise than a new journal has it.
    connection.exec_driver_sql(_ALEMBIC_VERSION)
    context.configure(connection=connection, target_metadata=None)
    with context.begin_transaction():
        context.run_migrations()


def migrate_by_hand() -> None:
    """Run the migrations on the journal that ``-x journal=PATH`` names; it may be a new file."""
    arguments = context.get_x_argument(as_dictionary=True)
    if "journal" not in arguments:
        raise CommandError("say which journal: alembic -x journal=PATH ...")
    path = Path(str(arguments["journal"])).resolve()
    path.touch(mode=0o600)
    with migrate.transaction(path) as connection:
        migrate_on(connection)


given = context.config.attributes.get("connection")
if given is None:
    migrate_by_hand()
else:
    migrate_on(given)
