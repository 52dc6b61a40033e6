"""Stages that feed several, are fed by several, or put back: what goes where, and the end."""

from __future__ import annotations

import pytest

from persistq import Pipeline, To, UsageError

from .conftest import MakeProgram
from .program import until

FAN = """
    from persistq import To

    pipeline = Pipeline("demo", workers=2)

    @pipeline.source
    def numbers():
        yield from range(300)

    @pipeline.stage
    def route(number):
        if number % 3 == 0:
            yield To("even" if number % 2 == 0 else "odd", number)
        if number % 100 == 50:
            yield To(("even", "odd"), number)

    @pipeline.stage(after="route", workers=1)
    def even(number):
        return ["even", number]

    @pipeline.stage(after="route", workers=1)
    def odd(number):
        return ["odd", number]

    @pipeline.stage(after=("even", "odd"), workers=1)
    def store(row):
        note("stored", *row)

    if __name__ == "__main__":
        pipeline.run()
"""


def stored() -> list[str]:
    """Return the evidence that is wanted of `FAN`."""
    routed = [("odd" if n % 2 else "even", n) for n in range(0, 300, 3)]
    both = [(name, n) for n in (50, 150, 250) for name in ("even", "odd")]
    return sorted(f"stored {name} {n}" for name, n in [*routed, *both])


def test_items_go_to_the_stages_that_are_named(program: MakeProgram, start_method: str) -> None:
    """Some to one, some to several; a stage that several feed gets all of it, and it ends."""
    script = program(FAN)
    ended = script.run(PERSISTQ_START_METHOD=start_method)
    assert ended.code == 0, ended.err
    assert sorted(script.notes) == stored()
    assert script.queues() == [(300, 300, 0, 0), (53, 53, 0, 0), (53, 53, 0, 0), (106, 106, 0, 0)]


def test_the_same_without_processes(program: MakeProgram) -> None:
    """It ends when every stage is over, not when the last one is."""
    script = program(FAN.replace("workers=2", "workers=0").replace("workers=1", "workers=None"))
    ended = script.run()
    assert ended.code == 0, ended.err
    assert sorted(script.notes) == stored()


@pytest.mark.parametrize("point", ["broker.before_stage_seal@1", "broker.before_stage_seal@3"])
def test_killed_at_a_seal_it_is_carried_on(program: MakeProgram, point: str) -> None:
    """Each item is stored once, though both ways lead to one stage."""
    script = program(FAN)
    assert script.run(PERSISTQ_FAILPOINT=point).code == 3
    ended = script.run()
    assert ended.code == 0, ended.err
    assert set(script.notes) == set(stored())
    assert script.queues()[-1] == (106, 106, 0, 0)


UNNAMED = """
    from persistq import To

    pipeline = Pipeline("demo", workers=1)

    @pipeline.source
    def numbers():
        yield from range(4)

    @pipeline.stage
    def route(number):
        if number == 0:
            return To("a", 10)
        if number == 1:
            return To("elsewhere", 10)
        if number == 2:
            return 10
        return None

    @pipeline.stage(after="route")
    def a(number):
        return To("c", number)

    @pipeline.stage(after="route")
    def b(number):
        note("never")

    @pipeline.stage(after="a")
    def c(number):
        note("c", number)

    if __name__ == "__main__":
        pipeline.run()
"""


def test_an_output_that_names_no_stage_it_may_go_to_fails_its_item(program: MakeProgram) -> None:
    """It would be lost, or go where nobody meant it to go."""
    script = program(UNNAMED)
    ended = script.run()
    assert ended.code == 6, ended.err
    assert script.notes == ["c 10"]
    wrong, silent = script.rows("SELECT message FROM failure ORDER BY item_id")
    assert wrong == "the handler puts into 'elsewhere': stage 'route' feeds 'a' and 'b'"
    assert silent.endswith("say it with To('a', item)")
    assert "does not say which stage gets what it has made" in silent


STORED = """
    from persistq import To

    pipeline = Pipeline("demo", workers=1)

    @pipeline.source
    def numbers():
        yield from range(30)

    @pipeline.stage(sink=f"sqlite:///{HERE / 'target.sqlite'}"BATCH)
    def keep(numbers, conn):
        if not isinstance(numbers, list):
            both = ("odd", "even") if numbers == 7 else ()
            return To(both or ("odd" if numbers % 2 else "even"), numbers)
        return [To("odd" if number % 2 else "even", number) for number in numbers]

    @pipeline.stage(after="keep")
    def even(number):
        note("even", number)

    @pipeline.stage(after="keep")
    def odd(number):
        note("odd", number)

    if __name__ == "__main__":
        pipeline.run(start_method="fork")
"""


