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
    **_gapless("source"),
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
    "{} ways between stages are not of one load, or not of the kind that leads so": """
        SELECT r.queue_id FROM route AS r JOIN queue AS q USING (queue_id)
        JOIN queue AS t ON t.queue_id = r.target_id
        WHERE q.load_id <> t.load_id OR (t.position <= q.position) <> (kind = 'puts')""",
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

CHECKPOINTS: Final = {
    "checkpoint has {} rows of items that are not outstanding or parked": f"""
        SELECT item_id FROM checkpoint WHERE NOT {is_put("item_id")}
        OR {outcome("item_id")} IS NOT NULL""",
}

PRINTED: Final = {
    "printed has {} rows of items that were not put": f"""
        SELECT printed_id FROM printed WHERE NOT {is_put("item_id")}""",
    "printed has {} rows whose run and item are not of one load": f"""
        SELECT printed_id FROM printed JOIN run USING (run_id)
        WHERE load_id IS NOT {load_of("item_id")}""",
}

TIMES: Final = {
    "timing has {} rows whose run and stage are not of one load": """
        SELECT t.run_id FROM timing AS t LEFT JOIN run USING (run_id)
        LEFT JOIN queue USING (queue_id) WHERE run.load_id IS NOT queue.load_id""",
    "slow has {} rows of items that were not put": f"""
        SELECT item_id FROM slow WHERE NOT {is_put("item_id")}""",
    "slow has {} rows whose run and item are not of one load": f"""
        SELECT item_id FROM slow JOIN run USING (run_id)
        WHERE load_id IS NOT {load_of("item_id")}""",
    "stage_sample has {} rows whose run and stage are not of one load": """
        SELECT s.run_id FROM stage_sample AS s LEFT JOIN run USING (run_id)
        LEFT JOIN queue USING (queue_id) WHERE run.load_id IS NOT queue.load_id""",
    "stage_sample has {} rows of moments that its run has not": """
        SELECT run_id FROM stage_sample AS s WHERE NOT EXISTS (
            SELECT 1 FROM sample WHERE sample.run_id = s.run_id AND sample.tick = s.tick
        )""",
}

CURSORS: Final = {
    "cursor has {} rows of what is no stage of a pipeline, or behind more items than it has": """
        SELECT source_id FROM cursor JOIN source USING (source_id) JOIN queue USING (queue_id)
        JOIN load USING (load_id)
        WHERE kind <> 'pipeline' OR put NOT BETWEEN 0 AND next_n - 1""",
    # With several sources the last item up to it may be another's, or made by a stage.
    "cursor has {} rows behind items that no source has put": f"""
        SELECT source_id FROM cursor AS c JOIN source AS s USING (source_id)
        WHERE put > 0 AND (
            SELECT origin FROM put_block AS b
            WHERE b.first_id <= (s.queue_id << {QUEUE_SHIFT}) + c.put
            ORDER BY b.first_id DESC LIMIT 1
        ) IS NOT NULL AND NOT {is_purged(f"(s.queue_id << {QUEUE_SHIFT})")}
        AND NOT EXISTS (
            SELECT 1 FROM source_span AS other WHERE {queue("other.first_id")} = s.queue_id
        )""",
}

