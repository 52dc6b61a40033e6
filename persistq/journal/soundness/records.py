"""Rows against rows: references both ways, ends, states, runs, turns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from persistq.items import QUEUE_SHIFT
from persistq.journal.soundness.rules import (
    check_rules,
    is_purged,
    is_put,
    load_of,
    outcome,
    previous,
    queue,
)

if TYPE_CHECKING:
    import sqlite3

    from persistq.journal.soundness.findings import Findings


def _gapless(table: str) -> dict[str, str]:
    key = f"{table}_id"
    return {
        f"{table} has gaps: {{}} rows are missing": f"""
            SELECT 1 FROM (SELECT max({key}) - count(*) AS n, min({key}) AS least FROM {table})
            WHERE n <> 0 OR least <> 1"""
    }


def _counted(table: str) -> dict[str, str]:
    return {
        f"sqlite_sequence does not say how many rows {table} has had": f"""
            SELECT NULL WHERE (SELECT total(seq) FROM sqlite_sequence WHERE name = '{table}')
            <> (SELECT coalesce(max({table}_id), 0) FROM {table})"""
    }


ROWS: Final = {
    "journal has not one row": "SELECT NULL FROM (SELECT count(*) AS n FROM journal) WHERE n <> 1",
    "there are runs, and writer has no row": """
        SELECT NULL WHERE EXISTS (SELECT 1 FROM run) AND NOT EXISTS (SELECT 1 FROM writer)""",
    "sqlite_sequence has {} rows that are not ours": """
        SELECT name FROM sqlite_sequence WHERE name NOT IN ('load', 'run', 'queue')
        OR typeof(seq) <> 'integer'
        OR rowid <> (SELECT min(rowid) FROM sqlite_sequence AS s
            WHERE s.name = sqlite_sequence.name)""",
    **_gapless("load"),
    **_gapless("run"),
    **_gapless("queue"),
    **_gapless("failure"),
    **_gapless("worker"),
    **_gapless("by_hand"),
    **_counted("load"),
    **_counted("run"),
    **_counted("queue"),
}

LOADS: Final = {
    "{} loads have a state that contradicts their end": """
        SELECT load_id FROM load WHERE (ended_at IS NULL) <> (state IN ('open', 'reopened'))""",
    "{} loads are open, and have been purged": """
        SELECT load_id FROM load WHERE state = 'open' AND purged_at IS NOT NULL""",
    "{} loads are settled, and have no queues": """
        SELECT load_id FROM load
        WHERE state = 'settled' AND load_id NOT IN (SELECT load_id FROM queue)""",
    "{} loads have queues whose positions are not 0, 1, 2 ...": """
        SELECT load_id FROM queue GROUP BY load_id
        HAVING min(position) <> 0 OR max(position) <> count(*) - 1""",
    "{} runs have a result without an end, or an end without a result": """
        SELECT run_id FROM run WHERE (ended_at IS NULL) <> (result IS NULL)""",
    "{} workers are of a run and of a queue that are not of one load": """
        SELECT worker_id FROM worker WHERE
        (SELECT load_id FROM run WHERE run.run_id = worker.run_id)
        IS NOT (SELECT load_id FROM queue WHERE queue.queue_id = worker.queue_id)""",
    "{} workers have an ending without an end, or an end without an ending": """
        SELECT worker_id FROM worker WHERE (ended_at IS NULL) <> (ending IS NULL)""",
}

SPANS: Final = {
    "put_span has {} rows whose run and queue are not of one load": """
        SELECT run_id FROM put_span WHERE
        (SELECT load_id FROM run WHERE run.run_id = put_span.run_id)
        IS NOT (SELECT load_id FROM queue WHERE queue.queue_id = put_span.queue_id)""",
    "put_span has {} rows that begin behind the last item": """
        SELECT queue_id FROM put_span JOIN queue USING (queue_id)
        WHERE put_before NOT BETWEEN 0 AND next_n - 1""",
    "put_span has {} rows whose runs are out of order": """
        SELECT run_id FROM (
            SELECT run_id, lag(run_id) OVER (PARTITION BY queue_id ORDER BY put_before) AS earlier
            FROM put_span
        ) WHERE run_id <= earlier""",
    "{} queues have items of which it is not recorded which run put them": """
        SELECT queue_id FROM queue AS q WHERE next_n > 1 AND NOT EXISTS (
            SELECT 1 FROM put_span AS s WHERE s.queue_id = q.queue_id AND put_before = 0
        )""",
    "{} queues have a last span that is not of the latest run of their load": """
        SELECT queue_id FROM queue AS q WHERE
        (SELECT max(run_id) FROM put_span AS s WHERE s.queue_id = q.queue_id)
        IS NOT (SELECT max(run_id) FROM run AS r WHERE r.load_id = q.load_id)""",
}

CURSORS: Final = {
    "cursor has {} rows of what is no stage of a pipeline, or behind more items than it has": """
        SELECT queue_id FROM cursor JOIN queue USING (queue_id) JOIN load USING (load_id)
        WHERE kind <> 'pipeline' OR put NOT BETWEEN 1 AND next_n - 1""",
    "cursor has {} rows behind items that no source has put": f"""
        SELECT c.queue_id FROM cursor AS c WHERE (
            SELECT origin FROM put_block AS b
            WHERE b.first_id <= (c.queue_id << {QUEUE_SHIFT}) + c.put
            ORDER BY b.first_id DESC LIMIT 1
        ) IS NOT NULL AND NOT {is_purged(f"(c.queue_id << {QUEUE_SHIFT})")}""",
}

TURNS: Final = {
    "{} turns are of an earlier run than the turn before": """
        SELECT turn_id FROM turn AS t
        WHERE run_id < (SELECT run_id FROM turn
            WHERE turn_id < t.turn_id AND run_id IS NOT NULL ORDER BY turn_id DESC LIMIT 1)""",
    # Those of purged loads go after what has named them, and those by hand are of no load.
    "in {} turns nothing was put or ended": """
        SELECT turn_id FROM turn LEFT JOIN run USING (run_id) LEFT JOIN load USING (load_id)
        WHERE purged_at IS NULL AND (run_id IS NOT NULL
            OR NOT EXISTS (SELECT 1 FROM load AS other WHERE other.purged_at IS NOT NULL))
        EXCEPT SELECT turn_id FROM put_block EXCEPT SELECT turn_id FROM done_range""",
}

BY_HAND: Final = {
    "by_hand has {} rows of items that were not put": f"""
        SELECT item_id FROM by_hand WHERE NOT {is_put("item_id")}""",
    "by_hand has {} rows of items that were not dropped": f"""
        SELECT item_id FROM by_hand WHERE deed <> 'retried'
        AND {outcome("item_id")} IS NOT 1 AND NOT {is_purged("item_id")}""",
    "by_hand has {} rows whose replacement is no later item of the same queue": f"""
        SELECT item_id FROM by_hand WHERE (deed = 'edited') <> (replacement IS NOT NULL)
        OR replacement <= item_id OR {queue("item_id")} <> {queue("replacement")}
        OR (replacement IS NOT NULL AND NOT {is_put("replacement")})""",
    "{} items have ended in no run, nor by hand, nor with their load": f"""
        SELECT first_id FROM done_range JOIN turn USING (turn_id) WHERE run_id IS NULL
        AND NOT EXISTS (
            SELECT 1 FROM by_hand WHERE item_id = first_id AND deed <> 'retried'
        ) AND NOT {is_purged("first_id")}""",
    "{} items were put in no run, and not by hand": """
        SELECT first_id FROM put_block JOIN turn USING (turn_id) WHERE run_id IS NULL
        AND NOT EXISTS (SELECT 1 FROM by_hand WHERE replacement = first_id)""",
}

ENDS: Final = {
    "done_range has {} rows with an outcome that does not exist": """
        SELECT first_id FROM done_range WHERE outcome NOT IN (0, 1)""",
    "done_range has {} rows that overlap the row before": f"""
        SELECT first_id FROM done_range AS d
        WHERE first_id <= {previous("done_range", "first_id", "last_id", "d.first_id")}""",
    "done_range has {} rows with items that were not put": f"""
        SELECT first_id FROM done_range WHERE last_id < first_id
        OR NOT {is_put("first_id")} OR NOT {is_put("last_id")}
        OR {queue("first_id")} <> {queue("last_id")}""",
    "done_range has {} rows whose turn is missing, or of another load": f"""
        SELECT first_id FROM done_range AS d
        LEFT JOIN turn USING (turn_id) LEFT JOIN run USING (run_id)
        WHERE turn.at IS NULL
        OR (turn.run_id IS NOT NULL AND run.load_id IS NOT {load_of("d.first_id")})""",
    "done_range has {} rows of a turn before their items were put": f"""
        SELECT first_id FROM done_range AS d WHERE turn_id < (
            SELECT turn_id FROM put_block AS b WHERE b.first_id <= d.last_id
            AND b.first_id > {queue("d.first_id")} << {QUEUE_SHIFT}
            ORDER BY b.first_id DESC LIMIT 1
        )""",
    "drop_reason has {} rows of items that were not dropped": f"""
        SELECT item_id FROM drop_reason WHERE NOT {is_put("item_id")}
        OR ({outcome("item_id")} IS NOT 1 AND NOT {is_purged("item_id")})""",
}

FAILURES: Final = {
    "parked has {} rows of items that were not put": f"""
        SELECT item_id FROM parked WHERE NOT {is_put("item_id")}""",
    "{} parked items are in no block": """
        SELECT item_id FROM parked AS p WHERE item_id >= coalesce((
            SELECT first_id + count FROM put_block AS b
            WHERE b.first_id <= p.item_id ORDER BY b.first_id DESC LIMIT 1
        ), 0)""",
    "{} items are both in done_range and in parked": f"""
        SELECT item_id FROM parked WHERE {outcome("item_id")} IS NOT NULL""",
    "{} items are parked, and have no failure that counts": """
        SELECT item_id FROM parked AS p WHERE NOT EXISTS (
            SELECT 1 FROM failure AS f
            WHERE f.item_id = p.item_id AND NOT forgiven AND kind <> 'suspect'
        )""",
    "failure has {} rows of items that were not put": f"""
        SELECT failure_id FROM failure WHERE NOT {is_put("item_id")}""",
    "failure has {} rows whose run and item are not of one load": f"""
        SELECT failure_id FROM failure WHERE run_id IS NOT NULL AND
        (SELECT load_id FROM run WHERE run.run_id = failure.run_id)
        IS NOT {load_of("item_id")}""",
}

RULES: Final = ROWS | LOADS | SPANS | CURSORS | TURNS | ENDS | BY_HAND | FAILURES


def check_records(connection: sqlite3.Connection, findings: Findings) -> None:
    """Look for rows that contradict other rows."""
    check_rules(connection, RULES, findings)
    for table, _, parent, _ in connection.execute("PRAGMA foreign_key_check"):
        where = f"rows of {table.decode()} name a row of {parent.decode()}"
        findings.add(f"{{}} {where} that does not exist", None)
