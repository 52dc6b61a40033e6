"""First schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables of a journal."""
    _loads()
    _logs()
    _failures()
    _scratch()
    _processes()


def downgrade() -> None:
    """Refuse: there is nothing older than the first schema."""
    raise NotImplementedError("delete the file instead: there is no older schema")


def _loads() -> None:
    op.create_table(
        "load",
        sa.Column("load_id", sa.Integer(), primary_key=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.Text()),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_table(
        "param",
        sa.Column("load_id", sa.Integer(), sa.ForeignKey("load.load_id"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("codec", sa.Integer(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("shown", sa.Text(), nullable=False),
        sa.Column("given", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("load_id", "name"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "run",
        sa.Column("run_id", sa.Integer(), primary_key=True),
        sa.Column("load_id", sa.Integer(), sa.ForeignKey("load.load_id"), nullable=False),
        sa.Column("executable", sa.Text(), nullable=False),
        sa.Column("argv", sa.Text(), nullable=False),
        sa.Column("cwd", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started", sa.Integer(), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("started_at", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.Text()),
        sa.Column("result", sa.Text()),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("uuid", sa.Text(), nullable=False),
        sa.UniqueConstraint("uuid", name="run_uuid"),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_table(
        "queue",
        sa.Column("queue_id", sa.Integer(), primary_key=True),
        sa.Column("load_id", sa.Integer(), sa.ForeignKey("load.load_id"), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("next_n", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("dropped", sa.Integer(), nullable=False),
        sa.Column("parked", sa.Integer(), nullable=False),
        sa.Column("sealed_total", sa.Integer()),
        sa.UniqueConstraint("load_id", "position", name="queue_position"),
        sa.UniqueConstraint("load_id", "name", name="queue_name"),
        sa.CheckConstraint("queue_id BETWEEN 1 AND 8388607", name="queue_id_fits_item_id"),
        sa.CheckConstraint(
            "done + dropped + parked < next_n", name="queue_outstanding_not_negative"
        ),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )


def _logs() -> None:
    op.create_table(
        "put_log",
        sa.Column("item_id", sa.Integer(), primary_key=True),
        sa.Column("codec", sa.Integer(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sqlite_strict=True,
    )
    op.create_table(
        "put_span",
        sa.Column("queue_id", sa.Integer(), sa.ForeignKey("queue.queue_id"), nullable=False),
        sa.Column("put_before", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), sa.ForeignKey("run.run_id"), nullable=False),
        sa.PrimaryKeyConstraint("queue_id", "put_before"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "done_log",
        sa.Column("item_id", sa.Integer(), primary_key=True),
        sa.Column("outcome", sa.Integer(), nullable=False),
        sqlite_strict=True,
    )
    op.create_table(
        "drop_reason",
        sa.Column("item_id", sa.Integer(), primary_key=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sqlite_strict=True,
    )
    op.create_table(
        "parked",
        sa.Column("item_id", sa.Integer(), primary_key=True),
        sqlite_strict=True,
    )


def _failures() -> None:
    op.create_table(
        "failure",
        sa.Column("failure_id", sa.Integer(), primary_key=True),
        sa.Column("run_id", sa.Integer(), sa.ForeignKey("run.run_id")),
        sa.Column("item_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("traceback", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("signal", sa.Integer()),
        sa.Column("exit_code", sa.Integer()),
        sa.Column("peak_rss", sa.Integer()),
        sa.Column("out_of_memory", sa.Integer()),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("forgiven", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sqlite_strict=True,
    )
    op.create_index("ix_failure_item_id", "failure", ["item_id"])


def _scratch() -> None:
    op.create_table(
        "item_key",
        sa.Column("queue_id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("queue_id", "digest"),
        sa.CheckConstraint("n >= 0", name="item_key_not_negative"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )


def _processes() -> None:
    op.create_table(
        "worker",
        sa.Column("worker_id", sa.Integer(), primary_key=True),
        sa.Column("run_id", sa.Integer(), sa.ForeignKey("run.run_id"), nullable=False),
        sa.Column("queue_id", sa.Integer(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.Text()),
        sa.Column("ending", sa.Text()),
        sqlite_strict=True,
    )
    op.create_table(
        "writer",
        sa.Column("writer_id", sa.Integer(), primary_key=True),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started", sa.Integer(), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.CheckConstraint("writer_id = 1", name="writer_is_one"),
        sqlite_strict=True,
    )
