"""``persistq duplicates``: what may have run twice, as far as that is recorded; and how far not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from persistq.items import Failure, FailureKind
from persistq.journal.batch import Batch
from persistq.journal.run import WorkerRecord
from persistq.site.processes import peer_here

from .acting import TIMEOUT_S, Call, Ledger, Record, Shell, WriteScript
from .terminals import on_terminal
from .test_amending import look_until
from .test_failed import night


def rows(call: Call, *words: str) -> list[list[str]]:
    """Return what is shown elsewhere than on a terminal."""
    return [line.split("\t") for line in call("duplicates", *words).stdout.splitlines()]


def died(ledger: Ledger, number: int) -> None:
    """Record that a worker has died with an item."""
    failure = Failure(ledger.id(number), FailureKind.CRASH, "WorkerDied", "SIGKILL", "", 77)
    ledger.journal.commit(Batch(failures=[failure]))


def test_what_was_begun_more_than_once_is_shown(call: Call, record: Record) -> None:
    """With how often, after how many deaths, and where it is; what failed once is not."""
    ledger = record()
    ledger.put(*range(1, 8))
    ledger.fail(1, "ValueError", "no", park=False)
    died(ledger, 2)
    ledger.done(1, 2, 3)
    ledger.fail(4, "ValueError", "no")
    ledger.fail(5, "ValueError", "no", park=False)
    died(ledger, 5)
    died(ledger, 6)
    assert rows(call, "sales") == [
        ["store:1", "2", "0", "done"],
        ["store:2", "2", "1", "done"],
        ["store:5", "2", "1", "outstanding"],
    ]
    assert rows(call, "--limit", "1") == [["store:1", "2", "0", "done"]]
    found = json.loads(call("duplicates", "--json").stdout)
    assert [it["name"] for it in found["items"]] == ["store:1@1", "store:2@1", "store:5@1"]


def test_what_was_dropped_by_hand_has_not_run_again(
    call: Call, shell: Shell, record: Record
) -> None:
    """Nor has what is put for another item, or is outstanding after one attempt."""
    night(record).journal.close()
    assert shell("drop", "store:2").returncode == 0
    assert shell("edit", "store:3", "--file", "-", typed="3").returncode == 0
    assert shell("retry", "store:4").returncode == 0
    assert rows(call) == []
    assert "no item was begun more than once" in on_terminal("duplicates", "sales")


def test_items_of_a_purged_load_have_ended(call: Call, record: Record) -> None:
    """How is not kept."""
    ledger = record()
    ledger.put(1, 2)
    ledger.fail(1, "ValueError", "no", park=False)
    ledger.done(1, 2)
    ledger.settle()
    ledger.journal.close()
    record().journal.close()
    assert call("purge", "sales", "--keep-loads", "0").exit_code == 0
    assert rows(call, "--load", "1") == [["store:1@1", "2", "0", "done or dropped"]]


def test_what_is_not_recorded_is_said(call: Call, record: Record) -> None:
    """Of workers that died in a run that went on, and of a run that was killed with its workers."""
    ledger = record()
    ledger.put(1)
    queue_id = ledger.row.queue_id
    for worker, how in ((1, "left"), (2, "died"), (3, None)):
        record_ = WorkerRecord(worker, queue_id, peer_here(99_999_990 + worker))
        ledger.journal.commit(Batch(workers=[record_]))
        if how is not None:
            ledger.journal.commit(Batch(departures={worker: how}))
    said = call("duplicates").stderr
    assert "run 1 was killed with 2 workers: what they had in hand, or finished and not" in said
    found = json.loads(call("duplicates", "--json").stdout)
    assert found["unrecorded"] == [{"run": 1, "workers": 2, "killed": True}]


def test_a_run_at_work_was_not_killed(call: Call, write_script: WriteScript) -> None:
    """Its workers are at work; when it was killed, they were not."""
    script = write_script(
        """
        import time
        from pathlib import Path
        from persistq import Pipeline

        pipeline = Pipeline("sales", workers=2)

        @pipeline.source
        def numbers():
            yield 1

        @pipeline.stage
        def wait(number):
            Path(__file__).with_name("begun").touch()
            time.sleep(60)
        """
    )
    with subprocess.Popen(
        [sys.executable, str(script)], stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        look_until(Path("begun").exists)
        assert json.loads(call("duplicates", "--json").stdout)["unrecorded"] == []
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(TIMEOUT_S)
        look_until(lambda: json.loads(call("status", "--json").stdout)["pid"] is None)
        look_until(lambda: "was killed with 2 workers" in call("duplicates").stderr)
