"""What becomes of items whose handler fails."""

from __future__ import annotations

from .conftest import MakeProgram


def test_an_item_whose_handler_raises_is_parked_with_its_traceback(
    program: MakeProgram, start_method: str
) -> None:
    """The load goes on, ends with exit code 6, and says how to retry."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=2)

        @pipeline.source
        def numbers():
            yield from range(50)

        @pipeline.stage
        def invert(number):
            return 1 / number

        @pipeline.stage
        def store(number):
            note("stored")

        if __name__ == "__main__":
            pipeline.run()
        """
    )
    ended = script.run(PERSISTQ_START_METHOD=start_method)
    assert ended.code == 6
    assert "Traceback" not in ended.err
    assert "retry them with: persistq resume" in ended.err
    assert "--failed" in ended.err
    assert "ZeroDivisionError: division by zero (parked)" in ended.err
    assert script.queues() == [(50, 49, 0, 1), (49, 49, 0, 0)]
    assert script.rows("SELECT state FROM load") == ["settled"]
    rows = script.rows("SELECT kind, type, message, item_id & 0xffff, traceback FROM failure")
    [(kind, error, message, n, traceback)] = rows
    assert (kind, error, message, n) == ("exception", "ZeroDivisionError", "division by zero", 1)
    assert "return 1 / number" in traceback
    assert "persistq" not in traceback
    assert script.counts["stored"] == 49


def test_retries_count_attempts_and_give_up(program: MakeProgram) -> None:
    """An item is tried once and then as often as `retries` says; success ends it."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=2)
        pipeline.source(lambda: range(3))

        @pipeline.stage(retries=2, backoff=0.01)
        def work(number, item):
            note(number, item.attempt)
            if number == 0 or number == 1 and item.attempt < 3:
                raise OSError("busy")

        pipeline.run()
        """
    )
    assert script.run().code == 6
    assert script.counts == {
        **{f"0 {attempt}": 1 for attempt in (1, 2, 3)},
        **{f"1 {attempt}": 1 for attempt in (1, 2, 3)},
        "2 1": 1,
    }
    assert script.queues() == [(3, 2, 0, 1)]
    assert sorted(script.rows("SELECT item_id & 0xffff FROM failure")) == [1, 1, 1, 2, 2]


def test_retry_names_its_own_delay_and_drop_settles(program: MakeProgram) -> None:
    """A handler can put an item off, and can say that it needs no work."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=1)
        pipeline.source(lambda: range(4))

        @pipeline.stage(retries=1, backoff=3600)
        def work(number, item):
            note(number, item.attempt)
            if number == 1 and item.attempt == 1:
                raise Retry(0.05, "not yet")
            if number == 2:
                raise Drop("nothing to do")

        pipeline.run()
        """
    )
    ended = script.run()
    assert ended.code == 0, ended.err
    assert script.counts == {"0 1": 1, "1 1": 1, "1 2": 1, "2 1": 1, "3 1": 1}
    assert script.queues() == [(4, 3, 1, 0)]
    assert script.rows("SELECT type, message FROM failure") == [("Retry", "not yet")]


def test_retries_of_earlier_runs_count(program: MakeProgram) -> None:
    """A crash between two attempts does not give an item more of them."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=1)
        pipeline.source(lambda: range(2))

        @pipeline.stage(retries=1, backoff=0.01)
        def work(number, item):
            note(number, item.attempt)
            if number == 0:
                raise ValueError("always")
            if item.attempt == 1 and not (HERE / "go").exists():
                await_file("never")

        pipeline.run()
        """
    )
    process = script.start(env={"PERSISTQ_BACKOFF": "60"})
    script.await_note("1 1")
    process.kill()
    assert script.wait(process).code == -9
    script.touch("go")
    assert script.run().code == 6
    assert script.counts["0 1"] == script.counts["0 2"] == 1
    assert script.rows("SELECT count(*) FROM failure") == [2]


