"""What handlers print and log: shown whole, kept with its item, handled by the script."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from .conftest import MakeProgram
from .program import Program


def printed(script: Program) -> list[tuple[int, int, str]]:
    """Return the lines that the journal keeps: the item's number, the stream, the text."""
    return script.rows(
        "SELECT item_id & 1099511627775, stream, text FROM printed ORDER BY item_id, printed_id"
    )


def test_what_handlers_print_is_shown_and_kept_with_its_item(
    program: MakeProgram, start_method: str
) -> None:
    """Line by line, by whichever stream; an empty line is one, and so is one without an end."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=1)

        @pipeline.source
        def numbers(): yield from [1, 2]

        @pipeline.stage
        def work(number):
            print("a", end=" ")
            print("line of", number)
            sys.stderr.write(f"one\\n\\ntwo {number}\\n")
            if number == 2: print("no end", end="", flush=True)

        if __name__ == "__main__":
            pipeline.run()
        """
    )
    ended = script.run(PERSISTQ_START_METHOD=start_method)
    assert ended.code == 0, ended.err
    both = [
        line
        for n in (1, 2)
        for line in [(n, 1, f"a line of {n}"), (n, 2, "one"), (n, 2, ""), (n, 2, f"two {n}")]
    ]
    assert printed(script) == [*both, (2, 1, "no end")]
    for _, _, text in printed(script):
        assert f"{text}\n" in ended.err
    shown = _show(script, "work:2")
    assert shown["printed"][0] == {"stream": "stdout", "text": "a line of 2"}
    assert len(shown["printed"]) == 5


def _show(script: Program, item: str) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-m", "persistq", "show", item, "--json", "--journal", "journal"],
        cwd=script.home,
        env=os.environ,
        capture_output=True,
        text=True,
        check=True,
        timeout=50,
    )
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_lines_of_many_workers_are_not_torn(program: MakeProgram) -> None:
    """However long they are, and whoever prints beside them; none is lost."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=3)
        pipeline.source(lambda: range(60))

        @pipeline.stage
        def work(number):
            print("begin", chr(97 + number % 26) * (number * 500), "end")

        pipeline.run()
        """
    )
    ended = script.run(PERSISTQ_START_METHOD="fork")
    assert ended.code == 0, ended.err
    expected = {f"begin {chr(97 + n % 26) * (n * 500)} end" for n in range(60)}
    assert expected <= set(ended.err.splitlines())


def test_what_a_killed_worker_has_printed_is_kept(program: MakeProgram) -> None:
    """Up to its last line."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=1)
        pipeline.source(lambda: [1])

        @pipeline.stage(max_crashes=1)
        def work(number):
            print("the last words")
            os.kill(os.getpid(), signal.SIGKILL)

        pipeline.run()
        """
    )
    ended = script.run(PERSISTQ_START_METHOD="fork")
    assert ended.code == 6
    assert printed(script) == [(1, 1, "the last words")]
    lines = ended.err.splitlines()
    told = next(n for n, line in enumerate(lines) if "was killed by SIGKILL" in line)
    assert lines.index("the last words") < told


def test_an_item_that_prints_without_end_fills_no_journal(program: MakeProgram) -> None:
    """All of it is shown; the journal keeps the first hundred lines, and so much of each."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=1)
        pipeline.source(lambda: [1])

        @pipeline.stage
        def work(number):
            print("x" * 5000)
            for line in range(999): print(line)

        pipeline.run()
        """
    )
    ended = script.run(PERSISTQ_START_METHOD="fork")
    assert ended.code == 0
    assert {"x" * 5000, *map(str, range(999))} <= set(ended.err.splitlines())
    kept = printed(script)
    assert [text for _, _, text in kept[1:]] == [*map(str, range(99))]
    assert len(kept[0][2]) == 1000


def test_what_is_logged_reaches_the_handlers_of_the_script(
    program: MakeProgram, start_method: str
) -> None:
    """With stage and item, its level and its traceback; what is below the level is not told."""
    script = program(
        """
        import logging
        log = logging.getLogger("etl.load")
        pipeline = Pipeline("demo", workers=1)

        @pipeline.source
        def numbers(): yield 1

        @pipeline.stage
        def work(number):
            log.debug("nobody")
            log.info("at %s %s", number, os.getpid() != int(os.environ["SCRIPT"]))
            try: 1 / 0
            except ZeroDivisionError: log.exception("bad", extra={"rows": 3})

        class Noting(logging.Handler):
            def emit(self, record):
                where = os.getpid() == int(os.environ["SCRIPT"])
                note(record.levelname, record.stage, record.item, record.getMessage(), where)
                if record.exc_text: note(record.exc_text.splitlines()[-1], record.rows)

        if __name__ == "__main__":
            os.environ["SCRIPT"] = str(os.getpid())
            logging.getLogger("etl").addHandler(Noting())
            logging.getLogger("etl").propagate = False
            log.setLevel(logging.INFO)
            pipeline.run()
        """
    )
    ended = script.run(PERSISTQ_START_METHOD=start_method)
    assert ended.code == 0, ended.err
    assert script.notes == [
        "INFO work work:1 at 1 True True",
        "ERROR work work:1 bad True",
        "ZeroDivisionError: division by zero 3",
    ]


def test_what_a_process_prints_that_a_handler_has_forked_goes_where_it_went(
    program: MakeProgram,
) -> None:
    """It is nobody's line, and tears none; so is what is written to the descriptor itself."""
    script = program(
        """
        import multiprocessing, subprocess
        pipeline = Pipeline("demo", workers=1)
        pipeline.source(lambda: [1])

        @pipeline.stage
        def work(number):
            child = multiprocessing.get_context("fork").Process(target=print, args=("forked",))
            child.start()
            child.join()
            subprocess.run(["echo", "started"], check=True)
            sys.stdout.buffer.write(b"bytes\\n")
            sys.stdout.buffer.flush()
            print("own")

        pipeline.run()
        """
    )
    ended = script.run(PERSISTQ_START_METHOD="fork")
    assert ended.code == 0, ended.err
    assert {"forked", "started", "bytes", "own"} <= set(ended.err.splitlines())
    assert printed(script) == [(1, 1, "own")]


@pytest.mark.parametrize("stop", [signal.SIGINT])
def test_what_is_printed_while_the_run_is_being_stopped_is_shown(
    program: MakeProgram, stop: signal.Signals
) -> None:
    """Until the last worker has left."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=1)
        pipeline.source(lambda: range(9))

        @pipeline.stage
        def work(number):
            note("at", number)
            await_file("go")
            print("finished", number)

        pipeline.run()
        """
    )
    process = script.start(env={"PERSISTQ_START_METHOD": "fork", "PERSISTQ_WINDOW_TIME": "0"})
    script.await_note("at 0")
    process.send_signal(stop)
    script.touch("go")
    ended = script.wait(process)
    assert ended.code == 128 + stop
    assert "finished 0\n" in ended.err
    assert (1, 1, "finished 0") in printed(script)
