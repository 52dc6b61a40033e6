"""Pipelines at a keyboard and in notebooks, where the functions of a session are in no file."""

from __future__ import annotations

import pytest

from .conftest import MakeProgram
from .program import Program

STEPS = """
from pathlib import Path

def numbers():
    yield from range(3)

def work(number):
    with Path("notes").open("a") as notes:
        notes.write(f"{number}\\n")

def connection():
    return None
"""
SESSION = """
    import functools, steps
    from persistq import UsageError

    del sys.modules["__main__"].__file__     # as at a keyboard, or in a notebook

    def numbers():
        yield from range(3)

    def work(number):
        note(number)

    def connection():
        return None

    class Work:
        def __call__(self, number):
            note(number)

    pipeline = Pipeline("demo", workers=1)
    pipeline.source({source})
    pipeline.context({context})
    pipeline.stage(name="work")({handler})
    try:
        pipeline.run()
    except UsageError as error:
        note(error)
    print("the session goes on", file=sys.stderr)
"""
OF_MODULES = {"source": "steps.numbers", "context": "steps.connection", "handler": "steps.work"}


def session(program: MakeProgram, **functions: str) -> Program:
    """Return a session, with a module beside it, that makes a pipeline of these."""
    script = program(SESSION.format(**functions))
    (script.home / "steps.py").write_text(STEPS)
    return script


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
@pytest.mark.parametrize(
    ("part", "function", "name"),
    [
        ("source", "numbers", "numbers"),
        ("context", "connection", "connection"),
        ("handler", "work", "work"),
        ("handler", "functools.partial(work)", "work"),
        ("handler", "Work()", "Work"),
    ],
)
def test_a_function_of_the_session_is_refused_where_no_process_finds_it(
    program: MakeProgram, method: str, part: str, function: str, name: str
) -> None:
    """In one sentence, before there is a journal; and the session goes on."""
    script = session(program, **OF_MODULES | {part: function})
    ended = script.run(PERSISTQ_START_METHOD=method)
    assert (ended.code, ended.err) == (0, "the session goes on\n")
    (refused,) = script.notes
    assert refused == (
        f"the function {name!r} is defined in this session, where a process started by {method} "
        "does not find it: put it at the top level of a module, and import it from there"
    )
    assert not (script.home / "journal").exists()


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_functions_of_modules_are_called_from_a_session(program: MakeProgram, method: str) -> None:
    """However processes start."""
    script = session(program, **OF_MODULES)
    ended = script.run(PERSISTQ_START_METHOD=method)
    assert ended.code == 0, ended.err
    assert sorted(script.notes) == ["0", "1", "2"]


def test_functions_of_a_session_are_called_where_processes_are_forked(program: MakeProgram) -> None:
    """A fork has all that the session has."""
    script = session(program, source="numbers", context="connection", handler="work")
    ended = script.run(PERSISTQ_START_METHOD="fork")
    assert ended.code == 0, ended.err
    assert sorted(script.notes) == ["0", "1", "2"]