STOPS = """
    pipeline = Pipeline("demo", workers=2)

    @pipeline.source
    def numbers():
        note("source")
        yield from range(300)

    @pipeline.stage(on_error="stop")
    def work(number):
        if number == 40 and not (HERE / "fixed").exists():
            raise ValueError("bad data")
        note(number)

    if __name__ == "__main__":
        pipeline.run()
"""


def test_on_error_stop_ends_the_load_and_it_is_carried_on(
    program: MakeProgram, start_method: str
) -> None:
    """The first failed item ends the run with exit code 3; the rest is done by the next run."""
    script = program(STOPS)
    ended = script.run(PERSISTQ_START_METHOD=start_method)
    assert ended.code == 3
    assert "stage 'work' failed, and its rule is to stop" in ended.err
    assert "persistq resume demo" in ended.err
    assert script.rows("SELECT result FROM run") == ["failed"]
    assert script.rows("SELECT state FROM load") == ["open"]
    script.touch("fixed")
    ended = script.run(PERSISTQ_START_METHOD=start_method)
    assert ended.code == 6, "the failed item stays parked until it is retried"
    assert script.queues() == [(300, 299, 0, 1)]
    assert all(script.counts[str(number)] >= 1 for number in range(300) if number != 40)


def test_parked_items_are_retried_on_demand_and_reach_the_next_stage(program: MakeProgram) -> None:
    """`retry_failed` opens a settled load again, and its outputs go all the way."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=2)
        pipeline.source(lambda: range(100))

        @pipeline.stage
        def first(number):
            if number in (7, 70) and not (HERE / "fixed").exists():
                raise ValueError("bad data")
            return number

        @pipeline.stage
        def second(number): note(number)

        pipeline.run()
        """
    )
    assert script.run().code == 6
    assert script.queues() == [(100, 98, 0, 2), (98, 98, 0, 0)]
    script.touch("fixed")
    ended = script.run(PERSISTQ_RETRY_FAILED="1")
    assert ended.code == 0, ended.err
    assert script.queues() == [(100, 100, 0, 0), (100, 100, 0, 0)]
    assert script.counts == {str(number): 1 for number in range(100)}
    assert script.rows("SELECT count(*) FROM load") == [1]


def test_exceptions_of_all_kinds_are_recorded(program: MakeProgram) -> None:
    """An exception never leaves its process: it may be impossible to pickle, print or encode."""
    script = program(
        r"""
        class Unpicklable(Exception):
            def __init__(self, a, b):
                super().__init__("local state", lambda: a)

        class Unprintable(Exception):
            def __str__(self):
                raise RuntimeError("no text")

        def unpicklable(): raise Unpicklable(1, 2)
        def unprintable(): raise Unprintable
        def surrogate(): raise OSError(2, "no such file", "caf\udce9.csv")
        def leaves(): sys.exit("enough")
        def huge(): raise ValueError("x" * 1_000_000)

        KINDS = {f.__name__: f for f in (unpicklable, unprintable, surrogate, leaves, huge)}
        pipeline = Pipeline("demo", workers=1)
        pipeline.source(lambda: [*KINDS, "fine"])

        @pipeline.stage
        def work(kind):
            note(kind)
            if kind != "fine":
                KINDS[kind]()

        pipeline.run()
        """
    )
    ended = script.run()
    assert ended.code == 6, ended.err
    assert script.queues() == [(6, 1, 0, 5)]
    failures = script.rows("SELECT kind, type, length(message) FROM failure ORDER BY item_id")
    assert [kind for kind, _, _ in failures] == ["exception"] * 5
    assert [name for _, name, _ in failures] == [
        "Unpicklable",
        "Unprintable",
        "FileNotFoundError",
        "SystemExit",
        "ValueError",
    ]
    assert max(length for _, _, length in failures) <= 16_000
    assert all(count == 1 for count in script.counts.values())


