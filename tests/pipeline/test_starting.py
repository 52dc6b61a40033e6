"""What happens when a process of a pipeline cannot even start."""

from __future__ import annotations

import pytest

from .conftest import MakeProgram


def test_a_broker_that_dies_at_its_start_is_told_apart_from_failed_items(
    program: MakeProgram,
) -> None:
    """Exit code 3, not 1, because nothing is known about the load."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=1)
        pipeline.source(lambda: range(3))

        @pipeline.stage
        def work(number): note(number)

        pipeline.run()
        """
    )
    ended = script.run(PERSISTQ_FAILPOINT="journal.before_commit:kill")
    assert ended.code == 3
    assert "the broker of 'demo' is gone (it ended at start" in ended.err
    assert "Traceback" not in ended.err
    assert script.run().code == 0
    assert script.counts == {"0": 1, "1": 1, "2": 1}


def test_a_worker_whose_context_raises_ends_the_run(
    program: MakeProgram, start_method: str
) -> None:
    """No endless loop, however long the context takes to fail; the load can be carried on."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=2)

        @pipeline.source
        def numbers():
            yield from range(10)

        @pipeline.context
        def connect():
            if not (HERE / "fixed").exists():
                raise ConnectionRefusedError("no database")
            return 1

        @pipeline.stage
        def store(number, ctx): note(number)

        if __name__ == "__main__":
            pipeline.run()
        """
    )
    ended = script.run(PERSISTQ_START_METHOD=start_method)
    assert ended.code == 3
    assert "cannot be started: ConnectionRefusedError: no database; " in ended.err
    reason = "cannot be started: ConnectionRefusedError: no database"
    assert reason in script.rows("SELECT reason FROM run")[0]
    assert "persistq resume demo" in ended.err
    assert script.rows("SELECT count(*) FROM failure") == [0], "no item is to blame"
    script.touch("fixed")
    assert script.run(PERSISTQ_START_METHOD=start_method).code == 0
    assert script.counts == {str(number): 1 for number in range(10)}


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_handler_that_cannot_be_sent_to_a_worker_is_refused(
    program: MakeProgram, method: str
) -> None:
    """A lambda works under fork; where it cannot work, one sentence says what to do."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=2)

        @pipeline.source
        def numbers():
            yield from range(10)

        pipeline.stage(name="work")(lambda number: note(number))

        if __name__ == "__main__":
            pipeline.run()
        """
    )
    ended = script.run(PERSISTQ_START_METHOD=method)
    assert ended.code not in {0, 3}
    assert "worker work-1 cannot be started" in ended.err
    assert "define handlers at the top level of a module" in ended.err
    assert script.run(PERSISTQ_START_METHOD="fork").code == 0
    assert script.counts == {str(number): 1 for number in range(10)}


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_module_that_cannot_be_imported_in_a_worker_ends_the_run(
    program: MakeProgram, method: str
) -> None:
    """Without fork the script is imported again, and may fail only there."""
    script = program(
        """
        if __name__ != "__main__":
            raise ImportError("only importable as the main program")

        pipeline = Pipeline("demo", workers=1)

        @pipeline.source
        def numbers():
            yield from range(10)

        @pipeline.stage
        def work(number): note(number)

        pipeline.run()
        """
    )
    ended = script.run(PERSISTQ_START_METHOD=method)
    assert ended.code == 3
    assert "ImportError: only importable as the main program" in ended.err
    why = "cannot be started: the last one ended with exit code 1, and what it said is above"
    assert why in ended.err


def test_a_system_that_gives_no_process_ends_the_run(program: MakeProgram) -> None:
    """It is asked again a few times, with pauses; then the sentence says what it lacks."""
    script = program(
        """
        import errno
        from multiprocessing.popen_fork import Popen
        from persistq.pool import crew
        crew.RESTART_DELAY_S = 0.001

        pipeline = Pipeline("demo", workers=1)
        pipeline.source(lambda: range(3))

        @pipeline.stage
        def work(number): note(number)

        def launch(self, process):
            note("asked")
            raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

        if not (HERE / "fixed").exists():
            Popen._launch = launch
        pipeline.run()
        """
    )
    ended = script.run(PERSISTQ_START_METHOD="fork")
    assert ended.code == 3, ended.err
    assert "cannot be started now: Resource temporarily unavailable" in ended.err
    assert "cannot be started: Resource temporarily unavailable; " in ended.err
    assert "Traceback" not in ended.err
    assert 5 <= script.counts["asked"] <= 10
    script.touch("fixed")
    assert script.run().code == 0
    assert script.counts["0"] == 1


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_script_without_a_guard_is_told_what_it_lacks(program: MakeProgram, method: str) -> None:
    """Its children would run the pipeline when they import the script; nothing is done twice."""
    text = """
        pipeline = Pipeline("demo", workers=2)

        @pipeline.source
        def numbers():
            yield from range(3)

        @pipeline.stage
        def work(number): note(number)

        pipeline.run()
        """
    script = program(text)
    ended = script.run(PERSISTQ_START_METHOD=method)
    assert ended.code not in {0, 3}
    assert 'put run() below if __name__ == "__main__":' in ended.err
    assert "is working on it" not in ended.err
    assert script.notes == []
    script.write(text.replace("pipeline.run()", "if __name__ == '__main__': pipeline.run()"))
    assert script.run(PERSISTQ_START_METHOD=method).code == 0
    assert script.counts == {"0": 1, "1": 1, "2": 1}


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_directory_that_was_deleted_is_told(program: MakeProgram, method: str) -> None:
    """Before anything is journaled under spawn, as children cannot start in it; fork can."""
    script = program(
        """
        (HERE / "gone").mkdir(exist_ok=True)
        os.chdir(HERE / "gone")
        os.rmdir(HERE / "gone")
        pipeline = Pipeline("demo", workers=1)

        @pipeline.source
        def numbers():
            yield from range(3)

        @pipeline.stage
        def work(number): note(number)

        if __name__ == "__main__":
            pipeline.run()
        """
    )
    ended = script.run(PERSISTQ_START_METHOD=method)
    told = "the current directory has been deleted: go to one that exists" in ended.err
    assert (ended.code == 0, told) == ((True, False) if method == "fork" else (False, True))
    assert (script.home / "journal").exists() == (method == "fork")


def test_a_fence_that_is_cut_short_ends_the_run(program: MakeProgram) -> None:
    """In one sentence, and the load is carried on with a new one."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=1)
        pipeline.source(lambda: range(3))

        @pipeline.stage(timeout=0.5)
        def work(number):
            if not (HERE / "fixed").exists():
                os.truncate(HERE / "journal" / "demo.workers", 10)
                time.sleep(30)
            note(number)

        pipeline.run()
        """
    )
    ended = script.run(PERSISTQ_START_METHOD="fork")
    assert ended.code == 4, ended.err
    assert "demo.workers: the file was cut short while in use: start the program again" in ended.err
    assert "Traceback" not in ended.err
    script.touch("fixed")
    assert script.run(PERSISTQ_START_METHOD="fork").code == 0
    assert script.counts == {"0": 1, "1": 1, "2": 1}
