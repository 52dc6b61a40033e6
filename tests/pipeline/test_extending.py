"""``item.extend``: an attempt that asks for more time is not ended before."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from .conftest import MakeProgram

ONE_BY_ONE = {"PERSISTQ_WINDOW_TIME": "0", "PERSISTQ_ACK_INTERVAL": "0"}

SCRIPT = """
    import asyncio

    pipeline = Pipeline("demo", workers={workers})

    @pipeline.source
    def numbers():
        yield 0
        while not noted("begun"):
            time.sleep(0.002)
        # By then the plain time of the first one is over.
        time.sleep(0.4)
        yield 1

    def lives(pid):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        return True

    def victim():
        lines = (HERE / "notes").read_text().split()
        return int(lines[lines.index("victim") + 1]) if "victim" in lines else os.getpid()

    @pipeline.stage(timeout=0.3, max_crashes=1{options})
    {prefix}def work({parameters}):
        if number:
            note("victim", os.getpid())
            while True:
                {sleep}
        if noted("begun"):
            return
        {asks}
        note("begun")
        while lives(victim()):
            {sleep}

    if __name__ == "__main__":
        pipeline.run()
"""


class Way(NamedTuple):
    """How a handler is called.

    Attributes:
        workers: How many processes there are.
        options: What the stage says.
        prefix: What stands before its definition.
        parameters: What it takes.
        sleep: How it waits a little.
        asks: How it asks for time.
    """

    workers: int = 2
    options: str = ""
    prefix: str = ""
    parameters: str = "number, item"
    sleep: str = "time.sleep(0.002)"
    asks: str = 'item.extend("5min")'


WAYS = {
    "one by one": Way(),
    "in batches": Way(
        options=", batch=1", parameters="numbers, items", asks='items[0].extend("5min")'
    ),
    "concurrently": Way(
        workers=1,
        options=", concurrency=2",
        prefix="async ",
        sleep="await asyncio.sleep(0.002)",
    ),
    "in threads": Way(workers=1, options=", threads=2"),
    "by a thread of its own": Way(
        workers=1,
        options=", threads=2",
        asks="one = threading.Thread(target=item.extend, args=(300,)); one.start(); one.join()",
    ),
    "by what it has forked": Way(
        asks="os.fork() or (item.extend(300), os._exit(0)); os.wait()",
    ),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_who_asks_for_more_time_has_it(program: MakeProgram, way: Way) -> None:
    """A later item of the same stage, which has not asked, is ended meanwhile, and it alone."""
    text = SCRIPT.format(**way._asdict())
    if way.parameters.startswith("numbers"):
        text = text.replace(
            "        if number:", "        (number,) = numbers\n        if number:", 1
        )
    script = program(text)
    ended = script.run(**ONE_BY_ONE)
    assert ended.code == 6, ended.err
    assert script.rows("SELECT item_id & 0xffff, kind FROM failure") == [(2, "timeout")]
    assert script.queues() == [(2, 1, 0, 1)]


def test_the_next_attempt_has_the_plain_limit(program: MakeProgram) -> None:
    """And who hangs beyond what it has asked for is ended with that time as the reason."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=1)
        pipeline.source(lambda: range(1))

        @pipeline.stage(timeout=0.05, max_crashes=2, retries=1, backoff=0)
        def work(number, item):
            if item.attempt == 1:
                item.extend(300)
                raise ValueError("again, in this process")
            if noted("begun"):
                item.extend(0.3)
            note("begun")
            await_file("never")

        if __name__ == "__main__":
            pipeline.run()
        """
    )
    ended = script.run()
    assert ended.code == 6, ended.err
    _, plain, asked = script.rows("SELECT message FROM failure ORDER BY failure_id")
    assert "it ran for more than 0.05 s" in plain
    assert 0.3 <= float(asked.split("more than ")[1].split(" s,")[0]) < 0.35


@pytest.mark.parametrize("workers", ["0", "1"])
def test_asking_is_harmless_where_nobody_is_ended(program: MakeProgram, workers: str) -> None:
    """Without a limit, inline, and when an attempt is over; what is no time fails the item."""
    script = program(
        """
        pipeline = Pipeline("demo")
        pipeline.source(lambda: range(3))
        kept = []

        @pipeline.stage
        def work(number, item):
            for one in [*kept, item]:
                one.extend("1h")
            kept.append(item)
            if number == 2:
                item.extend("2d")

        if __name__ == "__main__":
            pipeline.run()
        """
    )
    ended = script.run(PERSISTQ_WORKERS=workers)
    assert ended.code == 6, ended.err
    (reason,) = script.rows("SELECT message FROM failure")
    assert "from 0.001 s to a day" in reason
    assert script.queues() == [(3, 2, 0, 1)]