def test_an_output_that_cannot_be_stored_parks_its_item(program: MakeProgram) -> None:
    """Of its other outputs none is kept: an item is done as a whole or not at all."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=1)
        pipeline.source(lambda: range(3))

        @pipeline.stage
        def work(number):
            yield number
            yield threading.Lock() if number == 1 else number + 10

        @pipeline.stage
        def store(number): note(number)

        pipeline.run()
        """
    )
    assert script.run().code == 6
    assert script.counts == {"0": 1, "10": 1, "2": 1, "12": 1}
    assert script.queues() == [(3, 2, 0, 1), (4, 4, 0, 0)]
    assert script.rows("SELECT type FROM failure") == ["ItemNotStorable"]


def test_an_error_after_some_outputs_keeps_none_of_them(program: MakeProgram) -> None:
    """A generator that raises half-way has produced nothing; its retry produces all."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=1)
        pipeline.source(lambda: range(3))

        @pipeline.stage(retries=1, backoff=0.01)
        def work(number, item):
            yield number
            if number == 1 and item.attempt == 1:
                raise ValueError("half-way")
            yield number + 10

        @pipeline.stage
        def store(number): note(number)

        pipeline.run()
        """
    )
    assert script.run().code == 0
    assert script.counts == {str(number): 1 for number in (0, 1, 2, 10, 11, 12)}


def test_a_wrong_delay_fails_the_attempt_and_not_the_worker(program: MakeProgram) -> None:
    """The item is parked with the sentence; nothing waits for ever."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=1)
        pipeline.source(lambda: range(3))

        @pipeline.stage
        def work(number):
            if number == 1:
                raise Retry(delay="soon")

        pipeline.run()
        """
    )
    assert script.run().code == 6
    assert script.queues() == [(3, 2, 0, 1)]
    assert script.rows("SELECT kind, type FROM failure") == [("exception", "UsageError")]


def test_a_source_whose_error_no_encoding_takes_fails_once(program: MakeProgram) -> None:
    """File names can hold lone surrogates; the reason is kept in a form that can be stored."""
    script = program(
        r"""
        pipeline = Pipeline("demo", workers=1)

        @pipeline.source
        def names():
            note("source")
            yield 1
            raise ValueError("caf\udce9.csv")

        @pipeline.stage
        def store(name): pass

        pipeline.run()
        """
    )
    ended = script.run()
    assert ended.code == 3, ended.err
    assert script.counts["source"] == 1
    [reason] = script.rows("SELECT reason FROM run")
    assert reason == r"source 'names' raised ValueError: caf\xe9.csv"


def test_a_source_that_yields_what_cannot_be_stored_fails(program: MakeProgram) -> None:
    """The sentence names the type; what came before is kept."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=1)

        @pipeline.source
        def numbers():
            yield 1
            yield threading.Lock()

        @pipeline.stage
        def store(number): note(number)

        pipeline.run()
        """
    )
    ended = script.run()
    assert ended.code == 3
    assert "source 'numbers' raised ItemNotStorable: an item of type" in ended.err
    assert script.rows("SELECT count(*) FROM item") == [1]


def test_an_end_of_a_queue_is_refused_as_an_output(program: MakeProgram) -> None:
    """A handler that yields one fails at its item; a source ends its load, and says why."""
    script = program(
        """
        from persistq import DONE, FAILED

        pipeline = Pipeline("demo", workers=1)

        @pipeline.source
        def numbers():
            yield from range(3)
            if not Path("mended").exists():
                yield DONE

        @pipeline.stage
        def work(number):
            return FAILED if number == 1 else number

        @pipeline.stage
        def store(number):
            note("stored", number)

        if __name__ == "__main__":
            pipeline.run()
        """
    )
    for workers in ("0", "1"):
        ended = script.run(PERSISTQ_WORKERS=workers)
        assert ended.code == 3, ended.err
        assert "source 'numbers' raised UsageError: DONE is no item: every consumer" in ended.err
        assert "Traceback" not in ended.err
    (script.home / "mended").touch()
    assert script.run().code == 6
    assert script.counts == {"stored 0": 1, "stored 2": 1}
    [(kind, message)] = script.rows("SELECT type, message FROM failure")
    assert (kind, message[:17]) == ("UsageError", "FAILED is no item")
