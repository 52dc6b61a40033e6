"""Contexts: what each process makes once, hands to its handlers, and cleans up."""

from __future__ import annotations

import signal

import pytest

from .conftest import MakeProgram
from .program import until

FORMS = {
    "plain": "def connect(): note('up'); return Pool()",
    "awaited": "async def connect(): await asyncio.sleep(0); note('up'); return Pool()",
    "generator": "def connect():\n    note('up')\n    yield Pool()\n    note('down')",
    "asynchronous generator": (
        "async def connect():\n    note('up')\n    yield Pool()\n"
        "    await asyncio.sleep(0)\n    note('down')"
    ),
    "manager": (
        "@contextlib.contextmanager\ndef connect():\n    note('up')\n"
        "    try: yield Pool()\n    finally: note('down')"
    ),
    "asynchronous manager": (
        "@contextlib.asynccontextmanager\nasync def connect():\n    note('up')\n"
        "    async with asyncio.timeout(None): yield Pool()\n    note('down')"
    ),
    "awaited manager": (
        "@contextlib.asynccontextmanager\nasync def opened():\n    note('up')\n"
        "    yield Pool()\n    note('down')\n"
        "async def connect(): return opened()"
    ),
    "class": (
        "class connect:\n    def __enter__(self): note('up'); return Pool()\n"
        "    def __exit__(self, *_): note('down')"
    ),
    "asynchronous class": (
        "class connect:\n    async def __aenter__(self): note('up'); return Pool()\n"
        "    async def __aexit__(self, *_): note('down')"
    ),
}
NOTHING_TO_CLEAN_UP = {"plain", "awaited"}

HEAD = """
import asyncio, contextlib
pipeline = Pipeline("demo", workers={workers})
pipeline.source(lambda: range(4))

class Pool:
    # It could be awaited and entered itself, and is neither.
    def __await__(self): note("awaited"); yield
    def __enter__(self): note("entered")
    def __exit__(self, *_): note("left")
    def use(self, what): note("used", what)

"""


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("form", FORMS)
def test_a_context_is_made_once_and_cleaned_up_once(
    program: MakeProgram, form: str, workers: int
) -> None:
    """However it is written; handlers of two stages in one process share it."""
    if form == "plain":
        # What a plain function returns may be awaited by itself: that is a promise.
        definition = FORMS[form].replace("Pool()", "Held()")
        head = HEAD.replace('    def __await__(self): note("awaited"); yield\n', "").replace(
            "class Pool", "class Held"
        )
    else:
        definition, head = FORMS[form], HEAD
    script = program(
        head.format(workers=workers)
        + definition
        + """

pipeline.context(connect)

@pipeline.stage
def first(number, ctx):
    ctx.use(number)
    return number

@pipeline.stage
def second(number):
    note("second", number)

if __name__ == "__main__":
    pipeline.run()
"""
    )
    ended = script.run()
    assert ended.code == 0, ended.err
    expected = {f"{what} {number}": 1 for what in ("used", "second") for number in range(4)}
    clean_ups = {} if form in NOTHING_TO_CLEAN_UP else {"down": 1}
    assert script.counts == expected | {"up": 1} | clean_ups


def test_stages_of_an_inline_run_share_one_context(program: MakeProgram) -> None:
    """They are in one process."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=0)
        pipeline.source(lambda: range(2))

        @pipeline.context
        def connect():
            note("up")
            yield []
            note("down")

        @pipeline.stage
        def first(number, ctx):
            ctx.append(number)
            return number

        @pipeline.stage
        def second(number, ctx): note("seen", number in ctx)

        pipeline.run()
        """
    )
    assert script.run().code == 0
    assert script.counts == {"up": 1, "seen True": 2, "down": 1}


CLEANING = """
        pipeline = Pipeline("demo", workers=1)

        @pipeline.source
        def numbers(): yield from range(3)

        @pipeline.context
        def connect():
            note("up")
            try:
                yield 1
            finally:
                note("down")

        @pipeline.stage
        def work(number, ctx):
            {work}

        if __name__ == "__main__":
            pipeline.run({options})
        """


def test_a_context_is_cleaned_up_when_handlers_raise(
    program: MakeProgram, start_method: str
) -> None:
    """Its process goes on with the next item, and with the same context."""
    script = program(CLEANING.format(work='raise ValueError("bad")', options=""))
    ended = script.run(PERSISTQ_START_METHOD=start_method)
    assert ended.code == 6, ended.err
    assert script.counts == {"up": 1, "down": 1}