@pytest.mark.parametrize("batch", ["", ", batch=8"])
def test_what_a_stage_with_a_sink_has_made_goes_where_it_said_after_a_death(
    program: MakeProgram, batch: str
) -> None:
    """It is in the receipt, queue by queue."""
    script = program(STORED.replace("BATCH", batch))
    ended = script.run(PERSISTQ_FAILPOINT="worker.after_store@2")
    assert ended.code == 0, ended.err
    wanted = {f"{'odd' if n % 2 else 'even'} {n}" for n in range(30)}
    assert {*script.notes} == (wanted if batch else wanted | {"even 7"})
    assert script.queues()[1:] == [(15 + (not batch),) * 2 + (0, 0), (15, 15, 0, 0)]


CRAWL = """
    pipeline = Pipeline("demo", workers=2)

    @pipeline.source
    def seeds():
        yield from [1, 2]

    @pipeline.stage
    def fetch(page):
        note("fetch", page)
        return page

    @pipeline.stage(puts="fetch")
    def parse(page):
        for following in (2 * page + 1, 2 * page + 2):
            if following < 200:
                pipeline.put("fetch", following)
        yield page

    @pipeline.stage
    def store(page):
        note("store", page)

    if __name__ == "__main__":
        pipeline.run()
"""

PAGES = sorted(f"store {n}" for n in range(1, 200))


def stored_pages(script_notes: list[str]) -> list[str]:
    """Return what was stored."""
    return sorted(line for line in script_notes if line.startswith("store"))


def crawled() -> list[str]:
    """Return what a crawl stores that begins with 1 and 2, and finds 5 and 6 behind 2."""
    found, todo = list[int](), [1, 2]
    while todo:
        page = todo.pop()
        found.append(page)
        todo += [n for n in (2 * page + 1, 2 * page + 2) if n < 200]
    return sorted(f"store {n}" for n in found)


def test_what_a_handler_puts_back_is_worked_on_until_nothing_comes(
    program: MakeProgram, start_method: str
) -> None:
    """The circle is sealed when nothing is left in it, and then what it feeds."""
    script = program(CRAWL)
    ended = script.run(PERSISTQ_START_METHOD=start_method)
    assert ended.code == 0, ended.err
    assert stored_pages(script.notes) == crawled()
    assert script.rows("SELECT count(*) FROM queue WHERE sealed_total IS NULL") == [0]


def test_a_circle_without_processes(program: MakeProgram) -> None:
    """Each item is carried through until none comes back."""
    script = program(CRAWL.replace("workers=2", "workers=0"))
    ended = script.run()
    assert ended.code == 0, ended.err
    assert stored_pages(script.notes) == crawled()


@pytest.mark.parametrize(
    "point",
    ["broker.before_commit@9", "broker.after_commit@30", "broker.before_stage_seal@2"],
)
def test_a_crawl_that_is_killed_is_carried_on(program: MakeProgram, point: str) -> None:
    """What the source had put is absorbed, and not by what handlers have put there since."""
    script = program(CRAWL)
    assert script.run(PERSISTQ_FAILPOINT=point).code == 3
    ended = script.run()
    assert ended.code == 0, ended.err
    assert {*stored_pages(script.notes)} == {*crawled()}
    pages = len(crawled())
    assert [queue[:2] for queue in script.queues()] == [(pages, pages)] * 3


def test_what_a_handler_has_put_absorbs_nothing_of_the_source(program: MakeProgram) -> None:
    """The source is called again: its 2 and 3 are new, though a handler has put a 2 of its own."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=1)

        @pipeline.source
        def numbers():
            yield 1
            await_file("go")
            yield 2
            yield 3

        @pipeline.stage(puts=("work",))
        def work(number):
            note("work", number)
            if number == 1:
                pipeline.put("work", 2)

        if __name__ == "__main__":
            pipeline.run()
        """
    )
    process = script.start()
    script.await_note("work 2")
    process.kill()
    process.wait()
    script.touch("go")
    ended = script.run()
    assert ended.code == 0, ended.err
    assert script.queues() == [(4, 4, 0, 0)]
    assert script.counts["work 3"] == 1
    assert script.counts["work 2"] in {2, 3}


def test_a_source_may_pause_while_nothing_turns(program: MakeProgram) -> None:
    """All stages of a circle in which nothing is left are open as long as its source is."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=1)

        @pipeline.source
        def numbers():
            yield 1
            await_file("go")
            yield 2

        @pipeline.stage
        def work(number):
            return number

        @pipeline.stage(puts=("work",))
        def again(number):
            return number

        @pipeline.stage
        def store(number):
            note("store", number)

        if __name__ == "__main__":
            pipeline.run()
        """
    )
    process = script.start()
    script.await_note("store 1")
    until(lambda: script.queues()[2] == (1, 1, 0, 0))
    assert script.rows("SELECT count(*) FROM queue WHERE sealed_total NOT NULL") == [0]
    script.touch("go")
    ended = script.wait(process)
    assert ended.code == 0, ended.err
    assert script.notes == ["store 1", "store 2"]


