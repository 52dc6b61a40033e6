"""``--help`` of each verb, and docs/cli.md: what they show is what happens."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import click
import pytest

from persistq.cli.program import program
from persistq.journal.batch import Batch
from persistq.journal.route import Route, RouteKind
from persistq.journal.run import WorkerRecord
from persistq.site.processes import peer_here

from .acting import Call, Ledger, Record, Shell, WriteScript
from .test_failed import SECRET

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"


def verbs(group: click.Group, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield all verbs, also those below another one."""
    context = click.Context(group, info_name="persistq")
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from verbs(command, (*above, name))
        else:
            yield *above, name


def evening(record: Record) -> Ledger:
    """Record what examples are about: a load of two stages that has failed items, and is left."""
    ledger = record()
    ledger.row.name = "clean"
    ledger.journal.rename_queues({ledger.row.queue_id: "clean"})
    store = ledger.journal.add_queue(ledger.load_id, 1, "store")
    route = Route(ledger.row.queue_id, store.queue_id, RouteKind.FEEDS)
    ledger.journal.set_routes(ledger.load_id, [route])
    ledger.put(1, SECRET, "three", "four", 5)
    ledger.done(1)
    for number in (2, 3):
        ledger.fail(number, "ValueError", f"row {number} is bad")
    ledger.fail(4, "KeyError", "'day'", park=False)
    second = Ledger(ledger.journal, ledger.load_id, ledger.run_id, store)
    second.put("a", "b")
    second.done(1)
    worker = WorkerRecord(1, ledger.row.queue_id, peer_here(99_999_999))
    ledger.journal.commit(Batch(workers=[worker]))
    ledger.journal.commit(Batch(departures={1: "left"}))
    return ledger


def old_queue() -> None:
    """Leave what a PyMPX queue does, in the current directory."""
    pickup = Path("pickup")
    pickup.mkdir()
    (pickup / "orders_requested_PID4711.tsv").write_text("mon\t17\nmon\t18\n")
    (pickup / "orders_completed_PID4712.tsv").write_text("mon\t17\n")


ENDLESS = {("serve",)}
"""Verbs whose examples go on until somebody ends them: they have tests of their own."""


@pytest.mark.parametrize("words", [it for it in verbs(program) if it not in ENDLESS], ids=" ".join)
def test_the_examples_of_help_run(
    call: Call,
    shell: Shell,
    record: Record,
    write_script: WriteScript,
    words: tuple[str, ...],
) -> None:
    """Each verb has one at least; none is a misuse, and none ends in a traceback."""
    write_script()
    if words != ("run",):
        evening(record)
    if words[0] == "folder":
        Path("in").mkdir()
    if words == ("sink", "purge"):
        with closing(sqlite3.connect("warehouse.sqlite")) as target:
            target.executescript(call("sink", "sql", "sqlite:///warehouse.sqlite").stdout)
    old_queue()
    text = call(*words, "--help").stdout
    examples = re.findall(r"^ +\$ persistq (.+)$", text, re.MULTILINE)
    assert examples
    assert all(len(line) <= 80 for line in text.splitlines())
    for example in examples:
        result = shell(*example.split())
        # Nobody is at work here who could be woken.
        codes = {2} if words == ("wake",) else {0, 3, 6}
        assert result.returncode in codes, (example, result.stderr)
        assert "Traceback" not in result.stderr


def shape(value: Any) -> Any:
    """Return what kinds of values are in a document; None fits each."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


def fits(shown: Any, real: Any) -> bool:
    """Return whether two shapes agree, as far as both say something."""
    if "NoneType" in (shown, real) or [] in (shown, real):
        return True
    if isinstance(shown, dict) and isinstance(real, dict):
        free = {"parameters", "item"} & set(shown)
        return set(shown) == set(real) and all(
            name in free or fits(shown[name], real[name]) for name in shown
        )
    if isinstance(shown, list) and isinstance(real, list):
        return fits(shown[0], real[0])
    return bool(shown == real)


def blocks() -> list[tuple[str, str]]:
    """Return the commands of the page whose JSON it shows, and what it shows."""
    found = re.findall(
        r"```console\n\$ persistq ([^\n]+--jsonl?[^\n]*)\n(.+?)```", PAGE.read_text(), re.DOTALL
    )
    assert found
    return found


@pytest.mark.parametrize(("command", "shown"), blocks(), ids=[command for command, _ in blocks()])
def test_json_on_the_page_has_the_shape_of_the_real_one(
    call: Call, record: Record, command: str, shown: str
) -> None:
    """Its members, their order and the kinds of their values."""
    evening(record)
    old_queue()
    real = call(*command.split()).stdout
    if "--jsonl" in command:
        real, shown = real.splitlines()[0], shown.splitlines()[0]
    expected, found = json.loads(shown), json.loads(real)
    assert [*expected] == [*found]
    assert fits(shape(expected), shape(found)), (expected, found)


def test_each_verb_is_on_the_page() -> None:
    """With its name in a heading, and with a line in the list above."""
    listed = set(re.findall(r"^persistq ([\w-]+) ", PAGE.read_text(), re.MULTILINE))
    assert listed == {*program.list_commands(click.Context(program))}
    headings = "\n".join(re.findall(r"^## .+$", PAGE.read_text(), re.MULTILINE))
    for words in verbs(program):
        assert f"`{words[0]}`" in headings
