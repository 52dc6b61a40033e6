"""Several items at the same time in one process: asynchronous handlers, and threads."""

from __future__ import annotations

import signal

import pytest

from .conftest import MakeProgram
from .program import until

PROGRAM = """
    import asyncio

    pipeline = Pipeline("demo", workers=1)

    @pipeline.source
    def numbers(): yield from range({items})

    {more}

    @pipeline.stage({options})
    {work}

    if __name__ == "__main__":
        pipeline.run(start_method="fork")
    """

AWAITED = {
    "options": "concurrency=5",
    "work": """async def work(number):
        note("begun", number)
        while number in HELD and not (HERE / "go").exists():
            await asyncio.sleep(0.005)
        note("ended", number)
        return number""",
}
THREADED = {
    "options": "threads=5",
    "work": """def work(number):
        note("begun", number)
        while number in HELD and not (HERE / "go").exists():
            time.sleep(0.005)
        note("ended", number)
        return number""",
}
BOTH = pytest.mark.parametrize("way", [AWAITED, THREADED], ids=["awaited", "threaded"])


def text(way: dict[str, str], *, items: int, more: str = "", options: str = "") -> str:
    """Return a script."""
    return PROGRAM.format(
        items=items, more=more, options=way["options"] + options, work=way["work"]
    )


@BOTH
def test_an_item_begins_as_soon_as_another_one_has_ended(
    program: MakeProgram, way: dict[str, str]
) -> None:
    """Those that take long hold up no others; no more than so many are begun."""
    script = program(text(way, items=30, more="HELD = {0, 1, 2, 3}"))
    process = script.start()
    until(lambda: sum(line.startswith("ended") for line in script.notes) == 26)
    until(lambda: script.rows("SELECT sum(done) FROM queue") == [26])
    script.touch("go")
    ended = script.wait(process)
    assert ended.code == 0, ended.err
    assert script.queues() == [(30, 30, 0, 0)]
    at_work, most = 0, 0
    for line in script.notes:
        at_work += 1 if line.startswith("begun") else -1
        most = max(most, at_work)
    assert most == 5
    assert script.rows("SELECT * FROM failure") == []


@BOTH
def test_a_death_makes_suspects_of_all_that_was_at_work(
    program: MakeProgram, way: dict[str, str]
) -> None:
    """Each is tried alone: the one that kills is found and parked, the others are done."""
    kills = """
    HELD = {0, 1, 2, 3}
    begin = note
    def note(word, number):
        begin(word, number)
        if (word, number) == ("begun", 4):
            while sum(noted("begun", n) for n in HELD) < 4: time.sleep(0.002)
            os.kill(os.getpid(), signal.SIGKILL)
    """
    script = program(text(way, items=12, more=kills.strip()))
    process = script.start()
    script.await_note("begun 4")
    until(lambda: script.rows("SELECT count(*) FROM failure WHERE kind = 'suspect'") == [5])
    script.touch("go")
    ended = script.wait(process)
    assert ended.code == 6, ended.err
    assert script.queues() == [(12, 11, 0, 1)]
    found = script.rows("SELECT item_id & 0xffff, kind, count(*) FROM failure GROUP BY 1, 2")
    assert found == [(n, "suspect", 1) for n in (1, 2, 3, 4)] + [
        (5, "crash", 2),
        (5, "suspect", 1),
    ]
    alone = script.notes[script.notes.index("begun 0", 5) :]
    assert alone[:2] == ["begun 0", "ended 0"]


@BOTH
def test_each_item_has_its_own_deadline(program: MakeProgram, way: dict[str, str]) -> None:
    """The one that is late is blamed; those beside it are tried again, and blamed for nothing."""
    script = program(text(way, items=12, more="HELD = {7}", options=", timeout=0.4, max_crashes=1"))
    ended = script.run()
    assert ended.code == 6, ended.err
    assert script.queues() == [(12, 11, 0, 1)]
    assert script.rows("SELECT item_id & 0xffff, kind FROM failure") == [(8, "timeout")]


@BOTH
def test_a_worker_that_is_replaced_finishes_what_it_has_begun(
    program: MakeProgram, way: dict[str, str]
) -> None:
    """And begins no more than its share; nothing is lost, blamed or done twice."""
    more = """
    HELD = set()
    @pipeline.context
    async def context():
        note("up")
        yield 1
        note("down")
    """
    script = program(
        text(way, items=23, more=more.strip(), options=", max_items_per_worker=10").replace(
            "(number)", "(number, ctx)"
        )
    )
    ended = script.run()
    assert ended.code == 0, ended.err
    assert script.queues() == [(23, 23, 0, 0)]
    assert script.rows("SELECT DISTINCT ending FROM worker") == ["left"]
    assert (script.counts["up"], script.counts["down"]) == (3, 3)
    assert set(script.counts.values()) == {1, 3}