BULK = """
    from persistq import To

    pipeline = Pipeline("demo", workers=1)

    @pipeline.source
    def numbers():
        yield from range(2)

    @pipeline.stage(stream=STREAM)
    def split(number):
        for n in range(20_000):
            yield To("odd" if n % 2 else "even", [number, n, "x" * 20])
        if number == 1 and noted("split") == 0:
            note("split")
            raise ValueError("once more")

    @pipeline.stage(after="split", batch=5000)
    def even(rows):
        assert not any(row[1] % 2 for row in rows)

    @pipeline.stage(after="split", batch=5000)
    def odd(rows):
        assert all(row[1] % 2 for row in rows)

    if __name__ == "__main__":
        pipeline.run(retries=1, backoff=0.01, start_method="fork")
"""


@pytest.mark.parametrize("stream", ["False", "True"])
def test_much_that_goes_several_ways_is_spooled(program: MakeProgram, stream: str) -> None:
    """To each stage its own; an attempt that fails leaves nothing, or is absorbed."""
    script = program(BULK.replace("STREAM", stream))
    ended = script.run()
    assert ended.code == 0, ended.err
    assert script.queues() == [(2, 2, 0, 0), (20_000, 20_000, 0, 0), (20_000, 20_000, 0, 0)]
    spools = script.rows("SELECT count(*) FROM spool WHERE count NOT NULL")
    assert spools == ([4] if stream == "False" else [0])


def test_a_source_that_has_ended_is_not_called_again_while_its_circle_turns(
    program: MakeProgram,
) -> None:
    """That is recorded though its stage is still open."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=1)

        @pipeline.source
        def numbers():
            note("called")
            yield 0

        @pipeline.stage(puts=("work",))
        def work(number):
            if number < 5:
                pipeline.put("work", number + 1)
            if number == 3:
                await_file("go")
            note("work", number)

        if __name__ == "__main__":
            pipeline.run()
        """
    )
    process = script.start()
    script.await_note("work 2")
    until(lambda: script.rows("SELECT ended FROM source") == [1])
    process.kill()
    process.wait()
    script.touch("go")
    ended = script.run()
    assert ended.code == 0, ended.err
    assert script.counts["called"] == 1
    assert script.queues() == [(6, 6, 0, 0)]


def test_a_failed_item_of_a_circle_is_retried_and_what_it_puts_is_worked_on(
    program: MakeProgram,
) -> None:
    """The seals of the circle are lifted, also without a run, and set again."""
    script = program(
        CRAWL.replace(
            'note("fetch", page)', 'if page == 5 and not (HERE / "ok").exists(): raise ValueError'
        )
    )
    assert script.run().code == 6
    assert "store 11" not in script.notes
    script.touch("ok")
    ended = script.run(PERSISTQ_RETRY_FAILED="1")
    assert ended.code == 0, ended.err
    assert stored_pages(script.notes) == crawled()


def test_options_of_shape_are_refused_where_they_are_said() -> None:
    """A name that is none, one that comes later, a way back that leads nowhere."""
    pipeline = Pipeline("demo")

    @pipeline.stage
    def fetch(page: int) -> int:
        return page

    def other(page: int) -> int:
        return page

    for options, words in (
        ({"after": "fecth"}, "after='fecth' is no stage defined before it; did you mean fetch"),
        ({"after": ()}, r"after=\(\) is refused: nothing would come to it"),
        ({"after": 3}, "after=3 is refused: give the name of a stage"),
        ({"after": ("fetch", "fetch")}, "is refused: give the name of a stage, or a tuple"),
        ({"puts": ("later",)}, "puts='later' is no stage before it, nor itself"),
        ({"after": "fetch", "puts": "other2"}, "is no stage before it, nor itself"),
    ):
        with pytest.raises(UsageError, match=words):
            pipeline.stage(**options)(other)  # type: ignore[arg-type]
    assert [stage.name for stage in pipeline.stages] == ["fetch"]
    with pytest.raises(UsageError, match="is for a handler while it is at work"):
        pipeline.put("fetch", 1)
    side = pipeline.stage(name="side")(other)
    with pytest.raises(UsageError, match="say after='leaf' at 'side'"):
        pipeline.stage(name="leaf", after="fetch", puts="side")(side)
    assert To(("a", "b"), 1).stages == ("a", "b")


def test_an_unfinished_load_keeps_its_shape(program: MakeProgram) -> None:
    """What was made went where the graph led; a stage that comes in later would miss it."""
    script = program(FAN)
    assert script.run(PERSISTQ_FAILPOINT="broker.before_stage_seal@3").code == 3
    script.write(FAN.replace('after=("even", "odd")', 'after="odd"'))
    ended = script.run()
    assert ended.code == 2, ended.err
    assert "has fed 'store'; this program has it feed no stage: restore after=" in ended.err
