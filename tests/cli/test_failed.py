"""``persistq failed``, ``show`` and ``why``: what went wrong, with which item, and why."""

from __future__ import annotations

import json

import pytest

from persistq.items import Failure, FailureKind
from persistq.journal.batch import Batch

from .acting import Call, Ledger, Record

SECRET = {"n": 2, "password": "hush", "url": "https://me:hush@host/", "key": "k"}


def night(record: Record, name: str = "sales") -> Ledger:
    """Record a settled load: items 2, 3 and 4 of five are parked, by two errors."""
    ledger = record(name)
    ledger.put(1, SECRET, "three", "four", 5)
    ledger.done(1, 5)
    ledger.fail(2, "ValueError", "row 17 of 'a' is bad")
    ledger.fail(3, "ValueError", "row 18 of 'b' is bad")
    ledger.fail(4, "KeyError", "'day'")
    ledger.settle()
    return ledger


def refused(call: Call, *words: str) -> str:
    """Return the sentence with which a command is refused."""
    result = call(*words)
    assert (result.exit_code, result.stdout) == (2, "")
    return result.stderr.splitlines()[-1].removeprefix("persistq: ")


# --- failed ---------------------------------------------------------------------------------------


def test_errors_that_differ_in_numbers_and_quoted_words_are_one_group(
    call: Call, record: Record
) -> None:
    """With how many there are, the first of them, its error, and the item."""
    night(record)
    rows = [line.split("\t") for line in call("failed", "sales").stdout.splitlines()]
    assert [row[:3] for row in rows] == [
        ["2", "store:2", "ValueError: row 17 of 'a' is bad"],
        ["1", "store:4", "KeyError: 'day'"],
    ]
    assert json.loads(rows[0][3]) == {
        "n": 2,
        "password": "***",
        "url": "https://me:***@host/",
        "key": "k",
    }


def test_failed_json_is_one_document_of_groups(call: Call, record: Record) -> None:
    """The long number is in there, and whether something was masked."""
    ledger = night(record)
    found = json.loads(call("failed", "--json").stdout)
    assert (found["name"], found["load"], found["parked"]) == ("sales", 1, 3)
    first = found["groups"][0]
    assert (first["count"], first["pattern"]) == (2, "ValueError: row N of '…' is bad")
    example = first["example"]
    assert (example["name"], example["id"]) == ("store:2@1", ledger.id(2))
    assert (example["masked"], example["item"]["password"]) == (True, "***")


def test_failed_jsonl_has_a_line_for_each_item(call: Call, record: Record) -> None:
    """In the order in which they were put."""
    night(record)
    lines = [json.loads(line) for line in call("failed", "--jsonl").stdout.splitlines()]
    assert [line["name"] for line in lines] == ["store:2@1", "store:3@1", "store:4@1"]
    assert lines[2]["traceback"] == "Traceback ..."
    limited = call("failed", "--jsonl", "--limit", "1", "--error", "KeyError").stdout
    assert json.loads(limited)["name"] == "store:4@1"


def test_failed_in_full_shows_payload_and_traceback(call: Call, record: Record) -> None:
    """Only of what was asked for."""
    night(record)
    text = call("failed", "--full", "--error", "row 18", "--stage", "store").stdout
    assert text.splitlines()[0] == 'store:3  "three"'
    assert text.splitlines()[-1] == "  Traceback ..."
    assert "store:2" not in text


def test_failed_across_loads(call: Call, record: Record) -> None:
    """Items of another load than that which is shown say which one it is."""
    night(record).journal.close()
    second = record()
    second.put("x", "y")
    second.fail(2, "ValueError", "row 19 of 'c' is bad")
    alone = call("failed", "sales")
    assert [line.split("\t")[1] for line in alone.stdout.splitlines()] == ["store:2"]
    assert "other loads have left 3 parked (load 1): --all-loads shows them too" in alone.stderr
    rows = [line.split("\t")[:2] for line in call("failed", "--all-loads").stdout.splitlines()]
    assert rows == [["3", "store:2@1"], ["1", "store:4@1"]]
    old = call("failed", "--load", "1").stdout.splitlines()
    assert [line.split("\t")[1] for line in old] == ["store:2@1", "store:4@1"]


def test_exit_code_tells_whether_anything_failed(call: Call, record: Record) -> None:
    """6 with such items, 0 without, and always 0 unless it is asked for."""
    night(record)
    assert call("failed").exit_code == 0
    assert call("failed", "--exit-code").exit_code == 6
    assert call("failed", "--exit-code", "--error", "KeyError", "--json").exit_code == 6
    assert call("failed", "--exit-code", "--error", "no such text").exit_code == 0


def test_nothing_failed_is_said(call: Call, record: Record) -> None:
    """Beside the data, of which there is none."""
    record().put(1)
    result = call("failed")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "nothing is parked as failed" in result.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["failed", "--error", "("],
            (
                "--error '(' is no regular expression: missing ), unterminated subpattern at "
                "position 0"
            ),
        ),
        (
            ["failed", "--stage", "stroe"],
            "load 1 of 'sales' has no stage 'stroe'; its stages are: store",
        ),
        (["failed", "--load", "7"], "'sales' has no load 7; its latest ones are: 1"),
        (
            ["failed", "--json", "--jsonl"],
            "Error: --json is one document, --jsonl has lines: give one of them.",
        ),
        (
            ["show", "store:99"],
            "stage store of load 1 of 'sales' has no item 99; its items are numbered from 1 to 5",
        ),
        (["show", "store:2@9"], "'sales' has no load 9; its latest ones are: 1"),
        (
            ["show", "store:2@9", "--load", "1"],
            "store:2@9 is an item of load 9, and --load says 1",
        ),
        (["show", "1"], "1 alone names no item: give its stage too, as in clean:1"),
        (
            ["why", str((9 << 40) + 1)],
            (
                f"the journal of 'sales' has no item {(9 << 40) + 1}: give its stage and its "
                "number there, as in clean:6"
            ),
        ),
    ],
)
def test_each_mistake_is_told_in_one_sentence(
    call: Call, record: Record, words: list[str], sentence: str
) -> None:
    """What was wrong, and what there is instead."""
    night(record)
    assert refused(call, *words) == sentence