def test_a_context_is_cleaned_up_at_shutdown_within_the_grace(program: MakeProgram) -> None:
    """Ctrl-C: the item in hand is finished, then the context."""
    script = program(
        CLEANING.format(
            work='note("at", number); await_file("go"); note("did", number)', options=""
        )
    )
    process = script.start()
    script.await_note("at 0")
    process.send_signal(signal.SIGINT)
    until(lambda: "finishing the items in flight" in script.said(process))
    script.touch("go")
    assert script.wait(process).code == 130
    assert script.counts == {"up": 1, "at 0": 1, "did 0": 1, "down": 1}


def test_a_context_is_cleaned_up_after_the_grace(program: MakeProgram) -> None:
    """SIGTERM interrupts the handler, then the context is cleaned up."""
    script = program(
        CLEANING.format(
            work='note("at", number); await_file("never")', options="shutdown_grace=0.1"
        )
    )
    process = script.start()
    script.await_note("at 0")
    process.send_signal(signal.SIGINT)
    assert script.wait(process).code == 130
    assert script.counts == {"up": 1, "at 0": 1, "down": 1}
    assert script.queues() == [(3, 0, 0, 0)]
    assert script.rows("SELECT kind FROM failure") == []


def test_a_worker_that_is_terminated_cleans_up_and_its_item_is_blamed(program: MakeProgram) -> None:
    """It dies of the signal all the same, and the death counts."""
    script = program(
        CLEANING.format(
            work='note("at", number)\n            if number == 1: await_file("never")',
            options="timeout=0.2, max_crashes=1",
        )
    )
    ended = script.run()
    assert ended.code == 6, ended.err
    assert script.counts == {"up": 2, "down": 2, "at 0": 1, "at 1": 1, "at 2": 1}
    assert script.rows("SELECT kind, signal FROM failure") == [("timeout", signal.SIGTERM)]


def test_a_child_that_a_handler_has_forked_cleans_nothing_up(program: MakeProgram) -> None:
    """Neither at its end nor at SIGTERM, of which it dies at once."""
    script = program(
        """
        import multiprocessing
        pipeline = Pipeline("demo", workers=1)
        pipeline.source(lambda: [1])

        @pipeline.context
        def connect():
            note("up")
            yield 1
            note("down")

        @pipeline.stage
        def work(number, ctx):
            child = multiprocessing.get_context("fork").Process(target=await_file, args=("never",))
            child.start()
            child.terminate()
            child.join()
            note("child", child.exitcode)

        if __name__ == "__main__":
            pipeline.run()
        """
    )
    ended = script.run(PERSISTQ_START_METHOD="fork")
    assert ended.code == 0, ended.err
    assert script.counts == {"up": 1, "child -15": 1, "down": 1}


@pytest.mark.parametrize("workers", [0, 1])
def test_a_clean_up_that_fails_is_told_and_undoes_nothing(
    program: MakeProgram, workers: int
) -> None:
    """In one sentence, with the traceback; what was done is done."""
    script = program(
        f"""
        pipeline = Pipeline("demo", workers={workers})
        pipeline.source(lambda: range(3))

        @pipeline.context
        def connect():
            yield 1
            raise ConnectionResetError("gone")

        @pipeline.stage
        def work(number, ctx): note(number)

        if __name__ == "__main__":
            pipeline.run()
        """
    )
    ended = script.run()
    assert ended.code == 0, ended.err
    assert "has done its work, but not cleaned up: ConnectionResetError: gone\n" in ended.err
    assert ended.err.count("Traceback") == 1
    assert script.counts == {"0": 1, "1": 1, "2": 1}
    if workers:
        assert script.rows("SELECT ending FROM worker") == ["exit code 1"]


def test_a_context_that_is_killed_is_not_cleaned_up(program: MakeProgram) -> None:
    """The one of the next worker is."""
    script = program(
        CLEANING.format(
            work="if number == 0 and not noted('killed'):\n"
            "                note('killed')\n"
            "                os.kill(os.getpid(), signal.SIGKILL)",
            options="",
        )
    )
    ended = script.run()
    assert ended.code == 0, ended.err
    assert script.counts == {"up": 2, "killed": 1, "down": 1}