def test_what_is_at_work_is_cancelled_and_awaited_after_the_grace(program: MakeProgram) -> None:
    """Clean-ups run, those of handlers before that of the context; the items stay outstanding."""
    script = program(
        """
        import asyncio

        pipeline = Pipeline("demo", workers=1)
        pipeline.source(lambda: range(20))

        @pipeline.context
        async def context():
            yield 1
            note("down")

        @pipeline.stage(concurrency=5)
        async def work(number, ctx):
            note("begun", number)
            if number == 0:
                return
            try:
                await asyncio.sleep(60)
            finally:
                await asyncio.sleep(0.01)
                note("cancelled")

        if __name__ == "__main__":
            pipeline.run(start_method="fork", shutdown_grace=0.2)
        """
    )
    process = script.start()
    script.await_note("begun", 6)
    process.send_signal(signal.SIGTERM)
    ended = script.wait(process)
    assert ended.code == 143, ended.err
    assert script.notes[-6:] == ["cancelled"] * 5 + ["down"]
    assert script.queues() == [(20, 1, 0, 0)]
    assert script.rows("SELECT * FROM failure") == []
    assert "Traceback" not in ended.err


@BOTH
def test_what_is_printed_belongs_to_its_item(program: MakeProgram, way: dict[str, str]) -> None:
    """Also if lines are begun by several at the same time."""
    prints = """
    HELD = set()
    def note(word, number):
        print(word, end=" ")
        time.sleep(0.001)
        print(number)
    """
    script = program(text(way, items=10, more=prints.strip()))
    ended = script.run()
    assert ended.code == 0, ended.err
    printed = script.rows("SELECT item_id & 0xffff, text FROM printed ORDER BY 1, printed_id")
    assert printed == [(n + 1, f"{word} {n}") for n in range(10) for word in ("begun", "ended")]


def test_what_asynchronous_handlers_make_goes_on(program: MakeProgram) -> None:
    """What they return, what they yield, what they raise, and where it goes."""
    script = program(
        """
        import asyncio
        from persistq import To

        pipeline = Pipeline("demo", workers=1)
        pipeline.source(lambda: range(6))

        @pipeline.stage(concurrency=3)
        async def split(number):
            for n in range(number):
                await asyncio.sleep(0)
                yield 10 * number + n

        @pipeline.stage(concurrency=3, retries=1, backoff=0, puts="split")
        async def judge(number, item):
            await asyncio.sleep(0)
            if number == 10:
                raise Drop("ten")
            if number == 20 and item.attempt == 1:
                raise ValueError("once")
            if number == 21:
                raise asyncio.CancelledError
            item.checkpoint(number)
            assert item.last_checkpoint == number
            if number == 30:
                await asyncio.to_thread(pipeline.put, "split", 1)
                yield To("split", 1)
            yield number

        @pipeline.stage(threads=3)
        def keep(number):
            note("kept", number)
            raise StopIteration if number == 50 else Drop("kept")

        if __name__ == "__main__":
            pipeline.run(start_method="fork")
        """
    )
    ended = script.run()
    assert ended.code == 6, ended.err
    assert script.rows("SELECT name, next_n - 1, done, dropped, parked FROM queue") == [
        ("split", 8, 8, 0, 0),
        ("judge", 17, 13, 3, 1),
        ("keep", 13, 0, 12, 1),
    ]
    failed = script.rows("SELECT type, message FROM failure ORDER BY 1, 2")
    assert {kind for kind, _ in failed} == {"CancelledError", "RuntimeError", "ValueError"}


def test_an_inline_run_awaits_one_item_after_the_other(program: MakeProgram) -> None:
    """In one event loop, which the context has too; Ctrl-C cancels and awaits the one at work."""
    script = program(
        """
        import asyncio

        pipeline = Pipeline("demo", workers=0)
        pipeline.source(lambda: range(5))

        @pipeline.context
        async def context():
            yield asyncio.get_running_loop()
            note("down")

        @pipeline.stage(concurrency=3)
        async def work(number, ctx):
            assert asyncio.get_running_loop() is ctx
            await asyncio.sleep(0.001)
            return number

        @pipeline.stage(threads=3)
        def store(number):
            note("stored", number)
            return number

        @pipeline.stage
        async def last(number):
            try:
                if number == 3:
                    asyncio.get_running_loop().call_later(0.01, os.kill, os.getpid(), signal.SIGINT)
                    await asyncio.sleep(60)
            finally:
                note("last", number)

        if __name__ == "__main__":
            pipeline.run(start_method="fork")
        """
    )
    ended = script.run()
    assert ended.code == 130, ended.err
    assert script.notes[-2:] == ["last 3", "down"]
    assert script.queues() == [(4, 4, 0, 0), (4, 4, 0, 0), (4, 3, 0, 0)]


def test_a_process_that_an_asynchronous_handler_forks_leaves_the_parent_alone(
    program: MakeProgram,
) -> None:
    """It ends where the handler does, whatever the other tasks do meanwhile."""
    script = program(
        """
        import asyncio

        pipeline = Pipeline("demo", workers=1)
        pipeline.source(lambda: range(8))

        @pipeline.stage(concurrency=4)
        async def work(number):
            await asyncio.sleep(0.01)
            if number == 3 and os.fork():
                os.wait()
            note("worked", number)

        @pipeline.stage(threads=4)
        def store(number): pass

        if __name__ == "__main__":
            pipeline.run(start_method="fork")
        """
    )
    ended = script.run()
    assert ended.code == 0, ended.err
    assert script.queues()[0] == (8, 8, 0, 0)
    assert script.counts["worked 3"] == 2