SOURCES: Final = {
    "{} sources are of what is no stage of a pipeline": """
        SELECT source_id FROM source LEFT JOIN queue USING (queue_id) LEFT JOIN load USING (load_id)
        WHERE kind IS NOT 'pipeline'""",
    "{} sources have not ended, and what they put on is sealed": """
        SELECT source_id FROM source JOIN queue USING (queue_id)
        WHERE ended = 0 AND sealed_total IS NOT NULL""",
    "source_span has {} rows of items that were not put": f"""
        SELECT first_id FROM source_span WHERE NOT {is_put("first_id")}""",
    "source_span has {} rows of a source of another queue": f"""
        SELECT first_id FROM source_span JOIN source USING (source_id)
        WHERE queue_id <> {queue("first_id")}""",
    "source_span has {} rows in which the same one goes on": f"""
        SELECT first_id FROM (
            SELECT first_id, source_id, lag(source_id) OVER in_order AS earlier,
                row_number() OVER in_order AS place
            FROM source_span
            WINDOW in_order AS (PARTITION BY {queue("first_id")} ORDER BY first_id)
        ) AS span WHERE source_id IS CASE place WHEN 1 THEN (
            SELECT min(source_id) FROM source WHERE queue_id = {queue("span.first_id")}
        ) ELSE earlier END""",
    "source_span has {} rows that do not begin with a block of such a source, or of a stage": f"""
        SELECT s.first_id FROM source_span AS s LEFT JOIN put_block AS b USING (first_id)
        WHERE (b.first_id IS NULL OR (origin IS NULL) <> (source_id IS NOT NULL))
        AND NOT {is_purged("s.first_id")}""",
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
        AND NOT EXISTS (SELECT 1 FROM by_hand WHERE replacement = first_id)
        AND NOT EXISTS (SELECT 1 FROM by_hand WHERE item_id = origin AND deed = 'dropped')""",
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
            WHERE f.item_id = p.item_id AND NOT forgiven AND kind NOT IN ('suspect', 'deferred')
        )""",
    "failure has {} rows of items that were not put": f"""
        SELECT failure_id FROM failure WHERE NOT {is_put("item_id")}""",
    "failure has {} rows whose run and item are not of one load": f"""
        SELECT failure_id FROM failure WHERE run_id IS NOT NULL AND
        (SELECT load_id FROM run WHERE run.run_id = failure.run_id)
        IS NOT {load_of("item_id")}""",
}

EVENTS: Final = {
    "event has gaps: {} rows are missing": """
        SELECT 1 FROM (
            SELECT max(event_id) - min(event_id) + 1 - count(*) AS n, min(event_id) AS least
            FROM event
        ) WHERE n <> 0 OR least < 1""",
    "event has {} rows that are neither of items nor of a load, or of both": """
        SELECT event_id FROM event WHERE (first_id IS NULL) <> (last_id IS NULL)
        OR (first_id IS NULL) = (load_id IS NULL)
        OR (load_id IS NULL) = (kind IN ('settled', 'abandoned'))""",
    "event has {} rows of items that were not put": f"""
        SELECT event_id FROM event WHERE first_id IS NOT NULL AND (
            last_id < first_id OR {queue("first_id")} <> {queue("last_id")}
            OR NOT {is_put("first_id")} OR NOT {is_put("last_id")}
        )""",
    "event has {} rows of a failure of another item, or of none where something has failed": """
        SELECT event_id FROM event LEFT JOIN failure USING (failure_id)
        WHERE (event.kind = 'failed') <> (event.failure_id IS NOT NULL)
        OR (failure_id IS NOT NULL AND (item_id IS NOT first_id OR item_id IS NOT last_id))""",
    "event has {} rows of puts that do not follow the one before": f"""
        SELECT event_id FROM (
            SELECT event_id, first_id, lag(last_id) OVER (
                PARTITION BY {queue("first_id")} ORDER BY event_id
            ) AS earlier FROM event WHERE kind = 'put'
        ) WHERE first_id <> coalesce(earlier + 1, CASE
            WHEN (SELECT min(event_id) FROM event) = 1
            THEN ({queue("first_id")} << {QUEUE_SHIFT}) + 1 ELSE first_id
        END)""",
    "{} queues are told of up to another item than events say, or than they have": f"""
        SELECT queue_id FROM queue LEFT JOIN (
            SELECT {queue("first_id")} AS queue_id, max(last_id) AS last_id FROM event
            WHERE kind = 'put' GROUP BY 1
        ) USING (queue_id)
        WHERE told NOT BETWEEN 0 AND next_n - 1
        OR (queue_id << {QUEUE_SHIFT}) + told <> coalesce(
            last_id,
            CASE WHEN (SELECT coalesce(min(event_id), 1) FROM event) = 1
            THEN queue_id << {QUEUE_SHIFT} ELSE (queue_id << {QUEUE_SHIFT}) + told END
        )""",
}

NOTES: Final = EVENTS | CURSORS | SOURCES | CHECKPOINTS | PRINTED | TIMES
RULES: Final = ROWS | LOADS | SPANS | NOTES | TURNS | ENDS | BY_HAND | FAILURES


def check_records(connection: sqlite3.Connection, findings: Findings) -> None:
    """Look for rows that contradict other rows."""
    check_rules(connection, RULES, findings)
    for table, _, parent, _ in connection.execute("PRAGMA foreign_key_check"):
        where = f"rows of {table.decode()} name a row of {parent.decode()}"
        findings.add(f"{{}} {where} that does not exist", None)
