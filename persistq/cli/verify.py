"""``persistq verify``: proof that a journal does not contradict itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from persistq.cli.choosing import directory_of, reader_of
from persistq.cli.options import journal_option, json_option, name_argument
from persistq.cli.output import note, write_json, write_lines
from persistq.site.naming import name_of
from persistq.text.terminal import printable

if TYPE_CHECKING:
    from persistq.journal.queuerow import QueueRow

MISMATCH_EXIT: Final = 5

_Stage = tuple["QueueRow", str]


@dataclass(frozen=True, slots=True)
class Proof:
    """What was found about one journal, all of it at one moment.

    Attributes:
        name: The journal.
        path: Its file.
        stages: The stages to show, with what their load says of its state.
        problems: One sentence for each kind of contradiction, of all loads.
    """

    name: str
    path: str
    stages: list[_Stage]
    problems: list[str]


@click.command("verify", short_help="Prove that a journal does not contradict itself.")
@name_argument
@click.option("--all-loads", is_flag=True, help="Show the stages of all loads, not the last only.")
@json_option
@journal_option
def command(*, name: str | None, all_loads: bool, as_json: bool, journal: str | None) -> int:
    """Prove that each item ever put is outstanding, done, dropped or parked, and exactly once.

    NAME is the load's name; without it, the load on which a run started last. All loads of its
    journal are checked: that the file is whole and has nothing of others in it, that every item
    holds the bytes that were put and can be decoded, that the counters of each stage equal what
    they count, and that every row fits the rows that it names. docs/journal.md has the whole list.
    Pickles are looked at and not loaded. Nothing is written, and a run may be at work.

    Exits with 0 if all of that holds, and with 5 after naming each kind of contradiction.

    \b
    Example:
      $ persistq verify sales
    """  # noqa: D301 - \b is click's mark for lines to keep
    proof = _prove(name, journal, all_loads=all_loads)
    if as_json:
        note(f"journal {proof.path}")
        write_json(_as_object(proof))
    else:
        _write(proof, latest=name is None)
    return MISMATCH_EXIT if proof.problems else 0


def _prove(name: str | None, journal: str | None, *, all_loads: bool) -> Proof:
    from persistq.journal.soundness import inspect_journal

    with reader_of(directory_of(journal, name), name) as reader:
        path = reader.path
    found, problems = inspect_journal(path)
    last = max((row.load_id for row, _ in found), default=0)
    stages = [stage for stage in found if all_loads or stage[0].load_id == last]
    return Proof(name_of(path), path, stages, problems)


def _write(proof: Proof, *, latest: bool) -> None:
    which = " (the one that ran last)" if latest else ""
    note(f"{proof.name}{which}; journal {proof.path}")
    write_lines(_equation(row, state) for row, state in proof.stages)
    write_lines(printable(f"WRONG: {problem}") for problem in proof.problems)
    note(_verdict(proof))


def _equation(row: QueueRow, state: str) -> str:
    seal = "not sealed" if row.sealed_total is None else f"sealed with {row.sealed_total:,}"
    return printable(
        f"load {row.load_id} ({state}), {row.name}: put {row.put:,} = done {row.done:,} "
        f"+ dropped {row.dropped:,} + parked {row.parked:,} + outstanding {row.outstanding:,}; "
        f"{seal}"
    )


def _verdict(proof: Proof) -> str:
    count = len(proof.problems)
    if not count:
        return "the journal agrees with itself"
    noun = "contradiction" if count == 1 else "contradictions"
    return f"{count:,} {noun}: keep a copy of the file with its -wal, and do not use it"


def _as_object(proof: Proof) -> dict[str, Any]:
    return {
        "name": proof.name,
        "journal": proof.path,
        "sound": not proof.problems,
        "stages": [_stage_object(row, state) for row, state in proof.stages],
        "problems": proof.problems,
    }


def _stage_object(row: QueueRow, state: str) -> dict[str, Any]:
    return {
        "load": row.load_id,
        "state": state,
        "stage": row.name,
        "put": row.put,
        "done": row.done,
        "dropped": row.dropped,
        "parked": row.parked,
        "outstanding": row.outstanding,
        "sealed": row.sealed_total,
    }
