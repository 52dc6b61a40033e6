"""Asynchronous generators as sources."""

from __future__ import annotations

import pytest

from .conftest import MakeProgram

TICKS = """
    import asyncio
    from persistq import Put
    pipeline = Pipeline("demo", workers=1)

    @pipeline.source
    async def ticks(cursor, count=200):
        beside = asyncio.create_task(asyncio.sleep(3600))
        try:
            for number in range(cursor or 0, count):
                await asyncio.sleep(0)
                if number == 100 and not (HERE / "fixed").exists():
                    raise ConnectionError("the other side hung up")
                yield Put(number, cursor=number + 1)
        finally:
            note("closed", beside.cancel())

    @pipeline.stage
    def work(number): note(number)

    if __name__ == "__main__":
        pipeline.run()
"""


@pytest.mark.parametrize("workers", ["0", "1"])
def test_an_asynchronous_generator_is_a_source_like_any_other(
    program: MakeProgram, workers: str
) -> None:
    """It is awaited item by item, ends with its tasks, and goes on behind its cursor."""
    script = program(TICKS)
    ended = script.run(PERSISTQ_WORKERS=workers)
    assert ended.code == 3
    assert "source 'ticks' raised ConnectionError: the other side hung up" in ended.err
    assert script.queues()[0][0] == 100
    script.touch("fixed")
    ended = script.run(PERSISTQ_WORKERS=workers)
    assert ended.code == 0, ended.err
    assert script.counts == {"closed True": 2} | {str(number): 1 for number in range(200)}


def test_an_asynchronous_source_runs_under_every_start_method(
    program: MakeProgram, start_method: str
) -> None:
    """What it waits for meanwhile goes on."""
    script = program(TICKS)
    script.touch("fixed")
    ended = script.run(PERSISTQ_START_METHOD=start_method)
    assert ended.code == 0, ended.err
    assert script.queues() == [(200, 200, 0, 0)]


def test_a_source_may_return_an_asynchronous_iterator(program: MakeProgram) -> None:
    """As one may return a list."""
    script = program(
        TICKS.replace(
            "async def ticks(cursor, count=200)",
            "def ticks(cursor):\n"
            "        return made(cursor)\n\n    async def made(cursor, count=200)",
        )
    )
    script.touch("fixed")
    ended = script.run()
    assert ended.code == 0, ended.err
    assert script.queues() == [(200, 200, 0, 0)]
