"""``persistq events``: what happens, one line for each event."""

from __future__ import annotations

import json
import subprocess

import pytest

from .acting import COMMAND, TIMEOUT_S, Call, Record
from .test_failed import night


def test_each_event_is_a_line(call: Call, record: Record) -> None:
    """Number, kind, time, items and error, with tabs between."""
    night(record)
    lines = [line.split("\t") for line in call("events", "sales").stdout.splitlines()]
    assert [(line[0], line[1], *line[3:]) for line in lines] == [
        ("1", "put", "store:1@1 to store:5@1"),
        ("2", "failed", "store:2@1", "ValueError: row 17 of 'a' is bad"),
        ("3", "parked", "store:2@1"),
        ("4", "failed", "store:3@1", "ValueError: row 18 of 'b' is bad"),
        ("5", "parked", "store:3@1"),
        ("6", "failed", "store:4@1", "KeyError: 'day'"),
        ("7", "parked", "store:4@1"),
        ("8", "settled", "load 1"),
    ]


def test_those_behind_a_cursor_are_written_as_json(call: Call, record: Record) -> None:
    """An object on each line, or one document."""
    night(record)
    lines = call("events", "sales", "--after", "6", "--jsonl").stdout.splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["parked", "settled"]
    document = json.loads(call("events", "sales", "--after", "6", "--json").stdout)
    assert document["events"] == [json.loads(line) for line in lines]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--after", "9"], "has no event 9: its last one is 8"),
        (["--after", "1", "--new"], "--after and --new contradict each other."),
        (["--follow", "--json"], "--json is one document, which --follow never ends"),
        (["--timeout", "1"], "--new and --timeout are for --follow."),
    ],
)
def test_what_cannot_be_meant_is_refused(
    call: Call, record: Record, words: list[str], sentence: str
) -> None:
    """In one sentence."""
    night(record)
    result = call("events", "sales", *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert sentence in result.stderr


def test_what_a_stage_is_called_moves_no_cursor(call: Call, record: Record) -> None:
    """Names and errors may be a stranger's."""
    ledger = record("sales")
    ledger.journal.rename_queues({ledger.row.queue_id: "st\x1b[2Jore"})
    ledger.put(1)
    ledger.fail(1, "ValueError", "\x1b[2J\nsecond line")
    text = call("events", "sales").stdout
    assert "\x1b" not in text
    assert len(text.splitlines()) == 3


def test_a_follower_whose_reader_has_gone_ends(record: Record) -> None:
    """At the next event, without a word."""
    ledger = record("sales")
    ledger.put(1)
    follower = subprocess.Popen(
        [*COMMAND, "events", "sales", "--follow"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert follower.stdout is not None
    assert follower.stdout.readline().startswith("1\tput\t")
    follower.stdout.close()
    ledger.put(2)
    assert follower.wait(TIMEOUT_S) == 0
    assert follower.stderr is not None
    assert "Traceback" not in follower.stderr.read()
    follower.stderr.close()