# --- show -----------------------------------------------------------------------------------------


def test_show_has_payload_attempts_and_traceback(call: Call, record: Record) -> None:
    """By its name or by its long number, and with secrets masked."""
    ledger = night(record)
    text = call("show", "store:2", "--name", "sales").stdout
    assert text == call("show", str(ledger.id(2))).stdout == call("show", "store:2@1").stdout
    assert "parked as failed" in text
    assert '  "password": "***",' in text.splitlines()
    assert "ValueError: row 17 of 'a' is bad" in text
    assert text.endswith("\nTraceback ...\n")
    assert "hush" not in text


def test_show_json_has_each_attempt(call: Call, record: Record) -> None:
    """With what a programmer needs to find it again."""
    ledger = night(record)
    found = json.loads(call("show", "store:3", "--json").stdout)
    assert (found["name"], found["id"], found["state"]) == ("store:3@1", ledger.id(3), "parked")
    assert found["item"] == "three"
    (attempt,) = found["attempts"]
    assert (attempt["type"], attempt["run"], attempt["forgiven"]) == ("ValueError", 1, False)


def test_passwords_of_urls_in_errors_are_masked(call: Call, record: Record) -> None:
    """Drivers of databases like to repeat the address that they were given."""
    ledger = record()
    ledger.put(1)
    ledger.fail(1, "OperationalError", "cannot reach postgresql://etl:hush@db/x")
    for words in (
        ["failed"],
        ["failed", "--full"],
        ["failed", "--json"],
        ["failed", "--jsonl"],
        ["show", "store:1"],
        ["show", "store:1", "--json"],
        ["why", "store:1"],
        ["status"],
        ["status", "--json"],
    ):
        result = call(*words)
        assert "OperationalError" in result.stdout
        assert "hush" not in result.output, words


# --- why ------------------------------------------------------------------------------------------


def told(call: Call, item: str) -> list[str]:
    """Return the sentences of an item's history."""
    return [event["text"] for event in json.loads(call("why", item, "--json").stdout)["history"]]


def test_why_tells_of_a_parked_item(call: Call, record: Record) -> None:
    """Put, failed, parked."""
    night(record)
    put, failed, parked = told(call, "store:2")
    assert put.startswith("It was put by run 1, which began ")
    assert (
        failed == "Attempt 1 of run 1 failed: the handler raised ValueError: row 17 of 'a' is bad"
    )
    assert parked == (
        "It is parked as failed: it has failed once, last by ValueError, which used up its "
        "attempts."
    )


def test_why_tells_how_a_worker_died(call: Call, record: Record) -> None:
    """By which signal, with how much memory, and whether the kernel did it."""
    ledger = record()
    ledger.put("big")
    failure = Failure(
        ledger.id(1),
        FailureKind.CRASH,
        "WorkerDied",
        "died",
        pid=77,
        signal=9,
        peak_rss=2_000_000_000,
        out_of_memory=True,
    )
    ledger.journal.commit(Batch(failures=[failure], queues={ledger.row.queue_id: ledger.row}))
    _, died, now = told(call, "store:1")
    assert died == (
        "Attempt 1 of run 1 failed: its worker was killed by SIGKILL (process 77, 2.0 GB of memory "
        "at most), most likely by the kernel because memory ran out."
    )
    assert now == "It is outstanding: it is tried again when the load is resumed."


def test_why_tells_what_was_put_off_and_what_goes_alone(call: Call, record: Record) -> None:
    """The last time stands for all of them; no worker has died of a call for several items."""
    ledger = record()
    ledger.put("busy")
    failures = [
        Failure(ledger.id(1), FailureKind.DEFERRED, "Retry", "429 at noon", pid=77),
        Failure(ledger.id(1), FailureKind.SUSPECT, "ValueError", "one of five"),
        Failure(ledger.id(1), FailureKind.DEFERRED, "Retry", "429 at one", pid=78),
    ]
    for failure in failures:
        ledger.journal.commit(Batch(failures=[failure]))
    _, alone, put_off, _ = told(call, "store:1")
    assert alone == (
        "Attempt 1 of run 1 failed: for several items, this one among them, the handler raised "
        "ValueError: one of five"
    )
    assert put_off == (
        "Its handler has put it off, last in run 1: the handler raised Retry: 429 at one"
    )
    result = call("duplicates", "sales")
    assert [line.split("\t")[:3] for line in result.stdout.splitlines()] == [["store:1", "2", "0"]]


def test_why_tells_of_done_and_retried_items(call: Call, record: Record) -> None:
    """Failures that a retry by hand has forgiven are told, and count no more."""
    ledger = night(record)
    assert told(call, "store:1")[-1] == "It is done, in run 1."
    ledger.unpark(2, ledger.journal)
    assert told(call, "store:2")[-2:] == [
        "It was retried by hand: the failures before that count no more.",
        "It is outstanding: it is tried again when the load is resumed.",
    ]
